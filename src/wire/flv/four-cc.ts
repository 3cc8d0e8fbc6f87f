/**
 * Codec names on the FLV wire: the FourCC of enhanced RTMP v2 ("ExVideoTagHeader", "ExAudioTagHeader") as numbers, and
 * the legacy ids of Adobe FLV 10.1 annex E.4.2.1 and E.4.3.1 with those that common encoders added.
 */
import type { CodecId } from '../../codec/codec-id.ts';

const AVC1 = 0x61766331;
const HVC1 = 0x68766331;
const VVC1 = 0x76766331;
const AV01 = 0x61763031;
const VP08 = 0x76703038;
const VP09 = 0x76703039;
const MP4A = 0x6d703461;
const OPUS = 0x4f707573;
const FLAC = 0x664c6143;
const AC_3 = 0x61632d33;
const EC_3 = 0x65632d33;
const MP3 = 0x2e6d7033;

/** Legacy CodecID of H.264 with its packet type byte. */
export const VIDEO_ID_AVC = 7;
/** Not Adobe's: the id that encoders gave H.265 before enhanced RTMP; laid out as H.264. */
export const VIDEO_ID_HEVC = 12;

export const SOUND_MP3 = 2;
export const SOUND_G711A = 7;
export const SOUND_G711U = 8;
/** The sound format that says that a FourCC follows. */
export const SOUND_EX_HEADER = 9;
export const SOUND_AAC = 10;
export const SOUND_SPEEX = 11;
/** Not Adobe's: the id that some servers gave Opus before enhanced RTMP. */
export const SOUND_OPUS = 13;
/** MP3 of 8 kHz, which the two bits of the sample rate cannot say. */
export const SOUND_MP3_8K = 14;

export function videoCodecOfFourCc(fourCc: number): CodecId {
  switch (fourCc) {
    case AVC1:
      return 'h264';
    case HVC1:
      return 'h265';
    case AV01:
      return 'av1';
    case VP09:
      return 'vp9';
    case VP08:
      return 'vp8';
    default:
      return 'unknown-video';
  }
}

export function audioCodecOfFourCc(fourCc: number): CodecId {
  switch (fourCc) {
    case MP4A:
      return 'aac';
    case OPUS:
      return 'opus';
    case FLAC:
      return 'flac';
    case AC_3:
      return 'ac3';
    case EC_3:
      return 'eac3';
    case MP3:
      return 'mp3';
    default:
      return 'unknown-audio';
  }
}

export function videoCodecOfId(id: number): CodecId {
  return id === VIDEO_ID_AVC ? 'h264' : id === VIDEO_ID_HEVC ? 'h265' : 'unknown-video';
}

export function audioCodecOfFormat(format: number): CodecId {
  switch (format) {
    case SOUND_AAC:
      return 'aac';
    case SOUND_MP3:
    case SOUND_MP3_8K:
      return 'mp3';
    case SOUND_G711A:
      return 'g711a';
    case SOUND_G711U:
      return 'g711u';
    case SOUND_SPEEX:
      return 'speex';
    case SOUND_OPUS:
      return 'opus';
    default:
      return 'unknown-audio';
  }
}

/** Whether CodedFrames of this codec begin with a composition time. */
export function hasCompositionTime(fourCc: number): boolean {
  return fourCc === AVC1 || fourCc === HVC1 || fourCc === VVC1;
}

/** The FourCC of a codec as a number; 0 when it has none. A switch, since it is asked for every frame. */
export function fourCcOf(codec: CodecId): number {
  switch (codec) {
    case 'h264':
      return AVC1;
    case 'h265':
      return HVC1;
    case 'av1':
      return AV01;
    case 'vp8':
      return VP08;
    case 'vp9':
      return VP09;
    case 'aac':
      return MP4A;
    case 'opus':
      return OPUS;
    case 'flac':
      return FLAC;
    case 'ac3':
      return AC_3;
    case 'eac3':
      return EC_3;
    case 'mp3':
      return MP3;
    default:
      return 0;
  }
}

/** Its four characters. */
export function fourCcText(fourCc: number): string {
  return String.fromCharCode(fourCc >>> 24, (fourCc >>> 16) & 0xff, (fourCc >>> 8) & 0xff, fourCc & 0xff);
}
