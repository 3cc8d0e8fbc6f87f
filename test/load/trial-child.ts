/** Child processes of trials that measure datagrams. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { deferred } from './deferred.ts';
import { pinned } from './system.ts';

/** A child process that is asked over IPC, one question at a time. */
export class TrialChild {
  private readonly process: ChildProcess;

  constructor(script: string, core: number) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const [command, args] = pinned(core, process.execPath, [path]);
    this.process = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  async ask<T>(message: object): Promise<T> {
    const { promise, resolve, reject } = deferred<T>();
    const onExit = (): void => reject(new Error('a process of the trial ended'));
    this.process.once('exit', onExit);
    this.process.once('message', ({ reply, error }: { reply?: T; error?: string }) => {
      if (error === undefined) resolve(reply as T);
      else reject(new Error(error));
    });
    this.process.send(message);
    try {
      return await promise;
    } finally {
      this.process.off('exit', onExit);
    }
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const { promise, resolve } = deferred();
    this.process.once('exit', () => resolve());
    this.process.kill();
    await promise;
  }
}
