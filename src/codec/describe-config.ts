/**
 * From what a publisher sends to a CodecConfig with all facts: `configFromRecord` for a decoder configuration record,
 * `configFromFrame` for what only frames tell (codecs without record, parameter sets in band).
 */
import { ProtocolError } from '../util/errors.ts';
import { aacMime, aacProfileName, parseAudioSpecificConfig } from './aac.ts';
import { parseAc3Frame, serializeAc3Config } from './ac3.ts';
import {
  type Av1Sequence,
  av1LevelName,
  av1ProfileName,
  findAv1SequenceHeader,
  parseAv1Sequence,
} from './av1.ts';
import { av1Mime, buildAv1Config, parseAv1Config } from './av1-config.ts';
import { avcConfigOfAccessUnit, avcMime, parseAvcConfig, serializeAvcConfig } from './avc-config.ts';
import { type CodecConfig, type CodecFactsFound, makeCodecConfig } from './codec-config.ts';
import type { CodecId } from './codec-id.ts';
import { findStreamInfo, parseStreamInfo } from './flac.ts';
import { G711_SAMPLE_RATE } from './g711.ts';
import { G722_SAMPLE_RATE } from './g722.ts';
import { G726_SAMPLE_RATE, g726BitsPerCode } from './g726.ts';
import { h264LevelName, h264ProfileName, parseH264Sps } from './h264-sps.ts';
import { H265_PPS, H265_SPS, H265_VPS } from './h265.ts';
import { h265LevelName, h265ProfileName, parseH265Sps } from './h265-sps.ts';
import {
  hevcConfigOfAccessUnit,
  hevcMime,
  hevcNalsOf,
  parseHevcConfig,
  serializeHevcConfig,
} from './hevc-config.ts';
import { parseJpegSize } from './jpeg.ts';
import { parseMp3Frame } from './mp3.ts';
import { ANNEX_B, startsWithStartCode } from './nal-unit.ts';
import { OPUS_SAMPLE_RATE, opusPacketChannels, parseOpusHead } from './opus.ts';
import { type FrameSize, parseVp8Size } from './vp8.ts';
import {
  parseVp9KeyFrame,
  parseVpConfig,
  serializeVpConfig,
  type VpConfig,
  vp9LevelName,
  vp9Mime,
  vpConfigOfKeyFrame,
} from './vp9.ts';

/** Longest record kept: parameter sets of any real encoder fit many times. */
export const MAX_RECORD_BYTES = 65_536;
const SPEEX_SAMPLE_RATE = 16_000;
const DAC3_BYTES = 3;
const DEC3_BYTES = 5;

/**
 * Describes a decoder configuration record as README.md lists them; `flvHeader` goes into the CodecConfig unchanged.
 * The record that is kept is canonical: avcC and hvcC say 4-byte lengths (ask `nalLengthSize` for the publisher's
 * own), parameter sets in Annex B become avcC or hvcC, FLAC is bare STREAMINFO. Codecs without record ignore it.
 * Throws ProtocolError when it is broken.
 */
export function configFromRecord(codec: CodecId, record: Uint8Array, flvHeader = -1): CodecConfig {
  if (record.length > MAX_RECORD_BYTES) {
    throw new ProtocolError('codec.record-too-big', `${codec}: ${record.length} bytes`);
  }
  switch (codec) {
    case 'h264':
      return describeAvc(record, flvHeader);
    case 'h265':
      return describeHevc(record, flvHeader);
    case 'av1':
      return describeAv1(record, flvHeader);
    case 'vp8':
    case 'vp9':
      return describeVp(codec, record, flvHeader);
    case 'aac':
      return describeAac(record, flvHeader);
    case 'opus':
      return describeOpus(record, flvHeader);
    case 'flac':
      return describeFlac(record, flvHeader);
    default:
      return describeWithoutRecord(codec, record, flvHeader);
  }
}

/** Bytes of a NAL unit's length in the publisher's frames: 1, 2 or 4, or ANNEX_B; 4 when the record does not tell. */
export function nalLengthSize(codec: CodecId, record: Uint8Array): number {
  if (codec !== 'h264' && codec !== 'h265') return 4;
  if (startsWithStartCode(record)) return ANNEX_B;
  const at = codec === 'h264' ? 4 : 21;
  return at < record.length ? (record[at]! & 3) + 1 : 4;
}

const NO_RECORD = new Uint8Array(0);

function describeAvc(received: Uint8Array, flvHeader: number): CodecConfig {
  const record = startsWithStartCode(received) ? avcConfigOfAccessUnit(received, ANNEX_B) : received;
  if (record === null) throw new ProtocolError('codec.bad-avcc', 'Annex B without SPS and PPS');
  const config = parseAvcConfig(record);
  const first = config.sps[0];
  if (first === undefined) throw new ProtocolError('codec.bad-avcc', 'no SPS');
  const sps = parseH264Sps(first);
  const { profileIdc, constraints, levelIdc } = sps;
  const facts: Partial<CodecFactsFound> = {
    width: sps.width,
    height: sps.height,
    frameRate: sps.frameRate,
    profile: h264ProfileName(profileIdc, constraints),
    level: h264LevelName(profileIdc, constraints, levelIdc),
  };
  const kept = serializeAvcConfig({ ...config, lengthSize: 4 });
  return makeCodecConfig('h264', kept, avcMime(profileIdc, constraints, levelIdc), facts, flvHeader);
}

function describeHevc(received: Uint8Array, flvHeader: number): CodecConfig {
  const record = startsWithStartCode(received) ? hevcConfigOfAccessUnit(received, ANNEX_B) : received;
  if (record === null) throw new ProtocolError('codec.bad-hvcc', 'Annex B without VPS, SPS and PPS');
  const config = parseHevcConfig(record);
  const first = hevcNalsOf(config, H265_SPS)[0];
  if (first === undefined) throw new ProtocolError('codec.bad-hvcc', 'no SPS');
  const sps = parseH265Sps(first);
  const facts: Partial<CodecFactsFound> = {
    width: sps.width,
    height: sps.height,
    frameRate: sps.frameRate,
    profile: h265ProfileName(sps.profile.profileIdc),
    level: h265LevelName(sps.profile.levelIdc),
  };
  const kept = serializeHevcConfig({ ...config, lengthSize: 4 });
  return makeCodecConfig('h265', kept, hevcMime(sps.profile), facts, flvHeader);
}

function describeAv1(record: Uint8Array, flvHeader: number): CodecConfig {
  if (record.length === 0) return makeCodecConfig('av1', record, '', {}, flvHeader);
  const config = parseAv1Config(record);
  const header = findAv1SequenceHeader(config.obus);
  const sequence: Av1Sequence | null = header === null ? null : parseAv1Sequence(header);
  const facts: Partial<CodecFactsFound> = {
    width: sequence?.width ?? 0,
    height: sequence?.height ?? 0,
    frameRate: sequence?.frameRate ?? 0,
    profile: av1ProfileName(config.profile),
    level: av1LevelName(config.levelIndex),
  };
  return makeCodecConfig('av1', record, av1Mime(config, sequence), facts, flvHeader);
}

function describeVp(codec: 'vp8' | 'vp9', record: Uint8Array, flvHeader: number): CodecConfig {
  if (codec === 'vp8') return makeCodecConfig('vp8', record, 'vp8', {}, flvHeader);
  if (record.length === 0) return makeCodecConfig('vp9', record, 'vp09.00.10.08', {}, flvHeader);
  return makeVp9Config(parseVpConfig(record), record, 0, 0, flvHeader);
}

function makeVp9Config(
  config: VpConfig,
  record: Uint8Array,
  width: number,
  height: number,
  flvHeader: number,
): CodecConfig {
  const facts = { width, height, profile: `Profile ${config.profile}`, level: vp9LevelName(config.level) };
  return makeCodecConfig('vp9', record, vp9Mime(config), facts, flvHeader);
}

function describeAac(record: Uint8Array, flvHeader: number): CodecConfig {
  const config = parseAudioSpecificConfig(record);
  const facts = { profile: aacProfileName(config), sampleRate: config.outputRate, channels: config.channels };
  return makeCodecConfig('aac', record, aacMime(config), facts, flvHeader);
}

function describeOpus(record: Uint8Array, flvHeader: number): CodecConfig {
  const channels = record.length === 0 ? 0 : parseOpusHead(record).channels;
  return makeCodecConfig('opus', record, 'opus', { sampleRate: OPUS_SAMPLE_RATE, channels }, flvHeader);
}

function describeFlac(record: Uint8Array, flvHeader: number): CodecConfig {
  const streamInfo = findStreamInfo(record);
  const { sampleRate, channels } = parseStreamInfo(streamInfo);
  return makeCodecConfig('flac', streamInfo, 'fLaC', { sampleRate, channels }, flvHeader);
}

function describeWithoutRecord(codec: CodecId, record: Uint8Array, flvHeader: number): CodecConfig {
  switch (codec) {
    case 'mp3':
      return makeCodecConfig(codec, NO_RECORD, 'mp4a.40.34', {}, flvHeader);
    case 'ac3':
      return makeCodecConfig(codec, record.length === DAC3_BYTES ? record : NO_RECORD, 'ac-3', {}, flvHeader);
    case 'eac3':
      return makeCodecConfig(codec, record.length >= DEC3_BYTES ? record : NO_RECORD, 'ec-3', {}, flvHeader);
    case 'g711a':
    case 'g711u': {
      // The lowest bit of an FLV audio header is set for stereo (FLV 10.1, E.4.2.1).
      const channels = flvHeader >= 0 && (flvHeader & 1) === 1 ? 2 : 1;
      return makeCodecConfig(codec, NO_RECORD, '', { sampleRate: G711_SAMPLE_RATE, channels }, flvHeader);
    }
    case 'g722':
      return makeCodecConfig(codec, NO_RECORD, '', { sampleRate: G722_SAMPLE_RATE, channels: 1 }, flvHeader);
    case 'g726': {
      const kept = Uint8Array.of(g726BitsPerCode(record));
      return makeCodecConfig(codec, kept, '', { sampleRate: G726_SAMPLE_RATE, channels: 1 }, flvHeader);
    }
    case 'l16':
    case 'mjpeg':
      return makeCodecConfig(codec, NO_RECORD, '', {}, flvHeader);
    case 'speex':
      return makeCodecConfig(codec, NO_RECORD, '', { sampleRate: SPEEX_SAMPLE_RATE, channels: 1 }, flvHeader);
    default:
      return makeCodecConfig(codec, record, '', {}, flvHeader);
  }
}

/**
 * What a canonical frame tells beyond `config`: the same object when it tells nothing new, else a new one.
 * For key frames and frames with VIDEO_IN_BAND_CONFIG, and for every audio frame (cheap). Never throws for what is
 * in the frame: parameter sets that make no sense are left to the decoder.
 */
export function configFromFrame(config: CodecConfig, payload: Uint8Array): CodecConfig {
  try {
    return describeFrame(config, payload);
  } catch (error) {
    if (error instanceof ProtocolError) return config;
    throw error;
  }
}

function describeFrame(config: CodecConfig, payload: Uint8Array): CodecConfig {
  switch (config.codec) {
    case 'h264':
      return describeInBandAvc(config, payload);
    case 'h265':
      return describeInBandHevc(config, payload);
    case 'av1':
      return describeInBandAv1(config, payload);
    case 'vp8':
      return withSize(config, parseVp8Size(payload));
    case 'mjpeg':
      return withSize(config, parseJpegSize(payload));
    case 'vp9':
      return describeVp9KeyFrame(config, payload);
    case 'mp3': {
      const frame = parseMp3Frame(payload);
      return frame === null ? config : withSound(config, frame.sampleRate, frame.channels);
    }
    case 'ac3':
    case 'eac3': {
      const frame = parseAc3Frame(payload);
      if (frame === null || frame.isEac3 !== (config.codec === 'eac3')) return config;
      const { sampleRate, channels } = frame;
      if (config.record.length > 0) return withSound(config, sampleRate, channels);
      return makeCodecConfig(
        config.codec,
        serializeAc3Config(frame),
        config.mime,
        { sampleRate, channels },
        config.flvHeader,
      );
    }
    case 'opus':
      return config.channels > 0 ? config : withSound(config, config.sampleRate, opusPacketChannels(payload));
    default:
      return config;
  }
}

function withSize(config: CodecConfig, size: FrameSize | null): CodecConfig {
  if (size === null || (size.width === config.width && size.height === config.height)) return config;
  return makeCodecConfig(config.codec, config.record, config.mime, size, config.flvHeader);
}

function withSound(config: CodecConfig, sampleRate: number, channels: number): CodecConfig {
  if (config.sampleRate === sampleRate && config.channels === channels) return config;
  return makeCodecConfig(
    config.codec,
    config.record,
    config.mime,
    { sampleRate, channels },
    config.flvHeader,
  );
}

function describeInBandAvc(config: CodecConfig, payload: Uint8Array): CodecConfig {
  const record = avcConfigOfAccessUnit(payload, 4);
  if (record === null) return config;
  const found = parseAvcConfig(record);
  const known = config.record.length === 0 ? null : parseAvcConfig(config.record);
  if (known !== null && hasAll(known.sps, found.sps) && hasAll(known.pps, found.pps)) return config;
  return describeAvc(record, config.flvHeader);
}

function describeInBandHevc(config: CodecConfig, payload: Uint8Array): CodecConfig {
  const record = hevcConfigOfAccessUnit(payload, 4);
  if (record === null) return config;
  const found = parseHevcConfig(record);
  const known = config.record.length === 0 ? null : parseHevcConfig(config.record);
  if (
    known !== null &&
    hasAll(hevcNalsOf(known, H265_VPS), hevcNalsOf(found, H265_VPS)) &&
    hasAll(hevcNalsOf(known, H265_SPS), hevcNalsOf(found, H265_SPS)) &&
    hasAll(hevcNalsOf(known, H265_PPS), hevcNalsOf(found, H265_PPS))
  ) {
    return config;
  }
  return describeHevc(record, config.flvHeader);
}

/**
 * SVT-AV1 sends another sequence header in band than out of band, differing in coding tools only. Decoders go by the
 * one in band; a new config is worth its cost to players only where the description changes.
 */
function describeInBandAv1(config: CodecConfig, payload: Uint8Array): CodecConfig {
  const header = findAv1SequenceHeader(payload);
  if (header === null) return config;
  const { width, height, frameRate } = parseAv1Sequence(header);
  const record = buildAv1Config(header);
  const hasSameFields =
    config.record.length > 4 && Buffer.compare(config.record.subarray(0, 3), record.subarray(0, 3)) === 0;
  const hasSamePicture = width === config.width && height === config.height && frameRate === config.frameRate;
  return hasSameFields && hasSamePicture ? config : describeAv1(record, config.flvHeader);
}

function describeVp9KeyFrame(config: CodecConfig, payload: Uint8Array): CodecConfig {
  const frame = parseVp9KeyFrame(payload);
  if (frame === null) return config;
  const { width, height } = frame;
  if (config.record.length > 0 && width === config.width && height === config.height) return config;
  const known = config.record.length > 0 ? parseVpConfig(config.record) : null;
  const isSame = known !== null && known.profile === frame.profile && known.bitDepth === frame.bitDepth;
  const described = isSame ? known : vpConfigOfKeyFrame(frame);
  const record = isSame ? config.record : serializeVpConfig(described);
  return makeVp9Config(described, record, width, height, config.flvHeader);
}

function hasAll(known: readonly Uint8Array[], wanted: readonly Uint8Array[]): boolean {
  return wanted.every((set) => known.some((other) => Buffer.compare(set, other) === 0));
}
