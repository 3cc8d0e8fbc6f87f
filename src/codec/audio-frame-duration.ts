/** How long one audio frame lasts. */
import { parseAudioSpecificConfig } from './aac.ts';
import { parseAc3Frame } from './ac3.ts';
import type { CodecConfig } from './codec-config.ts';
import { flacFrameSamples } from './flac.ts';
import { g726BitsPerCode } from './g726.ts';
import { parseMp3Frame } from './mp3.ts';
import { opusPacketDuration } from './opus.ts';

/** Of an AAC config all frames are alike, so its record is parsed once. */
const aacDurations = new WeakMap<CodecConfig, number>();

/**
 * Microseconds, rounded, that a canonical audio frame lasts; 0 when unknown (a damaged frame, Speex, codecs that are
 * only relayed). Never throws for a config of `configFromRecord`.
 */
export function audioFrameDuration(config: CodecConfig, payload: Uint8Array): number {
  switch (config.codec) {
    case 'aac':
      return aacDuration(config);
    case 'opus':
      return opusPacketDuration(payload);
    case 'mp3': {
      const frame = parseMp3Frame(payload);
      return frame === null ? 0 : duration(frame.samples, frame.sampleRate);
    }
    case 'ac3':
    case 'eac3': {
      const frame = parseAc3Frame(payload);
      return frame === null ? 0 : duration(frame.samples, frame.sampleRate);
    }
    case 'flac':
      return duration(flacFrameSamples(payload), config.sampleRate);
    case 'g711a':
    case 'g711u':
      return duration(payload.length, config.sampleRate * config.channels);
    case 'g722':
      // Two samples a byte.
      return duration(payload.length * 2, config.sampleRate * config.channels);
    case 'g726':
      return duration(
        (payload.length * 8) / g726BitsPerCode(config.record),
        config.sampleRate * config.channels,
      );
    case 'l16':
      return duration(payload.length / 2, config.sampleRate * config.channels);
    default:
      return 0;
  }
}

function aacDuration(config: CodecConfig): number {
  const known = aacDurations.get(config);
  if (known !== undefined) return known;
  const { frameSamples, sampleRate } = parseAudioSpecificConfig(config.record);
  const found = duration(frameSamples, sampleRate);
  aacDurations.set(config, found);
  return found;
}

function duration(samples: number, sampleRate: number): number {
  return sampleRate === 0 ? 0 : Math.round((samples * 1_000_000) / sampleRate);
}
