/** A TCP port as a publisher: each connection sends one body (MPEG-TS, FLV or fragmented MP4) under the port's name. */
import type { Socket } from 'node:net';
import { plainAddress } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PublisherSession } from '../../runtime/publisher-session.ts';
import { originOfPort, startPublisher } from './port-publisher.ts';

const KEEP_ALIVE_MS = 30_000;

export class ConnectionPublisher {
  private readonly context: ModuleContext;
  private readonly origin: ReturnType<typeof originOfPort>;
  private readonly publishing = new Set<PublisherSession>();

  /** `stream` is `app/name`; `url` is where it listens, for lists. */
  constructor(context: ModuleContext, stream: string, url: string) {
    this.context = context;
    this.origin = originOfPort(stream, url);
  }

  /** A connection that was just accepted and is not read yet. */
  accept(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const session: PublisherSession = new PublisherSession(
      this.context,
      {
        ...this.origin,
        protocol: 'tcp-ts',
        remote: `${plainAddress(address)}:${socket.remotePort ?? 0}`,
        format: null,
      },
      ({ kind }) => {
        this.publishing.delete(session);
        if (kind === 'over') socket.end();
        else socket.destroy();
      },
    );
    this.publishing.add(session);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (bytes: Buffer) => session.receive(bytes));
    socket.on('end', () => session.finish());
    socket.on('error', () => session.end({ kind: 'left', reason: 'the connection broke' }));
    socket.once('close', () => {
      this.context.limits.leave(address);
      session.end({ kind: 'left', reason: 'the connection is gone' });
    });
    void this.decide(session, socket);
  }

  private async decide(session: PublisherSession, socket: Socket): Promise<void> {
    if (await startPublisher(this.context, session)) socket.resume();
  }

  close(reason: string): void {
    for (const session of [...this.publishing]) session.end({ kind: 'revoked', reason });
  }
}
