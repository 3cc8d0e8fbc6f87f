/**
 * Seeded, time-boxed: any bytes are read as records and messages or refused with a ProtocolError; a server and a client
 * that get damaged, forged, cut and repeated datagrams at any moment of a handshake or after it never throw, send
 * little, and connect only with each other's real keys.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DtlsCookie } from '../../src/dtls/cookie.ts';
import { FragmentBuffer } from '../../src/dtls/fragment-buffer.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import {
  parseCertificateRequest,
  parseCertificates,
  parseCertificateVerify,
} from '../../src/wire/dtls/certificates.ts';
import {
  parseClientHello,
  readClientHelloFront,
  serializeClientHello,
} from '../../src/wire/dtls/client-hello.ts';
import { DtlsHandshakeFragment } from '../../src/wire/dtls/handshake-header.ts';
import { parseHelloVerifyRequest } from '../../src/wire/dtls/hello-verify-request.ts';
import { parseClientKeyExchange, parseServerKeyExchange } from '../../src/wire/dtls/key-exchange.ts';
import { DtlsRecord } from '../../src/wire/dtls/record.ts';
import { parseServerHello } from '../../src/wire/dtls/server-hello.ts';
import { DtlsLink } from '../support/dtls-link.ts';
import { OPENSSL_RECORDINGS, PROGRAM_RECORDINGS, recordedDtls } from '../support/dtls-vectors.ts';
import { runFor } from '../support/fuzz.ts';
import { SeededRandom } from '../support/lossy-path.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_241_121);
const DATAGRAMS = [...OPENSSL_RECORDINGS, ...PROGRAM_RECORDINGS].flatMap((name) =>
  recordedDtls(name).datagrams.map(({ bytes }) => bytes),
);

const PARSERS: readonly ((body: Uint8Array) => unknown)[] = [
  parseClientHello,
  parseServerHello,
  parseHelloVerifyRequest,
  parseCertificates,
  parseCertificateRequest,
  parseCertificateVerify,
  parseServerKeyExchange,
  parseClientKeyExchange,
];

function rounds(seed: number, least: number, run: (random: SeededRandom, round: number) => void): void {
  const random = new SeededRandom(seed);
  let round = 0;
  const step = (): void => run(random, round++);
  runFor(step);
  while (round < least) step();
}

function below(random: SeededRandom, limit: number): number {
  return Math.floor(random.next() * limit);
}

/** Some bytes changed, cut, put on or taken out. Lengths lie at the front, so that is hit more often. */
function mutate(random: SeededRandom, seed: Uint8Array): Buffer {
  const bytes = Buffer.from(seed);
  for (let i = below(random, 5); i > 0 && bytes.length > 0; i--) {
    const at = below(random, random.next() < 0.5 ? Math.min(bytes.length, 60) : bytes.length);
    bytes[at] =
      random.next() < 0.3
        ? 0xff
        : random.next() < 0.5
          ? bytes[at]! ^ (1 << below(random, 8))
          : below(random, 256);
  }
  const what = random.next();
  if (what < 0.15) return bytes.subarray(0, below(random, bytes.length + 1));
  if (what < 0.25) return Buffer.concat([bytes, Buffer.alloc(below(random, 40), below(random, 256))]);
  if (what < 0.3) {
    const at = below(random, bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(random, 10))]);
  }
  return bytes;
}

/** Bodies of the recorded messages of epoch 0. */
function recordedBodies(): Buffer[] {
  const record = new DtlsRecord();
  const fragment = new DtlsHandshakeFragment();
  const bodies: Buffer[] = [];
  for (const bytes of DATAGRAMS) {
    for (let at = 0; at !== -1 && at < bytes.length; ) {
      at = record.parse(bytes, at);
      if (at !== -1 && record.epoch === 0 && fragment.parse(bytes, record.start, record.end) !== -1)
        bodies.push(bytes.subarray(fragment.start, fragment.end));
    }
  }
  return bodies;
}

test('fuzz: DTLS messages', () => {
  const bodies = recordedBodies();
  assert.ok(bodies.length > 40);
  const refused = new Map<string, number>();
  let read = 0;
  rounds(SEED, 20_000, (random) => {
    const body = mutate(random, bodies[below(random, bodies.length)]!);
    readClientHelloFront(body);
    for (const parse of PARSERS) {
      try {
        const message = parse(body);
        read++;
        if (parse === parseClientHello) {
          const hello = message as ReturnType<typeof parseClientHello>;
          // What is kept is written and read alike.
          const again = parseClientHello(serializeClientHello(hello));
          assert.deepEqual(again.suites, hello.suites);
          assert.deepEqual(again.groups, hello.groups);
        }
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
        refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
      }
    }
  });
  assert.ok(
    read > 1000 && refused.size >= PARSERS.length,
    `${read} read, refused: ${[...refused.keys()].join()}`,
  );
});

test('fuzz: DTLS records and fragments', () => {
  const record = new DtlsRecord();
  const fragment = new DtlsHandshakeFragment();
  let buffer = new FragmentBuffer();
  let taken = 0;
  rounds(SEED + 1, 20_000, (random, round) => {
    if (round % 50 === 0) buffer = new FragmentBuffer();
    const bytes = mutate(random, DATAGRAMS[below(random, DATAGRAMS.length)]!);
    for (let at = 0; at < bytes.length; ) {
      const next = record.parse(bytes, at);
      if (next === -1) break;
      assert.ok(next > at && next <= bytes.length && record.end <= bytes.length);
      at = next;
      for (let from = record.start; from < record.end; ) {
        from = fragment.parse(bytes, from, record.end);
        if (from === -1) break;
        assert.ok(
          fragment.end <= record.end && fragment.offset + fragment.end - fragment.start <= fragment.length,
        );
        try {
          buffer.add(fragment, 0, bytes);
        } catch (error) {
          assert.ok(error instanceof ProtocolError && error.code === 'dtls.message-too-big');
        }
        for (; buffer.readyEpoch !== -1; taken++) {
          const message = buffer.take();
          assert.equal(message.readUIntBE(9, 3), message.length - 12);
        }
      }
    }
  });
  assert.ok(taken > 1000);
});

test('fuzz: DTLS ends during and after a handshake', () => {
  let connected = 0;
  let refused = 0;
  rounds(SEED + 2, 150, (random, round) => {
    const options = round % 4 === 0 ? { requireCookie: { cookie: new DtlsCookie(0), address: 'a' } } : {};
    const damage = random.next() * 0.3;
    let extra = 0;
    const link: DtlsLink = new DtlsLink({
      seed: round,
      server: options,
      faults: { loss: 0.05, reorder: 0.1, duplicate: 0.1, delayMs: 5 },
      meddle: (datagram, isFromClient) => {
        // A forged datagram besides, made from a recorded one or from one of this very conversation.
        if (random.next() < damage && extra++ < 50) {
          const log = isFromClient ? link.clientLog.sent : link.serverLog.sent;
          const seed =
            random.next() < 0.3
              ? DATAGRAMS[below(random, DATAGRAMS.length)]!
              : log[below(random, log.length)]!;
          (isFromClient ? link.server : link.client).receive(mutate(random, seed), link.nowUs);
        }
        return random.next() < damage ? mutate(random, datagram) : datagram;
      },
    });
    link.connect(40_000_000);
    assert.ok(link.clientLog.sent.length + link.serverLog.sent.length < 400);
    if (link.isUp) {
      connected++;
      assert.deepEqual(link.clientLog.keys, link.serverLog.keys);
      for (let i = 0; i < 20; i++) {
        link.client.sendData(Buffer.from(`from the client ${i}`));
        link.server.sendData(Buffer.from(`from the server ${i}`));
      }
      link.run(1_000_000);
      for (const data of link.serverLog.data)
        assert.match(Buffer.from(data).toString('latin1'), /^from the client \d+$/);
      for (const data of link.clientLog.data)
        assert.match(Buffer.from(data).toString('latin1'), /^from the server \d+$/);
      assert.deepEqual([...link.clientLog.closed, ...link.serverLog.closed], []);
    } else refused++;
    for (const reason of [...link.clientLog.closed, ...link.serverLog.closed])
      assert.doesNotMatch(reason, /^dtls\.internal/, reason);
  });
  assert.ok(connected > 20 && refused > 20, `${connected} connected, ${refused} refused`);
});
