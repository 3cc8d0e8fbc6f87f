/**
 * Frames of a segment to its bytes: MPEG-TS (ISO/IEC 13818-1) or one movie fragment (ISO/IEC 14496-12 8.8), and which
 * tracks of a file go into which. One picture and one sound track; others are left out.
 */
import { CODECS } from '../codec/codec-id.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { serializeInitSegment } from '../wire/mp4/init-segment.ts';
import {
  type FragmentRun,
  type FragmentSample,
  fragmentBytes,
  writeFragment,
} from '../wire/mp4/movie-fragment.ts';
import { mp4Timescale, reasonNotInMp4 } from '../wire/mp4/sample-entry.ts';
import { reasonNotInTs } from '../wire/mpegts/elementary-stream.ts';
import { PMT_PID } from '../wire/mpegts/psi.ts';
import { type TsTarget, TsWriter } from '../wire/mpegts/ts-writer.ts';
import { type SegmentFrames, shiftFrame } from './vod-frames.ts';
import { joinable } from './vod-ts-joint.ts';

export type Container = 'ts' | 'mp4';

/** What HLS players take in MPEG-TS; other codecs get movie fragments. */
const TS_CODECS: ReadonlySet<string> = new Set(['h264', 'aac', 'mp3', 'ac3', 'eac3']);
const DEFAULT_DURATION_US = 40_000;

/** The tracks that go into segments, pictures first. Empty when none can. */
export function carriedTracks(tracks: readonly Track[], container: Container): Track[] {
  const carried: Track[] = [];
  for (const kind of ['video', 'audio'] as const) {
    const fitting = tracks.filter((track) => track.kind === kind && reasonLeftOut(track, container) === '');
    const first = fitting.sort((a, b) => a.wireIndex - b.wireIndex || a.id - b.id)[0];
    if (first !== undefined) carried.push(first);
  }
  return carried;
}

/** '' when the container can hold the track. */
function reasonLeftOut(track: Track, container: Container): string {
  if (container === 'mp4') return reasonNotInMp4(track.config);
  if (!TS_CODECS.has(track.config.codec))
    return `${CODECS[track.config.codec].label} in MPEG-TS is not what HLS players take.`;
  return reasonNotInTs(track);
}

/** MPEG-TS, which everything plays, unless it would lose a track that movie fragments keep. */
export function containerFor(tracks: readonly Track[]): Container {
  return carriedTracks(tracks, 'ts').length >= carriedTracks(tracks, 'mp4').length ? 'ts' : 'mp4';
}

/** A target that is one buffer, however much comes. */
class OneBuffer implements TsTarget {
  slab: Buffer;
  used = 0;

  constructor(expectedBytes: number) {
    this.slab = Buffer.allocUnsafe(expectedBytes);
  }

  reserve(bytes: number): number {
    const at = this.used;
    this.used = at + bytes;
    if (this.used > this.slab.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.used, Math.ceil(this.slab.length * 1.5)));
      this.slab.copy(grown, 0, 0, at);
      this.slab = grown;
    }
    return at;
  }
}

/** A whole MPEG-TS segment; `shiftUs` is added to the times of the file. */
export function makeTsSegment(
  tracks: readonly Track[],
  { frames }: SegmentFrames,
  shiftUs: number,
  discontinuity: boolean,
): Buffer {
  let expected = 16 * 1024;
  for (const frame of frames) expected += frame.payload.length + 400;
  const target = new OneBuffer(Math.ceil(expected * 1.04));
  const writer = new TsWriter({ groupAudio: true });
  writer.setTracks(tracks);
  if (discontinuity) writer.markDiscontinuity();
  for (const frame of frames) writer.write(shiftFrame(frame, shiftUs), target);
  writer.flush(target);
  return joinable(target.slab.subarray(0, target.used), PMT_PID);
}

/** The initialization section for movie fragments of these tracks; track ids count from 1 in their order. */
export function makeInitSegment(tracks: readonly Track[]): Buffer {
  return serializeInitSegment(
    tracks.map(({ config, language }, index) => ({
      id: index + 1,
      timescale: mp4Timescale(config),
      config,
      language,
    })),
  );
}

/** One movie fragment with all frames of the segment. */
export function makeMp4Segment(
  tracks: readonly Track[],
  { frames, nextDts }: SegmentFrames,
  shiftUs: number,
  sequenceNumber: number,
): Buffer {
  const runs: FragmentRun[] = [];
  for (const [index, track] of tracks.entries()) {
    const own = frames.filter((frame) => frame.trackId === track.id);
    if (own.length > 0) runs.push(makeRun(index + 1, track, own, nextDts.get(track.id), shiftUs));
  }
  const fragment = Buffer.allocUnsafe(fragmentBytes(runs));
  writeFragment(fragment, 0, sequenceNumber, runs);
  return fragment;
}

function makeRun(
  trackId: number,
  track: Track,
  frames: readonly Frame[],
  nextDts: number | undefined,
  shiftUs: number,
): FragmentRun {
  const timescale = mp4Timescale(track.config);
  const ticks = (us: number) => Math.round(((us + shiftUs) * timescale) / 1_000_000);
  const samples: FragmentSample[] = [];
  const last = frames.at(-1)!; // a run has frames
  const before = frames.at(-2);
  const lastUs = last.duration || (before === undefined ? DEFAULT_DURATION_US : last.dts - before.dts);
  for (const [index, frame] of frames.entries()) {
    const end = frames[index + 1]?.dts ?? nextDts ?? frame.dts + lastUs;
    const start = ticks(frame.dts);
    samples.push({
      duration: Math.max(0, ticks(end) - start),
      compositionOffset: ticks(frame.pts) - start,
      isSync: track.kind === 'audio' || (frame.flags & FRAME_KEY) !== 0,
      payload: frame.payload,
    });
  }
  return { trackId, baseTime: Math.max(0, ticks(frames[0]!.dts)), samples };
}
