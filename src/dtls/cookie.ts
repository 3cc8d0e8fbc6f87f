/**
 * Cookies (RFC 6347 section 4.2.1): a client proves that it receives at its address before anything is remembered of it.
 * A cookie is an HMAC over address and hello; the key changes with time. Everything happens in one first fragment, so
 * that a hello that fills several datagrams needs no memory either.
 */
import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { type ClientHelloFront, readClientHelloFront } from '../wire/dtls/client-hello.ts';
import { DtlsHandshakeFragment, handshakeMessage } from '../wire/dtls/handshake-header.ts';
import { serializeHelloVerifyRequest } from '../wire/dtls/hello-verify-request.ts';
import { DTLS_1_0, DTLS_CONTENT, DTLS_HANDSHAKE } from '../wire/dtls/numbers.ts';
import { DTLS_RECORD_HEADER_BYTES, DtlsRecord, writeRecordHeader } from '../wire/dtls/record.ts';

/** A cookie is good for one to two of these. */
const KEY_LIFE_US = 60_000_000;
const COOKIE_BYTES = 20;
/** A first hello has number 0, the one with the cookie 1; more when cookies were too old. */
const MAX_HELLO_SEQUENCE = 7;

export type CookieVerdict =
  /** It shows a right cookie: remember it. */
  | 'accepted'
  /** Send `DtlsCookie.reply`. */
  | 'challenged'
  | 'dropped';

export class DtlsCookie {
  /** The answer to the datagram that was challenged last; own memory. */
  reply: Uint8Array;
  /** Numbers of the accepted hello: those of the server's answer follow them. */
  readonly record: DtlsRecord;
  readonly fragment: DtlsHandshakeFragment;
  private key: KeyObject;
  private previousKey: KeyObject;
  private renewAtUs: number;

  constructor(nowUs: number) {
    this.reply = new Uint8Array(0);
    this.record = new DtlsRecord();
    this.fragment = new DtlsHandshakeFragment();
    this.key = createSecretKey(randomBytes(32));
    this.previousKey = this.key;
    this.renewAtUs = nowUs + KEY_LIFE_US;
  }

  /** A datagram from somebody unknown. `address` is any text that names address and port. */
  screen(datagram: Uint8Array, address: string, nowUs: number): CookieVerdict {
    const { fragment, record } = this;
    if (record.parse(datagram, 0) === -1 || record.epoch !== 0) return 'dropped';
    if (record.type !== DTLS_CONTENT.handshake || record.version >>> 8 !== DTLS_1_0 >>> 8) return 'dropped';
    if (fragment.parse(datagram, record.start, record.end) === -1) return 'dropped';
    if (fragment.type !== DTLS_HANDSHAKE.clientHello || fragment.offset !== 0) return 'dropped';
    if (fragment.sequence > MAX_HELLO_SEQUENCE) return 'dropped';
    const front = readClientHelloFront(datagram.subarray(fragment.start, fragment.end));
    if (front === null) return 'dropped';
    this.renew(nowUs);
    if (front.cookie.length === COOKIE_BYTES) {
      if (timingSafeEqual(front.cookie, cookieOf(this.key, address, front))) return 'accepted';
      if (timingSafeEqual(front.cookie, cookieOf(this.previousKey, address, front))) return 'accepted';
    }
    const message = handshakeMessage(
      DTLS_HANDSHAKE.helloVerifyRequest,
      fragment.sequence,
      serializeHelloVerifyRequest(cookieOf(this.key, address, front)),
    );
    const reply = Buffer.allocUnsafe(DTLS_RECORD_HEADER_BYTES + message.length);
    // The number of the hello's record: without memory there is no other way not to use one twice.
    writeRecordHeader(reply, 0, DTLS_CONTENT.handshake, DTLS_1_0, 0, record.sequence, message.length);
    reply.set(message, DTLS_RECORD_HEADER_BYTES);
    this.reply = reply;
    return 'challenged';
  }

  private renew(nowUs: number): void {
    if (nowUs < this.renewAtUs) return;
    const key = createSecretKey(randomBytes(32));
    // After a long silence no old cookie is good.
    this.previousKey = nowUs < this.renewAtUs + KEY_LIFE_US ? this.key : key;
    this.key = key;
    this.renewAtUs = nowUs + KEY_LIFE_US;
  }
}

function cookieOf(key: KeyObject, address: string, front: ClientHelloFront): Buffer {
  const { parameters, random, sessionId, version } = front;
  const head = Buffer.from(`${address} ${version} ${sessionId.length} `, 'utf8');
  const hmac = createHmac('sha256', key).update(head).update(random).update(sessionId);
  return hmac.update(parameters).digest().subarray(0, COOKIE_BYTES);
}
