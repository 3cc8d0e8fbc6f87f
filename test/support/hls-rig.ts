/** HLS pulls without a network: an origin of files in memory, time that tests move, and everything that came noted. */
import assert from 'node:assert/strict';

import { HlsPull } from '../../src/client/hls/hls-pull.ts';
import { type HlsAnswer, HlsFetchError, type HlsSource } from '../../src/client/hls/hls-source.ts';
import type { PullEnd, PullOptions } from '../../src/client/pull.ts';
import { Frame } from '../../src/media/frame.ts';
import type { Track } from '../../src/media/track.ts';
import type { ByteRange } from '../../src/wire/hls/playlist-reader.ts';
import { TsWriter } from '../../src/wire/mpegts/ts-writer.ts';
import * as media from '../unit/wire/mpegts/synthetic.ts';

interface Timer {
  readonly dueUs: number;
  readonly run: () => void;
}

class RigTime {
  us = 5_000_000;
  private timers: Timer[] = [];

  get pending(): number {
    return this.timers.length;
  }

  after = (delayMs: number, run: () => void): { cancel(): void } => {
    const timer = { dueUs: this.us + delayMs * 1000, run };
    this.timers.push(timer);
    return {
      cancel: () => {
        this.timers = this.timers.filter((one) => one !== timer);
      },
    };
  };

  /** Promises that can be settled now are. */
  async settle(): Promise<void> {
    for (let i = 0; i < 4; i++) await new Promise((done) => setImmediate(done));
  }

  async advance(ms: number): Promise<void> {
    const endUs = this.us + ms * 1000;
    await this.settle();
    for (;;) {
      const next = this.timers.reduce<Timer | null>(
        (first, timer) => (first === null || timer.dueUs < first.dueUs ? timer : first),
        null,
      );
      if (next === null || next.dueUs > endUs) break;
      this.us = Math.max(this.us, next.dueUs);
      this.timers = this.timers.filter((one) => one !== next);
      next.run();
      await this.settle();
    }
    this.us = endUs;
  }
}

type File = Buffer | string | number;

/** Numbers are refusals. What is a function is asked anew every time, with the query, and may make the pull wait. */
class RigSource implements HlsSource {
  bytesReceived = 0;
  readonly files = new Map<string, File | ((search: string) => File | Promise<File>)>();
  readonly log: string[] = [];
  isClosed = false;

  async fetch(url: URL, range: ByteRange | null, maxBytes: number): Promise<HlsAnswer> {
    const path = url.pathname + url.search;
    this.log.push(range === null ? path : `${path} ${range.offset}+${range.length}`);
    const entry = this.files.get(path) ?? this.files.get(url.pathname) ?? 404;
    const file = typeof entry === 'function' ? await entry(url.search) : entry;
    if (typeof file === 'number') throw new HlsFetchError(`${url.host} answers ${file}`, file);
    let bytes = Buffer.from(file);
    if (range !== null) bytes = bytes.subarray(range.offset, range.offset + range.length);
    if (bytes.length > maxBytes) throw new HlsFetchError('too much');
    this.bytesReceived += bytes.length;
    return { bytes, url };
  }

  /** How often a path was asked for. */
  count(path: string): number {
    return this.log.filter((line) => line === path).length;
  }

  close(): void {
    this.isClosed = true;
  }
}

export class PullRig {
  readonly time = new RigTime();
  readonly source = new RigSource();
  readonly frames: Frame[] = [];
  readonly tracks: (readonly Track[])[] = [];
  readonly faults: unknown[] = [];
  end: PullEnd | null = null;
  pull: HlsPull | null = null;
  onFrame: (frame: Frame) => void = () => undefined;

  /** Begins with a playlist of the source. */
  open(path: string): HlsPull {
    const options: PullOptions = {
      verifies: true,
      connectMs: 5000,
      silenceMs: 10_000,
      userAgent: 'rig',
      nowUs: () => this.time.us,
      after: this.time.after,
      onFault: (error) => this.faults.push(error),
    };
    const entry = this.source.files.get(path);
    const text = String(typeof entry === 'function' ? entry('') : entry);
    this.pull = new HlsPull(
      { text, url: new URL(`http://origin${path}`) },
      {
        onTracks: (tracks) => this.tracks.push(tracks),
        onFrame: (frame) => {
          this.frames.push(frame);
          this.onFrame(frame);
        },
        onEnd: (end) => {
          this.end = end;
        },
      },
      options,
      this.source,
    );
    return this.pull;
  }

  of(trackId: number): Frame[] {
    return this.frames.filter((frame) => frame.trackId === trackId);
  }
}

/** One transport stream, cut where a segment begins. Each part is complete in itself. */
export class SegmentMaker {
  readonly frames: Frame[] = [];
  private readonly tracks: readonly Track[];
  private readonly writer = new TsWriter({ groupAudio: true });

  constructor(tracks: readonly Track[] = [media.videoTrack, media.audioTrack]) {
    this.tracks = tracks;
    this.writer.setTracks(tracks);
  }

  /** Seconds of media from a time on; every payload is another. */
  segment(startUs: number, seconds: number): Buffer {
    const video = this.tracks.find(({ kind }) => kind === 'video') ?? null;
    const audio = this.tracks.find(({ kind }) => kind === 'audio') ?? null;
    const to = new media.Collected();
    const endUs = startUs + seconds * 1_000_000;
    for (const plain of media.clip({ seconds, startUs, video, audio })) {
      // Sound that would reach into the next segment.
      if (plain.trackId === 1 && plain.dts + media.AAC_FRAME_US > endUs) continue;
      const payload = Buffer.from(plain.payload);
      const number = this.frames.length;
      // No byte is 0: zeros at the end of a NAL unit are not part of it.
      payload.set([1 + (number % 200), 1 + Math.floor(number / 200)], payload.length - 2);
      const { trackId, flags, dts, pts, duration, config } = plain;
      const frame = new Frame(trackId, flags, dts, pts, duration, payload, config, 0, Number.NaN);
      this.frames.push(frame);
      this.writer.write(frame, to);
    }
    this.writer.flush(to);
    return to.bytes();
  }
}

export interface RigEntry {
  readonly uri: string;
  readonly seconds?: number;
  /** Tags in front, one a line. */
  readonly tags?: readonly string[];
}

export function playlist(
  entries: readonly RigEntry[],
  options: { sequence?: number; target?: number; ended?: boolean; tags?: readonly string[] } = {},
): string {
  const { sequence = 0, target = 2, ended = true, tags = [] } = options;
  const lines = ['#EXTM3U', `#EXT-X-TARGETDURATION:${target}`, `#EXT-X-MEDIA-SEQUENCE:${sequence}`, ...tags];
  for (const { uri, seconds = target, tags: own = [] } of entries)
    lines.push(...own, `#EXTINF:${seconds},`, uri);
  if (ended) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\r\n')}\r\n`;
}

export const SECOND = 1_000_000;
/** What TsWriter adds to all times, so that its clock reference can be earlier. */
export const LEAD_US = 1 * SECOND;

export function sameMedia(found: readonly Frame[], wanted: readonly Frame[]): void {
  assert.equal(found.length, wanted.length);
  for (const [i, frame] of found.entries())
    assert.ok(
      Buffer.from(frame.payload).subarray(-4).equals(Buffer.from(wanted[i]!.payload).subarray(-4)),
      `frame ${i}`,
    );
}

/** As it is now, whatever was known of it before. */
export const endOf = (rig: PullRig): PullEnd | null => rig.end;

export function checkTimes(frames: readonly Frame[], stepUs: number): void {
  for (let i = 1; i < frames.length; i++) {
    const step = frames[i]!.dts - frames[i - 1]!.dts;
    assert.ok(step >= 0 && step <= stepUs, `step ${step} at ${i}`);
  }
}

/** `count` segments of two seconds as s0.ts and so on. */
export function fill(rig: PullRig, count: number, maker = new SegmentMaker(), startUs = 0): RigEntry[] {
  const entries: RigEntry[] = [];
  for (let i = 0; i < count; i++) {
    rig.source.files.set(`/s${i}.ts`, maker.segment(startUs + i * 2 * SECOND, 2));
    entries.push({ uri: `s${i}.ts` });
  }
  return entries;
}

/** A live list whose window slides with the rig's time: one more segment every two seconds. */
export function slide(rig: PullRig, path: string, entries: readonly RigEntry[], window = 6, first = 4): void {
  const beganUs = rig.time.us;
  rig.source.files.set(path, () => {
    const count = Math.min(entries.length, first + Math.floor((rig.time.us - beganUs) / (2 * SECOND)));
    const from = Math.max(0, count - window);
    return playlist(entries.slice(from, count), { sequence: from, ended: false });
  });
}
