/** WHIP and WHEP against the whole server with its own thread, by a client of our own in this process. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FRAME_KEY } from '../../src/media/frame.ts';
import { recordingOf } from '../support/feed-frames.ts';
import { ask2, openHttp2 } from '../support/http2-client.ts';
import { opusRecording } from '../support/opus-recording.ts';
import { Post, StreamWitness } from '../support/publish-body.ts';
import { RtcTestPeer } from '../support/rtc-test-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const RECORDING = opusRecording(2);
const ENOUGH_FRAMES = 100;

describe('WebRTC', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start({
      webrtc: `<ice-servers>stun:stun.example.org:3478</ice-servers>
        <ice-servers>turn:me:secret@turn.example.org?transport=udp</ice-servers>`,
      policy: `<application name="live"><publish grace="300ms"/></application>
        <application name="patient"><publish grace="3s"/><play wait="20s"/></application>`,
    });
  });
  after(async () => {
    await server.close();
  });

  const session = (role: 'publisher' | 'player') =>
    server.application.context.sessions.all().find((one) => one.protocol === 'webrtc' && one.role === role);

  test('what is published by WHIP is played by WHEP', async () => {
    const publisher = await RtcTestPeer.open();
    const player = await RtcTestPeer.open();
    try {
      const witness = new StreamWitness(server.application.context.hub, 'live', 'cam');
      const published = await publisher.publish(server.http('/live/cam/whip'), RECORDING);
      assert.equal(published.status, 201, published.text);
      assert.match(published.headers.get('location') ?? '', /^\/live\/cam\/whip\/[0-9a-z]{26}$/);
      assert.equal(published.headers.get('content-type'), 'application/sdp');
      assert.equal(published.headers.get('accept-patch'), 'application/trickle-ice-sdpfrag');
      assert.equal(
        published.headers.get('link'),
        '<stun:stun.example.org:3478>; rel="ice-server", <turn:turn.example.org?transport=udp>; rel="ice-server"; username="me"; credential="secret"; credential-type="password"',
      );
      await until('the connection of the publisher', () => publisher.isConnected);
      let isSent = false;
      publisher.send(RECORDING, () => {
        isSent = true;
      });
      await until('the tracks', () => witness.tracks.length === 2);
      const played = await player.play(server.http('/live/cam/whep'));
      assert.equal(played.status, 201, played.text);
      await until('the connection of the player', () => player.isConnected);
      await until('all frames', () => isSent);
      await until('frames at the player', () => player.received.frames.length > ENOUGH_FRAMES);

      const detail = session('publisher')!.details!();
      assert.equal(detail['connected'], 'true');
      assert.match(String(detail['way']), /^(udp 127\.0\.0\.1:\d+)?$/);
      await until('the last packets', () => witness.frames.length >= RECORDING.frames.length - 2);
      const pictures = player.received.frames.filter(({ config }) => config.codec === 'h264');
      const sound = player.received.frames.filter(({ config }) => config.codec === 'opus');
      assert.ok((pictures[0]!.flags & FRAME_KEY) !== 0, 'the first picture is a key frame');
      assert.ok(sound.length > 20, `${sound.length} packets of sound`);
      assert.equal(await player.delete(), 200);
      // Said twice, or when the peer has said goodbye to the thread already: it is over, as was wanted.
      assert.equal(await player.delete(), 200);
      assert.equal(server.logged('webrtc.refused').length, 0);
      await until('the end of the player', () => player.closed !== '');
      assert.equal(await publisher.delete(), 200);
      await until('the end of the publisher', () => publisher.closed !== '');
      witness.assertWhole(RECORDING);
      witness.detach();
      assert.equal(session('publisher'), undefined);
      const [stop] = server.logged('webrtc.publish-stop');
      assert.equal(stop?.fields['reason'], 'the peer ended it');
    } finally {
      publisher.close();
      player.close();
    }
  });

  test('candidates, a new start of ICE, and a resource that is gone', async () => {
    const publisher = await RtcTestPeer.open();
    try {
      const published = await publisher.publish(server.http('/whip?app=live&stream=ice'), RECORDING);
      assert.equal(published.status, 201, published.text);
      const { resource } = publisher;
      const etag = published.headers.get('etag') ?? '';
      assert.match(etag, /^"[A-Za-z0-9+/]{4,}"$/);
      const patch = (body: string, headers: Record<string, string> = {}) =>
        fetch(resource, {
          method: 'PATCH',
          body,
          headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', ...headers },
        });
      const candidate =
        'm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n';
      assert.equal((await patch(candidate)).status, 204);
      assert.equal((await patch(candidate, { 'If-Match': etag })).status, 204);
      assert.equal((await patch(candidate, { 'If-Match': '"other"' })).status, 412);
      assert.equal((await patch(candidate, { 'Content-Type': 'application/sdp' })).status, 415);
      assert.equal((await patch('a=ice-ufrag:x\r\n')).status, 400);
      const restarted = await patch('a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n', {
        'If-Match': '*',
      });
      assert.equal(restarted.status, 200);
      assert.equal(restarted.headers.get('content-type'), 'application/trickle-ice-sdpfrag');
      const text = await restarted.text();
      const ufrag = /^a=ice-ufrag:(\S+)/m.exec(text)?.[1];
      assert.ok(ufrag !== undefined && text.includes('a=candidate:'), text);
      assert.equal(restarted.headers.get('etag'), `"${ufrag}"`);
      assert.notEqual(restarted.headers.get('etag'), etag);
      assert.equal((await patch(candidate, { 'If-Match': etag })).status, 412);

      const looked = await fetch(resource);
      assert.equal(looked.status, 405);
      assert.equal(looked.headers.get('allow'), 'OPTIONS, PATCH, DELETE');
      assert.equal(await publisher.delete(), 200);
      assert.equal((await patch(candidate)).status, 404);
    } finally {
      publisher.close();
    }
  });

  test('OPTIONS says what an address takes, and to pages of other sites too', async () => {
    const response = await fetch(server.http('/live/cam/whip'), { method: 'OPTIONS' });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('accept-post'), 'application/sdp');
    assert.match(
      response.headers.get('link') ?? '',
      /^<stun:stun\.example\.org:3478>; rel="ice-server", <turn:/,
    );
    assert.match(response.headers.get('access-control-allow-methods') ?? '', /PATCH, DELETE/);
    assert.match(response.headers.get('access-control-allow-headers') ?? '', /Authorization/);
    assert.match(response.headers.get('access-control-expose-headers') ?? '', /Location.*ETag.*Link/);
  });

  test('refusals have the status and the sentence that help', async () => {
    const post = (path: string, body: string, type = 'application/sdp') =>
      fetch(server.http(path), { method: 'POST', body, headers: { 'Content-Type': type } });
    const peer = await RtcTestPeer.open();
    try {
      const { offer } = await peer.play(server.http('/live/nobody/whep'));
      const sendOffer = offer.replaceAll('a=recvonly', 'a=sendonly');
      const onlyData = sendOffer.replace(
        /^m=(video|audio) .*$/gm,
        'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      );
      const unknown = sendOffer
        .replace(/(H264|H265|VP8|VP9|AV1)\/90000/g, 'THEORA/90000')
        .replace(/m=audio[\s\S]*$/, '');
      const cases: readonly (readonly [string, string, string, number, RegExp])[] = [
        ['/live/cam/whip', 'v=0', 'text/plain', 415, /application\/sdp, not text\/plain/],
        ['/live/cam/whip', 'hello', 'application/sdp', 400, /description cannot be used/],
        ['/live/cam/whip', onlyData, 'application/sdp', 400, /picture or sound/],
        ['/live/cam/whip', unknown, 'application/sdp', 406, /THEORA/],
        ['/live/cam/whip', offer, 'application/sdp', 400, /sends nothing/],
        ['/live/cam/whip', 'x'.repeat(70_000), 'application/sdp', 413, /65536 bytes/],
        ['/live/nobody/whep', offer, 'application/sdp', 404, /Nobody publishes live\/nobody/],
        ['/secret/cam/whip', sendOffer, 'application/sdp', 403, /"secret" is not allowed/],
        ['/whip', sendOffer, 'application/sdp', 400, /Name the stream/],
        ['/rtc/v1/play/', '{}', 'application/json', 400, /streamurl/],
        ['/rtc/v1/play/', 'x', 'application/json', 400, /not JSON/],
      ];
      for (const [path, body, type, status, sentence] of cases) {
        const response = await post(path, body, type);
        const text = await response.text();
        assert.equal(response.status, status, `${path}: ${text}`);
        assert.match(text, sentence, path);
      }
      const looked = await fetch(server.http('/live/cam/whip'));
      assert.equal(looked.status, 405);
      assert.equal(looked.headers.get('allow'), 'OPTIONS, POST');
      assert.match(await looked.text(), /WHIP/);
      const gone = await fetch(server.http(`/live/cam/whip/${'0'.repeat(26)}`), { method: 'DELETE' });
      assert.equal(gone.status, 404);
    } finally {
      peer.close();
    }
  });

  test('the calls of other servers', async () => {
    const peer = await RtcTestPeer.open();
    try {
      const { offer } = await peer.play(server.http('/live/nobody/whep'));
      const sendOffer = offer.replaceAll('a=recvonly', 'a=sendonly');
      const post = async (path: string, body: string, type = 'application/sdp') => {
        const response = await fetch(server.http(path), {
          method: 'POST',
          body,
          headers: { 'Content-Type': type },
        });
        return {
          status: response.status,
          location: response.headers.get('location') ?? '',
          text: await response.text(),
        };
      };
      const end = async (location: string) => {
        const response = await fetch(new URL(location, server.http('/')), { method: 'DELETE' });
        assert.equal(response.status, 200, location);
      };
      for (const [path, stream] of [
        ['/whip/live/a', 'live/a'],
        ['/whip/v1?app=live&name=a', 'live/a'],
        ['/live/a?direction=whip', 'live/a'],
        ['/rtc/v1/whip/?app=live&stream=a', 'live/a'],
        ['/rtc/v1/whip/', 'live/livestream'],
        ['/index/api/whip?app=live&stream=a', 'live/a'],
        ['/api/webrtc?dst=a', 'live/a'],
      ] as const) {
        const { status, location, text } = await post(path, sendOffer);
        assert.equal(status, 201, `${path}: ${text}`);
        assert.match(text, /^v=0\r\n/);
        assert.equal(session('publisher')?.streamText, stream, path);
        await end(location);
        assert.equal(session('publisher'), undefined, path);
      }

      const srs = await post(
        '/rtc/v1/publish/',
        JSON.stringify({ api: 'x', streamurl: 'webrtc://host/live/a?token=t', sdp: sendOffer, tid: '1' }),
        'text/plain',
      );
      assert.equal(srs.status, 200, srs.text);
      const answer = JSON.parse(srs.text);
      assert.equal(answer.code, 0);
      assert.match(answer.sdp, /^v=0\r\n/);
      assert.equal(answer.sessionid, session('publisher')?.id);
      // The name is taken.
      const busy = await post(
        '/rtc/v1/publish/',
        JSON.stringify({ streamurl: 'webrtc://host/live/a', sdp: sendOffer }),
      );
      assert.equal(busy.status, 409);
      assert.equal(JSON.parse(busy.text).code, 409);
      await end(srs.location);

      const zlm = await post('/index/api/webrtc?app=live&stream=a&type=push', sendOffer, 'text/plain');
      assert.equal(zlm.status, 200, zlm.text);
      const { code, type, sdp } = JSON.parse(zlm.text);
      assert.deepEqual([code, type, sdp.slice(0, 3)], [0, 'answer', 'v=0']);
      await end(zlm.location);

      const json = JSON.stringify({ type: 'offer', sdp: sendOffer });
      const go2rtc = await post('/api/webrtc?dst=live/a', json, 'application/json');
      assert.equal(go2rtc.status, 200, go2rtc.text);
      assert.equal(JSON.parse(go2rtc.text).type, 'answer');
      await end(go2rtc.location);
    } finally {
      peer.close();
    }
  });

  test('what admission hears: the query as it came, and a token of the header', async () => {
    const { admission } = server.application.context;
    const check = admission.check.bind(admission);
    const queries: string[] = [];
    admission.check = (request) => {
      queries.push(request.query);
      return check(request);
    };
    const peer = await RtcTestPeer.open();
    try {
      await peer.play(server.http('/live/nobody/whep'), { Authorization: 'Bearer a b' });
      await peer.play(server.http('/live/nobody/whep?key=1&x='), { Authorization: 'Bearer s/cret' });
      await peer.play(server.http('/live/nobody/whep?token=1'), { Authorization: 'Bearer other' });
      // A fault of ours is told as one, and logged.
      admission.check = () => Promise.reject(new Error('broken for the test'));
      const faulty = await peer.play(server.http('/live/nobody/whep'));
      assert.equal(faulty.status, 500);
      assert.match(String(server.faults.splice(0)), /broken for the test/);
    } finally {
      admission.check = check;
      peer.close();
    }
    assert.deepEqual(queries, ['', 'key=1&x=&token=s%2Fcret', 'token=1']);
  });

  test('the same over HTTPS, by HTTP/1.1 and HTTP/2', async () => {
    const peer = await RtcTestPeer.open();
    const session2 = await openHttp2(server.httpsPort);
    try {
      const { offer } = await peer.play(server.http('/live/nobody/whep'));
      const body = offer.replaceAll('a=recvonly', 'a=sendonly');
      const headers = { 'Content-Type': 'application/sdp' };
      const post = new Post({ port: server.httpsPort, path: '/live/tls/whip', tls: true, headers });
      const first = await post.write(Buffer.from(body)).end();
      assert.equal(first.status, 201, first.text);
      const resource = String(first.headers.location);
      assert.equal((await ask2(session2, resource, { method: 'DELETE' })).status, 200);
      const second = await ask2(session2, '/live/tls/whip', {
        method: 'POST',
        headers: { 'content-type': 'application/sdp' },
        body,
      });
      assert.equal(second.status, 201, second.text);
      assert.match(second.text, /^v=0\r\n/);
      const whole = await ask2(session2, String(second.headers.location), { method: 'DELETE' });
      assert.equal(whole.status, 200);
      const long = await ask2(session2, '/live/tls/whip', { method: 'POST', body: 'x'.repeat(70_000) });
      assert.equal(long.status, 413, long.text);
    } finally {
      session2.close();
      peer.close();
    }
  });

  test('a player that waits plays when the publisher comes; one that leaves is forgotten', async () => {
    const publisher = await RtcTestPeer.open();
    const player = await RtcTestPeer.open();
    try {
      const leaving = new AbortController();
      const { offer } = await player.play(server.http('/live/nobody/whep'));
      const left = fetch(server.http('/patient/late/whep'), {
        method: 'POST',
        body: offer,
        headers: { 'Content-Type': 'application/sdp' },
        signal: leaving.signal,
      });
      left.catch(() => undefined);
      const { hub } = server.application.context;
      await until('the first player', () => hub.find('patient/late') !== undefined);
      leaving.abort();
      await until('its end', () => hub.find('patient/late') === undefined);

      const playing = player.play(server.http('/patient/late/whep'));
      await until('the second player', () => hub.find('patient/late') !== undefined);
      await publisher.publish(server.http('/patient/late/whip'), RECORDING);
      await until('the connection', () => publisher.isConnected);
      publisher.send(RECORDING);
      const played = await playing;
      assert.equal(played.status, 201, played.text);
      await until('frames', () => player.received.frames.length > 20);
    } finally {
      publisher.close();
      player.close();
    }
    await until(
      'the end of both',
      () => session('publisher') === undefined && session('player') === undefined,
    );
  });

  test('a publisher that leaves without a word of HTTP, and a player whose stream is over', async () => {
    const publisher = await RtcTestPeer.open();
    const player = await RtcTestPeer.open();
    try {
      await publisher.publish(server.http('/live/bye/whip'), RECORDING);
      await until('the connection', () => publisher.isConnected);
      publisher.send(RECORDING);
      await until('the tracks', () => server.application.context.hub.find('live/bye')?.tracks.length === 2);
      await player.play(server.http('/live/bye/whep'));
      await until('frames', () => player.received.frames.length > 10);
      const { sessions } = server.application.context;
      assert.equal(sessions.all().length, 2);
      publisher.close();
      await until('the end of the publisher', () => session('publisher') === undefined);
      assert.equal(server.logged('webrtc.publish-stop').at(-1)?.fields['reason'], 'the peer left');
      await until('the end of the player', () => player.closed !== '');
      assert.equal(player.closed, 'the peer left');
      await until('its session', () => session('player') === undefined);
    } finally {
      publisher.close();
      player.close();
    }
  });

  test('a player stays while its publisher comes back', async () => {
    const first = await RtcTestPeer.open();
    const second = await RtcTestPeer.open();
    const player = await RtcTestPeer.open();
    try {
      await first.publish(server.http('/patient/back/whip'), RECORDING);
      await until('the connection', () => first.isConnected);
      first.send(RECORDING);
      const stream = () => server.application.context.hub.find('patient/back');
      await until('the tracks', () => stream()?.tracks.length === 2);
      await player.play(server.http('/patient/back/whep'));
      await until('frames', () => player.received.frames.length > 10);
      assert.equal(await first.delete(), 200);
      await second.publish(server.http('/patient/back/whip'), RECORDING);
      await until('the second connection', () => second.isConnected);
      const before = player.received.frames.length;
      second.send(RECORDING);
      await until('further frames', () => player.received.frames.length > before + 60);
      assert.equal(player.closed, '');
      for (const kind of ['h264', 'opus']) {
        const times = player.received.frames
          .filter(({ config }) => config.codec === kind)
          .map(({ dtsMs }) => dtsMs);
        assert.ok(
          times.every((time, at) => at === 0 || time > times[at - 1]!),
          `${kind}: ${times}`,
        );
      }
    } finally {
      first.close();
      second.close();
      player.close();
    }
    await until(
      'the end of all',
      () => session('publisher') === undefined && session('player') === undefined,
    );
  });

  test('other codecs of the stream end its players; somebody may end a publisher', async () => {
    const first = await RtcTestPeer.open();
    const second = await RtcTestPeer.open();
    const player = await RtcTestPeer.open();
    try {
      await first.publish(server.http('/live/change/whip'), RECORDING);
      await until('the connection', () => first.isConnected);
      first.send(RECORDING);
      await until(
        'the tracks',
        () => server.application.context.hub.find('live/change')?.tracks.length === 2,
      );
      await player.play(server.http('/live/change/whep'));
      await until('frames', () => player.received.frames.length > 10);
      session('publisher')!.kick('ended by the test');
      await until('its end', () => first.closed !== '');
      const other = recordingOf('ff8-av1-opus');
      const again = await second.publish(server.http('/live/change/whip'), other);
      assert.equal(again.status, 201, again.text);
      await until('the second connection', () => second.isConnected);
      second.send(other);
      await until('the end of the player', () => player.closed !== '');
      assert.match(String(server.logged('webrtc.play-stop').at(-1)?.fields['reason']), /other codecs now/);
    } finally {
      first.close();
      second.close();
      player.close();
    }
    await until('the end of all', () => session('publisher') === undefined);
  });
});
