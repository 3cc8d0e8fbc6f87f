/**
 * One stream encrypting key at work on packets (draft-sharabayko-srt-01 section 6.2.2, libsrt for GCM).
 *
 * AES-CTR is made of one long-lived AES-ECB cipher over counter blocks, then XOR: by definition the same bytes (NIST SP
 * 800-38A section 6.5; held by captured packets and the library's CTR in the tests). Numbers are known beforehand, so
 * one call makes the key stream of some packets: 1.5 us for 1316 bytes where a new CTR cipher per packet takes 3.4 us
 * (Node 22, one slow core). AES-GCM cannot be taken apart like that: 5 us.
 */
import { type Cipher, createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { SRT_CIPHER_GCM } from '../wire/srt/key-material.ts';
import { clearRetransmitted, readU32, SRT_HEADER_BYTES } from '../wire/srt/srt-packet.ts';

const BLOCK_BYTES = 16;
const TAG_BYTES = 16;
const GCM_IV_BYTES = 12;
/** Of a packet of 1500 bytes. */
const MAX_BLOCKS = 94;
const MAX_PAYLOAD = MAX_BLOCKS * BLOCK_BYTES;
/** Of seven TS packets, which nearly all packets are. */
const USUAL_BLOCKS = 83;
const USUAL_BYTES = USUAL_BLOCKS * BLOCK_BYTES;
/** Packets whose key stream is made at once. */
const BATCH = 4;
/** Farther back than this numbers have wrapped. */
const MAX_AGE = 1 << 20;
const NO_BYTES = Buffer.alloc(0);

export class PacketKey {
  /** SRT_KEY_EVEN or SRT_KEY_ODD. */
  readonly keySpec: number;
  readonly secret: Buffer;
  private readonly salt: Buffer;
  private readonly isGcm: boolean;
  private readonly gcmName: 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';
  private readonly key: KeyObject;
  private readonly blockCipher: Cipher;
  /** Counter blocks of a batch of packets: salt and packet index, number of the block in the last two bytes. */
  private readonly blocks: Buffer;
  /** Their key stream, and the sequence number of the first. */
  private batch: Buffer;
  private batchSequence: number;
  /** Counter blocks of one packet, made when they are needed. */
  private single: Buffer;
  /** The key stream in use, and where the one of the present packet begins. */
  private stream: Buffer;
  private streamStart: number;
  /** Of GCM: nonce and header as they are covered by the tag. */
  private readonly nonce: Buffer;
  private readonly plainHeader: Buffer;

  constructor(keySpec: number, cipher: number, secret: Uint8Array, salt: Uint8Array) {
    this.keySpec = keySpec;
    this.secret = Buffer.from(secret);
    this.salt = Buffer.from(salt);
    this.isGcm = cipher === SRT_CIPHER_GCM;
    const bits = (secret.length * 8) as 128 | 192 | 256;
    this.gcmName = `aes-${bits}-gcm`;
    this.key = createSecretKey(this.secret);
    this.blockCipher = createCipheriv(`aes-${bits}-ecb`, this.key, null);
    this.blockCipher.setAutoPadding(false);
    this.blocks = this.isGcm ? NO_BYTES : Buffer.alloc(BATCH * USUAL_BYTES);
    this.prepare(this.blocks, USUAL_BLOCKS);
    this.batch = NO_BYTES;
    this.batchSequence = 0;
    this.single = NO_BYTES;
    this.stream = NO_BYTES;
    this.streamStart = 0;
    this.nonce = Buffer.alloc(GCM_IV_BYTES);
    this.plainHeader = Buffer.alloc(SRT_HEADER_BYTES);
  }

  /** Bytes that a packet grows by. */
  get overhead(): number {
    return this.isGcm ? TAG_BYTES : 0;
  }

  /** A whole datagram of the header (with the KK field of this key) and the ciphered payload. */
  encrypt(header: Uint8Array, payload: Uint8Array): Buffer {
    const datagram = Buffer.allocUnsafe(SRT_HEADER_BYTES + payload.length + this.overhead);
    datagram.set(header, 0);
    if (!this.isGcm) {
      this.makeStream(readU32(header, 0), payload.length);
      xor(payload, this.stream, this.streamStart, datagram, SRT_HEADER_BYTES, payload.length);
      return datagram;
    }
    const cipher = createCipheriv(this.gcmName, this.key, this.nonceOf(header));
    cipher.setAAD(this.coveredPart(header));
    datagram.set(cipher.update(payload), SRT_HEADER_BYTES);
    cipher.final();
    datagram.set(cipher.getAuthTag(), SRT_HEADER_BYTES + payload.length);
    return datagram;
  }

  /** The payload of a whole datagram: with CTR in place. Null when it is not what was sent (GCM) or too long. */
  decrypt(datagram: Uint8Array): Uint8Array | null {
    const length = datagram.length - SRT_HEADER_BYTES - this.overhead;
    if (length < 0 || length > MAX_PAYLOAD) return null;
    const payload = datagram.subarray(SRT_HEADER_BYTES, SRT_HEADER_BYTES + length);
    if (!this.isGcm) {
      this.makeStream(readU32(datagram, 0), length);
      xor(payload, this.stream, this.streamStart, payload, 0, length);
      return payload;
    }
    const decipher = createDecipheriv(this.gcmName, this.key, this.nonceOf(datagram));
    decipher.setAAD(this.coveredPart(datagram));
    decipher.setAuthTag(datagram.subarray(SRT_HEADER_BYTES + length));
    const plain = decipher.update(payload);
    try {
      decipher.final();
    } catch {
      return null;
    }
    return plain;
  }

  /** Sets `stream` and `streamStart` for a packet. */
  private makeStream(sequence: number, length: number): void {
    const ahead = sequence - this.batchSequence;
    if (length > USUAL_BYTES || (ahead < 0 && ahead > -MAX_AGE)) {
      // Long packets and old ones, which are sent again or overtaken, leave the batch as it is.
      if (this.single.length === 0) {
        this.single = Buffer.alloc(MAX_PAYLOAD);
        this.prepare(this.single, MAX_BLOCKS);
      }
      const end = Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
      this.number(this.single, 0, end, sequence);
      this.stream = this.blockCipher.update(this.single.subarray(0, end));
      this.streamStart = 0;
      return;
    }
    if (ahead < 0 || ahead >= BATCH || this.batch.length === 0) {
      for (let i = 0; i < BATCH; i++)
        this.number(this.blocks, i * USUAL_BYTES, (i + 1) * USUAL_BYTES, sequence + i);
      this.batch = this.blockCipher.update(this.blocks);
      this.batchSequence = sequence;
    }
    this.stream = this.batch;
    this.streamStart = (sequence - this.batchSequence) * USUAL_BYTES;
  }

  /** Everything of counter blocks that does not change from packet to packet. */
  private prepare(blocks: Buffer, perPacket: number): void {
    for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
      this.salt.copy(blocks, at, 0, BLOCK_BYTES - 2);
      blocks.writeUInt16BE((at / BLOCK_BYTES) % perPacket, at + BLOCK_BYTES - 2);
    }
  }

  /** The packet's number, covered by the salt. */
  private number(blocks: Buffer, start: number, end: number, sequence: number): void {
    const { salt } = this;
    const b10 = salt[10]! ^ (sequence >>> 24);
    const b11 = salt[11]! ^ (sequence >>> 16);
    const b12 = salt[12]! ^ (sequence >>> 8);
    const b13 = salt[13]! ^ sequence;
    for (let at = start; at < end; at += BLOCK_BYTES) {
      blocks[at + 10] = b10;
      blocks[at + 11] = b11;
      blocks[at + 12] = b12;
      blocks[at + 13] = b13;
    }
  }

  private nonceOf(header: Uint8Array): Buffer {
    const { nonce, salt } = this;
    salt.copy(nonce, 0, 0, GCM_IV_BYTES);
    for (let i = 0; i < 4; i++) nonce[8 + i] = salt[8 + i]! ^ header[i]!;
    return nonce;
  }

  /** What the tag covers of a header: all but the mark of a retransmission. */
  private coveredPart(header: Uint8Array): Buffer {
    const { plainHeader } = this;
    for (let i = 0; i < SRT_HEADER_BYTES; i++) plainHeader[i] = header[i]!;
    clearRetransmitted(plainHeader);
    return plainHeader;
  }
}

/** Words where the bytes lie at word boundaries, bytes elsewhere. */
function xor(
  from: Uint8Array,
  stream: Uint8Array,
  streamStart: number,
  into: Uint8Array,
  intoStart: number,
  length: number,
): void {
  const a = from.byteOffset;
  const b = stream.byteOffset + streamStart;
  const c = into.byteOffset + intoStart;
  let done = 0;
  if (((a | b | c) & 3) === 0) {
    const words = length >> 2;
    const source = new Uint32Array(from.buffer, a, words);
    const key = new Uint32Array(stream.buffer, b, words);
    const target = new Uint32Array(into.buffer, c, words);
    for (let i = 0; i < words; i++) target[i] = source[i]! ^ key[i]!;
    done = words * 4;
  }
  for (let i = done; i < length; i++) into[intoStart + i] = from[i]! ^ stream[streamStart + i]!;
}
