import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { IceDirectory } from '../../../src/ice/ice-directory.ts';
import { IceLiteAgent } from '../../../src/ice/ice-lite.ts';
import type { TransportAddress } from '../../../src/ice/transport-address.ts';
import { STUN_SUCCESS } from '../../../src/wire/stun/stun-message.ts';
import { seededRandom } from '../../support/srt-model.ts';
import { checkFor, REMOTE_UFRAG, udp } from './ice-checks.ts';

const A = udp('192.0.2.1', 4000);

function directoryWith(agents: number, maxAgents?: number) {
  const directory = new IceDirectory(maxAgents);
  const sent: { bytes: Uint8Array; to: TransportAddress }[] = [];
  const made = Array.from({ length: agents }, () => {
    const agent = new IceLiteAgent(
      { remoteUfrag: REMOTE_UFRAG },
      { send: (bytes, to) => sent.push({ bytes, to }), selected: () => {} },
      0,
    );
    assert.equal(directory.add(agent), true);
    return agent;
  });
  return { directory, sent, agents: made };
}

describe('directory', () => {
  it('gives checks to their agent and then data by address', () => {
    const { directory, agents } = directoryWith(3);
    agents.forEach((agent, i) => {
      const from = udp('192.0.2.1', 4000 + i);
      assert.equal(directory.find(from.address, from.port), null);
      assert.equal(directory.receiveStun(checkFor(agent.local), from, 1), agent);
      assert.equal(directory.find(from.address, from.port), agent);
    });
    assert.equal(directory.addresses, 3);
    assert.equal(directory.find('192.0.2.11', 4000), null);
    assert.equal(directory.find('192.0.2.1', 4003), null);
  });

  it('tells addresses apart that share a slot', () => {
    const { directory, agents } = directoryWith(4);
    const same = ['10.0.0.111', '10.0.1.111', '10.1.0.111', '11.0.0.111'];
    const remove = [1, 3, 0, 2];
    for (const [i, agent] of agents.entries())
      directory.receiveStun(checkFor(agent.local), udp(same[i]!, 5000), 1);
    const present = new Set(agents);
    for (const i of remove) {
      agents.forEach((agent, k) => {
        assert.equal(directory.find(same[k]!, 5000), present.has(agent) ? agent : null);
      });
      directory.remove(agents[i]!);
      present.delete(agents[i]!);
    }
    assert.equal(directory.addresses, 0);
  });

  it('binds no TCP connection: its owner knows', () => {
    const { directory, agents } = directoryWith(1);
    const from = { ...A, transport: 'tcp' as const, connection: 1 };
    assert.equal(directory.receiveStun(checkFor(agents[0]!.local), from, 1), agents[0]);
    assert.equal(directory.addresses, 0);
  });

  it('gives an address to the agent that was checked from it last', () => {
    const { directory, agents } = directoryWith(2);
    for (const agent of agents) directory.receiveStun(checkFor(agent.local), A, 1);
    assert.equal(directory.find(A.address, A.port), agents[1]);
    assert.equal(directory.addresses, 1);
    directory.remove(agents[0]!);
    assert.equal(directory.find(A.address, A.port), agents[1]);
  });

  it('keeps 16 addresses of an agent: the selected one, and of the others the latest', () => {
    const { directory, agents } = directoryWith(1);
    const { local } = agents[0]!;
    directory.receiveStun(checkFor(local, { nominates: true }), A, 1);
    for (let i = 0; i < 40; i++) directory.receiveStun(checkFor(local), udp('192.0.2.7', 6000 + i), 2 + i);
    assert.equal(directory.addresses, 16);
    assert.equal(directory.find(A.address, A.port), agents[0]);
    assert.equal(directory.find('192.0.2.7', 6024), null);
    assert.equal(directory.find('192.0.2.7', 6025), agents[0]);
  });

  it('forgets everything of an agent that is removed, also twice and within an event', () => {
    const { directory, agents } = directoryWith(2);
    const leaving = new IceLiteAgent(
      { remoteUfrag: REMOTE_UFRAG },
      { send: () => {}, selected: () => directory.remove(leaving) },
      0,
    );
    directory.add(leaving);
    assert.equal(directory.receiveStun(checkFor(leaving.local, { nominates: true }), A, 1), null);
    assert.equal(directory.addresses, 0);
    directory.receiveStun(checkFor(agents[0]!.local), A, 2);
    directory.remove(agents[0]!);
    directory.remove(agents[0]!);
    assert.deepEqual([directory.agents, directory.addresses], [1, 0]);
    assert.equal(directory.receiveStun(checkFor(agents[0]!.local), A, 3), null);
    assert.equal(directory.counters.unknownUfrag, 1);
  });

  it('holds no more agents than it may', () => {
    const { directory, agents } = directoryWith(2, 2);
    const third = new IceLiteAgent({ remoteUfrag: null }, { send: () => {}, selected: () => {} }, 0);
    assert.equal(directory.add(third), false);
    assert.equal(directory.add(agents[0]!), true, 'it is there already');
    directory.remove(agents[0]!);
    assert.equal(directory.add(third), true);
  });

  it('follows a restart', () => {
    const { directory, agents } = directoryWith(1);
    const agent = agents[0]!;
    const old = agent.local;
    directory.receiveStun(checkFor(old), A, 1);
    directory.restart(agent, REMOTE_UFRAG);
    const next = directory.restart(agent, REMOTE_UFRAG);
    assert.equal(directory.receiveStun(checkFor(old), A, 2), agent);
    assert.equal(directory.receiveStun(checkFor(next), A, 3), agent);
    assert.equal(directory.counters.unknownUfrag, 0);
    assert.equal(directory.receiveStun(checkFor(old), A, 4), null);
    assert.equal(directory.counters.unknownUfrag, 1);
  });

  it('finds everybody among many, in any order of coming and going', () => {
    const { directory, agents } = directoryWith(300);
    const random = seededRandom(11);
    const at = new Map<string, IceLiteAgent>();
    // Sixteen of them share a slot.
    const addressOf = (n: number) => udp(`10.${n & 3}.${(n >> 2) & 3}.${n >> 4}`, 5000);
    for (let round = 0; round < 3000; round++) {
      const agent = agents[Math.floor(random() * agents.length)]!;
      const from = addressOf(Math.floor(random() * 600));
      if (random() < 0.2) {
        directory.remove(agent);
        directory.add(agent);
        for (const [key, owner] of at) if (owner === agent) at.delete(key);
      } else if (directory.receiveStun(checkFor(agent.local), from, round) === agent)
        at.set(`${from.address}|${from.port}`, agent);
    }
    let found = 0;
    for (let n = 0; n < 600; n++) {
      const { address, port } = addressOf(n);
      const agent = directory.find(address, port);
      // Of an agent with too many addresses old ones are gone.
      if (agent !== null) {
        found++;
        assert.equal(agent, at.get(`${address}|${port}`));
      }
    }
    assert.equal(found, directory.addresses);
    assert.ok(found > 300, String(found));
    for (const agent of agents) directory.remove(agent);
    assert.deepEqual([directory.agents, directory.addresses], [0, 0]);
  });
});

it('a flood of 100,000 forged packets leaves nothing and is not reflected', () => {
  const { directory, sent, agents } = directoryWith(1);
  const victim = agents[0]!;
  const random = seededRandom(3);
  const stranger = { ufrag: 'unknown1', password: 'y'.repeat(24) };
  // Of a kind each, signed with other keys than the right one, with their identity changed for each packet.
  const kinds = [
    checkFor(stranger, { nominates: true }),
    checkFor(victim.local, { nominates: true, password: 'x'.repeat(24) }),
    checkFor(victim.local, { password: null }),
    checkFor(victim.local, { content: { messageClass: STUN_SUCCESS } }),
    checkFor(stranger, { content: { username: '' } }),
    randomBytes(100),
  ];
  let received = 0;
  let answered = 0;
  for (let i = 0; i < 100_000; i++) {
    const bytes = kinds[i % kinds.length]!;
    const from = udp(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 1024 + Math.floor(random() * 60_000));
    const before = sent.length;
    assert.equal(directory.receiveStun(bytes, from, i), null);
    if (sent.length > before) {
      received += bytes.length;
      answered += sent[before]!.bytes.length;
      assert.ok(bytes === kinds[1] || bytes === kinds[2], 'only who knows the user name gets a refusal');
      sent.length = 0;
    }
  }
  assert.deepEqual([directory.agents, directory.addresses], [1, 0]);
  assert.equal(victim.selected, null);
  assert.equal(directory.counters.notChecks + directory.counters.unknownUfrag, 66_666);
  assert.ok(answered <= received, `${answered} bytes for ${received}`);
});
