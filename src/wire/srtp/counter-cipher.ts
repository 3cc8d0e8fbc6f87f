/** Counter mode and HMAC-SHA1: header, ciphered payload, [word of RTCP], [MKI], tag (RFC 3711 sections 3.1 and 3.4). */
import { writeU32 } from '../../util/big-endian.ts';
import { CounterKeystream } from './counter-keystream.ts';
import { HmacSha1 } from './hmac-sha1.ts';
import type { SessionKeys } from './key-derivation.ts';
import type { PacketCipher } from './packet-cipher.ts';
import type { PacketIndex } from './packet-index.ts';
import { endsWith, WORD_BYTES } from './packet-parts.ts';
import { PACKET_AT, WORK } from './workspace.ts';

export class CounterCipher implements PacketCipher {
  readonly overhead: number;
  private readonly keystream: CounterKeystream;
  private readonly hmac: HmacSha1;
  private readonly tagBytes: number;
  private readonly mki: Uint8Array;
  private readonly sendsWord: boolean;

  constructor(session: SessionKeys, tagBytes: number, mki: Uint8Array, sendsWord: boolean) {
    this.overhead = (sendsWord ? WORD_BYTES : 0) + mki.length + tagBytes;
    this.keystream = new CounterKeystream(session.key, session.salt);
    this.hmac = new HmacSha1(session.authKey);
    this.tagBytes = tagBytes;
    this.mki = mki;
    this.sendsWord = sendsWord;
  }

  seal(
    header: Uint8Array,
    headerLength: number,
    payload: Uint8Array,
    index: PacketIndex,
    out: Uint8Array,
    at: number,
  ): number {
    const { mki, tagBytes } = this;
    const { length } = payload;
    const payloadAt = PACKET_AT + headerLength;
    const wordAt = payloadAt + length;
    for (let i = 0; i < headerLength; i++) WORK[PACKET_AT + i] = header[i]!;
    WORK.set(payload, payloadAt);
    this.keystream.apply(payloadAt, length, index);
    // The word is authenticated in RTP as well, but there it is not sent.
    writeU32(WORK, wordAt, index.word);
    const tag = this.hmac.digest(wordAt + WORD_BYTES);
    const end = this.sendsWord ? wordAt + WORD_BYTES : wordAt;
    out.set(WORK.subarray(PACKET_AT, end), at);
    let tagAt = at + end - PACKET_AT;
    if (mki.length > 0) {
      out.set(mki, tagAt);
      tagAt += mki.length;
    }
    for (let i = 0; i < tagBytes; i++) out[tagAt + i] = tag.charCodeAt(i);
    return tagAt + tagBytes - at;
  }

  open(packet: Uint8Array, headerLength: number, index: PacketIndex, out: Uint8Array): number {
    const { mki, tagBytes } = this;
    const tagAt = packet.length - tagBytes;
    if (!endsWith(packet, tagAt, mki)) return -1;
    const length = packet.length - this.overhead;
    WORK.set(packet.subarray(0, length), PACKET_AT);
    writeU32(WORK, PACKET_AT + length, index.word);
    const tag = this.hmac.digest(PACKET_AT + length + WORD_BYTES);
    // All bytes are compared, so that the time does not tell how many were right.
    let difference = 0;
    for (let i = 0; i < tagBytes; i++) difference |= tag.charCodeAt(i) ^ packet[tagAt + i]!;
    if (difference !== 0) return -1;
    if (index.isEncrypted) this.keystream.apply(PACKET_AT + headerLength, length - headerLength, index);
    out.set(WORK.subarray(PACKET_AT, PACKET_AT + length));
    return length;
  }
}
