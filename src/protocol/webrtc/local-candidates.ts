/**
 * Which addresses of this server a peer is told: configured public ones first (names are looked up now and then), then the
 * one that the peer used for its request, then those of the interfaces; loopback only for a peer on this machine, or
 * where there is nothing else.
 */
import { lookup } from 'node:dns/promises';
import { isIP, isIPv4 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { NamePattern } from '../../config/name-pattern.ts';
import { candidatesFor, type IceCandidate, printCandidate } from '../../ice/candidate.ts';
import type { PublicCandidate } from './webrtc-config.ts';

const MAX_ADDRESSES_OF_NAME = 4;
const LOOPBACK = ['127.0.0.1', '::1'];

/** Addresses of a name. */
export type FindAddresses = (name: string) => Promise<readonly { readonly address: string }[]>;

/** Public addresses, names among them looked up. */
export class PublicAddresses {
  private readonly configured: readonly PublicCandidate[];
  private readonly onTrouble: (name: string, cause: string) => void;
  private readonly find: FindAddresses;
  private readonly byName = new Map<string, readonly string[]>();

  constructor(
    configured: readonly PublicCandidate[],
    onTrouble: (name: string, cause: string) => void,
    find: FindAddresses = (name) => lookup(name, { all: true }),
  ) {
    this.configured = configured;
    this.onTrouble = onTrouble;
    this.find = find;
  }

  get hasNames(): boolean {
    return this.configured.some(({ host }) => isIP(host) === 0);
  }

  /** Asks for the names again; what was found before stays where nothing is found. */
  async refresh(): Promise<void> {
    const names = new Set(this.configured.map(({ host }) => host).filter((host) => isIP(host) === 0));
    for (const name of names) {
      try {
        const found = await this.find(name);
        this.byName.set(
          name,
          found.slice(0, MAX_ADDRESSES_OF_NAME).map(({ address }) => address),
        );
      } catch (error) {
        this.onTrouble(name, (error as NodeJS.ErrnoException).code ?? String(error));
      }
    }
  }

  /** IP addresses with their ports, 0 = that of the thread. */
  all(): readonly PublicCandidate[] {
    return this.configured.flatMap(({ host, port }) =>
      isIP(host) !== 0
        ? [{ host, port }]
        : (this.byName.get(host) ?? []).map((found) => ({ host: found, port })),
    );
  }
}

/** What a request tells of the way to this server. */
export interface RequestWay {
  /** Without port, '' = not known. */
  readonly localAddress: string;
  readonly remoteAddress: string;
  /** Further addresses that the peer wants to be told; those that are no IP addresses are not. */
  readonly wished: readonly PublicCandidate[];
  /** `udp` or `tcp` alone; '' = both. */
  readonly transport: string;
}

export interface CandidateRules {
  /** What the sockets are bound to; empty = everything. */
  readonly hosts: readonly string[];
  readonly publicOnes: readonly PublicCandidate[];
  /** Names with `*`, separated by blanks; '' = all. */
  readonly interfaces: string;
  /** Of the thread. */
  readonly port: number;
  /** How far that is from the first thread's: public ports go with it. */
  readonly portOffset: number;
  readonly tcp: boolean;
}

type Interfaces = NodeJS.Dict<readonly Pick<NetworkInterfaceInfo, 'address' | 'internal'>[]>;

/** `candidate:...`, the best first. */
export function localCandidates(
  rules: CandidateRules,
  way: RequestWay,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const { publicOnes, port, portOffset, tcp } = rules;
  const known = localAddresses(rules, way, interfaces);
  const ports = new Map<string, number>();
  for (const one of publicOnes) if (one.port !== 0) ports.set(one.host, one.port + portOffset);
  const publicAddresses = publicOnes.map(({ host }) => host);
  const wished = way.wished.filter(({ host }) => isIP(host) !== 0);
  for (const one of wished) if (one.port !== 0) ports.set(one.host, one.port);
  const wishedAddresses = wished.map(({ host }) => host);
  const all = candidatesFor([...wishedAddresses, ...publicAddresses, ...known], port, {
    udp: true,
    tcp: tcp ? 'passive' : false,
  });
  const wanted = all.filter(({ transport }) => way.transport === '' || transport === way.transport);
  return wanted.map((candidate) => printCandidate(withPort(candidate, ports)));
}

function withPort(candidate: IceCandidate, ports: ReadonlyMap<string, number>): IceCandidate {
  const own = ports.get(candidate.address);
  return own === undefined ? candidate : { ...candidate, port: own };
}

function localAddresses(rules: CandidateRules, way: RequestWay, interfaces: Interfaces): string[] {
  const { hosts } = rules;
  const isAny = (host: string) => host === '' || host === '0.0.0.0' || host === '::';
  const explicit = hosts.filter((host) => !isAny(host));
  if (hosts.length > 0 && explicit.length === hosts.length) return preferred(explicit, way.localAddress);
  const takesAll = hosts.length === 0 || hosts.includes('');
  const takes4 = takesAll || hosts.includes('0.0.0.0');
  const takes6 = takesAll || hosts.includes('::');
  const isTaken = (address: string) => (isIPv4(address) ? takes4 : takes6);
  const found: string[] = [];
  for (const [name, list] of Object.entries(interfaces)) {
    if (!isChosen(name, rules.interfaces)) continue;
    for (const { address, internal } of list ?? []) {
      const plain = address.split('%')[0]!;
      if (!internal && !/^fe80:/i.test(plain) && isTaken(plain)) found.push(plain);
    }
  }
  // IPv4 first, as browsers like it where both lead there.
  found.sort((a, b) => Number(isIPv4(b)) - Number(isIPv4(a)));
  const outside = preferred([...new Set([...explicit, ...found])], way.localAddress);
  const isNear = isLoopback(way.remoteAddress);
  if (!isNear && outside.length + rules.publicOnes.length > 0) return outside;
  const near = preferred(LOOPBACK.filter(isTaken), way.localAddress);
  return isNear ? [...near, ...outside] : near;
}

function isLoopback(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/** What the peer has reached already comes first. */
function preferred(addresses: readonly string[], reached: string): string[] {
  return [...addresses].sort((a, b) => Number(b === reached) - Number(a === reached));
}

function isChosen(name: string, patterns: string): boolean {
  return patterns === '' || patterns.split(' ').some((pattern) => new NamePattern(pattern).matches(name));
}
