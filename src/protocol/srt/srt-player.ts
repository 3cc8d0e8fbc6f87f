/** A caller that plays: the shared `ts` feed of its stream, over its connection. */
import type { LiveSession, SessionDetails, SessionRole } from '../../access/session-registry.ts';
import type { SrtLink } from '../../client/srt/srt-link.ts';
import { playerBandwidth, SrtSink } from '../../client/srt/srt-sink.ts';
import type { Subscription } from '../../media/subscription.ts';
import { tsFormat } from '../../packaging/ts-feed.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import type { SrtIncoming } from './srt-incoming.ts';

/** What a publisher has not announced by then does not come. */
const TRACKS_COME_MS = 2000;
const LOOK_EVERY_MS = 500;

export class SrtPlayer implements LiveSession {
  readonly id = randomId();
  readonly protocol = 'srt';
  role: SessionRole = 'player';
  readonly remote: string;
  readonly sinceMs = Date.now();
  streamText = '';
  url: string;
  tcUrl = '';
  pageUrl = '';
  userAgent = '';
  readonly log: Logger;
  private readonly context: ModuleContext;
  private readonly onOver: (player: SrtPlayer) => void;
  private subscription: Subscription | null = null;
  private link: SrtLink | null = null;
  private sink: SrtSink | null = null;
  private isOver = false;

  /** `onOver` is called once when it has ended. */
  constructor(incoming: SrtIncoming, onOver: (player: SrtPlayer) => void) {
    this.context = incoming.context;
    this.remote = incoming.remote;
    this.url = `/${incoming.wanted.app}/${incoming.wanted.stream}`;
    this.onOver = onOver;
    this.log = incoming.context.log.child(this.id);
  }

  /** Admission, then the stream, then the handshake. Throws RejectedError when it is refused, and is over then. */
  async begin(incoming: SrtIncoming): Promise<void> {
    try {
      await this.connect(incoming);
    } catch (error) {
      this.finish((error as Error).message);
      throw error;
    }
  }

  private async connect(incoming: SrtIncoming): Promise<void> {
    const { context } = this;
    const { wanted } = incoming;
    const key = await context.admission.check({
      action: 'play',
      protocol: this.protocol,
      host: wanted.host,
      app: wanted.app,
      stream: wanted.stream,
      query: wanted.query,
      remote: this.remote,
      sessionId: this.id,
    });
    this.streamText = key.text;
    const { play } = context.configuration().resolver.resolve(wanted.host, key.app, key.name);
    const sink = new SrtSink(incoming.payloads, (reason) => this.finish(reason));
    const subscription = context.hub.subscribe(key, tsFormat, sink, 'gop', play.waitMs);
    const { maxBandwidth } = context.configuration().server.srt;
    const bandwidth = playerBandwidth(maxBandwidth, context.hub.find(key.text), context.clock.nowUs());
    try {
      this.link = incoming.accept(
        {
          // What a player sends means nothing here.
          onPayload: () => undefined,
          onClosed: (reason) => this.finish(reason),
        },
        bandwidth,
      );
    } catch (error) {
      subscription.close();
      throw error;
    }
    this.subscription = subscription;
    this.sink = sink;
    context.sessions.add(this);
    this.log.info('srt.play-start', { stream: key.text, remote: this.remote });
    sink.begin(this.link, subscription, bandwidth);
    context.tick.after(LOOK_EVERY_MS, () => this.checkHope());
  }

  /** Ends a player that will never get anything: MPEG-TS may have no place for any track of the stream. */
  private checkHope(): void {
    const { subscription } = this;
    if (this.isOver || subscription === null || subscription.bytesSent > 0) return;
    const stream = this.context.hub.find(this.streamText);
    const isSettled =
      stream?.state === 'live' &&
      stream.tracks.length > 0 &&
      this.context.clock.wallUs() / 1000 - stream.liveSinceMs >= TRACKS_COME_MS;
    const leftOut = subscription.feed.encoder.leftOut();
    if (isSettled && leftOut.length >= stream.tracks.length) {
      this.finish([...new Set(leftOut.map(({ reason }) => reason))].join(' '));
      return;
    }
    this.context.tick.after(LOOK_EVERY_MS, () => this.checkHope());
  }

  /** Idempotent. */
  finish(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    const { subscription } = this;
    if (subscription !== null) {
      subscription.close();
      this.log.info('srt.play-stop', {
        stream: this.streamText,
        remote: this.remote,
        reason,
        seconds: Math.round((Date.now() - this.sinceMs) / 1000),
        bytes: subscription.bytesSent,
        dropped: subscription.chunksDropped,
      });
      this.context.sessions.remove(this);
    }
    this.link?.close();
    this.onOver(this);
  }

  kick(reason: string): void {
    this.finish(reason);
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

  details(): SessionDetails {
    return { overflows: this.sink?.overflows ?? 0, ...this.link?.statistics() };
  }
}
