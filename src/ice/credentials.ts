/** User name fragment and password of one side of ICE (RFC 8445 section 5.3, RFC 8839 section 5.4). */
import { randomBytes } from 'node:crypto';
import { RejectedError } from '../util/errors.ts';

export interface IceCredentials {
  readonly ufrag: string;
  readonly password: string;
}

/** 48 bits: enough that nobody finds one by trying (at least 24 are asked for). */
const UFRAG_BYTES = 6;
/** 144 bits (at least 128 are asked for). */
const PASSWORD_BYTES = 18;
const UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const PASSWORD = /^[A-Za-z0-9+/]{22,256}$/;

/** Base64 of whole groups of three bytes has the alphabet of ICE and no padding. */
export function makeIceCredentials(): IceCredentials {
  return {
    ufrag: randomBytes(UFRAG_BYTES).toString('base64'),
    password: randomBytes(PASSWORD_BYTES).toString('base64'),
  };
}

/** What a session description says of the other side; a RejectedError when it cannot be right. */
export function checkIceCredentials(ufrag: string, password: string): IceCredentials {
  if (!UFRAG.test(ufrag))
    throw new RejectedError('bad-request', 'ice-ufrag must be 4 to 256 letters, digits, + and /');
  if (!PASSWORD.test(password))
    throw new RejectedError('bad-request', 'ice-pwd must be 22 to 256 letters, digits, + and /');
  return { ufrag, password };
}
