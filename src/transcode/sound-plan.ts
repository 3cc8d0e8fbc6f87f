/** What can be converted, and what comes out of it: known at once, before a codec is loaded. */
import { buildAudioSpecificConfig, parseAudioSpecificConfig } from '../codec/aac.ts';
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS, type CodecId } from '../codec/codec-id.ts';
import { configFromRecord } from '../codec/describe-config.ts';
import { g726BitsPerCode } from '../codec/g726.ts';
import { OPUS_SAMPLE_RATE, parseOpusHead, serializeOpusHead } from '../codec/opus.ts';
import type { SoundTarget } from '../media/sound-conversion.ts';
import { OPUS_LOOKAHEAD } from './opus-lookahead.ts';

/** How encoders are set; bitrates are those of stereo, mono gets half. */
export interface EncoderSettings {
  readonly opusBitrateBps: number;
  /** 0 to 10. */
  readonly opusComplexity: number;
  readonly isOpusDtx: boolean;
  readonly aacBitrateBps: number;
}

/** What a conversion is made from; plain values, a worker gets it by message. */
export interface SoundPlan {
  readonly codec: CodecId;
  readonly record: Uint8Array;
  /** Of the source as its config tells it: Hz and channels, both at least 1. */
  readonly sourceRate: number;
  readonly sourceChannels: number;
  readonly target: SoundTarget;
  /** Of what comes out. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  readonly bitrateBps: number;
  readonly opusComplexity: number;
  readonly isOpusDtx: boolean;
}

const CONVERTIBLE: ReadonlySet<CodecId> = new Set([
  'aac',
  'opus',
  'mp3',
  'g711a',
  'g711u',
  'g722',
  'g726',
  'l16',
]);
const AAC_LC = 2;
const AAC_FRAMES: readonly number[] = [960, 1024];
const MOST_RATE = 192_000;
const LEAST_RATE = 4000;
const MOST_CHANNELS = 8;
/** Up to here a mono stream may turn out to be HE-AAC v2, which is stereo. */
const MOST_CORE_RATE = 24_000;

/** '' when sound of this config can be converted, else a sentence for a person. */
export function reasonAgainstSound(config: CodecConfig, target: SoundTarget): string {
  const { codec, record } = config;
  const { label } = CODECS[codec];
  if (codec === target) return `The sound is ${label} already.`;
  if (!CONVERTIBLE.has(codec)) return `Sound in ${label} cannot be converted.`;
  if (codec === 'aac') return reasonAgainstAac(record);
  if (codec === 'opus' && channelsOfOpus(record) > 2) {
    return 'Opus with more than two channels cannot be converted.';
  }
  if (config.sampleRate !== 0 && (config.sampleRate < LEAST_RATE || config.sampleRate > MOST_RATE)) {
    return `${label} at ${config.sampleRate} Hz cannot be converted.`;
  }
  if (config.channels > MOST_CHANNELS)
    return `${label} with ${config.channels} channels cannot be converted.`;
  return '';
}

function reasonAgainstAac(record: Uint8Array): string {
  try {
    const { objectType, frameSamples } = parseAudioSpecificConfig(record);
    if (objectType === AAC_LC && AAC_FRAMES.includes(frameSamples)) return '';
    return `AAC of object type ${objectType} with ${frameSamples} samples a frame cannot be converted; AAC-LC and HE-AAC can.`;
  } catch {
    return 'The configuration of the AAC sound makes no sense.';
  }
}

function channelsOfOpus(record: Uint8Array): number {
  try {
    return record.length === 0 ? 2 : parseOpusHead(record).channels;
  } catch {
    return 2;
  }
}

/** Only where `reasonAgainstSound` is ''. */
export function planSound(config: CodecConfig, target: SoundTarget, settings: EncoderSettings): SoundPlan {
  const channels = channelsOf(config);
  const stereoBps = target === 'opus' ? settings.opusBitrateBps : settings.aacBitrateBps;
  return {
    codec: config.codec,
    record: config.codec === 'g726' ? Uint8Array.of(g726BitsPerCode(config.record)) : config.record,
    sourceRate: config.sampleRate === 0 ? OPUS_SAMPLE_RATE : config.sampleRate,
    sourceChannels: config.channels === 0 ? 1 : config.channels,
    target,
    sampleRate: target === 'opus' ? OPUS_SAMPLE_RATE : aacRateFor(config.sampleRate),
    channels,
    bitrateBps: channels === 2 ? stereoBps : stereoBps / 2,
    opusComplexity: settings.opusComplexity,
    isOpusDtx: settings.isOpusDtx,
  };
}

/** Of what comes out of a conversion by this plan. */
export function configOfPlan(plan: SoundPlan): CodecConfig {
  if (plan.target === 'aac') {
    return configFromRecord('aac', buildAudioSpecificConfig(AAC_LC, plan.sampleRate, plan.channels));
  }
  const head = serializeOpusHead({
    version: 1,
    channels: plan.channels,
    preSkip: OPUS_LOOKAHEAD,
    inputRate: OPUS_SAMPLE_RATE,
    outputGain: 0,
    mappingFamily: 0,
    mapping: new Uint8Array(0),
  });
  return configFromRecord('opus', head);
}

function channelsOf(config: CodecConfig): 1 | 2 {
  if (config.channels !== 1) return 2;
  return config.codec === 'aac' && config.sampleRate <= MOST_CORE_RATE ? 2 : 1;
}

/**
 * Rates that every player knows. Lower ones would do for the sound, but a frame of 1024 samples then lasts so long that
 * the conversion delays the sound by more than 60 ms.
 */
function aacRateFor(sourceRate: number): number {
  return sourceRate > 0 && sourceRate % 11_025 === 0 ? 44_100 : 48_000;
}
