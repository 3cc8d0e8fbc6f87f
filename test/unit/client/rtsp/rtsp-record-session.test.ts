/** Publishing to RTSP servers without sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RtspRecordSession } from '../../../../src/client/rtsp/rtsp-record-session.ts';
import { isRightAnswer, parseAnswer } from '../../../../src/wire/rtsp/authentication.ts';
import { parseRtspUrl } from '../../../../src/wire/rtsp/rtsp-url.ts';
import { parseSdp, serializeSdp } from '../../../../src/wire/sdp/session-description.ts';
import { RtspAnswers } from '../../../support/rtsp-answers.ts';

const URL = 'rtsp://10.0.0.9:8554/live/cam?key=1';
const PUBLIC = 'Public: OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN, GET_PARAMETER';
const DESCRIPTION = parseSdp(
  'v=0\r\ns=cam\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\nm=audio 0 RTP/AVP 8\r\na=control:streamid=1\r\n',
);

class World {
  readonly told: string[] = [];
  readonly server: RtspAnswers;
  readonly session: RtspRecordSession;
  us = 5_000_000;

  constructor(url = URL) {
    this.server = new RtspAnswers((bytes) => this.session.receive(bytes, this.us));
    this.session = new RtspRecordSession(
      {
        url: parseRtspUrl(url),
        userAgent: 'Test/1',
        description: DESCRIPTION,
        via: ['one', 'two'],
        keys: null,
      },
      {
        write: (bytes) => this.server.write(bytes),
        onRecording: (channels) =>
          this.told.push(`recording ${channels === null ? '' : channels.slice(0, 4).join(' ')}`),
        onEnd: (predicate) => this.told.push(predicate),
      },
    );
    this.session.start(this.us);
  }

  announced(): this {
    this.server.asked(`OPTIONS ${URL}`);
    this.server.answer(200, [PUBLIC]);
    const request = this.server.asked(`ANNOUNCE ${URL}`);
    assert.equal(request.headers.get('Content-Type'), 'application/sdp');
    assert.equal(request.headers.get('X-Sluice-Via'), 'one,two');
    assert.equal(Buffer.from(request.body).toString(), serializeSdp(DESCRIPTION));
    this.server.answer(200);
    return this;
  }

  setUp(position: number, transport: string): this {
    const request = this.server.asked(`SETUP ${URL}/streamid=${position}`);
    const channel = position * 2;
    assert.equal(
      request.headers.get('Transport'),
      `RTP/AVP/TCP;unicast;interleaved=${channel}-${channel + 1};mode=record`,
    );
    this.server.answer(200, [
      'Session: s1;timeout=30',
      transport === '' ? 'X: y' : `Transport: ${transport}`,
    ]);
    return this;
  }

  recording(): this {
    assert.equal(this.server.asked(`RECORD ${URL}`).headers.get('Session'), 's1');
    this.server.answer(200);
    return this;
  }

  advanceMs(ms: number): void {
    for (let passed = 0; passed < ms; passed += 500) {
      this.us += 500_000;
      this.session.tick(this.us);
    }
  }
}

const recording = () => new World().announced().setUp(0, '').setUp(1, '').recording();

test('rtsp record: from OPTIONS to TEARDOWN', () => {
  const world = recording();
  assert.deepEqual(world.told, ['recording ']);
  world.advanceMs(15_000);
  world.server.asked(`GET_PARAMETER ${URL}`);
  world.server.answer(405);
  world.advanceMs(15_000);
  world.server.asked(`OPTIONS ${URL}`);
  world.server.frame(1, Buffer.from('81c90001', 'hex'));
  world.session.close();
  assert.equal(world.server.asked(`TEARDOWN ${URL}`).headers.get('Session'), 's1');
  world.server.quiet();
  assert.deepEqual(world.told, ['recording ']);
});

test('rtsp record: channels of the server are told', () => {
  const world = new World().announced();
  world.setUp(0, 'RTP/AVP/TCP;unicast;interleaved=2-3;mode=record');
  world.setUp(1, 'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record').recording();
  assert.deepEqual(world.told, ['recording 2 3 0 1']);
});

test('rtsp record: login', () => {
  const world = new World(URL.replace('//', '//me:pw@'));
  world.server.asked(`OPTIONS ${URL}`);
  world.server.answer(200, [PUBLIC]);
  world.server.asked(`ANNOUNCE ${URL}`);
  world.server.answer(401, [
    'WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256',
    'WWW-Authenticate: Basic realm="r"',
  ]);
  const again = world.server.asked(`ANNOUNCE ${URL}`);
  const answer = parseAnswer(again.headers.get('Authorization'));
  assert.ok(answer !== null && isRightAnswer(answer, { user: 'me', password: 'pw' }, 'ANNOUNCE'));
  assert.ok(again.body.length > 0, 'the body is sent again');
  world.server.answer(401, ['WWW-Authenticate: Basic realm="r"']);
  assert.deepEqual(world.told, ['does not take this name and password']);
});

test('rtsp record: what servers refuse', () => {
  const noAnnounce = new World();
  noAnnounce.server.asked(`OPTIONS ${URL}`);
  noAnnounce.server.answer(200, ['Public: OPTIONS, DESCRIBE, PLAY']);
  assert.deepEqual(noAnnounce.told, ['takes no streams (it does not know ANNOUNCE)']);

  const unknownOptions = new World();
  unknownOptions.server.asked(`OPTIONS ${URL}`);
  unknownOptions.server.answer(501);
  unknownOptions.server.asked(`ANNOUNCE ${URL}`);
  unknownOptions.server.answer(302, ['Location: rtsp://x/']);
  assert.deepEqual(unknownOptions.told, ['takes the stream elsewhere (302), which is not followed']);

  const udp = new World().announced().setUp(0, 'RTP/AVP;unicast;client_port=1-2;server_port=3-4');
  assert.deepEqual(udp.told, ['takes streams over UDP alone']);
  udp.server.asked(`TEARDOWN ${URL}`);

  const busy = new World().announced();
  busy.server.asked(`SETUP ${URL}/streamid=0`);
  busy.server.answer(453);
  assert.deepEqual(busy.told, ['answers SETUP with 453 Whatever']);

  const ended = recording();
  ended.server.say(`TEARDOWN ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`);
  assert.deepEqual(ended.told, ['recording ', 'ended the session']);

  const forgot = recording();
  forgot.advanceMs(15_000);
  forgot.server.asked(`GET_PARAMETER ${URL}`);
  forgot.server.answer(454);
  assert.deepEqual(forgot.told, ['recording ', 'has forgotten the session (454)']);
});
