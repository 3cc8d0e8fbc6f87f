/** Which of the transports that a peer offers is taken (RFC 2326 section 12.39), in the peer's order of preference. */
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import { parseTransport, type RtspTransport } from '../../wire/rtsp/transport-header.ts';

export type TransportKind = 'tcp' | 'udp' | 'multicast';

export interface TransportRules {
  readonly udp: boolean;
  readonly multicast: boolean;
  /** Of the tracks that were set up before: all go one way. */
  readonly kind: TransportKind | null;
}

const PROFILES = ['RTP/AVP', 'RTP/AVPF'];

/** Null when none of them is possible: 461. */
export function chooseTransport(request: RtspRequest, rules: TransportRules): RtspTransport | null {
  const offers = parseTransport(request.headers.all('Transport').join(','));
  return offers.find((offer) => isPossible(offer, rules)) ?? null;
}

export function kindOf(transport: RtspTransport): TransportKind {
  if (transport.lower === 'tcp') return 'tcp';
  return transport.isMulticast ? 'multicast' : 'udp';
}

function isPossible(offer: RtspTransport, rules: TransportRules): boolean {
  const kind = kindOf(offer);
  if (!PROFILES.includes(offer.profile) || (rules.kind !== null && rules.kind !== kind)) return false;
  if (kind === 'udp') return rules.udp && offer.clientPort !== null && offer.clientPort[0] > 0;
  return kind === 'tcp' ? !offer.isMulticast : rules.multicast;
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
