import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { alertName } from '../../../../src/wire/dtls/alert.ts';
import {
  parseCertificateRequest,
  parseCertificates,
  parseCertificateVerify,
  serializeCertificateRequest,
  serializeCertificates,
  serializeCertificateVerify,
} from '../../../../src/wire/dtls/certificates.ts';
import {
  type ClientHello,
  parseClientHello,
  readClientHelloFront,
  serializeClientHello,
} from '../../../../src/wire/dtls/client-hello.ts';
import {
  parseHelloVerifyRequest,
  serializeHelloVerifyRequest,
} from '../../../../src/wire/dtls/hello-verify-request.ts';
import {
  keyExchangeParameters,
  parseClientKeyExchange,
  parseServerKeyExchange,
  serializeClientKeyExchange,
  serializeServerKeyExchange,
} from '../../../../src/wire/dtls/key-exchange.ts';
import {
  parseServerHello,
  type ServerHello,
  serializeServerHello,
} from '../../../../src/wire/dtls/server-hello.ts';

const RANDOM = Buffer.alloc(32, 0x11);
const HELLO: ClientHello = {
  version: 0xfefd,
  random: RANDOM,
  sessionId: Buffer.from('abcd', 'hex'),
  cookie: Buffer.from('0102030405', 'hex'),
  suites: [0xc02b, 0xc02f],
  supportedVersions: [0xfefc, 0xfefd],
  groups: [29, 23],
  signatureSchemes: [0x0403, 0x0804],
  srtpProfiles: [7, 1],
  pointFormats: Buffer.from([0]),
  hasExtendedMasterSecret: true,
  renegotiationInfo: Buffer.alloc(0),
};
const SERVER: ServerHello = {
  version: 0xfefd,
  random: RANDOM,
  suite: 0xc02b,
  srtpProfile: 7,
  hasPointFormats: true,
  hasExtendedMasterSecret: true,
  renegotiationInfo: Buffer.alloc(0),
  unknownExtension: -1,
};

const R = '11'.repeat(32);
const GOLDEN_CLIENT =
  `fefd${R}02abcd050102030405` +
  '0004c02bc02f0100' +
  '0037' +
  'ff01000100' +
  '00170000' +
  '002b000504fefcfefd' +
  '000a00060004001d0017' +
  '000b00020100' +
  '000d0006000404030804' +
  '000e0007000400070001' +
  '00';
const GOLDEN_SERVER = `fefd${R}00c02b000018ff0100010000170000000b00020100000e00050002000700`;
/** Of the golden ClientHello, with their length. */
const EXTENSION_BYTES = 57;

/** Whole, each shorter length, and with a byte more. `shorter` lengths are right, too. */
interface Codec {
  readonly name: string;
  readonly bytes: Buffer;
  readonly code: string;
  readonly parse: (body: Uint8Array) => unknown;
  readonly shorter?: readonly number[];
}

const CODECS: readonly Codec[] = [
  {
    name: 'ClientHello',
    bytes: serializeClientHello(HELLO),
    code: 'dtls.bad-client-hello',
    parse: parseClientHello,
    // Without extensions.
    shorter: [serializeClientHello(HELLO).length - EXTENSION_BYTES],
  },
  {
    name: 'ServerHello',
    bytes: serializeServerHello(SERVER),
    code: 'dtls.bad-server-hello',
    parse: parseServerHello,
    shorter: [38],
  },
  {
    name: 'HelloVerifyRequest',
    bytes: serializeHelloVerifyRequest(Buffer.alloc(20, 5)),
    code: 'dtls.bad-hello-verify',
    parse: parseHelloVerifyRequest,
  },
  {
    name: 'Certificate',
    bytes: serializeCertificates([Buffer.alloc(300, 1), Buffer.alloc(2, 2)]),
    code: 'dtls.bad-certificate-message',
    parse: parseCertificates,
  },
  {
    name: 'CertificateRequest',
    bytes: serializeCertificateRequest([0x0403, 0x0804]),
    code: 'dtls.bad-certificate-request',
    parse: parseCertificateRequest,
  },
  {
    name: 'CertificateVerify',
    bytes: serializeCertificateVerify({ scheme: 0x0403, signature: Buffer.alloc(70, 3) }),
    code: 'dtls.bad-certificate-verify',
    parse: parseCertificateVerify,
  },
  {
    name: 'ServerKeyExchange',
    bytes: serializeServerKeyExchange(
      keyExchangeParameters(29, Buffer.alloc(32, 4)),
      0x0403,
      Buffer.alloc(70),
    ),
    code: 'dtls.bad-server-key-exchange',
    parse: parseServerKeyExchange,
  },
  {
    name: 'ClientKeyExchange',
    bytes: serializeClientKeyExchange(Buffer.alloc(65, 4)),
    code: 'dtls.bad-client-key-exchange',
    parse: parseClientKeyExchange,
  },
];

for (const { bytes, code, name, parse, shorter } of CODECS)
  test(`${name}: cut or longer is refused`, () => {
    parse(bytes);
    const isRight = (error: unknown): boolean => error instanceof ProtocolError && error.code === code;
    for (let length = 0; length < bytes.length; length++) {
      if (shorter?.includes(length) === true) parse(bytes.subarray(0, length));
      else assert.throws(() => parse(bytes.subarray(0, length)), isRight, `${length} bytes`);
    }
    assert.throws(() => parse(Buffer.concat([bytes, Buffer.alloc(1)])), isRight);
  });

describe('ClientHello', () => {
  test('golden bytes and back', () => {
    const bytes = serializeClientHello(HELLO);
    assert.equal(bytes.toString('hex'), GOLDEN_CLIENT);
    const { pointFormats, ...rest } = parseClientHello(bytes);
    assert.deepEqual(Buffer.from(pointFormats ?? []), HELLO.pointFormats);
    for (const [key, value] of Object.entries(rest)) {
      const expected = HELLO[key as keyof ClientHello];
      if (value instanceof Uint8Array) assert.deepEqual(Buffer.from(value), expected, key);
      else assert.deepEqual(value, expected, key);
    }
  });

  test('without any extension', () => {
    const hello = parseClientHello(serializeClientHello(HELLO).subarray(0, -EXTENSION_BYTES));
    assert.equal(hello.groups, null);
    assert.equal(hello.srtpProfiles, null);
    assert.equal(hello.supportedVersions, null);
    assert.equal(hello.renegotiationInfo, null);
    assert.equal(hello.hasExtendedMasterSecret, false);
  });

  test('a key identifier for SRTP is skipped', () => {
    const bytes = clientHelloWith('000e0008000200070301020' + '3');
    assert.deepEqual(parseClientHello(bytes).srtpProfiles, [7]);
  });

  test('unknown extensions are skipped, also empty and long ones', () => {
    const hello = parseClientHello(clientHelloWith(`1a1a0000${'4469'}00ff${'00'.repeat(255)}00170000`));
    assert.equal(hello.hasExtendedMasterSecret, true);
  });

  const bad: readonly (readonly [string, string])[] = [
    ['an extension twice', '0017000000170000'],
    ['an extension that is cut', '001700'],
    ['an odd list', '000a00050003001d00'],
    ['a list that is longer than its extension', '000a00040004001d'],
    ['bytes behind a list', '000a00060002001d0017'],
    ['extended master secret with content', '0017000100'],
    [
      'too many extensions',
      Array.from({ length: 65 }, (_, i) => `50${i.toString(16).padStart(2, '0')}0000`).join(''),
    ],
  ];
  for (const [name, extensions] of bad)
    test(`refused: ${name}`, () => {
      assert.throws(() => parseClientHello(clientHelloWith(extensions)), /dtls\.bad-client-hello/);
    });

  test('a list has at most 512 numbers', () => {
    const body = (count: number): Buffer =>
      Buffer.concat([
        Buffer.from(`fefd${R}0000${(2 * count).toString(16).padStart(4, '0')}`, 'hex'),
        Buffer.alloc(2 * count, 1),
        Buffer.from('0100', 'hex'),
      ]);
    assert.equal(parseClientHello(body(512)).suites.length, 512);
    assert.throws(() => parseClientHello(body(513)), /dtls\.bad-client-hello: length of a list/);
  });

  test('refused: no suites, no null compression, a long session id', () => {
    const head = `fefd${R}`;
    for (const body of [
      `${head}000000000100`,
      `${head}00000002c02b0101`,
      `${head}21${'00'.repeat(33)}000002c02b0100`,
    ])
      assert.throws(() => parseClientHello(Buffer.from(body, 'hex')), /dtls\.bad-client-hello/, body);
  });

  test('its front: up to the extensions and not before', () => {
    const bytes = serializeClientHello(HELLO);
    const end = bytes.length - EXTENSION_BYTES;
    for (let length = 0; length < end; length++)
      assert.equal(readClientHelloFront(bytes.subarray(0, length)), null, `${length}`);
    for (const length of [end, end + 1, bytes.length]) {
      const front = readClientHelloFront(bytes.subarray(0, length));
      assert.deepEqual(front?.cookie, HELLO.cookie);
      assert.deepEqual(front?.random, HELLO.random);
      assert.deepEqual(front?.sessionId, HELLO.sessionId);
      assert.equal(Buffer.from(front?.parameters ?? []).toString('hex'), '0004c02bc02f0100');
    }
  });
});

function clientHelloWith(extensions: string): Buffer {
  const length = (extensions.length / 2).toString(16).padStart(4, '0');
  return Buffer.from(`fefd${R}00000002c02b0100${length}${extensions}`, 'hex');
}

describe('ServerHello', () => {
  test('golden bytes and back', () => {
    const bytes = serializeServerHello(SERVER);
    assert.equal(bytes.toString('hex'), GOLDEN_SERVER);
    assert.deepEqual(parseServerHello(bytes), { ...SERVER, random: RANDOM });
  });

  test('bare', () => {
    const bare = {
      ...SERVER,
      srtpProfile: 0,
      hasPointFormats: false,
      hasExtendedMasterSecret: false,
      renegotiationInfo: null,
    };
    const bytes = serializeServerHello(bare);
    assert.equal(bytes.length, 38);
    assert.deepEqual(parseServerHello(bytes), bare);
  });

  const bad: readonly (readonly [string, string])[] = [
    ['two profiles', '000b000e00070004000700010' + '0'],
    ['a key identifier that was not asked for', '000a000e00060002000701aa'],
    ['compressed points only', '0006000b00020101'],
  ];
  for (const [name, extensions] of bad)
    test(`refused: ${name}`, () => {
      const bytes = Buffer.from(`fefd${R}00c02b00${extensions}`, 'hex');
      assert.throws(() => parseServerHello(bytes), /dtls\.bad-server-hello/);
    });

  test('an extension that nobody asked for is told', () => {
    const bytes = Buffer.from(`fefd${R}00c02b00000400230000`, 'hex');
    assert.equal(parseServerHello(bytes).unknownExtension, 35);
  });
});

test('HelloVerifyRequest says version 1.0', () => {
  assert.equal(serializeHelloVerifyRequest(Buffer.from([1, 2])).toString('hex'), 'feff020102');
  assert.deepEqual(parseHelloVerifyRequest(Buffer.from('fefd020102', 'hex')), Buffer.from([1, 2]));
  assert.throws(() => parseHelloVerifyRequest(Buffer.from('feff00', 'hex')), /dtls\.bad-hello-verify/);
  assert.throws(() => parseHelloVerifyRequest(Buffer.from('0303020102', 'hex')), /dtls\.bad-hello-verify/);
});

test('certificates: none, one, ten, and no more', () => {
  assert.deepEqual(parseCertificates(Buffer.alloc(3)), []);
  const der = Buffer.from([1, 2, 3]);
  assert.deepEqual(parseCertificates(serializeCertificates([der])), [der]);
  assert.equal(parseCertificates(serializeCertificates(new Array<Buffer>(10).fill(der))).length, 10);
  assert.throws(
    () => parseCertificates(serializeCertificates(new Array<Buffer>(11).fill(der))),
    /chain too long/,
  );
  assert.throws(() => parseCertificates(serializeCertificates([Buffer.alloc(0)])), /empty/);
});

test('certificate request: authorities are skipped', () => {
  assert.equal(serializeCertificateRequest([0x0403]).toString('hex'), '024001000204030000');
  assert.deepEqual(
    parseCertificateRequest(Buffer.from('014000040403080400050003aabbcc', 'hex')),
    [0x0403, 0x0804],
  );
});

test('key exchange: what is signed', () => {
  const key = Buffer.alloc(32, 9);
  const parameters = keyExchangeParameters(29, key);
  assert.equal(parameters.toString('hex'), `03001d20${'09'.repeat(32)}`);
  const parsed = parseServerKeyExchange(serializeServerKeyExchange(parameters, 0x0403, Buffer.from([1, 2])));
  assert.deepEqual(Buffer.from(parsed.parameters), parameters);
  assert.deepEqual(Buffer.from(parsed.publicKey), key);
  assert.deepEqual(Buffer.from(parsed.signature), Buffer.from([1, 2]));
  assert.equal(parsed.group, 29);
  assert.equal(parsed.scheme, 0x0403);
  const explicit = Buffer.concat([Buffer.from([1]), parameters.subarray(1), Buffer.alloc(4)]);
  assert.throws(() => parseServerKeyExchange(explicit), /not a named group/);
});

test('names of alerts', () => {
  assert.equal(alertName(40), 'handshake failure');
  assert.equal(alertName(200), 'alert 200');
});
