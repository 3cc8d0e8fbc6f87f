/**
 * The video payload formats against broken packets: real ones with flipped, cut, repeated, lost and mixed up bytes.
 * Nothing throws, nothing is changed, and what comes out is canonical and bounded; packetizers survive any frame.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { av1TemporalUnitSize } from '../../src/codec/av1.ts';
import { NalCursor } from '../../src/codec/nal-unit.ts';
import { AV1_PAYLOAD } from '../../src/wire/rtp/payload-av1.ts';
import type { RtpPayloadFormat } from '../../src/wire/rtp/payload-format.ts';
import { H264_PAYLOAD } from '../../src/wire/rtp/payload-h264.ts';
import { H265_PAYLOAD } from '../../src/wire/rtp/payload-h265.ts';
import { MJPEG_PAYLOAD } from '../../src/wire/rtp/payload-mjpeg.ts';
import { VP8_PAYLOAD } from '../../src/wire/rtp/payload-vp8.ts';
import { VP9_PAYLOAD } from '../../src/wire/rtp/payload-vp9.ts';
import { MAX_UNIT_BYTES } from '../../src/wire/rtp/unit-buffer.ts';
import { Random, runFor } from '../support/fuzz.ts';
import { captures, configOf, mappingOf, piecesOf } from '../unit/wire/rtp/video-rig.ts';

function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  // Headers are worth more blows than payloads.
  const reach = random.below(3) === 0 ? copy.length : Math.min(copy.length, 12);
  for (let i = random.below(4); i >= 0 && reach > 0; i--) copy[random.below(reach)] = random.below(256);
  if (random.below(8) === 0)
    copy.set([0, 0, 0, 1].slice(0, copy.length), random.below(Math.max(1, copy.length - 4)));
  return random.below(4) === 0 ? copy.subarray(0, random.below(copy.length + 1)) : copy;
}

const FORMATS: readonly RtpPayloadFormat[] = [
  H264_PAYLOAD,
  H265_PAYLOAD,
  AV1_PAYLOAD,
  VP8_PAYLOAD,
  VP9_PAYLOAD,
  MJPEG_PAYLOAD,
];

function checkUnit(format: RtpPayloadFormat, payload: Uint8Array): void {
  assert.ok(payload.length > 0 && payload.length <= MAX_UNIT_BYTES);
  if (format === H264_PAYLOAD || format === H265_PAYLOAD) {
    const cursor = new NalCursor().reset(payload, 4);
    let nals = 0;
    while (cursor.advance()) nals++;
    assert.ok(!cursor.damaged && nals > 0);
  } else if (format === AV1_PAYLOAD) assert.equal(av1TemporalUnitSize(payload), payload.length);
  else if (format === MJPEG_PAYLOAD) {
    assert.deepEqual([...payload.subarray(0, 2), ...payload.subarray(-2)], [0xff, 0xd8, 0xff, 0xd9]);
  }
}

for (const format of FORMATS) {
  const own = captures.filter(({ codec }) => codec === format.codec).flatMap(piecesOf);
  const foreign = captures.flatMap(piecesOf);

  test(`fuzz: ${format.codec} from packets`, () => {
    const random = new Random(7);
    let units = 0;
    const output = {
      unit(payload: Uint8Array, timestamp: number): void {
        checkUnit(format, payload);
        assert.ok(timestamp >= 0 && timestamp <= 0xffff_ffff);
        units++;
      },
    };
    const fmtp = { 'sprop-max-don-diff': '2' };
    let depacketizer = format.depacketizer(mappingOf(format));
    let at = 0;
    runFor(() => {
      for (let i = 0; i < 100; i++) {
        if (random.below(500) === 0) {
          depacketizer = format.depacketizer(mappingOf(format, random.below(2) === 0 ? fmtp : {}));
        }
        at = random.below(20) === 0 ? random.below(own.length) : (at + 1) % own.length;
        const piece = random.below(50) === 0 ? foreign[random.below(foreign.length)]! : own[at]!;
        const payload = random.below(3) === 0 ? mutate(random, piece.payload) : piece.payload;
        const before = Buffer.from(payload);
        const marker = random.below(20) === 0 ? !piece.marker : piece.marker;
        const timestamp = random.below(20) === 0 ? random.below(0x1_0000_0000) : (piece.timestamp ?? 0);
        depacketizer.push(payload, timestamp, marker, random.below(20) === 0, output);
        assert.equal(Buffer.compare(before, payload), 0, 'the input is not changed');
        if (random.below(1000) === 0) depacketizer.flush(output);
      }
    });
    assert.ok(units > 100);
    assert.ok(depacketizer.damaged >= 0);
  });

  test(`fuzz: ${format.codec} to packets`, () => {
    const random = new Random(9);
    const frames: Uint8Array[] = [];
    const depacketizer = format.depacketizer(mappingOf(format));
    const keep = { unit: (payload: Uint8Array): number => frames.push(Uint8Array.from(payload)) };
    for (const { payload, timestamp = 0, marker } of own)
      depacketizer.push(payload, timestamp, marker, false, keep);
    const config = configOf(format.codec);
    const room = new Uint8Array(2000);
    let packets = 0;
    const target = {
      bytes: room,
      begin(size: number): number {
        assert.ok(size > 0 && size <= limit);
        packets++;
        return 0;
      },
    };
    let limit = 1200;
    runFor(() => {
      limit = 200 + random.below(1200);
      const packetizer = format.packetizer(config, limit);
      const frame = mutate(random, frames[random.below(frames.length)]!);
      const before = Buffer.from(frame);
      packetizer.packetize(frame, random.below(32), config, target);
      assert.equal(Buffer.compare(before, frame), 0, 'the input is not changed');
    });
    assert.ok(packets > 100);
  });
}
