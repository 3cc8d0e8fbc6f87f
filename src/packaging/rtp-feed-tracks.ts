/**
 * Which tracks of a stream RTP carries, and what a session description says of them. The same list of tracks always
 * gives the same channels and payload types, so DESCRIBE, ANNOUNCE and the feed need not ask each other.
 */
import { CODECS } from '../codec/codec-id.ts';
import type { Track } from '../media/track.ts';
import type { RtpDescription, RtpPayloadFormat } from '../wire/rtp/payload-format.ts';
import { PAYLOAD_FORMATS } from '../wire/rtp/payload-formats.ts';

/** First of the payload types that a session description gives meaning (RFC 3551 section 6). */
const FIRST_DYNAMIC_TYPE = 96;

export interface RtpCarriedTrack {
  readonly track: Track;
  /** Of its RTP packets; RTCP is on the next one. 2 x position among the carried tracks. */
  readonly channel: number;
  readonly payloadType: number;
  readonly description: RtpDescription;
  readonly format: RtpPayloadFormat;
}

export function rtpTracksOf(
  tracks: readonly Track[],
  formats: readonly RtpPayloadFormat[] = PAYLOAD_FORMATS,
): readonly RtpCarriedTrack[] {
  const carried: RtpCarriedTrack[] = [];
  let dynamicType = FIRST_DYNAMIC_TYPE;
  for (const track of tracks) {
    const format = formats.find(({ codec }) => codec === track.config.codec);
    const description = format?.describe(track.config) ?? null;
    if (format === undefined || description === null) continue;
    const payloadType = description.payloadType < 0 ? dynamicType++ : description.payloadType;
    carried.push({ track, channel: carried.length * 2, payloadType, description, format });
  }
  return carried;
}

/** '' for a track that is carried, else a sentence for a person. */
export function reasonNotInRtp(track: Track, formats: readonly RtpPayloadFormat[]): string {
  const { codec } = track.config;
  const { label } = CODECS[codec];
  const format = formats.find((one) => one.codec === codec);
  if (format === undefined) return `RTP has no place for ${label}.`;
  return format.describe(track.config) === null ? `RTP cannot carry this track of ${label}.` : '';
}
