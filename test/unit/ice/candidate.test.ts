import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { candidatesFor, parseCandidate, printCandidate } from '../../../src/ice/candidate.ts';
import {
  candidateFoundation,
  candidatePriority,
  checkPriority,
} from '../../../src/ice/candidate-priority.ts';

describe('candidate lines', () => {
  const same = [
    'candidate:1 1 udp 2130706431 192.0.2.1 8000 typ host',
    'candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.1.1 rport 8998 generation 0 ufrag EsAw',
    'candidate:1 1 udp 2130706431 2001:db8::7 8000 typ host',
    'candidate:4 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0',
    'candidate:5 1 tcp 1518214911 192.0.2.1 8000 typ host tcptype passive',
    'candidate:6 1 tcp 1518149375 192.0.2.1 8001 typ host tcptype so',
    'candidate:7 2 udp 41885439 198.51.100.1 50000 typ relay raddr 0.0.0.0 rport 0',
    'candidate:8 1 udp 2113937151 7c1f5a1e-3e57-4bd5-8b13-9a4b0ae2c2ce.local 51000 typ host generation 0',
  ];
  for (const line of same)
    it(`prints ${line} as it was`, () => {
      const candidate = parseCandidate(line);
      assert.ok(candidate !== null);
      assert.equal(printCandidate(candidate), line);
      assert.deepEqual(parseCandidate(`a=${line}\r\n`), candidate);
    });

  it('reads the fields', () => {
    assert.deepEqual(parseCandidate(same[1]!), {
      foundation: '842163049',
      component: 1,
      transport: 'udp',
      priority: 1_677_729_535,
      address: '203.0.113.7',
      isName: false,
      port: 46_154,
      type: 'srflx',
      relatedAddress: '10.0.1.1',
      relatedPort: 8998,
      tcpType: null,
      generation: 0,
      ufrag: 'EsAw',
    });
    assert.equal(parseCandidate(same[7]!)?.isName, true);
  });

  it('makes spelling and addresses canonical and reads over what it does not know', () => {
    const candidate = parseCandidate(
      'candidate:1 1 UDP 100 2001:DB8:0::1 5000 typ host network-id 1 network-cost 10 x y',
    );
    assert.ok(candidate !== null);
    assert.equal(printCandidate(candidate), 'candidate:1 1 udp 100 2001:db8::1 5000 typ host');
  });

  const bad = [
    '',
    'candidate:',
    'candidate:1 1 udp 100 192.0.2.1 8000',
    'candidate:1 1 udp 100 192.0.2.1 8000 typ',
    'candidate:1 1 udp 100 192.0.2.1 8000 typ other',
    'candidate:1 1 udp 100 192.0.2.1 8000 generation 0',
    'candidate:1 1 sctp 100 192.0.2.1 8000 typ host',
    'candidate:1 1 tcp 100 192.0.2.1 8000 typ host',
    'candidate:1 1 tcp 100 192.0.2.1 8000 typ host tcptype both',
    'candidate:1 0 udp 100 192.0.2.1 8000 typ host',
    'candidate:1 257 udp 100 192.0.2.1 8000 typ host',
    'candidate:1 1 udp 4294967296 192.0.2.1 8000 typ host',
    'candidate:1 1 udp -1 192.0.2.1 8000 typ host',
    'candidate:1 1 udp 1e3 192.0.2.1 8000 typ host',
    'candidate:1 1 udp 100 192.0.2.1 65536 typ host',
    'candidate:1 1 udp 100 192.0.2.1 8000 typ srflx raddr 1.1.1.1 rport x',
    'candidate:1 1 udp 100 2001:db8:::1 8000 typ host',
    'candidate:1 1 udp 100 a/b 8000 typ host',
    'candidate:é 1 udp 100 192.0.2.1 8000 typ host',
    `candidate:${'1'.repeat(33)} 1 udp 100 192.0.2.1 8000 typ host`,
    `candidate:1 1 udp 100 192.0.2.1 8000 typ host${' a b'.repeat(16)}`,
    `candidate:1 1 udp 100 192.0.2.1 8000 typ host x ${'y'.repeat(512)}`,
    'a=mid:0',
  ];
  for (const line of bad)
    it(`refuses ${JSON.stringify(line.slice(0, 80))}`, () => {
      assert.equal(parseCandidate(line), null);
    });
});

describe('numbers', () => {
  it('gives priorities by the formula of RFC 8445 section 5.1.2.1', () => {
    assert.equal(candidatePriority('host', 1, 0, null), 2_130_706_431);
    assert.equal(candidatePriority('host', 2, 0, null), 2_130_706_430);
    assert.equal(candidatePriority('srflx', 1, 0, null), 1_694_498_815);
    assert.equal(candidatePriority('relay', 1, 1, null), 16_776_959);
    // 90 << 24, direction 4 of 7, 8191, component 1.
    assert.equal(candidatePriority('host', 1, 0, 'passive'), 90 * 2 ** 24 + (4 * 8192 + 8191) * 256 + 255);
  });

  it('likes UDP more than TCP, active more than passive between hosts, and less what stands later', () => {
    const order = [
      candidatePriority('host', 1, 0, null),
      candidatePriority('host', 1, 1, null),
      candidatePriority('srflx', 1, 0, null),
      candidatePriority('host', 1, 0, 'active'),
      candidatePriority('host', 1, 0, 'passive'),
      candidatePriority('host', 1, 9000, 'passive'),
      candidatePriority('host', 1, 0, 'so'),
      candidatePriority('srflx', 1, 0, 'so'),
      candidatePriority('srflx', 1, 0, 'active'),
      candidatePriority('srflx', 1, 0, 'passive'),
      candidatePriority('relay', 1, 0, null),
    ];
    assert.deepEqual(
      order,
      [...order].sort((a, b) => b - a),
    );
    assert.equal(new Set(order).size, order.length);
  });

  it('checks with the priority that a peer reflexive candidate has', () => {
    const [udp, tcp] = candidatesFor(['192.0.2.1'], 8000, { udp: true, tcp: 'active' });
    assert.equal(checkPriority(udp!), candidatePriority('prflx', 1, 0, null));
    assert.equal(checkPriority(tcp!) >>> 24, 80);
    assert.equal(checkPriority(tcp!) & 0xff_ffff, tcp!.priority & 0xff_ffff);
  });

  it('gives the same foundation for the same type, base, transport and server only', () => {
    const all = [
      candidateFoundation('host', '192.0.2.1', 'udp'),
      candidateFoundation('srflx', '192.0.2.1', 'udp', 'a'),
      candidateFoundation('srflx', '192.0.2.1', 'udp', 'b'),
      candidateFoundation('host', '192.0.2.1', 'tcp'),
      candidateFoundation('host', '192.0.2.2', 'udp'),
    ];
    assert.equal(new Set(all).size, all.length);
    assert.equal(candidateFoundation('host', '192.0.2.1', 'udp'), all[0]);
    for (const one of all) assert.match(one, /^\d{1,10}$/);
  });
});

describe('candidatesFor', () => {
  it('makes UDP and TCP of each address, in the order of the addresses', () => {
    const made = candidatesFor(
      ['203.0.113.7', '::ffff:192.0.2.1', 'name', '192.0.2.1', '2001:DB8::1'],
      8000,
      {
        udp: true,
        tcp: 'passive',
      },
    );
    assert.deepEqual(
      made.map(({ transport, address, port, tcpType }) => `${transport} ${address} ${port} ${tcpType}`),
      [
        'udp 203.0.113.7 8000 null',
        'udp 192.0.2.1 8000 null',
        'udp 2001:db8::1 8000 null',
        'tcp 203.0.113.7 8000 passive',
        'tcp 192.0.2.1 8000 passive',
        'tcp 2001:db8::1 8000 passive',
      ],
    );
    for (let i = 1; i < made.length; i++) assert.ok(made[i - 1]!.priority > made[i]!.priority);
    assert.equal(new Set(made.map(({ foundation }) => foundation)).size, made.length);
    for (const one of made) assert.deepEqual(parseCandidate(printCandidate(one)), one);
  });

  it('makes what is asked for, with the port "discard" for active TCP, of at most 32 addresses', () => {
    const many = Array.from({ length: 40 }, (_, i) => `192.0.2.${i}`);
    assert.equal(candidatesFor(many, 1, { udp: true, tcp: false }).length, 32);
    assert.deepEqual(candidatesFor(many, 1, { udp: false, tcp: false }), []);
    const active = candidatesFor(many, 8000, { udp: false, tcp: 'active' });
    assert.deepEqual([active.length, active[0]?.port, active[0]?.tcpType], [32, 9, 'active']);
  });
});
