/**
 * Checks and deciphers RTP and RTCP of one direction of one session: roll-over counter by guess (RFC 3711 section 3.3.1),
 * replays refused. Nothing is kept of a packet that is not genuine.
 */
import { readU32 } from '../../util/big-endian.ts';
import { MODULUS_16, MODULUS_31 } from '../../util/serial-number.ts';
import { type PacketCipher, packetCipherFor } from './packet-cipher.ts';
import { PacketIndex } from './packet-index.ts';
import { WORD_BYTES } from './packet-parts.ts';
import { isRtcpLike, RTCP_CLEAR_BYTES, rtpHeaderLength } from './rtp-header-length.ts';
import type { SrtpKeys } from './srtp-profile.ts';
import { SrtpSource, SrtpSources } from './srtp-source.ts';
import { MAX_SRTP_PACKET_BYTES } from './workspace.ts';

export class SrtpReceiver {
  /** Packets that were refused: forged, damaged, repeated, too old, or of one source too many. */
  refused: number;
  private readonly rtp: PacketCipher;
  private readonly rtcp: PacketCipher;
  /** Where RTCP has its word: counted from the end of the packet. */
  private readonly wordFromEnd: number;
  private readonly sources = new SrtpSources();
  private readonly index = new PacketIndex();

  constructor(keys: SrtpKeys) {
    this.refused = 0;
    this.rtp = packetCipherFor(keys, 'rtp');
    this.rtcp = packetCipherFor(keys, 'rtcp');
    const mkiBytes = keys.mki?.length ?? 0;
    this.wordFromEnd =
      mkiBytes + WORD_BYTES + (keys.profile.cipher === 'aes-gcm' ? 0 : keys.profile.rtcpTagBytes);
  }

  /** Where the counter of a source stands before its first packet, when key management tells it. */
  setRollover(ssrc: number, rollover: number): void {
    if (this.sources.find(ssrc) === null && !this.sources.isFull)
      this.sources.add(new SrtpSource(ssrc, rollover));
  }

  /**
   * Hot path. Writes the RTP packet to `out`, which is at least as long as `packet` and may be `packet` itself, and
   * returns its length; -1 = refused, and what `out` holds means nothing.
   */
  unprotectRtp(packet: Uint8Array, out: Uint8Array): number {
    const length = this.openRtp(packet, out);
    if (length < 0) this.refused++;
    return length;
  }

  private openRtp(packet: Uint8Array, out: Uint8Array): number {
    const headerLength = rtpHeaderLength(packet);
    const { overhead } = this.rtp;
    if (headerLength < 0 || packet.length < headerLength + overhead || packet.length > MAX_SRTP_PACKET_BYTES)
      return -1;
    const ssrc = readU32(packet, 8);
    const sequence = (packet[2]! << 8) | packet[3]!;
    const known = this.sources.find(ssrc);
    if (known === null && this.sources.isFull) return -1;
    const ahead = known === null ? 1 : known.ahead(sequence);
    const rollover = known === null ? 0 : known.rolloverOf(sequence, ahead);
    const number = rollover * MODULUS_16 + sequence;
    if (rollover < 0 || known?.rtpWindow.isNew(number) === false) return -1;
    const length = this.rtp.open(packet, headerLength, this.index.setRtp(ssrc, rollover, sequence), out);
    if (length < 0) return -1;
    const source = known ?? this.sources.add(new SrtpSource(ssrc, 0));
    source.rtpWindow.add(number);
    source.advance(sequence, ahead);
    return length;
  }

  /** As `unprotectRtp`, of a compound RTCP packet. */
  unprotectRtcp(packet: Uint8Array, out: Uint8Array): number {
    const length = this.openRtcp(packet, out);
    if (length < 0) this.refused++;
    return length;
  }

  private openRtcp(packet: Uint8Array, out: Uint8Array): number {
    const { overhead } = this.rtcp;
    if (!isRtcpLike(packet) || packet.length < RTCP_CLEAR_BYTES + overhead) return -1;
    if (packet.length > MAX_SRTP_PACKET_BYTES) return -1;
    const ssrc = readU32(packet, 4);
    const word = readU32(packet, packet.length - this.wordFromEnd);
    const number = word % MODULUS_31;
    const known = this.sources.find(ssrc);
    if (known === null ? this.sources.isFull : !known.rtcpWindow.isNew(number)) return -1;
    const length = this.rtcp.open(packet, RTCP_CLEAR_BYTES, this.index.setRtcp(ssrc, word), out);
    if (length < 0) return -1;
    const source = known ?? this.sources.add(new SrtpSource(ssrc, 0));
    source.rtcpWindow.add(number);
    return length;
  }
}
