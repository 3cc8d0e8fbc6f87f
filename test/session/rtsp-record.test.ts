/** Publishers of RTSP sessions without sockets: recorded conversations of programs, and what goes wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Frame } from '../../src/media/frame.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import type { Track } from '../../src/media/track.ts';
import { serializeRtcp } from '../../src/wire/rtp/rtcp.ts';
import { type RtspRequest, serializeRtsp } from '../../src/wire/rtsp/rtsp-message.ts';
import { RtspReader } from '../../src/wire/rtsp/rtsp-reader.ts';
import { RtspConversation, RtspTestServices, URL } from '../support/rtsp-conversation.ts';
import { transportStream } from '../support/rtsp-streams.ts';

const VECTORS = new globalThis.URL('../vectors/rtsp-session/', import.meta.url);

type Step = RtspRequest | { readonly kind: 'frame'; readonly channel: number; readonly payload: Buffer };

/** What a program said, in order. */
function recorded(name: string): Step[] {
  const steps: Step[] = [];
  const reader = new RtspReader({
    request: (request) => steps.push(request),
    response: () => assert.fail('a response'),
    interleaved: (channel, payload) => steps.push({ kind: 'frame', channel, payload: Buffer.from(payload) }),
  });
  reader.receive(readFileSync(new globalThis.URL(name, VECTORS)));
  return steps;
}

/** Says it again, with our session in place of the recorded one. Returns the status of every answer. */
async function replay(talk: RtspConversation, steps: readonly Step[], path?: string): Promise<number[]> {
  for (const step of steps) {
    if (step.kind === 'frame') {
      talk.frame(step.channel, step.payload);
      continue;
    }
    if (step.headers.has('Session')) step.headers.set('Session', talk.token);
    const uri = path === undefined ? step.uri : step.uri.replace(/8554\/(live\/)?\w+/, `8554${path}`);
    talk.raw(serializeRtsp({ ...step, uri }));
    await talk.settle();
  }
  return talk.responses.map(({ status }) => status);
}

/** What comes out of a stream. */
class Watcher {
  tracks: readonly Track[] = [];
  readonly frames: Frame[] = [];

  constructor(services: RtspTestServices, name: string) {
    services.hub.consume(makeStreamKey('live', name), this, 60_000);
  }

  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
  }

  onFrame(frame: Frame): void {
    this.frames.push(frame);
  }

  onPause(): void {}

  onEnd(): void {}

  count(codec: string): number {
    const ids = this.tracks.filter(({ config }) => config.codec === codec).map(({ id }) => id);
    return this.frames.filter(({ trackId }) => ids.includes(trackId)).length;
  }
}

const framesOn = (steps: readonly Step[], channel: number) =>
  steps.filter((step) => step.kind === 'frame' && step.channel === channel).length;

const SDP = [
  'v=0',
  'o=- 0 0 IN IP4 127.0.0.1',
  's=x',
  't=0 0',
  'm=audio 0 RTP/AVP 8',
  'a=control:audio',
  'm=audio 0 RTP/AVP 0',
  'a=control:rtsp://host.test:8554/live/cam/second',
  '',
].join('\r\n');
const tcp = (channel: number) => [
  `Transport: RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1};mode=record`,
];
const udp = (port: number) => [`Transport: RTP/AVP;unicast;client_port=${port}-${port + 1};mode=record`];

/** 20 ms of G.711. */
function packet(sequence: number, payloadType = 8): Buffer {
  const bytes = Buffer.alloc(12 + 160, 0xd5);
  bytes[0] = 0x80;
  bytes[1] = payloadType;
  bytes.writeUInt16BE(sequence & 0xffff, 2);
  bytes.writeUInt32BE(sequence * 160, 4);
  bytes.writeUInt32BE(7, 8);
  return bytes;
}

async function recording(fields = tcp(0), services = new RtspTestServices()) {
  const talk = new RtspConversation(services);
  const watcher = new Watcher(services, 'cam');
  assert.equal((await talk.ask('ANNOUNCE', URL, [], SDP)).status, 200);
  assert.equal((await talk.ask('SETUP', `${URL}/audio`, fields)).status, 200);
  assert.equal((await talk.ask('RECORD')).status, 200);
  return { talk, services, watcher };
}

describe('recorded publishers', () => {
  test('FFmpeg 5.1 over TCP', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    const watcher = new Watcher(services, 'a');
    const steps = recorded('record-ffmpeg51-tcp.bin');
    assert.deepEqual(await replay(talk, steps), [200, 200, 200, 200, 200, 200]);
    assert.deepEqual(
      watcher.tracks.map(({ config }) => config.codec),
      ['h264', 'aac'],
    );
    const [video] = watcher.tracks;
    assert.deepEqual([video?.config.width, video?.config.height], [320, 180]);
    assert.ok(watcher.count('h264') >= 10, `${watcher.count('h264')} pictures`);
    assert.ok(watcher.count('aac') >= framesOn(steps, 2), `${watcher.count('aac')} frames of sound`);
    assert.equal(talk.session.userAgent, 'Lavf59.27.100');
    assert.equal(talk.session.role, 'publisher');
    talk.assertClosed();
    services.assertFree('live', 'a');
  });

  test('GStreamer 1.22: sound first, LATM, PAUSE at its end', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    const watcher = new Watcher(services, 'c');
    const statuses = await replay(talk, recorded('record-gst-tcp.bin'));
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200]);
    assert.ok(watcher.count('h264') >= 5, `${watcher.count('h264')} pictures`);
    assert.ok(watcher.count('aac') >= 5, `${watcher.count('aac')} frames of sound`);
    assert.equal(talk.session.closed, false);
    talk.session.finish('the peer ended the connection');
    talk.assertClosed();
    services.assertFree('live', 'c');
  });

  test('FFmpeg 5.1 over UDP', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    const watcher = new Watcher(services, 'b');
    const steps = recorded('record-ffmpeg51-udp.bin');
    assert.deepEqual(await replay(talk, steps.slice(0, -1)), [200, 200, 200, 200, 200]);
    const text = readFileSync(new globalThis.URL('record-ffmpeg51-udp.txt', VECTORS), 'utf8');
    for (const line of text.trim().split('\n')) {
      const [, direction, hex = '', ports = ''] = line.split(' ');
      if (direction !== '>') continue;
      const port = Number(ports.split(':')[0]);
      const pair = services.ports.pairs.find(({ peer }) => peer?.rtpPort === port || peer?.rtcpPort === port);
      pair!.peer!.onDatagram(Buffer.from(hex, 'hex'), pair!.peer!.rtcpPort === port);
    }
    assert.ok(watcher.count('h264') >= 10);
    assert.ok(watcher.count('aac') >= 3);
    assert.ok(talk.session.bytesIn() > 20_000);
    assert.equal((await replay(talk, steps.slice(-1))).at(-1), 200);
    talk.assertClosed();
  });

  test('in any pieces', async () => {
    const whole = readFileSync(new globalThis.URL('record-ffmpeg51-tcp.bin', VECTORS));
    // The recorded session id is that of another server.
    const bytes = Buffer.from(whole.toString('latin1').replaceAll(/Session: \w+\r\n/g, ''), 'latin1');
    for (const size of [1, 7, 100, bytes.length]) {
      const services = new RtspTestServices();
      const talk = new RtspConversation(services);
      const watcher = new Watcher(services, 'a');
      for (let at = 0; at < bytes.length; at += size) {
        talk.raw(bytes.subarray(at, at + size));
        if (size > 50 || at < 3000) await talk.settle();
      }
      await talk.settle();
      assert.equal(talk.responses.length, 6, `pieces of ${size}`);
      assert.ok(watcher.count('h264') >= 10, `pieces of ${size}`);
      talk.assertClosed();
    }
  });
});

describe('recorded players', () => {
  for (const name of ['play-ffmpeg51-tcp', 'play-ffmpeg51-udp', 'play-gst-tcp', 'play-mpv-tcp']) {
    test(`${name} is answered with 200 throughout`, async () => {
      const services = new RtspTestServices();
      const source = new RtspConversation(services);
      await replay(source, recorded('record-ffmpeg51-tcp.bin').slice(0, -1));
      const talk = new RtspConversation(services);
      const steps = recorded(`${name}.bin`).map((step) =>
        step.kind === 'request' ? { ...step, uri: step.uri.replace(/stream=/, 'trackID=') } : step,
      );
      const statuses = await replay(talk, steps, '/live/a');
      assert.deepEqual([...new Set(statuses)], [200]);
      const sent = talk.packets.length + services.ports.pairs.reduce((sum, { rtp }) => sum + rtp.length, 0);
      assert.ok(sent > 10, `${sent} packets`);
      talk.assertClosed();
    });
  }
});

describe('ANNOUNCE', () => {
  const cases: readonly [name: string, body: string, fields: readonly string[], status: number][] = [
    ['without a description', '', [], 400],
    ['without media', 'v=0\r\ns=x\r\n', [], 415],
    ['of formats that nobody knows', 'v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 X-ODD/90000\r\n', [], 415],
    ['of too many media', `v=0\r\n${'m=audio 0 RTP/AVP 8\r\n'.repeat(17)}`, [], 453],
    ['of another type', 'x', ['Content-Type: text/plain'], 415],
  ];
  for (const [name, body, fields, status] of cases) {
    test(`${name} is refused: ${status}`, async () => {
      const talk = new RtspConversation();
      assert.equal((await talk.ask('ANNOUNCE', URL, fields, body)).status, status);
      if (!talk.session.closed) assert.equal((await talk.ask('RECORD')).status, 455);
      talk.assertNoFaults();
    });
  }

  test('asks for a login, after OPTIONS', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = {
      ...services.streamPolicy,
      publishLogin: { user: 'cam', password: 'x', basic: true },
    };
    const talk = new RtspConversation(services);
    assert.equal((await talk.ask('OPTIONS')).status, 200);
    assert.equal((await talk.ask('ANNOUNCE', URL, [], SDP)).status, 401);
    const login = `Authorization: Basic ${Buffer.from('cam:x').toString('base64')}`;
    assert.equal((await talk.ask('ANNOUNCE', URL, [login], SDP)).status, 200);
    assert.equal((await talk.ask('SETUP', `${URL}/audio`, tcp(0))).status, 200);
  });

  test('of a stream that came through here already is refused', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    const looped = await talk.ask('ANNOUNCE', URL, ['X-Sluice-Via: other, me'], SDP);
    assert.deepEqual([looped.status, looped.reason], [403, 'It came through here already.']);
    assert.equal((await talk.ask('ANNOUNCE', URL, ['X-Sluice-Via: other,'], SDP)).status, 200);
    await talk.ask('SETUP', `${URL}/audio`, tcp(0));
    await talk.ask('RECORD');
    const stream = services.hub.find('live/cam')!;
    assert.deepEqual(services.hub.publisherOf(stream)?.via, ['other']);
  });

  test('keeps the query for admission', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    await talk.ask('ANNOUNCE', `${URL}?user=a&token=b`, [], SDP);
    assert.equal(services.requests[0]?.query, 'user=a&token=b');
    assert.equal(services.requests[0]?.action, 'publish');
    assert.equal((await talk.ask('SETUP', `${URL}?user=a&token=b/audio`, tcp(0))).status, 200);
  });
});

describe('SETUP of a publisher', () => {
  test('finds media by their control, absolute or not, else takes the next', async () => {
    const { talk, services } = await recording();
    await talk.ask('TEARDOWN');
    const other = new RtspConversation(services);
    await other.ask('ANNOUNCE', URL, [], SDP);
    assert.equal((await other.ask('SETUP', 'rtsp://host.test:8554/live/cam/second', tcp(4))).status, 200);
    assert.equal((await other.ask('SETUP', 'rtsp://host.test:8554/live/cam/odd', tcp(6))).status, 200);
    await other.ask('RECORD');
    other.frame(4, packet(1, 0));
    other.frame(6, packet(1, 8));
    const codecs = services.hub.find('live/cam')?.tracks.map(({ config }) => config.codec);
    assert.deepEqual(codecs?.sort(), ['g711a', 'g711u']);
    assert.equal(services.hub.find('live/cam')?.statistics.audioFrames, 2);
  });

  test('of the whole of several media is refused', async () => {
    const talk = new RtspConversation();
    await talk.ask('ANNOUNCE', URL, [], SDP);
    assert.equal((await talk.ask('SETUP', URL, tcp(0))).status, 459);
    assert.equal((await talk.ask('RECORD')).status, 455);
  });
});

describe('RECORD', () => {
  test('only what was set up is a track', async () => {
    const { talk, services } = await recording();
    talk.frame(0, packet(1));
    assert.deepEqual(
      services.hub.find('live/cam')?.tracks.map(({ config }) => config.codec),
      ['g711a'],
    );
  });

  test('a name that is taken is refused with who has it, and a second try may come', async () => {
    const { services, talk: first } = await recording();
    const second = new RtspConversation(services);
    await second.ask('ANNOUNCE', URL, [], SDP);
    await second.ask('SETUP', `${URL}/audio`, tcp(0));
    const answer = await second.ask('RECORD');
    assert.equal(answer.status, 403);
    assert.match(answer.reason, /^live\/cam is already being published by 192\.0\.2\.7:4711 \(rtsp, session/);
    await first.ask('TEARDOWN');
    assert.equal((await second.ask('RECORD')).status, 200);
  });

  test('a publisher that is replaced is closed', async () => {
    const services = new RtspTestServices({ busy: 'takeover' });
    const { talk: first } = await recording(tcp(0), services);
    const second = new RtspConversation(services);
    await second.ask('ANNOUNCE', URL, [], SDP);
    await second.ask('SETUP', `${URL}/audio`, tcp(0));
    assert.equal((await second.ask('RECORD')).status, 200);
    first.assertClosed();
    assert.equal(second.session.closed, false);
  });

  test('receiver reports go back, and losses are counted', async () => {
    const { talk } = await recording();
    for (const sequence of [1, 2, 5, 6]) talk.frame(0, packet(sequence));
    await talk.pass(6);
    const [report] = talk.on(1);
    assert.equal(report?.[1], 201);
    assert.equal(talk.session.details()['packets_lost'], 2);
    assert.equal(talk.session.details()['packets'], 4);
  });

  test('over UDP packets are put in order, and reports are datagrams', async () => {
    const { talk, services, watcher } = await recording(udp(5000));
    const [pair] = services.ports.pairs;
    for (const sequence of [1, 3, 2, 4]) pair!.peer!.onDatagram(packet(sequence), false);
    assert.equal(watcher.frames.length, 4);
    const times = watcher.frames.map(({ dts }) => dts);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    await talk.pass(6);
    assert.equal(pair!.rtcp[0]?.[1], 201);
    talk.session.finish('gone');
    talk.assertClosed();
  });

  test('silence ends it, from the start and later', async () => {
    const { talk } = await recording();
    await talk.pass(5);
    assert.equal(talk.session.closed, false);
    await talk.pass(1);
    talk.assertClosed();
    const { talk: other, services } = await recording();
    other.frame(0, packet(1));
    await other.pass(8);
    assert.equal(other.session.closed, false);
    await other.pass(1);
    other.assertClosed();
    assert.equal(services.logged('rtsp.timeout').length, 1);
  });

  test('a goodbye of all media ends it', async () => {
    const { talk } = await recording();
    talk.frame(0, packet(1));
    talk.frame(
      1,
      serializeRtcp([
        { type: 'rr', ssrc: 7, reports: [] },
        { type: 'bye', ssrcs: [7], reason: '' },
      ]),
    );
    await talk.pass(1);
    talk.assertClosed();
  });

  test('PAUSE stops what comes, RECORD goes on', async () => {
    const { talk, watcher } = await recording();
    talk.frame(0, packet(1));
    assert.equal((await talk.ask('PAUSE')).status, 200);
    talk.frame(0, packet(2));
    assert.equal(watcher.frames.length, 1);
    assert.equal((await talk.ask('RECORD')).status, 200);
    talk.frame(0, packet(3));
    assert.ok(watcher.frames.length >= 2);
  });

  test('a kick closes it and frees the name', async () => {
    const { talk, services } = await recording();
    talk.session.kick('out');
    talk.assertClosed();
    services.assertFree('live', 'cam');
  });

  test('a transport stream inside RTP gives its tracks', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    const watcher = new Watcher(services, 'cam');
    const sdp = 'v=0\r\ns=x\r\nm=video 0 RTP/AVP 33\r\na=control:0\r\n';
    await talk.ask('ANNOUNCE', URL, [], sdp);
    await talk.ask('SETUP', `${URL}/0`, tcp(0));
    await talk.ask('RECORD');
    const ts = transportStream();
    for (let at = 0, sequence = 1; at < ts.length; at += 1316, sequence++) {
      const head = packet(sequence, 33).subarray(0, 12);
      talk.frame(0, Buffer.concat([head, ts.subarray(at, at + 1316)]));
    }
    assert.deepEqual(
      watcher.tracks.map(({ config }) => config.codec),
      ['h264'],
    );
    assert.ok(watcher.frames.length >= 5);
  });
});
