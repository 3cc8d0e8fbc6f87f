/** A connection over hours and wraps, its limits, its end, its numbers; virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SrtAgreement } from '../../../src/srt/agreement.ts';
import { SrtConnection } from '../../../src/srt/connection.ts';
import { SrtAck, writeAck, writeNak, writeShutdown } from '../../../src/wire/srt/control.ts';
import { SRT_CONTROL, SrtPacket, writeDataHeader } from '../../../src/wire/srt/srt-packet.ts';
import { connectPair, indexes, message, settingsWith, streamUp } from '../../support/srt-model.ts';

const EVERY_US = 10_000;

test('sequence numbers wrap in the middle of losses', () => {
  const adjust = (agreement: SrtAgreement): SrtAgreement => ({
    ...agreement,
    sendSequence: 0x7fff_ff00,
    receiveSequence: 0x7fff_ff00,
  });
  const pair = connectPair({
    link: { delayMs: 20, loss: 0.1 },
    seed: 2,
    settings: { latencyMs: 500 },
    adjust,
  });
  streamUp(pair, 1000, EVERY_US, 1_000_000);
  assert.equal(pair.atListener.length, 1000);
  assert.deepEqual(
    indexes(pair.atListener),
    Array.from({ length: 1000 }, (_, i) => i),
  );
  assert.equal(pair.atListener[255]?.sequence, 0x7fff_ffff);
  assert.equal(pair.atListener[256]?.sequence, 0);
});

test('timestamps wrap: the pace stays', () => {
  const wrap = 2 ** 32;
  const adjust = (agreement: SrtAgreement): SrtAgreement => ({
    ...agreement,
    startUs: agreement.startUs - (wrap - 5_000_000),
    peerStartUs: agreement.peerStartUs - (wrap - 5_000_000),
  });
  const pair = connectPair({
    link: { delayMs: 20, loss: 0.03 },
    seed: 2,
    settings: { latencyMs: 300 },
    adjust,
  });
  streamUp(pair, 1000, EVERY_US, 1_000_000);
  assert.equal(pair.atListener.length, 1000);
  for (let i = 1; i < 1000; i++) {
    const step = pair.atListener[i]!.timeUs - pair.atListener[i - 1]!.timeUs;
    assert.ok(Math.abs(step - EVERY_US) < 100, `${step}`);
  }
});

test('message numbers wrap from 2^26-1 to 1', () => {
  const sent: number[] = [];
  const connection = bare((header) => {
    const packet = new SrtPacket();
    packet.parse(header);
    if (!packet.isControl) sent.push(packet.message);
  });
  Reflect.set(Reflect.get(connection, 'sender') as object, 'message', 0x03ff_fffe);
  for (let i = 0; i < 3; i++) connection.sendMessage(message(i), 1000 + i);
  assert.deepEqual(sent, [0x03ff_fffe, 0x03ff_ffff, 1]);
});

test('three hours of a slow stream', () => {
  const pair = connectPair({
    link: { delayMs: 50, jitterMs: 5, loss: 0.02 },
    seed: 8,
    settings: { latencyMs: 500 },
  });
  streamUp(pair, 3 * 3600, 1_000_000, 2_000_000);
  assert.equal(pair.atListener.length, 3 * 3600);
  assert.deepEqual(pair.closed, []);
});

test('a clock that runs 100 ppm fast or slow is followed', () => {
  for (const callerClock of [1.0001, 0.9999]) {
    const pair = connectPair({ link: { delayMs: 20 }, seed: 1, settings: { latencyMs: 200 }, callerClock });
    // Ten minutes: 60 ms of drift.
    streamUp(pair, 60_000, EVERY_US, 1_000_000);
    assert.equal(pair.atListener.length, 60_000);
    const { world } = pair;
    const last = pair.atListener.at(-1)!;
    const sentUs = world.nowUs - 1_000_000;
    const waited = last.atUs - sentUs;
    assert.ok(Math.abs(waited - 220_000) < 12_000, `${callerClock}: ${waited} us after sending`);
  }
});

test('a peer that falls silent is given up, one that keeps alive is not', () => {
  const pair = connectPair({ link: { delayMs: 20 }, seed: 1, settings: { peerIdleTimeoutMs: 3000 } });
  pair.world.runUntil(pair.world.nowUs + 30_000_000);
  assert.deepEqual(pair.closed, []);
  pair.toListener.send = () => undefined;
  pair.world.runUntil(pair.world.nowUs + 3_200_000);
  assert.deepEqual(pair.closed, ['listener: nothing came from the peer any more', 'caller: the peer closed']);
  assert.equal(pair.listener.nextWakeUs, Number.POSITIVE_INFINITY);
});

test('close tells the peer; nothing goes out afterwards', () => {
  const pair = connectPair({ link: { delayMs: 20 }, seed: 1 });
  pair.caller.close(pair.callerNow());
  const { sent } = pair.toListener;
  assert.equal(pair.caller.sendMessage(message(1), pair.callerNow()), false);
  pair.world.runUntil(pair.world.nowUs + 10_000_000);
  assert.equal(pair.toListener.sent, sent);
  assert.deepEqual(pair.closed, ['listener: the peer closed']);
});

test('negotiated latency: the larger wish of both sides, each way', () => {
  const pair = connectPair({
    link: { delayMs: 5 },
    callerSettings: { latencyMs: 200, peerLatencyMs: 700 },
    listenerSettings: { latencyMs: 300, peerLatencyMs: 100 },
  });
  const both = [pair.caller.agreement, pair.listener.agreement].map((a) => [
    a.receiveLatencyMs,
    a.sendLatencyMs,
  ]);
  assert.deepEqual(both, [
    [200, 700],
    [700, 200],
  ]);
});

test('maxbw holds, repairs included', () => {
  const pair = connectPair({
    link: { delayMs: 20, loss: 0.1 },
    seed: 4,
    settings: { latencyMs: 400 },
    callerSettings: { maxBandwidth: 200_000 },
  });
  const before = pair.toListener.bytes;
  // 250 kB/s into 200 kB/s.
  streamUp(pair, 2500, 5264, 0);
  const bytes = pair.toListener.bytes - before;
  const seconds = (2500 * 5264) / 1e6;
  assert.ok(bytes / seconds < 200_000 * 1.02, `${bytes / seconds}`);
  assert.ok(bytes / seconds > 200_000 * 0.9, `${bytes / seconds}`);
});

test('inputbw and oheadbw: set, and measured', () => {
  for (const inputBandwidth of [150_000, 0]) {
    const pair = connectPair({
      link: { delayMs: 20 },
      callerSettings: { maxBandwidth: 0, inputBandwidth, overheadPercent: 20 },
    });
    // 136 kB/s with headers.
    streamUp(pair, 1000, EVERY_US, 100_000);
    const limit = pair.caller.statistics(pair.callerNow()).mbpsMaxBW;
    const expected = (inputBandwidth === 0 ? 136_000 : 150_000) * 1.2 * 8e-6;
    assert.ok(Math.abs(limit - expected) < 0.03 * expected, `${limit} against ${expected}`);
  }
});

test('the send buffer is bounded in packets and bytes', () => {
  const few = bare(() => undefined, { sendBufferPackets: 10 });
  let taken = 0;
  for (let i = 0; i < 100; i++) if (few.sendMessage(message(i), 1000)) taken++;
  assert.equal(taken, 10);
  const small = bare(() => undefined, { sendBufferBytes: 5 * 1316 });
  taken = 0;
  for (let i = 0; i < 100; i++) if (small.sendMessage(message(i), 1000)) taken++;
  assert.equal(taken, 5);
  assert.equal(small.sendMessage(Buffer.alloc(1457), 1000), false);
  assert.equal(small.sendMessage(Buffer.alloc(0), 1000), false);
});

test('the flow window of the peer holds what is under way', () => {
  let sent = 0;
  const connection = bare((header) => {
    if ((header[0]! & 0x80) === 0) sent++;
  });
  const ack = new SrtAck();
  ack.sequence = 100;
  ack.bufferPackets = 16;
  ack.rttUs = 20_000;
  connection.receive(writeAck(1, ack, 0, 1), 1000);
  for (let i = 0; i < 50; i++) connection.sendMessage(message(i), 2000 + i * 1000);
  assert.equal(sent, 16);
  ack.sequence = 110;
  connection.receive(writeAck(2, ack, 0, 1), 60_000);
  assert.equal(sent, 26);
});

test('a peer that sends the newest packets only costs no more than the receive buffer', () => {
  const connection = bare(() => undefined, { receiveBufferPackets: 256, latencyMs: 10_000 });
  for (let i = 0; i < 5000; i++)
    connection.receive(data((100 + i * 2) & 0x7fffffff, i * 100), 1000 + i * 100);
  const stats = connection.statistics(600_000);
  assert.ok(stats.pktRcvBuf <= 256, `${stats.pktRcvBuf}`);
  const bytes = bare(() => undefined, { receiveBufferBytes: 20_000, latencyMs: 10_000 });
  for (let i = 0; i < 500; i++) bytes.receive(data(100 + i, i * 100), 1000 + i * 100);
  assert.ok(bytes.statistics(0).byteRcvBuf <= 20_000);
});

test('reports of losses that never were cost nothing', () => {
  let sent = 0;
  const connection = bare(() => sent++);
  for (let i = 0; i < 10; i++) connection.sendMessage(message(i), 1000 + i);
  sent = 0;
  for (const range of [
    [110, 200],
    [0x7000_0000, 0x7000_0100],
  ])
    connection.receive(writeNak(range, 0, 1), 5000);
  assert.equal(sent, 0);
  const ack = new SrtAck();
  ack.sequence = 105;
  connection.receive(writeAck(1, ack, 0, 1), 6000);
  sent = 0;
  connection.receive(writeNak([50, 60], 0, 1), 6000);
  assert.equal(sent, 0);
  // No longer here: the peer is told.
  connection.receive(writeNak([101, 103], 0, 1), 6000);
  assert.equal(sent, 1);
  // The same range many times in one report.
  connection.receive(
    writeNak(
      Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? 105 : 109)),
      0,
      1,
    ),
    7000,
  );
  assert.equal(sent, 6);
});

test('packets for another socket, empty and oversized ones are ignored', () => {
  const delivered: Uint8Array[] = [];
  const connection = bare(
    () => undefined,
    { delivery: 'in-order' },
    (payload) => delivered.push(payload),
  );
  const foreign = data(100, 0);
  foreign.writeUInt32BE(9, 12);
  connection.receive(foreign, 1000);
  connection.receive(data(100, 0).subarray(0, 16), 1000);
  connection.receive(data(100, 0, 1457), 1000);
  connection.receive(Buffer.alloc(3), 1000);
  assert.equal(delivered.length, 0);
  connection.receive(data(100, 0, 1456), 1000);
  assert.equal(delivered.length, 1);
});

test('ACKs: the first are all answered, then one in 40 ms and those that come again', () => {
  const answered: number[] = [];
  const packet = new SrtPacket();
  const connection = bare((header) => {
    packet.parse(header);
    if (packet.isControl && packet.controlType === SRT_CONTROL.ackAck) answered.push(packet.info);
  });
  const ack = new SrtAck();
  let number = 0;
  const receive = (sequence: number, nowUs: number): void => {
    ack.sequence = sequence;
    ack.bufferPackets = 8000;
    connection.receive(writeAck(++number, ack, nowUs, 1), nowUs);
  };
  for (let i = 0; i < 200; i++) {
    connection.sendMessage(Buffer.alloc(1316), i * 10_000);
    receive(101 + i, i * 10_000 + 500);
  }
  assert.deepEqual(
    answered.slice(0, 32),
    Array.from({ length: 32 }, (_, i) => i + 1),
  );
  const later = answered.slice(32);
  assert.deepEqual(later.slice(0, 3), [36, 40, 44]);
  assert.equal(later.length, 42);
  receive(300, 1_995_000);
  assert.equal(answered.at(-1), 201);
});

describe('the peer ends while something waits for its time', () => {
  const ends: readonly (readonly [name: string, end: (connection: SrtConnection) => void, reason: string])[] =
    [
      ['by a shutdown', (connection) => connection.receive(writeShutdown(1000, 1), 2000), 'the peer closed'],
      ['by silence', (connection) => connection.tick(6_000_000), 'nothing came from the peer any more'],
    ];
  for (const [name, end, reason] of ends) {
    test(`${name}: it is handed out in order, gaps left out, and then it is closed`, () => {
      const log: string[] = [];
      const connection = bare(
        () => undefined,
        { latencyMs: 8000 },
        (payload, sequence) => log.push(`${sequence}:${payload.length}`),
        (why) => log.push(why),
      );
      for (const sequence of [100, 103, 101, 105])
        connection.receive(data(sequence, sequence * 10, sequence), 1000);
      assert.deepEqual(log, []);
      end(connection);
      assert.deepEqual(log, ['100:100', '101:101', '103:103', '105:105', reason]);
      assert.ok(connection.closed);
      const { pktRcvDrop, byteRcvDrop } = connection.statistics(7_000_000);
      // Of 102 and 104, as long as the others on the average.
      assert.deepEqual([pktRcvDrop, byteRcvDrop], [2, Math.round(2 * ((100 + 101 + 103 + 105) / 4 + 44))]);
      connection.receive(data(106, 1), 3000);
      connection.receive(writeShutdown(1000, 1), 3000);
      assert.equal(log.length, 5);
    });
  }

  test('gaps that are waited for end it', () => {
    const log: number[] = [];
    const connection = bare(
      () => undefined,
      { latencyMs: 8000, tooLateDrop: false },
      (_payload, sequence) => log.push(sequence),
    );
    for (const sequence of [100, 102]) connection.receive(data(sequence, 10), 1000);
    connection.receive(writeShutdown(1000, 1), 2000);
    assert.deepEqual(log, [100]);
  });

  test('who closes at a message gets no other one, and is not told of the end', () => {
    const log: string[] = [];
    const connection: SrtConnection = bare(
      () => undefined,
      { latencyMs: 8000 },
      (_payload, sequence) => {
        log.push(String(sequence));
        connection.close(2000);
      },
      (why) => log.push(why),
    );
    for (const sequence of [100, 101, 102]) connection.receive(data(sequence, 10), 1000);
    connection.receive(writeShutdown(1000, 1), 2000);
    assert.deepEqual(log, ['100']);
  });
});

test('statistics have the names and units of libsrt', () => {
  const pair = connectPair({ link: { delayMs: 30, loss: 0.05 }, seed: 3, settings: { latencyMs: 400 } });
  streamUp(pair, 1000, EVERY_US, 20_000);
  const sent = pair.caller.statistics(pair.callerNow());
  const received = pair.listener.statistics(pair.world.nowUs);
  assert.equal(sent.pktSentUnique, 1000);
  assert.equal(sent.byteSentUnique, 1000 * 1360);
  assert.equal(sent.pktSent, 1000 + sent.pktRetrans);
  assert.equal(sent.byteSent, sent.pktSent * 1360);
  assert.equal(sent.byteRetrans, sent.pktRetrans * 1360);
  assert.equal(received.byteRecv, received.pktRecv * 1360);
  assert.ok(Math.abs(sent.msRTT - 60) < 5 && Math.abs(received.msRTT - 60) < 5);
  assert.ok(
    received.pktRcvLoss > 20 && received.pktSentNAK > 20 && sent.pktRecvNAK > 20 && sent.pktSndLoss > 20,
  );
  assert.ok(received.pktRcvRetrans > 0 && sent.pktRetrans >= received.pktRcvRetrans);
  assert.ok(Math.abs(sent.mbpsSendRate - 1.12) < 0.1, `${sent.mbpsSendRate}`);
  assert.ok(Math.abs(received.mbpsRecvRate - 1.07) < 0.1, `${received.mbpsRecvRate}`);
  // 400 ms wait in the buffer, 10 ms each; 60 ms are under way.
  assert.ok(Math.abs(received.pktRcvBuf - 40) < 6, `${received.pktRcvBuf}`);
  assert.ok(Math.abs(received.msRcvBuf - 400) < 60, `${received.msRcvBuf}`);
  assert.ok(sent.mbpsBandwidth > 0 && received.mbpsBandwidth > 0);
  assert.ok(sent.pktFlightSize >= 4 && sent.pktFlightSize < 20);
  assert.equal(received.msRcvTsbPdDelay, 400);
});

function bare(
  send: (header: Uint8Array) => void,
  changes: Parameters<typeof settingsWith>[0] = {},
  deliver: (payload: Uint8Array, sequence: number) => void = () => undefined,
  closed: (reason: string) => void = () => undefined,
): SrtConnection {
  const agreement: SrtAgreement = {
    localSocketId: 1,
    peerSocketId: 2,
    sendSequence: 100,
    receiveSequence: 100,
    mss: 1500,
    flowWindow: 8192,
    receiveLatencyMs: changes.latencyMs ?? 120,
    sendLatencyMs: 120,
    keyring: null,
    peerFlags: 0x3f,
    peerVersion: 0x010501,
    streamId: '',
    group: null,
    startUs: 0,
    peerStartUs: 0,
  };
  return new SrtConnection(agreement, settingsWith(changes), { send, deliver, closed }, 0);
}

function data(sequence: number, timestamp: number, length = 1316): Buffer {
  const bytes = Buffer.alloc(16 + length, 0x47);
  writeDataHeader(bytes, sequence, 1, 0, timestamp, 1);
  return bytes;
}
