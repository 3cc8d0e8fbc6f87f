/** Track fragments for the MP4 checker: ISO/IEC 14496-12 8.8.6 to 8.8.12, with the restrictions of CMAF (23000-19 7.5). */
import { type Box, BoxFields, checkChildren, onlyChild, type Report } from './mp4-boxes.ts';
import type { CheckedTrack } from './mp4-init-checker.ts';

export interface FragmentSample {
  /** Offset in the bytes that were given. */
  readonly start: number;
  readonly size: number;
  /** Ticks. */
  readonly duration: number;
  readonly compositionOffset: number;
  readonly isSync: boolean;
  /** sample_depends_on: 0 unknown, 1 yes, 2 no. */
  readonly dependsOn: number;
}

export interface TrackRun {
  readonly trackId: number;
  readonly baseTime: number;
  readonly samples: readonly FragmentSample[];
}

const BASE_DATA_OFFSET = 0x01;
const DESCRIPTION_INDEX = 0x02;
const DEFAULT_DURATION = 0x08;
const DEFAULT_SIZE = 0x10;
const DEFAULT_FLAGS = 0x20;
const DEFAULT_BASE_IS_MOOF = 0x02_0000;
const DATA_OFFSET = 0x001;
const FIRST_FLAGS = 0x004;
const DURATIONS = 0x100;
const SIZES = 0x200;
const FLAGS = 0x400;
const OFFSETS = 0x800;
const NON_SYNC = 0x1_0000;
const MAX_SAMPLES = 100_000;

/** The samples of the tracks that are known. Every byte of `mdat` must belong to exactly one of them. */
export function checkFragmentRuns(
  bytes: Uint8Array,
  moof: Box,
  mdat: Box,
  tracks: ReadonlyMap<number, CheckedTrack>,
  report: Report,
): TrackRun[] {
  const runs: TrackRun[] = [];
  for (const traf of moof.children) {
    if (traf.type !== 'traf') continue;
    const run = readTrackFragment(bytes, moof, traf, tracks, report);
    if (run !== null) runs.push(run);
  }
  const spans = runs.flatMap(({ samples }) => samples).sort((a, b) => a.start - b.start);
  let at = mdat.body;
  for (const { start, size } of spans) {
    if (start < at)
      report(`a sample at ${start - moof.start} is ${start < mdat.body ? 'before mdat' : 'over another'}`);
    else if (start > at) report(`${start - at} bytes of mdat belong to no sample`);
    at = start + size;
  }
  if (at > mdat.end) report(`samples go ${at - mdat.end} bytes over the end of mdat`);
  else if (at < mdat.end) report(`${mdat.end - at} bytes at the end of mdat belong to no sample`);
  return runs;
}

function readTrackFragment(
  bytes: Uint8Array,
  moof: Box,
  traf: Box,
  tracks: ReadonlyMap<number, CheckedTrack>,
  report: Report,
): TrackRun | null {
  checkChildren(
    traf,
    ['tfhd', 'tfdt', 'trun+', 'sbgp*', 'sgpd*', 'subs*', 'saiz*', 'saio*', 'senc?'],
    report,
  );
  const tfhd = onlyChild(traf, 'tfhd', () => {});
  if (tfhd === null) return null;
  const head = new BoxFields(bytes, tfhd, report);
  head.versions(0);
  const trackId = head.u32();
  const track = tracks.get(trackId);
  if (track === undefined) {
    report(`fragment of track ${trackId}, which is not in the initialization section`);
    return null;
  }
  const { flags } = head;
  if ((flags & BASE_DATA_OFFSET) !== 0) report('tfhd has a base data offset');
  if ((flags & DEFAULT_BASE_IS_MOOF) === 0) report('tfhd does not count from its moof');
  if ((flags & BASE_DATA_OFFSET) !== 0) head.u64();
  if ((flags & DESCRIPTION_INDEX) !== 0 && head.u32() !== 1) report('tfhd: sample description is not 1');
  const defaults = {
    duration: (flags & DEFAULT_DURATION) !== 0 ? head.u32() : track.defaultDuration,
    size: (flags & DEFAULT_SIZE) !== 0 ? head.u32() : track.defaultSize,
    flags: (flags & DEFAULT_FLAGS) !== 0 ? head.u32() : track.defaultFlags,
  };
  head.finish();
  const samples: FragmentSample[] = [];
  let next = -1;
  for (const trun of traf.children) {
    if (trun.type === 'trun') next = readRun(bytes, moof, trun, defaults, next, samples, report);
  }
  return { trackId, baseTime: decodeTime(bytes, traf, report), samples };
}

function decodeTime(bytes: Uint8Array, traf: Box, report: Report): number {
  const tfdt = onlyChild(traf, 'tfdt', () => {});
  if (tfdt === null) return 0;
  const fields = new BoxFields(bytes, tfdt, report);
  fields.versions(0, 1);
  const time = fields.time();
  fields.finish();
  return time;
}

/** Appends to `samples`; returns where a run without an offset of its own would begin. */
function readRun(
  bytes: Uint8Array,
  moof: Box,
  trun: Box,
  defaults: { readonly duration: number; readonly size: number; readonly flags: number },
  next: number,
  samples: FragmentSample[],
  report: Report,
): number {
  const fields = new BoxFields(bytes, trun, report);
  fields.versions(0, 1);
  const { flags } = fields;
  const count = fields.u32();
  if (count === 0) report('trun without samples');
  let start = next;
  if ((flags & DATA_OFFSET) !== 0) start = moof.start + fields.i32();
  else if (next < 0) report('trun has no data offset');
  const first = (flags & FIRST_FLAGS) !== 0 ? fields.u32() : -1;
  if (first >= 0 && (flags & FLAGS) !== 0) report('trun has flags of the first sample and of every sample');
  const rowBytes = [DURATIONS, SIZES, FLAGS, OFFSETS].filter((bit) => (flags & bit) !== 0).length * 4;
  const room = rowBytes === 0 ? MAX_SAMPLES : Math.floor(fields.remaining / rowBytes);
  if (count > room) report(`trun of ${count} samples has room for ${room}`);
  for (let i = 0; i < Math.min(count, room); i++) {
    const duration = (flags & DURATIONS) !== 0 ? fields.u32() : defaults.duration;
    const size = (flags & SIZES) !== 0 ? fields.u32() : defaults.size;
    const own = (flags & FLAGS) !== 0 ? fields.u32() : i === 0 && first >= 0 ? first : defaults.flags;
    let compositionOffset = 0;
    if ((flags & OFFSETS) !== 0) compositionOffset = fields.version === 0 ? fields.u32() : fields.i32();
    if (Math.abs(compositionOffset) > 0x3fff_ffff) report(`composition offset ${compositionOffset}`);
    const isSync = (own & NON_SYNC) === 0;
    samples.push({ start, size, duration, compositionOffset, isSync, dependsOn: (own >> 24) & 3 });
    start += size;
  }
  fields.finish();
  return start;
}
