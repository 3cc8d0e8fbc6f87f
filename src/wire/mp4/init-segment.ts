/**
 * Initialization section of a fragmented MP4 file with one video track: `ftyp` and `moov` of ISO/IEC 14496-12, sample
 * entries of ISO/IEC 14496-15 (avc1, hvc1), of AV1-ISOBMFF (av01) and of the VP codec binding (vp09).
 * Leaves out: audio, edit lists, colour information beside what the codec's own record says.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import type { BoxWriter } from './box-writer.ts';

/** Sample times are microseconds, as everywhere in the server. */
const MP4_TIMESCALE = 1_000_000;
export const VIDEO_TRACK_ID = 1;

/** Sample entry and configuration box by codec. */
const ENTRIES: Readonly<Partial<Record<CodecConfig['codec'], readonly [entry: string, config: string]>>> = {
  h264: ['avc1', 'avcC'],
  h265: ['hvc1', 'hvcC'],
  av1: ['av01', 'av1C'],
  vp9: ['vp09', 'vpcC'],
};

const DOTS_PER_INCH_72 = 0x0048_0000;

/** Whether a video config can be written: its codec has a sample entry here and its record is known. */
export function canWriteMp4(config: CodecConfig): boolean {
  return ENTRIES[config.codec] !== undefined && config.record.length > 0;
}

/** The section for one video track; `canWriteMp4` must hold. */
export function writeInitSegment(writer: BoxWriter, config: CodecConfig): void {
  writer.begin('ftyp').utf8('iso6').u32(1).utf8('iso6').utf8('mp41').end();
  writer.begin('moov');
  writeMovieHeader(writer);
  writer.begin('trak');
  writeTrackHeader(writer, config);
  writer.begin('mdia');
  writer.beginFull('mdhd', 0, 0).u32(0).u32(0).u32(MP4_TIMESCALE).u32(0);
  // The language code of 'und', five bits a letter.
  writer.u16(0x55c4).u16(0).end();
  writer.beginFull('hdlr', 0, 0).u32(0).utf8('vide').zeros(12).utf8('video\0').end();
  writer.begin('minf');
  writer.beginFull('vmhd', 0, 1).zeros(8).end();
  writer.begin('dinf').beginFull('dref', 0, 0).u32(1);
  // Flag 1: the samples are in this file.
  writer.beginFull('url ', 0, 1).end().end().end();
  writeSampleTable(writer, config);
  writer.end().end().end();
  writer.begin('mvex').beginFull('trex', 0, 0);
  writer.u32(VIDEO_TRACK_ID).u32(1).u32(0).u32(0).u32(0).end().end();
  writer.end();
}

function writeMovieHeader(writer: BoxWriter): void {
  writer.beginFull('mvhd', 0, 0).u32(0).u32(0).u32(MP4_TIMESCALE).u32(0);
  writer.u32(0x0001_0000).u16(0x0100).zeros(10);
  writeMatrix(writer);
  writer
    .zeros(24)
    .u32(VIDEO_TRACK_ID + 1)
    .end();
}

function writeTrackHeader(writer: BoxWriter, config: CodecConfig): void {
  // Flags: enabled, in the movie, in its preview.
  writer.beginFull('tkhd', 0, 7).u32(0).u32(0).u32(VIDEO_TRACK_ID).u32(0).u32(0);
  writer.zeros(8).u16(0).u16(0).u16(0).u16(0);
  writeMatrix(writer);
  writer
    .u32(config.width * 0x1_0000)
    .u32(config.height * 0x1_0000)
    .end();
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

function writeSampleEntry(writer: BoxWriter, config: CodecConfig): void {
  const [entry, box] = ENTRIES[config.codec]!; // canWriteMp4 holds
  writer.begin(entry).zeros(6).u16(1).zeros(16);
  writer.u16(config.width).u16(config.height).u32(DOTS_PER_INCH_72).u32(DOTS_PER_INCH_72);
  // One frame per sample, no compressor name, 24 bits with no alpha, no colour table.
  writer.u32(0).u16(1).zeros(32).u16(24).u16(0xffff);
  writer.begin(box).bytes(config.record).end();
  writer.end();
}
