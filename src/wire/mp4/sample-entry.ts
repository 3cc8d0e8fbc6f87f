/**
 * Sample entries, which say how the samples of a track are coded: ISO/IEC 14496-12 8.5.2 with the entries of
 * ISO/IEC 14496-15 (avc1, hvc1), ISO/IEC 14496-14 (mp4a), AV1-ISOBMFF (av01), the VP codec binding (vp09),
 * ETSI TS 102 366 annex F (ac-3, ec-3), Opus in ISOBMFF (Opus) and FLAC in ISOBMFF (fLaC).
 * Leaves out: colour information beside what the codec's own record says, encryption.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { CODECS } from '../../codec/codec-id.ts';
import { OPUS_SAMPLE_RATE, parseOpusHead } from '../../codec/opus.ts';
import type { BoxWriter } from './box-writer.ts';

/** 90 kHz: all usual frame rates are whole numbers of it, and MPEG-TS counts the same way. */
const VIDEO_TIMESCALE = 90_000;
const DOTS_PER_INCH_72 = 0x0048_0000;
/** objectTypeIndication of ISO/IEC 14496-1. */
const OBJECT_AAC = 0x40;
const OBJECT_MP3 = 0x6b;

interface EntryKind {
  readonly entry: string;
  readonly box: string;
  /** A decoder cannot begin without the record. */
  readonly needsRecord: boolean;
}

const KINDS: Readonly<Partial<Record<CodecConfig['codec'], EntryKind>>> = {
  h264: { entry: 'avc1', box: 'avcC', needsRecord: true },
  h265: { entry: 'hvc1', box: 'hvcC', needsRecord: true },
  av1: { entry: 'av01', box: 'av1C', needsRecord: true },
  vp9: { entry: 'vp09', box: 'vpcC', needsRecord: true },
  aac: { entry: 'mp4a', box: 'esds', needsRecord: true },
  mp3: { entry: 'mp4a', box: 'esds', needsRecord: false },
  ac3: { entry: 'ac-3', box: 'dac3', needsRecord: true },
  eac3: { entry: 'ec-3', box: 'dec3', needsRecord: true },
  opus: { entry: 'Opus', box: 'dOps', needsRecord: false },
  flac: { entry: 'fLaC', box: 'dfLa', needsRecord: true },
};

/** '' when a track of this config can be written to MP4, else a sentence that says why not. */
export function reasonNotInMp4(config: CodecConfig): string {
  const kind = KINDS[config.codec];
  const { label } = CODECS[config.codec];
  if (kind === undefined) return `MP4 has no place for ${label} that players know.`;
  if (kind.needsRecord && config.record.length === 0)
    return `The publisher has not said yet how its ${label} is to be decoded.`;
  return '';
}

/** Ticks per second in which a track counts: the sample rate for sound, 90000 for pictures. */
export function mp4Timescale(config: CodecConfig): number {
  if (CODECS[config.codec].kind === 'video') return VIDEO_TIMESCALE;
  return config.codec === 'opus' || config.sampleRate <= 0 ? OPUS_SAMPLE_RATE : config.sampleRate;
}

/** Writes the entry; `reasonNotInMp4` must be ''. */
export function writeSampleEntry(writer: BoxWriter, config: CodecConfig): void {
  const kind = KINDS[config.codec]!; // reasonNotInMp4 is ''
  writer.begin(kind.entry).zeros(6).u16(1);
  if (CODECS[config.codec].kind === 'video') {
    writer.zeros(16).u16(config.width).u16(config.height).u32(DOTS_PER_INCH_72).u32(DOTS_PER_INCH_72);
    // One frame per sample, no compressor name, 24 bits with no alpha, no colour table.
    writer.u32(0).u16(1).zeros(32).u16(24).u16(0xffff);
    // The record of VP9 begins with the version and flags of its box.
    writer.begin(kind.box).bytes(config.record).end();
  } else {
    const rate = mp4Timescale(config);
    // 16 bits a sample is what every file says, whatever the codec; a rate that does not fit stands in the record.
    writer
      .zeros(8)
      .u16(Math.max(1, config.channels))
      .u16(16)
      .u32(0)
      .u32(rate > 0xffff ? 0 : rate * 0x1_0000);
    writeAudioConfig(writer, config);
  }
  writer.end();
}

function writeAudioConfig(writer: BoxWriter, config: CodecConfig): void {
  const { codec, record } = config;
  switch (codec) {
    case 'aac':
      writeElementaryStream(writer, OBJECT_AAC, record);
      break;
    case 'mp3':
      writeElementaryStream(writer, OBJECT_MP3, record);
      break;
    case 'ac3':
      writer.begin('dac3').bytes(record).end();
      break;
    case 'eac3':
      writer.begin('dec3').bytes(record).end();
      break;
    case 'flac':
      // The only metadata block, hence with the flag of the last one: STREAMINFO of 34 bytes.
      writer.beginFull('dfLa', 0, 0).u8(0x80).u24(record.length).bytes(record).end();
      break;
    default:
      writeOpus(writer, config);
  }
}

/** `esds` of ISO/IEC 14496-14 with the descriptors of ISO/IEC 14496-1 7.2.6. */
function writeElementaryStream(writer: BoxWriter, objectType: number, record: Uint8Array): void {
  const specificBytes = record.length === 0 ? 0 : record.length + 5;
  const configBytes = 13 + specificBytes;
  writer.beginFull('esds', 0, 0);
  descriptor(writer, 3, 3 + configBytes + 5 + 6)
    .u16(0)
    .u8(0);
  // An audio stream, of which buffer size and rates are not known.
  descriptor(writer, 4, configBytes).u8(objectType).u8(0x15).u24(0).u32(0).u32(0);
  if (specificBytes > 0) descriptor(writer, 5, record.length).bytes(record);
  descriptor(writer, 6, 1).u8(2);
  writer.end();
}

/** Tag and length in the four-byte form that all parsers know. */
function descriptor(writer: BoxWriter, tag: number, bytes: number): BoxWriter {
  writer
    .u8(tag)
    .u8(0x80 | (bytes >>> 21))
    .u8(0x80 | ((bytes >>> 14) & 0x7f));
  writer.u8(0x80 | ((bytes >>> 7) & 0x7f)).u8(bytes & 0x7f);
  return writer;
}

/** The same fields as OpusHead, big-endian and with version 0. */
function writeOpus(writer: BoxWriter, { record, channels }: CodecConfig): void {
  writer.begin('dOps').u8(0);
  if (record.length === 0) {
    writer
      .u8(channels === 1 ? 1 : 2)
      .u16(0)
      .u32(OPUS_SAMPLE_RATE)
      .u16(0)
      .u8(0)
      .end();
    return;
  }
  const head = parseOpusHead(record);
  writer
    .u8(head.channels)
    .u16(head.preSkip)
    .u32(head.inputRate)
    .u16(head.outputGain & 0xffff);
  writer.u8(head.mappingFamily).bytes(head.mapping).end();
}
