/** What H.264 pictures refer to, by streams of x264 with and without pyramids, and the SPS for what is left of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAvcConfig } from '../../../src/codec/avc-config.ts';
import { inOrderConfig, inOrderSps } from '../../../src/codec/h264-in-order-sps.ts';
import { H264References } from '../../../src/codec/h264-references.ts';
import { parseH264Pps, parseH264SliceHeader } from '../../../src/codec/h264-slice-header.ts';
import { parseH264Sps } from '../../../src/codec/h264-sps.ts';
import { FRAME_KEY } from '../../../src/media/frame.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { readClip } from '../../support/hub-publisher.ts';

function bFrames(name: string) {
  return readClip(new URL(`../../vectors/b-frames/${name}.mpegts`, import.meta.url).pathname);
}

/** Pictures in order that refer to one that is not, of those in order. */
function dependents(
  name: string,
  change: (payload: Uint8Array) => Uint8Array = (payload) => payload,
): [number, number] {
  const { tracks, frames } = bFrames(name);
  const references = new H264References();
  references.configure(tracks[0]!.config);
  let latest = Number.NEGATIVE_INFINITY;
  let found = 0;
  let inOrder = 0;
  for (const { ptsMs, flags, payload } of frames) {
    if ((flags & FRAME_KEY) !== 0) latest = Number.NEGATIVE_INFINITY;
    const isOutOfOrder = ptsMs < latest;
    latest = Math.max(latest, ptsMs);
    if (!isOutOfOrder) inOrder++;
    if (!references.push(change(payload), isOutOfOrder)) found++;
  }
  return [found, inOrder];
}

for (const name of ['no-pyramid', 'one-reference', 'strict-pyramid']) {
  test(`${name}: nothing in order refers to what is not`, () => {
    const [found, inOrder] = dependents(name);
    assert.equal(found, 0);
    assert.ok(inOrder > 5 && inOrder < 30);
  });
}

test('pyramid: pictures in order refer to B-frames', () => {
  assert.ok(dependents('pyramid')[0] > 5);
});

test('what cannot be understood, or is missing, counts as a reference', () => {
  const cut = dependents('one-reference', (payload) => payload.subarray(0, 6));
  assert.equal(cut[0], cut[1]);
  const { tracks, frames } = bFrames('one-reference');
  const references = new H264References();
  references.configure(tracks[0]!.config);
  // Begins in the middle.
  assert.equal(references.push(frames[1]!.payload, false), false);
});

test('the SPS allows gaps and tells that nothing is reordered, and nothing else changes', () => {
  for (const name of ['no-pyramid', 'one-reference', 'pyramid']) {
    const { sps } = parseAvcConfig(bFrames(name).tracks[0]!.config.record);
    const before = parseH264Sps(sps[0]!);
    assert.ok(before.maxReorderFrames > 0);
    const made = inOrderSps(sps[0]!);
    const after = parseH264Sps(made);
    assert.equal(after.maxReorderFrames, 0);
    assert.deepEqual({ ...after, maxReorderFrames: before.maxReorderFrames }, before);
    assert.deepEqual(inOrderSps(made), made, 'twice is once');
    assert.notDeepEqual(made, sps[0]);
    const { config } = bFrames(name).tracks[0]!;
    const changed = inOrderConfig(config);
    assert.deepEqual(Buffer.from(parseAvcConfig(changed.record).sps[0]!), Buffer.from(made));
    assert.deepEqual({ ...changed, record: config.record }, config);
  }
});

test('an SPS that tells nothing of reordering only allows gaps', () => {
  // Baseline 320x240 without VUI, by the tables of 7.3.2.1.1: profile 66, level 30, ids 0, 4 bits of frame_num, type 2.
  const plain = Buffer.from('6742001e', 'hex');
  const rest = ['1', '1', '011', '010', '0', '000010100', '00001111', '1', '1', '0', '0', '1'].join('');
  const bytes = Buffer.concat([
    plain,
    Buffer.from(
      rest
        .padEnd(32, '0')
        .match(/.{8}/g)!
        .map((bits) => Number.parseInt(bits, 2)),
    ),
  ]);
  const { gapsBit, reorderBit } = parseH264Sps(bytes).slices;
  assert.equal(reorderBit, -1);
  const made = inOrderSps(bytes);
  const at = 1 + (gapsBit >> 3);
  assert.equal(made[at]! ^ bytes[at]!, 0x80 >> (gapsBit & 7));
  assert.equal(parseH264Sps(made).width, 320);
});

test('slice headers that end early are refused', () => {
  const { tracks, frames } = bFrames('pyramid');
  const { sps, pps } = parseAvcConfig(tracks[0]!.config.record);
  const parsed = parseH264Sps(sps[0]!);
  const set = parseH264Pps(pps[0]!);
  const slice = frames[1]!.payload.subarray(4);
  const header = parseH264SliceHeader(slice, 0, slice.length, parsed, () => set);
  assert.equal(header.type, 'P');
  assert.throws(() => parseH264SliceHeader(slice, 0, 3, parsed, () => set), ProtocolError);
  assert.throws(() => parseH264SliceHeader(slice, 0, slice.length, parsed, () => undefined), ProtocolError);
  for (let length = 0; length < pps[0]!.length - 1; length++)
    assert.throws(() => parseH264Pps(pps[0]!.subarray(0, length)), ProtocolError);
});
