/**
 * A file as HLS: the playlist and, made when they are asked for, its segments. Addresses of segments carry the version
 * of the file, so that caches may keep them for ever and a file that was replaced is never mixed with its successor.
 */
import type { VodLibrary } from '../../media-file/vod-library.ts';
import type { VodTimeline } from '../../media-file/vod-timeline.ts';
import { sendBytes } from '../../runtime/file-response.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { PlaceInside } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';

const KEPT_FOREVER = 'public, max-age=31536000, immutable';
const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl';

export class VodHls {
  private readonly library: VodLibrary;
  private readonly onSent: (bytes: number) => void;

  constructor(library: VodLibrary, onSent: (bytes: number) => void) {
    this.library = library;
    this.onSent = onSent;
  }

  async playlist(request: HttpRequest, source: PlaceInside): Promise<void> {
    const timeline = await this.timeline(source);
    // Relative to the playlist: `a.mp4.m3u8` -> `a.mp4.m3u8/seg-0.ts`, `a.mp4/index.m3u8` -> `seg-0.ts`.
    const base = request.path.endsWith('/index.m3u8')
      ? ''
      : `./${encodeURIComponent(`${source.name}.m3u8`)}/`;
    const version = `?v=${timeline.version}`;
    const extension = timeline.container === 'ts' ? 'ts' : 'm4s';
    const text = timeline.playlist(
      (segment) => `${base}seg-${segment.index}.${extension}${version}`,
      (map) => `${base}init-${map}.mp4${version}`,
      false,
    );
    sendBytes(request, [Buffer.from(text)], this.validator(timeline, source, 'list'), {
      type: PLAYLIST_TYPE,
      onSent: this.onSent,
    });
  }

  /** `name`: `seg-12.ts`, `seg-12.m4s` or `init-0.mp4`. */
  async piece(request: HttpRequest, source: PlaceInside, name: string): Promise<void> {
    const timeline = await this.timeline(source);
    const version = request.query.get('v');
    if (version !== null && version !== timeline.version)
      throw new RejectedError('not-found', 'The file has changed; load its playlist again.');
    const isMp4 = timeline.container === 'mp4';
    const number = Number(/\d+/.exec(name)![0]); // the route knows only names with a number
    const bytes = name.startsWith('init-')
      ? this.init(timeline, number)
      : await this.segment(timeline, number, name.endsWith(isMp4 ? '.m4s' : '.ts'));
    sendBytes(request, [bytes], this.validator(timeline, source, name), {
      type: isMp4 ? 'video/mp4' : 'video/mp2t',
      cacheControl: version === null ? 'no-cache' : KEPT_FOREVER,
      onSent: this.onSent,
    });
  }

  private init(timeline: VodTimeline, map: number): Buffer {
    if (map >= timeline.mapCount) throw new RejectedError('not-found', 'This file has no such section.');
    return timeline.initSegment(map);
  }

  private async segment(timeline: VodTimeline, index: number, isRightKind: boolean): Promise<Buffer> {
    const segment = timeline.segments[index];
    if (segment === undefined || !isRightKind)
      throw new RejectedError('not-found', 'This file has no such segment.');
    return await this.library.segment(timeline, segment);
  }

  private async timeline(source: PlaceInside): Promise<VodTimeline> {
    return await this.library.timeline([{ path: source.path, startMs: 0 }]);
  }

  private validator(timeline: VodTimeline, source: PlaceInside, name: string) {
    return { etag: `"${timeline.version}-${name}"`, modifiedMs: source.modifiedMs };
  }
}
