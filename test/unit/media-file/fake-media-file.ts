/** A media file that lies in memory: the test clip round after round, interleaved as badly as wanted. */
import { FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import type { Track } from '../../../src/media/track.ts';
import type { FrameReader, MediaFile } from '../../../src/media-file/media-file.ts';
import { demoTags, TAG_AUDIO, TAG_VIDEO } from '../../support/flv-tags.ts';
import { FlvRecorder } from '../packaging/flv-recorder.ts';

export interface FakeOptions {
  readonly path?: string;
  readonly rounds?: number;
  /** How far behind the pictures the sound stands in the file, microseconds; negative = in front. */
  readonly audioLagUs?: number;
  readonly kinds?: readonly ('video' | 'audio')[];
  readonly batch?: number;
}

export interface FakeFile extends MediaFile {
  /** In the order of the file. */
  readonly frames: readonly Frame[];
  /** Readers that were opened and not closed. */
  readonly openReaders: () => number;
}

export function fakeFile(options: FakeOptions = {}): FakeFile {
  const { path = '/fake.flv', rounds = 3, audioLagUs = 0, kinds = ['video', 'audio'], batch = 7 } = options;
  const recorder = new FlvRecorder();
  for (const tag of demoTags()) {
    if (tag.type === TAG_AUDIO || tag.type === TAG_VIDEO)
      recorder.ingest.tag(tag.type, tag.timestamp, tag.payload);
  }
  const ids = [...new Set(recorder.tracks.map(({ id }) => id))];
  const tracks = ids.map((id) => recorder.track(id)).filter(({ kind }) => kinds.includes(kind as 'video'));
  const isVideo = (id: number) => tracks.find((track) => track.id === id)?.kind === 'video';
  const one = recorder.frames.filter(({ trackId }) => tracks.some(({ id }) => id === trackId));
  const roundMs = Math.max(...one.map(({ dtsMs }) => dtsMs)) + 40;
  const firstPts = Math.min(...one.map(({ ptsMs }) => ptsMs));
  const frames: Frame[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const { trackId, flags, dtsMs, ptsMs, durationUs, payload, config } of one) {
      const shift = round * roundMs - firstPts;
      const dts = Math.round((dtsMs + shift) * 1000);
      const pts = Math.round((ptsMs + shift) * 1000);
      frames.push(new Frame(trackId, flags, dts, pts, durationUs, payload, config, 0, Number.NaN));
    }
  }
  const place = (frame: Frame) => frame.dts + (isVideo(frame.trackId) ? 0 : audioLagUs);
  frames.sort((a, b) => place(a) - place(b));
  const points: { timeUs: number; position: number }[] = [];
  let lastPoint = Number.NEGATIVE_INFINITY;
  for (const [position, frame] of frames.entries()) {
    const isPoint = kinds.includes('video')
      ? isVideo(frame.trackId) && (frame.flags & FRAME_KEY) !== 0
      : frame.pts - lastPoint >= 1_000_000;
    if (!isPoint) continue;
    lastPoint = frame.pts;
    points.push({ timeUs: frame.pts, position });
  }
  let opened = 0;
  return {
    path,
    format: 'flv',
    sizeBytes: 1,
    tracks: tracks as readonly Track[],
    durationUs: rounds * roundMs * 1000,
    points,
    damage: '',
    leftOut: [],
    frames,
    openReaders: () => opened,
    open: (index: number): FrameReader => {
      opened++;
      // A reader begins a little before its point where the sound stands in front of the pictures.
      let at = Math.max(
        0,
        frames.findIndex((frame) => place(frame) >= points[index]!.timeUs - Math.abs(audioLagUs) - 200_000),
      );
      return {
        read: async () => {
          const from = at;
          at += batch;
          return frames.slice(from, at);
        },
        close: () => {
          opened--;
        },
      };
    },
    close: async () => undefined,
  };
}
