/**
 * Server reflexive candidates (RFC 8445 section 5.1.1.2): one STUN server is asked from every UDP socket where it sees
 * us. For sessions that we begin from behind a NAT.
 */
import {
  parseStun,
  STUN_BINDING,
  STUN_REQUEST,
  STUN_SUCCESS,
  serializeStun,
} from '../wire/stun/stun-message.ts';
import type { IceCandidate } from './candidate.ts';
import { candidateFoundation, candidatePriority } from './candidate-priority.ts';
import type { LocalCandidate } from './check-list.ts';
import { MIN_RTO_US, Transaction, Transactions } from './transactions.ts';
import { isSameEndpoint, type TransportAddress } from './transport-address.ts';

/** An offer should not wait longer for a server that is silent. */
const TIMEOUT_US = 3_000_000;
const MAX_SOCKETS = 16;

export interface GatheringEvents {
  send(bytes: Uint8Array, to: TransportAddress, localIndex: number): void;
  /** All sockets are answered, or the time is over. Once; maybe empty. What equals a host candidate is left away. */
  done(candidates: readonly IceCandidate[]): void;
}

export class Gathering {
  /** `tick` must be called then at the latest; Infinity when it is over. */
  nextWakeUs: number;
  private readonly events: GatheringEvents;
  private readonly server: TransportAddress;
  private readonly hosts: ReadonlyMap<number, IceCandidate>;
  private readonly transactions: Transactions;
  private readonly deadlineUs: number;
  private readonly found: IceCandidate[];
  private readonly waiting: Set<number>;

  /** `server`: an IP address. Begins to send at once; without a socket for it `done` is called at once, too. */
  constructor(
    locals: readonly LocalCandidate[],
    server: TransportAddress,
    events: GatheringEvents,
    nowUs: number,
  ) {
    this.events = events;
    this.server = server;
    this.hosts = hostsOf(locals, server);
    this.deadlineUs = nowUs + TIMEOUT_US;
    this.nextWakeUs = this.deadlineUs;
    this.found = [];
    this.waiting = new Set(this.hosts.keys());
    this.transactions = new Transactions({
      send: ({ bytes, to, localIndex }) => events.send(bytes, to, localIndex),
      timedOut: ({ localIndex }) => this.waiting.delete(localIndex),
    });
    for (const localIndex of this.hosts.keys()) this.ask(localIndex, nowUs);
    this.finishOrPlan(nowUs);
  }

  /** A packet that `isStun`. True when it is an answer of the server. */
  receive(bytes: Uint8Array, from: TransportAddress, localIndex: number, nowUs: number): boolean {
    const message = parseStun(bytes);
    const transaction = message === null ? null : this.transactions.find(message.transactionId);
    if (message === null || transaction === null || message.messageClass === STUN_REQUEST) return false;
    if (transaction.localIndex !== localIndex || !isSameEndpoint(from, this.server)) return false;
    this.transactions.finish(transaction);
    this.waiting.delete(localIndex);
    const host = this.hosts.get(localIndex);
    const seen = message.xorMappedAddress ?? message.mappedAddress;
    const isAnswer = message.messageClass === STUN_SUCCESS && message.method === STUN_BINDING;
    if (isAnswer && host !== undefined && seen !== undefined) this.take(host, seen.address, seen.port);
    this.finishOrPlan(nowUs);
    return true;
  }

  tick(nowUs: number): void {
    if (nowUs < this.nextWakeUs || this.nextWakeUs === Number.POSITIVE_INFINITY) return;
    this.transactions.tick(nowUs);
    this.finishOrPlan(nowUs);
  }

  /** Ends without an event. May be called twice. */
  close(): void {
    this.transactions.clear();
    this.nextWakeUs = Number.POSITIVE_INFINITY;
  }

  private ask(localIndex: number, nowUs: number): void {
    const kind = { isConsent: false, nominates: false, isControlling: false };
    const transaction = new Transaction(this.server, localIndex, null, kind);
    const content = { messageClass: STUN_REQUEST, transactionId: transaction.id } as const;
    this.transactions.start(transaction, serializeStun(content, null), MIN_RTO_US, nowUs);
  }

  private take(host: IceCandidate, address: string, port: number): void {
    if (address === host.address && port === host.port) return;
    if (this.found.some((one) => one.address === address && one.port === port)) return;
    const { component, transport } = host;
    this.found.push({
      ...host,
      type: 'srflx',
      foundation: candidateFoundation('srflx', host.address, transport, this.server.address),
      priority: candidatePriority('srflx', component, this.found.length, null),
      address,
      port,
      relatedAddress: host.address,
      relatedPort: host.port,
    });
  }

  private finishOrPlan(nowUs: number): void {
    if (this.nextWakeUs === Number.POSITIVE_INFINITY) return;
    if (this.waiting.size > 0 && nowUs < this.deadlineUs) {
      this.nextWakeUs = Math.min(this.deadlineUs, this.transactions.nextWakeUs);
      return;
    }
    this.close();
    this.events.done(this.found);
  }
}

/** One candidate of each UDP socket that can reach the server. */
function hostsOf(locals: readonly LocalCandidate[], server: TransportAddress): Map<number, IceCandidate> {
  const hosts = new Map<number, IceCandidate>();
  const isSix = server.address.includes(':');
  for (const { candidate, localIndex } of locals) {
    if (candidate.transport !== 'udp' || candidate.address.includes(':') !== isSix) continue;
    if (!hosts.has(localIndex) && hosts.size < MAX_SOCKETS) hosts.set(localIndex, candidate);
  }
  return hosts;
}
