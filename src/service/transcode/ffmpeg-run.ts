/**
 * One child process: bytes in, bytes out, the last lines that it complained with. No shell, no files; where the system
 * has groups of processes it is one of its own, so that what a wrapper starts ends with it. When the server itself dies, its
 * input ends, and so does it.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const MAX_COMPLAINT_CHARACTERS = 1000;
const HAS_GROUPS = process.platform !== 'win32';

export interface FfmpegRunEvents {
  onOutput(bytes: Buffer): void;
  /** Over, and not by `stop`. `complaint`: what it said last, one line, or how it ended. */
  onEnd(complaint: string): void;
}

export class FfmpegRun {
  private readonly child: ChildProcess;
  /** Resolves when it is gone. */
  readonly ended: Promise<void>;
  private complaint = '';
  private isOver = false;
  private isStopped = false;

  constructor(program: string, args: readonly string[], events: FfmpegRunEvents) {
    const child: ChildProcess = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      shell: false,
      windowsHide: true,
      detached: HAS_GROUPS,
    });
    this.child = child;
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        if (this.isOver) return;
        this.isOver = true;
        resolve();
        if (!this.isStopped) events.onEnd(lastLine(this.complaint) || how);
      };
      child.on('error', (error) => end(error.message));
      child.on('close', (code, signal) => end(`it ended with ${signal ?? code}`));
    });
    // A system without another descriptor gives no pipes: an error follows.
    child.stdout?.on('data', (bytes: Buffer) => {
      if (!this.isStopped) events.onOutput(bytes);
    });
    child.stderr?.on('data', (bytes: Buffer) => {
      this.complaint = (this.complaint + bytes.toString('utf8')).slice(-MAX_COMPLAINT_CHARACTERS);
    });
    // It may end before it has read everything: then its end tells.
    child.stdin?.on('error', () => undefined);
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Bytes that it has not taken. */
  get waitingBytes(): number {
    return this.child.stdin?.writableLength ?? 0;
  }

  /** The bytes are not copied, and must not change. */
  write(head: Uint8Array, body: Uint8Array | null): void {
    const { stdin } = this.child;
    if (this.isOver || this.isStopped || !stdin) return;
    stdin.cork();
    stdin.write(head);
    if (body !== null) stdin.write(body);
    stdin.uncork();
  }

  /** At once. May be called twice. */
  stop(): void {
    this.isStopped = true;
    const { pid } = this.child;
    if (this.isOver || pid === undefined) return;
    try {
      if (HAS_GROUPS) process.kill(-pid, 'SIGKILL');
      else this.child.kill('SIGKILL');
    } catch {
      // It is gone, and nobody has been told yet.
    }
  }
}

function lastLine(text: string): string {
  return (
    text
      .trim()
      .split(/[\r\n]+/)
      .at(-1)
      ?.trim() ?? ''
  );
}
