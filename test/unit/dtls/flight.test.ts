import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cipherSuite } from '../../../src/dtls/cipher-suites.ts';
import { Flight } from '../../../src/dtls/flight.ts';
import { FragmentBuffer } from '../../../src/dtls/fragment-buffer.ts';
import { RecordCipher } from '../../../src/dtls/record-cipher.ts';
import { RecordWriter } from '../../../src/dtls/record-writer.ts';
import { DtlsHandshakeFragment, handshakeMessage } from '../../../src/wire/dtls/handshake-header.ts';
import { DtlsRecord } from '../../../src/wire/dtls/record.ts';

const SECOND_US = 1_000_000;

function cipher(): RecordCipher {
  return new RecordCipher(cipherSuite(0xc02b)!, Buffer.alloc(16, 1), Buffer.alloc(4, 2));
}

interface Rig {
  readonly sent: Uint8Array[];
  readonly writer: RecordWriter;
  readonly flight: Flight;
}

function rig(mtu = 1200): Rig {
  const sent: Uint8Array[] = [];
  const writer = new RecordWriter(mtu, (datagram) => sent.push(datagram));
  writer.cipher = cipher();
  return { sent, writer, flight: new Flight(writer, 200) };
}

test('repetitions: after 200 ms, then twice as long each time, up to 60 s', () => {
  const { flight, sent } = rig();
  flight.begin();
  flight.add(0, handshakeMessage(1, 0, Buffer.alloc(10)));
  flight.send(0, true);
  const gaps: number[] = [];
  for (let nowUs = 0; gaps.length < 11; ) {
    gaps.push((flight.dueUs - nowUs) / 1000);
    nowUs = flight.dueUs;
    flight.repeatByTime(nowUs);
  }
  assert.deepEqual(gaps, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  assert.equal(sent.length, 12);
  assert.equal(flight.repeats, 11);
});

test('a new flight begins with the first timeout again; a last one has none', () => {
  const { flight } = rig();
  flight.send(0, true);
  flight.repeatByTime(200_000);
  flight.begin();
  assert.equal(flight.dueUs, Number.POSITIVE_INFINITY);
  flight.send(SECOND_US, true);
  assert.equal(flight.dueUs, SECOND_US + 200_000);
  flight.begin();
  flight.send(SECOND_US, false);
  assert.equal(flight.dueUs, Number.POSITIVE_INFINITY);
});

test('for the peer: at most every 20 ms, and not without messages', () => {
  const { flight, sent } = rig();
  flight.repeatForPeer(0);
  assert.equal(sent.length, 0);
  flight.add(0, handshakeMessage(1, 0, Buffer.alloc(10)));
  flight.send(0, false);
  for (const [nowUs, count] of [
    [19_999, 1],
    [20_000, 2],
    [30_000, 2],
    [40_000, 3],
  ] as const) {
    flight.repeatForPeer(nowUs);
    assert.equal(sent.length, count, `${nowUs}`);
  }
});

test('a repetition has new record numbers, also within its cipher', () => {
  const { flight, sent } = rig();
  flight.add(0, handshakeMessage(16, 1, Buffer.alloc(10)));
  flight.add(0, null);
  flight.add(1, handshakeMessage(20, 2, Buffer.alloc(12)));
  flight.send(0, true);
  flight.repeatByTime(200_000);
  const record = new DtlsRecord();
  const numbers = sent.map((bytes) => {
    const found: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      at = record.parse(bytes, at);
      found.push(`${record.type} ${record.epoch}:${record.sequence}`);
    }
    return found;
  });
  assert.deepEqual(numbers, [
    ['22 0:0', '20 0:1', '22 1:0'],
    ['22 0:2', '20 0:3', '22 1:1'],
  ]);
});

for (const mtu of [256, 300, 576, 1200, 9000])
  for (const epoch of [0, 1])
    test(`messages of every size fit into datagrams of ${mtu} bytes, epoch ${epoch}`, () => {
      const { sent, writer } = rig(mtu);
      const lengths = [0, 1, 50, 150, 200, 230, 1000, 1160, 1175, 1176, 5000, 16_000];
      const messages = lengths.map((length, i) => handshakeMessage(11, i, Buffer.alloc(length, i)));
      for (const message of messages) writer.writeMessage(epoch, message);
      writer.flush();
      const buffer = new FragmentBuffer();
      const record = new DtlsRecord();
      const fragment = new DtlsHandshakeFragment();
      const opener = cipher();
      const got: Buffer[] = [];
      for (const datagram of sent) {
        assert.ok(datagram.length <= mtu);
        for (let at = 0; at < datagram.length; ) {
          at = record.parse(datagram, at);
          assert.notEqual(at, -1);
          const plain =
            epoch === 0 ? datagram.subarray(record.start, record.end) : opener.open(record, datagram);
          assert.ok(plain !== null);
          assert.equal(fragment.parse(plain, 0, plain.length), plain.length);
          buffer.add(fragment, epoch, plain);
          while (buffer.readyEpoch !== -1) got.push(buffer.take());
        }
      }
      assert.deepEqual(got, messages);
      const total = lengths.reduce((sum, length) => sum + length, 0);
      assert.ok(sent.length <= Math.ceil(total / (mtu - 130)) + 2, `${sent.length} datagrams`);
    });
