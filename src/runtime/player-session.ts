/**
 * A player over HTTP or WebSocket as the session registry sees it: admission, subscription, end. The protocol gives
 * the sink and what to do at the end; everything else is alike for FLV, TS and fMP4.
 */
import type { LiveSession, SessionRole } from '../access/session-registry.ts';
import type { FeedFormat } from '../media/feed.ts';
import type { Sink } from '../media/sink.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Subscription } from '../media/subscription.ts';
import { randomId } from '../util/id.ts';
import type { Logger } from '../util/log.ts';
import type { HttpRequest } from './http-listener.ts';
import type { ModuleContext } from './module.ts';

export type PlayRequest = Omit<HttpRequest, 'response'>;

export class PlayerSession implements LiveSession {
  readonly id = randomId();
  readonly protocol: string;
  role: SessionRole = 'player';
  readonly remote: string;
  readonly sinceMs = Date.now();
  streamText = '';
  url: string;
  tcUrl = '';
  pageUrl: string;
  userAgent: string;
  readonly log: Logger;
  private readonly context: ModuleContext;
  private subscription: Subscription | null = null;
  private ended = false;

  constructor(context: ModuleContext, protocol: string, request: PlayRequest) {
    this.context = context;
    this.protocol = protocol;
    this.remote = request.remote;
    this.url = request.path;
    this.pageUrl = request.message.headers.referer ?? '';
    this.userAgent = request.message.headers['user-agent'] ?? '';
    this.log = context.log.child(this.id);
  }

  /** Asks for admission; throws RejectedError. */
  async admit(request: PlayRequest, app: string, stream: string): Promise<StreamKey> {
    const key = await this.context.admission.check({
      action: 'play',
      protocol: this.protocol,
      host: request.host,
      app,
      stream,
      query: request.rawQuery,
      remote: this.remote,
      sessionId: this.id,
    });
    this.streamText = key.text;
    return key;
  }

  /** Registers the session and starts to send; throws RejectedError when the stream is not there. */
  start(key: StreamKey, format: FeedFormat, sink: Sink): void {
    this.subscription = this.context.hub.subscribe(key, format, sink, 'gop', 0);
    if (this.ended) {
      this.subscription.close();
      return;
    }
    this.context.sessions.add(this);
    this.log.info(`${this.protocol}.play-start`, {
      stream: key.text,
      remote: this.remote,
      agent: this.userAgent,
    });
  }

  /** The connection is gone, or we ended it. Idempotent. */
  finish(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    const { subscription } = this;
    if (subscription === null) return;
    subscription.close();
    this.context.sessions.remove(this);
    const seconds = Math.round((Date.now() - this.sinceMs) / 1000);
    const fields = {
      stream: this.streamText,
      reason,
      seconds,
      bytes: subscription.bytesSent,
      dropped: subscription.chunksDropped,
    };
    this.log.info(`${this.protocol}.play-stop`, fields);
  }

  kick(reason: string): void {
    this.subscription?.end(reason);
  }

  bytesIn(): number {
    return 0;
  }

  bytesOut(): number {
    return this.subscription?.bytesSent ?? 0;
  }

  dropped(): number {
    return this.subscription?.chunksDropped ?? 0;
  }
}
