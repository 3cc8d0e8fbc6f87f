/**
 * Signatures by the numbers of TLS signature schemes (RFC 8446 section 4.2.3, as TLS 1.2 uses them: an ECDSA scheme is
 * not tied to a curve). SHA-1, DSA, EdDSA and RSA-PSS certificates (as against RSA ones) are left out.
 */
import { constants, type KeyObject, sign, verify } from 'node:crypto';

type Kind = 'ec' | 'rsa' | 'rsa-pss';

interface Scheme {
  readonly number: number;
  readonly kind: Kind;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
}

const SCHEMES: readonly Scheme[] = [
  { number: 0x0403, kind: 'ec', hash: 'sha256' },
  { number: 0x0503, kind: 'ec', hash: 'sha384' },
  { number: 0x0603, kind: 'ec', hash: 'sha512' },
  { number: 0x0804, kind: 'rsa-pss', hash: 'sha256' },
  { number: 0x0401, kind: 'rsa', hash: 'sha256' },
  { number: 0x0805, kind: 'rsa-pss', hash: 'sha384' },
  { number: 0x0501, kind: 'rsa', hash: 'sha384' },
  { number: 0x0806, kind: 'rsa-pss', hash: 'sha512' },
  { number: 0x0601, kind: 'rsa', hash: 'sha512' },
];

/** All of them, in order of preference. */
export const TLS_SIGNATURE_SCHEMES: readonly number[] = SCHEMES.map(({ number }) => number);

/** A peer's key decides how much a verification costs: 8192 bits take about 0.3 ms, larger ones nobody uses. */
const MAX_RSA_BITS = 8192;
const MIN_RSA_BITS = 1024;
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

/** Null when TLS signatures with this key are not possible here. */
export function tlsKeyType(key: KeyObject): 'ec' | 'rsa' | null {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec') return CURVES.includes(details?.namedCurve ?? '') ? 'ec' : null;
  if (key.asymmetricKeyType !== 'rsa') return null;
  const bits = details?.modulusLength ?? 0;
  return bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS ? 'rsa' : null;
}

/** The first scheme of ours that `key` can sign with and the peer takes; -1 without one. */
export function chooseSignatureScheme(key: KeyObject, accepted: readonly number[]): number {
  const type = tlsKeyType(key);
  for (const scheme of SCHEMES)
    if (fits(scheme, type) && accepted.includes(scheme.number)) return scheme.number;
  return -1;
}

/** `scheme` is one that `chooseSignatureScheme` returned for the key. */
export function signTls(scheme: number, privateKey: KeyObject, data: Uint8Array): Buffer {
  const { hash, kind } = SCHEMES.find(({ number }) => number === scheme)!;
  return sign(hash, data, kind === 'rsa-pss' ? pss(privateKey) : privateKey);
}

/** False also for unknown schemes, keys of another type, and signatures that are no signatures. */
export function verifyTls(
  scheme: number,
  publicKey: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const found = SCHEMES.find(({ number }) => number === scheme);
  if (found === undefined || !fits(found, tlsKeyType(publicKey))) return false;
  try {
    return verify(found.hash, data, found.kind === 'rsa-pss' ? pss(publicKey) : publicKey, signature);
  } catch {
    // OpenSSL may throw for encodings that it cannot read.
    return false;
  }
}

function fits(scheme: Scheme, type: 'ec' | 'rsa' | null): boolean {
  return type !== null && (scheme.kind === 'ec') === (type === 'ec');
}

function pss(key: KeyObject): { key: KeyObject; padding: number; saltLength: number } {
  return {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
}
