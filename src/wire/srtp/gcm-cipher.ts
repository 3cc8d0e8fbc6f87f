/**
 * AES-GCM: header, ciphered payload, tag, [word of RTCP], [MKI] (RFC 7714 sections 8.2 and 9). GCM needs a cipher object
 * per packet, since none can be given a new IV.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { writeU32 } from '../../util/big-endian.ts';
import type { SessionKeys } from './key-derivation.ts';
import type { PacketCipher } from './packet-cipher.ts';
import type { PacketIndex } from './packet-index.ts';
import { endsWith, WORD_BYTES } from './packet-parts.ts';

const IV_BYTES = 12;
const TAG_BYTES = 16;
const NO_BYTES = new Uint8Array(0);

export class GcmCipher implements PacketCipher {
  readonly overhead: number;
  private readonly cipher: 'aes-128-gcm' | 'aes-256-gcm';
  private readonly key: KeyObject;
  private readonly salt: Uint8Array;
  private readonly iv: Uint8Array;
  private readonly mki: Uint8Array;
  private readonly sendsWord: boolean;

  constructor(session: SessionKeys, mki: Uint8Array, sendsWord: boolean) {
    this.overhead = TAG_BYTES + (sendsWord ? WORD_BYTES : 0) + mki.length;
    this.cipher = session.key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
    this.key = createSecretKey(session.key);
    this.salt = session.salt;
    this.iv = new Uint8Array(IV_BYTES);
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
    const { mki, sendsWord } = this;
    const { word } = index;
    this.setIv(index);
    const cipher = createCipheriv(this.cipher, this.key, this.iv);
    cipher.setAAD(sendsWord ? withWord(header, headerLength, word) : firstOf(header, headerLength));
    const ciphered = cipher.update(payload);
    cipher.final();
    let end = at;
    for (let i = 0; i < headerLength; i++) out[end + i] = header[i]!;
    end += headerLength;
    out.set(ciphered, end);
    end += payload.length;
    out.set(cipher.getAuthTag(), end);
    end += TAG_BYTES;
    if (sendsWord) {
      writeU32(out, end, word);
      end += WORD_BYTES;
    }
    if (mki.length > 0) {
      out.set(mki, end);
      end += mki.length;
    }
    return end - at;
  }

  open(packet: Uint8Array, headerLength: number, index: PacketIndex, out: Uint8Array): number {
    const { mki, sendsWord } = this;
    const { isEncrypted, word } = index;
    if (!endsWith(packet, packet.length, mki)) return -1;
    const length = packet.length - this.overhead;
    // RTCP that is not ciphered is all header (RFC 7714 section 9.3).
    const clear = isEncrypted ? headerLength : length;
    this.setIv(index);
    const decipher = createDecipheriv(this.cipher, this.key, this.iv);
    decipher.setAAD(sendsWord ? withWord(packet, clear, word) : firstOf(packet, clear));
    decipher.setAuthTag(packet.subarray(length, length + TAG_BYTES));
    const deciphered = isEncrypted ? decipher.update(packet.subarray(clear, length)) : NO_BYTES;
    try {
      decipher.final();
    } catch {
      return -1;
    }
    if (out !== packet) for (let i = 0; i < clear; i++) out[i] = packet[i]!;
    out.set(deciphered, clear);
    return length;
  }

  /** RFC 7714 sections 8.1 and 9.1: in RTCP `high` and `low` make the 31 bits of the index in the same place. */
  private setIv({ ssrc, high, low }: PacketIndex): void {
    const { iv, salt } = this;
    iv[0] = salt[0]!;
    iv[1] = salt[1]!;
    writeU32(iv, 2, ssrc);
    writeU32(iv, 6, high);
    iv[10] = low >>> 8;
    iv[11] = low;
    for (let i = 2; i < IV_BYTES; i++) iv[i]! ^= salt[i]!;
  }
}

function firstOf(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.length === length ? bytes : bytes.subarray(0, length);
}

function withWord(bytes: Uint8Array, length: number, word: number): Uint8Array {
  const joined = new Uint8Array(length + WORD_BYTES);
  joined.set(firstOf(bytes, length));
  writeU32(joined, length, word);
  return joined;
}
