/** One GET, answered by a body without end. */
import type { ServerHttp2Stream } from 'node:http2';
import { corsOriginOf } from '../../runtime/common-headers.ts';
import { type HttpRequest, sendText } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PlayerSession } from '../../runtime/player-session.ts';
import { answerHttpAsker, HTTP_VIA_FIELD } from '../../runtime/stream-loop.ts';
import { splitStreamPath } from '../../runtime/stream-path.ts';
import { RejectedError } from '../../util/errors.ts';
import type { LiveAddress } from './live-format.ts';
import { Http1Sink, Http2Sink, type LiveSink } from './live-sink.ts';
import { watchHope } from './watch-hope.ts';

/** After the end, what the player has not taken by then is lost. */
const CLOSE_GRACE_MS = 3000;
const NOT_FOUND = 404;
const UNSUPPORTED = 415;
const UNAVAILABLE = 503;

export class LivePlay {
  private readonly context: ModuleContext;
  private readonly playing = new Set<PlayerSession>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  async handle(request: HttpRequest, { format, suffix }: LiveAddress): Promise<void> {
    const { response } = request;
    const session = new PlayerSession(
      this.context,
      `${request.secure ? 'https' : 'http'}-${format.name}`,
      request,
    );
    const { app, stream } = splitStreamPath(request.path, suffix);
    const key = await session.admit(request, app, stream);
    const headers = headersOf(request, format.contentType);
    const via = answerHttpAsker(this.context, key, request);
    if (via !== '') headers[HTTP_VIA_FIELD] = via;
    if (request.method === 'HEAD') {
      const { hub } = this.context;
      if (hub.find(key.text) === undefined && !hub.canStart(key))
        throw new RejectedError('not-found', `Nobody publishes ${key.text} now.`);
      response.writeHead(200, headers);
      response.end();
      return;
    }
    if (request.message.httpVersionMajor === 2) this.playHttp2(request, session, headers, begin);
    else this.playHttp1(request, session, headers, begin);

    function begin(sink: LiveSink): void {
      session.start(key, format.http, sink);
    }
  }

  private playHttp1(
    request: HttpRequest,
    session: PlayerSession,
    headers: Readonly<Record<string, string>>,
    begin: (sink: LiveSink) => void,
  ): void {
    const { response } = request;
    const { socket } = request.message;
    const onError = () => socket.destroy();
    const onClose = () => this.left(session);
    const sink: LiveSink = new Http1Sink(socket, { ...headers, Connection: 'close' }, (reason) => {
      this.playing.delete(session);
      session.finish(reason);
      if (sink.hasBegun) {
        socket.end();
        // A player that reads nothing would keep its connection for ever.
        this.context.tick.after(CLOSE_GRACE_MS, () => socket.destroy());
        return;
      }
      // The connection may serve other requests.
      socket.off('close', onClose);
      socket.off('error', onError);
      sendText(response, this.refusalOf(session), reason);
    });
    begin(sink);
    // Not before: a connection that is refused is kept alive and may ask again and again.
    this.playing.add(session);
    socket.once('close', onClose);
    socket.on('error', onError);
    socket.setTimeout(0);
    watchHope(this.context.tick, session);
  }

  private playHttp2(
    request: HttpRequest,
    session: PlayerSession,
    headers: Readonly<Record<string, string>>,
    begin: (sink: LiveSink) => void,
  ): void {
    const { response } = request;
    const { stream } = response as unknown as { stream: ServerHttp2Stream };
    const sink: LiveSink = new Http2Sink(response, stream, headers, (reason) => {
      this.playing.delete(session);
      session.finish(reason);
      if (!sink.hasBegun) sendText(response, this.refusalOf(session), reason);
      else {
        stream.end();
        this.context.tick.after(CLOSE_GRACE_MS, () => stream.destroy());
      }
    });
    begin(sink);
    this.playing.add(session);
    stream.once('close', () => this.left(session));
    stream.on('error', () => stream.destroy());
    watchHope(this.context.tick, session);
  }

  private left(session: PlayerSession): void {
    this.playing.delete(session);
    session.finish('the player left');
  }

  /** Status of an answer that ends before its first byte. */
  private refusalOf(session: PlayerSession): number {
    if (session.isHopeless) return UNSUPPORTED;
    return session.isKicked || this.context.hub.isClosing ? UNAVAILABLE : NOT_FOUND;
  }

  close(): void {
    for (const session of [...this.playing]) session.kick('The server is shutting down.');
  }
}

function headersOf(request: HttpRequest, contentType: string): Record<string, string> {
  const headers: Record<string, string> = {
    Server: 'Sluice',
    'Content-Type': contentType,
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  };
  const cors = corsOriginOf(request.response);
  if (cors !== '') headers['Access-Control-Allow-Origin'] = cors;
  return headers;
}
