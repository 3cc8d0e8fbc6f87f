/** Ports for programs that cannot be told to choose one. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the range from which systems take ports for outgoing connections, which come and go by the hundred. */
const FIRST = 15_000;
const LAST = 29_999;

/** A TCP port of 127.0.0.1 that nobody has; files of tests that run at the same time hardly choose the same. */
export function freePort(): Promise<number> {
  return choose((port) => {
    const server = createServer();
    return closedAfter(server, () => server.listen(port, '127.0.0.1'));
  });
}

/** The same for UDP. */
export function freeUdpPort(): Promise<number> {
  return choose((port) => {
    const socket = createSocket('udp4');
    return closedAfter(socket, () => socket.bind(port, '127.0.0.1'));
  });
}

/** Several TCP ports, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function choose(isFree: (port: number) => Promise<boolean>): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
}

interface Listener {
  once(event: string, run: () => void): unknown;
  close(done: () => void): unknown;
}

/** Whether it could listen; it no longer does. */
async function closedAfter(listener: Listener, listen: () => void): Promise<boolean> {
  const isFree = await new Promise<boolean>((resolve) => {
    listener.once('error', () => resolve(false));
    listener.once('listening', () => resolve(true));
    listen();
  });
  await new Promise<void>((done) => listener.close(() => done()));
  return isFree;
}
