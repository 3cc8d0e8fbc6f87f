/**
 * Movie fragments, `moof` and `mdat` of ISO/IEC 14496-12 8.8 and 8.1.1: runs of samples of one or several tracks.
 * The size is known before anything is written, so a fragment goes into shared memory in one piece.
 * Leaves out: several runs of one track in a fragment, encryption boxes.
 */

export interface FragmentSample {
  /** Ticks of the track. */
  readonly duration: number;
  /** Presentation minus decode time, ticks; may be negative. */
  readonly compositionOffset: number;
  /** A decoder can begin here. */
  readonly isSync: boolean;
  /** As src/codec/README.md describes it; goes into the file as it is. */
  readonly payload: Uint8Array;
}

/** The samples of one track. */
export interface FragmentRun {
  readonly trackId: number;
  /** Decode time of the first sample, ticks. */
  readonly baseTime: number;
  readonly samples: readonly FragmentSample[];
}

const DEFAULT_BASE_IS_MOOF = 0x02_0000;
const RUN_DATA_OFFSET = 0x0001;
const RUN_DURATIONS = 0x0100;
const RUN_SIZES = 0x0200;
const RUN_FLAGS = 0x0400;
const RUN_OFFSETS = 0x0800;
/** sample_depends_on 2: depends on no other. */
const SYNC_SAMPLE = 0x0200_0000;
/** sample_depends_on 1, and a non-sync sample. */
const DELTA_SAMPLE = 0x0101_0000;

const BOX_BYTES = 8;
const FULL_BOX_BYTES = 12;
const MFHD_BYTES = FULL_BOX_BYTES + 4;
const TFHD_BYTES = FULL_BOX_BYTES + 4;
const TFDT_BYTES = FULL_BOX_BYTES + 8;
const TRUN_BYTES = FULL_BOX_BYTES + 8;

/**
 * Which columns the run's table has: durations and sizes always, flags and offsets where they tell something. Without
 * flags the default of the initialization section holds, which is a sync sample.
 */
function runFlags(run: FragmentRun): number {
  let flags = RUN_DATA_OFFSET | RUN_DURATIONS | RUN_SIZES;
  for (const sample of run.samples) {
    if (!sample.isSync) flags |= RUN_FLAGS;
    if (sample.compositionOffset !== 0) flags |= RUN_OFFSETS;
  }
  return flags;
}

function rowBytes(flags: number): number {
  return 8 + ((flags & RUN_FLAGS) !== 0 ? 4 : 0) + ((flags & RUN_OFFSETS) !== 0 ? 4 : 0);
}

function headBytes(runs: readonly FragmentRun[]): number {
  let bytes = BOX_BYTES + MFHD_BYTES;
  for (const run of runs) {
    bytes += BOX_BYTES + TFHD_BYTES + TFDT_BYTES + TRUN_BYTES + rowBytes(runFlags(run)) * run.samples.length;
  }
  return bytes;
}

function payloadBytes(run: FragmentRun): number {
  let bytes = 0;
  for (const sample of run.samples) bytes += sample.payload.length;
  return bytes;
}

/** Bytes that `writeFragment` writes for these runs. */
export function fragmentBytes(runs: readonly FragmentRun[]): number {
  let bytes = headBytes(runs) + BOX_BYTES;
  for (const run of runs) bytes += payloadBytes(run);
  return bytes;
}

/** Writes `moof` and `mdat` at `at`; returns where they end. `sequenceNumber` grows from fragment to fragment. */
export function writeFragment(
  target: Buffer,
  at: number,
  sequenceNumber: number,
  runs: readonly FragmentRun[],
): number {
  const moofBytes = headBytes(runs);
  let position = box(target, at, moofBytes, 'moof');
  position = fullBox(target, position, MFHD_BYTES, 'mfhd', 0, 0);
  position = target.writeUInt32BE(sequenceNumber >>> 0, position);
  let dataOffset = moofBytes + BOX_BYTES;
  for (const run of runs) {
    position = writeTrackFragment(target, position, run, dataOffset);
    dataOffset += payloadBytes(run);
  }
  position = box(target, position, dataOffset - moofBytes, 'mdat');
  for (const run of runs) {
    for (const { payload } of run.samples) {
      target.set(payload, position);
      position += payload.length;
    }
  }
  return position;
}

function writeTrackFragment(target: Buffer, at: number, run: FragmentRun, dataOffset: number): number {
  const { samples } = run;
  const flags = runFlags(run);
  const runBytes = TRUN_BYTES + rowBytes(flags) * samples.length;
  let position = box(target, at, BOX_BYTES + TFHD_BYTES + TFDT_BYTES + runBytes, 'traf');
  position = fullBox(target, position, TFHD_BYTES, 'tfhd', 0, DEFAULT_BASE_IS_MOOF);
  position = target.writeUInt32BE(run.trackId, position);
  position = fullBox(target, position, TFDT_BYTES, 'tfdt', 1, 0);
  position = target.writeUInt32BE(Math.floor(run.baseTime / 0x1_0000_0000), position);
  position = target.writeUInt32BE(run.baseTime % 0x1_0000_0000, position);
  position = fullBox(target, position, runBytes, 'trun', 1, flags);
  position = target.writeUInt32BE(samples.length, position);
  position = target.writeUInt32BE(dataOffset, position);
  for (const sample of samples) {
    position = target.writeUInt32BE(sample.duration, position);
    position = target.writeUInt32BE(sample.payload.length, position);
    if ((flags & RUN_FLAGS) !== 0)
      position = target.writeUInt32BE(sample.isSync ? SYNC_SAMPLE : DELTA_SAMPLE, position);
    if ((flags & RUN_OFFSETS) !== 0) position = target.writeInt32BE(sample.compositionOffset, position);
  }
  return position;
}

function box(target: Buffer, at: number, bytes: number, type: string): number {
  target.writeUInt32BE(bytes, at);
  target.write(type, at + 4, 4, 'latin1');
  return at + BOX_BYTES;
}

function fullBox(
  target: Buffer,
  at: number,
  bytes: number,
  type: string,
  version: number,
  flags: number,
): number {
  const position = box(target, at, bytes, type);
  return target.writeUInt32BE(version * 0x100_0000 + flags, position);
}
