/**
 * A transport stream in datagrams of which some are lost, repeated or exchanged: nothing damaged comes out. The format
 * counts packets in four bits only, so a hole of exactly sixteen packets of a stream stays unseen; these seeds make none.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_KEY } from '../../../src/media/frame.ts';
import { TsIngest } from '../../../src/packaging/ts-ingest.ts';
import { TsReader } from '../../../src/wire/mpegts/ts-reader.ts';
import { IngestRecorder } from '../../support/ingest-recorder.ts';
import { assertSound, essenceOf, withSlices } from '../../support/lossy-media.ts';
import { LossyPath, type PathFaults } from '../../support/lossy-path.ts';
import { bodyOf, demoRecording } from '../../support/publish-body.ts';

const DATAGRAM_BYTES = 1316;
const INTERVAL_MS = 10;
const recording = withSlices(demoRecording(8), 12);
const bytes = Buffer.concat(bodyOf('ts', recording));

function travel(seed: number, faults: PathFaults, isLossy: boolean) {
  const path = new LossyPath(seed, faults);
  const arrivals: { atMs: number; part: Buffer }[] = [];
  for (let at = 0, index = 0; at < bytes.length; at += DATAGRAM_BYTES, index++) {
    const part = bytes.subarray(at, at + DATAGRAM_BYTES);
    for (const atMs of path.arrivals(index * INTERVAL_MS)) arrivals.push({ atMs, part });
  }
  arrivals.sort((a, b) => a.atMs - b.atMs);
  const recorder = new IngestRecorder();
  const ingest = new TsIngest(recorder, { isLossy });
  const reader = new TsReader(ingest);
  for (const { part } of arrivals) reader.push(part);
  reader.finish();
  const places = recording.tracks.map(({ id, kind }) => {
    const isVideo = kind === 'video';
    const came = recorder.of(id).map(({ flags, dtsMs, ptsMs, payload }) => ({
      isKey: (flags & FRAME_KEY) !== 0,
      dts: dtsMs,
      pts: ptsMs,
      essence: essenceOf(payload, isVideo),
    }));
    const sent = recording.frames.filter(({ trackId }) => trackId === id);
    return assertSound(sent, came, isVideo, `seed ${seed} ${JSON.stringify(faults)} ${kind}`);
  });
  return { places, dropped: ingest.droppedFrames, lost: path.lost };
}

describe('a transport stream through a lossy network', () => {
  for (const loss of [0.01, 0.03, 0.05]) {
    test(`loss of ${loss * 100} %`, () => {
      for (let seed = 1; seed <= 20; seed++) {
        const { places, dropped, lost } = travel(seed, { loss, reorder: 0.02, duplicate: 0.01 }, true);
        if (lost > 5) assert.ok(dropped > 0, `seed ${seed}: counted`);
        for (const came of places) assert.ok(came.length > 40, `seed ${seed}: ${came.length} frames came`);
      }
    });
  }

  test('without loss nothing is left out', () => {
    const { places, dropped } = travel(1, {}, true);
    assert.equal(dropped, 0);
    assert.deepEqual(
      places.map((came) => came.length),
      recording.tracks.map(({ id }) => recording.frames.filter(({ trackId }) => trackId === id).length),
    );
  });

  test('files and connections keep what is damaged', () => {
    assert.throws(() => travel(3, { loss: 0.05 }, false), /none that was sent|no key frame/);
  });
});
