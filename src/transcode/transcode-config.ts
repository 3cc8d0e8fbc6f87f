/** `<sound>` of config.xml, and `<sound>` inside the rules of policy.xml. */
import { choice, duration, integer, section, toggle } from '../config/setting.ts';
import type { SoundConverterSettings } from './sound-converter.ts';

export const soundSection = section({
  name: 'sound',
  text: 'Conversion of sound between AAC, Opus, MP3, G.711, G.722, G.726 and PCM, inside the server. It runs only while somebody plays what needs it; which streams it may touch is in policy.xml.',
  fields: {
    workers: integer(
      0,
      { min: 0, max: 64 },
      {
        text: 'Threads for it at most; 0 = one less than the machine has cores. One thread converts dozens of streams.',
        reload: 'live',
      },
    ),
    maxConversions: integer(
      200,
      { min: 0, max: 10_000 },
      { text: 'Conversions at once; 0 = none is ever made.', reload: 'live' },
    ),
    lingerMs: duration(
      '10s',
      { min: '0', max: '10m' },
      { xml: 'linger', text: 'How long a thread without work stays.', reload: 'live' },
    ),
    opusBitrate: integer(
      96,
      { min: 16, max: 510 },
      { text: 'kbit/s of Opus in stereo; mono gets half.', reload: 'new-sessions' },
    ),
    opusComplexity: integer(
      5,
      { min: 0, max: 10 },
      {
        text: 'Effort of the Opus encoder: 10 sounds best and costs half as much again as 5, 0 costs half.',
        reload: 'new-sessions',
      },
    ),
    opusDtx: toggle(false, {
      text: 'Whether next to nothing is sent while it is quiet.',
      reload: 'new-sessions',
    }),
    aacBitrate: integer(
      128,
      { min: 32, max: 320 },
      { text: 'kbit/s of AAC in stereo; mono gets half.', reload: 'new-sessions' },
    ),
  },
});

/** Stream scope. */
export const soundRuleSection = section({
  name: 'sound',
  text: 'Sound that an output or a player cannot take as it was published.',
  fields: {
    convert: choice(['auto', 'never', 'always'], 'auto', {
      text:
        'auto: it is converted where it has to be: AAC and others to Opus for WebRTC, Opus and telephone codecs to AAC for ' +
        'RTMP, HTTP-FLV, HLS, DASH and recordings. never: such a player gets no sound. always: every output but ' +
        'WebRTC and RTSP gets AAC.',
      reload: 'new-sessions',
    }),
  },
});

/** What a converter goes by, from the values of `<sound>`. `cores` of the machine. */
export function soundConverterSettings(
  values: ReturnType<typeof soundSection.schema.parse>,
  cores: number,
): SoundConverterSettings {
  return {
    workers: values.workers > 0 ? values.workers : Math.max(1, cores - 1),
    maxConversions: values.maxConversions,
    lingerMs: values.lingerMs,
    opusBitrateBps: values.opusBitrate * 1000,
    opusComplexity: values.opusComplexity,
    isOpusDtx: values.opusDtx,
    aacBitrateBps: values.aacBitrate * 1000,
  };
}
