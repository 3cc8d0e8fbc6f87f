/**
 * One m= section of a peer's description (RFC 8866 section 5.14, RFC 8829 section 5): its payload types with what
 * belongs to each (parameters, feedback, RTX), header extensions, sources and layers.
 */

import { CODECS, type CodecId } from '../../codec/codec-id.ts';
import { WEBRTC_PAYLOAD_FORMATS } from '../../packaging/webrtc-feed.ts';
import { ProtocolError } from '../../util/errors.ts';
import type { RtpMapping } from '../../wire/rtp/payload-format.ts';
import { directionOf, rtpMappingsOf, type SdpDirection } from '../../wire/sdp/media-format.ts';
import {
  attributeOf,
  type SdpAttribute,
  type SdpMedia,
  type SessionDescription,
} from '../../wire/sdp/session-description.ts';
import type { RtcFeedback } from '../rtc-description.ts';
import { type OfferedExtension, parseExtensions } from './extensions.ts';
import { feedbackOf, parseFeedback } from './feedback.ts';
import { type OfferedRid, parseRids } from './simulcast.ts';

export interface OfferedCodec {
  readonly payloadType: number;
  /** null: none that WebRTC carries here. */
  readonly codec: CodecId | null;
  readonly mapping: RtpMapping;
  readonly feedback: RtcFeedback;
  /** RFC 4588 `apt`; -1 = no payload type for packets sent again. */
  readonly rtxPayloadType: number;
}

export interface OfferedMedia {
  /** Position among the m= sections. */
  readonly index: number;
  /** '' when there is none. */
  readonly mid: string;
  readonly kind: 'video' | 'audio' | 'application' | 'other';
  /** As the peer sees it. */
  readonly direction: SdpDirection;
  /** Port 0 and not `bundle-only` (RFC 9143 section 6). */
  readonly isRejected: boolean;
  /** In the order of preference, without RTX. */
  readonly codecs: readonly OfferedCodec[];
  readonly extensions: readonly OfferedExtension[];
  /** In the order of a=ssrc and a=ssrc-group, without those of RTX. */
  readonly ssrcs: readonly number[];
  /** `a=ssrc-group:FID` (RFC 5576): a source and that of its packets sent again. */
  readonly repairs: readonly (readonly [ssrc: number, rtxSsrc: number])[];
  readonly rids: readonly OfferedRid[];
  /** Value of the first a=msid; '' when there is none. */
  readonly msid: string;
  readonly hasRtcpMux: boolean;
  readonly hasRtcpRsize: boolean;
  /** As it came, for what is printed again in an answer. */
  readonly section: SdpMedia;
}

/** A browser with all of its codecs has some 250. */
const MAX_ATTRIBUTES = 1024;
const MAX_SSRCS = 32;
/** A token of RFC 8866 section 9. */
const MID = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}$/;
const VIDEO_CLOCK_RATE = 90_000;
const OPUS_CLOCK_RATE = 48_000;
const NARROW_CLOCK_RATE = 8000;

/** Throws ProtocolError. */
export function parseOfferMedia(section: SdpMedia, index: number, session: SessionDescription): OfferedMedia {
  const { attributes, type } = section;
  if (attributes.length > MAX_ATTRIBUTES)
    throw new ProtocolError(
      'webrtc.sdp-too-big',
      `a section of ${attributes.length} attributes; ${MAX_ATTRIBUTES} are the limit`,
    );
  const mid = attributeOf(attributes, 'mid') ?? '';
  if (mid !== '' && !MID.test(mid)) throw new ProtocolError('webrtc.sdp-bad-mid', 'a=mid is not a token');
  const kind = type === 'video' || type === 'audio' || type === 'application' ? type : 'other';
  const isMedia = kind === 'video' || kind === 'audio';
  return {
    index,
    mid,
    kind,
    direction: directionOf(section, session),
    isRejected: section.port === 0 && attributeOf(attributes, 'bundle-only') === null,
    codecs: isMedia ? parseCodecs(section, kind) : [],
    extensions: isMedia ? parseExtensions(attributes, session.attributes) : [],
    ...parseSources(attributes),
    rids: isMedia ? parseRids(attributes) : [],
    msid: attributeOf(attributes, 'msid') ?? '',
    hasRtcpMux: attributeOf(attributes, 'rtcp-mux') !== null,
    hasRtcpRsize: attributeOf(attributes, 'rtcp-rsize') !== null,
    section,
  };
}

function parseCodecs(section: SdpMedia, kind: 'video' | 'audio'): OfferedCodec[] {
  const mappings = rtpMappingsOf(section);
  const feedback = parseFeedback(section.attributes);
  const repairs = new Map<string, number>();
  for (const { encodingName, payloadType, fmtp } of mappings) {
    const apt = encodingName === 'RTX' ? (fmtp.get('apt') ?? '') : '';
    if (apt !== '' && !repairs.has(apt)) repairs.set(apt, payloadType);
  }
  return mappings
    .filter(({ encodingName }) => encodingName !== 'RTX')
    .map((mapping) => ({
      payloadType: mapping.payloadType,
      codec: codecOf(mapping, kind),
      mapping,
      feedback: feedbackOf(feedback, mapping.payloadType),
      rtxPayloadType: repairs.get(String(mapping.payloadType)) ?? -1,
    }));
}

function codecOf(mapping: RtpMapping, kind: 'video' | 'audio'): CodecId | null {
  const { encodingName, clockRate, channels, fmtp } = mapping;
  const format = WEBRTC_PAYLOAD_FORMATS.find(({ encodingNames }) => encodingNames.includes(encodingName));
  if (format === undefined || CODECS[format.codec].kind !== kind) return null;
  const { codec } = format;
  if (kind === 'video' && clockRate !== VIDEO_CLOCK_RATE) return null;
  if (codec === 'opus' && clockRate !== OPUS_CLOCK_RATE) return null;
  if (kind === 'audio' && codec !== 'opus' && (clockRate !== NARROW_CLOCK_RATE || channels > 1)) return null;
  // Interleaved NAL units (RFC 6184 section 5.4) and several streams (RFC 7798 section 7.1) are never used by WebRTC.
  if (codec === 'h264' && !['', '0', '1'].includes(fmtp.get('packetization-mode') ?? '')) return null;
  if (codec === 'h265' && (fmtp.get('tx-mode') ?? 'SRST').toUpperCase() !== 'SRST') return null;
  return codec;
}

function parseSources(attributes: readonly SdpAttribute[]): Pick<OfferedMedia, 'ssrcs' | 'repairs'> {
  const ssrcs = new Set<number>();
  const repairs: (readonly [number, number])[] = [];
  for (const { name, value } of attributes) {
    if (name === 'ssrc') {
      const ssrc = parseSsrc(value.split(/\s+/, 1)[0]);
      if (ssrc > 0 && ssrcs.size < MAX_SSRCS) ssrcs.add(ssrc);
    } else if (name === 'ssrc-group' && value.startsWith('FID ')) {
      const [, first, second] = value.split(/\s+/, 3);
      const pair = [parseSsrc(first), parseSsrc(second)] as const;
      if (pair[0] > 0 && pair[1] > 0 && repairs.length < MAX_SSRCS) repairs.push(pair);
    }
  }
  for (const [ssrc] of repairs) ssrcs.add(ssrc);
  for (const [, rtx] of repairs) ssrcs.delete(rtx);
  return { ssrcs: [...ssrcs], repairs };
}

/** 0 when it is none. */
function parseSsrc(text: string | undefined): number {
  const value = /^\d{1,10}$/.test(text ?? '') ? Number(text) : 0;
  return value <= 0xffff_ffff ? value : 0;
}
