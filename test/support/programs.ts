/** Programs of others: whether they are there, and running them with a time limit. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Path of a program, '' when it is not installed. */
function findProgram(name: string): string {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return '';
}

/** The reason for skipping a test, or false when all of them are there. */
export function missing(...names: readonly string[]): string | false {
  const absent = names.filter((name) => findProgram(name) === '');
  return absent.length === 0
    ? false
    : `${absent.join(' and ')} ${absent.length > 1 ? 'are' : 'is'} not installed`;
}

export const NODE_AV_MISSING = existsSync(
  fileURLToPath(new URL('../../node_modules/node-av', import.meta.url)),
)
  ? false
  : 'node-av (FFmpeg 8) is not installed';

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Ran>;
  /** As a person at the terminal does: programs end in good order. */
  interrupt(): void;
  stop(): void;
}

export function start(command: string, args: readonly string[], timeoutMs = 30_000): Running {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    // node-av keeps a thread of the pool busy for each address that it reads.
    env: { ...process.env, SVT_LOG: '0', UV_THREADPOOL_SIZE: '16' },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString('utf8');
  });
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString('utf8');
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const done = new Promise<Ran>((resolve) => {
    child.on('error', (error) => {
      err += error.message;
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out, err });
    });
  });
  return {
    child,
    done,
    interrupt: () => void child.kill('SIGINT'),
    stop: () => void child.kill('SIGTERM'),
  };
}

export function run(command: string, args: readonly string[], timeoutMs = 30_000): Promise<Ran> {
  return start(command, args, timeoutMs).done;
}
