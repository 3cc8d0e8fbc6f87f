/**
 * `/rec/<stream>/index.m3u8?start=&end=`: a window of the archive as HLS, and `/rec/<stream>/clip.mp4?start=&end=`: the
 * same as one file. Segments have addresses of their own, `at-<span>-<from>-<to>.ts`: the millisecond at which the
 * span began, and microseconds in its file. They are the same in every window and never change; those of what is
 * still being written (`tail-`) may.
 */

import { createHash } from 'node:crypto';
import { splitStreamText } from '../../media/stream-key.ts';
import { MadePieces } from '../../media-file/made-pieces.ts';
import type { MediaFileCacheOptions } from '../../media-file/media-file-cache.ts';
import { serializeVodPlaylist } from '../../media-file/vod-playlist.ts';
import {
  type Container,
  carriedTracks,
  makeInitSegment,
  makeMp4Segment,
  makeTsSegment,
} from '../../media-file/vod-segment.ts';
import { isDay } from '../../recordings/recording-entry.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import { sendBytes } from '../../runtime/file-response.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import { Archive, isoTime } from './archive.ts';
import { ClipDownload } from './clip-download.ts';
import { type SpanCut, SpanReader } from './span-reader.ts';
import { readWindow } from './window-query.ts';
import type { RecordedSpan } from './window-spans.ts';
import type { WindowSegment } from './window-timeline.ts';

const ADDRESS = /^\/rec\/(?!-\/)(.+)\/([^/]+)$/;
const SEGMENT = /^(at|tail)-(\d{1,15})-(\d{1,15})-(\d{1,15}|end)\.(ts|m4s)$/;
const INIT = /^at-(\d{1,15})\.mp4$/;
const KEPT_FOREVER = 'public, max-age=31536000, immutable';
/** A window that ends in the past changes when something of it is removed. */
const KEPT_SHORTLY = 'public, max-age=60';
const KEPT_BYTES = 32 * 1024 * 1024;
/** Segments that are made at the same time. */
const MAX_MAKING = 3;
const US_PER_SECOND = 1_000_000;

export interface WindowPlaybackOptions {
  readonly index: RecordingIndex;
  readonly files: MediaFileCacheOptions;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly onSent: (bytes: number) => void;
}

export class WindowPlayback {
  private readonly options: WindowPlaybackOptions;
  private readonly reader: SpanReader;
  private readonly archive: Archive;
  private readonly clips: ClipDownload;
  private readonly pieces = new MadePieces<Buffer>({
    room: KEPT_BYTES,
    sizeOf: ({ length }) => length,
    maxMaking: MAX_MAKING,
  });

  constructor(options: WindowPlaybackOptions) {
    const { index, files, onSent } = options;
    this.options = options;
    this.reader = new SpanReader(index, files);
    this.archive = new Archive(index, this.reader);
    this.clips = new ClipDownload(this.reader, index, onSent);
  }

  /** Without a time an address may be one of a live stream. */
  accepts(method: string, path: string, query: URLSearchParams): boolean {
    if (method !== 'GET' && method !== 'HEAD') return false;
    const [, stream, name] = ADDRESS.exec(path) ?? [];
    if (stream === undefined || name === undefined || isDay(splitStreamText(stream).name)) return false;
    if (name === 'index.m3u8' || name === 'clip.mp4')
      return query.has('start') || query.has('end') || query.has('duration');
    return query.has('recording') && (SEGMENT.test(name) || INIT.test(name));
  }

  async handle(request: HttpRequest): Promise<void> {
    const [, stream, name] = ADDRESS.exec(request.path)!; // it was accepted
    if (name === 'index.m3u8') await this.playlist(request, stream!);
    else if (name === 'clip.mp4') await this.clip(request, stream!);
    else if (INIT.test(name!)) await this.init(request, stream!, name!);
    else await this.segment(request, stream!, name!);
  }

  private async playlist(request: HttpRequest, stream: string): Promise<void> {
    const query = readWindow(request.query, this.options.nowMs());
    const { segments, container } = await this.archive.window(stream, query, null);
    const text = serializeVodPlaylist(
      segments.map((segment) => ({
        uri: segmentUri(segment, container),
        durationUs: (segment.endMs - segment.startMs) * 1000,
        discontinuity: segment.discontinuity,
        mapUri: container === 'ts' ? '' : `at-${millisecond(segment.mapSpan)}.mp4${queryOf(segment.mapSpan)}`,
        wallClockMs: segment.startMs,
      })),
    );
    tellTimes(request, segments);
    const isSettled = query.endMs < this.options.nowMs() && !segments.some(({ span }) => span.open);
    const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 16)}"`;
    sendBytes(
      request,
      [Buffer.from(text)],
      { etag, modifiedMs: Number.NaN },
      {
        type: 'application/vnd.apple.mpegurl',
        cacheControl: isSettled ? KEPT_SHORTLY : 'no-cache',
        onSent: this.options.onSent,
      },
    );
  }

  private async clip(request: HttpRequest, stream: string): Promise<void> {
    const query = readWindow(request.query, this.options.nowMs());
    const { segments } = await this.archive.window(stream, query, 'mp4');
    tellTimes(request, segments);
    await this.clips.send(request, stream, segments);
  }

  private async init(request: HttpRequest, stream: string, name: string): Promise<void> {
    const span = await this.archive.span(stream, recordingOf(request), Number(INIT.exec(name)![1])); // it was accepted
    const { tracks } = await this.reader.facts(span);
    const carried = carriedTracks(tracks, 'mp4');
    if (carried.length === 0)
      throw new RejectedError('unsupported', 'MP4 cannot hold the codecs of this recording.');
    this.send(request, makeInitSegment(carried), name, 'video/mp4', KEPT_FOREVER);
  }

  private async segment(request: HttpRequest, stream: string, name: string): Promise<void> {
    const [, kind, startMs, from, to, extension] = SEGMENT.exec(name)!; // it was accepted
    const recording = recordingOf(request);
    const span = await this.archive.span(stream, recording, Number(startMs));
    const cut = { span, fromUs: Number(from), toUs: to === 'end' ? Number.NaN : Number(to) };
    const container = extension === 'ts' ? 'ts' : 'mp4';
    const bytes = await this.pieces.get(`${span.file} ${span.version} ${name}`, () =>
      this.make(cut, container),
    );
    const isTail = kind === 'tail' || (span.open && to === 'end');
    const type = container === 'ts' ? 'video/mp2t' : 'video/mp4';
    this.send(request, bytes, name, type, isTail ? 'no-cache' : KEPT_FOREVER);
  }

  private async make(cut: SpanCut, container: Container): Promise<Buffer> {
    const { tracks, zeroWallUs, ...frames } = await this.reader.frames(cut, container);
    if (frames.frames.length === 0)
      throw new RejectedError('not-found', 'Nothing of this recording is at that time.');
    if (container === 'ts') return makeTsSegment(tracks, frames, zeroWallUs, false);
    // Segments last about a second at least, and their numbers must grow.
    const number = Math.floor((zeroWallUs + cut.fromUs) / US_PER_SECOND);
    return makeMp4Segment(tracks, frames, zeroWallUs, number);
  }

  private send(request: HttpRequest, bytes: Buffer, name: string, type: string, cacheControl: string): void {
    const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 16);
    sendBytes(
      request,
      [bytes],
      { etag: `"${name}-${hash}"`, modifiedMs: Number.NaN },
      { type, cacheControl, onSent: this.options.onSent },
    );
  }

  async close(): Promise<void> {
    await this.reader.close();
  }
}

function segmentUri({ span, fromUs, toUs, isTail }: WindowSegment, container: Container): string {
  const end = Number.isNaN(toUs) ? 'end' : String(Math.round(toUs));
  const extension = container === 'ts' ? 'ts' : 'm4s';
  const kind = isTail ? 'tail' : 'at';
  return `${kind}-${millisecond(span)}-${Math.round(fromUs)}-${end}.${extension}${queryOf(span)}`;
}

function millisecond({ startMs }: RecordedSpan): number {
  return Math.round(startMs);
}

function queryOf({ recording }: RecordedSpan): string {
  return `?recording=${encodeURIComponent(recording)}`;
}

function recordingOf({ query }: HttpRequest): string {
  return query.get('recording') ?? '';
}

/** What was asked for grows to whole GOPs. */
function tellTimes({ response }: HttpRequest, segments: readonly WindowSegment[]): void {
  response.setHeader('X-Sluice-Start', isoTime(segments[0]!.startMs)); // never empty
  response.setHeader('X-Sluice-End', isoTime(segments.at(-1)!.endMs));
}
