/** What was agreed to be received, as the ingest of RTP wants it. */
import type { RtpIngestMedia } from '../packaging/rtp-ingest.ts';
import { DEFAULT_REORDER_LIMITS } from '../wire/rtp/reorder-buffer.ts';
import { parseFmtp } from '../wire/sdp/media-format.ts';
import type { RtcMedia } from './rtc-description.ts';

export function ingestMediaOf(media: RtcMedia): RtpIngestMedia {
  const { payloadType, encodingName, clockRate, channels, fmtp } = media;
  const mapping = {
    payloadType,
    encodingName: encodingName.toUpperCase(),
    clockRate,
    channels,
    fmtp: parseFmtp(fmtp),
  };
  return { mappings: [mapping], reorder: DEFAULT_REORDER_LIMITS };
}
