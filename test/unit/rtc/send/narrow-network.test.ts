/** A stream in one size behind a network that carries less: sound first, pictures as far as there is room, then all again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BandwidthEstimator } from '../../../../src/rtc/send/bandwidth-estimator.ts';
import { FeedStore } from '../../../../src/rtc/send/feed-store.ts';
import { SendSession } from '../../../../src/rtc/send/send-session.ts';
import { serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';
import { RtpExtensionCursor, RtpPacket } from '../../../../src/wire/rtp/rtp-packet.ts';
import { serializeTransportFeedback } from '../../../../src/wire/rtp/transport-feedback.ts';
import { makeMedia, makeSound, TRANSPORT_CC, withTransportCc } from '../rtc-media.ts';
import { feedFrame, pushAll } from './feed-frames.ts';

const [VIDEO, SOUND] = [0x1111, 0x3333];
const STEP_US = 5000;
const DELAY_US = 20_000;
const FRAME_STEPS = 8;
const SOUND_STEPS = 4;
const TELL_STEPS = 10;
const MAX_TOLD = 800;
const MAX_MISSING = 2000;
const GOP = 50;
/** Packets of 116 bytes: 25 pictures of 45 a second, about 1.1 Mbit/s; a key frame has four times as many. */
const PACKETS = 45;

/** One player at the end of a bottleneck with a queue; it tells what came and asks for what is missing. */
class World {
  nowUs = 1_000_000;
  capacityBps: number;
  queueUs = 200_000;
  /** One packet in so many is lost besides; 0 = none. */
  loseEvery = 0;
  readonly store = new FeedStore(() => undefined);
  readonly estimator = new BandwidthEstimator();
  readonly session: SendSession;
  sent = { video: 0, again: 0, sound: 0, bytes: 0 };
  came = { sound: 0 };
  private sound = { made: 0 };
  private readonly parsed = new RtpPacket();
  private readonly arrivals = new Map<number, number>();
  /** Of pictures: sequence numbers that are missing, by the time of the last request. */
  private readonly missing = new Map<number, number>();
  private newest = -1;
  private told = -1;
  private lastNumber = 0;
  private freeUs = 0;
  private steps = 0;
  private frames = 0;
  private count = 0;
  private waiting: { atUs: number; run: () => void }[] = [];

  constructor(capacityBps: number) {
    this.capacityBps = capacityBps;
    this.store.setTracks([90_000, 48_000], 1);
    this.session = new SendSession(
      [withTransportCc(makeMedia({ rtxPayloadType: -1 })), withTransportCc(makeSound(SOUND))],
      'cname',
      this.store,
      {
        sendRtp: (header, length, payload) =>
          this.carry(Buffer.concat([header.subarray(0, length), payload])),
        sendRtcp: () => undefined,
      },
      this.estimator,
    );
    for (let i = 0; i < GOP; i++) {
      this.picture();
      this.nowUs += 40_000;
    }
    this.session.start(this.nowUs);
  }

  private carry(bytes: Buffer): void {
    const { parsed, sent } = this;
    assert.ok(parsed.parse(bytes));
    const { ssrc, sequence } = parsed;
    const number = this.numberOf(bytes);
    const isOld = ssrc === VIDEO && this.newest >= 0 && ((sequence - this.newest) << 16) >> 16 <= 0;
    if (ssrc === SOUND) sent.sound++;
    else if (isOld) sent.again++;
    else sent.video++;
    if (ssrc === VIDEO && !isOld) this.newest = sequence;
    sent.bytes += bytes.length;
    if (this.told < 0) this.told = number;
    this.lastNumber = number;
    const startUs = Math.max(this.nowUs, this.freeUs);
    const isLost = this.loseEvery > 0 && ++this.count % this.loseEvery === 0;
    if (startUs - this.nowUs > this.queueUs || isLost) {
      if (ssrc === VIDEO && !isOld) this.missing.set(sequence, 0);
      return;
    }
    this.freeUs = startUs + (bytes.length * 8_000_000) / this.capacityBps;
    const atUs = this.freeUs + DELAY_US;
    this.arrivals.set(number, atUs);
    this.waiting.push({
      atUs,
      run: () => {
        if (ssrc === SOUND) this.came.sound++;
        else this.missing.delete(sequence);
      },
    });
  }

  private numberOf(bytes: Buffer): number {
    const cursor = new RtpExtensionCursor().reset(this.parsed);
    while (cursor.advance()) if (cursor.id === TRANSPORT_CC) return bytes.readUInt16BE(cursor.start);
    return assert.fail('no transport number');
  }

  private picture(): void {
    const at = this.frames++;
    const isKey = at % GOP === 0;
    const bytes = feedFrame(0, isKey, at * 40_000, at * 3600, isKey ? PACKETS * 4 : PACKETS);
    pushAll(this.store, bytes, 0, bytes.length, this.nowUs);
  }

  private tell(): void {
    const came: number[] = [];
    let last = -1;
    // More of them were sent at once than one report can tell of.
    if (((this.lastNumber - this.told) & 0xffff) > MAX_TOLD)
      this.told = (this.lastNumber - MAX_TOLD) & 0xffff;
    for (let ahead = 0; ahead <= MAX_TOLD; ahead++) {
      const arrivalUs = this.arrivals.get((this.told + ahead) & 0xffff) ?? Number.NaN;
      came.push(arrivalUs <= this.nowUs ? arrivalUs : Number.NaN);
      if (arrivalUs <= this.nowUs) last = ahead;
    }
    if (last < 0) return;
    let first = 0;
    while (Number.isNaN(came[first])) first++;
    const from = (this.told + first) & 0xffff;
    const packet = serializeTransportFeedback(9, VIDEO, from, came.slice(first, last + 1), 0);
    for (let ahead = 0; ahead <= last; ahead++) this.arrivals.delete((this.told + ahead) & 0xffff);
    this.told = (this.told + last + 1) & 0xffff;
    if (packet !== null) this.session.onRtcp(packet, this.nowUs);
    const sequences = [...this.missing]
      .filter(([, askedUs]) => this.nowUs - askedUs > 100_000)
      .map(([sequence]) => sequence)
      .slice(0, 200);
    for (const sequence of sequences) this.missing.set(sequence, this.nowUs);
    // More than that nobody waits for.
    if (this.missing.size > MAX_MISSING) this.missing.clear();
    if (sequences.length > 0)
      this.session.onRtcp(
        serializeRtcp([{ type: 'nack', ssrc: 9, mediaSsrc: VIDEO, sequences }]),
        this.nowUs,
      );
  }

  run(seconds: number): void {
    this.sent = { video: 0, again: 0, sound: 0, bytes: 0 };
    this.came = { sound: 0 };
    this.sound = { made: 0 };
    for (let i = 0; i < (seconds * 1_000_000) / STEP_US; i++) {
      this.nowUs += STEP_US;
      this.steps++;
      if (this.steps % FRAME_STEPS === 0) this.picture();
      if (this.steps % SOUND_STEPS === 0) {
        const at = this.frames * 40_000 + (this.steps % FRAME_STEPS) * STEP_US;
        const bytes = feedFrame(1, false, at, this.steps * 240, 1);
        this.sound.made++;
        pushAll(this.store, bytes, 0, bytes.length, this.nowUs);
      }
      this.session.tick(this.nowUs);
      if (this.steps % TELL_STEPS === 0) this.tell();
      const due = this.waiting.filter(({ atUs }) => atUs <= this.nowUs);
      this.waiting = this.waiting.filter(({ atUs }) => atUs > this.nowUs);
      for (const { run } of due) run();
    }
  }

  /** Of the sound that was made, what came. */
  get heard(): number {
    return this.came.sound / this.sound.made;
  }

  get numbers(): string {
    const { sent, heard, estimator } = this;
    return JSON.stringify({
      ...sent,
      heard,
      kbps: Math.round(estimator.bitrateBps / 1000),
      full: estimator.isFull,
    });
  }
}

test('what fits is all sent, and held back by nothing', () => {
  const world = new World(5_000_000);
  // The GOP at the beginning may be more than a queue holds.
  world.run(5);
  world.run(20);
  assert.equal(world.estimator.isFull, false, world.numbers);
  assert.ok(world.heard > 0.99, world.numbers);
  assert.equal(world.sent.again, 0);
  assert.ok(world.sent.video > 20 * 25 * PACKETS, world.numbers);
});

test('some loss by the way is sent again, and the way does not count as full', () => {
  const world = new World(5_000_000);
  world.loseEvery = 20;
  world.run(5);
  world.run(20);
  assert.equal(world.estimator.isFull, false, world.numbers);
  assert.ok(
    world.sent.again > world.sent.video / 25 && world.sent.again < world.sent.video / 10,
    world.numbers,
  );
});

test('a way that loses every ninth packet and has no queue is no full one', () => {
  const world = new World(20_000_000);
  world.loseEvery = 9;
  world.run(5);
  world.run(30);
  assert.equal(world.session.statistics().isHeldBack, false, world.numbers);
  assert.ok(world.sent.video > 29 * 25 * PACKETS, world.numbers);
});

test('a way without a queue that loses half of it is full', () => {
  const world = new World(600_000);
  world.queueUs = 20_000;
  world.run(5);
  world.run(30);
  assert.equal(world.session.statistics().isHeldBack, true, world.numbers);
  assert.ok(world.heard > 0.7, world.numbers);
});

test('a way that carries two thirds: the sound comes, little is sent again, and less is sent than comes in', () => {
  const world = new World(700_000);
  world.run(3);
  world.run(30);
  assert.equal(world.session.statistics().isHeldBack, true, world.numbers);
  assert.ok(world.heard > 0.9 && world.heard <= 1, world.numbers);
  assert.ok(world.sent.again < world.sent.video / 3, world.numbers);
  const kbps = (world.sent.bytes * 8) / 30_000;
  assert.ok(kbps > 400 && kbps < 800, `${kbps} kbit/s ${world.numbers}`);
});

test('a way that becomes wide again carries all of it within some seconds', () => {
  const world = new World(500_000);
  world.run(20);
  world.capacityBps = 5_000_000;
  world.run(15);
  world.run(10);
  assert.equal(world.estimator.isFull, false, world.numbers);
  assert.ok(world.sent.video > 10 * 25 * PACKETS, world.numbers);
  assert.ok(world.heard > 0.99, world.numbers);
});
