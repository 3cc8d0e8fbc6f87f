/** From a plan to a running conversion: which decoder and which encoder. */
import { AacDecoder } from '../audio/aac/aac-decoder.ts';
import { G711Decoder } from '../audio/g711-pcm.ts';
import { G722Decoder } from '../audio/g722-pcm.ts';
import { G726Decoder } from '../audio/g726-pcm.ts';
import { L16Decoder } from '../audio/l16-pcm.ts';
import type { AudioDecoder } from '../audio/pcm.ts';
import { InvariantError } from '../util/errors.ts';
import { openAacEncoder } from './aac-encoder.ts';
import { Conversion, type OnPacket } from './conversion.ts';
import { openMp3Decoder } from './mp3-decoder.ts';
import { openOpusDecoder, openOpusEncoder } from './opus-codec.ts';
import type { SoundEncoder } from './sound-encoder.ts';
import type { SoundPlan } from './sound-plan.ts';

export async function openConversion(plan: SoundPlan, onPacket: OnPacket): Promise<Conversion> {
  const encoder = await openEncoder(plan);
  try {
    const decoder = await openDecoder(plan);
    const speakersOf = () => (decoder instanceof AacDecoder ? decoder.channelLayout : []);
    return new Conversion(decoder, encoder, onPacket, speakersOf);
  } catch (error) {
    encoder.close();
    throw error;
  }
}

async function openDecoder({ codec, record, sourceRate, sourceChannels }: SoundPlan): Promise<AudioDecoder> {
  switch (codec) {
    case 'aac':
      return new AacDecoder(record);
    case 'opus':
      return openOpusDecoder();
    case 'mp3':
      return openMp3Decoder();
    case 'g711a':
    case 'g711u':
      return new G711Decoder(codec, sourceRate, sourceChannels);
    case 'g722':
      return new G722Decoder();
    case 'g726':
      return new G726Decoder(record[0]!);
    case 'l16':
      return new L16Decoder(sourceRate, sourceChannels);
    default:
      throw new InvariantError(`no decoder of ${codec}`);
  }
}

function openEncoder(plan: SoundPlan): Promise<SoundEncoder> {
  const { channels, bitrateBps, sampleRate } = plan;
  if (plan.target === 'aac') return openAacEncoder({ sampleRate, channels, bitrateBps });
  return openOpusEncoder({
    channels,
    bitrateBps,
    complexity: plan.opusComplexity,
    isDtx: plan.isOpusDtx,
  });
}
