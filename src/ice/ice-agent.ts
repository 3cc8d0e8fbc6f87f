/**
 * The full agent of ICE (RFC 8445) for sessions that we begin: one stream, one component. Checks are paced (50 ms),
 * repeated with growing distance, triggered by the other side's checks; the controlling side nominates one pair
 * (regular nomination); afterwards consent is asked for about every 5 s (RFC 7675).
 * Left out: relays, server reflexive candidates (the server that is called learns our address from its checks),
 * aggressive nomination, freezing (there is one list), restart (begin anew), connections that the other side opens. The
 * other side may be lite.
 */
import { randomBytes } from 'node:crypto';
import { StunKey } from '../wire/stun/stun-key.ts';
import {
  parseStun,
  STUN_BINDING,
  STUN_ERROR,
  STUN_REQUEST,
  STUN_SUCCESS,
  type StunMessage,
  serializeStun,
} from '../wire/stun/stun-message.ts';
import {
  BAD_REQUEST,
  errorAnswer,
  ROLE_CONFLICT,
  successAnswer,
  UNAUTHENTICATED,
  UNKNOWN_ATTRIBUTE,
} from './binding-answer.ts';
import type { IceCandidate } from './candidate.ts';
import { checkPriority } from './candidate-priority.ts';
import { type CandidatePair, CheckList, type LocalCandidate } from './check-list.ts';
import { type IceCredentials, makeIceCredentials } from './credentials.ts';
import { MIN_RTO_US, Transaction, Transactions } from './transactions.ts';
import { isSameEndpoint, type TransportAddress } from './transport-address.ts';

/** Ta of RFC 8445 section 14.2. */
const PACE_US = 50_000;
/** How long a valid pair waits for better ones before it is nominated. */
const BETTER_PAIR_WAIT_US = 200_000;
const CHECK_TIMEOUT_MS = 15_000;
/** RFC 7675 section 5.1: 5 s, randomised by a fifth to both sides. */
const CONSENT_INTERVAL_US = 5_000_000;
const CONSENT_TIMEOUT_MS = 30_000;
/** When an answer is missing, more often than the RFC asks: six tries in 30 s would now and then all be lost. */
const WORRY_INTERVAL_US = 1_000_000;
/** A response to a consent check that comes later than this is not waited for. */
const CONSENT_ANSWER_US = 10_000_000;
/** So long without an answer means that one is missing; any other pair that is nominated is taken then. */
const STALE_US = 8_000_000;
const CONSENT_REVOKED = 403;

/** Which socket sends where. */
export interface IcePair {
  readonly localIndex: number;
  readonly remote: TransportAddress;
}

export interface IceAgentEvents {
  /**
   * `bytes` from our socket `localIndex`. Over TCP the first packet to an address opens the connection; packets may be
   * dropped until it stands, they come again.
   */
  send(bytes: Uint8Array, to: TransportAddress, localIndex: number): void;
  /** Media may go this way; later again when the other side (controlling) prefers another pair. */
  selected(pair: IcePair): void;
  /** The end: nothing is sent any more. `reason` is a phrase for people. */
  failed(reason: string): void;
}

export interface IceAgentOptions {
  readonly locals: readonly LocalCandidate[];
  /** Ours; random ones when they are not given. */
  readonly local?: IceCredentials;
  /** Who made the offer controls; default true. */
  readonly isControlling?: boolean;
  /** How long a working pair is looked for. */
  readonly checkTimeoutMs?: number;
  /** How long a selected pair may be without an answer to consent checks. */
  readonly consentTimeoutMs?: number;
}

export class IceAgent {
  /** For our description. */
  readonly local: IceCredentials;
  /** `tick` must be called then at the latest; Infinity when there is nothing to do. */
  nextWakeUs: number;
  private readonly events: IceAgentEvents;
  private readonly key: StunKey;
  private readonly list: CheckList;
  private readonly transactions: Transactions;
  private readonly checkTimeoutUs: number;
  private readonly consentTimeoutUs: number;
  private isControlling: boolean;
  private tieBreaker: Buffer;
  private state: 'new' | 'checking' | 'connected' | 'over';
  private remote: IceCredentials | null;
  private remoteKey: StunKey | null;
  private triggered: CandidatePair[];
  private nominating: CandidatePair | null;
  private chosen: CandidatePair | null;
  private deadlineUs: number;
  private nextCheckUs: number;
  private firstValidUs: number;
  private nextConsentUs: number;
  private consentUs: number;
  /** Code of the last refusal, for the reason of a failure. */
  private lastError: number;

  constructor(options: IceAgentOptions, events: IceAgentEvents) {
    this.local = options.local ?? makeIceCredentials();
    this.nextWakeUs = Number.POSITIVE_INFINITY;
    this.events = events;
    this.key = new StunKey(this.local.password);
    this.isControlling = options.isControlling ?? true;
    this.list = new CheckList(options.locals, this.isControlling);
    this.transactions = new Transactions({
      send: ({ bytes, to, localIndex }) => events.send(bytes, to, localIndex),
      timedOut: (transaction) => this.checkFailed(transaction),
    });
    this.checkTimeoutUs = (options.checkTimeoutMs ?? CHECK_TIMEOUT_MS) * 1000;
    this.consentTimeoutUs = (options.consentTimeoutMs ?? CONSENT_TIMEOUT_MS) * 1000;
    this.tieBreaker = randomBytes(8);
    this.state = 'new';
    this.remote = null;
    this.remoteKey = null;
    this.triggered = [];
    this.nominating = null;
    this.chosen = null;
    this.deadlineUs = Number.POSITIVE_INFINITY;
    this.nextCheckUs = 0;
    this.firstValidUs = Number.POSITIVE_INFINITY;
    this.nextConsentUs = Number.POSITIVE_INFINITY;
    this.consentUs = 0;
    this.lastError = 0;
  }

  /** Null before a pair works. */
  get selected(): IcePair | null {
    return this.chosen === null
      ? null
      : { localIndex: this.chosen.local.localIndex, remote: this.chosen.remote };
  }

  /** Whether this side controls; may change in `receive` when both sides think they do. */
  get controls(): boolean {
    return this.isControlling;
  }

  /** Pairs that are known; at most 100. */
  get pairCount(): number {
    return this.list.pairs.length;
  }

  /** The other side's description is there. Candidates may be added later, too. Call `tick` afterwards. */
  start(remote: IceCredentials, candidates: readonly IceCandidate[], nowUs: number): void {
    if (this.state !== 'new') return;
    this.state = 'checking';
    this.remote = remote;
    this.remoteKey = new StunKey(remote.password);
    this.deadlineUs = nowUs + this.checkTimeoutUs;
    this.nextCheckUs = nowUs;
    for (const candidate of candidates) this.addRemoteCandidate(candidate, nowUs);
    this.plan();
  }

  /** A candidate of the other side after `start`; at most 64 count. Names and what fits none of ours are ignored. */
  addRemoteCandidate(candidate: IceCandidate, nowUs: number): void {
    if (this.state !== 'checking') return;
    if (candidate.ufrag !== '' && candidate.ufrag !== this.remote?.ufrag) return;
    if (!this.list.add(candidate)) return;
    this.nextCheckUs = Math.max(this.nextCheckUs, nowUs);
    this.plan();
  }

  /** A packet that `isStun`. True when it belongs to this agent. What comes before `start` is left to its repetition. */
  receive(bytes: Uint8Array, from: TransportAddress, localIndex: number, nowUs: number): boolean {
    if (this.remoteKey === null || this.state === 'over') return false;
    const message = parseStun(bytes);
    if (message === null || message.method !== STUN_BINDING) return false;
    const isOurs =
      message.messageClass === STUN_REQUEST
        ? this.receiveCheck(message, from, localIndex, nowUs)
        : this.receiveResponse(message, this.remoteKey, from, localIndex, nowUs);
    if (isOurs) this.plan();
    return isOurs;
  }

  tick(nowUs: number): void {
    if (this.state === 'new' || this.state === 'over' || nowUs < this.nextWakeUs) return;
    this.transactions.tick(nowUs);
    if (this.isOver) return;
    if (this.state === 'checking' && nowUs >= this.deadlineUs) this.fail(this.reasonOfFailure());
    else if (this.state === 'connected' && nowUs - this.consentUs >= this.consentTimeoutUs)
      this.fail(`no answer for ${Math.round(this.consentTimeoutUs / 1e6)} s`);
    else this.work(nowUs);
    this.plan();
  }

  /** Ends without an event. May be called twice. */
  close(): void {
    this.state = 'over';
    this.transactions.clear();
    this.triggered = [];
    this.nextWakeUs = Number.POSITIVE_INFINITY;
  }

  /** Events may close the agent in the middle of a call, which the types of `state` do not know. */
  private get isOver(): boolean {
    return this.state === 'over';
  }

  private work(nowUs: number): void {
    if (nowUs >= this.nextCheckUs) {
      const pair = this.triggered.shift() ?? (this.state === 'checking' ? this.list.best('waiting') : null);
      if (pair !== null) {
        pair.isTriggered = false;
        // One that waits for its turn may have been decided meanwhile.
        if (pair.state !== 'succeeded') this.check(pair, false, nowUs);
        this.nextCheckUs = nowUs + PACE_US;
      }
    }
    if (this.state === 'checking' && this.isControlling) this.nominate(nowUs);
    if (this.chosen !== null && nowUs >= this.nextConsentUs) {
      const isWorrying = nowUs - this.consentUs > STALE_US;
      const intervalUs = isWorrying ? WORRY_INTERVAL_US : CONSENT_INTERVAL_US;
      this.nextConsentUs = nowUs + Math.round(intervalUs * (0.8 + 0.4 * Math.random()));
      this.askConsent(this.chosen, nowUs);
    }
  }

  /** Regular nomination (RFC 8445 section 8.1.1): the best valid pair, when no better one can be hoped for soon. */
  private nominate(nowUs: number): void {
    const best = this.nominating === null ? this.list.best('succeeded') : null;
    if (best === null || nowUs < this.nominationUs(best)) return;
    this.nominating = best;
    this.check(best, true, nowUs);
  }

  /** When a valid pair is nominated: at once when every better one has failed. */
  private nominationUs(best: CandidatePair): number {
    const isBestOfAll = this.list.pairs.find(({ state }) => state !== 'failed') === best;
    return isBestOfAll ? this.firstValidUs : this.firstValidUs + BETTER_PAIR_WAIT_US;
  }

  private check(pair: CandidatePair, nominates: boolean, nowUs: number): void {
    const { isControlling } = this;
    const kind = { isConsent: false, nominates, isControlling };
    const transaction = new Transaction(pair.remote, pair.local.localIndex, pair, kind);
    const rtoUs = Math.max(MIN_RTO_US, PACE_US * this.list.undecided);
    if (!nominates) pair.state = 'in-progress';
    this.transactions.start(transaction, this.request(transaction, pair), rtoUs, nowUs);
  }

  private askConsent(pair: CandidatePair, nowUs: number): void {
    // It nominates the pair again, so that a lite agent follows when a NAT gives us another address.
    const { isControlling } = this;
    const kind = { isConsent: true, nominates: isControlling, isControlling };
    const transaction = new Transaction(pair.remote, pair.local.localIndex, pair, kind);
    this.transactions.start(transaction, this.request(transaction, pair), 0, nowUs, CONSENT_ANSWER_US);
  }

  private request(transaction: Transaction, pair: CandidatePair): Buffer {
    return serializeStun(
      {
        messageClass: STUN_REQUEST,
        transactionId: transaction.id,
        priority: checkPriority(pair.local.candidate),
        useCandidate: transaction.nominates,
        iceControlling: transaction.isControlling ? this.tieBreaker : undefined,
        iceControlled: transaction.isControlling ? undefined : this.tieBreaker,
        username: `${this.remote?.ufrag ?? ''}:${this.local.ufrag}`,
      },
      this.remoteKey,
    );
  }

  /** RFC 8445 section 7.2.5. */
  private receiveResponse(
    message: StunMessage,
    remoteKey: StunKey,
    from: TransportAddress,
    localIndex: number,
    nowUs: number,
  ): boolean {
    const transaction = this.transactions.find(message.transactionId);
    if (transaction === null) return false;
    const isSuccess = message.messageClass === STUN_SUCCESS;
    // Refusals of a credential cannot be signed with it; everything else has to be.
    const isSigned = message.isSignedBy(remoteKey);
    if (isSuccess ? !isSigned : message.messageClass !== STUN_ERROR) return false;
    if (!isSigned && message.errorCode !== BAD_REQUEST && message.errorCode !== UNAUTHENTICATED) return false;
    if (transaction.localIndex !== localIndex || !isSameEndpoint(transaction.to, from)) {
      // The way there and the way back differ: the pair is of no use.
      this.transactions.finish(transaction);
      if (!transaction.isConsent) this.checkFailed(transaction);
      return true;
    }
    this.transactions.finish(transaction);
    if (isSuccess) this.checkSucceeded(transaction, transaction.pair, nowUs);
    else this.checkRefused(transaction, transaction.pair, message.errorCode, nowUs);
    return true;
  }

  private checkSucceeded(transaction: Transaction, pair: CandidatePair, nowUs: number): void {
    if (pair === this.chosen) this.consentUs = nowUs;
    if (transaction.isConsent) return;
    pair.state = 'succeeded';
    this.firstValidUs = Math.min(this.firstValidUs, nowUs);
    if (transaction.nominates) this.nominating = null;
    // A change of roles on the way makes a nomination void.
    const isNomination = transaction.nominates && transaction.isControlling;
    if (this.isControlling ? isNomination : pair.isNominated) this.select(pair, nowUs);
  }

  private checkRefused(transaction: Transaction, pair: CandidatePair, code: number, nowUs: number): void {
    this.lastError = code;
    if (code === ROLE_CONFLICT) {
      if (transaction.isControlling === this.isControlling) {
        this.tieBreaker = randomBytes(8);
        this.switchRole();
      }
      if (transaction.isConsent) return;
      if (transaction.nominates) this.nominating = null;
      this.trigger(pair, nowUs);
    } else if (transaction.isConsent) {
      if (code === CONSENT_REVOKED) this.fail('the other side withdrew its consent');
    } else this.checkFailed(transaction);
  }

  private checkFailed(transaction: Transaction): void {
    const { pair } = transaction;
    if (transaction.isConsent) return;
    if (transaction.nominates) this.nominating = null;
    if (pair.state !== 'succeeded' || transaction.nominates) pair.state = 'failed';
    // When every pair was refused, waiting for the deadline tells nothing new.
    const isHopeless = this.lastError !== 0 && this.list.pairs.every(({ state }) => state === 'failed');
    if (this.state === 'checking' && isHopeless) this.fail(this.reasonOfFailure());
  }

  /** RFC 8445 section 7.3. True when the request is for us. */
  private receiveCheck(
    request: StunMessage,
    from: TransportAddress,
    localIndex: number,
    nowUs: number,
  ): boolean {
    if (request.username !== `${this.local.ufrag}:${this.remote?.ufrag ?? ''}`) return false;
    let answer: Buffer;
    if (!request.isSignedBy(this.key)) answer = errorAnswer(request, UNAUTHENTICATED, null);
    else if (request.notUnderstood.length > 0) answer = errorAnswer(request, UNKNOWN_ATTRIBUTE, this.key);
    else if (!this.settleRoles(request)) answer = errorAnswer(request, ROLE_CONFLICT, this.key);
    else {
      this.events.send(successAnswer(request, from, this.key), from, localIndex);
      this.takeCheck(request, from, localIndex, nowUs);
      return true;
    }
    if (answer.length <= request.bytes.length) this.events.send(answer, from, localIndex);
    return true;
  }

  /** RFC 8445 section 7.3.1.1. False: the other side has to switch. */
  private settleRoles(request: StunMessage): boolean {
    const theirs = this.isControlling ? request.iceControlling : request.iceControlled;
    if (theirs === undefined) return true;
    const isOursLarger = Buffer.compare(this.tieBreaker, theirs) >= 0;
    // The larger one controls.
    if (isOursLarger === this.isControlling) return false;
    this.switchRole();
    return true;
  }

  /** Open checks name the old role: their repetitions would begin the conflict anew, so they are made again. */
  private switchRole(): void {
    this.isControlling = !this.isControlling;
    this.nominating = null;
    this.list.setRole(this.isControlling);
    this.transactions.clear(true);
    for (const pair of this.list.pairs) if (pair.state === 'in-progress') pair.state = 'waiting';
  }

  /** Triggered checks and nominations of the other side (RFC 8445 sections 7.3.1.4 and 7.3.1.5). */
  private takeCheck(request: StunMessage, from: TransportAddress, localIndex: number, nowUs: number): void {
    const pair = this.list.learn(from, localIndex, request.priority);
    if (pair === null) return;
    if (!this.isControlling && request.useCandidate) pair.isNominated = true;
    if (pair.state === 'in-progress') this.transactions.hurry(pair, nowUs);
    else if (pair.state !== 'succeeded') {
      if (this.state === 'checking' || pair.isNominated) this.trigger(pair, nowUs);
    } else if (pair.isNominated && !this.isControlling) this.select(pair, nowUs);
  }

  private trigger(pair: CandidatePair, nowUs: number): void {
    pair.state = 'waiting';
    if (pair.isTriggered) return;
    pair.isTriggered = true;
    this.triggered.push(pair);
    this.nextCheckUs = Math.max(this.nextCheckUs, nowUs);
  }

  private select(pair: CandidatePair, nowUs: number): void {
    if (pair === this.chosen) return;
    // An older agent may nominate several pairs: the best one counts, as long as it is alive.
    const isAlive = nowUs - this.consentUs < STALE_US;
    if (this.chosen !== null && isAlive && pair.compare(this.chosen, this.isControlling) < 0) return;
    this.state = 'connected';
    this.chosen = pair;
    this.consentUs = nowUs;
    this.nextConsentUs = nowUs + CONSENT_INTERVAL_US;
    // The search is over. The other side's checks are answered on.
    this.transactions.clear(true);
    for (const other of this.triggered) other.isTriggered = false;
    this.triggered = [];
    this.nominating = null;
    this.events.selected({ localIndex: pair.local.localIndex, remote: pair.remote });
  }

  private fail(reason: string): void {
    if (this.state === 'over') return;
    this.close();
    this.events.failed(reason);
  }

  private reasonOfFailure(): string {
    const { length } = this.list.pairs;
    if (length === 0) return 'the other side gave no address that can be tried';
    if (this.lastError !== 0) return `the other side refuses our checks with ${this.lastError}`;
    return `none of ${length} pairs of addresses works`;
  }

  /** Sets `nextWakeUs`. */
  private plan(): void {
    if (this.state === 'new' || this.state === 'over') return;
    let next = this.transactions.nextWakeUs;
    if (this.state === 'checking') {
      next = Math.min(next, this.deadlineUs);
      const best = this.isControlling && this.nominating === null ? this.list.best('succeeded') : null;
      if (best !== null) next = Math.min(next, this.nominationUs(best));
      if (this.list.best('waiting') !== null) next = Math.min(next, this.nextCheckUs);
    } else next = Math.min(next, this.nextConsentUs, this.consentUs + this.consentTimeoutUs);
    if (this.triggered.length > 0) next = Math.min(next, this.nextCheckUs);
    this.nextWakeUs = next;
  }
}
