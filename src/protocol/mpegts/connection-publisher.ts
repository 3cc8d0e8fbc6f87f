/** A TCP port as a publisher: each connection sends one body (MPEG-TS, FLV or fragmented MP4) under the port's name. */
import type { Socket } from 'node:net';
import { plainAddress } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PublisherSession } from '../../runtime/publisher-session.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';

const KEEP_ALIVE_MS = 30_000;

export class ConnectionPublisher {
  private readonly context: ModuleContext;
  private readonly app: string;
  private readonly stream: string;
  private readonly url: string;
  private readonly publishing = new Set<PublisherSession>();

  /** `stream` is `app/name`; `url` is where it listens, for lists. */
  constructor(context: ModuleContext, stream: string, url: string) {
    this.context = context;
    const slash = stream.lastIndexOf('/');
    this.app = stream.slice(0, slash);
    this.stream = stream.slice(slash + 1);
    this.url = url;
  }

  /** A connection that was just accepted and is not read yet. */
  accept(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const session: PublisherSession = new PublisherSession(
      this.context,
      {
        protocol: 'tcp-ts',
        remote: `${plainAddress(address)}:${socket.remotePort ?? 0}`,
        host: '',
        app: this.app,
        stream: this.stream,
        query: '',
        url: this.url,
        pageUrl: '',
        userAgent: '',
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
    try {
      const key = await session.admit();
      if (session.ended) return;
      session.begin(key);
      socket.resume();
    } catch (error) {
      const isRefusal = error instanceof RejectedError || error instanceof ProtocolError;
      if (!isRefusal) this.context.onFault(error);
      const cause = (error as Error).message;
      this.context.log.counted('mpegts.refused', { remote: session.remote, where: this.url, cause });
      session.end({ kind: 'fault', reason: cause });
    }
  }

  close(reason: string): void {
    for (const session of [...this.publishing]) session.end({ kind: 'revoked', reason });
  }
}
