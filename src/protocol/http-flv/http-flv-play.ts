/**
 * One GET, answered by a body without end. The headers are written straight to the socket and so is the body:
 * Node's response object would frame every write as an HTTP chunk of its own, which cannot be shared.
 */

import { flvFormat } from '../../packaging/flv-feed.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PlayerSession } from '../../runtime/player-session.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';

/** After the end, what the player has not taken by then is lost. */
const CLOSE_GRACE_MS = 3000;

export class HttpFlvPlay {
  private readonly context: ModuleContext;
  private readonly playing = new Set<PlayerSession>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  async handle(request: HttpRequest): Promise<void> {
    const { response, message } = request;
    const session = new PlayerSession(this.context, request.secure ? 'https-flv' : 'http-flv', request);
    const { app, stream } = splitStreamPath(request.path, '.flv');
    const key = await session.admit(request, app, stream);
    const { socket } = message;
    const headers = this.headers(request);
    if (request.method === 'HEAD') {
      response.writeHead(200, headers);
      response.end();
      return;
    }
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const sink = new SocketSink(socket, (reason) => {
      session.finish(reason);
      socket.end();
      // A player that reads nothing would keep its connection for ever.
      this.context.tick.after(CLOSE_GRACE_MS, () => socket.destroy());
    });
    // The headers go out with the first bytes of the stream: one packet less to wait for.
    const write = sink.write;
    sink.write = (bytes) => {
      sink.write = write;
      sink.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${head.join('')}\r\n`, 'latin1'), bytes]));
    };
    session.start(key, flvFormat, sink);
    // Not before: a connection that is refused is kept alive and may ask again and again.
    this.playing.add(session);
    socket.once('close', () => {
      this.playing.delete(session);
      session.finish('the player left');
    });
    socket.on('error', () => socket.destroy());
    socket.setTimeout(0);
  }

  private headers(request: HttpRequest): Record<string, string> {
    const headers: Record<string, string> = {
      Server: 'Sluice',
      'Content-Type': 'video/x-flv',
      'Cache-Control': 'no-store',
      Connection: 'close',
      'X-Accel-Buffering': 'no',
    };
    const cors = request.response.getHeader('Access-Control-Allow-Origin');
    if (cors !== undefined) headers['Access-Control-Allow-Origin'] = String(cors);
    return headers;
  }

  close(): void {
    for (const session of [...this.playing]) session.kick('The server is shutting down.');
  }
}
