/** Playing from RTSP servers without sockets: the usual conversation, what goes wrong, and what real cameras do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RtspPlayHost, RtspPlayTransport } from '../../../../src/client/rtsp/rtsp-play-host.ts';
import { RtspPlaySession } from '../../../../src/client/rtsp/rtsp-play-session.ts';
import type { RtspGroup, RtspPorts } from '../../../../src/client/rtsp/rtsp-ports.ts';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { PAYLOAD_FORMATS } from '../../../../src/wire/rtp/payload-formats.ts';
import { parseRtcp, serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';
import { isRightAnswer, parseAnswer } from '../../../../src/wire/rtsp/authentication.ts';
import { keyData, keyField, readKeyField, type ToldKeys } from '../../../../src/wire/rtsp/key-management.ts';
import { parseRtspUrl } from '../../../../src/wire/rtsp/rtsp-url.ts';
import { AES128_CM_SHA1_80, type SrtpKeys } from '../../../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../../../src/wire/srtp/srtp-sender.ts';
import { FoundFrames, RtspAnswers, rtp } from '../../../support/rtsp-answers.ts';
import { srtpKeys } from '../../../support/srtp-vectors.ts';

const URL = 'rtsp://10.0.0.9/cam';
const SSRC = 0x01020304;

/** Two sounds, as they need no parameter sets. */
const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 10.0.0.9',
  's=Cam',
  't=0 0',
  'a=control:*',
  'm=audio 0 RTP/AVP 8',
  'a=control:trackID=0',
  'm=audio 0 RTP/AVP 0',
  'a=control:trackID=1',
  '',
].join('\r\n');
const ONE = SDP.slice(0, SDP.indexOf('m=audio 0 RTP/AVP 0'));

class FakePorts implements RtspPorts {
  readonly port: number;
  readonly log: string[] = [];
  readonly reports: Buffer[] = [];

  constructor(port: number) {
    this.port = port;
  }

  setPeer(addresses: readonly string[], rtpPort: number, rtcpPort: number): void {
    this.log.push(`peer ${addresses.join(' ')} ${rtpPort} ${rtcpPort}`);
  }

  sendRtp(bytes: Uint8Array): void {
    this.log.push(`rtp ${bytes.length}`);
  }

  sendRtcp(bytes: Uint8Array): void {
    this.log.push('rtcp');
    this.reports.push(Buffer.from(bytes));
  }

  close(): void {
    this.log.push('closed');
  }
}

class World implements RtspPlayHost {
  readonly output = new FoundFrames();
  readonly ports: FakePorts[] = [];
  readonly groups: RtspGroup[] = [];
  readonly told: string[] = [];
  readonly server: RtspAnswers;
  readonly session: RtspPlaySession;
  hasPorts = true;
  us = 1_000_000;

  constructor(transport: RtspPlayTransport, url = URL) {
    this.server = new RtspAnswers((bytes) => this.session.receive(bytes, this.us));
    this.session = new RtspPlaySession(
      {
        url: parseRtspUrl(url),
        transport,
        userAgent: 'Test/1',
        formats: PAYLOAD_FORMATS,
        ssrc: SSRC,
        via: '',
      },
      this,
    );
    this.session.start(this.us);
  }

  peerAddress(): string {
    return '10.0.0.9';
  }

  wallUs(): number {
    return 1_700_000_000_000_000;
  }

  write(bytes: Uint8Array): void {
    this.server.write(bytes);
  }

  openPorts(media: number, done: (ports: RtspPorts | null) => void): void {
    const ports = this.hasPorts ? new FakePorts(40_000 + media * 2) : null;
    if (ports !== null) this.ports.push(ports);
    done(ports);
  }

  joinGroup(_media: number, group: RtspGroup, done: (ports: RtspPorts | null) => void): void {
    this.groups.push(group);
    this.openPorts(0, done);
  }

  onVia(via: string): void {
    this.told.push(`via ${via}`);
  }

  onPlaying(): void {
    this.told.push('playing');
  }

  onRedirect(location: string): void {
    this.told.push(`redirect ${location}`);
  }

  onNeedsTcp(): void {
    this.told.push('needs tcp');
  }

  onEnd(kind: string, predicate: string): void {
    this.told.push(`${kind}: ${predicate}`);
  }

  advanceMs(ms: number, stepMs = 100): void {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.us += stepMs * 1000;
      this.session.tick(this.us);
    }
  }

  options(fields: readonly string[] = ['Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER']): this {
    this.server.asked(`OPTIONS ${URL}`);
    this.server.answer(200, fields);
    return this;
  }

  described(sdp = SDP, fields: readonly string[] = [`Content-Base: ${URL}/`]): this {
    assert.equal(this.server.asked(`DESCRIBE ${URL}`).headers.get('Accept'), 'application/sdp');
    this.server.answer(200, fields, sdp);
    return this;
  }

  /** Answers the SETUP of this address; returns what was asked. */
  setUp(uri: string, transport: string, status = 200): string {
    const request = this.server.asked(`SETUP ${uri}`);
    this.server.answer(status, ['Session: abc;timeout=20', `Transport: ${transport}`]);
    return request.headers.get('Transport');
  }

  playing(uri = `${URL}/`): this {
    assert.equal(this.server.asked(`PLAY ${uri}`).headers.get('Session'), 'abc');
    this.server.answer(200, ['RTP-Info: url=x;seq=1;rtptime=0']);
    assert.deepEqual(this.told, ['playing']);
    return this;
  }
}

const TCP = 'RTP/AVP/TCP;unicast;interleaved=0-1';
const TCP_SECOND = 'RTP/AVP/TCP;unicast;interleaved=2-3';
const UDP = 'RTP/AVP;unicast;client_port=40000-40001;server_port=6000-6001';
const UDP_SECOND = 'RTP/AVP;unicast;client_port=40002-40003;server_port=6002-6003';
const sound = (sequence: number, type = 8) => rtp(type, sequence, sequence * 160, Buffer.alloc(160, 1));

function overTcp(): World {
  const world = new World('tcp').options().described();
  assert.equal(world.setUp(`${URL}/trackID=0`, TCP), TCP);
  assert.equal(world.setUp(`${URL}/trackID=1`, TCP_SECOND), TCP_SECOND);
  return world.playing();
}

function overUdp(transport: RtspPlayTransport = 'auto'): World {
  const world = new World(transport).options().described();
  assert.equal(world.setUp(`${URL}/trackID=0`, UDP), 'RTP/AVP;unicast;client_port=40000-40001');
  assert.equal(world.setUp(`${URL}/trackID=1`, UDP_SECOND), 'RTP/AVP;unicast;client_port=40002-40003');
  return world.playing();
}

test('rtsp play: over TCP from OPTIONS to TEARDOWN', () => {
  const world = overTcp();
  const { server, output } = world;
  server.frame(0, sound(1));
  server.frame(2, sound(1, 0));
  server.frame(0, sound(2));
  server.frame(9, sound(3));
  assert.deepEqual(output.tracks, ['1 g711a', '3 g711u']);
  assert.deepEqual(output.frames, ['1 g711a 160', '3 g711u 160', '1 g711a 160']);
  assert.equal(world.session.packets, 3);
  world.session.close();
  assert.equal(server.asked(`TEARDOWN ${URL}/`).headers.get('Session'), 'abc');
  world.session.close();
  server.quiet();
  assert.deepEqual(world.told, ['playing'], 'who closes is not told');
});

test('rtsp play: every request names the program, and counts', () => {
  const world = new World('tcp');
  const first = world.server.asked(`OPTIONS ${URL}`);
  assert.deepEqual([first.headers.get('CSeq'), first.headers.get('User-Agent')], ['1', 'Test/1']);
  world.server.answer(200);
  assert.equal(world.server.asked(`DESCRIBE ${URL}`).headers.get('CSeq'), '2');
});

test('rtsp play: over UDP with punched holes, reports and signs of life', () => {
  const world = overUdp();
  const [first, second] = world.ports;
  assert.ok(first && second);
  assert.deepEqual(first.log, ['peer 10.0.0.9 6000 6001', 'rtp 12', 'rtcp', 'rtp 12', 'rtcp']);
  world.session.datagram(0, false, sound(1), world.us);
  world.session.datagram(0, false, sound(3), world.us);
  world.session.datagram(0, false, sound(2), world.us);
  assert.equal(world.output.frames.length, 3, 'put in order');
  first.log.length = 0;
  world.advanceMs(5000);
  assert.deepEqual(first.log, ['rtcp']);
  const [report] = parseRtcp(first.reports.at(-1)!);
  assert.ok(report?.type === 'rr');
  assert.deepEqual([report.ssrc, report.reports[0]?.ssrc, report.reports[0]?.highestSequence], [SSRC, 7, 3]);
  world.server.quiet();
  world.advanceMs(5000);
  // Half of the 20 s that the server told.
  assert.equal(world.server.asked(`GET_PARAMETER ${URL}/`).headers.get('Session'), 'abc');
  world.server.answer(200);
  world.advanceMs(10_000);
  world.server.asked(`GET_PARAMETER ${URL}/`);
  assert.ok(first.log.includes('rtp 12'), 'the hole is kept open');
  world.session.close();
  assert.ok(first.log.includes('closed') && second.log.includes('closed'));
});

test('rtsp play: reports over TCP go on the channels of RTCP', () => {
  const world = overTcp();
  world.server.frame(0, sound(1));
  world.advanceMs(5000);
  assert.deepEqual(
    world.server.frames.map(([channel]) => channel),
    [1, 3],
  );
  assert.equal(parseRtcp(world.server.frames[0]![1])[0]?.type, 'rr');
});

test('rtsp play: signs of life are OPTIONS where GET_PARAMETER is unknown or refused', () => {
  const world = new World('tcp').options(['Public: DESCRIBE, PLAY']).described(ONE);
  world.setUp(`${URL}/trackID=0`, TCP);
  world.playing();
  world.advanceMs(10_000);
  world.server.asked(`OPTIONS ${URL}/`);
  const other = overTcp();
  other.advanceMs(10_000);
  other.server.asked(`GET_PARAMETER ${URL}/`);
  other.server.answer(551);
  other.advanceMs(10_000);
  other.server.asked(`OPTIONS ${URL}/`);
  assert.deepEqual(other.told, ['playing']);
});

test('rtsp play: an unanswered sign of life stops neither the media nor the next one', () => {
  const world = overTcp();
  world.advanceMs(10_000);
  world.server.asked(`GET_PARAMETER ${URL}/`);
  world.server.frame(0, sound(1));
  world.advanceMs(15_000);
  world.server.asked(`GET_PARAMETER ${URL}/`);
  assert.deepEqual(world.told, ['playing']);
});

test('rtsp play: a server that has forgotten the session', () => {
  const world = overTcp();
  world.advanceMs(10_000);
  world.server.asked(`GET_PARAMETER ${URL}/`);
  world.server.answer(454);
  assert.deepEqual(world.told, ['playing', 'broken: has forgotten the session (454)']);
});

test('rtsp play: without a packet over UDP, TCP is asked for after three seconds', () => {
  const world = overUdp();
  world.advanceMs(2900);
  assert.deepEqual(world.told, ['playing']);
  world.advanceMs(100);
  assert.deepEqual(world.told, ['playing', 'needs tcp']);
  world.server.asked(`TEARDOWN ${URL}/`);
  assert.ok(world.ports.every(({ log }) => log.at(-1) === 'closed'));
  const patient = overUdp('udp');
  patient.advanceMs(9000);
  assert.deepEqual(patient.told, ['playing'], 'not when UDP alone is wanted');
  const hears = overUdp();
  hears.session.datagram(0, false, sound(1), hears.us);
  hears.advanceMs(9000);
  assert.deepEqual(hears.told, ['playing']);
});

for (const status of [461, 400, 500]) {
  test(`rtsp play: ${status} to UDP means TCP at once, in the same session`, () => {
    const world = new World('auto').options().described();
    world.setUp(`${URL}/trackID=0`, '', status);
    assert.deepEqual(world.ports[0]?.log, ['closed']);
    assert.equal(world.setUp(`${URL}/trackID=0`, TCP), TCP);
    world.setUp(`${URL}/trackID=1`, TCP_SECOND);
    world.playing();
  });
}

test('rtsp play: 461 to the second track begins anew over TCP; UDP alone fails', () => {
  const world = new World('auto').options().described();
  world.setUp(`${URL}/trackID=0`, UDP);
  world.setUp(`${URL}/trackID=1`, '', 461);
  assert.deepEqual(world.told, ['needs tcp']);
  const strict = new World('udp').options().described();
  strict.setUp(`${URL}/trackID=0`, '', 461);
  assert.deepEqual(strict.told, ['failed: answers SETUP with 461 Whatever']);
});

test('rtsp play: without free ports TCP is used', () => {
  const world = new World('auto').options();
  world.hasPorts = false;
  world.described(ONE);
  assert.equal(world.setUp(`${URL}/trackID=0`, TCP), TCP);
});

test('rtsp play: multicast to the group of the answer, or that of the description', () => {
  const world = new World('multicast').options().described(ONE);
  const asked = world.setUp(
    `${URL}/trackID=0`,
    'RTP/AVP;multicast;destination=239.1.2.3;port=5000-5001;ttl=16',
  );
  assert.equal(asked, 'RTP/AVP;multicast');
  assert.deepEqual(world.groups, [{ address: '239.1.2.3', rtpPort: 5000, rtcpPort: 5001 }]);
  world.playing();
  world.session.datagram(0, false, sound(1), world.us);
  assert.equal(world.output.frames.length, 1);
  const other = new World('multicast').options();
  other.described(
    ONE.replace('m=audio 0', 'm=audio 5004').replace(
      'a=control:trackID=0',
      'c=IN IP4 239.9.9.9/32\r\na=control:trackID=0',
    ),
  );
  other.setUp(`${URL}/trackID=0`, 'RTP/AVP;multicast');
  assert.deepEqual(other.groups, [{ address: '239.9.9.9', rtpPort: 5004, rtcpPort: 5005 }]);
  const none = new World('multicast').options().described(ONE);
  none.setUp(`${URL}/trackID=0`, 'RTP/AVP;multicast');
  assert.deepEqual(none.told, ['failed: does not tell a multicast address']);
});

test('rtsp play: redirects', () => {
  const world = new World('tcp').options();
  world.server.asked(`DESCRIBE ${URL}`);
  world.server.answer(302, ['Location: rtsp://other/cam']);
  assert.deepEqual(world.told, ['redirect rtsp://other/cam']);
  const lost = new World('tcp').options();
  lost.server.asked(`DESCRIBE ${URL}`);
  lost.server.answer(301);
  assert.deepEqual(lost.told, ['failed: answers 301 without saying where the stream is']);
  const later = overTcp();
  later.server.say('REDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://other/cam\r\n\r\n');
  assert.equal(later.server.answered(), 200);
  assert.deepEqual(later.told, ['playing', 'redirect rtsp://other/cam']);
});

const LOGIN = 'rtsp://us%40er:p%3Aw@10.0.0.9/cam';
const CREDENTIALS = { user: 'us@er', password: 'p:w' };

for (const challenge of [
  'Basic realm="cam"',
  'Digest realm="cam", nonce="n1"',
  'Digest realm="cam", nonce="n1", algorithm=SHA-256, qop="auth"',
]) {
  test(`rtsp play: login by ${challenge}`, () => {
    const world = new World('tcp', LOGIN);
    assert.equal(world.server.asked(`OPTIONS ${URL}`).headers.has('Authorization'), false);
    world.server.answer(401, [`WWW-Authenticate: ${challenge}`]);
    for (const method of ['OPTIONS', 'DESCRIBE']) {
      const answer = parseAnswer(world.server.asked(`${method} ${URL}`).headers.get('Authorization'));
      assert.ok(answer !== null && isRightAnswer(answer, CREDENTIALS, method));
      world.server.answer(401, [`WWW-Authenticate: ${challenge}`]);
      if (method === 'OPTIONS') {
        assert.deepEqual(world.told, ['failed: does not take this name and password']);
        return;
      }
    }
  });
}

test('rtsp play: a new nonce in the middle is answered once, and once more when it is stale', () => {
  const world = new World('tcp', LOGIN);
  const nonceOf = (line: string) => {
    const answer = parseAnswer(world.server.asked(line).headers.get('Authorization'));
    return answer?.scheme === 'digest' ? answer.nonce : '';
  };
  nonceOf(`OPTIONS ${URL}`);
  world.server.answer(401, ['WWW-Authenticate: Digest realm="cam", nonce="n1"']);
  assert.equal(nonceOf(`OPTIONS ${URL}`), 'n1');
  world.server.answer(200);
  assert.equal(nonceOf(`DESCRIBE ${URL}`), 'n1');
  world.server.answer(401, ['WWW-Authenticate: Digest realm="cam", nonce="n2"']);
  assert.equal(nonceOf(`DESCRIBE ${URL}`), 'n2');
  world.server.answer(401, ['WWW-Authenticate: Digest realm="cam", nonce="n3", stale=true']);
  assert.equal(nonceOf(`DESCRIBE ${URL}`), 'n3');
  world.server.answer(401, ['WWW-Authenticate: Digest realm="cam", nonce="n4", stale=true']);
  assert.deepEqual(world.told, ['failed: does not take this name and password']);
});

test('rtsp play: a login that nobody gave', () => {
  const world = new World('tcp').options();
  world.server.asked(`DESCRIBE ${URL}`);
  world.server.answer(401, ['WWW-Authenticate: Basic realm="cam"']);
  assert.deepEqual(world.told, ['failed: asks for a name and a password']);
});

const REFUSALS: readonly (readonly [name: string, status: number, told: string])[] = [
  ['a stream that is not there', 404, 'failed: has no such stream (404 Whatever)'],
  ['a server with enough players', 453, 'failed: answers DESCRIBE with 453 Whatever'],
  ['a server in trouble', 503, 'failed: answers DESCRIBE with 503 Whatever'],
];

for (const [name, status, told] of REFUSALS) {
  test(`rtsp play: ${name}`, () => {
    const world = new World('tcp').options();
    world.server.asked(`DESCRIBE ${URL}`);
    world.server.answer(status);
    assert.deepEqual(world.told, [told]);
    world.server.quiet();
  });
}

test('rtsp play: descriptions of nothing', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['v=0\r\n', 'failed: describes a stream without tracks'],
    ['', 'failed: describes the stream by what is no SDP (sdp.empty)'],
    [
      'm=video 0 RTP/AVP 34\r\nm=application 0 RTP/AVP 107\r\n',
      'failed: has only tracks that Sluice does not know: H263, application',
    ],
  ];
  for (const [sdp, told] of cases) assert.deepEqual(new World('tcp').options().described(sdp).told, [told]);
});

test('rtsp play: MPEG-TS in RTP', () => {
  const world = new World('tcp').options().described('m=video 0 RTP/AVP 33\r\n');
  world.setUp(`${URL}/`, TCP);
  world.playing();
  world.server.frame(0, rtp(33, 1, 0, Buffer.alloc(188, 0x47)));
  assert.equal(world.session.packets, 1);
  world.advanceMs(5000);
  assert.equal(world.server.frames.length, 1, 'reports go back as well');
});

test('rtsp play: the stream ends', () => {
  const teardown = overTcp();
  teardown.server.say(`TEARDOWN ${URL} RTSP/1.0\r\nCSeq: 4\r\nSession: abc\r\n\r\n`);
  assert.deepEqual(teardown.told, ['playing', 'over: ended the stream']);
  const goodbye = overTcp();
  const bye = serializeRtcp([{ type: 'bye', ssrcs: [7], reason: '' }]);
  goodbye.server.frame(1, bye);
  goodbye.server.frame(3, bye);
  goodbye.advanceMs(1900);
  assert.deepEqual(goodbye.told, ['playing']);
  goodbye.server.frame(0, sound(1));
  goodbye.advanceMs(3000);
  assert.deepEqual(goodbye.told, ['playing'], 'the source began again');
  goodbye.server.frame(1, bye);
  goodbye.advanceMs(2200);
  assert.deepEqual(goodbye.told, ['playing', 'over: ended the stream']);
});

test('rtsp play: requests of the server are answered', () => {
  const world = overTcp();
  for (const [method, status] of [
    ['OPTIONS', 200],
    ['GET_PARAMETER', 200],
    ['ANNOUNCE', 200],
    ['RECORD', 501],
  ] as const) {
    world.server.say(`${method} * RTSP/1.0\r\nCSeq: 9\r\n\r\n`);
    assert.equal(world.server.answered(), status);
  }
});

test('rtsp play: what is no RTSP ends it with a ProtocolError', () => {
  const world = new World('tcp');
  assert.throws(() => world.server.say('HTTP nonsense\r\n\r\n'), ProtocolError);
});

// What cameras and their programs really do.

test('rtsp play quirk: answers without CSeq, or with one of their own, or always the same', () => {
  const world = new World('tcp');
  world.server.asked(`OPTIONS ${URL}`);
  world.server.say('RTSP/1.0 200 OK\nPublic: PLAY\n\n');
  world.server.asked(`DESCRIBE ${URL}`);
  world.server.answer(200, ['CSeq: 99'], ONE);
  world.server.asked(`SETUP ${URL}/trackID=0`);
  world.server.answer(200, ['CSeq: 1', 'Session: abc']);
  world.server.asked(`PLAY ${URL}`);
});

test('rtsp play quirk: 100 Continue is no answer', () => {
  const world = new World('tcp').options();
  world.server.asked(`DESCRIBE ${URL}`);
  world.server.answer(100);
  assert.deepEqual(world.told, []);
  world.server.answer(200, [], ONE);
  world.server.asked(`SETUP ${URL}/trackID=0`);
});

test('rtsp play quirk: an answer that comes after it was given up is not taken for that of the next call', () => {
  const world = overTcp();
  world.advanceMs(10_000);
  const cseq = world.server.asked(`GET_PARAMETER ${URL}/`).headers.get('CSeq');
  world.advanceMs(20_000);
  world.server.asked(`GET_PARAMETER ${URL}/`);
  world.server.answer(454, [`CSeq: ${cseq}`]);
  assert.deepEqual(world.told, ['playing']);
  world.server.answer(454);
  assert.deepEqual(world.told, ['playing', 'broken: has forgotten the session (454)']);
});

test('rtsp play quirk: no OPTIONS (501), and nothing that is Public', () => {
  const world = new World('tcp');
  world.server.asked(`OPTIONS ${URL}`);
  world.server.answer(501);
  world.described(ONE);
  world.setUp(`${URL}/trackID=0`, TCP);
  world.playing();
});

test('rtsp play quirk: other channels than asked for', () => {
  const world = new World('tcp').options().described();
  world.setUp(`${URL}/trackID=0`, 'RTP/AVP/TCP;interleaved=4-5');
  world.setUp(`${URL}/trackID=1`, 'RTP/AVP/TCP;interleaved=10');
  world.playing();
  world.server.frame(4, sound(1));
  world.server.frame(10, sound(1, 0));
  world.server.frame(0, sound(2));
  assert.deepEqual(world.output.frames, ['1 g711a 160', '3 g711u 160']);
});

test('rtsp play quirk: the same channels for all tracks in the answers, and those asked for in the media', () => {
  const world = new World('tcp').options().described();
  world.setUp(`${URL}/trackID=0`, TCP);
  world.setUp(`${URL}/trackID=1`, TCP);
  world.playing();
  world.server.frame(0, sound(1));
  world.server.frame(2, sound(1, 0));
  assert.deepEqual(world.output.frames, ['1 g711a 160', '3 g711u 160']);
});

test('rtsp play quirk: SETUP answered without Transport', () => {
  const world = new World('tcp').options().described(ONE);
  world.server.asked(`SETUP ${URL}/trackID=0`);
  world.server.answer(200, ['Session: abc']);
  world.playing();
  world.server.frame(0, sound(1));
  assert.equal(world.output.frames.length, 1);
});

test('rtsp play quirk: TCP although UDP was asked for', () => {
  const world = new World('auto').options().described();
  world.setUp(`${URL}/trackID=0`, TCP);
  assert.deepEqual(world.ports[0]?.log, ['closed']);
  assert.equal(world.setUp(`${URL}/trackID=1`, TCP_SECOND), TCP_SECOND);
  world.playing();
  world.advanceMs(4000);
  assert.deepEqual(world.told, ['playing'], 'no waiting for datagrams');
});

test('rtsp play quirk: UDP although TCP was asked for', () => {
  const world = new World('tcp').options().described();
  world.setUp(`${URL}/trackID=0`, UDP);
  assert.deepEqual(world.told, ['failed: answers with UDP although TCP was asked for']);
});

test('rtsp play quirk: media before the answer to PLAY', () => {
  const world = new World('tcp').options().described(ONE);
  world.setUp(`${URL}/trackID=0`, TCP);
  world.server.asked(`PLAY ${URL}/`);
  world.server.frame(0, sound(1));
  world.server.answer(200);
  assert.deepEqual([world.output.frames.length, world.told], [1, ['playing']]);
});

test('rtsp play quirk: a range is not understood', () => {
  const world = new World('tcp').options().described(ONE);
  world.setUp(`${URL}/trackID=0`, TCP);
  assert.equal(world.server.asked(`PLAY ${URL}/`).headers.get('Range'), 'npt=0.000-');
  world.server.answer(457);
  assert.equal(world.server.asked(`PLAY ${URL}/`).headers.has('Range'), false);
  world.server.answer(200);
  assert.deepEqual(world.told, ['playing']);
});

test('rtsp play quirk: the inner address of a camera behind a router in Content-Base, control and source', () => {
  const world = new World('auto').options();
  const sdp = ONE.replace('a=control:trackID=0', 'a=control:rtsp://192.168.1.2:554/cam/trackID=0');
  world.described(sdp, ['Content-Base: rtsp://192.168.1.2/cam/']);
  world.setUp('rtsp://10.0.0.9/cam/trackID=0', `${UDP};source=192.168.1.2`);
  assert.equal(world.ports[0]?.log[0], 'peer 10.0.0.9 192.168.1.2 6000 6001');
  world.playing();
});

test('rtsp play quirk: a source of zeros, no server_port', () => {
  const world = new World('auto').options().described(ONE);
  world.setUp(`${URL}/trackID=0`, 'RTP/AVP/UDP;unicast;client_port=40000-40001;source=0.0.0.0');
  assert.equal(world.ports[0]?.log[0], 'peer 10.0.0.9 0 0');
});

test('rtsp play quirk: no Content-Base, an absolute control of the session is where PLAY goes', () => {
  const world = new World('tcp').options();
  world.described(ONE.replace('a=control:*', 'a=control:rtsp://10.0.0.9/cam/aggregate'), []);
  world.setUp(`${URL}/trackID=0`, TCP);
  world.playing(`${URL}/aggregate`);
});

test('rtsp play quirk: a track that cannot be set up is left when there are others', () => {
  const world = new World('tcp').options().described();
  world.setUp(`${URL}/trackID=0`, TCP);
  world.setUp(`${URL}/trackID=1`, '', 500);
  world.playing();
  const first = new World('tcp').options().described();
  first.setUp(`${URL}/trackID=0`, '', 404);
  assert.equal(first.setUp(`${URL}/trackID=1`, TCP), TCP);
  first.playing();
  first.server.frame(0, sound(1, 0));
  assert.deepEqual(first.output.frames, ['1 g711u 160']);
});

test('rtsp play quirk: the way back to the loudspeaker is not asked for; sendonly everywhere means nothing', () => {
  const world = new World('tcp').options().described(`${SDP}a=sendonly\r\n`);
  world.setUp(`${URL}/trackID=0`, TCP);
  world.playing();
  const all = new World('tcp').options().described(SDP.replace('a=control:*', 'a=sendonly'));
  all.setUp(`${URL}/trackID=0`, TCP);
  all.setUp(`${URL}/trackID=1`, TCP_SECOND);
  all.playing();
});

test('rtsp play quirk: Session already in the answer to DESCRIBE (ZLMediaKit)', () => {
  const world = new World('tcp').options().described(ONE, ['Session: early']);
  assert.equal(world.server.asked(`SETUP ${URL}/trackID=0`).headers.get('Session'), 'early');
});

test('rtsp play: says which answer it waits for', () => {
  const world = new World('tcp').options();
  assert.equal(world.session.unanswered, 'DESCRIBE');
  overTcp().session.close();
});

test('rtsp play: shows what was lost', () => {
  const world = overUdp();
  for (const sequence of [1, 2, 5, 6]) world.session.datagram(0, false, sound(sequence), world.us);
  for (const sequence of [10, 13]) world.session.datagram(1, false, sound(sequence, 0), world.us);
  world.advanceMs(2000);
  const { jitter_ms: jitter, ...rest } = world.session.details();
  assert.ok(Number(jitter) >= 0);
  assert.deepEqual(rest, {
    transport: 'udp',
    packets: 6,
    packets_lost: 4,
    damaged: 0,
    frames_dropped: 0,
  });
});

const SECURE_URL = 'rtsps://10.0.0.9/cam';
const SERVER_KEYS = srtpKeys(AES128_CM_SHA1_80, 21);
const OTHER_KEYS = srtpKeys(AES128_CM_SHA1_80, 22);
const attribute = (keys: SrtpKeys) => `a=key-mgmt:mikey ${keyData(keys, 0, 1)}`;
const secure = (line: string) =>
  ONE.replace('RTP/AVP 8', 'RTP/SAVP 8').replace('a=control:trackID=0', `${line}\r\na=control:trackID=0`);
const SAVP = 'RTP/SAVP;unicast;client_port=40000-40001;server_port=6000-6001';

/** A sealed packet of the server. */
function sealedSound(sender: SrtpSender, sequence: number): Buffer {
  const plain = sound(sequence);
  const out = Buffer.alloc(plain.length + sender.rtpOverhead);
  sender.protect(plain, out, 0);
  return out;
}

for (const where of ['the description', 'the session', 'the answer to SETUP'] as const) {
  test(`rtsp play: SRTP over UDP with the keys of ${where}`, () => {
    const line = attribute(where === 'the answer to SETUP' ? OTHER_KEYS : SERVER_KEYS);
    const sdp = where === 'the session' ? secure('a=x').replace('t=0 0', `t=0 0\r\n${line}`) : secure(line);
    const world = new World('auto', SECURE_URL);
    world.server.asked(`OPTIONS ${SECURE_URL}`);
    world.server.answer(200, ['Public: DESCRIBE']);
    world.server.asked(`DESCRIBE ${SECURE_URL}`);
    world.server.answer(200, [`Content-Base: ${SECURE_URL}/`], sdp);
    const asked = world.server.asked(`SETUP ${SECURE_URL}/trackID=0`);
    assert.equal(asked.headers.get('Transport'), 'RTP/SAVP;unicast;client_port=40000-40001');
    const ours = readKeyField(asked.headers.get('KeyMgmt')) as ToldKeys;
    assert.deepEqual(ours.sources, [{ policy: 0, ssrc: SSRC, rollover: 0 }]);
    const field = `KeyMgmt: ${keyField('x', keyData(SERVER_KEYS, 0, 1))}`;
    world.server.answer(200, [
      'Session: abc',
      `Transport: ${SAVP}`,
      ...(where === 'the answer to SETUP' ? [field] : []),
    ]);
    world.playing(`${SECURE_URL}/`);
    const sender = new SrtpSender(SERVER_KEYS);
    for (let i = 0; i < 5; i++) world.session.datagram(0, false, sealedSound(sender, i), world.us);
    world.session.datagram(0, false, sound(5), world.us);
    world.advanceMs(6000);
    assert.equal(world.session.packets, 5, 'what is not sealed does not come in');
    assert.equal(world.output.frames.length, 5);
    const { srtp, srtp_refused: refused, packets_lost: lost } = world.session.details();
    assert.deepEqual({ srtp, refused, lost }, { srtp: 'AES_CM_128_HMAC_SHA1_80', refused: 1, lost: 0 });
    const receiver = new SrtpReceiver(ours.keys);
    const reports = world.ports[0]!.reports;
    const out = Buffer.alloc(200);
    for (const report of reports) assert.ok(receiver.unprotectRtcp(report, out) > 0);
    assert.equal(parseRtcp(out.subarray(0, reports.at(-1)!.length - 14))[0]!.type, 'rr');
    // The packet that opens the way through a router.
    assert.ok(world.ports[0]!.log.includes('rtp 22'));
  });
}

test('rtsp play: SRTP over TCP', () => {
  const world = new World('tcp').options().described(secure(attribute(SERVER_KEYS)));
  const asked = world.setUp(`${URL}/trackID=0`, 'RTP/SAVP/TCP;unicast;interleaved=0-1');
  assert.equal(asked, 'RTP/SAVP/TCP;unicast;interleaved=0-1');
  world.playing();
  const sender = new SrtpSender(SERVER_KEYS);
  for (let i = 0; i < 3; i++) world.server.frame(0, sealedSound(sender, i));
  assert.equal(world.output.frames.length, 3);
});

test('rtsp play: RTSPS without SRTP goes by TCP unless UDP is asked for', () => {
  for (const [transport, asked] of [
    ['auto', TCP],
    ['udp', 'RTP/AVP;unicast;client_port=40000-40001'],
  ] as const) {
    const world = new World(transport, SECURE_URL);
    world.server.asked(`OPTIONS ${SECURE_URL}`);
    world.server.answer(200);
    world.server.asked(`DESCRIBE ${SECURE_URL}`);
    world.server.answer(200, [`Content-Base: ${SECURE_URL}/`], ONE);
    assert.equal(world.setUp(`${SECURE_URL}/trackID=0`, asked), asked);
  }
});

test('rtsp play: SRTP whose keys are missing or cannot be read', () => {
  for (const [line, reason] of [
    ['a=x', /SRTP whose keys are not told$/],
    ['a=key-mgmt:mikey AAAA', /SRTP whose keys are in a MIKEY message that cannot be read$/],
  ] as const) {
    const world = new World('udp').options().described(secure(line));
    world.setUp(`${URL}/trackID=0`, SAVP);
    assert.match(world.told.join(), reason);
  }
});
