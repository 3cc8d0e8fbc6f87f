/** What the soak tests share: a repeatable choice of numbers, publishers that come and go, and what a process holds. */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ClipPublisher } from '../support/clip-publisher.ts';
import type { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export class Random {
  private state = 0x2545f491;

  /** A whole number below `limit`; the same run of numbers every time. */
  below(limit: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Publishes live/`name` again and again, over RTMP and RTMPS, and leaves with a farewell or without. */
export async function publishAndGo(
  server: TestServer,
  name: string,
  random: Random,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const tls = random.below(3) === 0;
    const publisher = await ClipPublisher.start({
      port: tls ? server.rtmpsPort : server.rtmpPort,
      tls,
      name,
    });
    await pause(500 + random.below(4000));
    if (random.below(2) === 0) publisher.crash();
    else publisher.stop();
    await until(`the free name ${name}`, () => {
      const stream = server.application.context.hub.find(`live/${name}`);
      return stream === undefined || stream.state !== 'live';
    });
    await pause(random.below(600));
  }
}

export function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

/** Memory of buffers, which is not part of the heap. */
export function bufferBytes(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

export function handleCount(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCP|TLS|Pipe|Timeout)/.test(name)).length;
}

/** Open files of this process, sockets among them; 0 where the system does not tell. */
export function openFileCount(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

/** Files below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
}
