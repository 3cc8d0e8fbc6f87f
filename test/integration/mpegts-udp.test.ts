/** MPEG-TS over UDP, RTP, multicast and TCP: publishers, pulls and forwards. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { type AddressInfo, connect, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { RtpPacket, writeRtpHeader } from '../../src/wire/rtp/rtp-packet.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { TAG_AUDIO } from '../support/flv-tags.ts';
import { freeUdpPort } from '../support/free-port.ts';
import { ask } from '../support/http-client.ts';
import { bodyOf, demoRecording, StreamWitness } from '../support/publish-body.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const GROUP = '239.255.77.19';
const recording = demoRecording(6);
const ts = Buffer.concat(bodyOf('ts', recording));

/** A UDP socket of a sender or receiver of the test, on loopback. */
class Peer {
  readonly socket: Socket;
  readonly got: Buffer[] = [];
  readonly ready: Promise<void>;

  constructor() {
    this.socket = createSocket('udp4');
    this.socket.on('message', (bytes) => this.got.push(bytes));
    this.ready = new Promise((done) => this.socket.bind(0, '127.0.0.1', done));
  }

  get port(): number {
    return this.socket.address().port;
  }

  /** A few at a time, so that no buffer overflows. */
  async send(datagrams: readonly Uint8Array[], port: number, host = '127.0.0.1'): Promise<void> {
    await this.ready;
    for (const [index, datagram] of datagrams.entries()) {
      this.socket.send(datagram, port, host);
      // Sending alone would never let this process receive.
      if (index % 8 === 7) await new Promise((done) => setImmediate(done));
    }
    await new Promise((done) => setImmediate(done));
  }

  close(): void {
    this.socket.close();
  }
}

function cut(bytes: Buffer, size: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size));
  return parts;
}

function inRtp(parts: readonly Buffer[], firstSequence = 65_530): Buffer[] {
  return parts.map((part, index) => {
    const packet = Buffer.alloc(12 + part.length);
    writeRtpHeader(packet, 0, 33, false, (firstSequence + index) & 0xffff, index * 3600, 0x1234);
    packet.set(part, 12);
    return packet;
  });
}

let server: TestServer;
const witnesses: StreamWitness[] = [];
const peers: Peer[] = [];

before(async () => {
  server = await TestServer.start({
    config: `<mpegts><ip>127.0.0.1</ip><port>0</port><tcp-port>0</tcp-port></mpegts>`,
    policy: '<application name="live"><publish grace="0" idle="2s"/></application>',
  });
});

after(async () => {
  for (const witness of witnesses) witness.detach();
  for (const peer of peers) peer.close();
  await server.close();
});

function portOf(of: TestServer, type: string): number {
  return of.application.context.endpoints.all().find((one) => one.type === type)!.port;
}

function publishers(of = server) {
  return of.application.context.sessions.all().filter(({ role }) => role === 'publisher');
}

function peer(): Peer {
  const one = new Peer();
  peers.push(one);
  return one;
}

/** Ends the publisher that is there, if any. */
async function reset(): Promise<void> {
  for (const session of publishers())
    (session as unknown as { end(end: object): void }).end({ kind: 'left', reason: 'test' });
  await until('no publisher', () => publishers().length === 0);
}

function watch(of = server, name = 'livestream'): StreamWitness {
  const witness = new StreamWitness(of.application.context.hub, 'live', name);
  witnesses.push(witness);
  return witness;
}

/** The last picture has no length, so it is complete only when something follows or the sender is gone. */
const ALL = recording.frames.length;

describe('a UDP port', () => {
  const shapes: readonly [string, readonly Buffer[], string][] = [
    ['seven packets to a datagram', cut(ts, 1316), 'udp-ts'],
    ['packets cut in two, as FFmpeg sends them', cut(ts, 1472), 'udp-ts'],
    ['one packet to a datagram', cut(ts, 188), 'udp-ts'],
    ['RTP', inRtp(cut(ts, 1316)), 'rtp-ts'],
    ['RTP out of order and twice', disordered(inRtp(cut(ts, 1316))), 'rtp-ts'],
  ];

  function disordered(packets: readonly Buffer[]): Buffer[] {
    const out: Buffer[] = [packets[0]!];
    for (let at = 1; at < packets.length; at += 3) {
      const three = packets.slice(at, at + 3).reverse();
      out.push(...three, three[0]!);
    }
    return out;
  }

  for (const [what, datagrams, protocol] of shapes) {
    test(what, async () => {
      const witness = watch();
      await peer().send(datagrams, portOf(server, 'udp-ts'));
      await until('the frames', () => witness.frames.length >= ALL - 1);
      const [session] = publishers();
      assert.equal(session!.protocol, protocol);
      assert.equal(session!.streamText, 'live/livestream');
      assert.equal(session!.details?.()['continuity_errors'], 0);
      assert.equal(session!.details?.()['lost_datagrams'] ?? 0, 0);
      await reset();
      witness.assertWhole(recording);
    });
  }

  test('what is no transport stream is counted and makes no publisher', async () => {
    const before = server.logged('mpegts.not-ts').length;
    const rtcp = Buffer.from([0x80, 200, 0, 6, ...new Array<number>(24).fill(0)]);
    await peer().send([Buffer.alloc(1316, 0x41), Buffer.alloc(0), rtcp], portOf(server, 'udp-ts'));
    await until('the line', () => server.logged('mpegts.not-ts').length > before);
    assert.equal(publishers().length, 0);
  });

  test('a second sender is refused and counted until the first is silent', async () => {
    const witness = watch();
    const [first, second] = [peer(), peer()];
    const datagrams = cut(ts, 1316);
    const port = portOf(server, 'udp-ts');
    await first.send(datagrams.slice(0, 40), port);
    await until('the first', () => witness.frames.length > 10);
    const [holder] = publishers();
    await second.send(datagrams.slice(0, 5), port);
    await until('the refusals', () => holder!.details?.()['refused_datagrams'] === 5);
    assert.ok(server.logged('mpegts.second-source').length > 0);
    // By and by the first is silent for long enough.
    for (const deadline = Date.now() + 10_000; publishers()[0] === holder; ) {
      assert.ok(Date.now() < deadline, 'the first was never given up');
      await second.send([datagrams[0]!], port);
    }
    await until('the second', () => publishers().length === 1);
    assert.equal(publishers()[0]!.remote, `127.0.0.1:${second.port}`);
    await reset();
  });

  test('losses are counted, and cost the sound that they hit and pictures up to the next key frame', async () => {
    const witness = watch();
    const datagrams = cut(ts, 1316).filter((_, index) => index % 20 !== 10);
    await peer().send(datagrams, portOf(server, 'udp-ts'));
    const sounds = recording.frames.filter(({ config }) => config.codec === 'aac').length;
    await until('most of the sound', () => witness.ofKind('audio').length > sounds * 0.8);
    const sent = new Set(recording.frames.map(({ payload }) => Buffer.from(payload).toString('latin1')));
    for (const { payload } of witness.ofKind('audio'))
      assert.ok(sent.has(Buffer.from(payload).toString('latin1')), 'every sound is one that was sent');
    const { text } = await ask({ port: server.httpPort, path: '/api/v1/clients?count=100' });
    const { clients } = JSON.parse(text) as { clients: Record<string, unknown>[] };
    const details = clients.find(({ protocol }) => protocol === 'udp-ts')!['details'] as Record<
      string,
      number
    >;
    assert.ok(details['continuity_errors']! >= 3, JSON.stringify(details));
    assert.ok(details['frames_dropped']! >= 3, JSON.stringify(details));
    await reset();
  });

  test('a sender that falls silent ends, and may begin again', async () => {
    const witness = watch();
    const one = peer();
    const port = portOf(server, 'udp-ts');
    await one.send(cut(ts, 1316).slice(0, 40), port);
    await until('the publisher', () => witness.frames.length > 10);
    await until('its end', () => publishers().length === 0);
    assert.match(witness.ended, /is gone/);
    const again = watch();
    await one.send(cut(ts, 1316), port);
    await until('frames again', () => again.frames.length >= ALL - 1);
    await reset();
  });

  test('one that is kicked is not heard for a while, others are', async () => {
    const one = peer();
    const port = portOf(server, 'udp-ts');
    const datagrams = cut(ts, 1316);
    await one.send(datagrams.slice(0, 20), port);
    await until('the publisher', () => publishers().length === 1);
    publishers()[0]!.kick('You are not wanted.');
    await one.send(datagrams.slice(20, 40), port);
    const other = peer();
    await other.send(datagrams.slice(0, 20), port);
    await until('the other', () => publishers().length === 1);
    assert.equal(publishers()[0]!.remote, `127.0.0.1:${other.port}`);
    await reset();
  });

  test('an application that is not allowed is refused once', async (t) => {
    const closed = await TestServer.start({
      config: '<mpegts><ip>127.0.0.1</ip><port>0</port><stream>secret/x</stream></mpegts>',
    });
    t.after(() => closed.close());
    await peer().send(cut(ts, 1316).slice(0, 20), portOf(closed, 'udp-ts'));
    await until('the refusal', () => closed.logged('mpegts.refused').length > 0);
    assert.match(String(closed.logged('mpegts.refused')[0]!.fields['cause']), /"secret" is not allowed/);
    assert.equal(publishers(closed).length, 0);
  });
});

describe('a TCP port', () => {
  for (const format of ['ts', 'flv', 'mp4'] as const) {
    test(`takes ${format}`, async () => {
      const witness = watch();
      const socket = connect(portOf(server, 'tcp-ts'), '127.0.0.1');
      for (const part of bodyOf(format, recording)) socket.write(part);
      socket.end();
      await until('the frames', () => witness.frames.length === ALL);
      await until('the end', () => publishers().length === 0);
      witness.assertWhole(recording);
    });
  }

  test('a second connection is refused', async () => {
    const witness = watch();
    const first = connect(portOf(server, 'tcp-ts'), '127.0.0.1');
    first.write(ts.subarray(0, 188 * 200));
    await until('the first', () => witness.frames.length > 10);
    const second = connect(portOf(server, 'tcp-ts'), '127.0.0.1');
    second.on('error', () => undefined);
    await new Promise((done) => second.once('close', done));
    assert.equal(publishers().length, 1);
    first.destroy();
    await until('the end', () => publishers().length === 0);
  });
});

describe('listed addresses', () => {
  test('each has its own stream', async (t) => {
    const other = await TestServer.start({
      config: `<mpegts><listen>udp://127.0.0.1:0?stream=live/a</listen>
        <listen>tcp://127.0.0.1:0?stream=live/b udp://127.0.0.1:0?stream=live/room/c</listen></mpegts>`,
    });
    t.after(() => other.close());
    const listening = other.logged('mpegts.listening');
    assert.deepEqual(
      listening.map(({ fields }) => fields['stream']),
      ['live/a', 'live/b', 'live/room/c'],
    );
    for (const { fields } of listening) {
      const { url, stream } = fields as { url: string; stream: string };
      const slash = stream.lastIndexOf('/');
      const witness = new StreamWitness(
        other.application.context.hub,
        stream.slice(0, slash),
        stream.slice(slash + 1),
      );
      const port = Number(new URL(url.replace(/^\w+/, 'http')).port);
      if (url.startsWith('tcp')) connect(port, '127.0.0.1').end(ts);
      else await peer().send(cut(ts, 1316), port);
      await until(`frames of ${stream}`, () => witness.frames.length >= ALL - 1);
      witness.detach();
    }
  });

  test('repeated elements are printed as one that means the same', () => {
    const listen = ['udp://:9000?stream=live/a', 'udp://@239.1.1.1:9001?interface=eth0;stream=live/b'];
    const load = (elements: string) => TestServer.configuration({ config: `<mpegts>${elements}</mpegts>` });
    const twice = load(listen.map((one) => `<listen>${one}</listen>`).join(''));
    const once = load(`<listen>${listen.join(' ')}</listen>`);
    assert.deepEqual(twice.server.mpegts.listen, once.server.mpegts.listen);
    assert.equal(twice.server.mpegts.listen.length, 2);
    assert.ok(twice.print().includes(`<listen>${listen.join(' ')}</listen>`));
    assert.throws(() => load('<port>1</port><port>2</port>'), /<port> is given twice/);
  });

  test('a TCP port that is taken already is said', () => {
    assert.throws(
      () =>
        TestServer.configuration({
          config: '<mpegts><tcp-port>9000</tcp-port></mpegts><post><port>9000</port></post>',
        }),
      /port 9000 is taken twice/,
    );
  });

  test('a UDP port that is taken already is said', async () => {
    const holder = peer();
    await holder.ready;
    await assert.rejects(
      TestServer.start({ config: `<mpegts><ip>127.0.0.1</ip><port>${holder.port}</port></mpegts>` }),
      /\(mpegts\) is in use/,
    );
  });

  for (const [given, sentence] of [
    ['<listen>udp://:9000</listen>', /is not an address such as/],
    ['<listen>udp://?stream=live/a</listen>', /is not an address such as/],
    ['<listen>http://:9000?stream=live/a</listen>', /is not an address such as/],
    ['<stream>cam</stream>', /is not the name of a stream such as live\/livestream/],
  ] as const) {
    test(`${given} is an error`, () => {
      assert.throws(() => TestServer.configuration({ config: `<mpegts>${given}</mpegts>` }), sentence);
    });
  }

  test('a multicast group', async (t) => {
    const other = await TestServer.start({
      config: `<mpegts><listen>udp://@${GROUP}:0?interface=127.0.0.1;stream=live/group</listen></mpegts>`,
    }).catch((error: unknown) => error as Error);
    if (other instanceof Error) {
      t.skip(`no multicast here: ${other.message}`);
      return;
    }
    t.after(() => other.close());
    const witness = watch(other, 'group');
    const sender = peer();
    await sender.ready;
    sender.socket.setMulticastInterface('127.0.0.1');
    await sender.send(cut(ts, 1316), portOf(other, 'udp-ts'), GROUP);
    await until('the frames', () => witness.frames.length >= ALL - 1);
    const { endpoints } = other.application.context;
    const endpoint = endpoints.all().find(({ type }) => type === 'udp-ts')!;
    assert.equal(endpoints.base(endpoint, 'here'), `udp://${GROUP}:${endpoint.port}`);
  });
});

describe('forwards', () => {
  for (const scheme of ['udp', 'rtp'] as const) {
    test(`${scheme}: whole packets, tables and clock in time, no bursts`, async (t) => {
      const target = peer();
      await target.ready;
      const source = await TestServer.start({
        policy: `<application name="live"><forward>${scheme}://127.0.0.1:${target.port}?ttl=3</forward></application>`,
      });
      t.after(() => source.close());
      const publisher = await ClipPublisher.start({ port: source.rtmpPort, name: 'cam', speed: 4 });
      t.after(() => publisher.stop());
      await until('datagrams', () => target.got.length > 300, 20_000);
      const packet = new RtpPacket();
      const parts = target.got.map((bytes) => {
        if (scheme === 'udp') return bytes;
        assert.ok(packet.parse(bytes));
        assert.equal(packet.payloadType, 33);
        return bytes.subarray(packet.payloadStart, packet.payloadEnd);
      });
      if (scheme === 'rtp') {
        const sequence = target.got.map((bytes) => bytes.readUInt16BE(2));
        for (const [index, one] of sequence.slice(1).entries())
          assert.equal(one, (sequence[index]! + 1) & 0xffff);
      }
      for (const part of parts) {
        assert.ok(part.length > 0 && part.length <= 1316 && part.length % 188 === 0, `${part.length} bytes`);
        assert.equal(part[0], 0x47);
      }
      const bytes = Buffer.concat(parts);
      const checker = new TsChecker();
      checker.segment(bytes);
      assert.deepEqual(checker.finish(), []);
      assert.deepEqual(tableAndClockGaps(bytes), []);
    });
  }

  test('through two servers, bit by bit', async (t) => {
    const witness = watch();
    const source = await TestServer.start({
      policy: `<application name="live"><forward>rtp://127.0.0.1:${portOf(server, 'udp-ts')}</forward></application>`,
    });
    t.after(() => source.close());
    const publisher = await ClipPublisher.start({ port: source.rtmpPort, name: 'cam', speed: 4, leadMs: 0 });
    t.after(() => publisher.stop());
    await until('frames', () => witness.frames.length > 300, 20_000);
    const [session] = publishers();
    assert.equal(session!.details?.()['continuity_errors'], 0);
    const sent = publisher.sent
      .filter(({ type }) => type === TAG_AUDIO)
      .map(({ payload }) => payload.subarray(2));
    const got = witness.ofKind('audio').map(({ payload }) => payload);
    const first = sent.findIndex((payload) => Buffer.compare(payload, got[0]!) === 0);
    assert.ok(first >= 0);
    for (const [index, payload] of got.entries())
      assert.equal(Buffer.compare(payload, sent[first + index]!), 0, `sound ${index}`);
    await reset();
  });

  for (const target of ['udp://127.0.0.1', 'tcp://127.0.0.1:9000', 'rtp://:5000']) {
    test(`${target} is no target`, () => {
      assert.throws(
        () =>
          TestServer.configuration({
            policy: `<application name="live"><forward>${target}</forward></application>`,
          }),
        /does not name a target/,
      );
    });
  }
});

/** Who joins late must find tables within half a second, and clock references 100 ms apart (ISO/IEC 13818-1 2.7.2). */
function tableAndClockGaps(bytes: Buffer): string[] {
  const faults: string[] = [];
  let clock = Number.NaN;
  let tables = Number.NaN;
  for (let at = 0; at < bytes.length; at += 188) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    if (pid === 0) tables = clock;
    const hasClock = (bytes[at + 3]! & 0x20) !== 0 && bytes[at + 4]! > 0 && (bytes[at + 5]! & 0x10) !== 0;
    if (!hasClock) continue;
    const next = (bytes.readUInt32BE(at + 6) * 2 + (bytes[at + 10]! >> 7)) / 90;
    if (next - clock > 100) faults.push(`clock ${clock} to ${next}`);
    if (next - tables > 500) faults.push(`tables ${tables} to ${next}`);
    clock = next;
    if (Number.isNaN(tables)) tables = next;
  }
  return faults;
}

function pull(url: string, silenceMs = 5000) {
  const { tick, clock } = server.application.context;
  const pulled = new Pulled(url, {
    connectMs: 2000,
    silenceMs,
    nowUs: () => clock.nowUs(),
    after: (delayMs, run) => tick.after(delayMs, run),
    onFault: (error) => assert.fail(String(error)),
  });
  return { one: pulled.pull, pulled };
}

describe('pulls', () => {
  for (const [what, scheme, datagrams] of [
    ['plain', 'udp', cut(ts, 1316)],
    ['MediaMTX spelling', 'udp+mpegts', cut(ts, 1472)],
    ['RTP', 'rtp', inRtp(cut(ts, 1316))],
  ] as const) {
    test(`datagrams: ${what}`, async () => {
      const port = await freeUdpPort();
      const { one, pulled } = pull(`${scheme}://127.0.0.1:${port}`);
      const sender = peer();
      // The socket is there when something arrives.
      while (pulled.frames.length === 0) {
        assert.equal(pulled.end, null);
        await sender.send(datagrams.slice(0, 30), port);
      }
      one.close();
      assert.deepEqual(pulled.tracks.map(({ config }) => config.codec).sort(), ['aac', 'h264']);
    });
  }

  test('a multicast group with an interface', async (t) => {
    const port = await freeUdpPort();
    const { one, pulled } = pull(`udp://@${GROUP}:${port}?interface=127.0.0.1&source=127.0.0.1`);
    const sender = peer();
    await sender.ready;
    sender.socket.setMulticastInterface('127.0.0.1');
    for (let round = 0; pulled.frames.length === 0 && pulled.end === null && round < 50; round++)
      await sender.send(cut(ts, 1316).slice(0, 30), port, GROUP);
    one.close();
    if (pulled.end !== null) t.skip(pulled.end.reason);
    else assert.ok(pulled.frames.length > 0);
  });

  test('a TCP server, to its end', async () => {
    const source = createServer((socket) => socket.end(ts));
    await new Promise<void>((done) => source.listen(0, '127.0.0.1', done));
    const { pulled } = pull(`tcp://127.0.0.1:${(source.address() as AddressInfo).port}`);
    await until('the end', () => pulled.end !== null);
    assert.equal(pulled.end!.kind, 'over');
    assert.equal(pulled.frames.length, ALL);
    source.close();
  });

  test('what does not come is said', async () => {
    const port = await freeUdpPort();
    const nothing = pull(`udp://127.0.0.1:${port}`, 300);
    const refused = pull(`tcp://127.0.0.1:${port}`);
    const foreign = pull('udp://192.0.2.1:5000');
    const nowhere = pull(`udp://@${GROUP}:${port}?interface=nosuch0`);
    await until('the ends', () =>
      [nothing, refused, foreign, nowhere].every(({ pulled }) => pulled.end !== null),
    );
    for (const [{ pulled }, sentence] of [
      [nothing, /^nothing has come from udp:.* for 0\.3 s$/],
      [refused, /connection refused/],
      [foreign, /192\.0\.2\.1 is no address of this machine/],
      [nowhere, /no network interface "nosuch0"/],
    ] as const) {
      assert.equal(pulled.end!.kind, 'failed');
      assert.match(pulled.end!.reason, sentence);
    }
  });

  for (const url of [
    'udp://host',
    'tcp://:5000',
    'udp://host:70000',
    'rtp://[::g]:5000',
    'unix://relative',
  ]) {
    test(`${url} is no address`, () => {
      assert.throws(() => pull(url), /is no address such as/);
    });
  }
});
