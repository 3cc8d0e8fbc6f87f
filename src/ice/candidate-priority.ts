/** Numbers of candidates: priority (RFC 8445 section 5.1.2, for TCP RFC 6544 section 4.2) and foundation. */
import { crc32V42 } from '../wire/stun/fingerprint.ts';
import type { CandidateType, IceCandidate, IceTcpType } from './candidate.ts';

const TYPE_PREFERENCE: Readonly<Record<CandidateType, number>> = {
  host: 126,
  prflx: 110,
  srflx: 100,
  relay: 0,
};
/** TCP stands behind UDP of the same type: media over it wait for repairs. */
const TCP_PENALTY: Readonly<Record<CandidateType, number>> = { host: 36, prflx: 30, srflx: 30, relay: 0 };
/** Direction preference of host and relayed candidates, and of the others (RFC 6544 section 4.2). */
const OPEN_DIRECTION: Readonly<Record<IceTcpType, number>> = { active: 6, passive: 4, so: 2 };
const MAPPED_DIRECTION: Readonly<Record<IceTcpType, number>> = { active: 4, passive: 2, so: 6 };
const MAX_LOCAL = 65_535;
/** TCP has 13 bits for it: three are for the direction. */
const MAX_LOCAL_TCP = 8191;

/**
 * Priority of a candidate of component 1 or 2. `rank` is its place among the addresses of this side: 0 is liked best.
 */
export function candidatePriority(
  type: CandidateType,
  component: number,
  rank: number,
  tcpType: IceTcpType | null,
): number {
  let typePreference = TYPE_PREFERENCE[type];
  let local = Math.max(0, MAX_LOCAL - rank);
  if (tcpType !== null) {
    typePreference -= TCP_PENALTY[type];
    const direction = type === 'host' || type === 'relay' ? OPEN_DIRECTION : MAPPED_DIRECTION;
    local = direction[tcpType] * (MAX_LOCAL_TCP + 1) + Math.max(0, MAX_LOCAL_TCP - rank);
  }
  return typePreference * 0x100_0000 + local * 0x100 + (256 - component);
}

/**
 * PRIORITY of a check from `candidate`: what the peer gives the address it sees when it does not know it
 * (RFC 8445 section 7.1.1).
 */
export function checkPriority(candidate: IceCandidate): number {
  const typePreference = TYPE_PREFERENCE.prflx - (candidate.tcpType === null ? 0 : TCP_PENALTY.prflx);
  return typePreference * 0x100_0000 + (candidate.priority & 0xff_ffff);
}

/** The same for candidates of one type, base address, transport and server (RFC 8445 section 5.1.1.3). */
export function candidateFoundation(
  type: CandidateType,
  base: string,
  transport: 'udp' | 'tcp',
  server = '',
): string {
  return crc32V42(Buffer.from(`${type} ${base} ${transport} ${server}`, 'utf8')).toString(10);
}
