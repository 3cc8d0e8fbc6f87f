/** One run of the program: the times it is told, when it is asked for key frames, and what it does not get. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import { FRAME_KEY, Frame } from '../../../../src/media/frame.ts';
import { PictureEncoder } from '../../../../src/service/transcode/picture-encoder.ts';

const CONFIG = makeCodecConfig('h265', new Uint8Array(0), 'hvc1', { width: 640, height: 360, frameRate: 25 });
const STEP_US = 40_000;
const LEAD_US = 10_000_000;
const VP8_KEY = Buffer.from('9d012a', 'hex');

function frame(ptsUs: number, isKey = false): Frame {
  return new Frame(0, isKey ? FRAME_KEY : 0, ptsUs, ptsUs, 0, Buffer.from([1, 2, 3]), CONFIG, 0, ptsUs + 0.5);
}

/** A VP8 frame in IVF with a time in milliseconds. */
function ivf(ms: number, isKey: boolean): Buffer {
  const payload = Buffer.concat([
    Buffer.from([isKey ? 0 : 1, 0, 0]),
    VP8_KEY,
    Buffer.from([0x80, 0x02, 0x68, 0x01]),
  ]);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(ms, 4);
  return Buffer.concat([head, payload]);
}

const IVF_HEADER = Buffer.from(
  '444b494600002000565038308002680' + '1e8030000010000000000000000000000',
  'hex',
);

class Rig {
  readonly told: { us: number; isKey: boolean }[] = [];
  readonly out: { flags: number; ptsUs: number; captureUs: number; width: number }[] = [];
  slow = 0;
  waitingBytes = 0;
  readonly encoder: PictureEncoder;

  constructor(target: 'h264' | 'vp8', firstUs = 0) {
    let isHeader = true;
    this.encoder = new PictureEncoder(
      {
        write: (head) => {
          if (!isHeader)
            this.told.push({
              us: Number(Buffer.from(head).readBigUInt64BE(14)),
              isKey: head.at(-1) === 0x80,
            });
          isHeader = false;
        },
        get waitingBytes() {
          return rig.waitingBytes;
        },
      },
      target,
      CONFIG,
      25,
      firstUs,
      (flags, ptsUs, captureUs, _payload, config) =>
        this.out.push({ flags, ptsUs, captureUs, width: config.width }),
      () => this.slow++,
    );
    const rig = this;
    if (target === 'vp8') this.encoder.receive(IVF_HEADER, 0);
  }

  /** Which of the pictures that were told are to become key frames, by their number. */
  marks(tickUs: number): number[] {
    return this.told.flatMap(({ us }, i) => ((us / tickUs) % 2 === 1 ? [i] : []));
  }
}

test('times are even, but for those that are to be key frames: every two seconds', () => {
  const rig = new Rig('h264', 1_000_001);
  for (let i = 0; i < 120; i++) rig.encoder.push(frame(1_000_001 + i * STEP_US + (i % 3), i === 0), i);
  // Picture 100 comes a microsecond too early.
  assert.deepEqual(rig.marks(1), [50, 101]);
  assert.ok(rig.told.every(({ us }, i) => Math.abs(us - LEAD_US - i * STEP_US - (i % 3)) <= 2));
  assert.equal(rig.told[0]?.isKey, true);
  assert.equal(rig.told[1]?.isKey, false);
});

test('VP8 has ticks of a millisecond', () => {
  const rig = new Rig('vp8');
  for (let i = 0; i < 60; i++) rig.encoder.push(frame(i * 33_333, i === 0), i);
  assert.ok(rig.told.every(({ us }) => us % 1000 === 0));
  assert.deepEqual(rig.marks(1000), []);
  rig.encoder.push(frame(2_000_000), 60);
  assert.deepEqual(rig.marks(1000), [60]);
});

test('a key frame that is asked for comes at once, but not twice within half a second', () => {
  const rig = new Rig('h264');
  for (let i = 0; i < 40; i++) {
    if (i === 5 || i === 20 || i === 22) rig.encoder.wantKey();
    rig.encoder.push(frame(i * STEP_US, i === 0), i);
  }
  assert.deepEqual(rig.marks(1), [13, 26]);
});

test('what is decoded only is waited for by nobody, and the first that is encoded is not marked', () => {
  const rig = new Rig('h264');
  for (let i = 0; i < 80; i++) rig.encoder.push(frame(i * STEP_US, i === 0), i, i < 70);
  assert.equal(rig.encoder.waiting, 10);
  assert.deepEqual(rig.marks(1), []);
  const from = PictureEncoder.toldTime(70 * STEP_US, 0, 'h264');
  assert.equal(from, rig.told[70]?.us);
});

test('what comes out has the time and the capture time of what went in', () => {
  const rig = new Rig('vp8');
  for (const us of [7, 133_340, 66_673]) rig.encoder.push(frame(us, us === 7), 0);
  rig.encoder.receive(ivf(10_000, true), 0);
  rig.encoder.receive(ivf(10_066, false), 0);
  rig.encoder.receive(ivf(10_100, false), 0);
  rig.encoder.receive(ivf(10_134, false), 0);
  assert.deepEqual(rig.out, [
    { flags: FRAME_KEY, ptsUs: 7, captureUs: 7.5, width: 640 },
    { flags: 0, ptsUs: 66_673, captureUs: 66_673.5, width: 640 },
    { flags: 0, ptsUs: 133_340, captureUs: 133_340.5, width: 640 },
  ]);
  assert.equal(rig.encoder.pictures, 3);
});

test('a program that is too slow gets nothing until a key frame finds it ready, and that is told', () => {
  const rig = new Rig('vp8');
  const push = (i: number, isKey = false) => rig.encoder.push(frame(i * STEP_US, isKey), i * STEP_US);
  push(0, true);
  rig.encoder.receive(ivf(10_000, true), 0);
  for (let i = 1; i <= 100; i++) push(i);
  // Two seconds and what a decoder keeps.
  assert.equal(rig.told.length, 1 + 67);
  assert.equal(rig.encoder.dropped, 33);
  assert.equal(rig.slow, 1);
  push(101, true);
  assert.equal(rig.encoder.dropped, 34, 'it is still behind');
  rig.encoder.receive(ivf(10_000 + 67 * 40, false), 101 * STEP_US);
  push(102);
  assert.equal(rig.encoder.dropped, 35, 'no key frame');
  push(103, true);
  assert.equal(rig.encoder.dropped, 35);
  assert.equal(rig.told.at(-1)?.us, LEAD_US + 103 * STEP_US + (rig.marks(1000).includes(68) ? 1000 : 0));
});

test('pictures that a resting program never gave do not keep it out', () => {
  const rig = new Rig('vp8');
  rig.encoder.push(frame(0, true), 0);
  rig.encoder.receive(ivf(10_000, true), 0);
  for (let i = 1; i <= 70; i++) rig.encoder.push(frame(i * STEP_US), i * STEP_US);
  const { dropped } = rig.encoder;
  assert.ok(dropped > 0);
  rig.encoder.push(frame(200 * STEP_US, true), 200 * STEP_US);
  assert.equal(rig.encoder.dropped, dropped);
  assert.equal(rig.encoder.waiting, 1);
});

test('bytes that it does not take have a bound, also before its first picture', () => {
  const rig = new Rig('h264');
  rig.waitingBytes = 33 * 1024 * 1024;
  rig.encoder.push(frame(0, true), 0);
  rig.encoder.push(frame(STEP_US, true), 0);
  assert.deepEqual([rig.told.length, rig.encoder.dropped, rig.slow], [0, 2, 1]);
  rig.waitingBytes = 0;
  rig.encoder.push(frame(2 * STEP_US, true), 0);
  assert.equal(rig.told.length, 1);
});

test('silence counts while pictures go in and none come out', () => {
  const rig = new Rig('vp8');
  const second = 1_000_000;
  assert.equal(rig.encoder.silentUs(second), 0);
  rig.encoder.push(frame(0, true), second);
  rig.encoder.push(frame(STEP_US), 5 * second);
  assert.equal(rig.encoder.silentUs(6 * second), 5 * second);
  assert.equal(rig.encoder.silentUs(8 * second), 0, 'it gets nothing itself');
  rig.encoder.receive(ivf(10_000, true), 8 * second);
  rig.encoder.push(frame(2 * STEP_US), 9 * second);
  assert.equal(rig.encoder.silentUs(9.5 * second), 0.5 * second);
});
