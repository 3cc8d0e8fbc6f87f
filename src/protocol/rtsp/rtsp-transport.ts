/**
 * Which of the transports that a peer offers is taken (RFC 2326 section 12.39), in the peer's order of preference. Media
 * of RTSPS leave by UDP as SRTP alone; SRTP over plain RTSP would show its keys to everybody on the way.
 */
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import { isSecureProfile, parseTransport, type RtspTransport } from '../../wire/rtsp/transport-header.ts';

export type TransportKind = 'tcp' | 'udp' | 'multicast';

/** `<rtsp><srtp>`. */
export type SrtpUse = 'off' | 'tls' | 'offer' | 'any';

export interface TransportRules {
  readonly udp: boolean;
  readonly multicast: boolean;
  /** The connection is TLS. */
  readonly secure: boolean;
  readonly srtp: SrtpUse;
  /** Of the tracks that were set up before: all go one way. */
  readonly kind: TransportKind | null;
}

const PROFILES = ['RTP/AVP', 'RTP/AVPF'];

export function mayUseSrtp({ srtp, secure }: Pick<TransportRules, 'srtp' | 'secure'>): boolean {
  return srtp === 'any' || (srtp !== 'off' && secure);
}

/** Null when none of them is possible: 461. */
export function chooseTransport(request: RtspRequest, rules: TransportRules): RtspTransport | null {
  return offersOf(request).find((offer) => isPossible(offer, rules)) ?? null;
}

function offersOf(request: RtspRequest): readonly RtspTransport[] {
  return parseTransport(request.headers.all('Transport').join(','));
}

/** A sentence for whoever was answered 461; '' = there is nothing to say. */
export function whyImpossible(request: RtspRequest, rules: TransportRules): string {
  const offers = offersOf(request);
  if (offers.some(({ profile }) => isSecureProfile(profile)) && !mayUseSrtp(rules)) {
    return rules.srtp === 'off'
      ? 'SRTP is switched off here (srtp of rtsp in config.xml).'
      : 'SRTP is for RTSPS: over plain RTSP everybody on the way could read its keys.';
  }
  const isOpenUdp = (offer: RtspTransport) => kindOf(offer) !== 'tcp' && !isSecureProfile(offer.profile);
  return rules.secure && offers.some(isOpenUdp) ? 'Over RTSPS media go by TCP, or by UDP as RTP/SAVP.' : '';
}

export function kindOf(transport: RtspTransport): TransportKind {
  if (transport.lower === 'tcp') return 'tcp';
  return transport.isMulticast ? 'multicast' : 'udp';
}

function isPossible(offer: RtspTransport, rules: TransportRules): boolean {
  const kind = kindOf(offer);
  const isSecure = isSecureProfile(offer.profile);
  if (!isSecure && !PROFILES.includes(offer.profile)) return false;
  if (isSecure && !mayUseSrtp(rules)) return false;
  if (rules.kind !== null && rules.kind !== kind) return false;
  if (kind === 'tcp') return !offer.isMulticast;
  // Who came by TLS wants that nobody reads what leaves.
  if (rules.secure && !isSecure) return false;
  if (kind === 'multicast') return rules.multicast && !isSecure;
  return rules.udp && offer.clientPort !== null && offer.clientPort[0] > 0;
}

/** The channels that the peer asked for, or the first free pair; null when there is none. */
export function chooseChannels(
  wanted: readonly [number, number] | null,
  position: number,
  isTaken: (channel: number) => boolean,
): readonly [number, number] | null {
  if (wanted !== null && wanted[0] !== wanted[1] && !isTaken(wanted[0]) && !isTaken(wanted[1])) return wanted;
  for (let i = 0; i < 128; i++) {
    const channel = ((position + i) % 128) * 2;
    if (!isTaken(channel) && !isTaken(channel + 1)) return [channel, channel + 1];
  }
  return null;
}
