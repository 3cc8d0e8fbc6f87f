/**
 * One m= section that we send: its SSRC, numbers and clock, the header of every packet, what was sent, and sender
 * reports. Packets of the stream are shared by all players; only the header differs.
 */
import { randomInt } from 'node:crypto';
import { addSerial32, MODULUS_16, MODULUS_32 } from '../../util/serial-number.ts';
import type { SenderReport } from '../../wire/rtp/rtcp.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../wire/rtp/rtp-packet.ts';
import type { RtcMedia } from '../rtc-description.ts';
import type { TrackClock } from './feed-store.ts';
import { PacketHistory, type SentPacket } from './packet-history.ts';

const VIDEO_HISTORY = 1024;
const AUDIO_HISTORY = 128;
/** Of the shared packets: their extensions are never set. */
const PACKET_HEADER = RTP_HEADER_BYTES;
const ONE_BYTE_PROFILE = 0xbede;
const EXTENSION_BIT = 0x10;
const MAX_RESENDS = 6;
/** abs-send-time counts 1/2^18 s in 24 bits. */
const ABS_SEND_TIME_HZ = 262_144;

/** Where finished packets go; what is given is valid during the call only. */
export interface SendOutput {
  sendRtp(header: Uint8Array, headerLength: number, payload: Uint8Array): void;
  sendRtcp(compound: Uint8Array): void;
}

/** Numbers packets of all tracks for transport-wide congestion control. */
export interface TransportNumbers {
  /** The number of a packet of so many bytes. */
  next(bytes: number, nowUs: number): number;
}

export class SendTrack {
  readonly media: RtcMedia;
  packets = 0;
  octets = 0;
  resent = 0;
  /** RTP time of the latest frame that was sent, as the player sees it. */
  lastTimestamp = 0;
  hasSent = false;
  /** A sender report was due after it began. */
  isReported = false;
  /** Difference between the player's clock and the stream's. */
  timestampOffset = randomInt(MODULUS_32);
  private readonly output: SendOutput;
  private readonly numbers: TransportNumbers | null;
  private readonly history: PacketHistory;
  private readonly header = new Uint8Array(64);
  private readonly scratch = Buffer.alloc(2048);
  private sequence = randomInt(MODULUS_16);
  private rtxSequence = randomInt(MODULUS_16);

  constructor(media: RtcMedia, output: SendOutput, numbers: TransportNumbers | null) {
    this.media = media;
    this.output = output;
    this.numbers = media.extensions.transportCc === 0 ? null : numbers;
    this.history = new PacketHistory(media.kind === 'video' ? VIDEO_HISTORY : AUDIO_HISTORY);
  }

  /** Hot path. A packet of the stream, which lies in `slab` from `start` to `end`, at another RTP time. */
  send(slab: Uint8Array, start: number, end: number, timestamp: number, nowUs: number): number {
    const marker = (slab[start + 1]! & 0x80) !== 0;
    const { sequence } = this;
    this.sequence = (sequence + 1) & 0xffff;
    const sent = this.history.next(sequence);
    sent.timestamp = timestamp;
    sent.marker = marker;
    sent.slab = slab;
    sent.payloadStart = start + PACKET_HEADER;
    sent.payloadEnd = end;
    sent.sentUs = nowUs;
    sent.resentUs = 0;
    sent.resentCount = 0;
    const { media } = this;
    const payload = slab.subarray(sent.payloadStart, end);
    this.stamp(sent, payload.length, nowUs);
    const length = this.writeHeader(media.payloadType, media.ssrc, sequence, sent);
    this.output.sendRtp(this.header, length, payload);
    this.packets++;
    this.octets += payload.length;
    this.lastTimestamp = timestamp;
    this.hasSent = true;
    return length + payload.length;
  }

  /**
   * A packet that the player misses; bytes sent, 0 when it is not held any more or was sent again just now. With RTX it
   * goes out in a stream of its own (RFC 4588), without with the numbers that it had.
   */
  resend(sequence: number, minGapUs: number, nowUs: number): number {
    const sent = this.history.find(sequence);
    if (sent === null || sent.resentCount >= MAX_RESENDS) return 0;
    if (nowUs - Math.max(sent.resentUs, sent.sentUs) < minGapUs) return 0;
    sent.resentUs = nowUs;
    sent.resentCount++;
    this.resent++;
    const { media, scratch } = this;
    const bytes = sent.payloadEnd - sent.payloadStart;
    if (media.rtxPayloadType < 0) {
      // The very same packet: SRTP may not encrypt two different ones with the same number.
      const payload = sent.slab.subarray(sent.payloadStart, sent.payloadEnd);
      const length = this.writeHeader(media.payloadType, media.ssrc, sequence, sent);
      this.output.sendRtp(this.header, length, payload);
      return length + bytes;
    }
    scratch[0] = sequence >>> 8;
    scratch[1] = sequence;
    scratch.set(sent.slab.subarray(sent.payloadStart, sent.payloadEnd), 2);
    const rtxSequence = this.rtxSequence;
    this.rtxSequence = (rtxSequence + 1) & 0xffff;
    this.stamp(sent, bytes + 2, nowUs);
    const length = this.writeHeader(media.rtxPayloadType, media.rtxSsrc, rtxSequence, sent);
    this.output.sendRtp(this.header, length, scratch.subarray(0, bytes + 2));
    return length + bytes + 2;
  }

  /** What the extensions say of this sending. */
  private stamp(sent: SentPacket, payloadBytes: number, nowUs: number): void {
    sent.absSendTime = Math.floor((nowUs * ABS_SEND_TIME_HZ) / 1_000_000) % 0x100_0000;
    if (this.numbers !== null) sent.transportNumber = this.numbers.next(payloadBytes + PACKET_HEADER, nowUs);
  }

  private writeHeader(payloadType: number, ssrc: number, sequence: number, sent: SentPacket): number {
    const { header } = this;
    const { absSendTime, transportCc } = this.media.extensions;
    writeRtpHeader(header, 0, payloadType, sent.marker, sequence, sent.timestamp, ssrc);
    if (absSendTime === 0 && this.numbers === null) return RTP_HEADER_BYTES;
    header[0] = header[0]! | EXTENSION_BIT;
    let at = RTP_HEADER_BYTES + 4;
    if (absSendTime !== 0) {
      header[at] = (absSendTime << 4) | 2;
      header[at + 1] = sent.absSendTime >>> 16;
      header[at + 2] = sent.absSendTime >>> 8;
      header[at + 3] = sent.absSendTime;
      at += 4;
    }
    if (this.numbers !== null) {
      header[at] = (transportCc << 4) | 1;
      header[at + 1] = sent.transportNumber >>> 8;
      header[at + 2] = sent.transportNumber;
      at += 3;
    }
    while ((at & 3) !== 0) header[at++] = 0;
    header[RTP_HEADER_BYTES] = ONE_BYTE_PROFILE >>> 8;
    header[RTP_HEADER_BYTES + 1] = ONE_BYTE_PROFILE & 0xff;
    header[RTP_HEADER_BYTES + 2] = 0;
    header[RTP_HEADER_BYTES + 3] = (at - RTP_HEADER_BYTES - 4) / 4;
    return at;
  }

  /** For now, from the last moment that the feed told of this track; null when it has told none. */
  report(clock: TrackClock | undefined, clockRate: number, nowUs: number): SenderReport | null {
    if (clock === undefined || Number.isNaN(clock.atUs)) return null;
    const passedUs = nowUs - clock.atUs;
    const fraction = clock.ntpFraction + Math.round((passedUs * MODULUS_32) / 1_000_000);
    const ticks = Math.round((passedUs * clockRate) / 1_000_000);
    return {
      type: 'sr',
      ssrc: this.media.ssrc,
      ntpSeconds: (clock.ntpSeconds + Math.floor(fraction / MODULUS_32)) % MODULUS_32,
      ntpFraction: ((fraction % MODULUS_32) + MODULUS_32) % MODULUS_32,
      rtpTime: addSerial32(clock.rtpTime, ticks + this.timestampOffset),
      packets: this.packets % MODULUS_32,
      octets: this.octets % MODULUS_32,
      reports: [],
    };
  }

  forgetBefore(sentUs: number): void {
    this.history.forgetBefore(sentUs);
  }
}
