/** Fragmented MP4 with flipped, cut and repeated bytes, in pieces of any size: frames or a ProtocolError, within bounds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Fmp4Ingest } from '../../src/packaging/fmp4-ingest.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import { FUZZ_SECONDS, Random, runFor } from '../support/fuzz.ts';

const FILES = ['h264-aac', 'h264-dash', 'hevc-eac3', 'av1-opus', 'vp9-mp3', 'flac', 'ac3'].map((name) =>
  readFileSync(fileURLToPath(new URL(`../vectors/mp4/${name}.mp4`, import.meta.url))),
);
/** Sizes and counts at their limits find more than chance does. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff];

function mutate(random: Random, bytes: Buffer): Buffer {
  let copy = Buffer.from(bytes);
  for (let i = random.below(6); i > 0; i--) {
    // The boxes lie in front.
    const at = random.below(2) === 0 ? random.below(Math.min(3000, copy.length)) : random.below(copy.length);
    switch (random.below(5)) {
      case 0:
        copy[at] = copy[at]! ^ (1 << random.below(8));
        break;
      case 1:
        copy.fill(EDGES[random.below(EDGES.length)]!, at, Math.min(at + 1 + random.below(8), copy.length));
        break;
      case 2:
        copy = Buffer.concat([copy.subarray(0, at), copy.subarray(at + random.below(500))]);
        break;
      case 3:
        copy = Buffer.concat([copy.subarray(0, at + random.below(500)), copy.subarray(at)]);
        break;
      default:
        copy = Buffer.concat([copy, FILES[random.below(FILES.length)]!]);
    }
    if (copy.length > 400_000 || copy.length === 0) return Buffer.from(bytes);
  }
  return copy;
}

test('fuzz: fragmented MP4 as a stream', () => {
  const random = new Random(21);
  let frames = 0;
  let refused = 0;
  runFor(() => {
    const bytes = mutate(random, FILES[random.below(FILES.length)]!);
    let given = 0;
    const known = new Set<number>();
    const ingest = new Fmp4Ingest({
      setTrack: (track) => known.add(track.id),
      write: (trackId, flags, dtsMs, ptsMs, durationUs, payload, config) => {
        assert.ok(known.has(trackId));
        assert.ok(flags >= 0 && durationUs >= 0 && config !== null);
        assert.ok(Number.isFinite(dtsMs) && Number.isFinite(ptsMs));
        assert.ok(payload.length > 0);
        given += payload.length;
        frames++;
      },
    });
    try {
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + random.below(random.below(4) === 0 ? 20 : 100_000);
        ingest.push(bytes.subarray(at, end));
        at = end;
      }
      ingest.finish();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused++;
    }
    // Length prefixes may grow, from one byte to four.
    assert.ok(given <= bytes.length * 4, `${given} bytes of ${bytes.length}`);
    assert.ok(ingest.damagedFrames >= 0 && ingest.framesWithoutConfig >= 0);
  }, FUZZ_SECONDS * 2);
  assert.ok(frames > 1000 && refused > 10, `${frames} frames, ${refused} refused`);
});
