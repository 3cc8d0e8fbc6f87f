import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DtlsCookie } from '../../../src/dtls/cookie.ts';
import { serializeClientHello } from '../../../src/wire/dtls/client-hello.ts';
import { handshakeMessage, writeHandshakeHeader } from '../../../src/wire/dtls/handshake-header.ts';
import { parseHelloVerifyRequest } from '../../../src/wire/dtls/hello-verify-request.ts';
import { writeRecordHeader } from '../../../src/wire/dtls/record.ts';
import { PROGRAM_RECORDINGS, recordedDtls } from '../../support/dtls-vectors.ts';

const ADDRESS = '192.0.2.1:4000';
const MINUTE_US = 60_000_000;

interface HelloOptions {
  readonly cookie?: Uint8Array;
  readonly random?: number;
  readonly sequence?: number;
  readonly recordSequence?: number;
  readonly suites?: readonly number[];
  /** Only so many bytes of the body are in the datagram. */
  readonly bytes?: number;
}

function hello(options: HelloOptions = {}): Buffer {
  const body = serializeClientHello({
    version: 0xfefd,
    random: Buffer.alloc(32, options.random ?? 1),
    sessionId: Buffer.alloc(0),
    cookie: options.cookie ?? Buffer.alloc(0),
    suites: options.suites ?? [0xc02b, 0xc02f],
    supportedVersions: null,
    groups: [23],
    signatureSchemes: [0x0403],
    srtpProfiles: [7],
    pointFormats: null,
    hasExtendedMasterSecret: true,
    renegotiationInfo: null,
  });
  const size = options.bytes ?? body.length;
  const datagram = Buffer.alloc(13 + 12 + size);
  writeRecordHeader(datagram, 0, 22, 0xfeff, 0, options.recordSequence ?? 5, 12 + size);
  writeHandshakeHeader(datagram, 13, 1, body.length, options.sequence ?? 0, 0, size);
  body.copy(datagram, 25, 0, size);
  return datagram;
}

function cookieFor(cookie: DtlsCookie, options: HelloOptions = {}, nowUs = 0): Uint8Array {
  assert.equal(cookie.screen(hello(options), ADDRESS, nowUs), 'challenged');
  return parseHelloVerifyRequest(cookie.reply.subarray(25));
}

test('the answer: bytes of a HelloVerifyRequest with the numbers of the hello', () => {
  const cookie = new DtlsCookie(0);
  const value = cookieFor(cookie);
  assert.equal(value.length, 20);
  assert.equal(
    Buffer.from(cookie.reply.subarray(0, 28)).toString('hex'),
    '16feff00000000000000050023030000170000000000000017feff14',
  );
  assert.ok(cookie.reply.length < hello().length, 'no amplification');
});

test('who shows it is accepted, and nobody else', () => {
  const screened = new DtlsCookie(0);
  const cookie = cookieFor(screened);
  assert.equal(screened.screen(hello({ cookie, sequence: 1 }), ADDRESS, 1), 'accepted');
  assert.equal(screened.fragment.sequence, 1);
  assert.equal(screened.record.sequence, 5);
  assert.equal(screened.screen(hello({ cookie, sequence: 1 }), '192.0.2.1:4001', 1), 'challenged', 'port');
  assert.equal(screened.screen(hello({ cookie, random: 2 }), ADDRESS, 1), 'challenged', 'random');
  assert.equal(screened.screen(hello({ cookie, suites: [0xc02b] }), ADDRESS, 1), 'challenged', 'suites');
  assert.equal(screened.screen(hello({ cookie: cookie.subarray(1) }), ADDRESS, 1), 'challenged', 'cut');
  const forged = Buffer.from(cookie);
  forged[19]! ^= 1;
  assert.equal(screened.screen(hello({ cookie: forged }), ADDRESS, 1), 'challenged', 'forged');
  assert.equal(new DtlsCookie(0).screen(hello({ cookie }), ADDRESS, 1), 'challenged', 'another server');
});

test('a cookie lives one to two minutes', () => {
  for (const [ageUs, verdict] of [
    [MINUTE_US - 1, 'accepted'],
    [MINUTE_US, 'accepted'],
    [2 * MINUTE_US - 1, 'accepted'],
    [2 * MINUTE_US, 'challenged'],
  ] as const) {
    const screened = new DtlsCookie(0);
    const cookie = cookieFor(screened);
    assert.equal(screened.screen(hello({ cookie }), ADDRESS, ageUs), verdict, `${ageUs}`);
  }
  const busy = new DtlsCookie(0);
  const cookie = cookieFor(busy);
  busy.screen(hello(), ADDRESS, MINUTE_US);
  assert.equal(busy.screen(hello({ cookie }), ADDRESS, MINUTE_US + 1), 'accepted');
  busy.screen(hello(), ADDRESS, 2 * MINUTE_US);
  assert.equal(busy.screen(hello({ cookie }), ADDRESS, 2 * MINUTE_US + 1), 'challenged');
});

test('an old cookie gets a new one under the number of its hello', () => {
  const screened = new DtlsCookie(0);
  cookieFor(screened, { cookie: Buffer.alloc(20), sequence: 1 });
  assert.equal(Buffer.from(screened.reply).readUInt16BE(13 + 4), 1);
});

test('a first fragment is enough', () => {
  const screened = new DtlsCookie(0);
  const cookie = cookieFor(screened, { bytes: 50 });
  assert.equal(screened.screen(hello({ cookie, sequence: 1, bytes: 70 }), ADDRESS, 1), 'accepted');
});

test('Chromium’s first fragment gets a cookie, its second none', () => {
  const datagrams = recordedDtls(PROGRAM_RECORDINGS[0]).datagrams;
  const screened = new DtlsCookie(0);
  assert.equal(screened.screen(datagrams[0]!.bytes, ADDRESS, 0), 'challenged');
  assert.equal(screened.screen(datagrams[1]!.bytes, ADDRESS, 0), 'dropped');
});

test('everything else is dropped', () => {
  const screened = new DtlsCookie(0);
  const good = hello();
  for (let length = 0; length < good.length; length++)
    assert.equal(screened.screen(good.subarray(0, length), ADDRESS, 0), 'dropped');
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    return bytes;
  };
  assert.equal(screened.screen(changed(0, 23), ADDRESS, 0), 'dropped', 'content');
  assert.equal(screened.screen(changed(1, 3), ADDRESS, 0), 'dropped', 'version');
  assert.equal(screened.screen(changed(4, 1), ADDRESS, 0), 'dropped', 'epoch');
  assert.equal(screened.screen(changed(13, 2), ADDRESS, 0), 'dropped', 'another message');
  assert.equal(screened.screen(hello({ sequence: 8 }), ADDRESS, 0), 'dropped', 'number');
  const other = handshakeMessage(1, 0, Buffer.alloc(10));
  const short = Buffer.concat([good.subarray(0, 13), other]);
  short.writeUInt16BE(other.length, 11);
  assert.equal(screened.screen(short, ADDRESS, 0), 'dropped', 'no hello');
});
