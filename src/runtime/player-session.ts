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

/** What a publisher has not announced by then does not come. */
const TRACKS_COME_MS = 2000;

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
  private readonly host: string;
  private subscription: Subscription | null = null;
  private ended = false;
  /** The server ended it, not its stream. */
  isKicked = false;
  /** It was ended because its format has no place for any track of the stream. */
  isHopeless = false;

  constructor(context: ModuleContext, protocol: string, request: PlayRequest) {
    this.context = context;
    this.protocol = protocol;
    this.remote = request.remote;
    this.host = request.host;
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

  /**
   * Registers the session and starts to send, as soon as there is something; throws RejectedError when the stream is
   * not there and the policy lets nobody wait for it.
   */
  start(key: StreamKey, format: FeedFormat, sink: Sink): void {
    const { play } = this.context.configuration().resolver.resolve(this.host, key.app, key.name);
    this.subscription = this.context.hub.subscribe(key, format, sink, 'gop', play.waitMs);
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
    this.isKicked = true;
    this.subscription?.end(reason);
  }

  /** Ends a player that will never get anything, with the reason. False when there is nothing more to look for. */
  checkHope(): boolean {
    const { subscription } = this;
    if (this.ended || subscription === null || subscription.bytesSent > 0) return false;
    const stream = this.context.hub.find(this.streamText);
    if (stream?.state !== 'live' || stream.tracks.length === 0) return true;
    // Tracks come one after the other, so in its first seconds nothing is certain.
    if (this.context.clock.wallUs() / 1000 - stream.liveSinceMs < TRACKS_COME_MS) return true;
    const leftOut = subscription.feed.encoder.leftOut();
    if (leftOut.length < stream.tracks.length) return true;
    this.isHopeless = true;
    subscription.end([...new Set(leftOut.map(({ reason }) => reason))].join(' '));
    return false;
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
