/** Pulling by WHEP from a whole server and forwarding to one by WHIP; what is refused; loopback only. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { makeIceCredentials } from '../../src/ice/credentials.ts';
import { FRAME_KEY, type Frame } from '../../src/media/frame.ts';
import { answerPublish } from '../../src/rtc/negotiation/answer.ts';
import { parseOffer } from '../../src/rtc/negotiation/offer.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

let near: TestServer;
let origin: TestServer;
let cam: ClipPublisher;

before(async () => {
  near = await TestServer.start({
    webrtc: '<tcp>off</tcp>',
    policy: '<application name="copy"/>',
  });
  const { httpPort, httpsPort } = near;
  origin = await TestServer.start({
    webrtc: '<tcp>off</tcp>',
    policy: `
      <application name="live"><publish><grace>0</grace></publish>
        <stream name="plain"><forward>whip://127.0.0.1:${httpPort}/copy/plain/whip</forward></stream>
        <stream name="secure"><forward>whips://127.0.0.1:${httpsPort}/copy/secure/whip</forward></stream>
        <stream name="srs"><forward>webrtc://127.0.0.1:${httpPort}/copy/srs</forward></stream>
        <stream name="stranger"><forward>http://127.0.0.1:${httpPort}/unknown/stranger/whip</forward></stream>
      </application>
      <application name="all"><publish><grace>0</grace></publish><forward>whip://127.0.0.1:${httpPort}/copy</forward></application>`,
  });
  cam = await ClipPublisher.start({ port: origin.rtmpPort, name: 'cam' });
});

after(async () => {
  cam?.stop();
  await origin?.close();
  await near?.close();
});

function timesRise(frames: readonly Frame[]): void {
  for (const id of new Set(frames.map(({ trackId }) => trackId))) {
    const times = frames.filter(({ trackId }) => trackId === id).map(({ dts }) => dts);
    assert.ok(
      times.every((dts, i) => i === 0 || dts > times[i - 1]!),
      'times rise',
    );
  }
}

function latest(pulled: Pulled, codec: string): number {
  return pulled.frames.filter(({ config }) => config.codec === codec).at(-1)?.dts ?? 0;
}

async function withPull(url: string, check: (pulled: Pulled) => Promise<void>) {
  const pulled = new Pulled(url, { rtcCalls: near.application.context.rtcCalls });
  try {
    await check(pulled);
  } finally {
    pulled.pull.close();
  }
  assert.deepEqual(pulled.faults, []);
}

function playersAtOrigin(): number {
  return origin.application.context.sessions.all().filter(({ role }) => role === 'player').length;
}

describe('pull by WHEP', () => {
  const cases: readonly (readonly [name: string, url: () => string])[] = [
    ['whep://', () => `whep://127.0.0.1:${origin.httpPort}/live/cam/whep`],
    ['wheps://', () => `wheps://127.0.0.1:${origin.httpsPort}/live/cam/whep`],
    ['webrtc://', () => `webrtc://127.0.0.1:${origin.httpPort}/live/cam`],
    ['http://', () => `http://127.0.0.1:${origin.httpPort}/whep/live/cam`],
  ];
  for (const [name, url] of cases) {
    test(name, async () => {
      await withPull(url(), async (pulled) => {
        await pulled.media(['h264', 'opus'], 40);
        assert.equal(pulled.codecs, 'h264+opus');
        timesRise(pulled.frames);
        // The reports of the origin put both on one clock; frames of 20 and 40 ms.
        await until('lip sync', () => Math.abs(latest(pulled, 'h264') - latest(pulled, 'opus')) < 100_000);
        const first = pulled.frames.find(({ config }) => config.codec === 'h264');
        assert.equal(first!.flags & 1, 1, 'the picture begins with a key frame');
        await until('statistics', () => Number(pulled.pull.details?.()['packets'] ?? 0) > 0);
        assert.equal(pulled.pull.details?.()['packets_lost'], 0);
      });
      await until('the end of the session at the origin', () => playersAtOrigin() === 0);
    });
  }
});

test('pull by WHEP: several streams of one server at once do not mix', async () => {
  const other = await ClipPublisher.start({ port: origin.rtmpPort, name: 'other', leadMs: 0 });
  const url = (name: string) => `whep://127.0.0.1:${origin.httpPort}/live/${name}/whep`;
  await withPull(url('cam'), async (first) => {
    await first.media(['h264', 'opus'], 10);
    await withPull(url('other'), async (second) => {
      await second.media(['h264', 'opus'], 10);
      const before = first.payloads('h264').length;
      await first.media(['h264', 'opus'], before + 20);
      timesRise(first.frames);
      timesRise(second.frames);
      for (const { pull } of [first, second])
        await until('statistics', () => Number(pull.details?.()['packets'] ?? 0) > 0);
      for (const { pull } of [first, second]) assert.equal(pull.details?.()['packets_lost'], 0);
    });
    const before = first.payloads('h264').length;
    await first.media(['h264'], before + 10);
  });
  other.stop();
});

test('pull by WHEP: a pause leaves out, a key frame is asked for when it goes on, the end is told', async () => {
  const brief = await ClipPublisher.start({ port: origin.rtmpPort, name: 'brief' });
  const pulled = new Pulled(`whep://127.0.0.1:${origin.httpPort}/live/brief/whep`, {
    rtcCalls: near.application.context.rtcCalls,
  });
  await pulled.media(['h264', 'opus'], 10);
  pulled.pull.pause();
  const held = pulled.frames.length;
  const sent = brief.sent.length;
  await until('more at the source', () => brief.sent.length > sent + 20);
  assert.equal(pulled.frames.length, held);
  pulled.pull.resume();
  await pulled.media(['h264'], pulled.payloads('h264').length + 20);
  await until('a request', () => Number(pulled.pull.details?.()['key_frames_asked'] ?? 0) > 0);
  brief.stop();
  const end = await pulled.ended();
  assert.equal(end.kind, 'over');
  assert.match(end.reason, /^127\.0\.0\.1:\d+ ended the stream$/);
  assert.deepEqual(pulled.faults, []);
});

test('pull by WHEP: a stream of the server, by the API', async () => {
  const response = await fetch(near.http('/api/v1/pulls'), {
    method: 'POST',
    body: JSON.stringify({
      stream: 'copy/pulled',
      url: `whep://tok@127.0.0.1:${origin.httpPort}/live/cam/whep?token=hush`,
    }),
  });
  const { pull } = (await response.json()) as { pull: { id: string } };
  const { hub } = near.application.context;
  await until('the stream', () => hub.find('copy/pulled')?.state === 'live');
  const stream = hub.find('copy/pulled')!;
  await until('tracks', () => stream.tracks.length === 2);
  const owner = hub.publisherOf(stream);
  assert.equal(typeof owner?.requestKeyFrame, 'function');
  owner?.requestKeyFrame?.();
  assert.ok(!JSON.stringify(near.lines).includes('hush') && !JSON.stringify(near.lines).includes('tok@'));
  // From there on to a player, over WebRTC again.
  const again = new Pulled(`whep://127.0.0.1:${near.httpPort}/copy/pulled/whep`, {
    rtcCalls: origin.application.context.rtcCalls,
  });
  await again.media(['h264', 'opus'], 40);
  timesRise(again.frames);
  again.pull.close();
  // Players of FLV know AAC: Opus of WebRTC was nobody's choice, pulled or published.
  const flv = new Pulled(near.http('/copy/pulled.flv'));
  await flv.media(['h264', 'aac'], 20);
  assert.equal(flv.codecs, 'aac+h264');
  flv.pull.close();
  const shown = (await (await fetch(near.http(`/api/v1/pulls/${pull.id}`))).json()) as {
    pull: { state: string; details: Record<string, unknown> };
  };
  assert.equal(shown.pull.state, 'live');
  assert.equal(shown.pull.details['transport'], 'webrtc');
  await fetch(near.http(`/api/v1/pulls/${pull.id}`), { method: 'DELETE' });
  await until('the end of the sessions', () => playersAtOrigin() === 0);
});

test('pull by WHEP: refusals are sentences', async () => {
  const { rtcCalls } = near.application.context;
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => closed.once('listening', done));
  const { port } = closed.address() as AddressInfo;
  await new Promise((done) => closed.close(done));
  const sentences: readonly (readonly [url: string, reason: RegExp])[] = [
    [
      `whep://127.0.0.1:${origin.httpPort}/unknown/cam/whep`,
      /^127\.0\.0\.1:\d+ does not allow it \(403\): The application "unknown" is not allowed/,
    ],
    [
      `whep://127.0.0.1:${origin.httpPort}/live/nobody/whep`,
      /^nobody publishes there, says 127\.0\.0\.1:\d+ \(404\)/,
    ],
    [`whep://127.0.0.1:${port}/live/cam/whep`, /^nothing listens at 127\.0\.0\.1:\d+/],
    [`wheps://127.0.0.1:${origin.httpPort}/live/cam/whep`, /^127\.0\.0\.1:\d+ does not speak TLS$/],
  ];
  for (const [url, reason] of sentences) {
    const pulled = new Pulled(url, { rtcCalls });
    const end = await pulled.ended();
    assert.equal(end.kind, 'failed');
    assert.match(end.reason, reason);
    assert.deepEqual(pulled.faults, []);
  }
  const untrusted = new Pulled(`wheps://127.0.0.1:${origin.httpsPort}/live/cam/whep`, {
    rtcCalls,
    verifies: true,
  });
  assert.match((await untrusted.ended()).reason, /certificate of 127\.0\.0\.1:\d+ is not trusted/);
  assert.throws(() => new Pulled('whep://127.0.0.1/live/cam/whep'), /pulled by a running server/);
  assert.throws(() => new Pulled('webrtc://127.0.0.1/cam', { rtcCalls }), /is no address such as/);
});

describe('forward by WHIP', () => {
  const cases: readonly (readonly [name: string, publish: string, copy: string])[] = [
    ['whip://', 'live/plain', 'copy/plain'],
    ['whips://', 'live/secure', 'copy/secure'],
    ['webrtc://', 'live/srs', 'copy/srs'],
    ['all of an application', 'all/one', 'copy/one'],
  ];
  for (const [name, published, copied] of cases) {
    test(name, async () => {
      const [app = '', stream = ''] = published.split('/');
      const publisher = await ClipPublisher.start({ port: origin.rtmpPort, app, name: stream });
      const { hub } = near.application.context;
      await until('the copy', () => hub.find(copied)?.tracks.length === 2);
      const copy = hub.find(copied)!;
      assert.deepEqual(copy.tracks.map(({ config }) => config.codec).sort(), ['h264', 'opus']);
      const owner = hub.publisherOf(copy);
      assert.deepEqual(owner?.via, [origin.application.context.serverId]);
      const counts = { video: 0, audio: 0, keys: 0 };
      const { detach } = hub.consume(
        copy.key,
        {
          onTracks: () => undefined,
          onFrame: ({ trackId, flags }) => {
            const kind = copy.tracks.find(({ id }) => id === trackId)?.kind;
            if (kind === 'video') counts.keys += flags & FRAME_KEY;
            if (kind === 'video' || kind === 'audio') counts[kind]++;
          },
          onPause: () => undefined,
          onEnd: () => undefined,
        },
        0,
      );
      await until('pictures and sound', () => counts.video > 40 && counts.audio > 40 && counts.keys > 1);
      detach();
      publisher.stop();
      await until('the end of the copy', () => hub.publisherOf(copy) === null);
    });
  }

  test('a target that refuses is tried again, with the reason', async () => {
    const publisher = await ClipPublisher.start({ port: origin.rtmpPort, name: 'stranger' });
    const reason = /^127\.0\.0\.1:\d+ does not allow it \(403\): The application "unknown" is not allowed/;
    await origin.until('a retry', () =>
      origin.logged('forward.retry').some(({ fields }) => reason.test(String(fields['cause']))),
    );
    assert.equal(publisher.peer.closed, false);
    publisher.stop();
  });

  test('a target that does not take the picture is none', async () => {
    const local = {
      ice: makeIceCredentials(),
      fingerprint: near.application.context.rtcCalls.current!.fingerprint,
      candidates: [],
      isLite: true,
      sessionId: '1',
      cname: 'deaf',
    };
    const deaf = createServer((message, response) => {
      let offer = '';
      message.on('data', (part: Buffer) => {
        offer += part.toString();
      });
      message.on('end', () => {
        const { sdp } = answerPublish(parseOffer(offer), local, { stream: 'live/deaf', preferred: [] });
        response.writeHead(201).end(sdp.replace('m=video 9', 'm=video 0'));
      });
    }).listen(0, '127.0.0.1');
    await new Promise((done) => deaf.once('listening', done));
    const { port } = deaf.address() as AddressInfo;
    const server = await TestServer.start({
      webrtc: '<tcp>off</tcp>',
      policy: `<application name="live"><forward>whip://127.0.0.1:${port}/deaf</forward></application>`,
    });
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'deaf' });
    await server.until('the reason', () => server.logged('forward.retry').length > 0);
    assert.equal(
      server.logged('forward.retry')[0]!.fields['cause'],
      'the target does not take the picture (H264)',
    );
    publisher.stop();
    await server.close();
    deaf.close();
  });

  test('a loop of two servers is refused where it closes', async () => {
    const policyTo = (port: number) =>
      `<application name="live"><forward>whip://127.0.0.1:${port}</forward></application>`;
    const options = { webrtc: '<tcp>off</tcp>' };
    const a = await TestServer.start(options);
    const b = await TestServer.start({ ...options, policy: policyTo(a.httpPort) });
    a.application.reload(TestServer.configuration({ ...options, policy: policyTo(b.httpPort) }));
    const publisher = await ClipPublisher.start({ port: a.rtmpPort, name: 'round' });
    await b.until('the refusal', () => b.logged('forward.retry').length > 0);
    assert.match(String(b.logged('forward.retry')[0]!.fields['cause']), /leads back here/);
    assert.equal(publisher.peer.closed, false);
    publisher.stop();
    await a.close();
    await b.close();
  });
});
