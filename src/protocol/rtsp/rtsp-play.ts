/**
 * A player of one RTSP session: the tracks that were described, what was set up for each, the subscription. Over TCP a
 * player with the usual channels gets the shared bytes as they are; others get copies, datagrams or the group's sender.
 */
import type { Sink } from '../../media/sink.ts';
import type { Stream } from '../../media/stream.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { Subscription } from '../../media/subscription.ts';
import type { Track } from '../../media/track.ts';
import { type RtpStart, rtpFeedFormat, rtpStartsAt } from '../../packaging/rtp-feed.ts';
import { type RtpCarriedTrack, rtpTracksOf } from '../../packaging/rtp-feed-tracks.ts';
import { InvariantError } from '../../util/errors.ts';
import { PAYLOAD_FORMATS } from '../../wire/rtp/payload-formats.ts';
import type { SrtpSender } from '../../wire/srtp/srtp-sender.ts';
import type { DatagramPair } from './rtsp-datagrams.ts';
import type { MulticastMember, MulticastSender, MulticastSenders } from './rtsp-multicast.ts';
import { ChannelSink, DatagramSink, HeldSink, type TrackGuard } from './rtsp-sinks.ts';

const CHANNELS = 256;

/** The shared form of all RTSP players. */
export const RTSP_FORMAT = rtpFeedFormat({ formats: PAYLOAD_FORMATS });

export function carriedTracks(tracks: readonly Track[]): readonly RtpCarriedTrack[] {
  return rtpTracksOf(tracks, PAYLOAD_FORMATS);
}

/** How the packets of one track reach the player; `srtp`: what seals them, null = they go as they are. */
export type PlaySetup =
  | {
      readonly kind: 'tcp';
      readonly rtpChannel: number;
      readonly rtcpChannel: number;
      readonly srtp: SrtpSender | null;
    }
  | { readonly kind: 'udp'; readonly pair: DatagramPair; readonly srtp: SrtpSender | null }
  | { readonly kind: 'multicast' };

export interface RtspPlayServices {
  readonly hub: StreamHub;
  readonly multicast: MulticastSenders;
}

export class RtspPlay implements MulticastMember, TrackGuard {
  readonly key: StreamKey;
  /** As they were described: position is the number in trackID=N. */
  readonly tracks: readonly RtpCarriedTrack[];
  /** The group's sender once it was asked for. */
  group: MulticastSender | null = null;
  private readonly services: RtspPlayServices;
  private readonly onOver: (reason: string) => void;
  private readonly setups: (PlaySetup | null)[];
  private subscription: Subscription | null = null;
  private held: HeldSink | null = null;
  private stream: Stream | null = null;
  private seenTracks: readonly Track[] | null = null;
  private isFitting = true;
  /** The player's own sink while it gets the shared bytes as they are. */
  private direct: Sink | null = null;
  private isPlaying = false;
  private closed = false;

  /** `onOver`: the stream ended, or the player was too slow. */
  constructor(
    services: RtspPlayServices,
    key: StreamKey,
    tracks: readonly RtpCarriedTrack[],
    onOver: (reason: string) => void,
  ) {
    this.services = services;
    this.key = key;
    this.tracks = tracks;
    this.onOver = onOver;
    this.setups = tracks.map(() => null);
  }

  /** Of all tracks that were set up: media of one session go one way. */
  get kind(): PlaySetup['kind'] | null {
    return this.setups.find((one) => one !== null)?.kind ?? null;
  }

  /** Profile of SRTP; '' = none of the tracks goes so. */
  get srtpName(): string {
    for (const one of this.setups) {
      const sender = senderOf(one);
      if (sender !== null) return sender.keys.profile.name;
    }
    return '';
  }

  get isSetUp(): boolean {
    return this.kind !== null;
  }

  get hasStarted(): boolean {
    return this.isPlaying;
  }

  /** Positions of the tracks that were set up. */
  positions(): number[] {
    return this.setups.flatMap((one, position) => (one === null ? [] : [position]));
  }

  isTaken(channel: number, except: number): boolean {
    return this.setups.some(
      (one, position) =>
        position !== except &&
        one?.kind === 'tcp' &&
        (one.rtpChannel === channel || one.rtcpChannel === channel),
    );
  }

  /** A second SETUP of a track takes the place of the first. */
  setUp(position: number, setup: PlaySetup): void {
    const before = this.setups[position];
    if (before?.kind === 'udp') before.pair.close();
    this.setups[position] = setup;
  }

  /** The group that sends this stream, joined at the first call. Throws RejectedError. */
  joinGroup(join: () => MulticastSender): MulticastSender {
    this.group ??= join();
    return this.group;
  }

  /** Begins or goes on. Nothing is written before `release`. Throws RejectedError. */
  begin(openSink: (onEnd: (reason: string) => void) => Sink, waitMs: number): readonly RtpStart[] {
    if (this.kind === 'multicast') {
      this.group?.start();
      this.stream = this.services.hub.find(this.key.text) ?? null;
    }
    const starts = this.kind === 'multicast' ? [] : this.beginAlone(openSink, waitMs);
    this.isPlaying = true;
    return starts;
  }

  private beginAlone(
    openSink: (onEnd: (reason: string) => void) => Sink,
    waitMs: number,
  ): readonly RtpStart[] {
    const { subscription, held } = this;
    if (subscription === null || held === null) return this.subscribe(this.makeSink(openSink), waitMs);
    if (!subscription.paused) return [];
    held.hold();
    subscription.pause(false);
    this.services.hub.pump.join(subscription);
    return startsOf(subscription);
  }

  private subscribe(target: Sink, waitMs: number): readonly RtpStart[] {
    const held = new HeldSink(target, this);
    this.held = held;
    this.subscription = this.services.hub.subscribe(this.key, RTSP_FORMAT, held, 'gop', waitMs);
    this.stream = this.services.hub.find(this.key.text) ?? null;
    return startsOf(this.subscription);
  }

  /** What `begin` held back goes out. */
  release(): void {
    this.held?.release();
  }

  private makeSink(openSink: (onEnd: (reason: string) => void) => Sink): Sink {
    if (this.kind === 'udp') {
      const tracks = this.setups.map((one) => (one?.kind === 'udp' ? one : null));
      return new DatagramSink(tracks, this.onOver);
    }
    if (this.kind !== 'tcp') throw new InvariantError('a player without a transport began');
    const sink = openSink(this.onOver);
    const channels = this.channelMap();
    const isUsual = this.setups.every(
      (one, position) =>
        senderOf(one) === null &&
        channels[2 * position] === 2 * position &&
        channels[2 * position + 1] === 2 * position + 1,
    );
    this.direct = isUsual ? sink : null;
    return isUsual ? sink : new ChannelSink(sink, channels, this.setups.map(senderOf));
  }

  /** By channel of the feed: the player's, -1 = it does not want it. */
  private channelMap(): Int16Array {
    const channels = new Int16Array(CHANNELS).fill(-1);
    for (const [position, one] of this.setups.entries()) {
      if (one?.kind !== 'tcp') continue;
      channels[2 * position] = one.rtpChannel;
      channels[2 * position + 1] = one.rtcpChannel;
    }
    return channels;
  }

  /** Of a group only this player stops to listen. */
  pause(): void {
    this.isPlaying = false;
    this.subscription?.pause(true);
  }

  /** TrackGuard. Hot path. */
  allows(): boolean {
    const { stream } = this;
    return stream === null || stream.tracks === this.seenTracks ? this.isFitting : this.look(stream.tracks);
  }

  /** A publisher that comes back may tell its tracks in another order; until all are there nothing is sent. */
  private look(tracks: readonly Track[]): boolean {
    this.seenTracks = tracks;
    const now = carriedTracks(tracks);
    this.isFitting = this.tracks.every((was, position) => {
      const is = now[position];
      return is === undefined || isSameDescription(is, was);
    });
    // Players know nothing of the channels of a track that came later.
    if (now.length > this.tracks.length && this.direct !== null) {
      this.held?.redirect(new ChannelSink(this.direct, this.channelMap(), []));
      this.direct = null;
    }
    return this.isFitting;
  }

  /** The description that the player has is not true any more. */
  get isOutdated(): boolean {
    return this.hasStarted && !this.allows();
  }

  bytesSent(): number {
    if (this.kind === 'multicast') return this.group?.bytesSent(this) ?? 0;
    return this.subscription?.bytesSent ?? 0;
  }

  dropped(): number {
    return this.subscription?.chunksDropped ?? 0;
  }

  /** MulticastMember: the group's sender is over. */
  onEnd(reason: string): void {
    this.onOver(reason);
  }

  /** Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.subscription?.close();
    this.services.multicast.leave(this.key, this);
    for (const one of this.setups) if (one?.kind === 'udp') one.pair.close();
  }
}

function senderOf(setup: PlaySetup | null): SrtpSender | null {
  return setup === null || setup.kind === 'multicast' ? null : setup.srtp;
}

function isSameDescription(a: RtpCarriedTrack, b: RtpCarriedTrack): boolean {
  return (
    a.payloadType === b.payloadType &&
    a.description.encodingName === b.description.encodingName &&
    a.description.clockRate === b.description.clockRate
  );
}

/** Nothing while the player waits for a key frame: then nobody knows what its first packet will be. */
function startsOf(subscription: Subscription): readonly RtpStart[] {
  return subscription.cursor < 0 ? [] : rtpStartsAt(subscription.feed, subscription.feed.latestPoint);
}
