/** Publishes the frames of a clip into a hub at the speed of their times, round and round. */
import { readFileSync } from 'node:fs';
import type { Publication } from '../../src/media/publication.ts';
import type { StreamHub } from '../../src/media/stream-hub.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import type { Track } from '../../src/media/track.ts';
import { MediaIngest } from '../../src/packaging/media-ingest.ts';
import { type IngestedFrame, IngestRecorder } from './ingest-recorder.ts';

const PACE_MS = 5;

export interface ClipFrames {
  readonly tracks: readonly Track[];
  readonly frames: readonly IngestedFrame[];
}

/** A clip in FLV, MPEG-TS or fragmented MP4. */
export function readClip(path: string): ClipFrames {
  const recorder = new IngestRecorder();
  const ingest = new MediaIngest(Object.assign(recorder, { metadata: () => undefined }), null);
  ingest.push(readFileSync(path));
  ingest.finish();
  const latest = new Map(recorder.tracks.map((track) => [track.id, track]));
  const frames = [...recorder.frames].sort((a, b) => a.dtsMs - b.dtsMs);
  return { tracks: [...latest.values()], frames };
}

export class HubPublisher {
  readonly publication: Publication;
  private readonly clip: ClipFrames;
  private readonly shownAt: (ptsMs: number) => number;
  private readonly startedMs: number;
  private readonly timer: NodeJS.Timeout;
  private next = 0;

  /** `leadMs` of the clip are there at once. `shownAt` may move a picture's time of presentation. */
  constructor(
    hub: StreamHub,
    name: string,
    clip: ClipFrames,
    leadMs = 0,
    shownAt: (ptsMs: number) => number = (ptsMs) => ptsMs,
  ) {
    this.clip = clip;
    this.shownAt = shownAt;
    this.publication = hub.publish(makeStreamKey('live', name), {
      id: `test-${name}`,
      protocol: 'test',
      remote: 'test:1',
      host: '',
      via: [],
      revoke: () => this.stop(),
    });
    for (const track of clip.tracks) this.publication.setTrack(track);
    this.startedMs = performance.now() - leadMs;
    this.timer = setInterval(() => this.pump(), PACE_MS);
    this.pump();
  }

  private pump(): void {
    const { frames } = this.clip;
    const firstMs = frames[0]!.dtsMs;
    const roundMs = frames.at(-1)!.dtsMs - firstMs + 40;
    for (;;) {
      const frame = frames[this.next % frames.length]!;
      const addedMs = Math.floor(this.next / frames.length) * roundMs;
      if (frame.dtsMs - firstMs + addedMs > performance.now() - this.startedMs) return;
      this.next++;
      const { trackId, flags, dtsMs, ptsMs, durationUs, payload, config } = frame;
      const isVideo = this.clip.tracks.some(({ id, kind }) => id === trackId && kind === 'video');
      const shownMs = isVideo ? this.shownAt(ptsMs + addedMs) : ptsMs + addedMs;
      this.publication.write(trackId, flags, dtsMs + addedMs, shownMs, durationUs, payload, config);
    }
  }

  stop(): void {
    clearInterval(this.timer);
    this.publication.end('the test has what it wants');
  }
}
