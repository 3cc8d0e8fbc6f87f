/**
 * The key material message (draft-sharabayko-srt-01 section 3.2.2) as bytes: which keys, salt, the wrapped keys. The
 * wrapping itself: src/srt/keyring.ts. Answers to it are the message as it came, or one word with a state.
 */
import { readU32 } from './srt-packet.ts';

export const SRT_SALT_BYTES = 16;
const HEADER_BYTES = 16;
const WRAP_BYTES = 8;
/** Version 1, packet type 2. */
const FIRST_BYTE = 0x12;
/** "HAI" in the letters of a PnP vendor id. */
const SIGNATURE = 0x2029;
const STREAM_ENCAPSULATION_SRT = 2;

export const SRT_CIPHER_CTR = 2;
/** Not in the draft, which knows no cipher behind CBC (3). */
export const SRT_CIPHER_GCM = 4;

/** States that answer a key request that failed. */
export const SRT_KEY_STATE_NO_SECRET = 3;
export const SRT_KEY_STATE_BAD_SECRET = 4;
export const SRT_KEY_STATE_BAD_CIPHER = 5;

export interface SrtKeyMaterial {
  /** 1 even, 2 odd, 3 both: the even key comes first. */
  readonly keySpec: number;
  /** SRT_CIPHER_*. */
  readonly cipher: number;
  readonly salt: Uint8Array;
  /** 16, 24 or 32. */
  readonly keyBytes: number;
  /** RFC 3394: one or two keys and 8 bytes. */
  readonly wrapped: Uint8Array;
}

export function writeKeyMaterial(material: SrtKeyMaterial): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + SRT_SALT_BYTES + material.wrapped.length);
  bytes[0] = FIRST_BYTE;
  bytes.writeUInt16BE(SIGNATURE, 1);
  bytes[3] = material.keySpec;
  bytes[8] = material.cipher;
  bytes[9] = material.cipher === SRT_CIPHER_GCM ? 1 : 0;
  bytes[10] = STREAM_ENCAPSULATION_SRT;
  bytes[14] = SRT_SALT_BYTES / 4;
  bytes[15] = material.keyBytes / 4;
  bytes.set(material.salt, HEADER_BYTES);
  bytes.set(material.wrapped, HEADER_BYTES + SRT_SALT_BYTES);
  return bytes;
}

/** Null for anything that is no key material of ours; views into `bytes`. */
export function readKeyMaterial(bytes: Uint8Array): SrtKeyMaterial | null {
  if (bytes.length < HEADER_BYTES + SRT_SALT_BYTES + WRAP_BYTES) return null;
  if (bytes[0] !== FIRST_BYTE || ((bytes[1]! << 8) | bytes[2]!) !== SIGNATURE) return null;
  const keySpec = bytes[3]! & 3;
  const cipher = bytes[8]!;
  const keyBytes = bytes[15]! * 4;
  if (keySpec === 0 || bytes[14]! * 4 !== SRT_SALT_BYTES) return null;
  if (cipher !== SRT_CIPHER_CTR && cipher !== SRT_CIPHER_GCM) return null;
  if (bytes[9] !== (cipher === SRT_CIPHER_GCM ? 1 : 0)) return null;
  if (keyBytes !== 16 && keyBytes !== 24 && keyBytes !== 32) return null;
  const start = HEADER_BYTES + SRT_SALT_BYTES;
  const length = keyBytes * (keySpec === 3 ? 2 : 1) + WRAP_BYTES;
  if (bytes.length < start + length) return null;
  return {
    keySpec,
    cipher,
    salt: bytes.subarray(HEADER_BYTES, start),
    keyBytes,
    wrapped: bytes.subarray(start, start + length),
  };
}

/** The state in the answer to a key request; -1 when it is no bare state (the keys came back: accepted). */
export function keyResponseState(content: Uint8Array): number {
  return content.length === 4 ? readU32(content, 0) : -1;
}

export function writeKeyState(state: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(state);
  return bytes;
}
