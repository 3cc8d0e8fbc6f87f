/**
 * FLV over WebSocket. The ws library does the handshake, pings and closing; media goes to the socket as frames that
 * were made once for all players, between its own messages.
 */

import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { wsFlvFormat } from '../../packaging/flv-feed.ts';
import type { HttpUpgrade } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PlayerSession } from '../../runtime/player-session.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';

/** A player sends nothing but control frames. */
const MAX_INCOMING_BYTES = 4096;
const CLOSE_GOING_AWAY = 1001;
const MAX_CLOSE_REASON_BYTES = 120;

export class WsFlvPlay {
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

  async handle(request: HttpUpgrade): Promise<void> {
    const session = new PlayerSession(this.context, request.secure ? 'wss-flv' : 'ws-flv', request);
    const { app, stream } = splitStreamPath(request.path, '.flv');
    const key = await session.admit(request, app, stream);
    const known =
      this.context.hub.find(key.text) !== undefined || this.context.hub.onDemandStreams().has(key.text);
    const socket = request.socket as Socket;
    this.server.handleUpgrade(request.message, socket, request.head, (webSocket) => {
      if (!known) {
        // Browsers hide the status of a refused upgrade from the page, so the reason goes into the close frame.
        webSocket.close(
          CLOSE_NOT_FOUND,
          `Nobody publishes ${key.text} now.`.slice(0, MAX_CLOSE_REASON_BYTES),
        );
        return;
      }
      this.play(session, webSocket, socket, () =>
        session.start(key, wsFlvFormat, this.sinkFor(session, webSocket, socket)),
      );
    });
  }

  private play(session: PlayerSession, webSocket: WebSocket, socket: Socket, start: () => void): void {
    webSocket.on('error', (error) => {
      this.context.log.counted('ws-flv.bad-frame', { remote: session.remote, cause: error.message });
      socket.destroy();
    });
    webSocket.on('close', () => {
      this.playing.delete(session);
      session.finish('the player left');
    });
    try {
      start();
      this.playing.add(session);
    } catch (error) {
      webSocket.close(
        CLOSE_GOING_AWAY,
        error instanceof Error ? error.message.slice(0, MAX_CLOSE_REASON_BYTES) : '',
      );
    }
  }

  private sinkFor(session: PlayerSession, webSocket: WebSocket, socket: Socket): SocketSink {
    return new SocketSink(socket, (reason) => {
      session.finish(reason);
      webSocket.close(CLOSE_GOING_AWAY, reason.slice(0, MAX_CLOSE_REASON_BYTES));
    });
  }

  close(): void {
    for (const session of [...this.playing]) session.kick('The server is shutting down.');
    this.server.close();
  }
}

/** Private use range of RFC 6455 section 7.4.2; reads like the HTTP status. */
const CLOSE_NOT_FOUND = 4404;
