/**
 * A live stream over WebSocket (RFC 6455). The ws library does the handshake, pings and closing; media goes to the
 * socket as messages that were made once for all players, between its own.
 */
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { HttpUpgrade } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PlayerSession } from '../../runtime/player-session.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';
import { RejectedError } from '../../util/errors.ts';
import type { LiveAddress } from './live-format.ts';
import { watchHope } from './watch-hope.ts';

/** A player sends nothing but control frames. */
const MAX_INCOMING_BYTES = 4096;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_FAULT = 1011;
/** Private use range of RFC 6455 section 7.4.2; they read like the HTTP status. */
const CLOSE_NOT_FOUND = 4404;
const CLOSE_UNSUPPORTED = 4415;
/** A close frame holds 125 bytes, two of them the code. */
const MAX_CLOSE_REASON_BYTES = 123;

export class LiveSocket {
  private readonly context: ModuleContext;
  private readonly server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_INCOMING_BYTES,
    clientTracking: false,
    autoPong: true,
  });
  private readonly playing = new Set<PlayerSession>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  async handle(request: HttpUpgrade, { format, suffix }: LiveAddress): Promise<void> {
    const protocol = `${request.secure ? 'wss' : 'ws'}-${format.name}`;
    const session = new PlayerSession(this.context, protocol, request);
    const { app, stream } = splitStreamPath(request.path, suffix);
    const key = await session.admit(request, app, stream);
    const socket = request.socket as Socket;
    this.server.handleUpgrade(request.message, socket, request.head, (webSocket) => {
      webSocket.on('error', (error) => {
        this.context.log.counted(`${protocol}.bad-frame`, { remote: session.remote, cause: error.message });
        socket.destroy();
      });
      webSocket.on('close', () => {
        this.playing.delete(session);
        session.finish('the player left');
      });
      this.play(session, webSocket, () =>
        session.start(key, format.webSocket, this.sinkFor(session, webSocket, socket)),
      );
    });
  }

  private play(session: PlayerSession, webSocket: WebSocket, start: () => void): void {
    try {
      start();
      this.playing.add(session);
      watchHope(this.context.tick, session);
    } catch (error) {
      // Browsers hide the status of a refused upgrade from the page, so the reason goes into the close frame.
      if (error instanceof RejectedError) {
        const code = error.reason === 'not-found' ? CLOSE_NOT_FOUND : CLOSE_GOING_AWAY;
        closeWith(webSocket, code, error.message);
        return;
      }
      this.context.onFault(error);
      closeWith(webSocket, CLOSE_FAULT, 'The server had an internal fault; its log says more.');
    }
  }

  private sinkFor(session: PlayerSession, webSocket: WebSocket, socket: Socket): SocketSink {
    return new SocketSink(socket, (reason) => {
      const hasBegun = session.bytesOut() > 0;
      session.finish(reason);
      closeWith(webSocket, hasBegun ? CLOSE_GOING_AWAY : this.refusalOf(session), reason);
    });
  }

  /** Code for a player that gets nothing at all. */
  private refusalOf(session: PlayerSession): number {
    if (session.isHopeless) return CLOSE_UNSUPPORTED;
    return session.isKicked || this.context.hub.isClosing ? CLOSE_GOING_AWAY : CLOSE_NOT_FOUND;
  }

  close(): void {
    for (const session of [...this.playing]) session.kick('The server is shutting down.');
    this.server.close();
  }
}

function closeWith(webSocket: WebSocket, code: number, reason: string): void {
  let text = reason;
  while (Buffer.byteLength(text) > MAX_CLOSE_REASON_BYTES) text = text.slice(0, -1);
  webSocket.close(code, text);
}
