/**
 * Requests that wait for their responses (RFC 8489 section 6.2.1): repeated after RTO, then every 2 RTO, and given up
 * 2 RTO after the last. The distance does not double any further, or a path with some loss would hardly get a chance
 * before people give up; that RTO grows with the number of pairs keeps the rate below one packet in 50 ms all the same.
 * Bounded; the time passes in `tick`.
 */
import { randomBytes } from 'node:crypto';
import type { CandidatePair } from './check-list.ts';
import type { TransportAddress } from './transport-address.ts';

/** RFC 8445 section 14.3. */
export const MIN_RTO_US = 500_000;
const MAX_REQUESTS = 16;
/** Checks of all pairs and consent checks together. */
const MAX_TRANSACTIONS = 256;

export class Transaction {
  readonly id: Buffer;
  readonly pair: CandidatePair;
  /** A consent check: sent once, its failure means nothing by itself. */
  readonly isConsent: boolean;
  readonly nominates: boolean;
  /** Our role when it was sent, to tell a late 487 from one that counts. */
  readonly isControlling: boolean;
  readonly to: TransportAddress;
  readonly localIndex: number;
  bytes: Uint8Array;
  rtoUs: number;
  sent: number;
  sentUs: number;
  /** When it is repeated or given up. */
  nextUs: number;

  constructor(
    to: TransportAddress,
    localIndex: number,
    pair: CandidatePair,
    kind: { readonly isConsent: boolean; readonly nominates: boolean; readonly isControlling: boolean },
  ) {
    this.id = randomBytes(12);
    this.pair = pair;
    this.isConsent = kind.isConsent;
    this.nominates = kind.nominates;
    this.isControlling = kind.isControlling;
    this.to = to;
    this.localIndex = localIndex;
    this.bytes = this.id;
    this.rtoUs = 0;
    this.sent = 0;
    this.sentUs = 0;
    this.nextUs = Number.POSITIVE_INFINITY;
  }
}

export interface TransactionEvents {
  send(transaction: Transaction): void;
  /** No response came. */
  timedOut(transaction: Transaction): void;
}

export class Transactions {
  /** `tick` must be called then at the latest. */
  nextWakeUs: number;
  private readonly events: TransactionEvents;
  private readonly open: Map<string, Transaction>;

  constructor(events: TransactionEvents) {
    this.nextWakeUs = Number.POSITIVE_INFINITY;
    this.events = events;
    this.open = new Map();
  }

  /** Sends the request with `bytes` the first time. False: too many are open. `onlyOnceUs`: not repeated, kept so long. */
  start(
    transaction: Transaction,
    bytes: Uint8Array,
    rtoUs: number,
    nowUs: number,
    onlyOnceUs?: number,
  ): boolean {
    if (this.open.size >= MAX_TRANSACTIONS) return false;
    transaction.bytes = bytes;
    transaction.rtoUs = rtoUs;
    transaction.sent = onlyOnceUs === undefined ? 1 : MAX_REQUESTS;
    transaction.sentUs = nowUs;
    transaction.nextUs = nowUs + (onlyOnceUs ?? rtoUs);
    this.open.set(transaction.id.toString('latin1'), transaction);
    this.nextWakeUs = Math.min(this.nextWakeUs, transaction.nextUs);
    this.events.send(transaction);
    return true;
  }

  find(id: Uint8Array): Transaction | null {
    return this.open.get(Buffer.from(id).toString('latin1')) ?? null;
  }

  finish(transaction: Transaction): void {
    this.open.delete(transaction.id.toString('latin1'));
  }

  /**
   * The peer's own check shows that the path works now: repeats our open check of the pair, if its last copy is older
   * than an RTO. The number of repetitions and their distance stay as they are.
   */
  hurry(pair: CandidatePair, nowUs: number): void {
    for (const transaction of this.open.values()) {
      const isIdle = nowUs - transaction.sentUs >= MIN_RTO_US;
      if (transaction.pair !== pair || transaction.isConsent || !isIdle) continue;
      transaction.sentUs = nowUs;
      this.events.send(transaction);
    }
  }

  /** Forgets all, or all checks but those for consent. */
  clear(keepConsent = false): void {
    for (const [id, transaction] of this.open)
      if (!keepConsent || !transaction.isConsent) this.open.delete(id);
  }

  tick(nowUs: number): void {
    if (nowUs < this.nextWakeUs) return;
    let next = Number.POSITIVE_INFINITY;
    for (const [id, transaction] of this.open) {
      if (nowUs >= transaction.nextUs) {
        if (transaction.sent >= MAX_REQUESTS) {
          this.open.delete(id);
          this.events.timedOut(transaction);
          continue;
        }
        transaction.sent++;
        transaction.sentUs = nowUs;
        transaction.nextUs = nowUs + 2 * transaction.rtoUs;
        this.events.send(transaction);
      }
      next = Math.min(next, transaction.nextUs);
    }
    this.nextWakeUs = next;
  }
}
