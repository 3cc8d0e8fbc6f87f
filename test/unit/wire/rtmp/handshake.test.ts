import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { ClientHandshake, ServerHandshake } from '../../../../src/wire/rtmp/handshake.ts';
import { feedings, seededRandom } from './chunk-bytes.ts';

const TAIL = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const PLAYER = Buffer.from('Genuine Adobe Flash Player 001');
const SERVER = Buffer.from('Genuine Adobe Flash Media Server 001');
const hmac = (key: Uint8Array, ...parts: Uint8Array[]) =>
  parts.reduce((mac, part) => mac.update(part), createHmac('sha256', key)).digest();

function options(seed = 1) {
  const random = seededRandom(seed);
  return {
    randomBytes: (count: number) => Uint8Array.from({ length: count }, () => random() * 256),
    nowMs: 0x1_0203_0405,
  };
}

const at = (packet: Buffer, field: number) => {
  const sum = packet[field]! + packet[field + 1]! + packet[field + 2]! + packet[field + 3]!;
  return field + 4 + (sum % 728);
};

/** C0 and C1 of a client that signs by scheme 0 or 1. */
function signedHello(scheme: number, fill: number): Buffer {
  const hello = Buffer.alloc(1537, fill);
  hello[0] = 3;
  const c1 = hello.subarray(1);
  const position = at(c1, scheme === 0 ? 8 : 772);
  hmac(PLAYER, c1.subarray(0, position), c1.subarray(position + 32)).copy(c1, position);
  return hello;
}

test('server handshake: simple, S2 echoes C1, S1 has our time and no version', () => {
  const hello = Buffer.alloc(1537, 9);
  hello[0] = 3;
  hello.fill(0, 5, 9);
  for (const [how, pieces] of feedings(Buffer.concat([hello, Buffer.alloc(1536, 4), Buffer.from('more')]))) {
    const handshake = new ServerHandshake(options());
    let used = 0;
    const answers: Buffer[] = [];
    for (const piece of pieces) {
      used += handshake.receive(piece);
      const answer = handshake.output();
      if (answer !== null) answers.push(answer);
    }
    assert.equal(used, 3073, how);
    assert.equal(handshake.done, true);
    assert.equal(handshake.kind, 'simple');
    assert.equal(answers.length, 1);
    assert.equal(answers[0]!.length, 3073);
    assert.equal(answers[0]!.subarray(0, 9).toString('hex'), '030203040500000000');
    assert.deepEqual(answers[0]!.subarray(1537), hello.subarray(1));
  }
});

for (const scheme of [0, 1]) {
  for (const fill of [1, 77, 182, 255]) {
    test(`server handshake: digest scheme ${scheme}, offset bytes ${fill}`, () => {
      const hello = signedHello(scheme, fill);
      const handshake = new ServerHandshake(options());
      assert.equal(handshake.receive(hello), 1537);
      assert.equal(handshake.kind, `digest${scheme}`);
      assert.equal(handshake.done, false);
      const answer = handshake.output()!;
      const s1 = answer.subarray(1, 1537);
      const s2 = answer.subarray(1537);
      const field = scheme === 0 ? 8 : 772;
      const position = at(s1, field);
      const digest = s1.subarray(position, position + 32);
      assert.deepEqual(hmac(SERVER, s1.subarray(0, position), s1.subarray(position + 32)), digest);
      const c1 = hello.subarray(1);
      const key = hmac(Buffer.concat([SERVER, TAIL]), c1.subarray(at(c1, field), at(c1, field) + 32));
      assert.deepEqual(hmac(key, s2.subarray(0, 1504)), s2.subarray(1504));
    });
  }
}

test('server handshake: a version field with a wrong digest is simple', () => {
  const hello = signedHello(0, 5);
  hello[700]! ^= 1;
  const handshake = new ServerHandshake(options());
  handshake.receive(hello);
  assert.equal(handshake.kind, 'simple');
  assert.deepEqual(handshake.output()!.subarray(1537), hello.subarray(1));
});

test('handshake: versions', () => {
  for (const make of [() => new ServerHandshake(options()), () => new ClientHandshake(options())]) {
    for (const [version, code] of [
      [6, 'rtmp.rtmpe-unsupported'],
      [0, 'rtmp.bad-version'],
      [0x47, 'rtmp.bad-version'],
      [8, 'rtmp.bad-version'],
    ] as const) {
      assert.throws(
        () => make().receive(Uint8Array.of(version)),
        (error: unknown) => error instanceof ProtocolError && error.code === code,
      );
    }
    assert.equal(make().receive(Uint8Array.of(3)), 1);
    assert.equal(make().receive(new Uint8Array(0)), 0);
  }
});

for (const digest of [true, false]) {
  test(`client and server handshake meet, digest ${digest}, one byte at a time`, () => {
    const client = new ClientHandshake({ ...options(3), digest });
    const server = new ServerHandshake(options(4));
    const feed = (bytes: Buffer, to: ClientHandshake | ServerHandshake) => {
      for (let i = 0; i < bytes.length; i++) assert.equal(to.receive(bytes.subarray(i, i + 1)), 1);
    };
    feed(client.output()!, server);
    assert.equal(client.output(), null);
    feed(server.output()!, client);
    const c2 = client.output()!;
    assert.equal(c2.length, 1536);
    feed(c2, server);
    assert.deepEqual([client.done, server.done], [true, true]);
    assert.deepEqual([client.kind, server.kind], digest ? ['digest0', 'digest0'] : ['simple', 'simple']);
  });
}

test('client handshake: C2 is signed with the digest of S1', () => {
  const recorded = readFileSync(
    new URL('../../../vectors/rtmp/rtmp-play-rtmpdump-digest.s2c.bin', import.meta.url),
  );
  const client = new ClientHandshake(options());
  client.output();
  client.receive(recorded.subarray(0, 1537));
  const c2 = client.output()!;
  const s1 = recorded.subarray(1, 1537);
  const key = hmac(Buffer.concat([PLAYER, TAIL]), s1.subarray(at(s1, 8), at(s1, 8) + 32));
  assert.deepEqual(hmac(key, c2.subarray(0, 1504)), c2.subarray(1504));
});

test('client handshake: a simple server gets its S1 back', () => {
  const client = new ClientHandshake(options());
  client.output();
  const answer = Buffer.alloc(3073, 8);
  answer[0] = 3;
  assert.equal(client.receive(answer), 3073);
  assert.equal(client.kind, 'simple');
  assert.deepEqual(client.output(), answer.subarray(1, 1537));
});

test('client handshake: the digest is at a place that the recorded server accepts (scheme 0, versions set)', () => {
  const hello = new ClientHandshake(options()).output()!;
  const c1 = hello.subarray(1);
  const position = at(c1, 8);
  assert.deepEqual(
    hmac(PLAYER, c1.subarray(0, position), c1.subarray(position + 32)),
    c1.subarray(position, position + 32),
  );
  assert.notEqual(c1.readUInt32BE(4), 0);
});
