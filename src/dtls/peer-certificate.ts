/**
 * The certificate of the peer: its fingerprint and its public key. Nothing else in it matters: WebRTC trusts the
 * fingerprint that came with the signalling (RFC 8827 section 6.5), not authorities, names or dates.
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { type CertificateFingerprint, fingerprintMatches } from '../crypto/tls-certificate.ts';
import { tlsKeyType } from '../crypto/tls-signature.ts';
import { ProtocolError } from '../util/errors.ts';
import { parseCertificates } from '../wire/dtls/certificates.ts';

/** `body` of a Certificate message. Throws a ProtocolError for everything but a usable key. */
export function peerPublicKey(body: Uint8Array, expected: CertificateFingerprint | undefined): KeyObject {
  const der = parseCertificates(body)[0];
  if (der === undefined) throw new ProtocolError('dtls.no-certificate', 'the peer sent none');
  if (expected !== undefined && !fingerprintMatches(der, expected))
    throw new ProtocolError('dtls.fingerprint', 'the certificate is not the announced one');
  let key: KeyObject;
  try {
    key = new X509Certificate(der).publicKey;
  } catch {
    throw new ProtocolError('dtls.bad-certificate', 'cannot be read');
  }
  if (tlsKeyType(key) === null)
    throw new ProtocolError('dtls.unsupported-certificate', key.asymmetricKeyType ?? '');
  return key;
}
