/**
 * What a cipher suite and a group mean, and what is offered without other wishes. Left out: the CBC suites with SHA-1. Every WebRTC peer must
 * have AES-GCM (RFC 8827 section 6.5), and CBC in constant time cannot be had from node:crypto.
 */
import type { EphemeralCurve } from '../crypto/ephemeral-key.ts';
import type { TlsHash } from '../crypto/tls-prf.ts';
import { DTLS_SUITE, TLS_GROUP } from '../wire/dtls/numbers.ts';
import { SRTP_PROFILES } from '../wire/srtp/srtp-profile.ts';

export interface CipherSuite {
  readonly id: number;
  /** Of the server's certificate. */
  readonly keyType: 'ec' | 'rsa';
  readonly hash: TlsHash;
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';
  readonly keyBytes: number;
  /** The part of the nonce that comes from the key block. */
  readonly ivBytes: number;
}

const AES_128 = { hash: 'sha256', cipher: 'aes-128-gcm', keyBytes: 16, ivBytes: 4 } as const;
const AES_256 = { hash: 'sha384', cipher: 'aes-256-gcm', keyBytes: 32, ivBytes: 4 } as const;
const CHACHA = { hash: 'sha256', cipher: 'chacha20-poly1305', keyBytes: 32, ivBytes: 12 } as const;

const SUITES: readonly CipherSuite[] = [
  { id: DTLS_SUITE.ecdheEcdsaAes128Gcm, keyType: 'ec', ...AES_128 },
  { id: DTLS_SUITE.ecdheRsaAes128Gcm, keyType: 'rsa', ...AES_128 },
  { id: DTLS_SUITE.ecdheEcdsaChaCha20, keyType: 'ec', ...CHACHA },
  { id: DTLS_SUITE.ecdheRsaChaCha20, keyType: 'rsa', ...CHACHA },
  { id: DTLS_SUITE.ecdheEcdsaAes256Gcm, keyType: 'ec', ...AES_256 },
  { id: DTLS_SUITE.ecdheRsaAes256Gcm, keyType: 'rsa', ...AES_256 },
];

/** In order of preference. */
export const DEFAULT_DTLS_SUITES: readonly number[] = SUITES.map(({ id }) => id);

/** In order of cost (crypto/ephemeral-key.ts). */
export const DEFAULT_DTLS_GROUPS: readonly number[] = [TLS_GROUP.p256, TLS_GROUP.x25519, TLS_GROUP.p384];

/** All of them, in their order of preference. */
export const DEFAULT_SRTP_PROFILES: readonly number[] = SRTP_PROFILES.map(({ dtlsId }) => dtlsId);

export function cipherSuite(id: number): CipherSuite | undefined {
  return SUITES.find((suite) => suite.id === id);
}

export function curveOfGroup(group: number): EphemeralCurve | null {
  switch (group) {
    case TLS_GROUP.p256:
      return 'p256';
    case TLS_GROUP.p384:
      return 'p384';
    case TLS_GROUP.x25519:
      return 'x25519';
    default:
      return null;
  }
}
