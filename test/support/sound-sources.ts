/** Sound as frames of every codec that can be converted, for tests of conversions. */
import { AacDecoder } from '../../src/audio/aac/aac-decoder.ts';
import { g711aSample, g711uSample } from '../../src/audio/g711-pcm.ts';
import type { AudioDecoder } from '../../src/audio/pcm.ts';
import { type CodecConfig, makeCodecConfig } from '../../src/codec/codec-config.ts';
import { configFromRecord } from '../../src/codec/describe-config.ts';
import { openOpusDecoder } from '../../src/transcode/opus-codec.ts';
import type { EncoderSettings } from '../../src/transcode/sound-plan.ts';
import { encodeByFfmpeg } from './sound-signals.ts';

export const SETTINGS: EncoderSettings = {
  opusBitrateBps: 96_000,
  opusComplexity: 5,
  isOpusDtx: false,
  aacBitrateBps: 128_000,
};

export interface SoundFrame {
  readonly ptsUs: number;
  readonly durationUs: number;
  readonly payload: Uint8Array;
}

export interface SoundSource {
  readonly name: string;
  readonly config: CodecConfig;
  readonly frames: readonly SoundFrame[];
}

/** Sound of one channel by rate; both channels get the same, but `right` when given. */
export type MakeSound = (rate: number) => Float32Array;

/** Where the timelines of sources begin. */
export const BASE_US = 7_000_000;

function encoded(
  name: string,
  codec: 'aac' | 'opus' | 'mp3',
  encoder: string,
  rate: number,
  frameSamples: number,
  channels: readonly Float32Array[],
): SoundSource {
  const { extradata, packets } = encodeByFfmpeg(encoder, 128_000, rate, channels);
  const config = configFromRecord(codec, extradata);
  return {
    name,
    config:
      codec === 'mp3'
        ? makeCodecConfig('mp3', new Uint8Array(0), config.mime, {
            sampleRate: rate,
            channels: channels.length,
          })
        : config,
    frames: packets.map(({ pts, data }) => ({
      ptsUs: BASE_US + Math.round((pts * 1e6) / rate),
      durationUs: Math.round((frameSamples * 1e6) / rate),
      payload: data,
    })),
  };
}

/** Frames of 20 ms, `bytesOf` of which make the payload. */
function sliced(
  name: string,
  config: CodecConfig,
  samples: Float32Array,
  rate: number,
  bytesOf: (part: Float32Array) => Uint8Array,
): SoundSource {
  const size = rate / 50;
  const frames: SoundFrame[] = [];
  for (let at = 0; at + size <= samples.length; at += size) {
    frames.push({
      ptsUs: BASE_US + Math.round((at * 1e6) / rate),
      durationUs: 20_000,
      payload: bytesOf(samples.subarray(at, at + size)),
    });
  }
  return { name, config, frames };
}

function nearestCode(sample: (code: number) => number): (value: number) => number {
  const values = Array.from({ length: 256 }, (_, code) => sample(code) / 32_768);
  return (value) => {
    let best = 0;
    for (let code = 1; code < 256; code++) {
      if (Math.abs(values[code]! - value) < Math.abs(values[best]! - value)) best = code;
    }
    return best;
  };
}

function g711(codec: 'g711a' | 'g711u', make: MakeSound): SoundSource {
  const code = nearestCode(codec === 'g711a' ? g711aSample : g711uSample);
  const config = configFromRecord(codec, new Uint8Array(0));
  return sliced(codec, config, make(8000), 8000, (part) => Uint8Array.from(part, code));
}

function l16(make: MakeSound): SoundSource {
  const config = makeCodecConfig('l16', new Uint8Array(0), '', { sampleRate: 44_100, channels: 2 });
  return sliced('l16', config, make(44_100), 44_100, (part) => {
    const bytes = new DataView(new ArrayBuffer(part.length * 4));
    part.forEach((sample, i) => {
      bytes.setInt16(4 * i, sample * 32_767);
      bytes.setInt16(4 * i + 2, sample * 32_767);
    });
    return new Uint8Array(bytes.buffer);
  });
}

function g722(make: MakeSound): SoundSource {
  const { packets } = encodeByFfmpeg('g722', 64_000, 16_000, [make(16_000)]);
  return {
    name: 'g722',
    config: configFromRecord('g722', new Uint8Array(0)),
    frames: packets.map(({ pts, data }) => ({
      ptsUs: BASE_US + Math.round((pts * 1e6) / 16_000),
      durationUs: Math.round((data.length * 2 * 1e6) / 16_000),
      payload: data,
    })),
  };
}

/** The same sound in every codec. */
export function allSources(make: MakeSound): SoundSource[] {
  const stereo = (rate: number) => [make(rate), make(rate)];
  return [
    encoded('aac 48000', 'aac', 'aac', 48_000, 1024, stereo(48_000)),
    encoded('aac 44100', 'aac', 'aac', 44_100, 1024, stereo(44_100)),
    encoded('aac 44100 mono', 'aac', 'aac', 44_100, 1024, [make(44_100)]),
    encoded('aac 22050 mono', 'aac', 'aac', 22_050, 1024, [make(22_050)]),
    encoded('opus', 'opus', 'libopus', 48_000, 960, stereo(48_000)),
    encoded('mp3 44100', 'mp3', 'libmp3lame', 44_100, 1152, stereo(44_100)),
    encoded('mp3 22050 mono', 'mp3', 'libmp3lame', 22_050, 576, [make(22_050)]),
    g711('g711a', make),
    g711('g711u', make),
    l16(make),
    g722(make),
  ];
}

/** Of what a conversion makes. */
export async function decoderFor(config: CodecConfig): Promise<AudioDecoder> {
  return config.codec === 'aac' ? new AacDecoder(config.record) : await openOpusDecoder();
}
