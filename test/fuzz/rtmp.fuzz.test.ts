/** Seeded, time-boxed: whatever arrives, the RTMP readers end in messages or in a ProtocolError, and soon. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ProtocolError, RejectedError } from '../../src/util/errors.ts';
import { ChunkReader } from '../../src/wire/rtmp/chunk-reader.ts';
import { parseCommand, parseConnect, parseData } from '../../src/wire/rtmp/command.ts';
import { acceptedFourCcs, enhancedAnswer } from '../../src/wire/rtmp/enhanced.ts';
import { ServerHandshake } from '../../src/wire/rtmp/handshake.ts';
import { parseControlNumber, parsePeerBandwidth, parseUserControl } from '../../src/wire/rtmp/message.ts';
import { parseStreamAddress } from '../../src/wire/rtmp/rtmp-url.ts';
import { FUZZ_SECONDS, Random } from '../support/fuzz.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_240_817);
const HANDSHAKE_BYTES = 3073;
const FOLDER = new URL('../vectors/rtmp/', import.meta.url);
const samples = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.bin'))
  .map((name) => readFileSync(new URL(name, FOLDER)));

function mutate(bytes: Buffer, random: Random): Buffer {
  const start = random.below(2) === 0 ? 0 : random.below(bytes.length);
  const copy = Buffer.from(bytes.subarray(start, start + 1 + random.below(6000)));
  const changes = random.below(12);
  for (let i = 0; i < changes; i++) {
    const at = random.below(copy.length);
    copy[at] =
      random.below(3) === 0 ? [0, 1, 0xff, 0x7f, 0x80, 0xc0, 0x41][random.below(7)]! : random.below(256);
  }
  return copy;
}

/** Runs what may refuse its input; any other error fails the test. */
function tolerate(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ProtocolError) && !(error instanceof RejectedError)) throw error;
  }
}

function interpret(typeId: number, payload: Uint8Array): void {
  tolerate(() => {
    const command = parseCommand(typeId === 17 ? 17 : 20, payload);
    const connect = parseConnect(command);
    acceptedFourCcs(connect);
    enhancedAnswer(connect, 7);
    const stream = command.args[0];
    parseStreamAddress(connect.tcUrl, connect.app, typeof stream === 'string' ? stream : '');
  });
  tolerate(() => parseData(typeId === 15 ? 15 : 18, payload));
  tolerate(() => parseUserControl(payload));
  tolerate(() => parseControlNumber(payload));
  tolerate(() => parsePeerBandwidth(payload));
}

/** Same input, same messages, however it is cut; returns them in short. */
function readAll(bytes: Buffer, pieceBytes: (left: number) => number): string[] {
  const seen: string[] = [];
  const reader = new ChunkReader({
    maxMessageBytes: 100_000,
    maxChunkStreams: 8,
    onMessage: (message) => {
      assert.ok(message.payload.length <= 100_000);
      const sum = message.payload.reduce((total, byte) => (total * 31 + byte) >>> 0, 7);
      seen.push(
        `${message.typeId} ${message.streamId} ${message.timestamp} ${message.payload.length} ${sum}`,
      );
      interpret(message.typeId, message.payload);
    },
  });
  try {
    for (let at = 0; at < bytes.length; ) {
      const size = pieceBytes(bytes.length - at);
      reader.receive(bytes.subarray(at, at + size));
      at += size;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    seen.push(error.code);
  }
  return seen;
}

test('fuzz: chunk reader and what its messages hold', () => {
  const random = new Random(SEED);
  const until = performance.now() + FUZZ_SECONDS * 1000;
  let rounds = 0;
  for (; performance.now() < until || rounds === 0; rounds++) {
    const sample = samples[random.below(samples.length)]!.subarray(HANDSHAKE_BYTES);
    const bytes =
      random.below(8) === 0
        ? Buffer.from(Array.from({ length: 300 }, () => random.below(256)))
        : mutate(sample, random);
    const whole = readAll(bytes, (left) => left);
    assert.deepEqual(
      readAll(bytes, () => 1 + random.below(random.below(2) === 0 ? 4 : 400)),
      whole,
      `seed ${SEED}, round ${rounds}`,
    );
  }
});

test('fuzz: server handshake', () => {
  const random = new Random(SEED + 1);
  const until = performance.now() + FUZZ_SECONDS * 250;
  for (let round = 0; performance.now() < until || round === 0; round++) {
    const bytes = Buffer.from(samples[random.below(samples.length)]!.subarray(0, 3200));
    for (let i = random.below(4); i > 0; i--)
      bytes[random.below(random.below(2) === 0 ? 9 : 1600)] = random.below(256);
    tolerate(() => {
      const handshake = new ServerHandshake({ randomBytes: (count) => new Uint8Array(count), nowMs: round });
      let used = 0;
      while (!handshake.done && used < bytes.length)
        used += handshake.receive(bytes.subarray(used, used + 1 + random.below(2000)));
      assert.equal(used, HANDSHAKE_BYTES);
      assert.equal(handshake.output()!.length, HANDSHAKE_BYTES);
    });
  }
});
