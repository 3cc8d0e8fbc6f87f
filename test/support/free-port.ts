/** Ports for programs that cannot be told to choose one. */
import { createServer } from 'node:net';

/** Below the range from which systems take ports for outgoing connections, which come and go by the hundred. */
const FIRST = 15_000;
const LAST = 29_999;

/** A TCP port of 127.0.0.1 that nobody has; files of tests that run at the same time hardly choose the same. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}
