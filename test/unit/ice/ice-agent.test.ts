import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { candidatesFor, parseCandidate } from '../../../src/ice/candidate.ts';
import { MAX_PAIRS, MAX_REMOTE_CANDIDATES } from '../../../src/ice/check-list.ts';
import { makeIceCredentials } from '../../../src/ice/credentials.ts';
import { IceAgent } from '../../../src/ice/ice-agent.ts';
import { StunKey } from '../../../src/wire/stun/stun-key.ts';
import {
  parseStun,
  STUN_ERROR,
  STUN_REQUEST,
  STUN_SUCCESS,
  serializeStun,
} from '../../../src/wire/stun/stun-message.ts';
import { parsed, udp } from './ice-checks.ts';
import { callServer, FullEnd, introduce, LiteEnd, Network, tcp } from './ice-network.ts';

const SECOND = 1_000_000;
const CALLER = udp('192.0.2.1', 4000);
const SERVER = udp('203.0.113.1', 8000);

describe('with a lite agent', () => {
  it('connects in two round trips', () => {
    const network = new Network();
    const { caller, server } = callServer(network);
    network.world.runUntil(1_100_000);
    assert.deepEqual(caller.selected, [{ localIndex: 0, remote: SERVER }]);
    assert.deepEqual(server.selected, [CALLER]);
    assert.equal(server.directory.find(CALLER.address, CALLER.port), server.agent);
    assert.equal(network.sent, 4, 'a check, a nomination, their answers');
  });

  it('connects through loss', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const network = new Network(seed);
      network.loss = 0.2;
      const { caller, server } = callServer(network);
      network.world.runUntil(16 * SECOND);
      assert.deepEqual(
        [caller.selected.length, caller.failed, server.selected.length],
        [1, [], 1],
        `seed ${seed}`,
      );
    }
  });

  it('takes the best of several ways, and another one where it is blocked', () => {
    const sockets = [udp('2001:db8::1', 4000), CALLER, tcp('192.0.2.1', 9)];
    const servers = [udp('2001:db8::99', 8000), SERVER, tcp('203.0.113.1', 8000)];
    const blocks: [what: string, isBlocked: (six: boolean, udpPacket: boolean) => boolean, remote: number][] =
      [
        ['nothing', () => false, 0],
        ['IPv6', (six) => six, 1],
        ['UDP', (_, isUdp) => isUdp, 2],
      ];
    for (const [what, isBlocked, expected] of blocks) {
      const network = new Network();
      network.route = (from, to) =>
        isBlocked(to.address.includes(':'), to.transport === 'udp') ? null : from;
      const { caller, server } = callServer(network, sockets, servers);
      network.world.runUntil(2 * SECOND);
      assert.deepEqual(caller.selected, [{ localIndex: expected, remote: servers[expected] }], what);
      assert.deepEqual(server.selected, [sockets[expected]], what);
    }
  });

  it('starts one check every 50 ms', () => {
    const network = new Network();
    const times: number[] = [];
    network.route = () => {
      times.push(network.world.nowUs);
      return null;
    };
    callServer(
      network,
      [CALLER],
      Array.from({ length: 5 }, (_, i) => udp('203.0.113.1', 8000 + i)),
    );
    network.world.runUntil(1_400_000);
    assert.deepEqual(
      times.map((time) => Math.round((time - 1_000_000) / 10_000)),
      [0, 5, 10, 15, 20],
    );
  });

  it('stays selected and asks for consent every 4 to 6 s', () => {
    const network = new Network();
    const { caller, server } = callServer(network);
    network.world.runUntil(2 * SECOND);
    const times: number[] = [];
    network.route = (from, to) => {
      if (to.port === SERVER.port) times.push(network.world.nowUs);
      return from;
    };
    network.world.runUntil(602 * SECOND);
    assert.deepEqual([caller.failed, caller.selected.length, server.selected.length], [[], 1, 1]);
    assert.equal(server.agent.expired(network.world.nowUs), false);
    assert.ok(times.length >= 100 && times.length <= 150, `${times.length} checks`);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    assert.ok(Math.min(...gaps) >= 4 * SECOND && Math.max(...gaps) < 6.01 * SECOND);
    assert.ok(Math.max(...gaps) - Math.min(...gaps) > SECOND / 2, 'at random');
  });

  it('fails 30 s after the last answer', () => {
    const network = new Network();
    const { caller, server } = callServer(network);
    network.world.runUntil(2 * SECOND);
    network.route = () => null;
    network.world.runUntil(30 * SECOND);
    assert.deepEqual(caller.failed, []);
    network.world.runUntil(32 * SECOND);
    assert.deepEqual(caller.failed, ['no answer for 30 s']);
    assert.equal(server.agent.expired(network.world.nowUs), true);
    const { sent } = network;
    network.world.runUntil(100 * SECOND);
    assert.deepEqual([network.sent, caller.failed.length], [sent, 1], 'silent afterwards');
    assert.equal(caller.agent.nextWakeUs, Number.POSITIVE_INFINITY);
  });

  it('outlives a hole of 25 s, asking more often in it', () => {
    const network = new Network();
    const { caller } = callServer(network);
    network.world.runUntil(2 * SECOND);
    network.route = () => null;
    const { sent } = network;
    network.world.runUntil(27 * SECOND);
    assert.ok(network.sent - sent >= 12 && network.sent - sent < 30, `${network.sent - sent} packets`);
    network.route = (from) => from;
    network.world.runUntil(100 * SECOND);
    assert.deepEqual(caller.failed, []);
  });

  it('is followed to another address when a NAT changes its mapping', () => {
    const network = new Network();
    const { caller, server } = callServer(network);
    network.world.runUntil(2 * SECOND);
    const mapped = udp('198.51.100.7', 61_000);
    network.listen(mapped, (bytes, from) => caller.agent.receive(bytes, from, 0, network.world.nowUs));
    network.route = (from) => (from.port === CALLER.port ? mapped : from);
    network.world.runUntil(9 * SECOND);
    assert.deepEqual(server.selected, [CALLER, mapped]);
    assert.equal(server.directory.find(mapped.address, mapped.port), server.agent);
    network.world.runUntil(60 * SECOND);
    assert.deepEqual(caller.failed, []);
  });
});

describe('two full agents', () => {
  const meet = (network: Network, a: boolean, b: boolean) => {
    const left = new FullEnd(network, [CALLER], { isControlling: a });
    const right = new FullEnd(network, [SERVER], { isControlling: b });
    introduce(network, left, right);
    network.world.runUntil(8 * SECOND);
    return { left, right };
  };

  for (const [a, b] of [
    [true, false],
    [false, true],
    [true, true],
    [false, false],
  ] as const)
    it(`agree when ${a ? 'one' : 'none'} and ${b ? 'the other' : 'not the other'} thinks it controls`, () => {
      // Which one has to give way is for the tie-breakers, which are random.
      for (let round = 0; round < 8; round++) {
        const { left, right } = meet(new Network(round + 1), a, b);
        assert.deepEqual(left.selected, [{ localIndex: 0, remote: SERVER }]);
        assert.deepEqual(right.selected, [{ localIndex: 0, remote: CALLER }]);
        assert.notEqual(left.agent.controls, right.agent.controls);
        if (a !== b) assert.equal(left.agent.controls, a);
      }
    });

  it('agree through loss and role conflict', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const network = new Network(seed);
      network.loss = 0.15;
      const left = new FullEnd(network, [CALLER]);
      const right = new FullEnd(network, [SERVER], { isControlling: seed % 2 === 0 });
      introduce(network, left, right);
      network.world.runUntil(16 * SECOND);
      assert.deepEqual([left.selected.length, right.selected.length], [1, 1], `seed ${seed}`);
      network.world.runUntil(60 * SECOND);
      assert.deepEqual([left.failed, right.failed], [[], []], `seed ${seed}`);
    }
  });

  it('find each other where only one can be reached: the other is learnt from its check', () => {
    const network = new Network();
    const mapped = udp('198.51.100.7', 61_000);
    const left = new FullEnd(network, [udp('10.0.0.5', 4000)]);
    const right = new FullEnd(network, [SERVER], { isControlling: false });
    network.listen(mapped, (bytes, from) => left.agent.receive(bytes, from, 0, network.world.nowUs));
    network.route = (from, to) =>
      to.address === '10.0.0.5' ? null : from.address === '10.0.0.5' ? mapped : from;
    introduce(network, left, right);
    network.world.runUntil(3 * SECOND);
    assert.deepEqual(left.selected, [{ localIndex: 0, remote: SERVER }]);
    assert.deepEqual(right.selected, [{ localIndex: 0, remote: mapped }]);
  });

  it('take candidates that come later', () => {
    const network = new Network();
    const left = new FullEnd(network, [CALLER]);
    const server = new LiteEnd(network, [SERVER], left.agent.local.ufrag);
    left.agent.start(server.agent.local, [], network.world.nowUs);
    network.world.runUntil(5 * SECOND);
    assert.deepEqual(left.selected, []);
    left.agent.addRemoteCandidate({ ...server.candidates[0]!, ufrag: 'other' }, network.world.nowUs);
    network.world.runUntil(6 * SECOND);
    assert.equal(left.agent.pairCount, 0, 'of another restart');
    left.agent.addRemoteCandidate(server.candidates[0]!, network.world.nowUs);
    network.world.runUntil(7 * SECOND);
    assert.equal(left.selected.length, 1);
  });
});

describe('failures', () => {
  it('tell why', () => {
    const cases: [what: string, prepare: (network: Network) => FullEnd, reason: string, atS: number][] = [
      [
        'nobody answers',
        (network) => {
          network.route = () => null;
          return callServer(network, [CALLER], [SERVER], { checkTimeoutMs: 5000 }).caller;
        },
        'none of 1 pairs of addresses works',
        6,
      ],
      [
        'no address',
        (network) => {
          const caller = new FullEnd(network, [CALLER], { checkTimeoutMs: 5000 });
          const name = parseCandidate('candidate:1 1 udp 1 abc.local 5 typ host')!;
          caller.agent.start(makeIceCredentials(), [name], network.world.nowUs);
          return caller;
        },
        'the other side gave no address that can be tried',
        6,
      ],
      [
        'a wrong password, at once',
        (network) => {
          const caller = new FullEnd(network, [CALLER]);
          const { agent, candidates } = new LiteEnd(network, [SERVER], caller.agent.local.ufrag);
          const wrong = { ufrag: agent.local.ufrag, password: 'x'.repeat(24) };
          caller.agent.start(wrong, candidates, network.world.nowUs);
          return caller;
        },
        'the other side refuses our checks with 401',
        1.1,
      ],
    ];
    for (const [what, prepare, reason, atS] of cases) {
      const network = new Network();
      const end = prepare(network);
      network.world.runUntil(atS * SECOND);
      assert.deepEqual(end.failed, [reason], what);
      network.world.runUntil(100 * SECOND);
      assert.equal(end.failed.length, 1, what);
    }
  });

  it('close() ends without an event, twice', () => {
    const network = new Network();
    const { caller } = callServer(network);
    caller.agent.close();
    caller.agent.close();
    network.world.runUntil(60 * SECOND);
    assert.deepEqual([network.sent, caller.failed, caller.selected], [0, [], []]);
  });
});

describe('forged packets', () => {
  /** An agent in the middle of its checks, with what it sent. */
  function checking() {
    const sent: { bytes: Uint8Array; localIndex: number }[] = [];
    const events: string[] = [];
    const candidate = candidatesFor([CALLER.address], CALLER.port, { udp: true, tcp: false })[0]!;
    const agent = new IceAgent(
      { locals: [{ candidate, localIndex: 0 }] },
      {
        send: (bytes, _to, localIndex) => sent.push({ bytes, localIndex }),
        selected: () => events.push('selected'),
        failed: (reason) => events.push(reason),
      },
    );
    const remote = makeIceCredentials();
    agent.start(remote, candidatesFor([SERVER.address], SERVER.port, { udp: true, tcp: false }), 0);
    agent.tick(0);
    assert.equal(sent.length, 1);
    return { agent, sent, events, remote, key: new StunKey(remote.password) };
  }

  it('are no answers without integrity, identity or at another time', () => {
    const { agent, sent, events, key } = checking();
    const { transactionId } = parsed(sent[0]!.bytes);
    const answer = { messageClass: STUN_SUCCESS, transactionId, xorMappedAddress: CALLER } as const;
    const wrong = [
      serializeStun(answer, null),
      serializeStun(answer, new StunKey('x'.repeat(24))),
      serializeStun({ ...answer, transactionId: randomBytes(12) }, key),
      serializeStun({ ...answer, messageClass: STUN_ERROR, errorCode: 487 }, null),
      serializeStun({ ...answer, messageClass: 1 }, key),
      serializeStun({ ...answer, method: 2 }, key),
      randomBytes(100),
    ];
    for (const bytes of wrong) assert.equal(agent.receive(bytes, SERVER, 0, 1000), false);
    assert.equal(agent.receive(serializeStun(answer, key), SERVER, 0, 1000), true);
    assert.equal(agent.receive(serializeStun(answer, key), SERVER, 0, 1001), false, 'answered already');
    agent.tick(2000);
    assert.equal(parsed(sent[1]!.bytes).useCandidate, true);
    assert.deepEqual(events, []);
  });

  it('from another address than was asked make the pair fail', () => {
    const { agent, sent, events, key } = checking();
    const { transactionId } = parsed(sent[0]!.bytes);
    const bytes = serializeStun({ messageClass: STUN_SUCCESS, transactionId, xorMappedAddress: CALLER }, key);
    assert.equal(agent.receive(bytes, udp('203.0.113.2', 8000), 0, 1000), true);
    agent.tick(15_000_000);
    assert.deepEqual(events, ['none of 1 pairs of addresses works']);
  });

  it('are no checks without the right integrity', () => {
    const { agent, sent, remote } = checking();
    const check = {
      messageClass: STUN_REQUEST,
      transactionId: randomBytes(12),
      username: `${agent.local.ufrag}:${remote.ufrag}`,
      priority: 1,
      iceControlled: Buffer.alloc(8),
    } as const;
    const from = udp('203.0.113.9', 1);
    assert.equal(agent.receive(serializeStun(check, new StunKey('x'.repeat(24))), from, 0, 1), true);
    assert.equal(parsed(sent[1]!.bytes).errorCode, 401);
    assert.equal(agent.receive(serializeStun({ ...check, username: 'a:b' }, null), from, 0, 1), false);
    assert.equal(sent.length, 2);
    assert.equal(agent.pairCount, 1);
    assert.equal(agent.receive(serializeStun(check, new StunKey(agent.local.password)), from, 0, 1), true);
    assert.equal(parsed(sent[2]!.bytes).messageClass, STUN_SUCCESS);
    assert.equal(agent.pairCount, 2, 'learnt from a check that is right');
  });

  it('end a session only by 403 with integrity', () => {
    const { agent, sent, events, key } = checking();
    const answer = (content: object, signedBy: StunKey | null) => {
      const { transactionId } = parsed(sent.at(-1)!.bytes);
      const bytes = serializeStun({ messageClass: STUN_SUCCESS, transactionId, ...content }, signedBy);
      return agent.receive(bytes, SERVER, 0, agent.nextWakeUs);
    };
    const nextRequest = () => {
      const { length } = sent;
      // A wake-up may come too early.
      for (let i = 0; i < 5 && sent.length === length; i++) agent.tick(agent.nextWakeUs);
      assert.equal(sent.length, length + 1);
    };
    answer({}, key);
    nextRequest();
    answer({}, key);
    assert.deepEqual(events, ['selected']);
    nextRequest();
    assert.equal(answer({ messageClass: STUN_ERROR, errorCode: 403 }, null), false);
    assert.equal(answer({ messageClass: STUN_ERROR, errorCode: 401 }, null), true);
    assert.deepEqual(events, ['selected']);
    nextRequest();
    answer({ messageClass: STUN_ERROR, errorCode: 403 }, key);
    assert.deepEqual(events, ['selected', 'the other side withdrew its consent']);
  });

  it('and candidates without number stay within the bounds', () => {
    const { agent, remote } = checking();
    const line = (i: number) =>
      parseCandidate(`candidate:1 1 udp ${i} 203.0.113.${i & 255} ${9000 + i} typ host`)!;
    for (let i = 0; i < 1000; i++) agent.addRemoteCandidate(line(i), 0);
    assert.equal(agent.pairCount, MAX_REMOTE_CANDIDATES);
    const key = new StunKey(agent.local.password);
    for (let i = 0; i < 1000; i++) {
      const check = serializeStun(
        {
          messageClass: STUN_REQUEST,
          transactionId: randomBytes(12),
          username: `${agent.local.ufrag}:${remote.ufrag}`,
          priority: 1,
        },
        key,
      );
      agent.receive(check, udp('198.51.100.1', 1000 + i), 0, 1);
    }
    assert.equal(agent.pairCount, MAX_REMOTE_CANDIDATES);
  });
});

it('never has more than 100 pairs; better ones take the place of worse ones', () => {
  const network = new Network();
  const sockets = Array.from({ length: 4 }, (_, i) => udp(`192.0.2.${i + 1}`, 4000));
  const caller = new FullEnd(network, sockets);
  const lines = Array.from(
    { length: 64 },
    (_, i) => parseCandidate(`candidate:1 1 udp ${i + 1} 203.0.113.${i} 9000 typ host`)!,
  );
  caller.agent.start(makeIceCredentials(), lines, network.world.nowUs);
  assert.equal(caller.agent.pairCount, MAX_PAIRS);
  let first: string | undefined;
  network.route = (_, to) => {
    first ??= to.address;
    return null;
  };
  network.world.runUntil(1_010_000);
  assert.equal(first, '203.0.113.63', 'the best candidate came last');
});

it('candidates of one socket make one pair', () => {
  const [a, b] = candidatesFor(['192.0.2.1', '10.0.0.1'], 4000, { udp: true, tcp: false });
  const seen: number[] = [];
  const agent = new IceAgent(
    {
      locals: [
        { candidate: b!, localIndex: 3 },
        { candidate: a!, localIndex: 3 },
      ],
    },
    {
      send: (bytes, _, localIndex) => seen.push(localIndex, parseStun(bytes)?.priority ?? 0),
      selected: () => {},
      failed: () => {},
    },
  );
  agent.start(makeIceCredentials(), candidatesFor([SERVER.address], 8000, { udp: true, tcp: 'passive' }), 0);
  agent.tick(0);
  assert.equal(agent.pairCount, 1, 'no TCP without a socket for it');
  assert.deepEqual(seen, [3, 110 * 2 ** 24 + (a!.priority & 0xff_ffff)]);
});
