import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { crc32V42 } from '../../../../src/wire/stun/fingerprint.ts';
import { StunKey } from '../../../../src/wire/stun/stun-key.ts';
import {
  MAX_STUN_BYTES,
  parseStun,
  STUN_ERROR,
  STUN_INDICATION,
  STUN_REQUEST,
  STUN_SUCCESS,
  type StunContent,
  serializeStun,
} from '../../../../src/wire/stun/stun-message.ts';

const folder = new URL('../../../vectors/stun/', import.meta.url);
const load = (name: string) =>
  JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Record<string, string>;
const rfc = load('rfc5769.json');
const aioice = load('aioice.json');
const vector = (from: Record<string, string>, name: string) => Buffer.from(from[name]!, 'hex');
const read = (bytes: Uint8Array) => {
  const message = parseStun(bytes);
  assert.ok(message !== null, 'a message');
  return message;
};
const RFC_KEY = new StunKey(rfc['password']!);
const RFC_ID = Buffer.from('b7e7a701bc34d686fa87dfae', 'hex');
const ID = Buffer.from('000102030405060708090a0b', 'hex');

/** A vector with zeros for the spaces that RFC 5769 pads with, signed anew without the code under test. */
function zeroPadded(
  bytes: Buffer,
  padding: readonly [start: number, count: number],
  password: string,
): Buffer {
  const copy = Buffer.from(bytes);
  copy.fill(0, padding[0], padding[0] + padding[1]);
  const offset = copy.length - 32;
  const covered = Buffer.from(copy.subarray(0, offset));
  covered.writeUInt16BE(offset + 4, 2);
  createHmac('sha1', password)
    .update(covered)
    .digest()
    .copy(copy, offset + 4);
  copy.writeUInt32BE((crc32(copy.subarray(0, copy.length - 8)) ^ 0x5354554e) >>> 0, copy.length - 4);
  return copy;
}

/** Attributes put behind a header. */
function raw(type: number, ...attributes: readonly [kind: number, value: Buffer, length?: number][]): Buffer {
  const parts = attributes.map(([kind, value, length = value.length]) => {
    const part = Buffer.alloc(4 + ((value.length + 3) & ~3));
    part.writeUInt16BE(kind, 0);
    part.writeUInt16BE(length, 2);
    value.copy(part, 4);
    return part;
  });
  const body = Buffer.concat(parts);
  const header = Buffer.from('0000000021 12a442'.replaceAll(' ', ''), 'hex');
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, ID, body]);
}

describe('vectors of RFC 5769', () => {
  it('reads the request', () => {
    const message = read(vector(rfc, 'request'));
    assert.equal(message.messageClass, STUN_REQUEST);
    assert.equal(message.method, 1);
    assert.deepEqual(Buffer.from(message.transactionId), RFC_ID);
    assert.equal(message.software, 'STUN test client');
    assert.equal(message.username, 'evtj:h6vY');
    assert.equal(message.priority, 0x6e0001ff);
    assert.deepEqual(Buffer.from(message.iceControlled!), Buffer.from('932ff9b151263b36', 'hex'));
    assert.equal(message.iceControlling, undefined);
    assert.equal(message.useCandidate, false);
    assert.ok(message.hasFingerprint);
    assert.deepEqual(message.notUnderstood, []);
    assert.ok(message.isSignedBy(RFC_KEY));
    assert.ok(!message.isSignedBy(new StunKey(`${rfc['password']}x`)));
  });

  for (const [name, address] of [
    ['ipv4Response', '192.0.2.1'],
    ['ipv6Response', '2001:db8:1234:5678:11:2233:4455:6677'],
  ] as const) {
    it(`reads and writes ${name}`, () => {
      const bytes = vector(rfc, name);
      const message = read(bytes);
      assert.equal(message.messageClass, STUN_SUCCESS);
      assert.equal(message.software, 'test vector');
      assert.deepEqual(message.xorMappedAddress, { address, port: 32_853 });
      assert.ok(message.isSignedBy(RFC_KEY));
      const written = serializeStun(
        {
          messageClass: STUN_SUCCESS,
          transactionId: RFC_ID,
          software: 'test vector',
          xorMappedAddress: { address, port: 32_853 },
        },
        RFC_KEY,
      );
      assert.deepEqual(written, zeroPadded(bytes, [35, 1], rfc['password']!));
    });
  }

  it('writes the request', () => {
    const written = serializeStun(
      {
        messageClass: STUN_REQUEST,
        transactionId: RFC_ID,
        software: 'STUN test client',
        priority: 0x6e0001ff,
        iceControlled: Buffer.from('932ff9b151263b36', 'hex'),
        username: 'evtj:h6vY',
      },
      RFC_KEY,
    );
    assert.deepEqual(written, zeroPadded(vector(rfc, 'request'), [73, 3], rfc['password']!));
  });

  it('reads the request with a long-term credential', () => {
    const message = read(vector(rfc, 'longTermRequest'));
    assert.equal(message.username, 'マトリックス');
    assert.deepEqual(message.notUnderstood, [0x0015, 0x0014], 'NONCE and REALM are not ours');
    assert.ok(!message.hasFingerprint);
    assert.ok(message.isSignedBy(new StunKey(createHash('md5').update(rfc['longTermKeyOf']!).digest())));
  });
});

describe('messages of aioice', () => {
  const key = new StunKey('0123456789abcdefghijkl');

  it('reads a check', () => {
    const message = read(vector(aioice, 'request'));
    assert.equal(message.username, 'abcd:efgh');
    assert.equal(message.priority, 1_853_824_767);
    assert.equal(message.useCandidate, true);
    assert.deepEqual(Buffer.from(message.iceControlling!), Buffer.from('0102030405060708', 'hex'));
    assert.ok(message.isSignedBy(key) && message.hasFingerprint);
  });

  it('writes the same answers', () => {
    const success = { messageClass: STUN_SUCCESS, transactionId: ID } as const;
    const cases: [name: string, content: StunContent][] = [
      ['ipv4Response', { ...success, xorMappedAddress: { address: '192.0.2.1', port: 32_853 } }],
      ['ipv6Response', { ...success, xorMappedAddress: { address: '2001:db8::12', port: 5000 } }],
      [
        'error',
        { messageClass: STUN_ERROR, transactionId: ID, errorCode: 487, errorReason: 'Role Conflict' },
      ],
    ];
    for (const [name, content] of cases) {
      assert.equal(serializeStun(content, key).toString('hex'), aioice[name], name);
      assert.ok(read(vector(aioice, name)).isSignedBy(key), name);
    }
  });
});

describe('parseStun', () => {
  it('reads again what serializeStun wrote', () => {
    const contents: StunContent[] = [
      { messageClass: STUN_INDICATION, transactionId: ID },
      { messageClass: STUN_REQUEST, transactionId: ID, method: 0xfff, username: 'äöü:x', useCandidate: true },
      {
        messageClass: STUN_REQUEST,
        transactionId: ID,
        priority: 0xffff_ffff,
        iceControlling: Buffer.alloc(8, 9),
      },
      { messageClass: STUN_SUCCESS, transactionId: ID, mappedAddress: { address: '::1', port: 65_535 } },
      {
        messageClass: STUN_ERROR,
        transactionId: ID,
        errorCode: 420,
        errorReason: 'Unknown',
        unknownAttributes: [1, 2, 0x7fff],
      },
    ];
    for (const content of contents) {
      const message = read(serializeStun(content, RFC_KEY));
      for (const [name, value] of Object.entries(content))
        assert.deepEqual(message[name as keyof StunContent], value, name);
      assert.ok(message.isSignedBy(RFC_KEY));
    }
  });

  it('refuses every cut and every flipped byte of a signed message with fingerprint', () => {
    const bytes = vector(rfc, 'request');
    for (let i = 0; i < bytes.length; i++) {
      assert.equal(parseStun(bytes.subarray(0, i)), null, `cut at ${i}`);
      const flipped = Buffer.from(bytes);
      flipped[i] = flipped[i]! ^ 0x10;
      const message = parseStun(flipped);
      // The type of the fingerprint itself may become one that nobody needs to understand.
      if (message !== null) assert.ok(!message.hasFingerprint, `flipped at ${i}`);
    }
    assert.equal(parseStun(Buffer.concat([bytes, Buffer.alloc(4)])), null, 'something behind it');
  });

  const four = (value: string) => Buffer.from(value, 'hex');
  const bad: [what: string, bytes: Buffer][] = [
    ['first bits set', raw(0x4001)],
    ['RTP', Buffer.alloc(20, 0x80)],
    ['length of an attribute beyond the end', raw(1, [0x8022, Buffer.alloc(4), 5])],
    ['empty USERNAME', raw(1, [0x0006, Buffer.alloc(0)])],
    ['USERNAME of 510 bytes', raw(1, [0x0006, Buffer.alloc(510, 0x61)])],
    ['SOFTWARE of 764 bytes', raw(1, [0x8022, Buffer.alloc(764, 0x61)])],
    ['PRIORITY of 3 bytes', raw(1, [0x0024, Buffer.alloc(3)])],
    ['USE-CANDIDATE with a value', raw(1, [0x0025, Buffer.alloc(1)])],
    ['tie-breaker of 7 bytes', raw(1, [0x802a, Buffer.alloc(7)])],
    ['tie-breaker of 12 bytes', raw(1, [0x8029, Buffer.alloc(12)])],
    ['MESSAGE-INTEGRITY of 32 bytes', raw(1, [0x0008, Buffer.alloc(32)])],
    ['FINGERPRINT that is wrong', raw(1, [0x8028, four('00000000')])],
    ['address of 9 bytes', raw(0x101, [0x0020, Buffer.alloc(9, 1)])],
    ['address of no family', raw(0x101, [0x0020, four('0003111111111111')])],
    ['IPv6 family with IPv4 length', raw(0x101, [0x0001, four('0002111111111111')])],
    ['error 200', raw(0x111, [0x0009, four('00000200')])],
    ['error 4 with 100', raw(0x111, [0x0009, four('00000464')])],
    ['ERROR-CODE of 3 bytes', raw(0x111, [0x0009, four('000004')])],
    ['odd UNKNOWN-ATTRIBUTES', raw(0x111, [0x000a, four('000102')])],
    [
      '65 attributes',
      raw(
        1,
        ...Array.from({ length: 65 }, () => [0x8000, Buffer.alloc(0)] as const).map(
          (a) => [...a] as [number, Buffer],
        ),
      ),
    ],
    ['too long', raw(1, [0x8000, Buffer.alloc(MAX_STUN_BYTES)])],
  ];
  for (const [what, bytes] of bad) {
    it(`refuses ${what}`, () => {
      assert.equal(parseStun(bytes), null);
    });
  }

  it('takes the first of two attributes, and none behind MESSAGE-INTEGRITY', () => {
    const message = read(
      raw(
        1,
        [0x0024, four('00000007')],
        [0x0024, four('00000008')],
        [0x0008, Buffer.alloc(20)],
        [0x0025, Buffer.alloc(0)],
        [0x0024, Buffer.alloc(1)],
        [0x0014, Buffer.alloc(1)],
      ),
    );
    assert.equal(message.priority, 7);
    assert.equal(message.useCandidate, false);
    assert.deepEqual(message.notUnderstood, []);
  });

  it('names at most 16 attributes that had to be understood, and skips the others', () => {
    const unknown = Array.from({ length: 20 }, (_, i): [number, Buffer] => [0x7000 + i, Buffer.alloc(i)]);
    const message = read(raw(1, [0xc057, Buffer.alloc(4)], ...unknown));
    assert.deepEqual(
      message.notUnderstood,
      Array.from({ length: 16 }, (_, i) => 0x7000 + i),
    );
    const answer = serializeStun(
      {
        messageClass: STUN_ERROR,
        transactionId: ID,
        errorCode: 420,
        unknownAttributes: [...message.notUnderstood, 1],
      },
      null,
    );
    assert.equal(read(answer).unknownAttributes.length, 16);
  });

  it('does not write to what it reads', () => {
    const bytes = vector(rfc, 'request');
    const before = Buffer.from(bytes);
    read(bytes).isSignedBy(RFC_KEY);
    assert.deepEqual(bytes, before);
  });
});

it('the fingerprint is the CRC of zip', () => {
  for (const text of ['', '123456789', 'Sluice']) {
    const bytes = Buffer.from(text);
    assert.equal(crc32V42(bytes), crc32(bytes));
  }
});
