/** HelloVerifyRequest (RFC 6347 section 4.2.1): the cookie that a client must show before we remember it. */
import { ByteReader } from '../../util/byte-reader.ts';
import { ProtocolError } from '../../util/errors.ts';
import { DTLS_1_0 } from './numbers.ts';

const CODE = 'dtls.bad-hello-verify';

/** The cookie. Throws ProtocolError `dtls.bad-hello-verify`. */
export function parseHelloVerifyRequest(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body, CODE);
  if (reader.u16() >>> 8 !== DTLS_1_0 >>> 8) throw new ProtocolError(CODE, 'version');
  const cookie = reader.view(reader.u8());
  if (cookie.length === 0 || reader.remaining > 0) throw new ProtocolError(CODE, 'length');
  return cookie;
}

/** Says version 1.0 whatever is negotiated later, as the RFC wants it. */
export function serializeHelloVerifyRequest(cookie: Uint8Array): Buffer {
  const body = Buffer.allocUnsafe(3 + cookie.length);
  body.writeUInt16BE(DTLS_1_0, 0);
  body[2] = cookie.length;
  body.set(cookie, 3);
  return body;
}
