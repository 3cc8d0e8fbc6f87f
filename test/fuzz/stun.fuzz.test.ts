/**
 * Seeded, time-boxed: any bytes are a STUN message or none, and what is read is written again alike; candidate lines
 * and frames on TCP likewise; a directory with agents and a full agent that get damaged checks stay within bounds.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { candidatesFor, parseCandidate, printCandidate } from '../../src/ice/candidate.ts';
import { makeIceCredentials } from '../../src/ice/credentials.ts';
import { IceAgent } from '../../src/ice/ice-agent.ts';
import { IceDirectory } from '../../src/ice/ice-directory.ts';
import { IceLiteAgent } from '../../src/ice/ice-lite.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import { canonicalIpAddress } from '../../src/util/ip-address.ts';
import { StunKey } from '../../src/wire/stun/stun-key.ts';
import { parseStun, STUN_REQUEST, STUN_SUCCESS, serializeStun } from '../../src/wire/stun/stun-message.ts';
import { frameForTcp, TcpFrameReader } from '../../src/wire/stun/tcp-frame.ts';
import { runFor } from '../support/fuzz.ts';
import { seededRandom } from '../support/srt-model.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_241_121);
const KEY = new StunKey('a password of some length');

const recorded = ['rfc5769.json', 'aioice.json'].flatMap((name) => {
  const text = readFileSync(new URL(`../vectors/stun/${name}`, import.meta.url), 'utf8');
  const values = Object.values(JSON.parse(text) as Record<string, string>);
  return values
    .filter((value) => /^0[01][0-9a-f]{38,}$/.test(value))
    .map((value) => Buffer.from(value, 'hex'));
});

function rounds(seed: number, run: (random: () => number, round: number) => void): void {
  const random = seededRandom(seed);
  let round = 0;
  const step = (): void => run(random, round++);
  runFor(step);
  while (round < 2000) step();
}

/** A message with bytes changed, cut or repeated, often without FINGERPRINT, its length often put right. */
function mutate(random: () => number, seeds: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(seeds[Math.floor(random() * seeds.length)]!);
  if (random() < 0.6) bytes = bytes.subarray(0, bytes.length - 8);
  for (let i = Math.floor(random() * 4); i > 0; i--)
    bytes[Math.floor(random() * bytes.length)] = random() < 0.3 ? 0xff : random() * 256;
  if (random() < 0.2) bytes = bytes.subarray(0, 4 * Math.floor((random() * bytes.length) / 4));
  if (random() < 0.1) bytes = Buffer.concat([bytes, bytes.subarray(20)]);
  if (random() < 0.8 && bytes.length >= 20) bytes.writeUInt16BE(bytes.length - 20, 2);
  return bytes;
}

test('fuzz: STUN messages', () => {
  assert.ok(recorded.length >= 8);
  let read = 0;
  rounds(SEED, (random) => {
    const bytes = mutate(random, recorded);
    const before = Buffer.from(bytes);
    const message = parseStun(bytes);
    if (message === null) return;
    read++;
    message.isSignedBy(KEY);
    assert.deepEqual(bytes, before);
    const again = parseStun(serializeStun(message, KEY));
    // Texts that are no UTF-8 grow when they are written.
    if (again === null) {
      assert.ok(
        message.username.includes('\ufffd') ||
          message.software.includes('\ufffd') ||
          message.errorReason.includes('\ufffd'),
      );
      return;
    }
    for (const name of [
      'messageClass',
      'method',
      'username',
      'priority',
      'useCandidate',
      'errorCode',
    ] as const)
      assert.equal(again[name], message[name], name);
    for (const name of ['xorMappedAddress', 'mappedAddress', 'unknownAttributes', 'iceControlled'] as const)
      assert.deepEqual(again[name], message[name], name);
    assert.ok(again.isSignedBy(KEY));
  });
  assert.ok(read > 500, String(read));
});

test('fuzz: candidate lines and addresses', () => {
  const lines = [
    'candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.1.1 rport 8998 generation 0 ufrag EsAw',
    'candidate:4 1 tcp 1518280447 2001:db8::7 9 typ host tcptype active generation 0',
  ];
  const alphabet = '0123456789:. abcdefudptcphosttyp%-/+';
  let read = 0;
  rounds(SEED + 1, (random) => {
    let line = lines[Math.floor(random() * lines.length)]!;
    for (let i = Math.floor(random() * 4); i > 0; i--) {
      const at = Math.floor(random() * line.length);
      const end = at + Math.floor(random() * 3);
      line = line.slice(0, at) + alphabet.charAt(Math.floor(random() * alphabet.length)) + line.slice(end);
    }
    const address = line.split(' ')[4] ?? '';
    const canonical = canonicalIpAddress(address);
    if (canonical !== null) assert.equal(canonicalIpAddress(canonical), canonical);
    const candidate = parseCandidate(line);
    if (candidate === null) return;
    read++;
    assert.deepEqual(parseCandidate(printCandidate(candidate)), candidate, line);
  });
  assert.ok(read > 200, String(read));
});

test('fuzz: frames on TCP', () => {
  rounds(SEED + 2, (random) => {
    const packets = Array.from({ length: 5 }, () =>
      Buffer.alloc(1 + Math.floor(random() * 300), random() * 256),
    );
    const stream = Buffer.concat(packets.map(frameForTcp));
    const isDamaged = random() < 0.5;
    if (isDamaged) stream[Math.floor(random() * stream.length)] = random() * 256;
    const got: Buffer[] = [];
    const reader = new TcpFrameReader((packet) => got.push(Buffer.from(packet)), 512);
    try {
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + Math.floor(random() * 200);
        reader.push(stream.subarray(at, end));
        at = end;
      }
    } catch (error) {
      assert.ok(isDamaged && error instanceof ProtocolError, String(error));
    }
    for (const packet of got) assert.ok(packet.length <= 512);
    if (!isDamaged) assert.deepEqual(got, packets);
  });
});

test('fuzz: agents', () => {
  const directory = new IceDirectory();
  let answered = 0;
  let taken = 0;
  const events = { send: () => answered++, selected: () => {} };
  const lite = new IceLiteAgent({ remoteUfrag: 'peer' }, events, 0);
  directory.add(lite);
  const locals = candidatesFor(['192.0.2.1'], 4000, { udp: true, tcp: false }).map((candidate) => ({
    candidate,
    localIndex: 0,
  }));
  let sent: Uint8Array = Buffer.alloc(0);
  const full = new IceAgent(
    { locals, checkTimeoutMs: 1e9, consentTimeoutMs: 1e9 },
    {
      send: (bytes) => {
        sent = bytes;
      },
      selected: () => {},
      failed: (reason) => assert.fail(reason),
    },
  );
  const remote = makeIceCredentials();
  full.start(remote, candidatesFor(['203.0.113.1'], 8000, { udp: true, tcp: false }), 0);
  const liteKey = new StunKey(lite.local.password);
  const fullKey = new StunKey(full.local.password);
  const remoteKey = new StunKey(remote.password);
  rounds(SEED + 3, (random, round) => {
    const nowUs = round * 1000;
    full.tick(nowUs);
    const transactionId = Buffer.alloc(12, round);
    const request = {
      messageClass: STUN_REQUEST,
      transactionId,
      priority: Math.floor(random() * 2 ** 32),
      useCandidate: random() < 0.5,
    } as const;
    const seeds = [
      serializeStun({ ...request, username: `${lite.local.ufrag}:peer` }, liteKey),
      serializeStun({ ...request, username: `${full.local.ufrag}:${remote.ufrag}` }, fullKey),
      serializeStun({ messageClass: STUN_SUCCESS, transactionId: sent.subarray(8, 20) }, remoteKey),
    ];
    const bytes = random() < 0.3 ? seeds[Math.floor(random() * 3)]! : mutate(random, seeds);
    const from = {
      address: `203.0.113.${1 + Math.floor(random() * 4)}`,
      port: 8000 + Math.floor(random() * 400),
      transport: 'udp',
    } as const;
    if (directory.receiveStun(bytes, from, nowUs) !== null) taken++;
    full.receive(bytes, from, 0, nowUs);
    assert.ok(directory.addresses <= 16 && full.pairCount <= 100);
  });
  assert.ok(taken > 50 && answered >= taken, `${taken} taken, ${answered} answered`);
  directory.remove(lite);
  assert.equal(directory.addresses, 0);
});
