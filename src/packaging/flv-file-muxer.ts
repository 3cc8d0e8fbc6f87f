/**
 * Frames to an FLV file (Adobe FLV 10.1, annex E; enhanced RTMP v2 for newer codecs and further tracks). Times count
 * from the first frame, in milliseconds. onMetaData stands at the start and names the wall clock of the start as
 * `creationdate`; duration and an index of key frames, which are known at the end only, are not in it.
 */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import {
  serializeFileHeader,
  TAG_AUDIO,
  TAG_HEADER_BYTES,
  TAG_SCRIPT,
  TAG_TRAILER_BYTES,
  TAG_VIDEO,
  writeTagHeader,
  writeTagTrailer,
} from '../wire/flv/tag-header.ts';
import { serializeTag } from '../wire/flv/tag-writer.ts';
import { FragmentedFile, hasSameCodecs, isExtended, isSameTracks, leftOutOf } from './file-fragment.ts';
import type { FileMuxer, FileMuxerOptions } from './file-muxer.ts';
import { FlvTagBuilder } from './flv-tag-builder.ts';

const MAX_TRACKS = 64;

const newBuilder = () => new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: null });

/** '' when the track can be in an FLV file. */
export function reasonNotInFlv(track: Track): string {
  return track.kind === 'data' ? 'Recordings keep pictures and sound.' : newBuilder().reasonNotCarried(track);
}

export class FlvFileMuxer extends FragmentedFile implements FileMuxer {
  readonly format = 'flv';
  private readonly options: FileMuxerOptions;
  private readonly builder = newBuilder();
  private tracks: readonly Track[] = [];
  private readonly byId: (Track | undefined)[] = new Array<Track | undefined>(MAX_TRACKS).fill(undefined);
  private hasHeader: boolean = false;
  /** Where the file header is, as long as it can be changed. */
  private headerSlab: Buffer | null = null;
  private headerAt = 0;
  /** Tracks whose decoder configuration must be written before the next frame. */
  private unannounced: readonly Track[] = [];

  constructor(options: FileMuxerOptions) {
    super(options.continues?.bytes ?? 0);
    this.options = options;
    this.hasHeader = options.continues !== undefined;
  }

  /** A new configuration of a track may stand in the middle of a file; another track in its first fragment alone. */
  setTracks(tracks: readonly Track[]): boolean {
    const carried = tracks.filter((track) => reasonNotInFlv(track) === '');
    const hasBegun = !Number.isNaN(this.startUs);
    const isFirst = this.headerSlab !== null && isExtended(this.tracks, carried);
    if (hasBegun && !isFirst && !hasSameCodecs(carried, this.tracks)) return false;
    this.leftOut = leftOutOf(tracks, reasonNotInFlv);
    if (!hasBegun || !isSameTracks(carried, this.tracks)) this.unannounced = carried;
    this.tracks = carried;
    this.byId.fill(undefined);
    for (const track of carried) this.byId[track.id % MAX_TRACKS] = track;
    this.clock.setTracks(carried);
    return true;
  }

  write(frame: Frame): void {
    const track = this.byId[frame.trackId % MAX_TRACKS];
    if (track === undefined || track.id !== frame.trackId) return;
    if (this.clock.endsBefore(frame, this.bytes.sizeBytes)) this.close(frame.dts);
    this.clock.onFrame(frame);
    if (this.unannounced.length > 0) this.announce(frame);
    this.append(frame, track);
  }

  private append(frame: Frame, track: Track): void {
    const { builder } = this;
    const headBytes = builder.writeHead(frame, track);
    const bodyBytes = headBytes + frame.payload.length;
    let at = this.bytes.reserve(TAG_HEADER_BYTES + bodyBytes + TAG_TRAILER_BYTES, frame.arrival);
    const target = this.bytes.slab;
    at = writeTagHeader(
      target,
      at,
      track.kind === 'video' ? TAG_VIDEO : TAG_AUDIO,
      bodyBytes,
      this.ms(frame),
    );
    const { head } = builder;
    for (let i = 0; i < headBytes; i++) target[at + i] = head[i]!;
    target.set(frame.payload, at + headBytes);
    writeTagTrailer(target, at + bodyBytes, bodyBytes);
  }

  /** Sound that is a little older than the first picture begins with it. */
  private ms(frame: Frame): number {
    const fromUs = this.options.continues?.durationUs ?? 0;
    return Math.round(Math.max(0, frame.dts - this.startUs + fromUs) / 1000) >>> 0;
  }

  private announce(frame: Frame): void {
    const { bytes, builder, tracks } = this;
    const has = (kind: string) => tracks.some((track) => track.kind === kind);
    if (!this.hasHeader) {
      const header = serializeFileHeader(has('audio'), has('video'));
      this.headerAt = bytes.copy(header, frame.arrival);
      this.headerSlab = bytes.slab;
      this.hasHeader = true;
      bytes.copy(serializeTag(TAG_SCRIPT, 0, this.metadata()), frame.arrival);
    } else if (this.headerSlab !== null) {
      // The file has more tracks than its first frame told.
      this.headerSlab.set(serializeFileHeader(has('audio'), has('video')), this.headerAt);
      bytes.copy(serializeTag(TAG_SCRIPT, 0, this.metadata()), frame.arrival);
    }
    for (const track of this.unannounced) {
      const header = builder.sequenceHeader(track);
      if (header !== null)
        bytes.copy(serializeTag(header.typeId, this.ms(frame), header.bytes), frame.arrival);
    }
    this.unannounced = [];
  }

  private metadata(): Buffer {
    const { metadata = null, startWallUs } = this.options;
    const creationdate = startWallUs === 0 ? undefined : new Date(startWallUs / 1000).toISOString();
    const known = typeof metadata === 'object' ? metadata : null;
    return this.builder.metadata(
      this.tracks,
      creationdate === undefined ? known : { ...known, creationdate },
    );
  }

  protected override close(nextUs: number): void {
    if (this.closeFragment(nextUs)) this.headerSlab = null;
  }
}
