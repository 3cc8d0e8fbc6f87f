import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { candidatesFor } from '../../../src/ice/candidate.ts';
import { CandidatePair } from '../../../src/ice/check-list.ts';
import { Transaction, Transactions } from '../../../src/ice/transactions.ts';
import { udp } from './ice-checks.ts';

const REMOTE = udp('192.0.2.1', 4000);
const [HOST] = candidatesFor(['192.0.2.9'], 5000, { udp: true, tcp: false });
const PAIR = new CandidatePair(
  { candidate: HOST!, localIndex: 0 },
  { address: REMOTE, priority: 1, isGiven: true },
);
const RTO_US = 500_000;
const CHECK = { isConsent: false, nominates: false, isControlling: true };

function transactionsWith() {
  const sent: Transaction[] = [];
  const timedOut: Transaction[] = [];
  const transactions = new Transactions({
    send: (transaction) => sent.push(transaction),
    timedOut: (transaction) => timedOut.push(transaction),
  });
  const start = (isConsent = false, onlyOnceUs?: number) => {
    const transaction = new Transaction(REMOTE, 0, PAIR, { ...CHECK, isConsent });
    return transactions.start(transaction, Buffer.alloc(20), RTO_US, 0, onlyOnceUs) ? transaction : null;
  };
  return { transactions, sent, timedOut, start };
}

describe('transactions', () => {
  it('are sent 16 times, an RTO and then always two RTO apart, and given up two RTO after the last', () => {
    const { transactions, sent, timedOut, start } = transactionsWith();
    const transaction = start();
    const times: number[] = [];
    while (transactions.nextWakeUs < Number.POSITIVE_INFINITY) {
      times.push(transactions.nextWakeUs / RTO_US);
      transactions.tick(transactions.nextWakeUs);
    }
    assert.deepEqual(
      times,
      Array.from({ length: 16 }, (_, i) => 1 + 2 * i),
    );
    assert.equal(sent.length, 16);
    assert.deepEqual(timedOut, [transaction]);
    assert.equal(transactions.find(transaction!.id), null);
  });

  it('that are to be sent once are kept as long as they are told', () => {
    const { transactions, sent, timedOut, start } = transactionsWith();
    const transaction = start(true, 3_000_000);
    transactions.tick(2_999_999);
    assert.deepEqual([sent.length, timedOut.length], [1, 0]);
    assert.equal(transactions.find(transaction!.id), transaction);
    transactions.tick(3_000_000);
    assert.deepEqual([sent.length, timedOut.length], [1, 1]);
  });

  it('are 256 at most; one that is answered makes room', () => {
    const { transactions, sent, start } = transactionsWith();
    const first = start();
    for (let i = 1; i < 256; i++) assert.notEqual(start(), null);
    assert.equal(start(), null);
    assert.equal(sent.length, 256);
    transactions.finish(first!);
    assert.notEqual(start(), null);
    assert.equal(start(), null);
  });

  it('are forgotten, all or all but those for consent', () => {
    const { transactions, start } = transactionsWith();
    const [check, consent] = [start()!, start(true)!];
    transactions.clear(true);
    assert.deepEqual([transactions.find(check.id), transactions.find(consent.id)], [null, consent]);
    transactions.clear();
    assert.equal(transactions.find(consent.id), null);
  });
});
