/** What DESCRIBE answers: the tracks of a live stream as RTP carries them (RFC 8866, RFC 2326 appendix C). */
import type { RtpCarriedTrack } from '../../packaging/rtp-feed-tracks.ts';
import { keyAttribute } from '../../wire/rtsp/key-management.ts';
import { formatAttributes } from '../../wire/sdp/media-format.ts';
import { type SdpMedia, serializeSdp } from '../../wire/sdp/session-description.ts';
import { trackControl } from './rtsp-address.ts';

export interface Presentation {
  readonly name: string;
  /** Sluice and its version. */
  readonly tool: string;
  /** Of ours, as the peer reached it. */
  readonly localAddress: string;
  /** Tells one description of a stream from the next. */
  readonly sessionId: number;
  /** Base64 of what tells the keys of each track, when SRTP is offered; null = it is not. */
  readonly keys: readonly string[] | null;
}

export function describeStream(presentation: Presentation, tracks: readonly RtpCarriedTrack[]): string {
  const { name, tool, localAddress, sessionId } = presentation;
  const isV6 = localAddress.includes(':');
  return serializeSdp({
    origin: `- ${sessionId} 1 IN ${isV6 ? 'IP6' : 'IP4'} ${localAddress}`,
    name,
    information: '',
    connection: isV6 ? 'IN IP6 ::' : 'IN IP4 0.0.0.0',
    bandwidths: [],
    timing: '0 0',
    attributes: [
      { name: 'tool', value: tool },
      { name: 'control', value: '*' },
      { name: 'range', value: 'npt=now-' },
    ],
    media: tracks.map((track, position) => describeTrack(track, position, presentation.keys?.[position])),
  });
}

function describeTrack(carried: RtpCarriedTrack, position: number, keys: string | undefined): SdpMedia {
  const { track, payloadType, description } = carried;
  return {
    type: track.kind === 'video' || track.kind === 'audio' ? track.kind : 'application',
    port: 0,
    portCount: 1,
    protocol: keys === undefined ? 'RTP/AVP' : 'RTP/SAVP',
    formats: [String(payloadType)],
    information: '',
    connection: '',
    bandwidths: [],
    attributes: [
      ...formatAttributes(payloadType, description),
      ...(track.language === '' ? [] : [{ name: 'lang', value: track.language }]),
      { name: 'control', value: trackControl(position) },
      ...(keys === undefined ? [] : [keyAttribute(keys)]),
    ],
  };
}
