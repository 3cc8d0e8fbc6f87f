/**
 * Worker threads of the program. Packaged, the code of a worker is a file inside the executable (`workers/NAME.js`, made
 * by build/worker-bundles.mjs) and started as text; from source it is the .ts file itself. Whatever a worker does, the
 * process lives: its owner hears of the end. Leaves out: restarting, which is the owner's business.
 */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Entries below src/; build/worker-bundles.mjs has the same list. */
export const WORKER_SOURCES = {
  transcode: 'transcode/transcode-worker.ts',
  rtc: 'rtc/rtc-worker.ts',
} as const;

type WorkerName = keyof typeof WORKER_SOURCES;

interface WorkerOptions {
  /** `workerData` inside. */
  readonly data?: unknown;
  /** Bound of its JavaScript heap; what WebAssembly and buffers hold is not counted. */
  readonly heapMb: number;
  readonly onMessage: (message: unknown) => void;
  /** It ended without `stop`: an uncaught error, no memory, or an exit of its own. Called once. */
  readonly onEnd: (reason: string) => void;
}

export interface WorkerThread {
  post(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Ends it wherever it is; nothing is heard of it after that. Idempotent. */
  stop(): void;
}

export type StartWorker = (name: WorkerName, options: WorkerOptions) => WorkerThread;

/** `readAsset`: files inside the executable, null when this runs from source. */
export function makeStartWorker(readAsset: (path: string) => Uint8Array | null): StartWorker {
  const texts = new Map<WorkerName, string>();
  return (name, options) => {
    let text = texts.get(name);
    if (text === undefined) {
      const packed = readAsset(`workers/${name}.js`);
      if (packed !== null) {
        text = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength).toString('utf8');
        texts.set(name, text);
      }
    }
    return new RunningThread(name, text ?? null, options);
  };
}

class RunningThread implements WorkerThread {
  private readonly worker: Worker;
  private isOver = false;
  private lastError = '';

  constructor(name: WorkerName, text: string | null, options: WorkerOptions) {
    const source = text ?? join(import.meta.dirname, '..', WORKER_SOURCES[name]);
    this.worker = new Worker(source, {
      eval: text !== null,
      name,
      workerData: options.data,
      // Not the flags of this process: those of a test runner or a debugger mean nothing there.
      execArgv: [],
      argv: [],
      resourceLimits: { maxOldGenerationSizeMb: options.heapMb },
    });
    this.worker.on('message', (message: unknown) => {
      if (!this.isOver) options.onMessage(message);
    });
    this.worker.on('messageerror', (error) => this.noteError(error));
    this.worker.on('error', (error) => this.noteError(error));
    this.worker.on('exit', (code) => {
      if (this.isOver) return;
      this.isOver = true;
      options.onEnd(this.lastError === '' ? `exit ${code}` : this.lastError);
    });
  }

  post(message: unknown, transfer: readonly ArrayBuffer[] = []): void {
    if (!this.isOver) this.worker.postMessage(message, transfer);
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    void this.worker.terminate();
  }

  private noteError(error: unknown): void {
    this.lastError = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
