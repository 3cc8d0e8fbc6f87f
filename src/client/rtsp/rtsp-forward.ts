/**
 * Sends one of our streams to an RTSP or RTSPS server: waits until its tracks are known, announces them, then writes the
 * chunks of the shared `rtp` feed as they are, or sealed as SRTP when the address ends in `#srtp`. To the stream it is a
 * player like any other. When other tracks come it ends, so that whoever wants the forward announces anew.
 */
import type { Sink } from '../../media/sink.ts';
import type { Subscription } from '../../media/subscription.ts';
import type { Track } from '../../media/track.ts';
import { rtpFeedFormat, rtpStartsAt } from '../../packaging/rtp-feed.ts';
import { type RtpCarriedTrack, rtpTracksOf } from '../../packaging/rtp-feed-tracks.ts';
import type { ForwardRequest, ModuleContext, OpenTarget, OutgoingForward } from '../../runtime/module.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { PAYLOAD_FORMATS } from '../../wire/rtp/payload-formats.ts';
import { keyAttribute, keyData, newSrtpKeys } from '../../wire/rtsp/key-management.ts';
import { parseRtspUrl, type RtspUrl } from '../../wire/rtsp/rtsp-url.ts';
import { sealFrames } from '../../wire/rtsp/sealed-frames.ts';
import { formatAttributes } from '../../wire/sdp/media-format.ts';
import type { SdpMedia, SessionDescription } from '../../wire/sdp/session-description.ts';
import { AES128_CM_SHA1_80 } from '../../wire/srtp/srtp-profile.ts';
import { SrtpSender } from '../../wire/srtp/srtp-sender.ts';
import { addressOf, RtspConnection } from './rtsp-connection.ts';
import { RtspRecordSession } from './rtsp-record-session.ts';

const WAIT_FOR_SOURCE_MS = 2000;
/** How long a stream with sound or pictures alone is given for the other. */
const SETTLE_MS = 1500;
const WAIT_FOR_TRACKS_MS = 10_000;
const SETUP_TIMEOUT_MS = 10_000;
const TICK_MS = 500;
const SRTP_MARK = 'srtp';
const SAME_CHANNELS = Uint8Array.from({ length: 256 }, (_, channel) => channel);
const NO_SENDERS: readonly SrtpSender[] = [];

/** To be registered for the schemes `rtsp` and `rtsps`. */
export function rtspTarget(context: ModuleContext): OpenTarget {
  return (request) => new RtspForward(context, request);
}

class RtspForward implements OutgoingForward, Sink {
  private readonly context: ModuleContext;
  private readonly request: ForwardRequest;
  private readonly userAgent: string;
  private detach: (() => void) | null = null;
  private tracks: readonly Track[] = [];
  private carried: readonly RtpCarriedTrack[] = [];
  private connection: RtspConnection | null = null;
  private session: RtspRecordSession | null = null;
  private subscription: Subscription | null = null;
  private timeout: { cancel(): void } | null = null;
  private settling: { cancel(): void } | null = null;
  private ticking: { cancel(): void } | null = null;
  private channels: Uint8Array | null = null;
  /** Of each media; null = no SRTP. */
  private senders: readonly SrtpSender[] | null = null;
  private hasFrame = false;
  private isRecording = false;
  private isEnded = false;

  constructor(context: ModuleContext, request: ForwardRequest) {
    this.context = context;
    this.request = request;
    this.userAgent = `Sluice/${context.version}`;
    // Whoever wants the forward is told of its end, but not before it has it.
    this.timeout = context.tick.after(0, () => this.watch());
  }

  /** Waits for the tracks of the stream, and ends with it. */
  private watch(): void {
    const { context, request } = this;
    this.timeout = context.tick.after(WAIT_FOR_TRACKS_MS, () =>
      this.finish('the stream has no tracks that RTSP could carry'),
    );
    const consumer = {
      onTracks: (tracks: readonly Track[]) => this.onTracks(tracks),
      onFrame: () => this.onFrame(),
      onPause: () => undefined,
      onEnd: (reason: string) => {
        this.detach = null;
        this.finish(reason);
      },
    };
    try {
      const { detach } = context.hub.consume(request.source, consumer, WAIT_FOR_SOURCE_MS);
      if (this.isEnded) detach();
      else this.detach = detach;
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.finish(error.message);
    }
  }

  private onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
    if (this.connection === null) this.check();
    else if (!this.hasSameTracks()) this.finish('the stream has other tracks now and must be announced anew');
  }

  private onFrame(): void {
    if (this.hasFrame || this.connection !== null) return;
    this.hasFrame = true;
    this.check();
  }

  /** Tracks come one after the other: a stream that has one kind only is looked at a little longer. */
  private check(): void {
    if (this.isEnded || rtpTracksOf(this.tracks, PAYLOAD_FORMATS).length === 0) return;
    const hasBoth =
      this.tracks.some(({ kind }) => kind === 'video') && this.tracks.some(({ kind }) => kind === 'audio');
    if (hasBoth && this.hasFrame) this.connect();
    else this.settling ??= this.context.tick.after(SETTLE_MS, () => this.connect());
  }

  private connect(): void {
    if (this.isEnded || this.connection !== null) return;
    const { context, request } = this;
    const { host, port } = request;
    this.settling?.cancel();
    const url = this.readUrl();
    if (url === null) return;
    this.timeout?.cancel();
    this.timeout = context.tick.after(SETUP_TIMEOUT_MS, () =>
      this.finish('the target did not answer in time'),
    );
    this.carried = rtpTracksOf(this.tracks, PAYLOAD_FORMATS);
    const data = url.fragment === SRTP_MARK ? this.makeKeys() : null;
    if (this.isEnded) return;
    const connection = new RtspConnection({
      url,
      host,
      port,
      // Certificates of forwards between one's own servers are self-signed as a rule; encryption is what is wanted.
      verifies: false,
      after: (delayMs, run) => context.tick.after(delayMs, run),
      onOpen: () => this.guarded(() => session.start(context.clock.nowUs())),
      onBytes: (bytes) => this.guarded(() => session.receive(bytes, context.clock.nowUs())),
      onEnd: (reason) => this.finish(reason),
    });
    const session = new RtspRecordSession(
      {
        url,
        userAgent: this.userAgent,
        description: describe(request, this.carried, this.userAgent, data),
        keys: data,
        via: [...this.viaOfSource(), this.context.serverId],
      },
      {
        write: (bytes) => connection.write(bytes),
        onRecording: (channels) => this.begin(channels),
        onEnd: (predicate) => this.finish(`the target (${addressOf(host, port)}) ${predicate}`),
      },
    );
    this.connection = connection;
    this.session = session;
  }

  /** Some look for keys by SSRC, so the feed, which has these, is there before they are told; it waits. */
  private makeKeys(): readonly string[] {
    const wallUs = this.context.clock.wallUs();
    const senders = this.carried.map(() => new SrtpSender(newSrtpKeys(AES128_CM_SHA1_80)));
    this.senders = senders;
    this.guarded(() => {
      this.subscription = this.subscribe();
    });
    const { subscription } = this;
    if (subscription === null) return [];
    subscription.pause(true);
    const starts = rtpStartsAt(subscription.feed, subscription.feed.latestPoint);
    return senders.map(({ keys }, track) => {
      const ssrc = starts.find(({ channel }) => channel === track * 2)?.ssrc ?? 0;
      return keyData(keys, ssrc, wallUs);
    });
  }

  private subscribe(): Subscription {
    const { hub, clock } = this.context;
    const format = rtpFeedFormat({ formats: PAYLOAD_FORMATS, clock });
    return hub.subscribe(this.request.source, format, this, 'gop', WAIT_FOR_SOURCE_MS);
  }

  private viaOfSource(): readonly string[] {
    const { hub } = this.context;
    const stream = hub.find(this.request.source.text);
    return (stream && hub.publisherOf(stream)?.via) ?? [];
  }

  private readUrl(): RtspUrl | null {
    try {
      const url = parseRtspUrl(this.request.url);
      if (url.scheme === 'rtsps' || url.fragment !== SRTP_MARK) return url;
      this.finish('SRTP is for rtsps://: over plain RTSP everybody on the way could read its keys');
      return null;
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.finish(error.message);
      return null;
    }
  }

  private begin(channels: Uint8Array | null): void {
    const { hub } = this.context;
    this.timeout?.cancel();
    this.channels = channels;
    this.isRecording = true;
    const waiting = this.subscription;
    if (waiting === null) this.subscription = this.subscribe();
    else {
      waiting.pause(false);
      hub.pump.join(waiting);
    }
    this.tickLater();
    this.request.onLive();
  }

  private tickLater(): void {
    this.ticking = this.context.tick.after(TICK_MS, () => {
      this.guarded(() => this.session?.tick(this.context.clock.nowUs()));
      if (!this.isEnded) this.tickLater();
    });
  }

  private guarded(run: () => void): void {
    if (this.isEnded) return;
    try {
      run();
    } catch (error) {
      if (error instanceof RejectedError) {
        this.finish(error.message);
        return;
      }
      if (!(error instanceof ProtocolError)) this.context.onFault(error);
      this.finish(`the target sends what cannot be read: ${(error as Error).message}`);
    }
  }

  bytesSent(): number {
    return this.subscription?.bytesSent ?? 0;
  }

  writable(): boolean {
    return this.isRecording && (this.connection?.writable() ?? false);
  }

  /** Hot path. */
  write(bytes: Uint8Array): void {
    const { channels, senders } = this;
    if (!this.isRecording) return;
    const isAsItIs = senders === null && channels === null;
    const sent = isAsItIs ? bytes : sealFrames(bytes, channels ?? SAME_CHANNELS, senders ?? NO_SENDERS);
    this.connection?.write(sent);
  }

  private hasSameTracks(): boolean {
    const carried = rtpTracksOf(this.tracks, PAYLOAD_FORMATS);
    return (
      carried.length === this.carried.length &&
      carried.every((one, i) => isSameAnnouncement(one, this.carried[i]!)) // as long as the other list
    );
  }

  /** The stream ended: says goodbye to the target. */
  end(reason: string): void {
    this.finish(reason);
  }

  private finish(reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.request.onEnd(reason);
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.timeout?.cancel();
    this.settling?.cancel();
    this.ticking?.cancel();
    this.subscription?.close();
    this.detach?.();
    this.detach = null;
    this.session?.close();
    this.connection?.close();
  }
}

/** Parameter sets may change: they are in band as well. */
function isSameAnnouncement(one: RtpCarriedTrack, other: RtpCarriedTrack): boolean {
  const { description: a } = one;
  const { description: b } = other;
  return (
    one.payloadType === other.payloadType &&
    one.track.id === other.track.id &&
    a.encodingName === b.encodingName &&
    a.clockRate === b.clockRate &&
    a.channels === b.channels &&
    (one.track.kind === 'video' || a.fmtp === b.fmtp)
  );
}

function describe(
  request: ForwardRequest,
  carried: readonly RtpCarriedTrack[],
  tool: string,
  keys: readonly string[] | null,
): SessionDescription {
  return {
    origin: '- 0 0 IN IP4 127.0.0.1',
    name: request.source.name,
    information: '',
    connection: 'IN IP4 0.0.0.0',
    bandwidths: [],
    timing: '0 0',
    attributes: [{ name: 'tool', value: tool }],
    media: carried.map((track, position) => describeTrack(track, position, keys?.[position])),
  };
}

function describeTrack(
  { track, payloadType, description }: RtpCarriedTrack,
  position: number,
  keys: string | undefined,
): SdpMedia {
  return {
    type: track.kind === 'data' ? 'application' : track.kind,
    port: 0,
    portCount: 1,
    protocol: keys === undefined ? 'RTP/AVP' : 'RTP/SAVP',
    formats: [String(payloadType)],
    information: '',
    connection: '',
    bandwidths: [],
    attributes: [
      ...formatAttributes(payloadType, description),
      { name: 'control', value: `streamid=${position}` },
      ...(keys === undefined ? [] : [keyAttribute(keys)]),
    ],
  };
}
