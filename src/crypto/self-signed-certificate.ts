/**
 * A self-signed X.509 v3 certificate for a P-256 key, written as DER (RFC 5280 section 4). Enough for HTTPS and
 * RTMPS until the user brings a real one. Leaves out everything that a server certificate does not need.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { parseIpAddress } from '../util/ip-address.ts';

export interface PemPair {
  readonly key: string;
  readonly cert: string;
}

const DAY_MS = 86_400_000;
/** What browsers accept of a server certificate at most is 825 days; a self-signed one is accepted by hand anyway. */
const VALID_DAYS = 3650;

/** `names` are DNS names and IP addresses for the subject alternative name. */
export function makeSelfSignedCertificate(
  commonName: string,
  names: readonly string[],
  nowMs: number,
): PemPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const algorithm = sequence(oid('1.2.840.10045.4.3.2'));
  const name = sequence(set(sequence(oid('2.5.4.3'), tagged(0x0c, Buffer.from(commonName, 'utf8')))));
  // A clock that is years behind (a board without a battery) must still find the certificate valid.
  const validity = sequence(
    utcTime(new Date(Date.UTC(2020, 0, 1))),
    utcTime(new Date(nowMs + VALID_DAYS * DAY_MS)),
  );
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const keyId = createHash('sha1').update(spki).digest();
  const extensions = tagged(
    0xa3,
    sequence(
      extension('2.5.29.17', sequence(...names.map(alternativeName))),
      extension('2.5.29.19', sequence(tagged(0x01, Buffer.from([0xff])))),
      extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
      extension('2.5.29.14', tagged(0x04, keyId)),
    ),
  );
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serial),
    algorithm,
    name,
    validity,
    name,
    spki,
    extensions,
  );
  const signature = sign('sha256', body, privateKey);
  const certificate = sequence(body, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem('CERTIFICATE', certificate),
  };
}

function tagged(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const length = content.length;
  let header: number[];
  if (length < 0x80) header = [tag, length];
  else if (length < 0x100) header = [tag, 0x81, length];
  else header = [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

function sequence(...parts: Uint8Array[]): Buffer {
  return tagged(0x30, ...parts);
}

function set(...parts: Uint8Array[]): Buffer {
  return tagged(0x31, ...parts);
}

function oid(text: string): Buffer {
  const arcs = text.split('.').map(Number);
  const bytes = [arcs[0]! * 40 + arcs[1]!];
  for (const arc of arcs.slice(2)) {
    const groups = [arc & 0x7f];
    for (let rest = arc >>> 7; rest > 0; rest >>>= 7) groups.unshift((rest & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}

function utcTime(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return tagged(0x17, Buffer.from(`${digits}Z`, 'latin1'));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(oid(id), tagged(0x04, value));
}

function alternativeName(name: string): Buffer {
  const ip = parseIpAddress(name);
  return ip === null ? tagged(0x82, Buffer.from(name, 'latin1')) : tagged(0x87, ip);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
