/** Initialization sections, segments and parts of CMAF tracks, by their addresses. */
import { sendSegment } from '../../origin/segment-answer.ts';
import type { CmafStream } from '../../origin/segment-origin.ts';
import type { CmafTrack } from '../../packaging/cmaf-track.ts';
import type { Segment } from '../../packaging/segment.ts';
import { sendBytes } from '../../runtime/file-response.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { RejectedError } from '../../util/errors.ts';

/** `/app/stream.cmaf/track/file`; the playlists of the same folder are HLS's. */
const ADDRESS = /^\/(.+)\.cmaf\/([av]\d{1,3})\/(?:init-(\d{1,9})\.mp4|(t?)(\d{1,16})(?:\.(\d{1,6}))?\.m4s)$/;
/** A part that was promised is waited for this many part targets. */
const PART_WAIT_TARGETS = 5;
const MIN_PART_WAIT_MS = 1000;
const CACHE_FILE = 'public, max-age=3600, immutable';

export class CmafFiles {
  private readonly context: ModuleContext;

  constructor(context: ModuleContext) {
    this.context = context;
  }

  accepts(method: string, path: string): boolean {
    return (method === 'GET' || method === 'HEAD') && path.includes('.cmaf/') && ADDRESS.test(path);
  }

  async handle(request: HttpRequest): Promise<void> {
    const [, name, trackName, init, byTime, number, part] = ADDRESS.exec(request.path)!; // accepts tested it
    const stream = this.context.segments.findCmaf(name!); // the first group is not optional
    const track = stream?.packager.find(trackName!);
    if (stream === undefined || track === undefined) throw gone();
    stream.touch();
    if (init !== undefined) this.sendInit(request, track, Number(init));
    else if (part !== undefined) await this.sendPart(request, stream, track, Number(number), Number(part));
    else {
      const segment = await this.findSegment(stream, track, byTime !== '', Number(number));
      if (segment === undefined || segment.isGap) throw gone();
      await sendSegment(this.context.segments, request, stream, segment, typeOf(track));
    }
  }

  private sendInit(request: HttpRequest, track: CmafTrack, version: number): void {
    const bytes = track.inits.get(version);
    if (bytes === undefined) throw gone();
    const etag = `"${track.name}-${version}-${bytes.length}"`;
    sendBytes(
      request,
      [bytes],
      { etag, modifiedMs: Number.NaN },
      { type: typeOf(track), cacheControl: CACHE_FILE },
    );
  }

  /** A player may ask for what comes next before it is there. */
  private async findSegment(
    stream: CmafStream,
    track: CmafTrack,
    byTime: boolean,
    number: number,
  ): Promise<Segment | undefined> {
    const { store } = track;
    const find = () =>
      byTime ? store.findAt((one) => track.toTicks(one.startPts) === number) : store.find(number);
    const isNext = byTime ? isSoon(track, number) : number === store.lastSequence + 1;
    if (find() === undefined && isNext)
      await stream.until(() => find() !== undefined, stream.settings.durationMs);
    return find();
  }

  private async sendPart(
    request: HttpRequest,
    stream: CmafStream,
    track: CmafTrack,
    sequence: number,
    index: number,
  ): Promise<void> {
    const { store } = track;
    if (sequence > store.lastSequence + 1) throw gone();
    const find = () => store.find(sequence)?.parts[index];
    const isDecided = () => find() !== undefined || store.find(sequence)?.isComplete === true;
    const limitMs = Math.max(MIN_PART_WAIT_MS, (track.partTargetUs / 1000) * PART_WAIT_TARGETS);
    await stream.until(isDecided, limitMs);
    const part = find();
    if (part === undefined) throw gone();
    sendBytes(
      request,
      [part.bytes],
      { etag: `"${sequence}.${index}-${part.bytes.length}"`, modifiedMs: Number.NaN },
      {
        type: typeOf(track),
        cacheControl: CACHE_FILE,
        onSent: (bytes) => this.context.segments.viewers.onSegment(request, bytes),
      },
    );
  }
}

function isSoon(track: CmafTrack, ticks: number): boolean {
  const { open } = track.store;
  const newest = open ?? track.store.all().at(-1);
  if (newest === undefined) return false;
  const aheadS = ticks / track.timescale - newest.startPts / 1_000_000;
  return aheadS > 0 && aheadS < track.store.targetDurationSeconds * 2;
}

function typeOf(track: CmafTrack): string {
  return track.track.kind === 'video' ? 'video/mp4' : 'audio/mp4';
}

function gone(): RejectedError {
  return new RejectedError('not-found', 'This segment is no longer, or not yet, there.');
}
