/**
 * Frames of an MP4 file from given samples on, merged by decode time. Samples that lie near each other are read in one
 * piece, so a well interleaved file costs one read per batch and one with its tracks apart one per track.
 */
import type { Frame } from '../media/frame.ts';
import type { FileSource } from './file-source.ts';
import type { FrameReader } from './media-file.ts';
import { Mp4FrameMaker, type Mp4Track } from './mp4-samples.ts';

const BATCH_BYTES = 256 * 1024;
const BATCH_US = 1_000_000;
const MAX_BATCH_SAMPLES = 4096;
/** Of one read, unless a single sample is larger. */
const MAX_RUN_BYTES = 2 * 1024 * 1024;
/** Bytes between two samples that are read along rather than skipped. */
const MAX_GAP_BYTES = 32 * 1024;
/** A larger sample is left out; a key frame of any real encoder fits several times. */
export const MAX_SAMPLE_BYTES = 32 * 1024 * 1024;

interface Wanted {
  readonly maker: Mp4FrameMaker;
  readonly sample: number;
  readonly offset: number;
  readonly size: number;
  bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);

export class Mp4Reader implements FrameReader {
  private readonly source: FileSource;
  private readonly makers: readonly Mp4FrameMaker[];
  private readonly next: number[];
  private isClosed = false;

  /** `firstSamples` belong to the tracks one by one; of samples of one time the earlier track's comes first. */
  constructor(source: FileSource, tracks: readonly Mp4Track[], firstSamples: readonly number[]) {
    this.source = source;
    this.makers = tracks.map((track) => new Mp4FrameMaker(track));
    this.next = [...firstSamples];
  }

  async read(): Promise<readonly Frame[]> {
    while (!this.isClosed) {
      const batch = this.nextBatch();
      if (batch.length === 0) return [];
      await this.readBytes(batch);
      const frames: Frame[] = [];
      for (const { maker, sample, bytes } of batch) {
        const frame = bytes.length === 0 ? null : maker.frame(sample, bytes);
        if (frame !== null) frames.push(frame);
      }
      if (frames.length > 0) return frames;
    }
    return [];
  }

  private nextBatch(): Wanted[] {
    const batch: Wanted[] = [];
    let sizeBytes = 0;
    let firstDts = Number.NaN;
    while (batch.length < MAX_BATCH_SAMPLES && sizeBytes < BATCH_BYTES) {
      const index = this.earliest();
      if (index < 0) break;
      const maker = this.makers[index]!;
      const sample = this.next[index]!;
      const { samples } = maker.source;
      const dts = maker.source.dts(sample);
      if (Number.isNaN(firstDts)) firstDts = dts;
      if (dts - firstDts >= BATCH_US) break;
      this.next[index] = sample + 1;
      const size = samples.sizes[sample]!;
      if (size === 0 || size > MAX_SAMPLE_BYTES) continue;
      sizeBytes += size;
      batch.push({ maker, sample, offset: samples.offsets[sample]!, size, bytes: NOTHING });
    }
    return batch;
  }

  /** Index of the track whose next sample is decoded first; -1 at the end. */
  private earliest(): number {
    let found = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (const [index, { source }] of this.makers.entries()) {
      const sample = this.next[index]!;
      if (sample >= source.samples.count) continue;
      const dts = source.dts(sample);
      if (dts >= earliest) continue;
      earliest = dts;
      found = index;
    }
    return found;
  }

  private async readBytes(batch: readonly Wanted[]): Promise<void> {
    const byOffset = [...batch].sort((a, b) => a.offset - b.offset);
    let from = 0;
    while (from < byOffset.length) {
      const start = byOffset[from]!.offset;
      let end = start + byOffset[from]!.size;
      let to = from + 1;
      while (to < byOffset.length && byOffset[to]!.offset - end <= MAX_GAP_BYTES) {
        const next = Math.max(end, byOffset[to]!.offset + byOffset[to]!.size);
        if (next - start > MAX_RUN_BYTES) break;
        end = next;
        to++;
      }
      const bytes = await this.source.read(start, end - start);
      for (; from < to; from++) {
        const wanted = byOffset[from]!;
        const at = wanted.offset - start;
        if (at + wanted.size <= bytes.length) wanted.bytes = bytes.subarray(at, at + wanted.size);
      }
    }
  }

  close(): void {
    this.isClosed = true;
  }
}
