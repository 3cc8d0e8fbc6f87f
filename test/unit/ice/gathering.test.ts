import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { candidatesFor, type IceCandidate, printCandidate } from '../../../src/ice/candidate.ts';
import { Gathering } from '../../../src/ice/gathering.ts';
import {
  STUN_ERROR,
  STUN_SUCCESS,
  type StunContent,
  serializeStun,
} from '../../../src/wire/stun/stun-message.ts';
import { parsed, udp } from './ice-checks.ts';

const SERVER = udp('203.0.113.1', 3478);

function gatheringWith(addresses: string[]) {
  const sent: { bytes: Uint8Array; localIndex: number; atUs: number }[] = [];
  const results: (readonly IceCandidate[])[] = [];
  const locals = candidatesFor(addresses, 4000, { udp: true, tcp: 'active' }).map(
    (candidate, localIndex) => ({
      candidate,
      localIndex,
    }),
  );
  let nowUs = 0;
  const gathering = new Gathering(
    locals,
    SERVER,
    {
      send: (bytes, to, localIndex) => {
        assert.equal(to, SERVER);
        sent.push({ bytes, localIndex, atUs: nowUs });
      },
      done: (candidates) => results.push(candidates),
    },
    nowUs,
  );
  const answer = (
    i: number,
    content: Partial<StunContent>,
    from = SERVER,
    localIndex = sent[i]!.localIndex,
  ) => {
    const { transactionId } = parsed(sent[i]!.bytes);
    const bytes = serializeStun({ messageClass: STUN_SUCCESS, transactionId, ...content }, null);
    return gathering.receive(bytes, from, localIndex, nowUs);
  };
  const runUntil = (untilUs: number) => {
    while (gathering.nextWakeUs <= untilUs) {
      nowUs = gathering.nextWakeUs;
      gathering.tick(nowUs);
    }
    nowUs = untilUs;
  };
  return { gathering, sent, results, answer, runUntil };
}

describe('gathering', () => {
  it('asks from the UDP sockets of the family of the server, and tells what it saw', () => {
    const { sent, results, answer, gathering } = gatheringWith([
      '10.0.0.1',
      '2001:db8::1',
      '10.0.0.2',
      '10.0.0.3',
    ]);
    assert.deepEqual(
      sent.map(({ localIndex }) => localIndex),
      [0, 2, 3],
    );
    assert.equal(answer(0, { xorMappedAddress: { address: '198.51.100.7', port: 61_000 } }), true);
    assert.equal(
      answer(1, { mappedAddress: { address: '198.51.100.7', port: 61_001 } }),
      true,
      'RFC 3489 style',
    );
    assert.equal(results.length, 0);
    answer(2, { xorMappedAddress: { address: '10.0.0.3', port: 4000 } });
    assert.equal(gathering.nextWakeUs, Number.POSITIVE_INFINITY);
    const lines = results[0]!.map((candidate) => printCandidate(candidate).replace(/:\d+ /, ':F '));
    assert.deepEqual(lines, [
      'candidate:F 1 udp 1694498815 198.51.100.7 61000 typ srflx raddr 10.0.0.1 rport 4000',
      'candidate:F 1 udp 1694498559 198.51.100.7 61001 typ srflx raddr 10.0.0.2 rport 4000',
    ]);
    assert.equal(new Set(results[0]!.map(({ foundation }) => foundation)).size, 2);
  });

  it('repeats its question and ends after 3 s with what it has, once', () => {
    const { sent, results, answer, runUntil } = gatheringWith(['10.0.0.1', '10.0.0.2']);
    answer(0, { xorMappedAddress: { address: '198.51.100.7', port: 61_000 } });
    runUntil(2_999_999);
    assert.equal(results.length, 0);
    assert.deepEqual(
      sent.map(({ atUs }) => atUs),
      [0, 0, 500_000, 1_500_000, 2_500_000],
    );
    runUntil(10_000_000);
    assert.equal(results.length, 1);
    assert.equal(results[0]?.length, 1);
    assert.equal(sent.length, 5);
  });

  it('takes answers of the server at the socket that asked only', () => {
    const { results, answer, gathering, sent } = gatheringWith(['10.0.0.1']);
    const good = { xorMappedAddress: { address: '198.51.100.7', port: 61_000 } };
    assert.equal(answer(0, good, udp('203.0.113.2', 3478)), false);
    assert.equal(answer(0, good, SERVER, 1), false);
    assert.equal(answer(0, { ...good, transactionId: Buffer.alloc(12) }), false);
    assert.equal(gathering.receive(sent[0]!.bytes, SERVER, 0, 0), false, 'a request');
    assert.equal(results.length, 0);
    assert.equal(answer(0, { messageClass: STUN_ERROR, errorCode: 500 }), true);
    assert.deepEqual(results, [[]]);
    assert.equal(answer(0, good), false);
  });

  it('asks from 16 sockets at most', () => {
    const { sent } = gatheringWith(Array.from({ length: 20 }, (_, i) => `10.0.0.${i + 1}`));
    assert.equal(sent.length, 16);
  });

  it('is done at once without a socket, and silent after close', () => {
    const { results, sent } = gatheringWith(['2001:db8::1']);
    assert.deepEqual([results, sent], [[[]], []]);
    const closed = gatheringWith(['10.0.0.1']);
    closed.gathering.close();
    closed.gathering.close();
    closed.runUntil(5_000_000);
    assert.deepEqual([closed.results, closed.sent.length], [[], 1]);
  });
});
