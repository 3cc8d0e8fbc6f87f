/** A certificate with its key, and fingerprints of certificates as SDP writes them (RFC 8122 section 5). */
import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { PemPair } from './self-signed-certificate.ts';

export interface TlsCertificate {
  readonly certDer: Uint8Array;
  /** EC (P-256, P-384, P-521) or RSA. */
  readonly privateKey: KeyObject;
}

export type FingerprintAlgorithm = 'sha-1' | 'sha-256' | 'sha-384' | 'sha-512';

export interface CertificateFingerprint {
  readonly algorithm: FingerprintAlgorithm;
  /** Hexadecimal digits, pairs separated by colons. */
  readonly value: string;
}

/** The first certificate of the text; throws what node:crypto throws for text that is none. */
export function tlsCertificateFromPem(pem: PemPair): TlsCertificate {
  return { certDer: new X509Certificate(pem.cert).raw, privateKey: createPrivateKey(pem.key) };
}

/** Such as `4A:AD:...`, capitals. */
export function certificateFingerprint(certDer: Uint8Array, algorithm: FingerprintAlgorithm): string {
  const hex = createHash(algorithm.replace('-', '')).update(certDer).digest('hex').toUpperCase();
  return hex.match(/../g)!.join(':');
}

/** Case does not matter. */
export function fingerprintMatches(certDer: Uint8Array, expected: CertificateFingerprint): boolean {
  return certificateFingerprint(certDer, expected.algorithm) === expected.value.toUpperCase();
}
