/**
 * Movie fragments, `moof` and `mdat` of ISO/IEC 14496-12 8.8 and 8.1.1, with one sample of one track, and the file
 * that a single key frame makes: a still picture that every player of video shows.
 * Leaves out: several samples or tracks in a fragment.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { BoxWriter } from './box-writer.ts';
import { canWriteMp4, VIDEO_TRACK_ID, writeInitSegment } from './init-segment.ts';

/** How long the still picture lasts: some players show nothing of a shorter file. */
const STILL_US = 1_000_000;

const DEFAULT_BASE_IS_MOOF = 0x02_0000;
/** Data offset, duration, size and flags of the sample are in the run. */
const RUN_FLAGS = 0x0001 | 0x0100 | 0x0200 | 0x0400;
/** sample_depends_on 2: depends on no other; and not a non-sync sample. */
const SYNC_SAMPLE = 0x0200_0000;
const BOX_HEADER_BYTES = 8;

/**
 * A whole MP4 file with this one random access point, or null when its codec cannot be put into one (VP8, unknown
 * codecs, no record). `payload` is canonical (src/codec/README.md).
 */
export function keyFrameMp4(config: CodecConfig, payload: Uint8Array): Buffer | null {
  if (!canWriteMp4(config)) return null;
  const writer = new BoxWriter(1024 + payload.length);
  writeInitSegment(writer, config);
  writeFragment(writer, payload);
  return writer.finish();
}

function writeFragment(writer: BoxWriter, payload: Uint8Array): void {
  const start = writer.length;
  writer.begin('moof').beginFull('mfhd', 0, 0).u32(1).end();
  writer.begin('traf').beginFull('tfhd', 0, DEFAULT_BASE_IS_MOOF).u32(VIDEO_TRACK_ID).end();
  writer.beginFull('tfdt', 1, 0).u64(0).end();
  writer.beginFull('trun', 0, RUN_FLAGS).u32(1);
  const offsetAt = writer.length;
  writer.u32(0).u32(STILL_US).u32(payload.length).u32(SYNC_SAMPLE).end();
  writer.end().end();
  writer.patchU32(offsetAt, writer.length - start + BOX_HEADER_BYTES);
  writer.begin('mdat').bytes(payload).end();
}
