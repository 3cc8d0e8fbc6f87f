import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RtcMedia } from '../../../../src/rtc/rtc-description.ts';
import { BandwidthEstimator } from '../../../../src/rtc/send/bandwidth-estimator.ts';
import { FeedStore } from '../../../../src/rtc/send/feed-store.ts';
import { SendSession } from '../../../../src/rtc/send/send-session.ts';
import { parseRtcp, serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';
import { RtpExtensionCursor, RtpPacket } from '../../../../src/wire/rtp/rtp-packet.ts';
import { makeMedia, makeSound } from '../rtc-media.ts';
import { feedFrame, feedReport, pushAll } from './feed-frames.ts';

const VIDEO_SSRC = 0x1111;
const AUDIO_SSRC = 0x3333;
const FRAME_US = 40_000;
const FRAME_TICKS = 3600;

class World {
  nowUs = 1_000_000;
  keysAsked = 0;
  readonly store = new FeedStore(() => this.keysAsked++);
  readonly packets: {
    ssrc: number;
    type: number;
    sequence: number;
    time: number;
    marker: boolean;
    payload: number[];
  }[] = [];
  readonly numbers: number[] = [];
  readonly control: Uint8Array[] = [];
  private readonly parsed = new RtpPacket();
  private next = 0;

  constructor() {
    this.store.setTracks([90_000, 48_000], 1);
  }

  play(medias: readonly RtcMedia[] = [makeMedia(), makeSound(AUDIO_SSRC)]): SendSession {
    const session = new SendSession(
      medias,
      'cname',
      this.store,
      {
        sendRtp: (header, length, payload) => this.take(Buffer.concat([header.subarray(0, length), payload])),
        sendRtcp: (compound) => this.control.push(Uint8Array.from(compound)),
      },
      new BandwidthEstimator(),
    );
    session.start(this.nowUs);
    return session;
  }

  private take(bytes: Buffer): void {
    const { parsed } = this;
    assert.ok(parsed.parse(bytes));
    const { ssrc, payloadType: type, sequence, timestamp: time, marker, payloadStart, payloadEnd } = parsed;
    const cursor = new RtpExtensionCursor().reset(parsed);
    while (cursor.advance()) if (cursor.id === 5) this.numbers.push(bytes.readUInt16BE(cursor.start));
    this.packets.push({
      ssrc,
      type,
      sequence,
      time,
      marker,
      payload: [...bytes.subarray(payloadStart, payloadEnd)],
    });
  }

  /** One picture of the stream, 40 ms after the one before. */
  picture(isKey = false, packets = 2): void {
    this.nowUs += FRAME_US;
    const bytes = feedFrame(0, isKey, this.next * FRAME_US, this.next * FRAME_TICKS, packets);
    this.next++;
    pushAll(this.store, bytes, 0, bytes.length, this.nowUs);
  }

  sound(): void {
    const bytes = feedFrame(1, false, this.next * FRAME_US, this.next * 1920, 1);
    pushAll(this.store, bytes, 0, bytes.length, this.nowUs);
  }

  takePackets() {
    return this.packets.splice(0);
  }
}

test('who joins in the middle of a GOP gets it from its key frame on, with times that lead up to the newest', () => {
  const world = new World();
  world.picture(true);
  for (let i = 0; i < 9; i++) world.picture();
  world.sound();
  world.play();
  const sent = world.takePackets();
  assert.equal(sent.length, 20, 'pictures of the past, no sound of the past');
  assert.ok(sent.every(({ ssrc, type }) => ssrc === VIDEO_SSRC && type === 102));
  const steps = sent.slice(2).map(({ time }, i) => (time - sent[i]!.time) >>> 0);
  assert.deepEqual(new Set(steps), new Set([90, 0].filter((step) => steps.includes(step))));
  assert.deepEqual(
    sent.map(({ sequence }) => (sequence - sent[0]!.sequence) & 0xffff),
    sent.map((_, i) => i),
  );
  world.picture();
  world.sound();
  const live = world.takePackets();
  assert.equal((live[0]!.time - sent.at(-1)!.time) >>> 0, FRAME_TICKS, 'the live edge has its own times');
  assert.deepEqual(
    live.map(({ ssrc }) => ssrc),
    [VIDEO_SSRC, VIDEO_SSRC, AUDIO_SSRC],
  );
});

test('without a key frame the sound begins, and the publisher is asked for a picture', () => {
  const world = new World();
  world.store.canRequestKey = true;
  world.play();
  assert.equal(world.keysAsked, 1);
  world.picture();
  world.sound();
  assert.deepEqual(
    world.takePackets().map(({ ssrc }) => ssrc),
    [AUDIO_SSRC],
  );
  world.picture(true);
  assert.deepEqual(
    world.takePackets().map(({ ssrc }) => ssrc),
    [VIDEO_SSRC, VIDEO_SSRC],
  );
});

test('a lost packet is sent again by RTX with its number in front, but not twice within a moment', () => {
  const world = new World();
  const session = world.play();
  world.picture(true);
  const [first] = world.takePackets();
  const nack = serializeRtcp([
    { type: 'rr', ssrc: 9, reports: [] },
    { type: 'nack', ssrc: 9, mediaSsrc: VIDEO_SSRC, sequences: [first!.sequence] },
  ]);
  world.nowUs += 50_000;
  session.onRtcp(nack, world.nowUs);
  session.onRtcp(nack, world.nowUs + 1000);
  const [again, ...rest] = world.takePackets();
  assert.equal(rest.length, 0);
  assert.deepEqual([again!.ssrc, again!.type, again!.time], [0x2222, 103, first!.time]);
  assert.deepEqual(again!.payload, [first!.sequence >> 8, first!.sequence & 255, ...first!.payload]);
  assert.equal(session.statistics().resent, 1);
});

test('without RTX a lost packet is the very same packet, with the same transport number', () => {
  const world = new World();
  const extensions = { ...makeMedia().extensions, transportCc: 5 };
  const session = world.play([makeMedia({ rtxPayloadType: -1, extensions })]);
  world.picture(true);
  const [first] = world.takePackets();
  const [number] = world.numbers;
  session.onRtcp(
    serializeRtcp([{ type: 'nack', ssrc: 9, mediaSsrc: VIDEO_SSRC, sequences: [first!.sequence] }]),
    world.nowUs + 100_000,
  );
  assert.deepEqual(world.takePackets(), [first]);
  assert.equal(world.numbers.at(-1), number);
});

test('a request for a picture is handed on when the publisher can make one', () => {
  const world = new World();
  world.store.canRequestKey = true;
  const session = world.play();
  world.picture(true);
  world.takePackets();
  const before = world.keysAsked;
  session.onRtcp(serializeRtcp([{ type: 'pli', ssrc: 9, mediaSsrc: VIDEO_SSRC }]), world.nowUs);
  assert.equal(world.keysAsked, before + 1);
  assert.equal(world.takePackets().length, 0);
});

test('else it is answered from the GOP that is held, between the newest picture and the next', () => {
  const world = new World();
  const session = world.play();
  world.picture(true);
  for (let i = 0; i < 24; i++) world.picture();
  const before = world.takePackets();
  world.nowUs += 600_000;
  session.onRtcp(serializeRtcp([{ type: 'pli', ssrc: 9, mediaSsrc: VIDEO_SSRC }]), world.nowUs);
  const replay = world.takePackets();
  assert.equal(replay.length, before.length);
  const newest = before.at(-1)!.time;
  const offsets = replay.map(({ time }) => (time - newest) >>> 0);
  assert.ok(
    offsets.every(
      (offset, i) => offset > 0 && offset < FRAME_TICKS && (i === 0 || offset >= offsets[i - 1]!),
    ),
  );
  world.picture();
  assert.ok((world.takePackets()[0]!.time - newest) >>> 0 >= FRAME_TICKS);
  session.onRtcp(serializeRtcp([{ type: 'pli', ssrc: 9, mediaSsrc: VIDEO_SSRC }]), world.nowUs);
  assert.equal(world.takePackets().length, 0, 'a flood of requests is answered once');
  assert.equal(session.statistics().replays, 1);
});

test('who loses the beginning, as Firefox does, need not wait long for it', () => {
  const world = new World();
  world.picture(true);
  const session = world.play();
  const begun = world.takePackets().length;
  assert.ok(begun > 0);
  const repeated = [50, 60, 120, 380, 30].map((ms) => {
    world.nowUs += ms * 1000;
    session.onRtcp(serializeRtcp([{ type: 'pli', ssrc: 9, mediaSsrc: VIDEO_SSRC }]), world.nowUs);
    return world.takePackets().length;
  });
  assert.deepEqual(repeated, [0, begun, 0, begun, 0]);
});

test('a large burst is paced, and goes on with the ticks', () => {
  const world = new World();
  const session = world.play();
  world.picture(true, 1000);
  const atOnce = world.takePackets().length;
  assert.ok(atOnce > 100 && atOnce < 400, `${atOnce}`);
  let ticks = 0;
  while (world.takePackets().length > 0 || ticks === 0) {
    world.nowUs += session.tick(world.nowUs);
    ticks++;
    session.tick(world.nowUs);
    assert.ok(ticks < 100);
  }
  assert.equal(session.statistics().packets, 1000);
});

test('sender reports tell the stream time of now, on the clock of the player', () => {
  const world = new World();
  const bytes = feedReport(0, 0);
  pushAll(world.store, bytes, 0, bytes.length, world.nowUs);
  const session = world.play();
  world.picture(true);
  const sent = world.takePackets();
  world.nowUs += 2_000_000;
  world.control.length = 0;
  session.tick(world.nowUs);
  const [report] = parseRtcp(world.control[0]!);
  assert.ok(report?.type === 'sr');
  assert.equal(report.ssrc, VIDEO_SSRC);
  assert.equal(report.ntpSeconds, 1002);
  // 2.04 s after the moment of RTP time 0, which the first picture had.
  assert.equal((report.rtpTime - sent[0]!.time) >>> 0, (90_000 * 204) / 100);
  assert.equal(report.packets, 2);
});

test('loss, jitter and round trip come from the reports of the player', () => {
  const world = new World();
  const bytes = feedReport(0, 0);
  pushAll(world.store, bytes, 0, bytes.length, world.nowUs);
  const session = world.play();
  world.picture(true);
  world.nowUs += 1_000_000;
  session.tick(world.nowUs);
  const sr = parseRtcp(world.control.at(-1)!)[0]!;
  assert.ok(sr.type === 'sr');
  const lastSr = (((sr.ntpSeconds & 0xffff) << 16) | (sr.ntpFraction >>> 16)) >>> 0;
  const block = {
    ssrc: VIDEO_SSRC,
    fractionLost: 64,
    lost: 12,
    highestSequence: 5,
    jitter: 900,
    lastSr,
    delaySinceLastSr: 0x8000,
  };
  session.onRtcp(serializeRtcp([{ type: 'rr', ssrc: 9, reports: [block] }]), world.nowUs + 530_000);
  const { lossShare, lost, jitterUs, roundTripUs } = session.statistics();
  assert.deepEqual([lossShare, lost, jitterUs], [0.25, 12, 10_000]);
  assert.equal(Math.round(roundTripUs), 30_000);
});

test('a player that falls a second behind loses pictures up to a key frame and keeps its sound', () => {
  const world = new World();
  const session = world.play();
  world.picture(true, 16_000);
  for (let i = 0; i < 120; i++) {
    world.picture(false, 40);
    world.sound();
  }
  world.takePackets();
  const { framesSkipped } = session.statistics();
  assert.ok(framesSkipped > 0);
  world.nowUs += 100_000;
  session.tick(world.nowUs);
  world.takePackets();
  world.picture();
  world.sound();
  assert.deepEqual([...new Set(world.takePackets().map(({ ssrc }) => ssrc))], [AUDIO_SSRC]);
  world.picture(true);
  assert.equal(world.takePackets()[0]!.ssrc, VIDEO_SSRC);
});

test('the store keeps the GOP and two seconds, and drops a GOP that never ends', () => {
  const world = new World();
  for (let gop = 0; gop < 5; gop++) for (let i = 0; i < 25; i++) world.picture(i === 0);
  const { store } = world;
  assert.ok(store.chunks.size <= 80, `${store.chunks.size}`);
  assert.ok(store.latestKey >= store.chunks.tail);
  for (let i = 0; i < 1000; i++) world.picture();
  assert.equal(store.latestKey, -1);
  assert.ok(store.chunks.size <= 52, `${store.chunks.size}`);
});

test('a track that begins late is reported at once, so that its sound fits the pictures', () => {
  const world = new World();
  for (const track of [0, 1]) {
    const bytes = feedReport(track, 0);
    pushAll(world.store, bytes, 0, bytes.length, world.nowUs);
  }
  world.play();
  world.picture(true);
  world.control.length = 0;
  world.sound();
  const reported = world.control.flatMap((bytes) => parseRtcp(bytes)).filter(({ type }) => type === 'sr');
  assert.ok(reported.some((report) => report.type === 'sr' && report.ssrc === AUDIO_SSRC));
  world.control.length = 0;
  world.sound();
  assert.equal(world.control.length, 0);
});
