/**
 * Sends one of our streams to a server by SRT: the shared `ts` feed over a connection that we call, or wait for. To the
 * stream it is a player like any other that begins with the next key frame.
 */
import type { Subscription } from '../../media/subscription.ts';
import { tsFormat } from '../../packaging/ts-feed.ts';
import type { ForwardRequest, ModuleContext, OpenTarget, OutgoingForward } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';
import { parseSrtAddress, type SrtAddress, streamIdOf } from './srt-address.ts';
import { SrtCall } from './srt-call.ts';
import type { SrtLink } from './srt-link.ts';
import { playerBandwidth, SrtSink } from './srt-sink.ts';
import { TsPayloads } from './ts-payloads.ts';

const WAIT_FOR_SOURCE_MS = 2000;
const CONNECT_MS = 10_000;

/** To be registered for the scheme `srt`. */
export function srtTarget(context: ModuleContext): OpenTarget {
  const payloads = new TsPayloads();
  return (request) => new SrtForward(context, request, payloads);
}

class SrtForward implements OutgoingForward {
  private readonly context: ModuleContext;
  private readonly request: ForwardRequest;
  private readonly payloads: TsPayloads;
  private call: SrtCall | null = null;
  private subscription: Subscription | null = null;
  private isEnded = false;

  constructor(context: ModuleContext, request: ForwardRequest, payloads: TsPayloads) {
    this.context = context;
    this.request = request;
    this.payloads = payloads;
    const address = parseSrtAddress(request.url);
    // Whoever wants the forward is told of its end, but not before it has it.
    context.tick.after(0, () => {
      if (address === null) this.finish('the address is none of SRT');
      else this.open({ ...address, host: request.host, port: request.port });
    });
  }

  private open(address: SrtAddress): void {
    if (this.isEnded) return;
    const { context, request } = this;
    const stream = context.hub.find(request.source.text);
    const via = (stream && context.hub.publisherOf(stream)?.via) ?? [];
    const bandwidth = playerBandwidth(0, stream, context.clock.nowUs());
    this.call = new SrtCall(
      address,
      {
        onConnected: (link) => this.start(link, bandwidth),
        onPayload: () => undefined,
        onEnd: (reason) => this.finish(reason),
      },
      {
        streamId: streamIdOf(address, 'publish'),
        connectMs: CONNECT_MS,
        nowUs: () => context.clock.nowUs(),
        after: (delayMs, run) => context.tick.after(delayMs, run),
        onFault: (error) => context.onFault(error),
        maxBandwidth: bandwidth,
        via: [...via, context.serverId],
      },
    );
  }

  private start(link: SrtLink, bandwidth: number): void {
    const { hub } = this.context;
    const sink = new SrtSink(this.payloads, (reason) => this.finish(reason));
    try {
      this.subscription = hub.subscribe(this.request.source, tsFormat, sink, 'live', WAIT_FOR_SOURCE_MS);
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.finish(error.message);
      return;
    }
    sink.begin(link, this.subscription, bandwidth);
    this.request.onLive();
  }

  bytesSent(): number {
    return this.subscription?.bytesSent ?? 0;
  }

  private finish(reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.request.onEnd(reason);
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.subscription?.close();
    this.call?.close();
  }
}
