/**
 * A stream for tests of lossy networks: pictures of several slices, often a key frame; and what must be true of the
 * frames that come out whatever was lost.
 */
import assert from 'node:assert/strict';
import { FRAME_KEY, Frame } from '../../src/media/frame.ts';
import type { Recording } from './feed-frames.ts';
import { SeededRandom } from './lossy-path.ts';

const SLICES = 4;
const MIN_SLICE_BYTES = 300;
const SLICE_BYTES_SPREAD = 500;

/** Other pictures with the times of the given ones; sound stays. `keyEvery`: pictures; 0 leaves the key frames. */
export function withSlices({ tracks, frames }: Recording, keyEvery = 0): Recording {
  const random = new SeededRandom(1);
  const video = tracks.find(({ kind }) => kind === 'video')!;
  const slice = (isKey: boolean, isFirst: boolean): Buffer => {
    const bytes = Buffer.alloc(4 + MIN_SLICE_BYTES + Math.floor(random.next() * SLICE_BYTES_SPREAD));
    for (let at = 5; at < bytes.length; at++) bytes[at] = 1 + Math.floor(random.next() * 255);
    bytes.writeUInt32BE(bytes.length - 4);
    bytes[4] = isKey ? 0x65 : 0x41;
    bytes[5] = isFirst ? bytes[5]! | 0x80 : bytes[5]! & 0x7f;
    return bytes;
  };
  let pictures = 0;
  const sliced = frames.map((frame) => {
    if (frame.trackId !== video.id) return frame;
    const { trackId, dts, pts, duration, config, arrival, captureTime } = frame;
    const isKey = keyEvery === 0 ? (frame.flags & FRAME_KEY) !== 0 : pictures % keyEvery === 0;
    pictures++;
    const payload = Buffer.concat(Array.from({ length: SLICES }, (_, index) => slice(isKey, index === 0)));
    const flags = isKey ? FRAME_KEY : 0;
    return new Frame(trackId, flags, dts, pts, duration, payload, config, arrival, captureTime);
  });
  return { tracks, frames: sliced, metadata: null };
}

/** What of an H.264 picture is its own: parameter sets and SEI in front may be more or less and it stays whole. */
export function essenceOf(payload: Uint8Array, isVideo: boolean): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  if (!isVideo) return bytes.toString('latin1');
  let slices = '';
  for (let at = 0; at + 4 < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    const type = bytes[at + 4]! & 31;
    if (type >= 1 && type <= 5) slices += bytes.toString('latin1', at, end);
    at = end;
  }
  return slices;
}

/** What is remembered of a frame that came out. */
export interface ComeFrame {
  readonly isKey: boolean;
  readonly dts: number;
  readonly pts: number;
  readonly essence: string;
}

/**
 * Every frame is one that was sent, in order; a hole in the pictures is followed by a key frame; times never fall.
 * Returns the places of the frames among those that were sent.
 */
export function assertSound(
  sent: readonly Frame[],
  came: readonly ComeFrame[],
  isVideo: boolean,
  label: string,
): number[] {
  const essences = sent.map(({ payload }) => essenceOf(payload, isVideo));
  const places: number[] = [];
  let prior = -1;
  let lastDts = Number.NEGATIVE_INFINITY;
  // Feeds begin players at key frames: what comes before the first one nobody sees.
  let isSeen = false;
  for (const { isKey, dts, pts, essence } of came) {
    const place = essences.indexOf(essence, prior + 1);
    assert.ok(place >= 0, `${label}: a frame after ${prior} is none that was sent`);
    if (isVideo && isSeen && place !== prior + 1)
      assert.ok(isKey, `${label}: picture ${place} after ${prior} is no key frame`);
    assert.ok(dts >= lastDts, `${label}: ${dts} after ${lastDts}`);
    assert.ok(pts >= dts, `${label}: shown before it is decoded`);
    isSeen ||= isKey;
    lastDts = dts;
    prior = place;
    places.push(place);
  }
  return places;
}
