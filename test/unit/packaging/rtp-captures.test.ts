/** What FFmpeg, GStreamer and ZLMediaKit sent, through the ingest (test/vectors/rtp/SOURCE.md). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FRAME_KEY } from '../../../src/media/frame.ts';
import { RtpIngest } from '../../../src/packaging/rtp-ingest.ts';
import { rtpMappingsOf } from '../../../src/wire/sdp/media-format.ts';
import { parseSdp } from '../../../src/wire/sdp/session-description.ts';
import { type IngestedFrame, IngestRecorder } from '../../support/ingest-recorder.ts';
import { interleavedPackets } from '../../support/rtp-rig.ts';

const VECTORS = new URL('../../vectors/rtp/', import.meta.url);
/** 24 pictures per second with B-frames that refer to each other, times in whole milliseconds; sound in 44.1 kHz. */
const PICTURE_MS = 1000 / 24;
const REORDER_DEPTH = 2;
const ROUNDING_MS = 1.01;
const SOUND_MS = 1024 / 44.1;
const SOUND_ID = 1;

interface Capture {
  readonly name: string;
  /** When it was recorded. */
  readonly date: string;
  /** Frames that are in the extract. */
  readonly pictures: number;
  readonly sounds: number;
  /** Reports that come after the first packets move the picture once, to where the sound is. */
  readonly moves: number;
}

const CAPTURES: readonly Capture[] = [
  { name: 'ffmpeg51-record', date: '2026-11-21T03:53:16Z', pictures: 50, sounds: 82, moves: 0 },
  { name: 'gst-record-latm', date: '2026-11-21T03:53:30Z', pictures: 49, sounds: 86, moves: 1 },
  { name: 'gst-server-play', date: '2026-11-21T03:53:41Z', pictures: 49, sounds: 86, moves: 0 },
  { name: 'zlm-play', date: '2026-11-21T03:54:11Z', pictures: 42, sounds: 73, moves: 0 },
];

function ingest(name: string, wallUs: number): IngestRecorder & { ingest: RtpIngest } {
  const recorder = new IngestRecorder();
  const medias = parseSdp(readFileSync(new URL(`${name}.sdp`, VECTORS))).media.map((media) => ({
    mappings: rtpMappingsOf(media),
    reorder: null,
  }));
  const clock = { nowUs: () => 0, wallUs: () => wallUs };
  const rtp = new RtpIngest(recorder, medias, 1, { clock });
  let nowUs = 0;
  for (const { channel, packet } of interleavedPackets(readFileSync(new URL(`${name}.bin`, VECTORS)))) {
    nowUs += 1000;
    if (channel % 2 === 0) rtp.receive(channel / 2, packet, nowUs);
    else rtp.receiveRtcp((channel - 1) / 2, packet, nowUs);
  }
  rtp.flush();
  return Object.assign(recorder, { ingest: rtp });
}

function stepsOf(frames: readonly IngestedFrame[], key: 'dtsMs' | 'ptsMs'): number[] {
  return frames.slice(1).map((frame, index) => frame[key] - frames[index]![key]);
}

for (const { name, date, pictures, sounds, moves } of CAPTURES) {
  test(`${name}: every frame with its time`, () => {
    const wallUs = Date.parse(date) * 1000;
    const found = ingest(name, wallUs);
    assert.deepEqual(found.ingest.leftOut(), []);
    const video = found.of(0);
    const sound = found.of(SOUND_ID);
    assert.deepEqual([video.length, sound.length], [pictures, sounds]);
    assert.equal(video[0]!.flags & FRAME_KEY, FRAME_KEY);
    assert.ok(Math.abs(video[0]!.ptsMs - video[0]!.dtsMs - REORDER_DEPTH * PICTURE_MS) < ROUNDING_MS);
    const moved = stepsOf(video, 'dtsMs').filter((step) => Math.abs(step - PICTURE_MS) > ROUNDING_MS);
    assert.equal(moved.length, moves);
    for (const step of moved) assert.ok(step > PICTURE_MS && step < 3 * PICTURE_MS, `${step}`);
    for (const { dtsMs, ptsMs } of video) {
      const pictures = Math.round((ptsMs - dtsMs) / PICTURE_MS);
      assert.ok(pictures >= 0 && pictures <= 4, `${pictures}`);
      assert.ok(Math.abs(ptsMs - dtsMs - pictures * PICTURE_MS) < ROUNDING_MS, `${ptsMs} ${dtsMs}`);
    }
    for (const step of stepsOf(sound, 'ptsMs')) assert.ok(Math.abs(step - SOUND_MS) < ROUNDING_MS, `${step}`);
    assert.ok(Math.abs(sound[0]!.ptsMs - video[0]!.ptsMs) < 200);
    const times = found.frames.map(({ captureUs }) => captureUs).filter((us) => !Number.isNaN(us));
    for (const us of times) assert.ok(Math.abs(us - wallUs) < 15e6, `${us}`);
    for (const media of [0, 1]) {
      const { lost, damaged, dropped, badReports } = found.ingest.statistics(media);
      assert.deepEqual([lost, damaged, dropped, badReports], [0, 0, 0, 0]);
    }
  });
}

test('ffmpeg51-record: reports stand before the first packets, so every frame has a wall clock', () => {
  const { frames } = ingest('ffmpeg51-record', Date.parse('2026-11-21T03:53:16Z') * 1000);
  assert.ok(frames.every(({ captureUs }) => !Number.isNaN(captureUs)));
  const offsets = frames.map(({ captureUs, ptsMs }) => Math.round(captureUs / 1000 - ptsMs));
  assert.ok(Math.max(...offsets) - Math.min(...offsets) <= 1, 'one clock for both tracks');
});
