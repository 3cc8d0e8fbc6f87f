/**
 * A window of the archive as one fragmented MP4 (ISO/IEC 14496-12 8.8): what lies in several files is joined, time
 * that was not recorded is left out, and times count from 0. A first pass over the media measures every fragment, so
 * that length and ranges are known; the second makes those that are asked for. Both make the same bytes from the same
 * media, and memory holds one segment at a time.
 *
 * Left out: windows in which codecs or sizes of pictures change; they are refused with the time of the change.
 */

import { createHash } from 'node:crypto';
import { splitStreamText } from '../../media/stream-key.ts';
import { MadePieces } from '../../media-file/made-pieces.ts';
import { makeInitSegment, makeMp4Segment } from '../../media-file/vod-segment.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import { attachment, isGone, untilDrained } from '../../runtime/file-response.ts';
import { answerConditions } from '../../runtime/http-conditions.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import { isoTime } from './archive.ts';
import type { CutFrames, SpanReader } from './span-reader.ts';
import { isSameDescription, isSameTracks, type WindowSegment } from './window-timeline.ts';

/** Of the recorded time of a clip. */
const MAX_CLIP_MS = 24 * 3600 * 1000;
/** Fragments of all layouts that are kept. */
const MAX_KEPT_FRAGMENTS = 200_000;
/** Layouts that are made at the same time. */
const MAX_MAKING = 3;
const PIECE_BYTES = 256 * 1024;

interface Fragment {
  /** Null = the initialization section. */
  readonly segment: WindowSegment | null;
  readonly number: number;
  /** Added to times of the file. */
  readonly shiftUs: number;
  /** Where each track goes on behind it, times of the clip by the track's place; NaN = nowhere. */
  readonly nextUs: number[];
  readonly bytes: number;
}

interface Layout {
  readonly init: Buffer;
  readonly fragments: readonly Fragment[];
  readonly sizeBytes: number;
}

export class ClipDownload {
  private readonly reader: SpanReader;
  private readonly index: RecordingIndex;
  private readonly onSent: (bytes: number) => void;
  private readonly layouts = new MadePieces<Layout>({
    room: MAX_KEPT_FRAGMENTS,
    sizeOf: ({ fragments }) => fragments.length,
    maxMaking: MAX_MAKING,
  });

  /** Answers that wait for a layout, by its key. */
  private readonly waiting = new Map<string, Set<HttpRequest['response']>>();

  constructor(reader: SpanReader, index: RecordingIndex, onSent: (bytes: number) => void) {
    this.reader = reader;
    this.index = index;
    this.onSent = onSent;
  }

  /** Resolves when the answer is complete or the peer is gone. */
  async send(request: HttpRequest, stream: string, segments: readonly WindowSegment[]): Promise<void> {
    const totalMs = segments.reduce((sum, one) => sum + one.endMs - one.startMs, 0);
    if (totalMs > MAX_CLIP_MS)
      throw new RejectedError('limit', 'A clip is 24 hours at most; ask for the rest in a second one.');
    const { readers } = this.index;
    const paths = [...new Set(segments.map(({ span }) => this.index.pathOf(span.file)))];
    for (const path of paths) readers.enter(path);
    try {
      const key = keyOf(stream, segments);
      const layout = await this.layout(request, key, segments);
      await this.answer(request, layout, key, fileName(stream, segments));
    } finally {
      for (const path of paths) readers.leave(path);
    }
  }

  private async layout(
    { response }: HttpRequest,
    key: string,
    segments: readonly WindowSegment[],
  ): Promise<Layout> {
    const waiting = this.waiting.get(key) ?? new Set();
    this.waiting.set(key, waiting.add(response));
    try {
      return await this.layouts.get(key, () => this.measure(segments, () => ![...waiting].every(isGone)));
    } finally {
      waiting.delete(response);
      if (waiting.size === 0) this.waiting.delete(key);
    }
  }

  private async measure(segments: readonly WindowSegment[], isWanted: () => boolean): Promise<Layout> {
    const { tracks } = segments[0]!; // a window has segments
    const init = makeInitSegment(tracks);
    const fragments: Fragment[] = [{ segment: null, number: 0, shiftUs: 0, nextUs: [], bytes: init.length }];
    let sizeBytes = init.length;
    const clock = new ClipClock();
    /** The last fragment that has the track. */
    const last: (Fragment | undefined)[] = tracks.map(() => undefined);
    for (const segment of segments) {
      if (!isWanted()) throw new RejectedError('shutting-down', 'Nobody waits for this clip any more.');
      const cut = await this.reader.frames(segment, 'mp4');
      checkTracks(segment, cut, tracks);
      if (cut.frames.length === 0) continue;
      const shiftUs = clock.place(segment, cut);
      const number = fragments.length;
      const bytes = makeMp4Segment(cut.tracks, cut, shiftUs, number).length;
      const fragment = { segment, number, shiftUs, nextUs: tracks.map(() => Number.NaN), bytes };
      fragments.push(fragment);
      for (const [place, { id }] of cut.tracks.entries()) {
        const first = cut.frames.find((frame) => frame.trackId === id);
        if (first === undefined) continue;
        const before = last[place];
        if (before !== undefined) before.nextUs[place] = first.dts + shiftUs;
        last[place] = fragment;
      }
      sizeBytes += bytes;
    }
    return { init, fragments, sizeBytes };
  }

  private async answer(request: HttpRequest, layout: Layout, key: string, name: string): Promise<void> {
    const { response, method, message } = request;
    const { sizeBytes } = layout;
    const etag = `"${key}-${sizeBytes.toString(36)}"`;
    const { status, start, end } = answerConditions(method, message.headers, {
      sizeBytes,
      etag,
      modifiedMs: Number.NaN,
    });
    const headers: Record<string, string | number> = {
      ETag: etag,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'no-cache',
      'X-Content-Type-Options': 'nosniff',
    };
    if (status === 200 || status === 206) {
      headers['Content-Type'] = 'video/mp4';
      headers['Content-Length'] = end - start;
      headers['Content-Disposition'] = attachment(name);
    } else if (status !== 304) headers['Content-Length'] = 0;
    if (status === 206) headers['Content-Range'] = `bytes ${start}-${end - 1}/${sizeBytes}`;
    if (status === 416) headers['Content-Range'] = `bytes */${sizeBytes}`;
    response.writeHead(status, headers);
    if (method !== 'HEAD' && start < end && !(await this.copy(request, layout, start, end)))
      response.destroy();
    else response.end();
  }

  /** False when the length that was promised cannot be kept. */
  private async copy(
    { response }: HttpRequest,
    layout: Layout,
    start: number,
    end: number,
  ): Promise<boolean> {
    let position = 0;
    let sent = 0;
    try {
      for (const fragment of layout.fragments) {
        const at = position;
        position += fragment.bytes;
        if (position <= start) continue;
        if (at >= end) break;
        const bytes = await this.bytesOf(layout, fragment);
        if (bytes.length !== fragment.bytes) return false;
        const wanted = bytes.subarray(Math.max(0, start - at), Math.min(bytes.length, end - at));
        for (let from = 0; from < wanted.length; from += PIECE_BYTES) {
          if (isGone(response)) return false;
          const piece = wanted.subarray(from, from + PIECE_BYTES);
          sent += piece.length;
          if (!response.write(piece)) await untilDrained(response);
        }
      }
      return !isGone(response);
    } catch (error) {
      // A file that went away in the middle: the status is sent, so only the end of the connection can tell.
      if (error instanceof RejectedError) return false;
      throw error;
    } finally {
      this.onSent(sent);
    }
  }

  private async bytesOf({ init }: Layout, { segment, number, shiftUs, nextUs }: Fragment): Promise<Buffer> {
    if (segment === null) return init;
    const { tracks, frames } = await this.reader.frames(segment, 'mp4');
    // The last sample of a track lasts until the next fragment, also where that is of another file.
    const nextDts = new Map<number, number>();
    for (const [place, { id }] of tracks.entries()) {
      const next = nextUs[place];
      if (next !== undefined && !Number.isNaN(next)) nextDts.set(id, next - shiftUs);
    }
    return makeMp4Segment(tracks, { frames, nextDts }, shiftUs, number);
  }
}

/** Wall clock to the time of the clip, which has no holes and never goes back. */
class ClipClock {
  /** Wall clock of the clip's 0, microseconds. */
  private zeroUs = Number.NaN;
  private before: WindowSegment | null = null;
  /** Where each track of the clip ends, by its place. */
  private ends: number[] = [];

  /** What is to be added to times of the segment's file. */
  place(segment: WindowSegment, { frames, tracks, zeroWallUs }: CutFrames): number {
    const { before } = this;
    this.before = segment;
    const firstDts = tracks.map(({ id }) => frames.find((frame) => frame.trackId === id)?.dts ?? Number.NaN);
    if (before === null) this.zeroUs = zeroWallUs + Math.min(...firstDts.filter((dts) => !Number.isNaN(dts)));
    else if (segment.discontinuity) this.zeroUs += (segment.startMs - before.endMs) * 1000;
    let shiftUs = zeroWallUs - this.zeroUs;
    if (before !== null && before.span !== segment.span) {
      let overlapUs = 0;
      for (const [index, dts] of firstDts.entries())
        if (!Number.isNaN(dts)) overlapUs = Math.max(overlapUs, (this.ends[index] ?? 0) - (dts + shiftUs));
      this.zeroUs -= overlapUs;
      shiftUs += overlapUs;
    }
    for (const [index, { id }] of tracks.entries()) {
      const own = frames.filter((frame) => frame.trackId === id);
      const last = own.at(-1);
      if (last === undefined) continue;
      const stepUs = last.duration || last.dts - (own.at(-2)?.dts ?? last.dts);
      this.ends[index] = last.dts + stepUs + shiftUs;
    }
    return shiftUs;
  }
}

/** An MP4 file has one description of its tracks, at its start. */
function checkTracks(segment: WindowSegment, cut: CutFrames, tracks: WindowSegment['tracks']): void {
  const isSame =
    isSameTracks(cut.tracks, tracks) &&
    cut.frames.every(({ trackId, config }) => {
      const place = cut.tracks.findIndex(({ id }) => id === trackId);
      const described = tracks[place]?.config;
      return described === undefined || config === described || isSameDescription(config, described);
    });
  if (isSame) return;
  const time = isoTime(segment.startMs);
  throw new RejectedError(
    'unsupported',
    `Codecs or picture size change at ${time}, which one MP4 file cannot hold; ask for a clip that ends there, and one that begins there.`,
  );
}

function keyOf(stream: string, segments: readonly WindowSegment[]): string {
  const hash = createHash('sha256').update(stream);
  for (const { span, fromUs, toUs, isTail } of segments)
    hash.update(`\n${span.file} ${span.startMs} ${fromUs} ${toUs} ${isTail ? span.version : ''}`);
  return hash.digest('base64url').slice(0, 20);
}

/** Such as `cam_2026-11-21_10-00-00Z_120s.mp4`. */
function fileName(stream: string, segments: readonly WindowSegment[]): string {
  const { startMs } = segments[0]!; // a window has segments
  const seconds = Math.round(segments.reduce((sum, one) => sum + one.endMs - one.startMs, 0) / 1000);
  const time = isoTime(startMs).slice(0, 19).replace('T', '_').replaceAll(':', '-');
  return `${splitStreamText(stream).name}_${time}Z_${seconds}s.mp4`;
}
