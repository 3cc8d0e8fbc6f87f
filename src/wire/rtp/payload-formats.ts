/**
 * All RTP payload formats, in the order in which they are asked: where two have one codec, the first is the one that
 * is sent. Not among them: MP2T (payload type 33), whose packets are those of a transport stream and no frames.
 */
import type { CodecId } from '../../codec/codec-id.ts';
import { AAC_PAYLOAD } from './payload-aac.ts';
import { AC3_PAYLOAD, EAC3_PAYLOAD } from './payload-ac3.ts';
import { AV1_PAYLOAD } from './payload-av1.ts';
import { DATA_PAYLOAD } from './payload-data.ts';
import type { RtpPayloadFormat } from './payload-format.ts';
import { PCMA_PAYLOAD, PCMU_PAYLOAD } from './payload-g711.ts';
import { G722_PAYLOAD } from './payload-g722.ts';
import { G726_PAYLOAD } from './payload-g726.ts';
import { H264_PAYLOAD } from './payload-h264.ts';
import { H265_PAYLOAD } from './payload-h265.ts';
import { L16_PAYLOAD } from './payload-l16.ts';
import { LATM_PAYLOAD } from './payload-latm.ts';
import { MJPEG_PAYLOAD } from './payload-mjpeg.ts';
import { MP3_PAYLOAD } from './payload-mp3.ts';
import { OPUS_PAYLOAD } from './payload-opus.ts';
import { VP8_PAYLOAD } from './payload-vp8.ts';
import { VP9_PAYLOAD } from './payload-vp9.ts';

export const PAYLOAD_FORMATS: readonly RtpPayloadFormat[] = [
  H264_PAYLOAD,
  H265_PAYLOAD,
  AV1_PAYLOAD,
  VP8_PAYLOAD,
  VP9_PAYLOAD,
  MJPEG_PAYLOAD,
  AAC_PAYLOAD,
  LATM_PAYLOAD,
  OPUS_PAYLOAD,
  PCMA_PAYLOAD,
  PCMU_PAYLOAD,
  G722_PAYLOAD,
  G726_PAYLOAD,
  L16_PAYLOAD,
  MP3_PAYLOAD,
  AC3_PAYLOAD,
  EAC3_PAYLOAD,
  DATA_PAYLOAD,
];

/** Names that are known and not used, and what a person should know about them. */
const NOT_USED: ReadonlyMap<string, string> = new Map([
  ['MULTIOPUS', 'Opus with more than two channels (multiopus) has no standard over RTP'],
  ['MPA-ROBUST', 'MP3 in the loss-tolerant form (MPA-ROBUST, RFC 5219) is not supported'],
  ['MP4V-ES', 'MPEG-4 Visual is not supported; set the camera to H.264 or H.265'],
  ['MPV', 'MPEG-1 and MPEG-2 video are not supported; set the camera to H.264 or H.265'],
  ['H263', 'H.263 is not supported; set the camera to H.264 or H.265'],
  ['H263-1998', 'H.263 is not supported; set the camera to H.264 or H.265'],
  ['H263-2000', 'H.263 is not supported; set the camera to H.264 or H.265'],
  ['GSM', 'GSM sound is not supported; set the source to AAC, Opus or G.711'],
  ['G723', 'G.723 sound is not supported; set the source to AAC, Opus or G.711'],
  ['G729', 'G.729 sound is not supported; set the source to AAC, Opus or G.711'],
  ['L20', 'PCM of 20 bits is not supported; set the source to 16 or 24 bits'],
  ['CN', 'Comfort noise belongs to another payload type and is left out'],
  ['TELEPHONE-EVENT', 'Telephone keys are left out'],
  ['RTX', 'Retransmissions (RTX) are not used'],
  ['RED', 'Redundant payloads (RED) are not used'],
  ['ULPFEC', 'Error correction (ULPFEC) is not used'],
  ['MP2T', 'MPEG-TS over RTP holds tracks of its own and is read as a transport stream'],
]);
/** Of a name that a peer chose. */
const MAX_SHOWN_CHARACTERS = 32;

/** `encodingName` in upper case. */
export function findFormatByName(encodingName: string): RtpPayloadFormat | undefined {
  return PAYLOAD_FORMATS.find(({ encodingNames }) => encodingNames.includes(encodingName));
}

/** The format in which a codec is sent. */
export function findFormatByCodec(codec: CodecId): RtpPayloadFormat | undefined {
  return PAYLOAD_FORMATS.find((format) => format.codec === codec);
}

/** Why `findFormatByName` finds nothing, a sentence for a person. */
export function reasonNotUsed(encodingName: string): string {
  const known = NOT_USED.get(encodingName);
  if (known !== undefined) return `${known}.`;
  const shown = encodingName.replaceAll(/[^\x21-\x7e]/g, '').slice(0, MAX_SHOWN_CHARACTERS);
  return shown === ''
    ? 'The session description does not say what the payload is.'
    : `Sluice does not know the RTP payload format ${shown}.`;
}
