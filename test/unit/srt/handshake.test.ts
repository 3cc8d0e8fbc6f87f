/** Listener and caller: who gets in, who is refused with which reason, what a flood leaves behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SrtCaller } from '../../../src/srt/caller.ts';
import { SrtKeyring } from '../../../src/srt/keyring.ts';
import { SrtListener, type SrtRequest } from '../../../src/srt/listener.ts';
import type { SrtSettings } from '../../../src/srt/settings.ts';
import {
  emptyHandshake,
  packPeerAddress,
  readHandshake,
  SRT_FLAG_PACKET_FILTER,
  SRT_FLAG_STREAM,
  SRT_GROUP_BACKUP,
  SRT_GROUP_BROADCAST,
  SRT_HANDSHAKE,
  SRT_MAGIC,
  type SrtHandshake,
  writeHandshake,
} from '../../../src/wire/srt/handshake.ts';
import { rejectFromWire, rejectToWire, SRT_REJECT } from '../../../src/wire/srt/reject.ts';
import { connectPair, seededRandom, settingsWith } from '../../support/srt-model.ts';
import { recordedSrt } from '../../support/srt-vectors.ts';

interface Gate {
  readonly listener: SrtListener;
  readonly sent: SrtHandshake[];
  readonly requests: SrtRequest[];
  readonly refused: number[];
}

function gate(keyBytes = 0): Gate {
  const sent: SrtHandshake[] = [];
  const requests: SrtRequest[] = [];
  const refused: number[] = [];
  const listener = new SrtListener(Buffer.alloc(32, 3), keyBytes, {
    send: (datagram) => sent.push(readHandshake(datagram)!),
    request: (request) => requests.push(request),
    refused: (_address, _port, code) => refused.push(code),
  });
  return { listener, sent, requests, refused };
}

const ADDRESS = '192.0.2.7';

function induce({ listener, sent }: Gate, address = ADDRESS, port = 5000, nowUs = 1000): number {
  const hello = emptyHandshake(SRT_HANDSHAKE.induction);
  hello.version = 4;
  hello.extension = 2;
  hello.socketId = 77;
  listener.receive(writeHandshake(hello, 0, 0), address, port, nowUs);
  return sent.at(-1)?.cookie ?? 0;
}

function conclusion(cookie: number, changes: Partial<SrtHandshake> = {}): Buffer {
  const handshake = emptyHandshake(SRT_HANDSHAKE.conclusion);
  handshake.socketId = 77;
  handshake.sequence = 1234;
  handshake.cookie = cookie;
  handshake.request = { version: 0x010501, flags: 0xbf, receiveLatencyMs: 120, sendLatencyMs: 50 };
  handshake.streamId = 'live/cam';
  return writeHandshake({ ...handshake, ...changes }, 4000, 0);
}

test('an induction is answered with the magic, a cookie and no state', () => {
  const at = gate(32);
  const cookie = induce(at);
  const [answer] = at.sent;
  assert.deepEqual(
    [answer?.version, answer?.extension, answer?.encryption, answer?.socketId],
    [5, SRT_MAGIC, 4, 77],
  );
  assert.notEqual(cookie, 0);
  assert.equal(at.listener.size, 0);
});

test('a flood of inductions and of conclusions with guessed cookies leaves nothing', () => {
  const at = gate();
  const random = seededRandom(5);
  for (let i = 0; i < 20_000; i++) {
    const address = `198.51.${i & 255}.${(i >> 8) & 255}`;
    if (i % 2 === 0) induce(at, address, 1 + (i % 65535));
    else at.listener.receive(conclusion(Math.floor(random() * 2 ** 32)), address, 9, 1000);
  }
  assert.equal(at.listener.size, 0);
  assert.equal(at.requests.length, 0);
  assert.equal(at.sent.length, 10_000);
});

test('two listeners that are made to talk to each other by a forged address fall silent', () => {
  const queue: { to: number; datagram: Uint8Array }[] = [];
  const listeners = [0, 1].map(
    (index) =>
      new SrtListener(Buffer.alloc(32, index), 0, {
        send: (datagram) => queue.push({ to: 1 - index, datagram }),
        request: () => assert.fail('a request'),
        refused: () => undefined,
      }),
  );
  for (const type of [SRT_HANDSHAKE.induction, SRT_HANDSHAKE.conclusion, 1004]) {
    for (const version of [4, 5]) {
      const forged = emptyHandshake(type);
      forged.version = version;
      queue.push({ to: 0, datagram: writeHandshake(forged, 0, 0) });
    }
  }
  let steps = 0;
  for (let next = queue.shift(); next !== undefined && steps < 100; next = queue.shift(), steps++)
    listeners[next.to]!.receive(next.datagram, '192.0.2.1', 9000, 1000);
  assert.equal(steps, 6);
});

test('a cookie is good for its address, its port and one to two minutes', () => {
  const minute = 60_000_000;
  for (const [address, port, nowUs, good] of [
    [ADDRESS, 5000, 1000, true],
    [ADDRESS, 5000, minute + 1000, true],
    [ADDRESS, 5000, 2 * minute + 1000, false],
    [ADDRESS, 5001, 1000, false],
    ['192.0.2.8', 5000, 1000, false],
  ] as const) {
    const at = gate();
    const cookie = induce(at);
    at.listener.receive(conclusion(cookie), address, port, nowUs);
    assert.equal(at.requests.length, good ? 1 : 0, `${address}:${port} at ${nowUs}`);
  }
});

const REFUSALS: readonly [string, Partial<SrtHandshake>, number][] = [
  ['version 4', { version: 4, request: null, streamId: null, extension: 2 }, SRT_REJECT.version],
  ['no extension', { request: null }, SRT_REJECT.rogue],
  ['socket id 0', { socketId: 0 }, SRT_REJECT.rogue],
  ['file mode', { congestion: 'file' }, SRT_REJECT.congestion],
  [
    'stream mode',
    { request: { version: 0x010501, flags: 0xbf | SRT_FLAG_STREAM, receiveLatencyMs: 0, sendLatencyMs: 0 } },
    SRT_REJECT.messageApi,
  ],
  [
    'an old library',
    { request: { version: 0x010100, flags: 0x3f, receiveLatencyMs: 0, sendLatencyMs: 0 } },
    SRT_REJECT.version,
  ],
  ['an MSS of 100', { mss: 100 }, SRT_REJECT.rogue],
  [
    'AES-GCM of libsrt 1.5.3',
    {
      request: { version: 0x010503, flags: 0xbf, receiveLatencyMs: 0, sendLatencyMs: 0 },
      keyRequest: SrtKeyring.create('correcthorse', 16, true).announcement(),
    },
    SRT_REJECT.crypto,
  ],
];
for (const [name, changes, code] of REFUSALS) {
  test(`refused: ${name}`, () => {
    const at = gate();
    at.listener.receive(conclusion(induce(at), changes), ADDRESS, 5000, 1000);
    assert.deepEqual(at.refused, [code]);
    assert.equal(at.sent.at(-1)?.type, rejectToWire(code));
    assert.equal(at.listener.size, 0);
  });
}

test('accepting: the answer has our id, our latency, no packet filter; a repeated conclusion gets it again', () => {
  const at = gate();
  const bytes = conclusion(induce(at));
  at.listener.receive(bytes, ADDRESS, 5000, 1000);
  const [request] = at.requests;
  assert.ok(request);
  assert.deepEqual([request.streamId, request.peerSocketId, request.keyBytes], ['live/cam', 77, 0]);
  // While the server thinks, repetitions are no new requests.
  at.listener.receive(bytes, ADDRESS, 5000, 200_000);
  assert.equal(at.requests.length, 1);
  const agreement = at.listener.accept(request, settingsWith({ latencyMs: 300 }), 0xabcd, 300_000);
  assert.ok(agreement);
  assert.deepEqual(
    [agreement.receiveLatencyMs, agreement.sendLatencyMs, agreement.receiveSequence, agreement.peerStartUs],
    [300, 120, 1234, 1000 - 4000],
  );
  const answer = at.sent.at(-1);
  assert.equal(answer?.socketId, 0xabcd);
  assert.equal(answer?.response?.receiveLatencyMs, 300);
  assert.equal((answer?.response?.flags ?? 0) & SRT_FLAG_PACKET_FILTER, 0);
  const { length } = at.sent;
  at.listener.receive(bytes, ADDRESS, 5000, 500_000);
  assert.equal(at.sent.length, length + 1);
  assert.equal(at.sent.at(-1)?.socketId, 0xabcd);
  // An answered request cannot be answered again.
  assert.equal(at.listener.accept(request, settingsWith({}), 1, 600_000), null);
  at.listener.tick(100_000_000);
  assert.equal(at.listener.size, 1);
  at.listener.release(request);
  assert.equal(at.listener.size, 0);
});

test('refusing with a reason of the application, later; forgotten after a while', () => {
  const at = gate();
  at.listener.receive(conclusion(induce(at)), ADDRESS, 5000, 1000);
  at.listener.refuse(at.requests[0]!, SRT_REJECT.forbidden, 2000);
  assert.equal(at.sent.at(-1)?.type, 2403);
  at.listener.receive(conclusion(induce(at)), ADDRESS, 5000, 3000);
  assert.equal(at.requests.length, 1);
  assert.equal(at.sent.at(-1)?.type, 2403);
  at.listener.tick(4_000_000);
  assert.equal(at.listener.size, 0);
});

test('requests that nobody answers are bounded for each address and forgotten', () => {
  const at = gate();
  const cookie = induce(at);
  for (let i = 1; i <= 100; i++)
    at.listener.receive(conclusion(cookie, { socketId: i }), ADDRESS, 5000, 1000);
  assert.equal(at.listener.size, 64);
  assert.deepEqual(new Set(at.refused), new Set([SRT_REJECT.backlog]));
  at.listener.tick(11_000_000);
  assert.equal(at.listener.size, 0);
  at.listener.receive(conclusion(cookie), ADDRESS, 5000, 1000);
  assert.equal(at.listener.size, 1);
});

test('unanswered requests are bounded in all', () => {
  const at = gate();
  for (let i = 0; i < 4100; i++) {
    const address = `192.0.${i >> 8}.${i & 255}`;
    at.listener.receive(conclusion(induce(at, address)), address, 5000, 1000);
  }
  assert.equal(at.listener.size, 4096);
  assert.deepEqual(at.refused, Array(4).fill(SRT_REJECT.backlog));
});

test('an address that is refused again and again is bounded, and takes no place from others', () => {
  const at = gate();
  const call = (address: string, socketId: number, nowUs: number): boolean => {
    const before = at.requests.length;
    at.listener.receive(conclusion(induce(at, address), { socketId }), address, 5000, nowUs);
    const request = at.requests[before];
    if (request !== undefined) at.listener.refuse(request, SRT_REJECT.forbidden, nowUs);
    return request !== undefined;
  };
  const heard = Array.from({ length: 5000 }, (_, i) => call(ADDRESS, i + 1, 1000));
  assert.equal(heard.filter((isHeard) => isHeard).length, 256);
  assert.equal(at.listener.size, 256);
  assert.ok(call('192.0.2.99', 1, 1000));
  at.listener.tick(4_000_000);
  assert.equal(at.listener.size, 0);
  assert.ok(call(ADDRESS, 1, 4_000_000));
});

test('connections take no place from requests', () => {
  const at = gate();
  for (let i = 0; i < 5000; i++) {
    at.listener.receive(conclusion(induce(at), { socketId: i + 1 }), ADDRESS, 5000, 1000);
    assert.ok(at.listener.accept(at.requests[i]!, settingsWith({}), i + 1, 1000), `connection ${i}`);
  }
  assert.equal(at.listener.size, 5000);
  assert.deepEqual(at.refused, []);
  for (const request of at.requests) at.listener.release(request);
  assert.equal(at.listener.size, 0);
  for (let i = 0; i < 65; i++)
    at.listener.receive(conclusion(induce(at), { socketId: i + 1 }), ADDRESS, 5000, 1000);
  assert.equal(at.listener.size, 64, 'the bound for the unanswered is the same afterwards');
});

test('a group is answered as a group with an id of our own, the same for all members', () => {
  const at = gate();
  const cookie = induce(at);
  const ids = new Set<number>();
  for (const socketId of [1, 2]) {
    const group = { id: 0x4000_0042, type: SRT_GROUP_BROADCAST, flags: 0, weight: 1 };
    at.listener.receive(conclusion(cookie, { socketId, group }), ADDRESS, 5000, 1000);
    const request = at.requests.at(-1)!;
    assert.deepEqual(request.group, group);
    const agreement = at.listener.accept(request, settingsWith({}), 100 + socketId, 1000);
    assert.equal(agreement?.group?.id, group.id);
    assert.equal(at.sent.at(-1)?.group?.type, SRT_GROUP_BROADCAST);
    ids.add(at.sent.at(-1)?.group?.id ?? 0);
  }
  assert.equal(ids.size, 1);
  assert.notEqual([...ids][0], 0x4000_0042);
});

for (const [name, type] of [
  ['broadcast', SRT_GROUP_BROADCAST],
  ['backup', SRT_GROUP_BACKUP],
] as const) {
  test(`recorded: both members of a ${name} group of libsrt get in, answered as libsrt does`, () => {
    const at = gate();
    const recorded = recordedSrt(`bond151-${name}`);
    const handshakes = recorded.map(({ bytes, fromCaller }) => ({
      handshake: readHandshake(bytes),
      fromCaller,
      bytes,
    }));
    const ofType = (isCaller: boolean, kind: number) =>
      handshakes.filter(({ handshake, fromCaller }) => fromCaller === isCaller && handshake?.type === kind);
    for (const { bytes } of ofType(true, SRT_HANDSHAKE.induction))
      at.listener.receive(bytes, ADDRESS, 5000, 1000);
    for (const { bytes } of ofType(true, SRT_HANDSHAKE.conclusion)) {
      const fresh = Buffer.from(bytes);
      fresh.writeUInt32BE(at.sent[0]!.cookie, 44);
      at.listener.receive(fresh, ADDRESS, 5000, 2000);
    }
    assert.equal(at.requests.length, 2);
    const groups = at.requests.map(({ group }) => group);
    assert.equal(groups[0]?.id, groups[1]?.id);
    assert.deepEqual(
      groups.map((group) => [group?.type, group?.weight]).sort((a, b) => a[1]! - b[1]!),
      [
        [type, 1],
        [type, 10],
      ],
    );
    const theirs = ofType(false, SRT_HANDSHAKE.conclusion).map(({ handshake }) => handshake?.group);
    for (const [index, request] of at.requests.entries()) {
      assert.ok(at.listener.accept(request, settingsWith({}), 10 + index, 3000));
      const { group } = at.sent.at(-1)!;
      assert.ok(group !== null);
      assert.notEqual(group.id, request.group?.id);
      assert.deepEqual({ ...group, id: 0 }, { ...theirs[index], id: 0 });
    }
    assert.equal(at.sent.at(-1)?.group?.id, at.sent.at(-2)?.group?.id);
  });
}

test('where a stream came from is told to listeners of our kind alone', () => {
  for (const [isOurs, mark] of [
    [true, (_bytes: Buffer) => undefined],
    [false, (bytes: Buffer) => bytes.fill(0, 52, 64)],
  ] as const) {
    const at = gate();
    const toListener: Buffer[] = [];
    const caller = new SrtCaller(
      {
        settings: settingsWith({}),
        streamId: 'x',
        localSocketId: 77,
        peerAddress: '192.0.2.1',
        via: 'one,two',
      },
      {
        send: (datagram) => toListener.push(Buffer.from(datagram)),
        connected: () => undefined,
        failed: () => undefined,
      },
      1000,
    );
    at.listener.receive(toListener.shift()!, ADDRESS, 5000, 1000);
    const answer = writeHandshake(at.sent[0]!, 0, 77);
    mark(answer);
    caller.receive(answer, 2000);
    assert.equal(readHandshake(toListener[0]!)?.via, isOurs ? 'one,two' : null);
    at.listener.receive(toListener[0]!, ADDRESS, 5000, 2000);
    assert.equal(at.requests[0]?.via, isOurs ? 'one,two' : '');
    caller.cancel();
  }
  // An address that fills the field stays what it is.
  const long = gate();
  induce(long, '2001:db8::1');
  assert.deepEqual(Buffer.from(long.sent[0]!.peerAddress), Buffer.from(packPeerAddress('2001:db8::1')));
});

test('recorded: the callers of libsrt get in with their passphrase', () => {
  for (const [name, passphrase, code] of [
    ['ffmpeg51-plain', '', -1],
    ['slt-streamid', '', -1],
    ['ffmpeg51-aes256', 'correcthorse256', -1],
    ['slt-aes192-rekey', 'correcthorse192', -1],
    ['ffmpeg51-badpass', 'correcthorse128', SRT_REJECT.badSecret],
    ['ffmpeg51-nopass', 'correcthorse128', SRT_REJECT.unsecure],
    ['ffmpeg51-aes256', '', SRT_REJECT.unsecure],
  ] as const) {
    const at = gate();
    const [hello, , recorded] = recordedSrt(name);
    at.listener.receive(hello!.bytes, ADDRESS, 5000, 1000);
    const bytes = Buffer.from(recorded!.bytes);
    bytes.writeUInt32BE(at.sent.at(-1)!.cookie, 44);
    at.listener.receive(bytes, ADDRESS, 5000, 2000);
    const agreement = at.listener.accept(at.requests[0]!, settingsWith({ passphrase }), 5, 3000);
    assert.equal(agreement === null ? at.refused[0] : -1, code, name);
    assert.equal(rejectFromWire(at.sent.at(-1)!.type), code, name);
  }
});

test('both ends of ours: secrets that match and that do not', () => {
  const link = { delayMs: 10 };
  const same: Partial<SrtSettings> = { passphrase: 'correcthorse' };
  assert.equal(connectPair({ link, settings: same }).caller.agreement.keyring?.keyBytes, 16);
  for (const [callerSettings, listenerSettings, code] of [
    [{ passphrase: 'wronghorse' }, same, 10],
    [{}, same, 11],
    [same, {}, 11],
  ] as const)
    assert.throws(() => connectPair({ link, callerSettings, listenerSettings }), new RegExp(`\\b${code}\\b`));
});

test('the handshake gets through 30 % loss', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const pair = connectPair({ link: { delayMs: 30, loss: 0.3 }, seed });
    assert.equal(pair.caller.agreement.peerSocketId, pair.listener.agreement.localSocketId);
  }
});

test('a caller: no answer, a refusal, an old listener, foreign datagrams', () => {
  const failures: [number, string][] = [];
  let sent: Buffer[] = [];
  const call = (): SrtCaller => {
    sent = [];
    failures.length = 0;
    return new SrtCaller(
      { settings: settingsWith({}), streamId: 'x', localSocketId: 77, peerAddress: '192.0.2.1' },
      {
        send: (datagram) => sent.push(Buffer.from(datagram)),
        connected: () => assert.fail('connected'),
        failed: (code, reason) => failures.push([code, reason]),
      },
      1000,
    );
  };
  let caller = call();
  while (caller.nextWakeUs < Number.POSITIVE_INFINITY) caller.tick(caller.nextWakeUs);
  assert.equal(failures[0]?.[0], SRT_REJECT.timeout);
  assert.equal(sent.length, 12);
  caller = call();
  caller.receive(writeHandshake(emptyHandshake(rejectToWire(SRT_REJECT.forbidden)), 0, 77), 2000);
  assert.deepEqual(failures, [[1403, 'forbidden (1403)']]);
  caller = call();
  const old = emptyHandshake(SRT_HANDSHAKE.induction);
  old.version = 4;
  caller.receive(writeHandshake(old, 0, 77), 2000);
  assert.equal(failures[0]?.[0], SRT_REJECT.version);
  caller = call();
  caller.receive(writeHandshake(old, 0, 78), 2000);
  caller.receive(conclusion(1), 2000);
  caller.receive(Buffer.alloc(5), 2000);
  assert.deepEqual(failures, []);
  caller.cancel();
  assert.equal(caller.nextWakeUs, Number.POSITIVE_INFINITY);
});
