/**
 * Seeded, time-boxed: a thread of WebRTC that gets damaged, forged, repeated and cut datagrams from anybody, and damaged
 * RTP and RTCP from peers that hold keys, never throws, holds no more than it should, and serves its other peers as if
 * nothing were; a flood from forged addresses leaves nothing and is answered with no more bytes than it has.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransportAddress } from '../../src/ice/transport-address.ts';
import { webrtcFormat } from '../../src/packaging/webrtc-feed.ts';
import { serializeRemb } from '../../src/wire/rtp/remb.ts';
import { type RtcpPacket, serializeRtcp } from '../../src/wire/rtp/rtcp.ts';
import { writeRtpHeader } from '../../src/wire/rtp/rtp-packet.ts';
import { serializeTransportFeedback } from '../../src/wire/rtp/transport-feedback.ts';
import { isRtp, isStun } from '../../src/wire/stun/packet-kind.ts';
import { encodeAll, openEncoder } from '../support/feed-frames.ts';
import { FUZZ_SECONDS, mutateHead, Random, runFor } from '../support/fuzz.ts';
import { opusRecording } from '../support/opus-recording.ts';
import { type RtcCaller, RtcWorld } from '../support/rtc-world.ts';
import { makeMedia } from '../unit/rtc/rtc-media.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_121);
const FEED = 1;
const extensions = {
  mid: 1,
  rid: 5,
  repairedRid: 6,
  absSendTime: 2,
  transportCc: 3,
  playoutDelay: 0,
};
const feedback = { nack: true, pli: true, fir: true, transportCc: true, remb: true };
const PLAYED = [
  makeMedia({ extensions, feedback, fmtp: 'packetization-mode=1' }),
  makeMedia({
    index: 1,
    mid: '1',
    kind: 'audio',
    codec: 'opus',
    encodingName: 'opus',
    clockRate: 48_000,
    channels: 2,
    payloadType: 111,
    rtxPayloadType: -1,
    ssrc: 0x3333,
    rtxSsrc: 0,
    extensions,
    feedback,
    feedTrack: 0,
  }),
];
const PUBLISHED = PLAYED.map((media) => ({ ...media, direction: 'receive' as const, rids: [] }));
const SIMULCAST = PUBLISHED.map((media, at) => (at === 0 ? { ...media, rids: ['h', 'm', 'l'] } : media));

const recording = opusRecording(2);
const pieces = encodeAll(openEncoder(webrtcFormat, recording), recording.frames).filter(
  ({ length }) => length > 0,
);
/** Packets of RTP in a piece of the feed. */
const packetsIn = (piece: Buffer): number => {
  let count = 0;
  for (let at = 0; at + 4 <= piece.length; at += 4 + piece.readUInt16BE(at + 2))
    if ((piece[at + 1]! & 1) === 0) count++;
  return count;
};

/** A host with a stream, and one peer that plays it all the time. */
class Busy {
  readonly world = new RtcWorld();
  readonly healthy: RtcCaller;
  private readonly slab = Buffer.concat(pieces);
  private at = 0;
  private from = 0;
  private due = 0;

  constructor() {
    const { host } = this.world;
    host.receive({ type: 'feed', feed: FEED, clockRates: [90_000, 48_000], pictures: 1 });
    host.receive({ type: 'slab', feed: FEED, slab: this.slab.buffer as ArrayBuffer });
    this.from = this.slab.byteOffset;
    this.healthy = this.world.connect(PLAYED, FEED);
    assert.ok(this.healthy.transport.isConnected);
  }

  /** The next frame of the stream, which repeats itself. */
  frame(): void {
    const piece = pieces[this.at]!;
    if (this.at === 0) this.from = this.slab.byteOffset;
    this.world.host.receive({ type: 'bytes', feed: FEED, start: this.from, end: this.from + piece.length });
    this.from += piece.length;
    this.at = (this.at + 1) % pieces.length;
    this.due += packetsIn(piece);
  }

  /** Asserts that the one peer got everything of late, and begins to count anew. */
  check(): void {
    this.world.run(1500);
    const { healthy } = this;
    assert.equal(healthy.closed, '');
    assert.equal(healthy.rtp, this.due, 'packets at a peer that did nothing wrong');
    healthy.rtp = 0;
    this.due = 0;
    assert.equal(healthy.transport.refused, 0);
  }
}

function anyAddress(random: Random): TransportAddress {
  return { address: `203.0.113.${random.below(250)}`, port: 1 + random.below(65_535), transport: 'udp' };
}

/** Genuine datagrams with some damage; 20 in 100 are whole, and repeated thereby. */
function damaged(random: Random, seeds: readonly Buffer[]): Uint8Array {
  if (random.below(20) === 0) return random.bytes(random.below(1500));
  const seed = seeds[random.below(seeds.length)]!;
  return random.below(5) === 0 ? seed : mutateHead(random, seed);
}

test('fuzz: datagrams at a thread of WebRTC', () => {
  const random = new Random(SEED);
  const busy = new Busy();
  const { world, healthy } = busy;
  const seeds: Buffer[] = [];
  let victim = world.connect(PLAYED, FEED);
  let victims = 0;
  let early = 0;
  const renew = () => {
    seeds.push(...victim.seen, ...victim.came);
    seeds.splice(0, Math.max(0, seeds.length - 400));
    world.end(victim);
    victims++;
    victim = world.call(PLAYED, FEED);
    // Some are damaged in the middle of their handshake.
    for (let steps = random.below(12); steps > 0; steps--) world.step();
    if (!victim.transport.isConnected) early++;
  };
  for (let i = 0; i < 10; i++) renew();
  let round = 0;
  runFor(() => {
    round++;
    if (round % 150 === 0) renew();
    // But for its checks: repeated from elsewhere they say that it moved there.
    const others = healthy.seen.filter((one) => !isStun(one));
    const genuine = random.below(3) === 0 ? [...victim.seen, ...others] : seeds;
    const bytes = damaged(random, genuine.length === 0 ? seeds : genuine);
    const who = random.below(10);
    // Never from the address of the one that has to get everything: what is whole would be its own, late.
    const from = who < 7 ? victim.address : anyAddress(random);
    world.give(bytes, from);
    // Towards a caller the same.
    if (random.below(3) === 0)
      victim.receive(Buffer.from(damaged(random, [...victim.came, ...seeds])), world.nowUs);
    if (random.below(4) === 0) busy.frame();
    if (random.below(2) === 0) world.step();
    assert.ok(world.held.peers <= 2 && world.held.agents <= 2, 'peers that nobody opened');
    assert.ok(world.held.addresses <= 20);
    world.told.length = 0;
  });
  busy.check();
  assert.ok(victims > 10 && early > 0, `${victims} connections, ${early} in their handshake`);
  world.end(victim);
  assert.equal(world.held.peers, 1);
});

test('fuzz: RTCP of a player that holds keys', () => {
  const random = new Random(SEED + 1);
  const busy = new Busy();
  const { world } = busy;
  let player = world.connect(PLAYED, FEED);
  const seeds = rtcpSeeds();
  let sent = 0;
  let begunUs = world.nowUs;
  runFor(() => {
    if (player.closed !== '' || world.nowUs - begunUs > 20_000_000) {
      world.end(player);
      player = world.connect(PLAYED, FEED);
      begunUs = world.nowUs;
    }
    for (let burst = random.below(8); burst >= 0; burst--) {
      const seed = seeds[random.below(seeds.length)]!;
      const plain = random.below(3) === 0 ? seed : mutateHead(random, seed);
      // The kind has to stay, or nothing of it is looked at.
      if (plain.length >= 8 && random.below(2) === 0) plain.set(seed.subarray(0, 2));
      sent++;
      player.transport.sendRtcp(plain);
    }
    if (random.below(2) === 0) busy.frame();
    world.step();
    world.told.length = 0;
  });
  busy.check();
  assert.ok(sent > 100);
  world.end(player);
  // A flood of requests for what was sent gets no flood of packets.
  const greedy = world.connect(PLAYED, FEED);
  for (let i = 0; i < 100; i++) {
    busy.frame();
    world.step();
  }
  world.run(1000);
  const own = greedy.rtpBytes;
  const floodUs = world.nowUs;
  for (let i = 0; i < 200; i++) {
    for (const ssrc of [0x1111, 0x3333])
      for (let first = 0; first < 0x1_0000; first += 0x2000) {
        const sequences = Array.from({ length: 0x200 }, (_, at) => (first + at * 16) & 0xffff);
        greedy.transport.sendRtcp(
          serializeRtcp([{ type: 'nack', ssrc: 9, mediaSsrc: ssrc, sequences: sequences.slice(0, 200) }]),
        );
      }
    greedy.transport.sendRtcp(serializeRtcp([{ type: 'pli', ssrc: 9, mediaSsrc: 0x1111 }]));
    world.step();
    world.told.length = 0;
  }
  const seconds = (world.nowUs - floodUs) / 1_000_000;
  const extra = greedy.rtpBytes - own;
  const bound = (seconds * 200_000_000) / 8;
  assert.ok(extra > 0, 'what is asked for is sent again');
  assert.ok(extra < bound / 10, `${extra} bytes in ${seconds} s for a flood of requests`);
  busy.check();
});

function rtcpSeeds(): Buffer[] {
  const head: RtcpPacket = { type: 'rr', ssrc: 9, reports: [] };
  const report = {
    ssrc: 0x1111,
    fractionLost: 10,
    lost: 5,
    highestSequence: 70_000,
    jitter: 90,
    lastSr: 0x1234_5678,
    delaySinceLastSr: 6000,
  };
  const each: RtcpPacket[][] = [
    [{ type: 'rr', ssrc: 9, reports: [report] }],
    [
      { type: 'rr', ssrc: 9, reports: [report, { ...report, ssrc: 0x3333 }] },
      { type: 'sdes', ssrc: 9, cname: 'y' },
    ],
    [head, { type: 'nack', ssrc: 9, mediaSsrc: 0x1111, sequences: [1, 2, 3, 900, 65_535] }],
    [head, { type: 'pli', ssrc: 9, mediaSsrc: 0x1111 }],
    [head, { type: 'fir', ssrc: 9, mediaSsrc: 0x1111, sequence: 3 }],
    [head, { type: 'bye', ssrcs: [9], reason: '' }],
    [
      {
        type: 'sr',
        ssrc: 0x1111,
        ntpSeconds: 1,
        ntpFraction: 2,
        rtpTime: 3,
        packets: 4,
        octets: 5,
        reports: [report],
      },
    ],
  ];
  const arrivals = Array.from({ length: 60 }, (_, at) => (at % 9 === 0 ? Number.NaN : at * 5000));
  const first = serializeRtcp([head]);
  return [
    ...each.map((packets) => serializeRtcp(packets)),
    Buffer.concat([first, serializeRemb(9, 800_000, [0x1111])]),
    Buffer.concat([first, serializeTransportFeedback(9, 0x1111, 0, arrivals, 1)!]),
    Buffer.concat([first, serializeTransportFeedback(9, 0x1111, 65_500, arrivals, 2)!]),
  ];
}

function rtpSeeds(): Buffer[] {
  const packet = (payloadType: number, sequence: number, ssrc: number, extra: readonly number[]) => {
    const padded = [...extra, ...new Array<number>((4 - (extra.length % 4)) % 4).fill(0)];
    const bytes = Buffer.alloc(12 + (extra.length === 0 ? 0 : 4 + padded.length) + 60, sequence);
    writeRtpHeader(bytes, 0, payloadType, sequence % 5 === 0, sequence, sequence * 3000, ssrc);
    if (extra.length === 0) return bytes;
    bytes[0] = bytes[0]! | 0x10;
    bytes.writeUInt16BE(0xbede, 12);
    bytes.writeUInt16BE(padded.length / 4, 14);
    Buffer.from(padded).copy(bytes, 16);
    return bytes;
  };
  const mid = [0x10, 0x30];
  const rid = (layer: string) => [0x50, layer.charCodeAt(0)];
  const repaired = (layer: string) => [0x60, layer.charCodeAt(0)];
  const number = (value: number) => [0x31, value >>> 8, value & 0xff];
  return [
    ...Array.from({ length: 30 }, (_, at) => packet(102, at * 3, 0x1111, [...mid, ...number(at)])),
    ...Array.from({ length: 10 }, (_, at) => packet(111, at, 0x3333, number(40 + at))),
    ...['h', 'm', 'l', 'x'].map((layer, at) => packet(102, 7, 0x5000 + at, [...mid, ...rid(layer)])),
    ...['h', 'm', 'l', 'x'].map((layer, at) => packet(103, 9, 0x6000 + at, [...mid, ...repaired(layer)])),
    packet(103, 4, 0x2222, []),
    packet(102, 65_535, 0x1111, []),
  ];
}

for (const [name, medias] of [
  ['one layer', PUBLISHED],
  ['three layers', SIMULCAST],
] as const) {
  test(`fuzz: RTP of a publisher that holds keys, ${name}`, () => {
    const random = new Random(SEED + 2);
    const busy = new Busy();
    const { world } = busy;
    const publisher = world.connect(medias, -1);
    const seeds = rtpSeeds();
    const reports = rtcpSeeds();
    let sequence = 0;
    let told = 0;
    let given = 0;
    runFor(() => {
      const bytes = Buffer.from(mutateHead(random, seeds[random.below(seeds.length)]!));
      if (bytes.length >= 12) {
        // Version and kind: anything else is no RTP, which the transport sees to.
        bytes[0] = (bytes[0]! & 0x3f) | 0x80;
        if (random.below(3) > 0) {
          sequence = (sequence + random.below(4)) & 0xffff;
          bytes.writeUInt16BE(sequence, 2);
        }
        const extension = (bytes[0]! & 0x10) === 0 || bytes.length < 16 ? 0 : 4 + bytes.readUInt16BE(14) * 4;
        const headerLength = 12 + (bytes[0]! & 15) * 4 + extension;
        given++;
        if (headerLength <= bytes.length && isRtp(bytes))
          publisher.transport.sendRtp(bytes, headerLength, bytes.subarray(headerLength));
      }
      if (random.below(5) === 0) {
        const report = reports[random.below(reports.length)]!;
        publisher.transport.sendRtcp(mutateHead(random, report));
      }
      if (random.below(5) === 0) busy.frame();
      world.step();
      for (const message of world.told.splice(0)) {
        if (message.type === 'media') {
          told += message.packets.length / 6;
          assert.ok(message.bytes.byteLength <= 32 * 1024);
        } else assert.notEqual(message.type, 'trouble');
      }
    }, FUZZ_SECONDS / 2);
    busy.check();
    assert.equal(publisher.closed, '');
    assert.ok(told > 0 && told <= given * 2, `${told} of ${given} packets were passed on`);
    assert.ok(publisher.rtcp > 0, 'it is told of losses and asked for pictures');
  });
}

test('a flood of checks and ClientHellos from forged addresses leaves nothing', () => {
  const random = new Random(SEED + 3);
  const busy = new Busy();
  const { world, healthy } = busy;
  // What peers said before: with names and signatures of a connection that is over, of one that is there, and made up.
  const gone = world.connect(PLAYED, FEED);
  world.end(gone);
  const seeds = [...gone.seen, ...healthy.seen].filter((bytes) => !isRtp(bytes));
  assert.ok(seeds.some((bytes) => bytes[0] === 22) && seeds.some((bytes) => bytes[0]! < 4));
  const before = world.held;
  const beforeBytes = process.memoryUsage();
  world.sent.length = 0;
  let asked = 0;
  let answered = 0;
  let count = 0;
  runFor(() => {
    for (let i = 0; i < 50; i++) {
      const seed = seeds[random.below(seeds.length)]!;
      let bytes: Uint8Array = random.below(4) === 0 ? Buffer.from(seed) : mutateHead(random, seed);
      // A genuine check of a living peer that comes from elsewhere is that peer's, moved: nobody else can sign one.
      if (bytes.length >= 28 && bytes[0]! < 2) bytes.set(random.bytes(20), bytes.length - 28);
      if (random.below(50) === 0) bytes = random.bytes(random.below(200));
      const sentBefore = world.sent.length;
      world.give(bytes, anyAddress(random));
      count++;
      const out = world.sent.splice(sentBefore).reduce((sum, one) => sum + one.bytes.length, 0);
      asked += bytes.length;
      answered += out;
      assert.ok(out <= bytes.length, `${out} bytes for ${bytes.length}`);
    }
  });
  assert.deepEqual(world.held, before);
  assert.deepEqual(
    world.told.filter(({ type }) => type !== 'statistics' && type !== 'connected'),
    [],
  );
  assert.ok(answered <= asked && count > 1000, `${answered} bytes for ${asked}`);
  const grown = process.memoryUsage().rss - beforeBytes.rss;
  assert.ok(grown < 200 * 1024 * 1024, `${grown} bytes more`);
  busy.frame();
  busy.check();
});
