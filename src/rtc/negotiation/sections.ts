/** The lines of our descriptions that answers and offers share: session level, transport of a section, codec, sources. */
import type { SdpAttribute, SdpMedia, SessionDescription } from '../../wire/sdp/session-description.ts';
import type { IceCredentials, RtcFingerprint, RtcMedia } from '../rtc-description.ts';
import { type OfferedExtension, printExtensions } from './extensions.ts';
import { printFeedback } from './feedback.ts';
import { printMapping, printRtx } from './format-parameters.ts';

/** Our end of a connection. */
export interface LocalSide {
  readonly ice: IceCredentials;
  readonly fingerprint: RtcFingerprint;
  /** `candidate:...` without `a=`: all that there are. */
  readonly candidates: readonly string[];
  /** Who is called is the lite side of ICE (RFC 8445 section 2.5), who calls the full one. */
  readonly isLite: boolean;
  /** Of o=: decimal digits, below 2^63. */
  readonly sessionId: string;
  /** RTCP CNAME, also the name of the media stream in a=msid: a token of at most 64 characters. */
  readonly cname: string;
}

export type SetupRole = 'actpass' | 'active' | 'passive';

/** RFC 8829 section 5.2.1: what a port says before there is one. */
const DISCARD_PORT = 9;
const NO_ADDRESS = 'IN IP4 0.0.0.0';
export const RTP_PROFILE = 'UDP/TLS/RTP/SAVPF';

export function attribute(name: string, value = ''): SdpAttribute {
  return { name, value };
}

/** `bundle`: mids in order; null = no group at all. */
export function sessionLines(
  local: LocalSide,
  bundle: readonly string[] | null,
  isTrickle: boolean,
  media: readonly SdpMedia[],
): SessionDescription {
  const attributes: SdpAttribute[] = [];
  if (bundle !== null && bundle.length > 0) attributes.push(attribute('group', `BUNDLE ${bundle.join(' ')}`));
  attributes.push(attribute('msid-semantic', 'WMS *'));
  if (local.isLite) attributes.push(attribute('ice-lite'));
  if (isTrickle) attributes.push(attribute('ice-options', 'trickle'));
  return {
    origin: `- ${local.sessionId} 0 ${NO_ADDRESS}`,
    name: '',
    information: '',
    connection: '',
    bandwidths: [],
    timing: '',
    attributes,
    media,
  };
}

export function section(
  type: string,
  protocol: string,
  formats: readonly string[],
  attributes: readonly SdpAttribute[],
  port = DISCARD_PORT,
): SdpMedia {
  return {
    type,
    port,
    portCount: 1,
    protocol,
    formats,
    information: '',
    connection: NO_ADDRESS,
    bandwidths: [],
    attributes,
  };
}

/** Mid, ICE and DTLS; candidates belong to the tagged section of a bundle alone. */
export function transportLines(
  local: LocalSide,
  mid: string,
  setup: SetupRole,
  isTagged: boolean,
): SdpAttribute[] {
  const lines = mid === '' ? [] : [attribute('mid', mid)];
  lines.push(
    attribute('ice-ufrag', local.ice.ufrag),
    attribute('ice-pwd', local.ice.password),
    attribute('fingerprint', `${local.fingerprint.algorithm} ${local.fingerprint.value}`),
    attribute('setup', setup),
  );
  if (isTagged) lines.push(...candidateLines(local.candidates), attribute('end-of-candidates'));
  return lines;
}

export function candidateLines(candidates: readonly string[]): SdpAttribute[] {
  return candidates.map((line) => attribute('candidate', line.replace(/^candidate:/, '')));
}

/** The payload type of a media, its feedback and RTX; `fmtp`: what our description says. */
export function codecLines(media: RtcMedia, fmtp: string): SdpAttribute[] {
  const { payloadType, encodingName, clockRate, channels, rtxPayloadType } = media;
  const lines = [
    printMapping({ payloadType, encodingName, clockRate, channels, fmtp: new Map() }),
    ...printFeedback(payloadType, media.feedback),
  ];
  if (fmtp !== '') lines.push(attribute('fmtp', `${payloadType} ${fmtp}`));
  if (rtxPayloadType >= 0) lines.push(...printRtx(rtxPayloadType, clockRate, payloadType));
  return lines;
}

/** a=msid and the sources of what we send (RFC 8830, RFC 5576); a second one that is not 0 repairs the first. */
export function sourceLines(
  cname: string,
  kind: 'video' | 'audio',
  index: number,
  sources: readonly number[],
): SdpAttribute[] {
  const msid = `${cname} ${kind}${index}`;
  const ssrcs = sources.filter((ssrc) => ssrc > 0);
  const lines = [attribute('msid', msid)];
  if (ssrcs.length > 1) lines.push(attribute('ssrc-group', `FID ${ssrcs.join(' ')}`));
  for (const ssrc of ssrcs)
    lines.push(attribute('ssrc', `${ssrc} cname:${cname}`), attribute('ssrc', `${ssrc} msid:${msid}`));
  return lines;
}

export function muxLines(hasRsize: boolean): SdpAttribute[] {
  return hasRsize ? [attribute('rtcp-mux'), attribute('rtcp-rsize')] : [attribute('rtcp-mux')];
}

export function extensionLines(media: RtcMedia, offered: readonly OfferedExtension[]): SdpAttribute[] {
  return printExtensions(media.extensions, offered);
}
