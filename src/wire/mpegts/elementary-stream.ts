/**
 * How each codec goes into a transport stream: stream type (ISO/IEC 13818-1 table 2-34, ATSC A/53 part 3 for AC-3,
 * A/52 annex G for E-AC-3), descriptors, and what stands around the canonical payload: access unit delimiters and
 * parameter sets, ADTS headers, Opus control headers (ETSI TS 103 491 draft, as FFmpeg and GStreamer write it).
 */
import { type AudioSpecificConfig, parseAudioSpecificConfig } from '../../codec/aac.ts';
import { ADTS_HEADER_BYTES, ADTS_MAX_FRAME_BYTES, canUseAdts, writeAdtsHeader } from '../../codec/adts.ts';
import { parseAvcConfig } from '../../codec/avc-config.ts';
import type { CodecConfig } from '../../codec/codec-config.ts';
import { CODECS, type TrackKind } from '../../codec/codec-id.ts';
import { H264_PPS, H264_SPS } from '../../codec/h264.ts';
import { H265_PPS, H265_SPS, H265_VPS } from '../../codec/h265.ts';
import { hevcNalsOf, parseHevcConfig } from '../../codec/hevc-config.ts';
import { NalCursor, writeAnnexB } from '../../codec/nal-unit.ts';
import { OPUS_MAPPINGS, parseOpusHead } from '../../codec/opus.ts';
import { VIDEO_IN_BAND_CONFIG, VIDEO_KEY } from '../../codec/video-flags.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';
import {
  MAX_BOUNDED_PES_PAYLOAD_BYTES,
  STREAM_ID_AUDIO,
  STREAM_ID_PRIVATE_1,
  STREAM_ID_VIDEO,
} from './pes.ts';

const TYPE_MPEG1_AUDIO = 0x03;
const TYPE_MPEG2_AUDIO = 0x04;
const TYPE_PRIVATE_PES = 0x06;
const TYPE_ADTS = 0x0f;
const TYPE_H264 = 0x1b;
const TYPE_H265 = 0x24;
const TYPE_AC3 = 0x81;
const TYPE_EAC3 = 0x87;

const DESCRIPTOR_REGISTRATION = 0x05;
const DESCRIPTOR_LANGUAGE = 0x0a;
const DESCRIPTOR_EXTENSION = 0x7f;
const EXTENSION_OPUS = 0x80;
/** Below this rate MPEG audio is that of ISO/IEC 13818-3. */
const LOWEST_MPEG1_RATE = 32_000;

/** An access unit delimiter for any kind of slice, with its start code (H.264 7.3.2.4, H.265 7.3.2.5). */
const H264_DELIMITER = Uint8Array.of(0, 0, 0, 1, 0x09, 0xf0);
const H265_DELIMITER = Uint8Array.of(0, 0, 0, 1, 0x46, 0x01, 0x50);
const NOTHING = new Uint8Array(0);

export interface TsTrack {
  readonly id: number;
  readonly kind: TrackKind;
  readonly config: CodecConfig;
  /** BCP 47 tag or ''. */
  readonly language: string;
}

/** One access unit; times are integer microseconds. A media Frame is one. */
export interface TsFrame {
  readonly trackId: number;
  /** VIDEO_KEY and VIDEO_IN_BAND_CONFIG count here (video-flags.ts). */
  readonly flags: number;
  readonly dts: number;
  readonly pts: number;
  readonly duration: number;
  readonly payload: Uint8Array;
  readonly config: CodecConfig;
  readonly arrival: number;
}

/** How a payload is wrapped. */
type Framing = 'annex-b' | 'adts' | 'opus' | 'plain';

/** What a codec config means for a transport stream. Made when a config arrives, not per frame. */
export interface Mapping {
  readonly framing: Framing;
  readonly streamType: number;
  readonly streamId: number;
  readonly descriptors: Uint8Array;
  /** Before every access unit. */
  readonly prefix: Uint8Array;
  /** Before a random access point that does not bring its parameter sets: prefix and parameter sets. */
  readonly keyPrefix: Uint8Array;
  readonly asc: AudioSpecificConfig | null;
}

/** Why a track cannot go into a transport stream, in words for a person; '' when it can. */
export function reasonNotInTs(track: TsTrack): string {
  const mapping = mapTrack(track);
  return typeof mapping === 'string' ? mapping : '';
}

/** The mapping, or the reason why there is none. */
export function mapTrack(track: TsTrack): Mapping | string {
  try {
    return mapConfig(track.config, track.language);
  } catch (error) {
    if (error instanceof ProtocolError) return `its codec configuration is broken (${error.message})`;
    throw error;
  }
}

function mapConfig(config: CodecConfig, language: string): Mapping | string {
  switch (config.codec) {
    case 'h264':
      return videoMapping(TYPE_H264, '', H264_DELIMITER, h264ParameterSets(config.record));
    case 'h265':
      return videoMapping(TYPE_H265, 'HEVC', H265_DELIMITER, h265ParameterSets(config.record));
    case 'aac':
      return aacMapping(config, language);
    case 'mp3': {
      const type = config.sampleRate >= LOWEST_MPEG1_RATE ? TYPE_MPEG1_AUDIO : TYPE_MPEG2_AUDIO;
      return audioMapping('plain', type, STREAM_ID_AUDIO, '', language, NOTHING, null);
    }
    case 'ac3':
      return audioMapping('plain', TYPE_AC3, STREAM_ID_PRIVATE_1, 'AC-3', language, NOTHING, null);
    case 'eac3':
      return audioMapping('plain', TYPE_EAC3, STREAM_ID_PRIVATE_1, 'EAC3', language, NOTHING, null);
    case 'opus':
      return opusMapping(config, language);
    default:
      return `MPEG-TS has no place for ${CODECS[config.codec].label}`;
  }
}

function videoMapping(
  streamType: number,
  registration: string,
  prefix: Uint8Array,
  sets: readonly Uint8Array[],
): Mapping {
  const keyPrefix = new ByteWriter().bytes(prefix);
  for (const set of sets) keyPrefix.u32(1).bytes(set);
  const descriptors = new ByteWriter(8);
  if (registration !== '') writeRegistration(descriptors, registration);
  return {
    framing: 'annex-b',
    streamType,
    streamId: STREAM_ID_VIDEO,
    descriptors: descriptors.finish(),
    prefix,
    keyPrefix: keyPrefix.finish(),
    asc: null,
  };
}

function h264ParameterSets(record: Uint8Array): Uint8Array[] {
  // Some publishers send no record, only parameter sets in band.
  if (record.length === 0) return [];
  const { sps, pps, high } = parseAvcConfig(record);
  return [...sps, ...(high?.spsExtensions ?? []), ...pps];
}

function h265ParameterSets(record: Uint8Array): Uint8Array[] {
  if (record.length === 0) return [];
  const config = parseHevcConfig(record);
  return [...hevcNalsOf(config, H265_VPS), ...hevcNalsOf(config, H265_SPS), ...hevcNalsOf(config, H265_PPS)];
}

function audioMapping(
  framing: Framing,
  streamType: number,
  streamId: number,
  registration: string,
  language: string,
  moreDescriptors: Uint8Array,
  asc: AudioSpecificConfig | null,
): Mapping {
  const descriptors = new ByteWriter(16);
  if (registration !== '') writeRegistration(descriptors, registration);
  descriptors.bytes(moreDescriptors);
  // The descriptor takes the three letters of ISO 639-2 only; two-letter tags are left out.
  if (/^[a-z]{3}$/.test(language)) descriptors.u8(DESCRIPTOR_LANGUAGE).u8(4).utf8(language).u8(0);
  return {
    framing,
    streamType,
    streamId,
    descriptors: descriptors.finish(),
    prefix: NOTHING,
    keyPrefix: NOTHING,
    asc,
  };
}

function writeRegistration(writer: ByteWriter, name: string): void {
  writer.u8(DESCRIPTOR_REGISTRATION).u8(4).utf8(name);
}

function aacMapping(config: CodecConfig, language: string): Mapping | string {
  const asc = parseAudioSpecificConfig(config.record);
  if (!canUseAdts(asc)) {
    return `ADTS, the form of AAC in MPEG-TS, cannot carry object type ${asc.objectType} at ${asc.sampleRate} Hz`;
  }
  // Its channels are in a program config element that stands in the record only.
  if (asc.channelConfig === 0) return 'ADTS, the form of AAC in MPEG-TS, cannot tell its channel layout';
  return audioMapping('adts', TYPE_ADTS, STREAM_ID_AUDIO, '', language, NOTHING, asc);
}

function opusMapping(config: CodecConfig, language: string): Mapping | string {
  const channels = opusChannels(config);
  if (channels === 0) return 'MPEG-TS has no code for the channel mapping of this Opus track';
  const extension = Uint8Array.of(DESCRIPTOR_EXTENSION, 2, EXTENSION_OPUS, channels);
  return audioMapping('opus', TYPE_PRIVATE_PES, STREAM_ID_PRIVATE_1, 'Opus', language, extension, null);
}

/** The channel config code, which is the channel count of a standard layout; 0 = not a standard layout. */
function opusChannels(config: CodecConfig): number {
  if (config.record.length === 0) return config.channels === 1 ? 1 : 2;
  const head = parseOpusHead(config.record);
  if (head.mappingFamily === 0) return head.channels;
  const standard = OPUS_MAPPINGS[head.channels];
  if (head.mappingFamily !== 1 || standard === undefined) return 0;
  return Buffer.compare(head.mapping, Uint8Array.from(standard)) === 0 ? head.channels : 0;
}

const cursor = new NalCursor();

/**
 * Bytes that `writeAccessUnit` will write for a frame; 0 when nothing can be sent: no NAL unit in it, or more than
 * the headers of audio can tell.
 */
export function accessUnitBytes(mapping: Mapping, frame: TsFrame): number {
  const bytes = frame.payload.length;
  if (bytes === 0) return 0;
  switch (mapping.framing) {
    case 'annex-b': {
      let total = 0;
      cursor.reset(frame.payload, 4);
      while (cursor.advance()) total += 4 + cursor.end - cursor.start;
      return total === 0 ? 0 : total + prefixOf(mapping, frame).length;
    }
    case 'adts':
      return bytes + ADTS_HEADER_BYTES > ADTS_MAX_FRAME_BYTES ? 0 : bytes + ADTS_HEADER_BYTES;
    case 'opus': {
      const total = 2 + Math.floor(bytes / 255) + 1 + bytes;
      return total > MAX_BOUNDED_PES_PAYLOAD_BYTES ? 0 : total;
    }
    case 'plain':
      return bytes > MAX_BOUNDED_PES_PAYLOAD_BYTES ? 0 : bytes;
  }
}

/** Writes the access unit to `target` at `at`; room for `accessUnitBytes` is needed. Returns the offset behind it. */
export function writeAccessUnit(mapping: Mapping, frame: TsFrame, target: Uint8Array, at: number): number {
  const { payload } = frame;
  let to = at;
  switch (mapping.framing) {
    case 'annex-b': {
      const prefix = prefixOf(mapping, frame);
      target.set(prefix, to);
      return writeAnnexB(payload, target, to + prefix.length);
    }
    case 'adts':
      writeAdtsHeader(mapping.asc!, payload.length, target, to); // aacMapping always sets it
      to += ADTS_HEADER_BYTES;
      break;
    case 'opus': {
      // Eleven bits of prefix, no trims, no extension; then the size in steps of at most 255.
      target[to++] = 0x7f;
      target[to++] = 0xe0;
      let left = payload.length;
      for (; left >= 255; left -= 255) target[to++] = 255;
      target[to++] = left;
      break;
    }
    case 'plain':
      break;
  }
  target.set(payload, to);
  return to + payload.length;
}

function prefixOf(mapping: Mapping, frame: TsFrame): Uint8Array {
  if ((frame.flags & VIDEO_KEY) === 0) return mapping.prefix;
  if ((frame.flags & VIDEO_IN_BAND_CONFIG) === 0) return mapping.keyPrefix;
  return hasAllParameterSets(mapping.streamType, frame.payload) ? mapping.prefix : mapping.keyPrefix;
}

/** Encoders exist that repeat the PPS alone; such a frame still needs the sets of the record. */
function hasAllParameterSets(streamType: number, payload: Uint8Array): boolean {
  let found = 0;
  cursor.reset(payload, 4);
  while (cursor.advance()) {
    const header = payload[cursor.start]!;
    if (streamType === TYPE_H264) {
      const type = header & 0x1f;
      if (type === H264_SPS) found |= 1;
      else if (type === H264_PPS) found |= 2;
    } else {
      const type = (header >> 1) & 0x3f;
      if (type >= H265_VPS && type <= H265_PPS) found |= 1 << (type - H265_VPS);
    }
  }
  return found === (streamType === TYPE_H264 ? 3 : 7);
}

/** True when both lead to the same lines in the program map. */
export function isSameMapEntry(a: Mapping, b: Mapping): boolean {
  return a.streamType === b.streamType && Buffer.compare(a.descriptors, b.descriptors) === 0;
}
