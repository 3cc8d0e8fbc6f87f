/** What a peer, or somebody between, may send: what ends a handshake, what is dropped, and that nothing throws. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DtlsServer } from '../../../src/dtls/server.ts';
import { InvariantError } from '../../../src/util/errors.ts';
import { parseClientHello, serializeClientHello } from '../../../src/wire/dtls/client-hello.ts';
import { DtlsHandshakeFragment, handshakeMessage } from '../../../src/wire/dtls/handshake-header.ts';
import { DtlsRecord, writeRecordHeader } from '../../../src/wire/dtls/record.ts';
import { DtlsLink, type DtlsLinkOptions, ecCertificate } from '../../support/dtls-link.ts';

function plainRecord(type: number, payload: Uint8Array, epoch = 0, sequence = 100): Buffer {
  const bytes = Buffer.alloc(13 + payload.length);
  writeRecordHeader(bytes, 0, type, 0xfefd, epoch, sequence, payload.length);
  bytes.set(payload, 13);
  return bytes;
}

function handshake(type: number, sequence: number, body: Uint8Array, epoch = 0): Buffer {
  return plainRecord(22, handshakeMessage(type, sequence, body), epoch);
}

function flipBit(bytes: Buffer, at: number): void {
  bytes[at]! ^= 1;
}

/** A server alone, with what it says. */
function lonelyServer() {
  const sent: Buffer[] = [];
  const closed: string[] = [];
  const server = new DtlsServer(
    { certificate: ecCertificate() },
    {
      send: (datagram) => sent.push(Buffer.from(datagram)),
      onConnected: () => assert.fail('connected'),
      onClosed: (code, detail) => closed.push(`${code}: ${detail}`),
    },
    0,
  );
  return { server, sent, closed };
}

/** A right hello of our client. */
function helloBody(): Buffer {
  const link = new DtlsLink();
  link.client.start(0);
  return Buffer.from(link.clientLog.sent[0]!.subarray(25));
}

describe('a server, first message', () => {
  const body = helloBody();
  const hello = parseClientHello(body);
  const cases: readonly (readonly [string, Buffer, RegExp, number])[] = [
    ['garbage instead of a hello', handshake(1, 0, Buffer.alloc(50, 0xff)), /^dtls\.bad-client-hello/, 50],
    ['a hello that is cut', handshake(1, 0, body.subarray(0, 60)), /^dtls\.bad-client-hello/, 50],
    ['DTLS 1.0', handshake(1, 0, serializeClientHello({ ...hello, version: 0xfeff })), /^dtls\.version/, 70],
    ['TLS', handshake(1, 0, serializeClientHello({ ...hello, version: 0x0303 })), /^dtls\.version/, 70],
    [
      'DTLS 1.3 alone',
      handshake(1, 0, serializeClientHello({ ...hello, supportedVersions: [0xfefc] })),
      /^dtls\.version: offered fefc/,
      70,
    ],
    [
      'renegotiation',
      handshake(1, 0, serializeClientHello({ ...hello, renegotiationInfo: Buffer.alloc(12) })),
      /^dtls\.renegotiation/,
      40,
    ],
    [
      'compressed points only',
      handshake(1, 0, serializeClientHello({ ...hello, pointFormats: Buffer.from([1]) })),
      /^dtls\.illegal-parameter/,
      47,
    ],
    [
      'no signature schemes',
      handshake(1, 0, serializeClientHello({ ...hello, signatureSchemes: null })),
      /^dtls\.no-common-signature: nothing offered/,
      40,
    ],
    ['another message', handshake(11, 0, Buffer.alloc(3)), /^dtls\.unexpected-message: type 11/, 10],
    ['Finished in the clear', handshake(20, 0, Buffer.alloc(12)), /^dtls\.unexpected-message/, 10],
    ['an unknown message', handshake(99, 0, Buffer.alloc(12)), /^dtls\.unexpected-message/, 10],
  ];
  for (const [name, datagram, reason, alert] of cases)
    test(name, () => {
      const { closed, sent, server } = lonelyServer();
      server.receive(datagram, 0);
      assert.equal(closed.length, 1);
      assert.match(closed[0]!, reason);
      assert.equal(sent.length, 1);
      assert.equal(
        sent[0]!.toString('hex'),
        `15fefd000000000000000000020${'2'}${alert.toString(16).padStart(2, '0')}`,
      );
      server.receive(datagram, 0);
      server.tick(100_000_000);
      assert.equal(sent.length + closed.length, 2, 'nothing more');
    });

  test('versions: the extension counts, not the field', () => {
    const { sent, server } = lonelyServer();
    const offer = serializeClientHello({ ...hello, version: 0xfefc, supportedVersions: [0xfefc, 0xfefd] });
    server.receive(handshake(1, 0, offer), 0);
    assert.equal(sent.length, 1);
    assert.equal(sent[0]!.readUInt16BE(25), 0xfefd);
    // RFC 8446 section 4.1.3 keeps this mark for servers that know 1.3.
    assert.notEqual(sent[0]!.toString('latin1', 25 + 2 + 24, 25 + 2 + 31), 'DOWNGRD');
  });

  test('a message of 40 KiB', () => {
    const { closed, server } = lonelyServer();
    const first = handshakeMessage(1, 0, Buffer.alloc(40_000)).subarray(0, 100);
    first.writeUIntBE(88, 9, 3);
    server.receive(plainRecord(22, first), 0);
    assert.deepEqual(closed, ['dtls.message-too-big: 40000 bytes']);
  });

  const dropped: readonly (readonly [string, Buffer])[] = [
    ['nothing', Buffer.alloc(0)],
    ['a cut record', handshake(1, 0, body).subarray(0, 100)],
    ['a fragment outside its message', plainRecord(22, Buffer.from('01000001000000000100000100', 'hex'))],
    ['an empty handshake record', plainRecord(22, Buffer.alloc(0))],
    ['application data', plainRecord(23, Buffer.from('x'))],
    ['an alert of three bytes', plainRecord(21, Buffer.alloc(3))],
    ['an unknown content', plainRecord(25, Buffer.from('x'))],
    ['another epoch', plainRecord(22, Buffer.from('x'), 2)],
    ['TLS', Buffer.from('160303000101', 'hex')],
    ['TLS with a long header', Buffer.from('16030300000000000000000001aa', 'hex')],
    ['STUN', Buffer.from('000100002112a442000000000000000000000000', 'hex')],
  ];
  for (const [name, datagram] of dropped)
    test(`dropped: ${name}`, () => {
      const { closed, sent, server } = lonelyServer();
      server.receive(datagram, 0);
      assert.deepEqual(closed, []);
      assert.deepEqual(sent, []);
      assert.equal(server.counters.droppedRecords, datagram.length === 0 ? 0 : 1);
      server.receive(handshake(1, 0, body), 0);
      assert.equal(sent.length, 1, 'a hello is answered all the same');
    });
});

/** Both ends up to the moment before the server gets the client's second flight, which is returned. */
function beforeSecondFlight(options: DtlsLinkOptions = {}): { link: DtlsLink; flight: Buffer } {
  let held: Buffer | null = null;
  let sent = 0;
  const link = new DtlsLink({
    ...options,
    meddle: (datagram, isFromClient) => {
      if (!isFromClient || ++sent !== 2) return datagram;
      held = Buffer.from(datagram);
      return null;
    },
  });
  link.client.start(link.nowUs);
  link.run(1000);
  assert.ok(held !== null);
  return { link, flight: held };
}

function splitRecords(datagram: Uint8Array): Buffer[] {
  const record = new DtlsRecord();
  const records: Buffer[] = [];
  for (let at = 0; at < datagram.length; ) {
    const next = record.parse(datagram, at);
    records.push(Buffer.from(datagram.subarray(at, next)));
    at = next;
  }
  return records;
}

describe('a server, second flight', () => {
  test('every record changed by a bit ends the handshake or is dropped, and never connects', () => {
    for (let i = 0; i < 5; i++) {
      const { flight, link } = beforeSecondFlight();
      const records = splitRecords(flight);
      // A change of cipher is not waited for.
      if (i === 3) continue;
      records[i]![records[i]!.length - 1]! ^= 1;
      link.server.receive(Buffer.concat(records), link.nowUs);
      assert.equal(link.serverLog.keys, null, `record ${i}`);
    }
  });

  const cases: readonly (readonly [string, (records: Buffer[]) => Buffer[], RegExp])[] = [
    [
      'a key that is no point',
      (records) => {
        records[1]!.fill(0x55, 13 + 12 + 2);
        return records;
      },
      /^dtls\.illegal-parameter: public key/,
    ],
    [
      'no certificate',
      (records) => [handshake(11, 1, Buffer.alloc(3)), ...records.slice(1)],
      /^dtls\.no-certificate/,
    ],
    [
      'Finished in the clear',
      (records) => [...records.slice(0, 3), handshake(20, 4, Buffer.alloc(12))],
      /^dtls\.unexpected-message: type 20 in epoch 0/,
    ],
    [
      'no certificate message at all',
      (records) => {
        // The number of the first message that the server expects.
        records[1]!.writeUInt16BE(1, 13 + 4);
        return [records[1]!];
      },
      /^dtls\.unexpected-message: type 16 instead of 11/,
    ],
    [
      'no proof of the key',
      (records) => [...records.slice(0, 2), handshake(16, 3, Buffer.alloc(3))],
      /^dtls\.unexpected-message: type 16 instead of 15/,
    ],
    [
      'a fatal alert in the clear',
      () => [plainRecord(21, Buffer.from([2, 48]))],
      /^dtls\.peer-alert: unknown CA/,
    ],
    ['close notify in the clear', () => [plainRecord(21, Buffer.from([1, 0]))], /^dtls\.closed/],
  ];
  for (const [name, change, reason] of cases)
    test(name, () => {
      const { flight, link } = beforeSecondFlight();
      link.server.receive(Buffer.concat(change(splitRecords(flight))), link.nowUs);
      assert.equal(link.serverLog.keys, null);
      assert.equal(link.serverLog.closed.length, 1);
      assert.match(link.serverLog.closed[0]!, reason);
    });

  test('Finished that overtook everything is kept, a flood of such records is not', () => {
    const { flight, link } = beforeSecondFlight();
    const records = splitRecords(flight);
    link.server.receive(records[4]!, link.nowUs);
    for (let i = 0; i < 100; i++)
      link.server.receive(plainRecord(22, Buffer.alloc(1000), 1, 1000 + i), link.nowUs);
    assert.equal(link.server.counters.droppedRecords, 97);
    for (const record of records.slice(0, 4)) link.server.receive(record, link.nowUs);
    assert.ok(link.serverLog.keys !== null);
  });

  test('a message in the clear that was put behind Finished is not read', () => {
    const { flight, link } = beforeSecondFlight();
    link.server.receive(handshake(4, 5, Buffer.alloc(6)), link.nowUs);
    link.server.receive(flight, link.nowUs);
    assert.ok(link.serverLog.keys !== null);
    assert.deepEqual(link.serverLog.closed, []);
  });

  test('a change of cipher without keys, warnings, repeated hellos: no harm', () => {
    const { flight, link } = beforeSecondFlight();
    link.server.receive(plainRecord(20, Buffer.from([1])), link.nowUs);
    link.server.receive(plainRecord(21, Buffer.from([1, 90])), link.nowUs);
    for (let i = 0; i < 50; i++) link.server.receive(link.clientLog.sent[0]!, link.nowUs);
    assert.equal(link.serverLog.sent.length, 1, 'repeated at most every 20 ms');
    link.server.receive(link.clientLog.sent[0]!, link.nowUs + 20_000);
    assert.equal(link.serverLog.sent.length, 2);
    link.server.receive(flight, link.nowUs);
    assert.ok(link.serverLog.keys !== null);
  });
});

describe('a client', () => {
  /** The server's first flight, changed on its way. */
  function withFlight(change: (records: Buffer[]) => Buffer[]): string[] {
    const link = new DtlsLink({
      meddle: (datagram, isFromClient) =>
        isFromClient ? datagram : Buffer.concat(change(splitRecords(datagram))),
    });
    link.client.start(link.nowUs);
    link.run(1000);
    assert.equal(link.clientLog.keys, null);
    return link.clientLog.closed;
  }

  /** Changes the body of one message. */
  const changed =
    (index: number, change: (body: Buffer) => unknown) =>
    (records: Buffer[]): Buffer[] => {
      change(records[index]!.subarray(25));
      return records;
    };
  const cases: readonly (readonly [string, (records: Buffer[]) => Buffer[], RegExp])[] = [
    ['version 1.0', changed(0, (body) => body.writeUInt16BE(0xfeff, 0)), /^dtls\.version/],
    [
      'a suite that was not offered',
      changed(0, (body) => body.writeUInt16BE(0xc013, 35)),
      /^dtls\.illegal-parameter: suite c013/,
    ],
    ['another random', changed(0, (body) => flipBit(body, 5)), /^dtls\.bad-signature/],
    [
      'an RSA suite with an ECDSA certificate',
      changed(0, (body) => body.writeUInt16BE(0xc02f, 35)),
      /^dtls\.unsupported-certificate/,
    ],
    ['a signature that is none', changed(2, (body) => body.fill(1, 80)), /^dtls\.bad-signature/],
    [
      'an unknown group',
      changed(2, (body) => body.writeUInt16BE(25, 1)),
      /^dtls\.illegal-parameter: group 25/,
    ],
    [
      'messages left out',
      (r) => [r[0]!, handshake(14, 1, Buffer.alloc(0))],
      /^dtls\.unexpected-message: type 14, not certificate/,
    ],
    [
      'a request for another handshake',
      (r) => [handshake(0, 0, Buffer.alloc(0)), ...r],
      /^dtls\.unexpected-message/,
    ],
    [
      'a hello done with content',
      (r) => [...r.slice(0, 4), handshake(14, 4, Buffer.alloc(1))],
      /^dtls\.bad-server-hello-done/,
    ],
  ];
  for (const [name, change, reason] of cases)
    test(name, () => {
      const closed = withFlight(change);
      assert.equal(closed.length, 1);
      assert.match(closed[0]!, reason);
    });

  test('an extension that was not asked for', () => {
    const random = Buffer.alloc(32);
    const hello = Buffer.concat([
      Buffer.from('fefd', 'hex'),
      random,
      Buffer.from('00c02b00000400230000', 'hex'),
    ]);
    assert.deepEqual(
      withFlight(() => [handshake(2, 0, hello)]),
      ['dtls.unsupported-extension: 35'],
    );
  });

  test('cookies for ever', () => {
    const link = new DtlsLink();
    link.client.start(0);
    for (let i = 0; i < 4; i++)
      link.client.receive(handshake(3, i, Buffer.from('feff0411223344', 'hex')), i * 1000);
    assert.equal(link.clientLog.sent.length, 5, 'four hellos and an alert');
    assert.match(link.clientLog.closed[0]!, /^dtls\.unexpected-message: one more cookie/);
    const fragment = new DtlsHandshakeFragment();
    fragment.parse(link.clientLog.sent[1]!, 13, link.clientLog.sent[1]!.length);
    assert.equal(fragment.sequence, 1);
    const hello = parseClientHello(link.clientLog.sent[1]!.subarray(25));
    assert.equal(Buffer.from(hello.cookie).toString('hex'), '11223344');
  });

  test('nothing is read before the start', () => {
    const link = new DtlsLink();
    link.client.receive(handshake(2, 0, Buffer.alloc(40)), 0);
    assert.deepEqual(link.clientLog.closed, []);
    assert.equal(link.client.counters.receivedRecords, 0);
  });
});

describe('after the handshake', () => {
  test('nothing in the clear and nothing forged does anything', () => {
    const link = new DtlsLink().connect();
    const before = link.serverLog.sent.length;
    const forgeries = [
      plainRecord(21, Buffer.from([2, 40])),
      plainRecord(21, Buffer.from([1, 0])),
      handshake(1, 0, helloBody()),
      handshake(20, 5, Buffer.alloc(12)),
      plainRecord(23, Buffer.alloc(100), 1, 5),
      plainRecord(21, Buffer.alloc(40), 1, 6),
      plainRecord(23, Buffer.alloc(100), 2, 5),
    ];
    for (const datagram of forgeries) link.server.receive(datagram, link.nowUs + 1_000_000);
    assert.equal(link.serverLog.sent.length, before);
    assert.deepEqual(link.serverLog.closed, []);
    assert.equal(link.server.counters.droppedRecords, forgeries.length);
    link.client.sendData(Buffer.from('still here'));
    link.run(1000);
    assert.equal(link.serverLog.data.length, 1);
  });

  test('the flight of a peer that did not get ours is answered, its replay is not', () => {
    const link = new DtlsLink().connect();
    link.server.receive(link.clientLog.sent[1]!, link.nowUs + 1_000_000);
    assert.equal(link.serverLog.sent.length, 2, 'the same records again');
    assert.equal(link.server.counters.replayedRecords, 1);
  });

  test('errors of ours are not taken for the peer’s', () => {
    const link = new DtlsLink();
    const server = new DtlsServer(
      { certificate: ecCertificate() },
      {
        send: () => {
          throw new InvariantError('ours');
        },
        onConnected: () => assert.fail('connected'),
        onClosed: () => assert.fail('closed'),
      },
      0,
    );
    link.client.start(0);
    assert.throws(() => server.receive(link.clientLog.sent[0]!, 0), InvariantError);
  });
});
