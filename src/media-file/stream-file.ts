/**
 * FLV and TS files, which have no index: scanned once, piece by piece, then read from any of the access points that
 * the scan has found.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { FRAME_KEY, Frame } from '../media/frame.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { InvariantError, ProtocolError } from '../util/errors.ts';
import { SlabWriter } from '../util/slab.ts';
import type { Demuxer, DemuxerSink, OpenDemuxer } from './demuxer.ts';
import type { FileSource } from './file-source.ts';
import type { FilePoint, FrameReader, IndexedFile } from './media-file.ts';
import { type ScannedPoint, StreamScan } from './stream-scan.ts';

const SCAN_BYTES = 1024 * 1024;
const MAX_READ_BYTES = 256 * 1024;
const MIN_READ_BYTES = 16 * 1024;
/** What a point takes in memory, about. */
const POINT_BYTES = 160;

/** Throws ProtocolError when there is nothing to play. */
export async function openStreamFile(
  source: FileSource,
  format: 'flv' | 'ts',
  openDemuxer: OpenDemuxer,
): Promise<IndexedFile> {
  const scan = new StreamScan();
  const demuxer = openDemuxer(scan);
  const buffer = Buffer.allocUnsafeSlow(Math.min(SCAN_BYTES, source.sizeBytes));
  for (let position = 0; position < source.sizeBytes; ) {
    const bytes = await source.readInto(buffer, position);
    if (bytes === 0) break;
    demuxer.push(buffer.subarray(0, bytes));
    position += bytes;
  }
  demuxer.finish();
  return new StreamFile(source, format, openDemuxer, scan, demuxer);
}

class StreamFile implements IndexedFile {
  readonly path: string;
  readonly format: 'flv' | 'ts';
  readonly sizeBytes: number;
  readonly tracks: readonly Track[];
  readonly durationUs: number;
  readonly points: readonly FilePoint[];
  readonly damage: string;
  readonly leftOut: readonly string[];
  private readonly source: FileSource;
  private readonly openDemuxer: OpenDemuxer;
  private readonly scan: StreamScan;
  private readonly scanned: readonly ScannedPoint[];
  private readonly leaderId: number;
  private readonly originUs: number;

  constructor(
    source: FileSource,
    format: 'flv' | 'ts',
    openDemuxer: OpenDemuxer,
    scan: StreamScan,
    demuxer: Demuxer,
  ) {
    this.source = source;
    this.path = source.path;
    this.format = format;
    this.sizeBytes = source.sizeBytes;
    this.openDemuxer = openDemuxer;
    this.scan = scan;
    this.damage = demuxer.damage();
    const leftOut = [...demuxer.leftOut()];
    const used = [...scan.tracks.values()].filter(({ frames, points, track }) => {
      if (track.kind === 'video' && frames > 0 && points.length === 0)
        leftOut.push('There are pictures without any key frame.');
      return frames > 0 && (points.length > 0 || track.kind === 'data');
    });
    const tracks = used.map(({ track }) => track).sort((a, b) => a.id - b.id);
    const leader = defaultTrack(tracks, 'video') ?? defaultTrack(tracks, 'audio');
    if (leader === undefined) {
      const name = format === 'flv' ? 'FLV' : 'MPEG-TS';
      const reasons = [...leftOut, this.damage].filter((reason) => reason !== '').join(' ');
      throw new ProtocolError(
        'media-file.nothing-playable',
        `This ${name} file has nothing to play. ${reasons}`.trim(),
      );
    }
    this.leftOut = leftOut;
    this.tracks = tracks;
    this.leaderId = leader.id;
    const media = used.filter(({ track }) => track.kind !== 'data');
    const originUs = Math.min(...media.map(({ earliestUs }) => earliestUs));
    this.originUs = originUs;
    this.durationUs = Math.max(...media.map(({ endUs }) => endUs)) - originUs;
    this.scanned = scan.tracks.get(leader.id)!.points; // the leader is one of them
    this.points = this.scanned.map(({ ptsUs, position }) => ({ timeUs: ptsUs - originUs, position }));
  }

  get memoryBytes(): number {
    return this.points.length * POINT_BYTES + this.scan.clock.memoryBytes;
  }

  open(pointIndex: number): FrameReader {
    const point = this.scanned[pointIndex];
    if (point === undefined) throw new InvariantError(`access point ${pointIndex} of ${this.points.length}`);
    const bytesPerSecond = Math.round(this.sizeBytes / Math.max(this.durationUs / 1_000_000, 1));
    const reader = new StreamReader({
      source: this.source,
      wanted: new Set(this.tracks.map(({ id }) => id)),
      leaderId: this.leaderId,
      point,
      isFirst: pointIndex === 0,
      originUs: this.originUs,
      map: this.scan.clock.replay(),
      readBytes: Math.min(Math.max(bytesPerSecond, MIN_READ_BYTES), MAX_READ_BYTES),
    });
    // What comes before the first picture belongs to the start.
    const checkpoint = pointIndex === 0 ? undefined : this.scan.checkpointFor(point.startPosition);
    if (checkpoint === undefined) reader.begin(this.openDemuxer(reader), 0);
    else reader.begin(checkpoint.open(reader, point.startPosition, point.rawMs), point.startPosition);
    return reader;
  }

  async isIntact(): Promise<boolean> {
    return await this.source.isIntact();
  }

  async rest(): Promise<void> {
    await this.source.rest();
  }

  async close(): Promise<void> {
    await this.source.close();
  }
}

interface StreamReaderOptions {
  readonly source: FileSource;
  readonly wanted: ReadonlySet<number>;
  readonly leaderId: number;
  readonly point: ScannedPoint;
  readonly isFirst: boolean;
  readonly originUs: number;
  readonly map: (trackId: number, rawUs: number, position: number) => number;
  readonly readBytes: number;
}

class StreamReader implements FrameReader, DemuxerSink {
  private readonly options: StreamReaderOptions;
  private readonly slab = new SlabWriter();
  private readonly buffer: Buffer;
  private demuxer: Demuxer | null = null;
  private position = 0;
  private frames: Frame[] = [];
  private hasLeader = false;
  private isFinished = false;
  private readonly lastDts = new Map<number, number>();

  constructor(options: StreamReaderOptions) {
    this.options = options;
    this.buffer = Buffer.allocUnsafeSlow(options.readBytes);
  }

  begin(demuxer: Demuxer, position: number): void {
    this.demuxer = demuxer;
    this.position = position;
  }

  async read(): Promise<readonly Frame[]> {
    while (this.frames.length === 0 && !this.isFinished) {
      const bytes = await this.options.source.readInto(this.buffer, this.position);
      if (this.demuxer === null) return [];
      this.position += bytes;
      if (bytes > 0) this.demuxer.push(this.buffer.subarray(0, bytes));
      else {
        this.isFinished = true;
        this.demuxer.finish();
      }
    }
    const { frames } = this;
    this.frames = [];
    return frames;
  }

  setTrack(): void {
    // The scan has told the tracks; frames have their config.
  }

  checkpoint(): void {
    // Those of the scan are enough.
  }

  frame(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    position: number,
  ): void {
    const { wanted, leaderId, point, isFirst, originUs, map } = this.options;
    if (!wanted.has(trackId)) return;
    const mapped = map(trackId, Math.round(dtsMs * 1000), position);
    const dtsUs = Math.max(mapped, this.lastDts.get(trackId) ?? Number.NEGATIVE_INFINITY);
    if (trackId === leaderId && !this.hasLeader) {
      // Several frames of sound may begin at one place.
      if (position < point.position || (flags & FRAME_KEY) === 0 || dtsUs < point.dtsUs) return;
      this.hasLeader = true;
    } else if (!isFirst && trackId !== leaderId && dtsUs < point.dtsUs) return;
    this.lastDts.set(trackId, dtsUs);
    const ptsUs = dtsUs + Math.round((ptsMs - dtsMs) * 1000);
    this.frames.push(
      new Frame(
        trackId,
        flags,
        dtsUs - originUs,
        ptsUs - originUs,
        durationUs,
        this.slab.copy(payload, dtsUs),
        config,
        0,
        Number.NaN,
      ),
    );
  }

  close(): void {
    this.isFinished = true;
    this.demuxer = null;
    this.frames = [];
  }
}
