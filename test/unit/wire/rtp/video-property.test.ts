/** Whatever frame and packet size: what is cut into packets comes out the same, in packets that fit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildJpegHeader } from '../../../../src/wire/rtp/jpeg-picture.ts';
import { AV1_PAYLOAD } from '../../../../src/wire/rtp/payload-av1.ts';
import type { RtpPayloadFormat } from '../../../../src/wire/rtp/payload-format.ts';
import { H264_PAYLOAD } from '../../../../src/wire/rtp/payload-h264.ts';
import { H265_PAYLOAD } from '../../../../src/wire/rtp/payload-h265.ts';
import { MJPEG_PAYLOAD } from '../../../../src/wire/rtp/payload-mjpeg.ts';
import { VP8_PAYLOAD } from '../../../../src/wire/rtp/payload-vp8.ts';
import { VP9_PAYLOAD } from '../../../../src/wire/rtp/payload-vp9.ts';
import { Random } from '../../../support/fuzz.ts';
import {
  CollectingTarget,
  concat,
  configOf,
  filler,
  mappingOf,
  nals,
  type Piece,
  pushAll,
} from './video-rig.ts';

const RUNS = process.env['SLUICE_TEST_ALL'] === '1' ? 150 : 50;

/** Small ones often. */
function size(random: Random): number {
  return 1 + random.below([12, 200, 3000, 20_000][random.below(4)]!);
}

/** Canonical frames: `header` makes the first bytes of a NAL unit that is a slice, or is none. */
function nalUnits(
  random: Random,
  header: (isFirst: boolean, isSlice: boolean) => readonly number[],
): Uint8Array {
  const before = Array.from({ length: random.below(5) }, () => header(false, false));
  const slices = Array.from({ length: 1 + random.below(40) }, (_, i) => header(i === 0, true));
  return nals(
    ...[...before, ...slices].map((head) =>
      concat(Uint8Array.from(head), filler(size(random), random.below(250))),
    ),
  );
}

function leb128(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >> 7)];
}

const FRAMES: readonly { format: RtpPayloadFormat; frame: (random: Random) => Uint8Array }[] = [
  {
    format: H264_PAYLOAD,
    frame: (random) =>
      nalUnits(random, (isFirst, isSlice) =>
        isSlice ? [0x41, isFirst ? 0x9a : 0x1a] : [[0x67, 0x68, 0x06][random.below(3)]!],
      ),
  },
  {
    format: H265_PAYLOAD,
    frame: (random) =>
      nalUnits(random, (isFirst, isSlice) =>
        isSlice ? [0x02, 1, isFirst ? 0x9a : 0x1a] : [[0x40, 0x42, 0x44, 0x4e][random.below(4)]!, 1],
      ),
  },
  {
    format: AV1_PAYLOAD,
    frame: (random) =>
      concat(
        ...Array.from({ length: 1 + random.below(12) }, () => {
          const body = filler(random.below(3) === 0 ? 0 : size(random), random.below(250));
          const head = random.below(3) === 0 ? [0x36, 0x28] : [[0x0a, 0x2a, 0x32][random.below(3)]!];
          return concat(Uint8Array.from([...head, ...leb128(body.length)]), body);
        }),
      ),
  },
  { format: VP8_PAYLOAD, frame: (random) => filler(size(random)) },
  { format: VP9_PAYLOAD, frame: (random) => filler(size(random)) },
  {
    format: MJPEG_PAYLOAD,
    frame: (random) => {
      const tables = { precision: 0, values: filler(128, random.below(250)) };
      const width = 8 * (1 + random.below(255));
      const height = 8 * (1 + random.below(255));
      const head = buildJpegHeader(
        random.below(2),
        width,
        height,
        random.below(2) * random.below(65_536),
        tables,
      );
      return concat(head, filler(size(random)), Uint8Array.of(0xff, 0xd9));
    },
  },
];

for (const { format, frame } of FRAMES) {
  test(`${format.codec}: frames in packets and back`, () => {
    const random = new Random(0x51ce + format.codec.length);
    const config = configOf(format.codec);
    for (let run = 0; run < RUNS; run++) {
      const least = format === MJPEG_PAYLOAD ? 200 : 64;
      const maxPayload = least + random.below([40, 1400, 60_000][random.below(3)]!);
      const packetizer = format.packetizer(config, maxPayload);
      const frames = Array.from({ length: 3 }, () => frame(random));
      const flags = random.below(2) * 5;
      const pieces: Piece[] = [];
      frames.forEach((payload, i) => {
        const target = new CollectingTarget();
        packetizer.packetize(payload, flags, config, target);
        const ofFrame = target.pieces();
        assert.ok(ofFrame.every((piece) => piece.payload.length <= maxPayload));
        assert.equal(
          ofFrame.findIndex(({ marker }) => marker),
          ofFrame.length - 1,
        );
        pieces.push(...ofFrame.map((piece) => ({ ...piece, timestamp: i * 3000 })));
      });
      const { units, damaged } = pushAll(format.depacketizer(mappingOf(format)), pieces);
      assert.deepEqual([units.length, damaged], [3, 0]);
      units.forEach(({ payload, timestamp, isDamaged }, i) => {
        assert.equal(Buffer.compare(payload, frames[i]!), 0);
        assert.deepEqual([timestamp, isDamaged], [i * 3000, false]);
      });
    }
  });

  test(`${format.codec}: packets that no payload fits into are a fault of ours`, () => {
    assert.throws(() => format.packetizer(configOf(format.codec), 63), /packets of 63 bytes/);
  });
}
