/**
 * AudioSpecificConfig: ISO/IEC 14496-3 1.6.2.1 with the spectral band replication (SBR) and parametric stereo (PS)
 * signalling of 1.6.5, and as much of UsacConfig (ISO/IEC 23003-3 5.2) as tells rate and frame length.
 * Leaves out: the contents of a program config element except its channel count, error protection.
 */
import { BitReader } from '../util/bit-reader.ts';
import { ProtocolError } from '../util/errors.ts';

/** What announces SBR and PS behind a config. */
const SBR_SYNC = 0x2b7;
const PS_SYNC = 0x548;
const BAD_ASC = 'codec.bad-aac-config';
const MAX_ASC_BYTES = 1024;
const MAX_SAMPLE_RATE = 384_000;

const AAC_LC = 2;
const AAC_SBR = 5;
const AAC_PS = 29;
const AAC_ESCAPE = 31;
const ER_AAC_LD = 23;
const ER_AAC_ELD = 39;
const USAC = 42;

const SAMPLE_RATES: readonly number[] = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
const ESCAPED_RATE = 15;
/** By channelConfiguration (ISO/IEC 23091-3); 0 = told elsewhere. */
const CHANNELS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];
/** By coreSbrFrameLengthIndex: samples that one frame gives. */
const USAC_FRAME_SAMPLES: readonly number[] = [768, 1024, 2048, 2048, 4096];

export interface AudioSpecificConfig {
  /** Of the coder below SBR and PS: 2 is LC. */
  readonly objectType: number;
  /** Rate of the coder in Hz; half of `outputRate` with SBR. */
  readonly sampleRate: number;
  /** 0 to 15; 0 = a program config element tells the channels. */
  readonly channelConfig: number;
  /** Samples of one frame at `sampleRate`. */
  readonly frameSamples: number;
  readonly hasSbr: boolean;
  readonly hasPs: boolean;
  /** Rate of the decoded sound in Hz. */
  readonly outputRate: number;
  /** Channels of the decoded sound; 0 = unknown. */
  readonly channels: number;
}

/** Index of a rate in the table of 1.6.3.4, or -1. */
export function aacRateIndex(sampleRate: number): number {
  return SAMPLE_RATES.indexOf(sampleRate);
}

/** Rate by index, or 0. */
export function aacRate(index: number): number {
  return SAMPLE_RATES[index] ?? 0;
}

function aacChannels(channelConfig: number): number {
  return CHANNELS[channelConfig] ?? 0;
}

/** Parses an AudioSpecificConfig; bytes behind it are ignored. Throws ProtocolError. */
export function parseAudioSpecificConfig(record: Uint8Array): AudioSpecificConfig {
  if (record.length < 2 || record.length > MAX_ASC_BYTES)
    throw new ProtocolError(BAD_ASC, `${record.length} bytes`);
  const bits = new BitReader(record, BAD_ASC);
  let objectType = readObjectType(bits);
  const sampleRate = readRate(bits);
  const channelConfig = bits.bits(4);
  let hasSbr = objectType === AAC_SBR || objectType === AAC_PS;
  let hasPs = objectType === AAC_PS;
  let outputRate = sampleRate;
  const isHierarchical = hasSbr;
  if (isHierarchical) {
    outputRate = readRate(bits);
    objectType = readObjectType(bits);
  }
  if (objectType === 0) throw new ProtocolError(BAD_ASC, 'object type 0');
  let channels = aacChannels(channelConfig);
  let frameSamples = 1024;
  if (isGeneralAudio(objectType)) {
    const general = readGeneralAudio(bits, objectType, channelConfig);
    if (channelConfig === 0) channels = general.channels;
    frameSamples = general.frameSamples;
  } else if (objectType === ER_AAC_ELD) {
    frameSamples = bits.remaining > 0 && bits.flag() ? 480 : 512;
  } else if (objectType === USAC) {
    const usac = readUsac(bits);
    return {
      objectType,
      sampleRate: usac.sampleRate,
      channelConfig,
      frameSamples: usac.frameSamples,
      hasSbr,
      hasPs,
      outputRate: usac.sampleRate,
      channels: channels === 0 ? usac.channels : channels,
    };
  }
  if (!isHierarchical && isGeneralAudio(objectType)) {
    const extension = readSyncExtension(bits);
    if (extension.rate > 0) {
      hasSbr = true;
      outputRate = extension.rate;
      hasPs = extension.hasPs;
    }
  }
  if (hasPs && channels === 1) channels = 2;
  return { objectType, sampleRate, channelConfig, frameSamples, hasSbr, hasPs, outputRate, channels };
}

/**
 * Bits of the config at the start of `bytes`, without what may signal SBR behind it; -1 for an object type whose
 * contents are not read to their end. For LATM, which does not always tell. Throws ProtocolError.
 */
export function audioSpecificConfigBits(bytes: Uint8Array): number {
  const bits = new BitReader(bytes, BAD_ASC);
  const total = bits.remaining;
  let objectType = readObjectType(bits);
  readRate(bits);
  const channelConfig = bits.bits(4);
  if (objectType === AAC_SBR || objectType === AAC_PS) {
    readRate(bits);
    objectType = readObjectType(bits);
  }
  if (!isGeneralAudio(objectType)) return -1;
  readGeneralAudio(bits, objectType, channelConfig);
  return total - bits.remaining + extensionBits(bits);
}

/** Of what says behind a config whether there is SBR and PS (1.6.5.3): GStreamer puts it into LATM too. */
function extensionBits(bits: BitReader): number {
  const total = bits.remaining;
  if (total < 17 || bits.bits(11) !== SBR_SYNC || readObjectType(bits) !== AAC_SBR) return 0;
  if (bits.flag()) readRate(bits);
  const count = total - bits.remaining;
  if (bits.remaining < 12 || bits.bits(11) !== PS_SYNC) return count;
  return count + 12;
}

function readObjectType(bits: BitReader): number {
  const type = bits.bits(5);
  return type === AAC_ESCAPE ? 32 + bits.bits(6) : type;
}

function readRate(bits: BitReader): number {
  const index = bits.bits(4);
  const rate = index === ESCAPED_RATE ? bits.bits(24) : aacRate(index);
  if (rate === 0 || rate > MAX_SAMPLE_RATE)
    throw new ProtocolError(BAD_ASC, `sample rate ${rate}, index ${index}`);
  return rate;
}

function isGeneralAudio(objectType: number): boolean {
  return (
    (objectType >= 1 && objectType <= 7 && objectType !== AAC_SBR) || (objectType >= 17 && objectType <= 23)
  );
}

function readGeneralAudio(
  bits: BitReader,
  objectType: number,
  channelConfig: number,
): { frameSamples: number; channels: number } {
  const isShort = bits.flag();
  const long = objectType === ER_AAC_LD ? 512 : 1024;
  const frameSamples = isShort ? (long * 15) / 16 : long;
  if (bits.flag()) bits.skip(14); // coreCoderDelay
  const hasExtension = bits.flag();
  let channels = 0;
  if (channelConfig === 0) channels = readProgramConfigChannels(bits);
  if (objectType === 6 || objectType === 20) bits.skip(3); // layerNr
  if (hasExtension) {
    if (objectType === 22) bits.skip(16); // numOfSubFrame, layer_length
    if (objectType === 17 || objectType === 19 || objectType === 20 || objectType === 23) bits.skip(3);
    bits.skip(1); // extensionFlag3
  }
  // epConfig; its contents are left out, nothing that we need is behind it.
  if (objectType >= 17) bits.skip(2);
  return { frameSamples, channels };
}

/** Channels that a program_config_element (4.5.2.1) lists. */
function readProgramConfigChannels(bits: BitReader): number {
  bits.skip(4 + 2 + 4); // element_instance_tag, object_type, sampling_frequency_index
  const front = bits.bits(4);
  const side = bits.bits(4);
  const back = bits.bits(4);
  const lowFrequency = bits.bits(2);
  const associated = bits.bits(3);
  const coupling = bits.bits(4);
  if (bits.flag()) bits.skip(4); // mono_mixdown
  if (bits.flag()) bits.skip(4); // stereo_mixdown
  if (bits.flag()) bits.skip(3); // matrix_mixdown
  let channels = lowFrequency;
  for (let i = front + side + back; i > 0; i--) {
    channels += bits.flag() ? 2 : 1;
    bits.skip(4);
  }
  bits.skip(4 * lowFrequency + 4 * associated + 5 * coupling);
  bits.align();
  bits.skip(8 * bits.bits(8)); // comment
  return channels;
}

/** Backward compatible signalling: SBR and PS behind the config, where old decoders do not look (1.6.5.2). */
function readSyncExtension(bits: BitReader): { rate: number; hasPs: boolean } {
  const none = { rate: 0, hasPs: false };
  if (bits.remaining < 16 || bits.bits(11) !== SBR_SYNC) return none;
  if (readObjectType(bits) !== AAC_SBR || bits.remaining < 5 || !bits.flag()) return none;
  const rate = readRate(bits);
  const hasPs = bits.remaining >= 12 && bits.bits(11) === PS_SYNC && bits.flag();
  return { rate, hasPs };
}

function readUsac(bits: BitReader): { sampleRate: number; frameSamples: number; channels: number } {
  const index = bits.bits(5);
  const sampleRate = index === 31 ? bits.bits(24) : aacRate(index);
  // 0 is a rate of the larger USAC table (1.6.3.4 of edition 2009 and later); such streams are not seen live.
  if (sampleRate > MAX_SAMPLE_RATE) throw new ProtocolError(BAD_ASC, `sample rate ${sampleRate}`);
  const frameSamples = USAC_FRAME_SAMPLES[bits.bits(3)] ?? 1024;
  return { sampleRate, frameSamples, channels: aacChannels(bits.bits(5)) };
}

/**
 * Builds the AudioSpecificConfig of a plain coder (no SBR): 2 bytes, or 5 when the rate is not in the table.
 * For what an ADTS header tells. `objectType` is 1 to 30, `channelConfig` 0 to 15.
 */
export function buildAudioSpecificConfig(
  objectType: number,
  sampleRate: number,
  channelConfig: number,
): Uint8Array {
  const index = aacRateIndex(sampleRate);
  if (index >= 0) {
    return Uint8Array.of((objectType << 3) | (index >> 1), ((index & 1) << 7) | (channelConfig << 3));
  }
  return Uint8Array.of(
    (objectType << 3) | (ESCAPED_RATE >> 1),
    0x80 | (sampleRate >> 17),
    sampleRate >> 9,
    sampleRate >> 1,
    ((sampleRate & 1) << 7) | (channelConfig << 3),
  );
}

export function aacProfileName(config: AudioSpecificConfig): string {
  if (config.hasPs) return 'HE-AACv2';
  if (config.hasSbr) return 'HE-AAC';
  switch (config.objectType) {
    case 1:
      return 'Main';
    case AAC_LC:
      return 'LC';
    case 3:
      return 'SSR';
    case 4:
      return 'LTP';
    case ER_AAC_LD:
      return 'LD';
    case ER_AAC_ELD:
      return 'ELD';
    case USAC:
      return 'xHE-AAC';
    default:
      return '';
  }
}

/** `mp4a.40.N` (RFC 6381 3.3) with N = 29 for PS, 5 for SBR, else the object type. */
export function aacMime(config: AudioSpecificConfig): string {
  return `mp4a.40.${config.hasPs ? AAC_PS : config.hasSbr ? AAC_SBR : config.objectType}`;
}
