/** ServerKeyExchange and ClientKeyExchange for ECDHE with named groups (RFC 8422 sections 5.4 and 5.7). */
import { ByteReader } from '../../util/byte-reader.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';

const SERVER = 'dtls.bad-server-key-exchange';
const CLIENT = 'dtls.bad-client-key-exchange';
const NAMED_CURVE = 3;

export interface ServerKeyExchange {
  readonly group: number;
  readonly publicKey: Uint8Array;
  /** The bytes that are signed behind both randoms. */
  readonly parameters: Uint8Array;
  readonly scheme: number;
  readonly signature: Uint8Array;
}

export function parseServerKeyExchange(body: Uint8Array): ServerKeyExchange {
  const reader = new ByteReader(body, SERVER);
  if (reader.u8() !== NAMED_CURVE) throw new ProtocolError(SERVER, 'not a named group');
  const group = reader.u16();
  const publicKey = reader.view(reader.u8());
  const parameters = body.subarray(0, reader.position);
  const scheme = reader.u16();
  const signature = reader.view(reader.u16());
  if (reader.remaining > 0) throw new ProtocolError(SERVER, 'length');
  return { group, publicKey, parameters, scheme, signature };
}

/** `ServerKeyExchange.parameters` of a group and a public key. */
export function keyExchangeParameters(group: number, publicKey: Uint8Array): Buffer {
  return new ByteWriter(4 + publicKey.length)
    .u8(NAMED_CURVE)
    .u16(group)
    .u8(publicKey.length)
    .bytes(publicKey)
    .finish();
}

export function serializeServerKeyExchange(
  parameters: Uint8Array,
  scheme: number,
  signature: Uint8Array,
): Buffer {
  return new ByteWriter(parameters.length + 4 + signature.length)
    .bytes(parameters)
    .u16(scheme)
    .u16(signature.length)
    .bytes(signature)
    .finish();
}

/** The client's public key, a view of `body`. */
export function parseClientKeyExchange(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body, CLIENT);
  const publicKey = reader.view(reader.u8());
  if (reader.remaining > 0) throw new ProtocolError(CLIENT, 'length');
  return publicKey;
}

export function serializeClientKeyExchange(publicKey: Uint8Array): Buffer {
  return new ByteWriter(1 + publicKey.length).u8(publicKey.length).bytes(publicKey).finish();
}
