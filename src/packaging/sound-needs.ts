/** What the outputs want of sound: AAC where MPEG-TS, MP4 and FLV cannot carry it, Opus for WebRTC. */
import type { CodecId } from '../codec/codec-id.ts';
import type { SoundNeed } from '../media/sound-conversion.ts';
import type { Track } from '../media/track.ts';
import { reasonNotInMp4 } from '../wire/mp4/sample-entry.ts';
import { reasonNotInTs } from '../wire/mpegts/elementary-stream.ts';
import { FlvTagBuilder } from './flv-tag-builder.ts';

const HLS_TS_CODECS: ReadonlySet<CodecId> = new Set(['aac', 'mp3', 'ac3', 'eac3'] as const);
const flvBuilder = new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: null });

export const TS_SOUND = aacFor('ts', (track) => reasonNotInTs(track) === '');
/** Of segments; players of HLS know no other sound in MPEG-TS. */
export const HLS_TS_SOUND = aacFor('hls-ts', ({ config }) => HLS_TS_CODECS.has(config.codec));
export const MP4_SOUND = aacFor('mp4', (track) => reasonNotInMp4(track.config) === '');

export const FLV_SOUND = aacFor('flv', (track) => flvBuilder.canCarry(track));

/** For outputs that carry what `carries` says; those with the same set have the same name. */
export function aacFor(name: string, carries: (track: Track) => boolean, inOrder = true): SoundNeed {
  return { name: `aac-${name}`, target: 'aac', carries, inOrder };
}

/** RFC 7874 asks for Opus and G.711 of everybody; browsers have G.722 too. */
export const WEBRTC_SOUND: SoundNeed = {
  name: 'opus-webrtc',
  target: 'opus',
  carries: ({ config }) =>
    config.codec === 'opus' ||
    ((config.codec === 'g711a' || config.codec === 'g711u' || config.codec === 'g722') &&
      config.channels === 1),
  inOrder: false,
};
