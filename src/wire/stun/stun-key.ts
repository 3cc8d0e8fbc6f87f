/**
 * MESSAGE-INTEGRITY of STUN (RFC 8489 section 14.5): HMAC-SHA1 with a key that is made ready once. A message gets its
 * code over a copy of the header that tells the length as if MESSAGE-INTEGRITY were the last attribute.
 * Left out: MESSAGE-INTEGRITY-SHA256, which no program of WebRTC sends; SASLprep, since passwords of ICE are ASCII.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

export const STUN_INTEGRITY_BYTES = 20;
const HEADER_BYTES = 20;
const ATTRIBUTE_HEADER_BYTES = 4;

export class StunKey {
  private readonly key: KeyObject;
  private readonly header: Buffer;

  /** The password of a short-term credential, or the 16 bytes of a long-term one (RFC 8489 section 9.2.2). */
  constructor(password: string | Uint8Array) {
    this.key = createSecretKey(typeof password === 'string' ? Buffer.from(password, 'utf8') : password);
    this.header = Buffer.alloc(HEADER_BYTES);
  }

  /** The code for a message whose MESSAGE-INTEGRITY attribute begins at `offset`. */
  sign(bytes: Uint8Array, offset: number): Buffer {
    const { header } = this;
    header.set(bytes.subarray(0, HEADER_BYTES));
    header.writeUInt16BE(offset + ATTRIBUTE_HEADER_BYTES + STUN_INTEGRITY_BYTES - HEADER_BYTES, 2);
    return createHmac('sha1', this.key).update(header).update(bytes.subarray(HEADER_BYTES, offset)).digest();
  }

  /** `offset` of the attribute as `parseStun` found it; -1 (there is none) is never right. */
  verify(bytes: Uint8Array, offset: number): boolean {
    const at = offset + ATTRIBUTE_HEADER_BYTES;
    if (offset < HEADER_BYTES || at + STUN_INTEGRITY_BYTES > bytes.length) return false;
    return timingSafeEqual(this.sign(bytes, offset), bytes.subarray(at, at + STUN_INTEGRITY_BYTES));
  }
}
