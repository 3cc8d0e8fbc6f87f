/**
 * Sends one of our streams to another RTMP server: connects, publishes there, plays the shared feed into the
 * connection. Never disturbs the publisher: to the stream it is a player like any other.
 */
import { RtmpClient, type RtmpClientEnd } from '../../client/rtmp/rtmp-client.ts';
import type { Sink } from '../../media/sink.ts';
import type { Subscription } from '../../media/subscription.ts';
import { rtmpFormat } from '../../packaging/rtmp-feed.ts';
import type { ForwardRequest, ModuleContext, OutgoingForward } from '../../runtime/module.ts';
import { parseRtmpUrl } from '../../wire/rtmp/rtmp-url.ts';

const WAIT_FOR_SOURCE_MS = 2000;

export class RtmpForward implements OutgoingForward, Sink {
  private readonly context: ModuleContext;
  private readonly request: ForwardRequest;
  private readonly client: RtmpClient;
  private subscription: Subscription | null = null;
  private ended = false;

  constructor(context: ModuleContext, request: ForwardRequest) {
    this.context = context;
    this.request = request;
    const { host, port } = request;
    const { limits, rtmp } = context.configuration().server;
    this.client = new RtmpClient({
      url: parseRtmpUrl(request.url),
      host,
      port,
      purpose: 'publish',
      chunkSize: rtmp.chunkSize,
      limits: { maxMessageBytes: limits.message, maxChunkStreams: limits.chunkStreams },
      via: [...this.viaOfSource(), context.serverId],
      // Certificates of forwards between one's own servers are self-signed as a rule; encryption is what is wanted.
      verifies: false,
      after: (delayMs, run) => context.tick.after(delayMs, run),
      onReady: (messageStreamId, fourCcs) => this.start(messageStreamId, fourCcs),
      onMessage: () => undefined,
      onEnd: (end) => this.finish(sentenceOf(end)),
      onFault: context.onFault,
    });
  }

  private viaOfSource(): readonly string[] {
    const stream = this.context.hub.find(this.request.source.text);
    return (stream && this.context.hub.publisherOf(stream)?.via) ?? [];
  }

  private start(messageStreamId: number, fourCcs: ReadonlySet<string> | null): void {
    const { chunkSize } = this.context.configuration().server.rtmp;
    const format = rtmpFormat({ chunkSize, messageStreamId, fourCcs, multitrack: false, publishes: true });
    const { source } = this.request;
    this.subscription = this.context.hub.subscribe(source, format, this, 'gop', WAIT_FOR_SOURCE_MS);
    this.request.onLive();
  }

  bytesSent(): number {
    return this.subscription?.bytesSent ?? 0;
  }

  writable(): boolean {
    return this.client.writable();
  }

  write(bytes: Uint8Array): void {
    this.client.write(bytes);
  }

  /** The stream ended: says goodbye to the target. */
  end(reason: string): void {
    this.finish(reason);
  }

  private finish(reason: string): void {
    if (this.ended) return;
    this.close();
    this.request.onEnd(reason);
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.client.close();
    this.subscription?.close();
  }
}

function sentenceOf({ kind, text }: RtmpClientEnd): string {
  switch (kind) {
    case 'timeout':
      return 'the target did not answer in time';
    case 'closed':
      return 'the target closed the connection';
    case 'refused':
    case 'over':
      return `the target refused: ${text}`;
    default:
      return text;
  }
}
