/**
 * Session keys out of a master key and a master salt (RFC 3711 section 4.3, RFC 7714 section 11) with key derivation
 * rate 0: once for the whole session.
 */
import { createCipheriv, createSecretKey } from 'node:crypto';
import { InvariantError } from '../../util/errors.ts';
import { MAX_MKI_BYTES, type SrtpKeys } from './srtp-profile.ts';

const AUTH_KEY_BYTES = 20;
const BLOCK_BYTES = 16;
/** Byte of the 112-bit value that the label goes into: 48 bits of index follow it. */
const LABEL_AT = 7;
const LABELS = { rtp: 0, rtcp: 3 } as const;

export interface SessionKeys {
  readonly key: Buffer;
  readonly salt: Buffer;
  /** For HMAC-SHA1; GCM does not use it. */
  readonly authKey: Buffer;
}

export function deriveSessionKeys(keys: SrtpKeys, use: 'rtp' | 'rtcp'): SessionKeys {
  const { profile, masterKey, masterSalt, mki } = keys;
  if (masterKey.length !== profile.keyBytes || masterSalt.length !== profile.saltBytes)
    throw new InvariantError(
      `keys of ${masterKey.length} and ${masterSalt.length} bytes for ${profile.name}`,
    );
  if (mki !== undefined && mki.length > MAX_MKI_BYTES)
    throw new InvariantError(`an MKI of ${mki.length} bytes`);
  const secret = createSecretKey(masterKey);
  const derive = (label: number, length: number): Buffer => {
    // A salt of 96 bits is filled up with zeros.
    const iv = Buffer.alloc(BLOCK_BYTES);
    iv.set(masterSalt);
    iv[LABEL_AT]! ^= label;
    return createCipheriv(`aes-${profile.keyBytes * 8}-ctr`, secret, iv).update(Buffer.alloc(length));
  };
  const first = LABELS[use];
  return {
    key: derive(first, profile.keyBytes),
    authKey: derive(first + 1, AUTH_KEY_BYTES),
    salt: derive(first + 2, profile.saltBytes),
  };
}
