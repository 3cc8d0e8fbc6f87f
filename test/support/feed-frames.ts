/** Recorded tags as frames for feed encoders, and what a player reads back, in comparable lines. */
import type { FeedEncoder, FeedFormat } from '../../src/media/feed.ts';
import { FRAME_KEY, Frame } from '../../src/media/frame.ts';
import type { Track } from '../../src/media/track.ts';
import { SlabWriter } from '../../src/util/slab.ts';
import { FlvRecorder } from '../unit/packaging/flv-recorder.ts';
import { loadFlv, tagsOf } from '../unit/wire/flv/vectors.ts';
import type { IngestedFrame } from './ingest-recorder.ts';

/** Programs whose streams must come out of a feed as they went in. */
export const CLIPS: readonly string[] = [
  'ffmpeg51-h264-aac',
  'ff8-hevc-aac',
  'ff8-av1-opus',
  'ff8-vp9-opus',
  'ffmpeg51-mp3',
  'ffmpeg51-g711a',
  'ffmpeg51-g711u',
  'ff8-flac',
  'ff8-multitrack',
];

export interface Recording {
  readonly tracks: readonly Track[];
  readonly frames: readonly Frame[];
  readonly metadata: unknown;
}

/** `fromMs` is added to all times. */
export function recordingOf(name: string, fromMs = 0): Recording {
  return recordingOfTags(tagsOf(loadFlv(name)), fromMs);
}

export function recordingOfTags(
  tags: Iterable<{ readonly type: number; readonly timestampMs: number; readonly body: Uint8Array }>,
  fromMs = 0,
): Recording {
  const recorder = new FlvRecorder();
  for (const tag of tags) recorder.ingest.tag(tag.type, tag.timestampMs, tag.body);
  const tracks = [...new Set(recorder.tracks.map((track) => track.id))].map((id) => recorder.track(id));
  return {
    tracks,
    metadata: recorder.metadatas[0]?.values ?? null,
    frames: recorder.frames.map((frame) => toFrame(frame, fromMs)),
  };
}

function toFrame(frame: IngestedFrame, fromMs: number): Frame {
  const { trackId, flags, dtsMs, ptsMs, durationUs, payload, config } = frame;
  const dts = (dtsMs + fromMs) * 1000;
  const pts = (ptsMs + fromMs) * 1000;
  return new Frame(trackId, flags, dts, pts, durationUs, payload, config, dts, Number.NaN);
}

export function openEncoder(format: FeedFormat, recording: Recording): FeedEncoder {
  return format.open({ tracks: recording.tracks, metadata: recording.metadata, label: 'live/cam' });
}

/** Bytes of each frame, made as a feed makes them. */
export function encodeAll(encoder: FeedEncoder, frames: readonly Frame[]): Buffer[] {
  const slab = new SlabWriter();
  return frames.map((frame) => {
    const before = slab.slab;
    const used = slab.used;
    if (!encoder.encode(frame, slab)) return Buffer.alloc(0);
    return Buffer.from(slab.slab.subarray(slab.slab === before ? used : 0, slab.used));
  });
}

/** `track key dts+cts size first bytes` on the 32-bit clock of players. */
function lineOf(trackId: number, flags: number, dtsMs: number, ctsMs: number, payload: Uint8Array): string {
  const key = (flags & FRAME_KEY) === 0 ? '-' : 'K';
  return `${trackId} ${key} ${Math.round(dtsMs) % 2 ** 32}+${Math.round(ctsMs)} ${Buffer.from(payload).toString('base64')}`;
}

export const sentLines = (frames: readonly Frame[]): string[] =>
  frames.map((f) => lineOf(f.trackId, f.flags, f.dts / 1000, (f.pts - f.dts) / 1000, f.payload));

export const readLines = (recorder: FlvRecorder): string[] =>
  recorder.frames.map((f) => lineOf(f.trackId, f.flags, f.dtsMs, f.ptsMs - f.dtsMs, f.payload));

export const trackLines = (tracks: readonly Track[]): string[] =>
  [...new Map(tracks.map((track) => [track.id, track])).values()]
    .map(
      ({ id, wireIndex, config }) =>
        `${id} ${wireIndex} ${config.codec} ${Buffer.from(config.record).toString('hex')}`,
    )
    .sort((a, b) => a.localeCompare(b));
