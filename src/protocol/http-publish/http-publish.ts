/**
 * One POST or PUT whose body is a stream: FLV, MPEG-TS or fragmented MP4, chunked or with a length, over HTTP/1.1 or
 * HTTP/2. Who may not publish is told so before the body is read. The end of the body is the end of the stream and is
 * answered with a few numbers.
 */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { describeError, type HttpRequest, sendJson } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { type PublisherEnd, PublisherSession } from '../../runtime/publisher-session.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { type PublishAddress, publishAddress } from './publish-address.ts';

/**
 * A publisher that is refused in the middle of its body gets this long to see the answer: a connection that is cut
 * while bytes are on their way loses what was sent over it.
 */
const LINGER_MS = 1500;
const EXPECTS_LEAVE = /^100-continue$/i;

const STATUS_OF: Readonly<Record<PublisherEnd['kind'], number>> = {
  over: 200,
  left: 400,
  unsupported: 415,
  broken: 400,
  silent: 408,
  revoked: 409,
  kicked: 403,
  fault: 500,
};
const UNAVAILABLE = 503;

export class HttpPublish {
  private readonly context: ModuleContext;
  private readonly publishing = new Set<PublisherSession>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  async handle(request: HttpRequest): Promise<void> {
    const { message, response } = request;
    let address: PublishAddress;
    let session: PublisherSession;
    try {
      address = publishAddress(request.path);
      session = this.open(request, address);
      const key = await session.admit();
      if (message.destroyed || response.destroyed) return;
      session.begin(key);
    } catch (error) {
      this.refuse(request, error);
      return;
    }
    this.publishing.add(session);
    message.on('data', (bytes: Buffer) => session.receive(bytes));
    message.on('end', () => session.finish());
    message.on('error', () => session.end({ kind: 'left', reason: 'the publisher broke the body off' }));
    message.on('close', () => session.end({ kind: 'left', reason: 'the publisher left' }));
    response.on('error', () => session.end({ kind: 'left', reason: 'the publisher left' }));
    if (EXPECTS_LEAVE.test(message.headers.expect ?? '')) response.writeContinue();
  }

  private open(request: HttpRequest, { app, stream, name, format }: PublishAddress): PublisherSession {
    const { headers } = request.message;
    const session: PublisherSession = new PublisherSession(
      this.context,
      {
        protocol: `${request.secure ? 'https' : 'http'}-${name}`,
        remote: request.remote,
        host: request.host,
        app,
        stream,
        query: request.rawQuery,
        url: request.path,
        pageUrl: headers.referer ?? '',
        userAgent: headers['user-agent'] ?? '',
        format,
      },
      (end) => {
        this.publishing.delete(session);
        this.answer(request, session, end);
      },
    );
    return session;
  }

  private answer(request: HttpRequest, session: PublisherSession, { kind, reason }: PublisherEnd): void {
    const { response } = request;
    if (kind === 'left') {
      response.destroy();
      return;
    }
    if (kind !== 'over') {
      const isClosing = kind === 'revoked' && this.context.hub.isClosing;
      this.refuseWith(request, isClosing ? UNAVAILABLE : STATUS_OF[kind], reason);
      return;
    }
    sendJson(response, STATUS_OF.over, {
      code: 0,
      stream: session.streamText,
      session: session.id,
      protocol: session.protocol,
      seconds: Math.round((Date.now() - session.sinceMs) / 100) / 10,
      bytes: session.bytesIn(),
      frames: session.frames,
    });
  }

  private refuse(request: HttpRequest, error: unknown): void {
    const { status, text } = describeError(error);
    if (!(error instanceof RejectedError) && !(error instanceof ProtocolError)) this.context.onFault(error);
    else
      this.context.log.counted('http-publish.refused', {
        remote: request.remote,
        path: request.path,
        cause: text,
      });
    this.refuseWith(request, status, text);
  }

  /** The rest of the body is not waited for: the connection (over HTTP/2 the request) ends with the answer. */
  private refuseWith({ message, response }: HttpRequest, status: number, text: string): void {
    if (response.headersSent || response.destroyed) return;
    const body = Buffer.from(`${text}\n`);
    const headers = {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
    };
    if (message.httpVersionMajor === 2) {
      response.writeHead(status, headers);
      response.end(body);
      // RFC 9113 section 8.1: whoever has answered may tell that it wants no more of the body.
      const { stream } = response as ServerResponse & { stream: ServerHttp2Stream };
      stream.once('finish', () => stream.close());
      return;
    }
    response.writeHead(status, { ...headers, Connection: 'close' });
    response.write(body);
    message.removeAllListeners('data');
    // What still comes is read and dropped, so that the answer is not lost with it.
    message.resume();
    const finish = () => {
      timeout.cancel();
      response.end();
    };
    const timeout = this.context.tick.after(LINGER_MS, () => {
      response.end();
      message.socket.destroySoon();
    });
    message.once('end', finish);
    message.once('close', finish);
  }

  close(): void {
    for (const session of [...this.publishing])
      session.end({ kind: 'revoked', reason: 'The server is shutting down.' });
  }
}
