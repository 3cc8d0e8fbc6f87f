/** The video payload formats against packets of FFmpeg and GStreamer (test/vectors/rtp/video/SOURCE.md). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { NalCursor } from '../../../../src/codec/nal-unit.ts';
import { JpegPicture } from '../../../../src/wire/rtp/jpeg-picture.ts';
import { AV1_PAYLOAD } from '../../../../src/wire/rtp/payload-av1.ts';
import type { RtpPayloadFormat } from '../../../../src/wire/rtp/payload-format.ts';
import { H264_PAYLOAD } from '../../../../src/wire/rtp/payload-h264.ts';
import { H265_PAYLOAD } from '../../../../src/wire/rtp/payload-h265.ts';
import { MJPEG_PAYLOAD } from '../../../../src/wire/rtp/payload-mjpeg.ts';
import { VP8_PAYLOAD } from '../../../../src/wire/rtp/payload-vp8.ts';
import { VP9_PAYLOAD } from '../../../../src/wire/rtp/payload-vp9.ts';
import { type Capture, captures, depacketize, nals, packetize, piecesOf } from './video-rig.ts';

const FORMATS = [H264_PAYLOAD, H265_PAYLOAD, AV1_PAYLOAD, VP8_PAYLOAD, VP9_PAYLOAD, MJPEG_PAYLOAD];

function formatOf(capture: Capture): RtpPayloadFormat {
  const format = FORMATS.find(({ codec }) => codec === capture.codec);
  assert.ok(format !== undefined);
  return format;
}

/** What the hashes are of: without parameter sets, which senders repeat as they like; of JPEG the scan. */
function hashed({ codec }: Capture, payload: Uint8Array): Uint8Array {
  if (codec === 'h264' || codec === 'h265') {
    const kept: Uint8Array[] = [];
    const cursor = new NalCursor().reset(payload, 4);
    while (cursor.advance()) {
      const header = payload[cursor.start]!;
      const type = codec === 'h264' ? header & 31 : (header >> 1) & 63;
      const isSet = codec === 'h264' ? type === 7 || type === 8 : type >= 32 && type <= 34;
      if (!isSet) kept.push(payload.subarray(cursor.start, cursor.end));
    }
    assert.equal(cursor.damaged, false);
    return nals(...kept);
  }
  if (codec !== 'mjpeg') return payload;
  const picture = new JpegPicture();
  assert.equal(picture.parse(payload), '');
  assert.deepEqual([picture.width, picture.height], [160, 96]);
  return payload.subarray(picture.scanStart, picture.scanEnd);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

for (const capture of captures) {
  test(`${capture.name}: packets become the frames that were sent`, () => {
    const { units, damaged } = depacketize(formatOf(capture), piecesOf(capture));
    assert.equal(damaged, 0);
    assert.deepEqual(
      units.map(({ payload }) => hashed(capture, payload).length),
      capture.sizes,
    );
    assert.deepEqual(
      units.map(({ payload }) => digest(hashed(capture, payload))),
      capture.frames,
    );
    assert.ok(units.every(({ isDamaged }) => !isDamaged));
  });

  test(`${capture.name}: without any marker the timestamps tell the same`, () => {
    const pieces = piecesOf(capture).map((piece) => ({ ...piece, marker: false }));
    const { units, damaged } = depacketize(formatOf(capture), pieces);
    assert.equal(damaged, 0);
    assert.deepEqual(
      units.map(({ payload }) => digest(hashed(capture, payload))),
      capture.frames,
    );
  });

  test(`${capture.name}: each packet lost in turn spoils at most the frames beside it, and never unnoticed`, () => {
    const format = formatOf(capture);
    const all = piecesOf(capture);
    const whole = new Set(capture.frames);
    for (let lost = 0; lost < all.length; lost++) {
      const pieces = all
        .map((piece, i) => ({ ...piece, isAfterLoss: lost > 0 && i === lost + 1 }))
        .filter((_, i) => i !== lost);
      const { units } = depacketize(format, pieces);
      const intact = units.filter(({ isDamaged }) => !isDamaged);
      // What was sent before the first packet that came, or after the last, cannot be missed.
      if (lost > 0 && lost < all.length - 1) {
        for (const { payload } of intact) {
          assert.ok(whole.has(digest(hashed(capture, payload))), `packet ${lost} was not missed`);
        }
      }
      assert.ok(intact.length >= capture.frames.length - 2, `packet ${lost} spoiled ${units.length} frames`);
    }
  });

  test(`${capture.name}: cut anew for other packet sizes and put together again`, () => {
    const format = formatOf(capture);
    const { units } = depacketize(format, piecesOf(capture));
    for (const maxPayload of [256, 1200, 1460, 65_000]) {
      for (const { payload } of units) {
        const pieces = packetize(format, payload, maxPayload);
        assert.ok(pieces.every((piece) => piece.payload.length <= maxPayload));
        assert.deepEqual(
          pieces.map(({ marker }) => marker),
          pieces.map((_, i) => i === pieces.length - 1),
        );
        const again = depacketize(format, pieces);
        assert.equal(again.units.length, 1);
        assert.equal(again.damaged, 0);
        const result = hashed(capture, again.units[0]!.payload);
        assert.equal(Buffer.compare(result, hashed(capture, payload)), 0);
      }
    }
  });
}
