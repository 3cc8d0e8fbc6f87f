/** Protects RTP and RTCP of one direction of one session, any number of SSRCs up to MAX_SRTP_SOURCES. */
import { readU32 } from '../../util/big-endian.ts';
import { MODULUS_31 } from '../../util/serial-number.ts';
import { type PacketCipher, packetCipherFor } from './packet-cipher.ts';
import { PacketIndex } from './packet-index.ts';
import { isRtcpLike, RTCP_CLEAR_BYTES, rtpHeaderLength } from './rtp-header-length.ts';
import type { SrtpKeys } from './srtp-profile.ts';
import { SrtpSource, SrtpSources } from './srtp-source.ts';
import { MAX_SRTP_PACKET_BYTES } from './workspace.ts';

export class SrtpSender {
  readonly keys: SrtpKeys;
  /** What a packet grows by. */
  readonly rtpOverhead: number;
  readonly rtcpOverhead: number;
  private readonly rtp: PacketCipher;
  private readonly rtcp: PacketCipher;
  private readonly sources = new SrtpSources();
  private readonly index = new PacketIndex();

  constructor(keys: SrtpKeys) {
    this.keys = keys;
    this.rtp = packetCipherFor(keys, 'rtp');
    this.rtcp = packetCipherFor(keys, 'rtcp');
    this.rtpOverhead = this.rtp.overhead;
    this.rtcpOverhead = this.rtcp.overhead;
  }

  /** Hot path. A whole RTP packet to `out` from `at`, which may be the packet's own memory; returns as `protectRtp`. */
  protect(packet: Uint8Array, out: Uint8Array, at: number): number {
    const headerLength = rtpHeaderLength(packet);
    return headerLength < 0
      ? -1
      : this.protectRtp(packet, headerLength, packet.subarray(headerLength), out, at);
  }

  /**
   * Hot path. An RTP packet in two pieces: the first `headerLength` bytes of `header` (with CSRC list and extension, so a
   * multiple of four) and the payload. Returns how long it is in `out` from `at`; -1 when `out` has no room for it
   * (length + `rtpOverhead`), when it is no packet, or the SSRC is one too many.
   */
  protectRtp(
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    out: Uint8Array,
    at: number,
  ): number {
    const total = headerLength + payload.length + this.rtp.overhead;
    if (at + total > out.length || total > MAX_SRTP_PACKET_BYTES) return -1;
    const ssrc = readU32(header, 8);
    const source = this.sourceOf(ssrc);
    if (source === null) return -1;
    const sequence = (header[2]! << 8) | header[3]!;
    const ahead = source.ahead(sequence);
    const rollover = source.rolloverOf(sequence, ahead);
    if (rollover < 0) return -1;
    source.advance(sequence, ahead);
    const index = this.index.setRtp(ssrc, rollover, sequence);
    return this.rtp.seal(header, headerLength, payload, index, out, at);
  }

  /** A compound RTCP packet; returns as `protectRtp` (`rtcpOverhead`). */
  protectRtcp(packet: Uint8Array, out: Uint8Array, at: number): number {
    const total = packet.length + this.rtcp.overhead;
    if (!isRtcpLike(packet) || at + total > out.length || total > MAX_SRTP_PACKET_BYTES) return -1;
    const ssrc = readU32(packet, 4);
    const source = this.sourceOf(ssrc);
    if (source === null) return -1;
    const number = source.rtcpIndex + 1;
    // The key is used up (RFC 3711 section 9.2).
    if (number >= MODULUS_31) return -1;
    source.rtcpIndex = number;
    // E flag: it is ciphered.
    const index = this.index.setRtcp(ssrc, MODULUS_31 + number);
    return this.rtcp.seal(packet, RTCP_CLEAR_BYTES, packet.subarray(RTCP_CLEAR_BYTES), index, out, at);
  }

  /** Roll-over counter of a source, for key management; 0 before its first packet. */
  rolloverOf(ssrc: number): number {
    return this.sources.find(ssrc)?.rollover ?? 0;
  }

  private sourceOf(ssrc: number): SrtpSource | null {
    const known = this.sources.find(ssrc);
    if (known !== null) return known;
    return this.sources.isFull ? null : this.sources.add(new SrtpSource(ssrc, 0));
  }
}
