/**
 * Seeded, time-boxed: recorded conversations with damaged bytes, into fresh RTSP sessions, with damaged datagrams beside
 * them. Whatever arrives, nothing is thrown, nothing counts as a fault of ours, all names and ports are free at the end.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RtspConversation, RtspTestServices } from '../support/rtsp-conversation.ts';
import { seededRandom } from '../unit/wire/rtmp/chunk-bytes.ts';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 2);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_121);
const FOLDER = new URL('../vectors/rtsp-session/', import.meta.url);
const NASTY = [0, 0x24, 0x0a, 0x0d, 0x20, 0x2f, 0x3a, 0x3b, 0x3d, 0x22, 0x80, 0xff, 0x7f, 0x2d, 0x39, 0x2a];

/** Sessions of ours in place of the recorded ones: none is as good as the right one. */
function sample(name: string): Buffer {
  const text = readFileSync(new URL(name, FOLDER), 'latin1')
    .replaceAll(/Session: .*\r\n/g, '')
    .replaceAll(/8554\/cam/g, '8554/live/a')
    .replaceAll('stream=', 'trackID=');
  return Buffer.from(text, 'latin1');
}

const publishers = ['record-ffmpeg51-tcp.bin', 'record-ffmpeg51-udp.bin', 'record-gst-tcp.bin'].map(sample);
const players = [
  'play-ffmpeg51-tcp.bin',
  'play-ffmpeg51-udp.bin',
  'play-gst-tcp.bin',
  'play-mpv-tcp.bin',
].map(sample);
const tunnels = [
  Buffer.from('GET / HTTP/1.1\r\nx-sessioncookie: a\r\n\r\n'),
  Buffer.concat([
    Buffer.from('POST / HTTP/1.1\r\nx-sessioncookie: a\r\n\r\n'),
    Buffer.from(players[0]!.toString('base64')),
  ]),
];

function mutate(bytes: Buffer, below: (limit: number) => number): Buffer {
  if (below(4) === 0) return bytes;
  const copy = Buffer.from(bytes);
  const span = below(3) > 0 ? Math.min(1600, copy.length) : copy.length;
  for (let i = 1 + below(4); i > 0; i--)
    copy[below(span)] = below(2) === 0 ? NASTY[below(NASTY.length)]! : below(256);
  if (below(6) > 0) return copy;
  const cut = below(copy.length);
  return below(2) === 0
    ? copy.subarray(0, cut)
    : Buffer.concat([copy.subarray(0, cut), copy.subarray(below(copy.length))]);
}

function datagram(below: (limit: number) => number): Buffer {
  const bytes = Buffer.alloc(below(80), 0x41);
  for (let i = 0; i < Math.min(bytes.length, 14); i++) bytes[i] = below(256);
  if (bytes.length > 2) {
    bytes[0] = 0x80 | (bytes[0]! & 0x3f);
    if (below(2) === 0) bytes[1] = 96 + below(2);
  }
  return bytes;
}

test('fuzz: RTSP sessions', async () => {
  const random = seededRandom(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  const until = performance.now() + SECONDS * 1000;
  const seen = { closed: 0, published: 0, played: 0 };
  let round = 0;
  for (; performance.now() < until || round < 20; round++) {
    const services = new RtspTestServices(below(2) === 0 ? { busy: 'takeover' } : {});
    services.streamPolicy = {
      ...services.streamPolicy,
      waitMs: below(2) * 5000,
      multicast: { ...services.streamPolicy.multicast, enable: below(2) === 0 },
    };
    const inputs = [
      publishers[below(publishers.length)]!,
      below(3) === 0 ? tunnels[0]! : players[below(players.length)]!,
      below(3) === 0 ? tunnels[1]! : players[below(players.length)]!,
    ].map((bytes) => mutate(bytes, below));
    const talks = inputs.map(() => new RtspConversation(services));
    const at = inputs.map(() => 0);
    while (at.some((position, i) => position < inputs[i]!.length)) {
      // The publisher goes first, so that the others find something.
      const i = at[0]! < 2000 && at[0]! < inputs[0]!.length ? 0 : below(talks.length);
      const size = below(3) === 0 ? 1 + below(60) : 200 + below(4000);
      talks[i]!.raw(inputs[i]!.subarray(at[i], at[i]! + size));
      at[i] = at[i]! + size;
      if (below(2) === 0) await talks[i]!.settle();
      if (below(80) === 0) talks[i]!.session.kick('by the operator');
      if (below(30) === 0) talks[i]!.taking = !talks[i]!.taking;
      const pair = services.ports.pairs[below(8)];
      if (pair !== undefined && !pair.closed) pair.peer?.onDatagram(datagram(below), below(2) === 0);
    }
    await talks[0]!.settle();
    for (const { session } of talks) {
      if (session.closed) seen.closed++;
      if (session.role === 'publisher') seen.published++;
      if (session.role === 'player') seen.played++;
    }
    services.world.advanceMs(below(20_000));
    for (const talk of talks) talk.session.tick(services.nowUs());
    for (const talk of talks) talk.session.finish('the connection is gone');
    await talks[0]!.settle();
    const where = `seed ${SEED}, round ${round}`;
    for (const stream of services.hub.streams())
      assert.equal(services.hub.publisherOf(stream), null, `${where}: ${stream.key.text} is still held`);
    services.world.advanceMs(15_000);
    assert.equal(services.hub.streams().length, 0, where);
    assert.deepEqual([...services.faults, ...services.world.faults], [], where);
    for (const pair of services.ports.pairs) assert.equal(pair.closed, true, `${where}: ports are left`);
    assert.equal(services.multicast.count, 0, where);
    for (const talk of talks) {
      assert.equal(talk.session.heldMessages, 0, where);
      assert.equal(services.closings.filter((session) => session === talk.session).length, 1, where);
    }
    services.world.pump.stop();
  }
  // The rounds are worth something only when they get as far as media, and when some are refused.
  assert.ok(seen.published > round / 4, JSON.stringify({ ...seen, round }));
  assert.ok(seen.closed > 0 && seen.played > round / 8, JSON.stringify({ ...seen, round }));
});
