/**
 * Pairs of candidates in the order of their checks (RFC 8445 section 6.1.2). One stream with one component has one list,
 * so nothing is frozen: all pairs wait from the start.
 */
import type { IceCandidate } from './candidate.ts';
import { isSameEndpoint, type TransportAddress } from './transport-address.ts';

export const MAX_REMOTE_CANDIDATES = 64;
/** RFC 8445 section 6.1.2.5. */
export const MAX_PAIRS = 100;

export type PairState = 'waiting' | 'in-progress' | 'succeeded' | 'failed';

/** A candidate of ours and the socket it is of. Candidates of one wildcard socket share its index. */
export interface LocalCandidate {
  readonly candidate: IceCandidate;
  readonly localIndex: number;
}

interface RemoteCandidate {
  readonly address: TransportAddress;
  readonly priority: number;
  /** Given by the other side's description; false for one learnt from a check. */
  readonly isGiven: boolean;
}

export class CandidatePair {
  readonly local: LocalCandidate;
  readonly remote: TransportAddress;
  readonly remotePriority: number;
  state: PairState;
  /** It is in the queue of triggered checks. */
  isTriggered: boolean;
  /** The controlling side wants this one. */
  isNominated: boolean;

  constructor(local: LocalCandidate, remote: RemoteCandidate) {
    this.local = local;
    this.remote = remote.address;
    this.remotePriority = remote.priority;
    this.state = 'waiting';
    this.isTriggered = false;
    this.isNominated = false;
  }

  /** Above 0 when this pair goes before `other`. The formula of RFC 8445 section 6.1.2.3 without its 64-bit product. */
  compare(other: CandidatePair, isControlling: boolean): number {
    const ours = this.local.candidate.priority;
    const theirs = other.local.candidate.priority;
    return (
      Math.min(ours, this.remotePriority) - Math.min(theirs, other.remotePriority) ||
      Math.max(ours, this.remotePriority) - Math.max(theirs, other.remotePriority) ||
      Number(ours > this.remotePriority === isControlling) -
        Number(theirs > other.remotePriority === isControlling)
    );
  }
}

export class CheckList {
  /** The best first. */
  readonly pairs: CandidatePair[];
  private readonly locals: readonly LocalCandidate[];
  private readonly remotes: RemoteCandidate[];
  private isControlling: boolean;

  constructor(locals: readonly LocalCandidate[], isControlling: boolean) {
    this.pairs = [];
    this.locals = bestOfSockets(locals);
    this.remotes = [];
    this.isControlling = isControlling;
  }

  /** The order of equal pairs depends on the role. */
  setRole(isControlling: boolean): void {
    this.isControlling = isControlling;
    this.sort();
  }

  /** Pairs a candidate of the other side with ours. False when it makes none: a name, known, or one too many. */
  add(candidate: IceCandidate): boolean {
    const { address, port, transport, priority, tcpType } = candidate;
    if (candidate.component !== 1 || candidate.isName || port === 0) return false;
    // We open connections and do not listen.
    if (transport === 'tcp' && tcpType !== 'passive') return false;
    const remote = { address: { address, port, transport }, priority, isGiven: true };
    if (this.remotes.some((known) => known.isGiven && isSameEndpoint(known.address, remote.address)))
      return false;
    if (this.remotes.length >= MAX_REMOTE_CANDIDATES) return false;
    this.remotes.push(remote);
    let isPaired = false;
    for (const local of this.locals) {
      if (!canPair(local.candidate, remote.address)) continue;
      if (this.find(remote.address, local.localIndex) === null)
        isPaired = this.insert(local, remote) || isPaired;
    }
    return isPaired;
  }

  /** The pair for a check that came from `from` at our socket; made where the address is new (RFC 8445 7.3.1.3). */
  learn(from: TransportAddress, localIndex: number, priority: number): CandidatePair | null {
    const known = this.find(from, localIndex);
    if (known !== null) return known;
    const local = this.locals.find((one) => one.localIndex === localIndex && canPair(one.candidate, from));
    if (local === undefined) return null;
    const given = this.remotes.find((one) => isSameEndpoint(one.address, from));
    if (given === undefined && this.remotes.length >= MAX_REMOTE_CANDIDATES) return null;
    const { address, port, transport } = from;
    const remote = given ?? {
      address: { address, port, transport },
      priority: Math.max(0, priority),
      isGiven: false,
    };
    if (!this.insert(local, remote)) return null;
    if (given === undefined) this.remotes.push(remote);
    return this.find(from, localIndex);
  }

  find(remote: TransportAddress, localIndex: number): CandidatePair | null {
    for (const pair of this.pairs)
      if (pair.local.localIndex === localIndex && isSameEndpoint(pair.remote, remote)) return pair;
    return null;
  }

  /** The best pair in this state, null when there is none. */
  best(state: PairState): CandidatePair | null {
    for (const pair of this.pairs) if (pair.state === state) return pair;
    return null;
  }

  /** How many pairs are still to be decided. */
  get undecided(): number {
    let count = 0;
    for (const { state } of this.pairs) if (state === 'waiting' || state === 'in-progress') count++;
    return count;
  }

  private insert(local: LocalCandidate, remote: RemoteCandidate): boolean {
    const pair = new CandidatePair(local, remote);
    if (this.pairs.length >= MAX_PAIRS) {
      // The worst one that nothing was spent on yet gives way to a better one.
      const last = this.pairs.findLastIndex(({ state, isTriggered }) => state === 'waiting' && !isTriggered);
      if (last < 0 || pair.compare(this.pairs[last]!, this.isControlling) <= 0) return false;
      this.pairs.splice(last, 1);
    }
    this.pairs.push(pair);
    this.sort();
    return true;
  }

  private sort(): void {
    this.pairs.sort((a, b) => b.compare(a, this.isControlling));
  }
}

/**
 * A check leaves from a socket, not from a candidate: of the candidates of one socket, transport and family the best
 * one is enough (RFC 8445 section 6.1.2.4).
 */
function bestOfSockets(locals: readonly LocalCandidate[]): LocalCandidate[] {
  const best = new Map<string, LocalCandidate>();
  for (const local of locals) {
    const { transport, tcpType, address, priority } = local.candidate;
    if (transport === 'tcp' && tcpType !== 'active') continue;
    const scope = `${local.localIndex} ${transport} ${address.includes(':')} ${isLinkLocal(address)}`;
    const known = best.get(scope);
    if (known === undefined || known.candidate.priority < priority) best.set(scope, local);
  }
  return [...best.values()];
}

function canPair(local: IceCandidate, remote: TransportAddress): boolean {
  return (
    local.transport === remote.transport &&
    local.address.includes(':') === remote.address.includes(':') &&
    isLinkLocal(local.address) === isLinkLocal(remote.address)
  );
}

/** IPv6 fe80::/10: pairs with its like only (RFC 8445 section 6.1.2.2). */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(address);
}
