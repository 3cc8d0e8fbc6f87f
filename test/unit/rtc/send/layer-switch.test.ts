/** Players of simulcast: what they see on the wire while their layer changes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BandwidthEstimator } from '../../../../src/rtc/send/bandwidth-estimator.ts';
import { FeedStore } from '../../../../src/rtc/send/feed-store.ts';
import { SendSession } from '../../../../src/rtc/send/send-session.ts';
import { parseRtcp, serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';
import { RtpPacket } from '../../../../src/wire/rtp/rtp-packet.ts';
import { makeMedia, makeSound } from '../rtc-media.ts';
import { feedFrame, feedReport, pushAll } from './feed-frames.ts';

const VIDEO_SSRC = 0x1111;
const AUDIO_SSRC = 0x3333;
const FRAME_US = 40_000;
const FRAME_TICKS = 3600;
const AUTO = -1;

class FixedEstimator extends BandwidthEstimator {
  override get isUnproven(): boolean {
    return false;
  }
}

/** A stream in three sizes; the packets of each are filled with its number, and times of each begin elsewhere. */
class World {
  nowUs = 1_000_000;
  readonly estimator = new FixedEstimator();
  readonly keysAsked = [0, 0, 0];
  readonly stores = [0, 1, 2].map((layer) => {
    const store = new FeedStore(() => {
      this.keysAsked[layer]!++;
    });
    store.setTracks([90_000, 48_000], 1);
    store.canRequestKey = true;
    return store;
  });
  readonly packets: { ssrc: number; sequence: number; time: number; layer: number; isKey: boolean }[] = [];
  readonly control: Uint8Array[] = [];
  readonly session: SendSession;
  private readonly parsed = new RtpPacket();
  /** Number of the next picture. */
  next = 0;

  constructor(wish = AUTO, stores: readonly (FeedStore | null)[] = this.stores) {
    const sound = makeSound(AUDIO_SSRC);
    this.session = new SendSession(
      [makeMedia(), sound],
      'cname',
      this.stores[0]!,
      {
        sendRtp: (header, length, payload) => this.take(Buffer.concat([header.subarray(0, length), payload])),
        sendRtcp: (compound) => this.control.push(Uint8Array.from(compound)),
      },
      this.estimator,
      { stores, wish },
    );
  }

  private take(bytes: Buffer): void {
    const { parsed } = this;
    assert.ok(parsed.parse(bytes));
    const { ssrc, sequence, timestamp: time, payloadStart } = parsed;
    this.packets.push({
      ssrc,
      sequence,
      time,
      layer: bytes[payloadStart]! >> 4,
      isKey: (bytes[payloadStart]! & 1) === 1,
    });
  }

  /** The next picture of each size, a moment apart, and sound with the first. */
  pictures(keys: readonly number[] = [], only: readonly number[] = [0, 1, 2]): void {
    const at = this.next++;
    this.nowUs += FRAME_US;
    for (const layer of [2, 1, 0]) {
      if (only.includes(layer)) {
        const isKey = keys.includes(layer);
        const size = [20, 7, 2][layer]!;
        const time = 1_000_000 * (layer + 1) + at * FRAME_TICKS;
        const fill = layer * 16 + Number(isKey);
        this.push(layer, feedFrame(0, isKey, at * FRAME_US, time, size, fill), layer * 1000);
      }
      // The sound belongs to all of them.
      this.push(layer, feedFrame(1, false, at * FRAME_US, at * 1920, 1, layer * 16));
    }
    this.session.tick(this.nowUs);
  }

  private push(layer: number, bytes: Buffer, earlierUs = 0): void {
    pushAll(this.stores[layer]!, bytes, 0, bytes.length, this.nowUs - earlierUs);
  }

  reports(): void {
    for (const store of this.stores)
      for (const track of [0, 1]) {
        const bytes = feedReport(track, 0);
        pushAll(store, bytes, 0, bytes.length, this.nowUs);
      }
  }

  seconds(count: number, keyEvery = 50): void {
    for (let i = 0; i < count * 25; i++) this.pictures(i % keyEvery === 0 ? [0, 1, 2] : []);
  }

  get videos() {
    return this.packets.filter(({ ssrc }) => ssrc === VIDEO_SSRC);
  }

  /** Layer of the latest picture. */
  get seen(): number {
    return this.videos.at(-1)!.layer;
  }

  /** One stream for the player: numbers go on, times go on, and a layer begins with a key frame. */
  assertSeamless(): void {
    const { videos } = this;
    for (const [at, packet] of videos.entries()) {
      const before = videos[at - 1];
      if (before === undefined) continue;
      assert.equal(packet.sequence, (before.sequence + 1) & 0xffff, `number of packet ${at}`);
      const step = (packet.time - before.time) | 0;
      assert.ok(step >= 0 && step <= 5 * FRAME_TICKS, `step of ${step} ticks before packet ${at}`);
      if (packet.layer === before.layer) continue;
      assert.ok(packet.isKey, `layer ${packet.layer} begins with a key frame`);
      assert.ok(step > 0, 'which is another picture');
    }
    const sounds = this.packets.filter(({ ssrc }) => ssrc === AUDIO_SSRC);
    for (let at = 1; at < sounds.length; at++) {
      assert.equal(sounds[at]!.sequence, (sounds[at - 1]!.sequence + 1) & 0xffff);
      assert.equal((sounds[at]!.time - sounds[at - 1]!.time) | 0, 1920, 'sound knows nothing of layers');
    }
    assert.ok(sounds.every(({ layer }) => layer === 0));
  }
}

test('the best that fits begins; down at once from what is held, up at a key frame after a while', () => {
  const world = new World();
  world.seconds(3);
  world.session.start(world.nowUs);
  assert.equal(world.seen, 0);
  assert.equal(world.session.statistics().layer, 0);
  world.seconds(1);
  world.estimator.bitrateBps = 60_000;
  world.pictures();
  world.pictures();
  assert.equal(world.seen, 2, 'without a key frame in between');
  assert.equal(world.session.statistics().layer, 2);
  world.estimator.bitrateBps = 5_000_000;
  world.seconds(4);
  assert.equal(world.seen, 2);
  for (let i = 0; i < 100; i++) world.pictures();
  assert.equal(world.seen, 2, 'it waits for a key frame');
  assert.equal(world.session.statistics().layer, 2);
  world.pictures([0]);
  assert.equal(world.seen, 0);
  world.seconds(2);
  world.assertSeamless();
  assert.deepEqual([...new Set(world.videos.map(({ layer }) => layer))], [0, 2]);
});

test('the publisher is asked for the key frame of a better layer only when none comes by itself', () => {
  const world = new World();
  world.estimator.bitrateBps = 60_000;
  world.seconds(3);
  world.session.start(world.nowUs);
  assert.equal(world.seen, 2);
  world.estimator.bitrateBps = 5_000_000;
  const before = world.keysAsked[0]!;
  for (let i = 0; i < 25 * 4; i++) world.pictures();
  assert.equal(world.keysAsked[0], before, 'two seconds of proof, and two of patience');
  for (let i = 0; i < 25 * 3; i++) world.pictures();
  assert.equal(world.keysAsked[0], before + 1);
  for (let i = 0; i < 25 * 2; i++) world.pictures();
  assert.equal(world.keysAsked[0], before + 2, 'and again after a while');
});

test('a wish is asked for at once, and seen at the key frame', () => {
  const world = new World(2);
  world.seconds(3);
  world.session.start(world.nowUs);
  assert.equal(world.seen, 2);
  world.session.takeLayers({ stores: world.stores, wish: 1 }, world.nowUs);
  assert.equal(world.keysAsked[1], 1);
  world.pictures();
  assert.equal(world.seen, 2);
  world.pictures([1]);
  assert.equal(world.seen, 1);
  // Taken back before its key frame came.
  world.session.takeLayers({ stores: world.stores, wish: 0 }, world.nowUs);
  world.session.takeLayers({ stores: world.stores, wish: 1 }, world.nowUs);
  world.pictures([0]);
  assert.equal(world.seen, 1);
  world.assertSeamless();
});

test('a layer whose pictures stop, or that is gone, is left for another', () => {
  const world = new World();
  world.seconds(3);
  world.session.start(world.nowUs);
  for (let i = 0; i < 60; i++) world.pictures(i % 25 === 0 ? [1, 2] : [], [1, 2]);
  assert.equal(world.seen, 1);
  const [best, , small] = world.stores;
  world.session.takeLayers({ stores: [best!, null, small!], wish: AUTO }, world.nowUs);
  world.pictures();
  world.pictures();
  assert.equal(world.seen, 2);
  assert.equal(world.session.statistics().layer, 2);
  // Of a publisher that came back with one size.
  world.session.takeLayers({ stores: [best!], wish: AUTO }, world.nowUs);
  world.seconds(1);
  assert.equal(world.seen, 0);
});

test('a large picture that was being sent is finished first', () => {
  const world = new World();
  world.seconds(3);
  world.session.start(world.nowUs);
  world.seconds(1);
  const big = feedFrame(0, false, 1_000_000_000, 1_000_000 + 500 * FRAME_TICKS, 2000, 0);
  const whole = world.videos.length;
  pushAll(world.stores[0]!, big, 0, big.length, world.nowUs);
  const sent = world.videos.length - whole;
  assert.ok(sent > 0 && sent < 2000, `${sent} packets at once`);
  world.session.takeLayers({ stores: world.stores, wish: 2 }, world.nowUs);
  assert.equal(world.videos.filter(({ layer }) => layer === 0).length, whole + 2000);
});

test('reports of the picture are those of the layer that is seen, on the clock of the player', () => {
  const world = new World();
  world.reports();
  world.seconds(3);
  world.session.start(world.nowUs);
  world.seconds(1);
  world.session.takeLayers({ stores: world.stores, wish: 2 }, world.nowUs);
  world.seconds(1);
  assert.equal(world.seen, 2);
  world.control.length = 0;
  world.seconds(2);
  // Where RTP time 0 of the layer is for the player; the feed said that it was at 1000 s.
  const zero = world.videos.at(-1)!.time - (3_000_000 + (world.next - 1) * FRAME_TICKS);
  const reports = world.control.flatMap((bytes) => parseRtcp(bytes));
  const video = reports.filter((one) => one.type === 'sr' && one.ssrc === VIDEO_SSRC);
  assert.ok(video.length > 0);
  for (const report of video) {
    assert.ok(report.type === 'sr');
    const passedS = report.ntpSeconds - 1000 + report.ntpFraction / 2 ** 32;
    const ticks = (report.rtpTime - zero) | 0;
    assert.ok(Math.abs(ticks - passedS * 90_000) < 2, `${ticks} ticks in ${passedS} s`);
  }
});

test('a player that asks for a picture gets it from the publisher of the layer that it sees', () => {
  const world = new World(1);
  world.seconds(3);
  world.session.start(world.nowUs);
  const pli = serializeRtcp([{ type: 'pli', ssrc: 9, mediaSsrc: VIDEO_SSRC }]);
  world.session.onRtcp(pli, world.nowUs);
  assert.deepEqual(world.keysAsked, [0, 1, 0]);
});

test('the stream itself begins with sound alone: another layer is seen, and the best one when it comes', () => {
  const world = new World(AUTO, [null, null, null]);
  const [best, , small] = world.stores;
  best!.setTracks([48_000], 0);
  const soundAlone = (isKey: boolean) => {
    const at = world.next;
    world.pictures(isKey ? [2] : [], [2]);
    // `pictures` writes the sound as the second track, which this feed has not.
    const bytes = feedFrame(0, false, at * FRAME_US, at * 1920, 1, 0);
    pushAll(best!, bytes, 0, bytes.length, world.nowUs);
  };
  world.session.start(world.nowUs);
  world.session.takeLayers({ stores: [null, null, small!], wish: AUTO }, world.nowUs);
  for (let i = 0; i < 50; i++) soundAlone(i === 0);
  assert.equal(world.seen, 2);
  const sounds = () => world.packets.filter(({ ssrc }) => ssrc === AUDIO_SSRC);
  assert.ok(sounds().length >= 45, `${sounds().length} packets of sound`);
  assert.ok(world.videos.every(({ layer }) => layer === 2));
  const heard = sounds().length;
  best!.setTracks([90_000, 48_000], 1);
  world.session.takeLayers({ stores: [best!, null, small!], wish: 0 }, world.nowUs);
  for (let i = 0; i < 100; i++) world.pictures(i % 25 === 0 ? [0, 2] : [], [0, 2]);
  assert.equal(world.seen, 0);
  assert.equal(sounds().length, heard + 100);
  world.assertSeamless();
});

test('before pictures of any layer come the sound is heard; a session that is closed is told nothing', () => {
  const world = new World(AUTO, [null, null, null]);
  world.session.start(world.nowUs);
  world.seconds(1);
  assert.ok(world.packets.length > 20);
  assert.equal(world.session.statistics().layer, -1);
  world.session.takeLayers({ stores: world.stores, wish: 2 }, world.nowUs);
  world.seconds(1);
  assert.equal(world.seen, 2);
  world.session.close();
  assert.deepEqual(
    world.stores.map(({ readerCount }) => readerCount),
    [0, 0, 0],
  );
  world.session.takeLayers({ stores: world.stores, wish: 0 }, world.nowUs);
  const { length } = world.packets;
  world.seconds(1);
  assert.equal(world.packets.length, length);
});
