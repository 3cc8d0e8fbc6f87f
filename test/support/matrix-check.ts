/** What a player of the matrix has got against the clip that was published: tracks, bytes, times. */
import assert from 'node:assert/strict';
import { type Codec, isVideo } from './containers.ts';
import { indexOfRun } from './flv-tags.ts';
import type { Watched, WatchedStream } from './matrix-peers.ts';

/** Pictures come 25 times a second, sound oftener. */
const MAX_STEP_SECONDS = 0.2;
/** Two roundings to milliseconds, on the way in and on the way out, and one of the clip's own. */
const TIME_TOLERANCE = 0.0032;
/** Sound against pictures, as compared with the clip. */
const SYNC_TOLERANCE = 0.05;
const G711_BYTES_PER_SECOND = 8000;

/**
 * Asserts that `seen` is a run of `clip` without holes, `seconds` long, of exactly `codecs`. Not compared: the times of
 * the first `untimed` packets of each track.
 */
export function checkWatched(
  seen: Watched,
  clip: Watched,
  codecs: readonly Codec[],
  seconds: number,
  untimed = 0,
): void {
  assert.equal(seen.error, undefined);
  assert.deepEqual(seen.streams.map(({ codec }) => codec).sort(), [...codecs].sort(), 'tracks');
  const shifts = seen.streams.map((stream) => {
    const source = clip.streams.find(({ codec }) => codec === stream.codec)!; // codecs are of the clip
    const times = sourceTimes(stream, source);
    checkOrder(stream);
    return checkTimes(stream, times, seconds, untimed);
  });
  const apart = Math.max(...shifts) - Math.min(...shifts);
  assert.ok(apart < SYNC_TOLERANCE, `sound and pictures are ${apart} s apart`);
}

function checkOrder({ codec, dts, pts }: WatchedStream): void {
  let before: number | null = null;
  for (const [index, at] of dts.entries()) {
    if (at === null) continue;
    if (before !== null) {
      assert.ok(at >= before, `${codec}: time goes back at packet ${index}`);
      assert.ok(
        at - before < MAX_STEP_SECONDS,
        `${codec}: time leaps by ${at - before} s at packet ${index}`,
      );
    }
    before = at;
    const shown = pts[index] ?? null;
    if (shown !== null)
      assert.ok(shown >= at - 1e-6, `${codec}: packet ${index} is shown before it is decoded`);
  }
}

/** When each packet is shown in the clip; asserts that the bytes are the clip's, in one run. */
function sourceTimes(stream: WatchedStream, source: WatchedStream): number[] {
  const { codec } = stream;
  if (codec === 'g711a' || codec === 'g711u') return timesOfBytes(stream, source);
  const from = indexOfRun(source.packets, stream.packets);
  if (from < 0) assert.fail(`${codec}: ${describeDifference(stream.packets, source.packets)}`);
  if (isVideo(codec as Codec)) assert.ok(source.keys[from], `${codec} begins with no key frame`);
  return stream.packets.map((_, index) => source.pts[from + index] ?? Number.NaN);
}

/** G.711 has no frames: RTP cuts it anew. */
function timesOfBytes(stream: WatchedStream, source: WatchedStream): number[] {
  const all = Buffer.from(source.bytes, 'base64');
  const part = Buffer.from(stream.bytes, 'base64');
  const from = part.length === 0 ? -1 : all.indexOf(part);
  assert.ok(from >= 0, `${stream.codec}: ${part.length} bytes are no run of those of the clip`);
  const begin = source.pts[0] ?? 0;
  const count = stream.packets.length;
  // All packets but the last are of one size.
  const size = Math.round(part.length / count);
  return stream.packets.map((_, index) => begin + (from + index * size) / G711_BYTES_PER_SECOND);
}

function describeDifference(got: readonly string[], all: readonly string[]): string {
  const places = got.map((digest) => all.indexOf(digest));
  const shown = places.slice(0, 12).join(' ');
  const at = places.findIndex((place, index) => place < 0 || (index > 0 && place !== places[index - 1]! + 1));
  return `${got.length} packets are no run of the ${all.length} of the clip: from ${at} on, places ${shown} ... ${places.slice(Math.max(0, at - 2), at + 4).join(' ')}`;
}

/** Asserts that the times are the clip's, all shifted by the same; returns by how much. */
function checkTimes(
  { codec, pts }: WatchedStream,
  times: readonly number[],
  seconds: number,
  untimed: number,
): number {
  let shift = Number.NaN;
  let known = 0;
  for (const [index, at] of pts.entries()) {
    if (at === null) continue;
    known++;
    if (index < untimed) continue;
    const own = at - times[index]!; // one for each packet
    if (Number.isNaN(shift)) shift = own;
    assert.ok(
      Math.abs(own - shift) < TIME_TOLERANCE,
      `${codec}: packet ${index} of ${pts.length} is shown ${(own - shift) * 1000} ms off`,
    );
  }
  assert.ok(known >= pts.length - 2, `${codec}: ${pts.length - known} packets without a time`);
  const length = Math.max(...times) - Math.min(...times);
  assert.ok(length > seconds - 0.7, `${codec}: only ${length} s`);
  return shift;
}
