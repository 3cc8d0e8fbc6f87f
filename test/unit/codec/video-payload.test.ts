import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { h264Flags } from '../../../src/codec/h264.ts';
import { h265Flags } from '../../../src/codec/h265.ts';
import { ANNEX_B, writeAnnexB } from '../../../src/codec/nal-unit.ts';
import { VIDEO_DISPOSABLE, VIDEO_IN_BAND_CONFIG, VIDEO_KEY } from '../../../src/codec/video-flags.ts';
import {
  canonicalVideoSize,
  videoFrameFlags,
  videoFraming,
  writeCanonicalVideo,
} from '../../../src/codec/video-payload.ts';
import { vp9Flags } from '../../../src/codec/vp9.ts';
import { FRAME_DISPOSABLE, FRAME_IN_BAND_CONFIG, FRAME_KEY } from '../../../src/media/frame.ts';
import { bitString, bytes, hex, recordNamed, videos, wholeFrame } from './vectors.ts';

test('the flags have the numbers of the Frame', () => {
  assert.deepEqual(
    [VIDEO_KEY, VIDEO_IN_BAND_CONFIG, VIDEO_DISPOSABLE],
    [FRAME_KEY, FRAME_IN_BAND_CONFIG, FRAME_DISPOSABLE],
  );
});

for (const { name, codec, frames } of videos) {
  test(`flags of ${name} are those that ffprobe and trace_headers tell`, () => {
    const config = configFromRecord(
      codec,
      codec === 'vp8' ? new Uint8Array(0) : bytes(recordNamed(name).record),
    );
    for (const [index, frame] of frames.entries()) {
      const flags = videoFrameFlags(config, wholeFrame(frame));
      assert.equal((flags & VIDEO_KEY) !== 0, frame.key, `frame ${index} key`);
      if (frame.disposable !== undefined) {
        assert.equal((flags & VIDEO_DISPOSABLE) !== 0, frame.disposable, `frame ${index} disposable`);
      }
      // libaom repeats the sequence header on key frames, as all AV1 encoders must.
      if (codec === 'av1')
        assert.equal((flags & VIDEO_IN_BAND_CONFIG) !== 0, frame.key, `frame ${index} in band`);
    }
  });
}

test('the vectors hold what the test needs: keys by recovery point and by CRA, disposable frames', () => {
  const openGop = videos.find((video) => video.name === 'h264-open-gop')!;
  assert.ok(openGop.frames.some((frame) => frame.key && !frame.types!.includes(5)));
  const cra = videos.find((video) => video.name === 'h265-open-gop')!;
  assert.ok(cra.frames.some((frame) => frame.key && frame.types!.includes(21)));
  for (const video of [openGop, cra]) assert.ok(video.frames.some((frame) => frame.disposable === true));
});

test('H.264 flags by hand', () => {
  const table: [what: string, payload: string, flags: number][] = [
    ['nothing', '', 0],
    ['IDR', '00000002 6588', VIDEO_KEY],
    ['IDR behind parameter sets', '00000001 67 00000001 68 00000002 6588', VIDEO_KEY | VIDEO_IN_BAND_CONFIG],
    ['reference slice', '00000002 41e0', 0],
    ['non-reference slice', '00000002 01e0', VIDEO_DISPOSABLE],
    ['one slice of two is referred to', '00000002 01e0 00000002 41e0', 0],
    ['SEI alone is not disposable', '00000004 06050180', 0],
    ['recovery point behind another message', '00000008 06 010112 060184 80 00000002 61e0', VIDEO_KEY],
    ['recovery point cut off', '00000003 060604 00000002 61e0', 0],
    ['slice behind a broken length is not seen', '000000ff 6588', 0],
  ];
  for (const [what, payload, flags] of table) assert.equal(h264Flags(bytes(payload)), flags, what);
  assert.equal(h264Flags(bytes('0002 6588'), 2), VIDEO_KEY);
  assert.equal(h264Flags(bytes('000001 6588'), ANNEX_B), VIDEO_KEY);
});

test('H.265 flags by hand: only the highest sub-layer is disposable', () => {
  const trailN = (temporalId: number): Uint8Array => bytes(`00000003 000${temporalId + 1}d0`);
  assert.equal(h265Flags(trailN(0), 1), VIDEO_DISPOSABLE);
  assert.equal(h265Flags(trailN(0), 2), 0);
  assert.equal(h265Flags(trailN(1), 2), VIDEO_DISPOSABLE);
  assert.equal(h265Flags(trailN(0), 0), 0, 'unknown sub-layers');
  assert.equal(h265Flags(bytes('00000003 0201d0'), 1), 0, 'TRAIL_R');
  assert.equal(h265Flags(bytes('00000003 2a01d0'), 1), VIDEO_KEY, 'CRA');
  assert.equal(
    h265Flags(bytes('00000001 40 00000001 42 00000001 44 00000003 2601d0'), 1),
    VIDEO_KEY | VIDEO_IN_BAND_CONFIG,
  );
});

test('VP9 flags by hand: marker, profile, and an inter frame that refreshes nothing', () => {
  const table: [what: string, bits: string, flags: number][] = [
    ['inter, reset_frame_context, no refresh', '10 00 0 1 1 0 00 00000000', VIDEO_DISPOSABLE],
    ['inter, refresh of the last reference', '10 00 0 1 1 0 00 10000000', 0],
    ['inter, refresh of the first reference', '10 00 0 1 1 0 00 00000001 00', 0],
    ['error resilient, no refresh', '10 00 0 1 1 1 00000000', VIDEO_DISPOSABLE],
    ['error resilient, refresh', '10 00 0 1 1 1 00000001', 0],
    ['profile 3, no refresh', '10 11 0 0 1 1 0 00 00000000', VIDEO_DISPOSABLE],
    ['profile 3, refresh', '10 11 0 0 1 1 0 00 00000001', 0],
    ['hidden', '10 00 0 1 0 0 0 00 00000000', 0],
    ['shows an existing frame', '10 00 1 000 00000000 0000', 0],
    ['key', '10 00 0 0 1 0 0000', VIDEO_KEY],
    ['profile 3 key', '10 11 0 0 0 1 0 0000', VIDEO_KEY],
    ['no marker', '01 00 0 0 1 0 0000', 0],
  ];
  for (const [what, bits, flags] of table)
    assert.equal(vp9Flags(bitString(bits.padEnd(40, '0'))), flags, what);
});

test('codecs that are only relayed have no flags', () => {
  assert.equal(videoFrameFlags(configFromRecord('unknown-video', new Uint8Array(0), 4), bytes('ff')), 0);
});

function canonical(codec: 'h264' | 'h265' | 'av1' | 'vp8', input: Uint8Array, lengthSize: number): string {
  const framing = videoFraming(codec, input, lengthSize);
  const size = canonicalVideoSize(codec, input, framing);
  if (size < 0) return 'damaged';
  const target = new Uint8Array(size + 4).fill(0xee);
  assert.equal(writeCanonicalVideo(codec, input, framing, target, 2), size + 2);
  assert.equal(hex(target.subarray(size + 2)), 'eeee', 'nothing behind the end');
  return hex(target.subarray(2, size + 2));
}

test('canonical form of H.264 and H.265 from every framing', () => {
  const expected = '0000000206ff000000036588aa';
  const withDelimiter = '00000002 09f0 00000002 06ff 00000003 6588aa';
  assert.equal(canonical('h264', bytes(expected), 4), expected);
  assert.equal(canonical('h264', bytes(withDelimiter), 4), expected);
  assert.equal(canonical('h264', bytes('02 09f0 02 06ff 03 6588aa'), 1), expected);
  assert.equal(canonical('h264', bytes('000001 09f0 000001 06ff 00000001 6588aa'), 4), expected);
  assert.equal(canonical('h264', bytes('000000ff 6588'), 4), 'damaged');
  assert.equal(canonical('h265', bytes('00000003 460150 00000003 2601aa'), 4), '000000032601aa');
});

test('a frame of x264 survives Annex B', () => {
  const frame = bytes(videos[0]!.frames[0]!.data);
  const annexB = new Uint8Array(frame.length);
  assert.equal(writeAnnexB(frame, annexB, 0), frame.length);
  assert.equal(canonical('h264', annexB, 4), hex(frame));
});

test('canonical form of AV1: no temporal delimiter, a size in every OBU', () => {
  const table: [what: string, input: string, expected: string][] = [
    ['as it is', '0a0100 3203aabbcc', '0a01003203aabbcc'],
    ['delimiter with size', '1200 0a0100', '0a0100'],
    ['last OBU without size', '0a0100 30aabbcc', '0a01003203aabbcc'],
    ['extension byte without size', '34 20 aabb', '362002aabb'],
    ['delimiter without size takes all', '10', ''],
    ['size over the end', '3205aa', 'damaged'],
    ['size cut off', '3280', 'damaged'],
    ['size too long', '32ffffffffffffffffff01', 'damaged'],
    ['forbidden bit', '8a0100', 'damaged'],
  ];
  for (const [what, input, expected] of table)
    assert.equal(canonical('av1', bytes(input), 4), expected, what);
  const long = new Uint8Array(1 + 300).fill(0x55);
  long[0] = 0x30;
  assert.equal(canonical('av1', long, 4), `32ac02${'55'.repeat(300)}`);
});

test('other codecs are copied', () => {
  assert.equal(canonical('vp8', bytes('010203'), 4), '010203');
});
