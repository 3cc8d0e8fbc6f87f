/**
 * A stream that comes by WebSocket (RFC 6455) in binary messages of any size, as pages and node-media-server's clients
 * send it: the sub-protocol `post` or `publisher` tells it from a player of the same address.
 */
import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { HttpUpgrade } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { type PublisherEnd, PublisherSession } from '../../runtime/publisher-session.ts';
import { publishAddress } from './publish-address.ts';

const SUB_PROTOCOLS = ['post', 'publisher'];
/** One message; a key frame of any real encoder fits several times. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/** A close frame holds 125 bytes, two of them the code. */
const MAX_CLOSE_REASON_BYTES = 123;
/** RFC 6455 section 7.4.1; from 4000 on private use, reading like the HTTP status. */
const CLOSE_CODES: Readonly<Record<PublisherEnd['kind'], number>> = {
  over: 1000,
  left: 1000,
  unsupported: 4415,
  broken: 1007,
  silent: 4408,
  revoked: 4409,
  kicked: 4403,
  fault: 1011,
};

/** Whether the peer wants to publish. */
export function asksToPublish(message: IncomingMessage): boolean {
  return subProtocols(message).some((name) => SUB_PROTOCOLS.includes(name));
}

function subProtocols({ headers }: IncomingMessage): string[] {
  return (headers['sec-websocket-protocol'] ?? '').toLowerCase().split(/\s*,\s*/);
}

export class SocketPublish {
  private readonly context: ModuleContext;
  private readonly server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    clientTracking: false,
    handleProtocols: (offered) =>
      [...offered].find((name) => SUB_PROTOCOLS.includes(name.toLowerCase())) ?? false,
  });
  private readonly publishing = new Set<PublisherSession>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  /** Throws RejectedError before the connection is upgraded. */
  async handle(request: HttpUpgrade): Promise<void> {
    const { message, socket, head } = request;
    const { app, stream, name, format } = publishAddress(request.path);
    let webSocket: WebSocket | null = null;
    const session: PublisherSession = new PublisherSession(
      this.context,
      {
        protocol: `${request.secure ? 'wss' : 'ws'}-${name}`,
        remote: request.remote,
        host: request.host,
        app,
        stream,
        query: request.rawQuery,
        url: request.path,
        pageUrl: message.headers.origin ?? '',
        userAgent: message.headers['user-agent'] ?? '',
        format,
      },
      (end) => {
        this.publishing.delete(session);
        if (webSocket === null) socket.destroy();
        else closeWith(webSocket, end);
      },
    );
    const key = await session.admit();
    if (socket.destroyed) return;
    session.begin(key);
    this.publishing.add(session);
    const onGone = () => session.end({ kind: 'left', reason: 'the publisher left' });
    // A handshake that ws refuses closes the connection without a word to us.
    socket.once('close', onGone);
    this.server.handleUpgrade(message, socket, head, (opened) => {
      webSocket = opened;
      opened.on('message', (data, isBinary) => {
        if (isBinary) session.receive(data as Buffer);
        else session.end({ kind: 'broken', reason: 'A stream comes in binary messages.' });
      });
      opened.on('error', (error) => {
        this.context.log.counted(`${session.protocol}.bad-frame`, {
          remote: session.remote,
          cause: error.message,
        });
        socket.destroy();
      });
      opened.on('close', () => session.finish());
    });
  }

  close(): void {
    for (const session of [...this.publishing])
      session.end({ kind: 'revoked', reason: 'The server is shutting down.' });
    this.server.close();
  }
}

function closeWith(webSocket: WebSocket, { kind, reason }: PublisherEnd): void {
  let text = reason;
  while (Buffer.byteLength(text) > MAX_CLOSE_REASON_BYTES) text = text.slice(0, -1);
  webSocket.close(CLOSE_CODES[kind], text);
}
