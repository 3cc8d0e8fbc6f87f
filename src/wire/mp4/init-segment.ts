/**
 * Initialization section of a fragmented MP4 file or CMAF track: `ftyp` and `moov` of ISO/IEC 14496-12 8.2 to 8.8.
 * Leaves out: edit lists (times of the media are the times that are shown), user data.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { CODECS } from '../../codec/codec-id.ts';
import { BoxWriter } from './box-writer.ts';
import { writeSampleEntry } from './sample-entry.ts';

export interface Mp4Track {
  /** From 1; unique in the file. */
  readonly id: number;
  /** Ticks per second. */
  readonly timescale: number;
  readonly config: CodecConfig;
  /** BCP 47 tag or ''. */
  readonly language: string;
}

/** Of the movie as a whole; the tracks have their own. */
const MOVIE_TIMESCALE = 1000;
/** Seconds between 1904, where MP4 begins to count, and 1970. */
const EPOCH_1904_S = 2_082_844_800;
const FULL_VOLUME = 0x0100;
/** default_sample_flags: depends on no other. A run says so where a sample is different. */
const SYNC_FLAGS = 0x0200_0000;

/**
 * The section for these tracks, in their order; `reasonNotInMp4` must be '' for each. `createdUs` is the wall clock of
 * the start, microseconds since 1970; 0 = not told.
 */
export function serializeInitSegment(tracks: readonly Mp4Track[], createdUs = 0): Buffer {
  const created = createdUs === 0 ? 0 : Math.floor(createdUs / 1_000_000) + EPOCH_1904_S;
  const writer = new BoxWriter(1024);
  writer.begin('ftyp').utf8('iso6').u32(1).utf8('iso6').utf8('cmfc').utf8('mp41').end();
  writer.begin('moov');
  writeMovieHeader(writer, tracks, created);
  for (const track of tracks) writeTrack(writer, track, created);
  writer.begin('mvex');
  for (const track of tracks) {
    writer.beginFull('trex', 0, 0).u32(track.id).u32(1).u32(0).u32(0).u32(SYNC_FLAGS).end();
  }
  writer.end();
  writer.end();
  return writer.finish();
}

function isVideo(track: Mp4Track): boolean {
  return CODECS[track.config.codec].kind === 'video';
}

function writeMovieHeader(writer: BoxWriter, tracks: readonly Mp4Track[], created: number): void {
  writer.beginFull('mvhd', 0, 0).u32(created).u32(created).u32(MOVIE_TIMESCALE).u32(0);
  writer.u32(0x0001_0000).u16(FULL_VOLUME).zeros(10);
  writeMatrix(writer);
  const nextId = Math.max(0, ...tracks.map((track) => track.id)) + 1;
  writer.zeros(24).u32(nextId).end();
}

function writeTrack(writer: BoxWriter, track: Mp4Track, created: number): void {
  const video = isVideo(track);
  writer.begin('trak');
  // Flags: enabled, in the movie, in its preview.
  writer.beginFull('tkhd', 0, 7).u32(created).u32(created).u32(track.id).u32(0).u32(0);
  writer
    .zeros(8)
    .u16(0)
    .u16(video ? 0 : 1)
    .u16(video ? 0 : FULL_VOLUME)
    .u16(0);
  writeMatrix(writer);
  writer
    .u32(track.config.width * 0x1_0000)
    .u32(track.config.height * 0x1_0000)
    .end();
  writer.begin('mdia');
  writer.beginFull('mdhd', 0, 0).u32(created).u32(created).u32(track.timescale).u32(0);
  writer.u16(languageCode(track.language)).u16(0).end();
  writer
    .beginFull('hdlr', 0, 0)
    .u32(0)
    .utf8(video ? 'vide' : 'soun')
    .zeros(12);
  writer.utf8(video ? 'video\0' : 'sound\0').end();
  writer.begin('minf');
  if (video) writer.beginFull('vmhd', 0, 1).zeros(8).end();
  else writer.beginFull('smhd', 0, 0).zeros(4).end();
  writer.begin('dinf').beginFull('dref', 0, 0).u32(1);
  // Flag 1: the samples are in this file.
  writer.beginFull('url ', 0, 1).end().end().end();
  writeSampleTable(writer, track.config);
  writer.end().end().end();
}

/** The unity matrix: 16.16 numbers, the last 2.30. */
function writeMatrix(writer: BoxWriter): void {
  writer.u32(0x0001_0000).zeros(12).u32(0x0001_0000).zeros(12).u32(0x4000_0000);
}

/** In a fragmented file all tables but the description are empty. */
function writeSampleTable(writer: BoxWriter, config: CodecConfig): void {
  writer.begin('stbl').beginFull('stsd', 0, 0).u32(1);
  writeSampleEntry(writer, config);
  writer.end();
  writer.beginFull('stts', 0, 0).u32(0).end();
  writer.beginFull('stsc', 0, 0).u32(0).end();
  writer.beginFull('stsz', 0, 0).u32(0).u32(0).end();
  writer.beginFull('stco', 0, 0).u32(0).end();
  writer.end();
}

const UNDETERMINED = 0x55c4;

/** Three letters of ISO 639-2, five bits each; what has no such form is `und`. */
function languageCode(language: string): number {
  const tag = language.toLowerCase();
  if (!/^[a-z]{3}$/.test(tag)) return UNDETERMINED;
  const letter = (at: number) => tag.charCodeAt(at) - 0x60;
  return (letter(0) << 10) | (letter(1) << 5) | letter(2);
}
