/** The benchmark's end of the channel to a load process, and its start on a chosen core. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { deferred } from './deferred.ts';
import type { Operation, Operations, ReplyMessage, RequestMessage } from './protocol.ts';
import { pinned } from './system.ts';

interface Waiting {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class LoadClient {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;

  constructor(core: number) {
    const script = fileURLToPath(new URL('load-process.ts', import.meta.url));
    const [command, args] = pinned(core, process.execPath, [script]);
    this.child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.child.on('message', (message: ReplyMessage) => {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (message.error === undefined) waiting?.resolve(message.reply);
      else waiting?.reject(new Error(message.error));
    });
    this.child.on('exit', () => {
      for (const waiting of this.waiting.values()) waiting.reject(new Error('the load process ended'));
      this.waiting.clear();
    });
  }

  ask<O extends Operation>(operation: O, request: Operations[O]['request']): Promise<Operations[O]['reply']> {
    const { promise, resolve, reject } = deferred<unknown>();
    const message: RequestMessage = { id: this.nextId, operation, request };
    this.waiting.set(this.nextId, { resolve, reject });
    this.nextId += 1;
    this.child.send(message);
    // The load process answers each operation with its own reply type.
    return promise as Promise<Operations[O]['reply']>;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const { promise, resolve } = deferred();
    this.child.once('exit', () => resolve());
    this.child.disconnect();
    const force = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await promise;
    clearTimeout(force);
  }
}
