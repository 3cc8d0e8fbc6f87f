/**
 * Frames to RTP packets (RFC 3550) that all players share, in the interleaved form of RTSP (RFC 2326 section 10.12):
 * `$`, channel, length, packet. One chunk holds all packets of a frame, so a player on TCP gets the bytes as they are
 * and one on UDP gets parts of them. SSRCs, sequence numbers and timestamps are those of the stream.
 * Sender reports of all tracks are always made together, for one moment: every few seconds between the packets, and
 * in the prologue, so that picture and sound of a joiner fit at once.
 * Leaves out what one player alone wants: other channels, other numbers, retransmission.
 */
import type { Feed, FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import { FRAME_DISCONTINUITY, type Frame } from '../media/frame.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { randomId } from '../util/id.ts';
import type { ByteTarget } from '../util/slab.ts';
import type { RtpPayloadFormat } from '../wire/rtp/payload-format.ts';
import { PAYLOAD_FORMATS } from '../wire/rtp/payload-formats.ts';
import { type RtcpPacket, serializeRtcp } from '../wire/rtp/rtcp.ts';
import { RTP_HEADER_BYTES } from '../wire/rtp/rtp-packet.ts';
import { INTERLEAVED_HEADER_BYTES } from '../wire/rtsp/interleaved-frame.ts';
import { leftOutOf } from './file-fragment.ts';
import { RtpChunkBuilder, RtpTrackSender } from './rtp-feed-sender.ts';
import { reasonNotInRtp, rtpTracksOf } from './rtp-feed-tracks.ts';
import { WallClock } from './wall-clock.ts';

/** With the tag of SRTP it fits an Ethernet frame over IPv6 and UDP (1500 - 40 - 8 - 16). */
const DEFAULT_PACKET_BYTES = 1432;
const MIN_PACKET_BYTES = 256;
const MAX_PACKET_BYTES = 0xffff;
/** RFC 3550 section 6.2 asks for 5 s on average and less at the start. */
const REPORT_INTERVAL_US = 4_000_000;
/** Ids that differ by a multiple of it are not in a stream at once. */
const MAX_TRACKS = 64;
const NOTHING = new Uint8Array(0);

export interface RtpFeedOptions {
  /** Longest packet with its RTP header; named in the variant when it is not the usual 1432. */
  readonly maxPacketBytes?: number;
  readonly clock?: Clock;
  /** All that there are when they are not given. */
  readonly formats?: readonly RtpPayloadFormat[];
}

/** Named `rtp`, or `rtp-1200` for packets of at most 1200 bytes. */
export function rtpFeedFormat(options: RtpFeedOptions = {}): FeedFormat {
  const bytes = options.maxPacketBytes ?? DEFAULT_PACKET_BYTES;
  const limit = Math.min(MAX_PACKET_BYTES, Math.max(MIN_PACKET_BYTES, bytes));
  const name = limit === DEFAULT_PACKET_BYTES ? 'rtp' : `rtp-${limit}`;
  return { name, open: (source) => new RtpFeedEncoder(source, limit, options) };
}

/** Where a track begins for a player: RTP-Info of RFC 2326 section 12.33. */
export interface RtpStart {
  readonly channel: number;
  readonly ssrc: number;
  /** Of the first packet that this player will get. */
  readonly sequence: number;
  /** RTP time of the moment at which the player starts, the same moment for all tracks. */
  readonly rtpTime: number;
}

class RtpFeedEncoder implements FeedEncoder {
  private readonly source: FeedSource;
  private readonly maxPayload: number;
  private readonly formats: readonly RtpPayloadFormat[];
  private readonly clock: Clock;
  private readonly builder = new RtpChunkBuilder();
  private readonly wall = new WallClock();
  private readonly cname = randomId(16);
  /** In order of their channels, and by track id. */
  private senders: readonly RtpTrackSender[] = [];
  private readonly byId = new Array<RtpTrackSender | undefined>(MAX_TRACKS).fill(undefined);
  private known: unknown = null;
  private lastReportUs = Number.NaN;
  /** Wall clock of capture minus stream time as the source told it last; NaN = it tells none. */
  private captureOffsetUs = Number.NaN;

  constructor(source: FeedSource, maxPacketBytes: number, options: RtpFeedOptions) {
    this.source = source;
    this.maxPayload = maxPacketBytes - RTP_HEADER_BYTES;
    this.formats = options.formats ?? PAYLOAD_FORMATS;
    this.clock = options.clock ?? systemClock;
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    if (this.known !== this.source.tracks) this.refresh();
    const sender = this.byId[frame.trackId % MAX_TRACKS];
    if (sender === undefined) return false;
    const { builder } = this;
    builder.reset();
    this.observe(frame);
    if (this.isReportDue(frame.dts)) {
      this.lastReportUs = frame.dts;
      this.appendReports(frame.dts);
    }
    builder.open(sender, sender.timestampOf(frame.pts));
    sender.packetizer.packetize(frame.payload, frame.flags, frame.config, builder);
    const { used } = builder;
    if (used === 0) return false;
    const at = target.reserve(used, frame.arrival);
    builder.bytes.copy(target.slab, at, 0, used);
    return true;
  }

  /** Sender reports and nothing else: what a session description does not tell. */
  prologue(dts: number): Uint8Array {
    return this.reports(dts);
  }

  tracksChanged(dts: number): Uint8Array {
    if (this.known !== this.source.tracks) this.refresh();
    return Number.isNaN(this.lastReportUs) ? NOTHING : this.reports(dts);
  }

  epilogue(dts: number): Uint8Array {
    const { builder } = this;
    builder.reset();
    for (const sender of this.senders) {
      this.appendCompound(sender, dts, { type: 'bye', ssrcs: [sender.ssrc], reason: '' });
    }
    return Uint8Array.from(builder.bytes.subarray(0, builder.used));
  }

  leftOut(): readonly LeftOut[] {
    return leftOutOf(this.source.tracks, (track) => reasonNotInRtp(track, this.formats));
  }

  /** `sequences` by channel / 2: those that are known to come first, -1 = the next one that will be made. */
  starts(dts: number, sequences: readonly number[]): RtpStart[] {
    return this.senders.map((sender, index) => {
      const found = sequences[index] ?? -1;
      const { channel } = sender.carried;
      const sequence = found < 0 ? sender.sequence : found;
      return { channel, ssrc: sender.ssrc, sequence, rtpTime: sender.timestampOf(dts) };
    });
  }

  private refresh(): void {
    const { tracks } = this.source;
    this.known = tracks;
    const before = this.senders;
    this.senders = rtpTracksOf(tracks, this.formats).map((carried) => {
      const known = before.find((sender) => sender.carried.track.id === carried.track.id);
      if (known === undefined || !known.isSameKind(carried))
        return new RtpTrackSender(carried, this.maxPayload);
      known.update(carried);
      return known;
    });
    this.byId.fill(undefined);
    for (const sender of this.senders) this.byId[sender.carried.track.id % MAX_TRACKS] = sender;
  }

  private observe(frame: Frame): void {
    if ((frame.flags & FRAME_DISCONTINUITY) !== 0) {
      this.wall.reset();
      this.captureOffsetUs = Number.NaN;
    }
    if (!Number.isNaN(frame.captureTime)) this.captureOffsetUs = frame.captureTime - frame.pts;
    const { clock } = this;
    this.wall.observe(frame.dts, clock.wallUs() - (clock.nowUs() - frame.arrival));
  }

  private isReportDue(dts: number): boolean {
    const passed = dts - this.lastReportUs;
    return !(passed > -REPORT_INTERVAL_US && passed < REPORT_INTERVAL_US);
  }

  private reports(dts: number): Uint8Array {
    const { builder } = this;
    builder.reset();
    this.appendReports(dts);
    return Uint8Array.from(builder.bytes.subarray(0, builder.used));
  }

  private appendReports(dts: number): void {
    for (const sender of this.senders) this.appendCompound(sender, dts, null);
  }

  private appendCompound(sender: RtpTrackSender, dts: number, last: RtcpPacket | null): void {
    const { captureOffsetUs } = this;
    const wallUs = Number.isNaN(captureOffsetUs) ? this.wall.at(dts) : dts + captureOffsetUs;
    const report = sender.report(dts, Number.isNaN(wallUs) ? this.clock.wallUs() : wallUs);
    const packets: RtcpPacket[] = [report, { type: 'sdes', ssrc: sender.ssrc, cname: this.cname }];
    if (last !== null) packets.push(last);
    this.builder.append(sender.carried.channel + 1, serializeRtcp(packets));
  }
}

/**
 * RTP-Info for a player that will get the chunks of a `rtp` feed from `position` on (where its cursor stands), or
 * from the next one when that is not held. Empty for a feed of another format.
 */
export function rtpStartsAt(feed: Feed, position: number): RtpStart[] {
  const { encoder, chunks } = feed;
  if (!(encoder instanceof RtpFeedEncoder)) return [];
  const sequences: number[] = [];
  const from = Math.max(position, chunks.tail);
  for (let at = from; at < chunks.head; at++) {
    const { slab, start, end } = chunks.at(at);
    for (let packet = start; packet < end; ) {
      const channel = slab[packet + 1]!;
      const head = packet + INTERLEAVED_HEADER_BYTES;
      if ((channel & 1) === 0) sequences[channel / 2] ??= slab.readUInt16BE(head + 2);
      packet = head + slab.readUInt16BE(packet + 2);
    }
  }
  const dts = chunks.size === 0 ? 0 : chunks.at(Math.min(from, chunks.head - 1)).dts;
  return encoder.starts(dts, sequences);
}
