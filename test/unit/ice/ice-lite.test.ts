import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkIceCredentials, makeIceCredentials } from '../../../src/ice/credentials.ts';
import { IceLiteAgent } from '../../../src/ice/ice-lite.ts';
import type { TransportAddress } from '../../../src/ice/transport-address.ts';
import { StunKey } from '../../../src/wire/stun/stun-key.ts';
import { STUN_ERROR, STUN_INDICATION, STUN_SUCCESS } from '../../../src/wire/stun/stun-message.ts';
import { checkFor, parsed, REMOTE_UFRAG, udp } from './ice-checks.ts';

const A = udp('192.0.2.1', 4000);
const B = udp('192.0.2.2', 4001);

function agentWith(options: { remoteUfrag?: string | null; consentTimeoutMs?: number } = {}) {
  const sent: { bytes: Uint8Array; to: TransportAddress }[] = [];
  const selected: TransportAddress[] = [];
  const agent = new IceLiteAgent(
    { remoteUfrag: REMOTE_UFRAG, ...options },
    { send: (bytes, to) => sent.push({ bytes, to }), selected: (to) => selected.push(to) },
    0,
  );
  const check = (from: TransportAddress, nowUs: number, options?: Parameters<typeof checkFor>[1]) =>
    agent.receiveCheck(parsed(checkFor(agent.local, options)), from, nowUs);
  return { agent, sent, selected, check };
}

describe('credentials', () => {
  it('are long enough, of the alphabet of ICE, and never the same', () => {
    const made = Array.from({ length: 50 }, makeIceCredentials);
    for (const { ufrag, password } of made) {
      assert.match(ufrag, /^[A-Za-z0-9+/]{8}$/);
      assert.match(password, /^[A-Za-z0-9+/]{24}$/);
      assert.deepEqual(checkIceCredentials(ufrag, password), { ufrag, password });
    }
    assert.equal(new Set(made.map(({ ufrag }) => ufrag)).size, 50);
    assert.equal(new Set(made.map(({ password }) => password)).size, 50);
  });

  it('of a peer are refused when they cannot be right', () => {
    const good = 'a'.repeat(22);
    for (const [ufrag, password] of [
      ['abc', good],
      ['ab:d', good],
      ['a'.repeat(257), good],
      ['abcd', 'a'.repeat(21)],
      ['abcd', `${good} `],
    ] as const)
      assert.throws(() => checkIceCredentials(ufrag, password), { reason: 'bad-request' });
  });
});

describe('a check', () => {
  it('is answered with the address that it came from, signed', () => {
    for (const from of [A, udp('2001:db8::5', 9), { ...A, transport: 'tcp' as const, connection: 7 }]) {
      const { agent, sent, check } = agentWith();
      assert.equal(check(from, 1), true);
      assert.equal(sent.length, 1);
      assert.deepEqual(sent[0]!.to, from);
      const answer = parsed(sent[0]!.bytes);
      assert.equal(answer.messageClass, STUN_SUCCESS);
      assert.deepEqual(answer.xorMappedAddress, { address: from.address, port: from.port });
      assert.ok(answer.isSignedBy(new StunKey(agent.local.password)) && answer.hasFingerprint);
      assert.equal(agent.selected, null, 'not nominated');
    }
  });

  it('of an IPv4 peer on an IPv6 socket tells the IPv4 address', () => {
    const { sent, check } = agentWith();
    check(udp('::ffff:192.0.2.9', 77), 1);
    assert.deepEqual(parsed(sent[0]!.bytes).xorMappedAddress, { address: '192.0.2.9', port: 77 });
  });

  const cases: [what: string, options: Parameters<typeof checkFor>[1], code: number, counter: string][] = [
    ['without integrity', { password: null }, 400, 'badRequest'],
    ['without user name', { content: { username: '' } }, 400, 'badRequest'],
    ['with a wrong password', { password: 'x'.repeat(24) }, 401, 'badIntegrity'],
    [
      'of a role conflict',
      { content: { iceControlling: undefined, iceControlled: Buffer.alloc(8) } },
      487,
      'roleConflict',
    ],
  ];
  for (const [what, options, code, counter] of cases)
    it(`${what} is refused with ${code}, and leaves nothing`, () => {
      const { agent, sent, selected, check } = agentWith();
      const bytes = checkFor(agent.local, { nominates: true, ...options });
      assert.equal(agent.receiveCheck(parsed(bytes), A, 1), false);
      assert.equal(sent.length, 1);
      const answer = parsed(sent[0]!.bytes);
      assert.deepEqual([answer.messageClass, answer.errorCode], [STUN_ERROR, code]);
      assert.equal(answer.isSignedBy(new StunKey(agent.local.password)), code === 487);
      assert.ok(sent[0]!.bytes.length <= bytes.length, 'no amplification');
      assert.equal(agent.refusals[counter as keyof typeof agent.refusals], 1);
      assert.deepEqual(selected, []);
      assert.equal(check(A, 2), true);
    });

  it('with a user name that is not ours or not the peer’s is refused', () => {
    const { agent, check } = agentWith();
    const { ufrag } = agent.local;
    for (const username of [
      `x${ufrag}:peer`,
      `${ufrag}x:peer`,
      ufrag,
      `${ufrag}:pee`,
      `${ufrag}:peerx`,
      ':peer',
    ])
      assert.equal(check(A, 1, { content: { username } }), false, username);
    assert.equal(agent.refusals.badIntegrity, 6);
  });

  it('with an attribute that must be understood is refused with 420 naming it', () => {
    const { agent, sent } = agentWith();
    const message = parsed(checkFor(agent.local));
    message.notUnderstood.push(0x7abc);
    assert.equal(agent.receiveCheck(message, A, 1), false);
    const answer = parsed(sent[0]!.bytes);
    assert.deepEqual([answer.errorCode, answer.unknownAttributes], [420, [0x7abc]]);
    assert.equal(agent.refusals.unknownAttribute, 1);
  });

  it('that is too short for an answer of its size gets none', () => {
    const { agent, sent, check } = agentWith();
    const content = { username: '', priority: -1, iceControlling: undefined };
    assert.equal(check(A, 1, { password: null, content }), false);
    assert.equal(agent.refusals.badRequest, 1);
    assert.deepEqual(sent, []);
  });

  it('that is none is ignored', () => {
    const { agent, sent, check } = agentWith();
    for (const content of [
      { messageClass: STUN_INDICATION },
      { messageClass: STUN_SUCCESS },
      { method: 3 },
    ] as const)
      assert.equal(check(A, 1, { content }), false);
    assert.deepEqual(sent, []);
    assert.deepEqual(agent.refusals, {
      badRequest: 0,
      badIntegrity: 0,
      roleConflict: 0,
      unknownAttribute: 0,
    });
  });

  it('is taken from any peer while the other description is not known', () => {
    const { agent, check } = agentWith({ remoteUfrag: null });
    const content = { username: `${agent.local.ufrag}:other` };
    assert.equal(check(A, 1, { content }), true);
    agent.setRemoteUfrag(REMOTE_UFRAG);
    assert.equal(check(A, 1, { content }), false);
    assert.equal(check(A, 1), true);
  });
});

describe('nomination', () => {
  it('selects the address, once', () => {
    const { agent, selected, check } = agentWith();
    assert.equal(agent.destination, null);
    check(B, 0);
    check(A, 1);
    assert.deepEqual([agent.selected, agent.destination], [null, A], 'the last one, for what cannot wait');
    check(A, 2, { nominates: true });
    check(A, 3, { nominates: true });
    check(A, 4);
    check(B, 5);
    assert.deepEqual(selected, [A]);
    assert.deepEqual([agent.selected, agent.destination], [A, A]);
  });

  it('of a new address moves the selection at once (a NAT with a new mapping, another network)', () => {
    const { agent, selected, check } = agentWith();
    check(A, 1, { nominates: true });
    check(B, 2, { nominates: true });
    assert.deepEqual(selected, [A, B]);
    const other = { ...B, transport: 'tcp' as const, connection: 1 };
    check(other, 3, { nominates: true });
    assert.deepEqual(agent.selected, other);
    check({ ...other, connection: 2 }, 4, { nominates: true });
    assert.equal(agent.selected?.connection, 2);
  });

  it('does not keep the object that it was told', () => {
    const { agent, check } = agentWith();
    const reused = { address: '192.0.2.1', port: 4000, transport: 'udp' as const };
    check(reused, 1, { nominates: true });
    reused.port = 1;
    assert.equal(agent.selected?.port, 4000);
  });

  it('of every pair (aggressive) ends with the best one, without going to and fro', () => {
    const { selected, check } = agentWith();
    for (let round = 0; round < 20; round++) {
      check(B, round * 50_000, { nominates: true, content: { priority: 100 } });
      check(A, round * 50_000, { nominates: true, content: { priority: 200 } });
    }
    assert.deepEqual(selected, [B, A]);
  });

  it('of a worse pair is taken when the better one is not nominated any more', () => {
    const { agent, check } = agentWith();
    check(A, 1, { nominates: true, content: { priority: 200 } });
    check(B, 2, { nominates: true, content: { priority: 100 } });
    assert.deepEqual(agent.selected, A);
    check(A, 3, { content: { priority: 200 } });
    check(B, 4, { nominates: true, content: { priority: 100 } });
    assert.deepEqual(agent.selected, B);
  });

  it('of a worse pair is taken when the better one is silent, or its connection ended', () => {
    for (const isClosed of [false, true]) {
      const { agent, check } = agentWith();
      check(A, 0, { nominates: true, content: { priority: 200 } });
      check(B, 1_999_999, { nominates: true, content: { priority: 100 } });
      assert.deepEqual(agent.selected, A);
      if (isClosed) agent.unreachable({ ...A });
      check(B, isClosed ? 1_999_999 : 2_000_000, { nominates: true, content: { priority: 100 } });
      assert.deepEqual(agent.selected, B);
    }
  });
});

describe('consent', () => {
  it('expires 30 s after the last check or authenticated traffic', () => {
    const { agent, check } = agentWith();
    assert.equal(agent.expired(29_999_999), false);
    assert.equal(agent.expired(30_000_000), true, 'nobody ever came');
    check(A, 20_000_000);
    assert.equal(agent.expired(49_999_999), false);
    agent.heard(45_000_000);
    assert.equal(agent.expired(74_999_999), false);
    assert.equal(agent.expired(75_000_000), true);
  });

  it('is not given by what is refused', () => {
    const { agent, check } = agentWith({ consentTimeoutMs: 1000 });
    check(A, 999_999, { password: 'x'.repeat(24) });
    assert.equal(agent.expired(1_000_000), true);
  });
});

describe('restart', () => {
  it('takes the old credentials until the first check with the new ones', () => {
    const { agent, check, selected } = agentWith();
    check(A, 1, { nominates: true, content: { priority: 200 } });
    const old = agent.local;
    const next = agent.restart('next');
    assert.notEqual(next.ufrag, old.ufrag);
    assert.deepEqual(agent.ufrags, [old.ufrag, next.ufrag]);
    assert.equal(agent.receiveCheck(parsed(checkFor(old)), A, 2), true, 'the old ones');
    assert.equal(agent.receiveCheck(parsed(checkFor(next)), A, 3), false, 'the new ones with the old peer');
    assert.deepEqual(agent.selected, A, 'media go on');
    const content = { username: `${next.ufrag}:next`, priority: 100 };
    assert.equal(agent.receiveCheck(parsed(checkFor(next, { nominates: true, content })), B, 4), true);
    assert.deepEqual(agent.ufrags, [next.ufrag]);
    assert.deepEqual(selected, [A, B], 'an old nomination does not stand against a new one');
    assert.equal(agent.receiveCheck(parsed(checkFor(old)), A, 5), false);
  });

  it('that is repeated before the peer took it up keeps what the peer uses', () => {
    const { agent, check } = agentWith();
    check(A, 1);
    const used = agent.local;
    const lost = agent.restart(REMOTE_UFRAG);
    agent.restart(REMOTE_UFRAG);
    assert.deepEqual(agent.ufrags, [used.ufrag, agent.local.ufrag]);
    assert.equal(agent.receiveCheck(parsed(checkFor(used)), A, 2), true);
    assert.equal(agent.receiveCheck(parsed(checkFor(lost)), A, 3), false);
    assert.equal(check(A, 4), true);
  });
});
