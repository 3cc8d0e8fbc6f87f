/**
 * The `candidate` attribute (RFC 8839 section 5.1, for TCP RFC 6544 section 4.5), and the candidates of a server that
 * has one port for everything. Independent of the rest of a session description.
 * Left out: extensions other than generation and ufrag are read over and not kept.
 */
import { canonicalIpAddress } from '../util/ip-address.ts';
import { candidateFoundation, candidatePriority } from './candidate-priority.ts';

export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay';
/** Who opens the connection: `active` we connect, `passive` the other side does, `so` both at once. */
export type IceTcpType = 'active' | 'passive' | 'so';

export interface IceCandidate {
  readonly foundation: string;
  /** 1 is RTP, or everything where RTCP is multiplexed; 2 is RTCP. */
  readonly component: number;
  readonly transport: 'udp' | 'tcp';
  readonly priority: number;
  /** Canonical IP address, or a name. */
  readonly address: string;
  /** The address is a name: mDNS of browsers (`.local`), which nobody but them resolves. Not used for pairs. */
  readonly isName: boolean;
  readonly port: number;
  readonly type: CandidateType;
  /** Base of a candidate that is not a host's; '' when absent. */
  readonly relatedAddress: string;
  readonly relatedPort: number;
  /** Of TCP. */
  readonly tcpType: IceTcpType | null;
  /** Counts restarts in some implementations; -1 when absent. */
  readonly generation: number;
  /** To which restart the candidate belongs; '' when absent. */
  readonly ufrag: string;
}

/** An attribute has about 150 characters. */
const MAX_LINE = 512;
const MAX_EXTENSIONS = 16;
const FIXED_FIELDS = 6;
/** Addresses of this side that become candidates. */
const MAX_LOCAL_ADDRESSES = 32;
/** An active TCP candidate has the port "discard" (RFC 6544 section 4.5). */
const PORT_OF_ACTIVE = 9;

/** `a=candidate:...` or `candidate:...` with or without line end; null when it is none or cannot be right. */
export function parseCandidate(line: string): IceCandidate | null {
  if (line.length > MAX_LINE) return null;
  const text = line.trim();
  const start = text.startsWith('a=') ? 2 : 0;
  if (!text.startsWith('candidate:', start)) return null;
  const fields = text.slice(start + 10).split(/ +/);
  if (fields.length < FIXED_FIELDS + 2 || fields.length > FIXED_FIELDS + 2 * MAX_EXTENSIONS) return null;
  const [foundation = '', component = '', transportText = '', priority = '', given = '', port = ''] = fields;
  const transport = transportText.toLowerCase();
  if (!/^[A-Za-z0-9+/]{1,32}$/.test(foundation)) return null;
  if (transport !== 'udp' && transport !== 'tcp') return null;
  const extensions = new Map<string, string>();
  for (let i = FIXED_FIELDS; i + 1 < fields.length; i += 2)
    if (!extensions.has(fields[i]!)) extensions.set(fields[i]!, fields[i + 1]!);
  const type = typeOf(extensions.get('typ'));
  const tcpType = transport === 'tcp' ? tcpTypeOf(extensions.get('tcptype')) : null;
  const ip = canonicalIpAddress(given);
  const numbers = [
    integer(component, 1, 256),
    integer(priority, 0, 0xffff_ffff),
    integer(port, 0, 65_535),
    integer(extensions.get('rport') ?? '0', 0, 65_535),
    extensions.has('generation') ? integer(extensions.get('generation') ?? '', 0, 0x7fff_ffff) : -1,
  ] as const;
  if (type === null || (transport === 'tcp' && tcpType === null) || numbers.includes(Number.NaN)) return null;
  if (ip === null && !/^[A-Za-z0-9._-]{1,253}$/.test(given)) return null;
  return {
    foundation,
    component: numbers[0],
    transport,
    priority: numbers[1],
    address: ip ?? given,
    isName: ip === null,
    port: numbers[2],
    type,
    relatedAddress: extensions.get('raddr') ?? '',
    relatedPort: extensions.has('raddr') ? numbers[3] : 0,
    tcpType,
    generation: numbers[4],
    ufrag: extensions.get('ufrag') ?? '',
  };
}

/** `candidate:...` without `a=` and line end. */
export function printCandidate(candidate: IceCandidate): string {
  const { foundation, component, transport, priority, address, port, type } = candidate;
  let text = `candidate:${foundation} ${component} ${transport} ${priority} ${address} ${port} typ ${type}`;
  if (candidate.relatedAddress !== '')
    text += ` raddr ${candidate.relatedAddress} rport ${candidate.relatedPort}`;
  if (candidate.tcpType !== null) text += ` tcptype ${candidate.tcpType}`;
  if (candidate.generation >= 0) text += ` generation ${candidate.generation}`;
  if (candidate.ufrag !== '') text += ` ufrag ${candidate.ufrag}`;
  return text;
}

/** For which transports candidates are made. */
export interface CandidateTransports {
  readonly udp: boolean;
  /** `passive` for a listening port, `active` for a side that calls; false for none. */
  readonly tcp: 'passive' | 'active' | false;
}

/**
 * Host candidates of component 1 for `addresses`, the best first (configured public addresses before those of the
 * interfaces: they are where this machine is reached, whoever translates them). What is no IP address, comes twice, or
 * is one beyond 32 makes none.
 */
export function candidatesFor(
  addresses: readonly string[],
  port: number,
  transports: CandidateTransports,
): IceCandidate[] {
  const distinct = new Set<string>();
  for (const given of addresses) {
    const address = canonicalIpAddress(given);
    if (address !== null && distinct.size < MAX_LOCAL_ADDRESSES) distinct.add(address);
  }
  const ranked = [...distinct];
  const udp = ranked.map((address, rank) => hostCandidate(address, port, rank, null));
  const { tcp } = transports;
  if (tcp === false) return transports.udp ? udp : [];
  const overTcp = ranked.map((address, rank) => hostCandidate(address, port, rank, tcp));
  return transports.udp ? [...udp, ...overTcp] : overTcp;
}

function hostCandidate(
  address: string,
  port: number,
  rank: number,
  tcpType: IceTcpType | null,
): IceCandidate {
  const transport = tcpType === null ? 'udp' : 'tcp';
  return {
    foundation: candidateFoundation('host', address, transport),
    component: 1,
    transport,
    priority: candidatePriority('host', 1, rank, tcpType),
    address,
    isName: false,
    port: tcpType === 'active' ? PORT_OF_ACTIVE : port,
    type: 'host',
    relatedAddress: '',
    relatedPort: 0,
    tcpType,
    generation: -1,
    ufrag: '',
  };
}

function typeOf(text: string | undefined): CandidateType | null {
  return text === 'host' || text === 'srflx' || text === 'prflx' || text === 'relay' ? text : null;
}

function tcpTypeOf(text: string | undefined): IceTcpType | null {
  return text === 'active' || text === 'passive' || text === 'so' ? text : null;
}

/** NaN when it is not a plain integer from `least` to `most`. */
function integer(text: string, least: number, most: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : Number.NaN;
}
