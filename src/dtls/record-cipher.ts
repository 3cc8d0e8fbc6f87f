/**
 * One direction of record protection: AES-GCM (RFC 5288: 4 bytes of salt, 8 explicit bytes of nonce) and
 * ChaCha20-Poly1305 (RFC 7905: the nonce is the IV xor the sequence number). The explicit bytes are epoch and sequence.
 */
import {
  type CipherGCM,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
} from 'node:crypto';
import { DTLS_1_2 } from '../wire/dtls/numbers.ts';
import { type DtlsRecord, writeEpochAndSequence } from '../wire/dtls/record.ts';
import type { CipherSuite } from './cipher-suites.ts';

const TAG_BYTES = 16;
const EXPLICIT_BYTES = 8;
const NONCE_BYTES = 12;

export class RecordCipher {
  /** What protection adds to a payload, in bytes. */
  readonly overhead: number;
  /** Types know ChaCha20-Poly1305 by another overload; its objects behave like those of GCM. */
  private readonly cipher: CipherGCMTypes;
  private readonly options: { readonly authTagLength: number };
  private readonly key: KeyObject;
  private readonly iv: Uint8Array;
  private readonly explicitBytes: number;
  private readonly nonce: Buffer;
  private readonly extra: Buffer;

  /** `key` and `iv` are copied. */
  constructor(suite: CipherSuite, key: Uint8Array, iv: Uint8Array) {
    this.explicitBytes = suite.ivBytes === NONCE_BYTES ? 0 : EXPLICIT_BYTES;
    this.overhead = this.explicitBytes + TAG_BYTES;
    this.cipher = suite.cipher as CipherGCMTypes;
    this.options = { authTagLength: TAG_BYTES };
    this.key = createSecretKey(key);
    this.iv = Uint8Array.from(iv);
    this.nonce = Buffer.alloc(NONCE_BYTES);
    this.nonce.set(iv);
    this.extra = Buffer.alloc(13);
  }

  /** Writes `payload.length + overhead` bytes. */
  seal(
    type: number,
    epoch: number,
    sequence: number,
    payload: Uint8Array,
    into: Uint8Array,
    at: number,
  ): void {
    this.prepare(type, epoch, sequence, payload.length);
    const cipher: CipherGCM = createCipheriv(this.cipher, this.key, this.nonce, this.options);
    cipher.setAAD(this.extra);
    const body = at + this.explicitBytes;
    if (this.explicitBytes > 0) into.set(this.nonce.subarray(NONCE_BYTES - EXPLICIT_BYTES), at);
    into.set(cipher.update(payload), body);
    cipher.final();
    into.set(cipher.getAuthTag(), body + payload.length);
  }

  /** The payload in own memory; null when it is forged or too short. */
  open(record: DtlsRecord, bytes: Uint8Array): Buffer | null {
    const length = record.end - record.start - this.overhead;
    if (length < 0) return null;
    this.prepare(record.type, record.epoch, record.sequence, length);
    const body = record.start + this.explicitBytes;
    // What the sender put into the nonce is its choice (RFC 5288 section 3).
    if (this.explicitBytes > 0)
      this.nonce.set(bytes.subarray(record.start, body), NONCE_BYTES - EXPLICIT_BYTES);
    const decipher = createDecipheriv(this.cipher, this.key, this.nonce, this.options);
    decipher.setAAD(this.extra);
    decipher.setAuthTag(bytes.subarray(body + length, record.end));
    const payload = decipher.update(bytes.subarray(body, body + length));
    try {
      decipher.final();
    } catch {
      return null;
    }
    return payload;
  }

  /** Additional data and nonce. */
  private prepare(type: number, epoch: number, sequence: number, length: number): void {
    const { extra, iv, nonce } = this;
    writeEpochAndSequence(extra, 0, epoch, sequence);
    extra[8] = type;
    extra[9] = DTLS_1_2 >>> 8;
    extra[10] = DTLS_1_2 & 0xff;
    extra[11] = length >>> 8;
    extra[12] = length;
    const from = NONCE_BYTES - EXPLICIT_BYTES;
    for (let i = 0; i < EXPLICIT_BYTES; i++)
      nonce[from + i] = this.explicitBytes > 0 ? extra[i]! : iv[from + i]! ^ extra[i]!;
  }
}
