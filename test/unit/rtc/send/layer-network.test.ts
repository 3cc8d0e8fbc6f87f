/** A player of simulcast behind a network that carries more or less: estimate, choice and sending together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BandwidthEstimator } from '../../../../src/rtc/send/bandwidth-estimator.ts';
import { FeedStore } from '../../../../src/rtc/send/feed-store.ts';
import { SendSession } from '../../../../src/rtc/send/send-session.ts';
import { RtpExtensionCursor, RtpPacket } from '../../../../src/wire/rtp/rtp-packet.ts';
import { serializeTransportFeedback } from '../../../../src/wire/rtp/transport-feedback.ts';
import { makeMedia, TRANSPORT_CC, withTransportCc } from '../rtc-media.ts';
import { feedFrame, pushAll } from './feed-frames.ts';

const STEP_US = 5000;
const STEPS_PER_FRAME = 8;
const STEPS_PER_FEEDBACK = 10;
const DELAY_US = 20_000;
const MAX_QUEUE_US = 300_000;
/** Packets of 116 bytes in a picture; 25 pictures a second: about 1800, 600 and 150 kbit/s. */
const PACKETS = [70, 24, 6];

/** Sizes of one publisher, a session, and a bottleneck that drops what its queue does not hold. */
class World {
  nowUs = 1_000_000;
  capacityBps: number;
  readonly stores = PACKETS.map(() => {
    const store = new FeedStore(() => undefined);
    store.setTracks([90_000], 1);
    return store;
  });
  readonly estimator = new BandwidthEstimator();
  readonly session: SendSession;
  /** Steps that were spent on each layer. */
  time = [0, 0, 0];
  changes = 0;
  private readonly parsed = new RtpPacket();
  private readonly arrivals = new Map<number, number>();
  private told = -1;
  private freeUs = 0;
  private frames = 0;
  private steps = 0;
  private layer = -1;

  constructor(capacityBps: number) {
    this.capacityBps = capacityBps;
    this.session = new SendSession(
      [withTransportCc(makeMedia())],
      'cname',
      this.stores[0]!,
      {
        sendRtp: (header, length, payload) =>
          this.carry(Buffer.concat([header.subarray(0, length), payload])),
        sendRtcp: () => undefined,
      },
      this.estimator,
      { stores: this.stores, wish: -1 },
    );
    for (let i = 0; i < 75; i++) this.picture();
    this.session.start(this.nowUs);
  }

  private carry(bytes: Buffer): void {
    assert.ok(this.parsed.parse(bytes));
    const cursor = new RtpExtensionCursor().reset(this.parsed);
    while (cursor.advance()) {
      if (cursor.id !== TRANSPORT_CC) continue;
      const number = bytes.readUInt16BE(cursor.start);
      if (this.told < 0) this.told = number;
      const startUs = Math.max(this.nowUs, this.freeUs);
      if (startUs - this.nowUs > MAX_QUEUE_US) continue;
      this.freeUs = startUs + (bytes.length * 8_000_000) / this.capacityBps;
      this.arrivals.set(number, this.freeUs + DELAY_US);
    }
  }

  private picture(): void {
    const at = this.frames++;
    for (const [layer, packets] of PACKETS.entries()) {
      const bytes = feedFrame(0, at % 50 === 0, at * 40_000, at * 3600, packets);
      pushAll(this.stores[layer]!, bytes, 0, bytes.length, this.nowUs);
    }
    if (this.frames <= 75) this.nowUs += 40_000;
  }

  private tell(): void {
    const came: number[] = [];
    let [next, last] = [this.told, -1];
    for (let ahead = 0; ahead < 400; ahead++) {
      const arrivalUs = this.arrivals.get((next + ahead) & 0xffff);
      const hasCome = arrivalUs !== undefined && arrivalUs <= this.nowUs;
      came.push(hasCome ? arrivalUs : Number.NaN);
      if (hasCome) last = ahead;
    }
    if (last < 0) return;
    while (Number.isNaN(came[0])) {
      came.shift();
      next = (next + 1) & 0xffff;
      last--;
    }
    const packet = serializeTransportFeedback(9, 0x1111, next, came.slice(0, last + 1), 0);
    for (let ahead = 0; ahead <= last; ahead++) this.arrivals.delete((next + ahead) & 0xffff);
    this.told = (next + last + 1) & 0xffff;
    if (packet !== null) this.session.onRtcp(packet, this.nowUs);
  }

  run(seconds: number): void {
    this.time = [0, 0, 0];
    this.changes = 0;
    for (let i = 0; i < (seconds * 1_000_000) / STEP_US; i++) {
      this.nowUs += STEP_US;
      this.steps++;
      if (this.steps % STEPS_PER_FRAME === 0) this.picture();
      this.session.tick(this.nowUs);
      if (this.steps % STEPS_PER_FEEDBACK === 0) this.tell();
      const { layer } = this.session.statistics();
      if (layer !== this.layer) this.changes++;
      this.layer = layer;
      this.time[layer]!++;
    }
  }

  share(layer: number): number {
    return this.time[layer]! / this.time.reduce((sum, one) => sum + one);
  }

  get numbers(): string {
    return `${this.time.join('/')} steps, ${this.changes} changes, ${Math.round(this.estimator.bitrateBps / 1000)} kbit/s`;
  }
}

test('a way that carries the largest shows it, and nothing else', () => {
  const world = new World(5_000_000);
  world.run(30);
  assert.equal(world.share(0), 1, world.numbers);
});

test('a way that becomes narrow is left to a smaller layer within two seconds, and stays mostly free of tries', () => {
  const world = new World(5_000_000);
  world.run(5);
  world.capacityBps = 1_000_000;
  world.run(2);
  assert.ok(world.time[0]! < 400, world.numbers);
  world.run(60);
  assert.ok(world.share(0) < 0.15, world.numbers);
  assert.ok(world.share(1) > 0.4, world.numbers);
  assert.ok(world.changes < 20, world.numbers);
});

test('a way that becomes wide again is used again', () => {
  const world = new World(300_000);
  world.run(20);
  assert.ok(world.share(2) > 0.5, world.numbers);
  world.capacityBps = 5_000_000;
  world.run(90);
  world.run(30);
  assert.ok(world.share(0) > 0.9, world.numbers);
});
