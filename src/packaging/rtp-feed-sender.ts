/** What the RTP feed remembers of one track, and the buffer in which the packets of a frame are made. */
import { randomInt } from 'node:crypto';
import type { CodecConfig } from '../codec/codec-config.ts';
import { MODULUS_16, MODULUS_32 } from '../util/serial-number.ts';
import { ntpFraction, ntpSeconds } from '../wire/rtp/ntp-time.ts';
import type { RtpPacketizer, RtpPayloadTarget } from '../wire/rtp/payload-format.ts';
import type { SenderReport } from '../wire/rtp/rtcp.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../wire/rtp/rtp-packet.ts';
import { INTERLEAVED_HEADER_BYTES, writeInterleavedHeader } from '../wire/rtsp/interleaved-frame.ts';
import type { RtpCarriedTrack } from './rtp-feed-tracks.ts';

const FIRST_BUFFER_BYTES = 64 * 1024;

export class RtpTrackSender {
  carried: RtpCarriedTrack;
  config: CodecConfig;
  packetizer: RtpPacketizer;
  readonly ssrc: number;
  /** Of the next packet. */
  sequence: number;
  private readonly maxPayload: number;
  private readonly firstTimestamp: number;
  private packets: number;
  private octets: number;

  constructor(carried: RtpCarriedTrack, maxPayload: number) {
    this.carried = carried;
    this.config = carried.track.config;
    this.packetizer = carried.format.packetizer(this.config, maxPayload);
    this.ssrc = randomInt(1, MODULUS_32);
    this.sequence = randomInt(MODULUS_16);
    this.maxPayload = maxPayload;
    this.firstTimestamp = randomInt(MODULUS_32);
    this.packets = 0;
    this.octets = 0;
  }

  /** The same track with another config or at another place; its numbers go on. */
  update(carried: RtpCarriedTrack): void {
    this.carried = carried;
    if (carried.track.config === this.config) return;
    this.config = carried.track.config;
    this.packetizer = carried.format.packetizer(this.config, this.maxPayload);
  }

  isSameKind(carried: RtpCarriedTrack): boolean {
    const known = this.carried;
    return (
      known.track.config.codec === carried.track.config.codec &&
      known.payloadType === carried.payloadType &&
      known.description.clockRate === carried.description.clockRate
    );
  }

  /** RTP time of a time of the stream (microseconds). */
  timestampOf(us: number): number {
    const ticks = Math.round((us * this.carried.description.clockRate) / 1_000_000);
    return ((ticks % MODULUS_32) + this.firstTimestamp) >>> 0;
  }

  count(payloadBytes: number): void {
    this.sequence = (this.sequence + 1) & 0xffff;
    this.packets++;
    this.octets += payloadBytes;
  }

  /** For the moment that has this time in the stream and on the wall (microseconds). */
  report(streamUs: number, wallUs: number): SenderReport {
    return {
      type: 'sr',
      ssrc: this.ssrc,
      ntpSeconds: ntpSeconds(wallUs),
      ntpFraction: ntpFraction(wallUs),
      rtpTime: this.timestampOf(streamUs),
      packets: this.packets % MODULUS_32,
      octets: this.octets % MODULUS_32,
      reports: [],
    };
  }
}

/** Collects the interleaved packets of one frame; reused for all frames and tracks of a feed. */
export class RtpChunkBuilder implements RtpPayloadTarget {
  bytes: Buffer;
  used: number;
  private sender: RtpTrackSender | null;
  private timestamp: number;

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
    this.used = 0;
    this.sender = null;
    this.timestamp = 0;
  }

  reset(): void {
    this.used = 0;
  }

  /** What follows is packets of this track with this RTP time. */
  open(sender: RtpTrackSender, timestamp: number): void {
    this.sender = sender;
    this.timestamp = timestamp;
  }

  /** Hot path. */
  begin(size: number, marker: boolean, timestampOffset: number): number {
    const sender = this.sender!; // `open` came before
    const { carried } = sender;
    const packetBytes = RTP_HEADER_BYTES + size;
    const at = this.room(packetBytes);
    writeInterleavedHeader(this.bytes, at, carried.channel, packetBytes);
    const timestamp = (this.timestamp + timestampOffset) >>> 0;
    const { payloadType } = carried;
    const head = at + INTERLEAVED_HEADER_BYTES;
    writeRtpHeader(this.bytes, head, payloadType, marker, sender.sequence, timestamp, sender.ssrc);
    sender.count(size);
    return head + RTP_HEADER_BYTES;
  }

  append(channel: number, packet: Uint8Array): void {
    const at = this.room(packet.length);
    writeInterleavedHeader(this.bytes, at, channel, packet.length);
    this.bytes.set(packet, at + INTERLEAVED_HEADER_BYTES);
  }

  private room(packetBytes: number): number {
    const at = this.used;
    const end = at + INTERLEAVED_HEADER_BYTES + packetBytes;
    if (end > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(end * 2);
      this.bytes.copy(larger, 0, 0, at);
      this.bytes = larger;
    }
    this.used = end;
    return at;
  }
}
