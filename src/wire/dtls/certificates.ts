/** Certificate, CertificateRequest and CertificateVerify (RFC 5246 sections 7.4.2, 7.4.4, 7.4.8). */
import { ByteReader } from '../../util/byte-reader.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import { readNumbers, writeNumbers } from './extensions.ts';

const CERTIFICATE = 'dtls.bad-certificate-message';
const REQUEST = 'dtls.bad-certificate-request';
const VERIFY = 'dtls.bad-certificate-verify';
/** Peers of WebRTC send one, chains of authorities have three or four. */
const MAX_CERTIFICATES = 10;
/** ecdsa_sign and rsa_sign. */
const CLIENT_TYPES = [64, 1];

/** DER of each certificate, the peer's own first; empty when it has none. Views of `body`. */
export function parseCertificates(body: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(body, CERTIFICATE);
  if (reader.u24() !== reader.remaining) throw new ProtocolError(CERTIFICATE, 'length');
  const certificates: Uint8Array[] = [];
  while (reader.remaining > 0) {
    const der = reader.view(reader.u24());
    if (der.length === 0) throw new ProtocolError(CERTIFICATE, 'an empty certificate');
    if (certificates.length >= MAX_CERTIFICATES) throw new ProtocolError(CERTIFICATE, 'chain too long');
    certificates.push(der);
  }
  return certificates;
}

export function serializeCertificates(certificates: readonly Uint8Array[]): Buffer {
  let total = 0;
  for (const der of certificates) total += 3 + der.length;
  const writer = new ByteWriter(3 + total).u24(total);
  for (const der of certificates) writer.u24(der.length).bytes(der);
  return writer.finish();
}

/** Signature schemes that the server takes from a client. Certificate types and authorities are not looked at. */
export function parseCertificateRequest(body: Uint8Array): number[] {
  const reader = new ByteReader(body, REQUEST);
  reader.skip(reader.u8());
  const schemes = readNumbers(reader, REQUEST);
  reader.skip(reader.u16());
  if (reader.remaining > 0) throw new ProtocolError(REQUEST, 'length');
  return schemes;
}

export function serializeCertificateRequest(schemes: readonly number[]): Buffer {
  const writer = new ByteWriter(64).u8(CLIENT_TYPES.length);
  for (const type of CLIENT_TYPES) writer.u8(type);
  writeNumbers(writer, schemes);
  return writer.u16(0).finish();
}

export interface TlsSignature {
  readonly scheme: number;
  readonly signature: Uint8Array;
}

export function parseCertificateVerify(body: Uint8Array): TlsSignature {
  const reader = new ByteReader(body, VERIFY);
  const scheme = reader.u16();
  const signature = reader.view(reader.u16());
  if (reader.remaining > 0) throw new ProtocolError(VERIFY, 'length');
  return { scheme, signature };
}

export function serializeCertificateVerify({ scheme, signature }: TlsSignature): Buffer {
  return new ByteWriter(4 + signature.length).u16(scheme).u16(signature.length).bytes(signature).finish();
}
