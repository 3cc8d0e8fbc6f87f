/** Every endless HTTP way to watch: right bytes over every scheme, waiting for a stream, refusals. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseAdtsHeader } from '../../src/codec/adts.ts';
import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { parseFlv, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { ask } from '../support/http-client.ts';
import { firstBytes, type LiveBody, openHttp2, openLive } from '../support/live-body.ts';
import { type ClipSpec, makeClip, playUrl, publishClip } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

/** 1 ms of the 90 kHz clock: times come in whole milliseconds. */
const MILLISECOND_TICKS = 90;

let server: TestServer;
const publishers: ClipPublisher[] = [];

before(async () => {
  server = await TestServer.start({
    policy: `<application name="live"/>
      <application name="held"><play><wait>5m</wait></play></application>
      <application name="short"><play><wait>300ms</wait></play></application>`,
  });
  const port = server.rtmpPort;
  publishers.push(
    await ClipPublisher.start({ port, name: 'cam' }),
    await ClipPublisher.start({ port, name: 'cam-7' }),
    await ClipPublisher.start({ port, name: 'audio', types: [TAG_AUDIO] }),
    await ClipPublisher.start({ port, name: 'video', types: [TAG_VIDEO] }),
  );
  const { hub } = server.application.context;
  await until('all streams', () =>
    ['cam', 'cam-7', 'audio', 'video'].every((name) => (hub.find(`live/${name}`)?.cachedBytes ?? 0) > 0),
  );
});

after(async () => {
  for (const publisher of publishers) publisher.stop();
  await server.close();
});

/** What a whole number of frames is checked for; the last may be cut off. */
const CHECKS: Readonly<Record<string, (bytes: Buffer) => void>> = {
  '.flv': (bytes) => assert.ok(parseFlv(bytes).length > 10),
  '.ts': (bytes) => {
    const checker = new TsChecker();
    checker.segment(bytes.subarray(0, bytes.length - (bytes.length % 188)));
    assert.deepEqual(checker.finish(), []);
    assert.deepEqual(
      new Set([...checker.streams.values()].map((one) => one.streamType)),
      new Set([0x0f, 0x1b]),
    );
  },
  '.mp4': (bytes) => {
    const checker = new Mp4Checker(MILLISECOND_TICKS);
    checker.stream(wholeBoxes(bytes));
    assert.deepEqual(checker.violations, []);
    assert.equal(checker.tracks.length, 2);
    assert.ok(checker.fragments > 10);
  },
  '.aac': (bytes) => {
    let frames = 0;
    for (let at = 0; at + 7 <= bytes.length; frames++) {
      const header = parseAdtsHeader(bytes, at);
      assert.ok(header, `no frame at ${at}`);
      assert.equal(header.sampleRate, 48_000);
      at += header.frameSize;
    }
    assert.ok(frames > 10);
  },
};

const TYPES: Readonly<Record<string, string>> = {
  '.flv': 'video/x-flv',
  '.ts': 'video/mp2t',
  '.mp4': 'video/mp4',
  '.aac': 'audio/aac',
};

/** Up to the last whole pair of `moof` and `mdat`. */
function wholeBoxes(bytes: Buffer): Buffer {
  let end = 0;
  for (let at = 0; at + 8 <= bytes.length; ) {
    const next = at + bytes.readUInt32BE(at);
    if (next > bytes.length) break;
    if (bytes.toString('latin1', at + 4, at + 8) === 'mdat') end = next;
    at = next;
  }
  return bytes.subarray(0, end);
}

function whole(suffix: string, bytes: Buffer): Buffer {
  if (suffix !== '.aac') return bytes;
  let end = 0;
  for (;;) {
    const header = parseAdtsHeader(bytes, end);
    if (header === null || end + header.frameSize > bytes.length) return bytes.subarray(0, end);
    end += header.frameSize;
  }
}

const base = (scheme: string): string =>
  `${scheme}://127.0.0.1:${scheme.endsWith('s') && scheme !== 'ws' ? server.httpsPort : server.httpPort}`;

const ENOUGH = 60_000;

describe('every scheme and format', { concurrency: 16 }, () => {
  for (const [suffix, check] of Object.entries(CHECKS)) {
    for (const scheme of ['http', 'https', 'ws', 'wss', 'h2']) {
      test(`${scheme}: /live/cam${suffix}`, async (t) => {
        const isHttp2 = scheme === 'h2';
        const body = isHttp2
          ? openHttp2(base('https'), `/live/cam${suffix}`)
          : openLive(`${base(scheme)}/live/cam${suffix}`);
        t.after(() => body.close());
        await firstBytes(body, suffix === '.aac' ? 20_000 : ENOUGH);
        const isWebSocket = scheme.startsWith('ws');
        assert.equal(body.status, isWebSocket ? 101 : 200, body.text.slice(0, 200));
        if (!isWebSocket) assert.equal(body.headers['content-type'], TYPES[suffix]);
        check(suffix === '.flv' ? wholeTags(body.bytes) : whole(suffix, body.bytes));
      });
    }
  }
});

function wholeTags(bytes: Buffer): Buffer {
  let end = 13;
  for (;;) {
    if (end + 11 > bytes.length) return bytes.subarray(0, end);
    const next = end + 15 + bytes.readUIntBE(end + 1, 3);
    if (next > bytes.length) return bytes.subarray(0, end);
    end = next;
  }
}

test('every WebSocket message is whole: packets, fragments, ADTS frames', async (t) => {
  const ts = openLive(`${base('ws')}/live/cam.ts`);
  const mp4 = openLive(`${base('ws')}/live/cam.mp4`);
  const aac = openLive(`${base('ws')}/live/cam.aac`);
  t.after(() => [ts, mp4, aac].map((body) => body.close()));
  await Promise.all([ts, mp4, aac].map((body) => until('messages', () => body.pieces.length > 20)));
  for (const message of ts.pieces) assert.equal(message.length % 188, 0);
  assert.equal(mp4.pieces[0]!.toString('latin1', 4, 8), 'ftyp');
  for (const message of mp4.pieces.slice(1)) {
    assert.equal(message.toString('latin1', 4, 8), 'moof');
    assert.equal(wholeBoxes(message).length, message.length);
  }
  for (const message of aac.pieces) assert.equal(parseAdtsHeader(message)?.frameSize, message.length);
});

test('a stream of sound alone begins with the program tables, wherever a player joins', async (t) => {
  const first = await firstBytes(openLive(server.http('/live/audio.ts')), 20_000);
  const second = await firstBytes(openLive(server.http('/live/audio.ts')), 20_000);
  t.after(() => [first, second].map((body) => body.close()));
  for (const { bytes } of [first, second]) {
    const checker = new TsChecker();
    checker.segment(bytes.subarray(0, bytes.length - (bytes.length % 188)), 'audio', false);
    assert.deepEqual(checker.finish(), []);
  }
});

test('the spellings of ZLMediaKit mean the same streams', async (t) => {
  for (const [path, type] of [
    ['/live/cam.live.flv', 'video/x-flv'],
    ['/live/cam.live.ts', 'video/mp2t'],
    ['/live/cam.live.mp4', 'video/mp4'],
  ] as const) {
    const body = openLive(server.http(path));
    t.after(() => body.close());
    await firstBytes(body, 1000);
    assert.equal(body.headers['content-type'], type, path);
  }
});

test('a name that looks like a segment is a stream when there is one', async (t) => {
  const body = openLive(server.http('/live/cam-7.ts'));
  t.after(() => body.close());
  await firstBytes(body, ENOUGH);
  assert.equal(body.headers['cache-control'], 'no-store');
  CHECKS['.ts']!(body.bytes);
  const missing = await ask({ port: server.httpPort, path: '/live/cam-8.ts' });
  assert.equal(missing.status, 404);
  assert.doesNotMatch(missing.text, /Nobody publishes live\/cam-8/);
});

test('HEAD tells the type, and 404 for what is not there', async () => {
  const there = await ask({ port: server.httpPort, path: '/live/cam.mp4', method: 'HEAD' });
  assert.equal(there.status, 200);
  assert.equal(there.headers['content-type'], 'video/mp4');
  const missing = await ask({ port: server.httpPort, path: '/live/nobody.mp4', method: 'HEAD' });
  assert.equal(missing.status, 404);
});

test('a format that has no place for any track is refused with the reason', async () => {
  const aac = await firstBytes(openLive(server.http('/live/video.aac')), ENOUGH);
  assert.equal(aac.status, 415);
  assert.match(aac.text, /AAC sound alone, no H\.264/);
  const mp3 = await firstBytes(openLive(`${base('ws')}/live/cam.mp3`), ENOUGH);
  assert.equal(mp3.closeCode, 4415);
  assert.match(mp3.closeReason, /MP3 sound alone, no H\.264/);
});

describe('waiting for a stream', () => {
  const live = (body: LiveBody) => body.size > 1000;

  test('without wait: 404 at once', async () => {
    const body = await firstBytes(openLive(server.http('/live/nobody.ts')), 1000);
    assert.equal(body.status, 404);
    assert.match(body.text, /Nobody publishes live\/nobody now/);
  });

  test('viewers of every way are held, and get the stream from its first picture', async (t) => {
    const urls = ['http', 'https', 'ws', 'wss'].flatMap((scheme) =>
      ['.flv', '.ts', '.mp4', '.aac'].map((suffix) => `${base(scheme)}/held/late${suffix}`),
    );
    const bodies = urls.map(openLive);
    t.after(() => bodies.map((body) => body.close()));
    const rtmp = await RtmpPeer.open({ port: server.rtmpPort, app: 'held' });
    t.after(() => rtmp.close());
    await rtmp.play('late');
    const { hub, sessions } = server.application.context;
    const waiting = () => sessions.all().filter((one) => one.streamText === 'held/late').length;
    await until('all wait', () => waiting() === urls.length + 1);
    assert.equal(hub.find('held/late')?.state, 'idle');
    assert.deepEqual(
      bodies.filter((body) => body.status === 200),
      [],
      'no headers before the first bytes',
    );
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, app: 'held', name: 'late' });
    t.after(() => publisher.stop());
    await until('all play', () => bodies.every(live) && rtmp.tags.length > 10);
    for (const body of bodies) assert.ok(body.status === 200 || body.status === 101);
  });

  test('viewers that waited in vain get 404 or the close frame 4404, with the reason', async (t) => {
    const http = openLive(server.http('/short/never.mp4'));
    const webSocket = openLive(`${base('ws')}/short/never.mp4`);
    const http2 = openHttp2(base('https'), '/short/never.mp4');
    const rtmp = await RtmpPeer.open({ port: server.rtmpPort, app: 'short' });
    t.after(() => rtmp.close());
    await rtmp.play('never');
    // RTMP players are held 10 s where the policy says nothing.
    await until('RTMP is told', () => rtmp.has('NetStream.Play.StreamNotFound'), 5000);
    await until('the end', () => http.closed && webSocket.closed && http2.closed);
    assert.equal(http.status, 404);
    assert.match(http.text, /Nobody publishes short\/never now/);
    assert.equal(webSocket.closeCode, 4404);
    assert.match(webSocket.closeReason, /Nobody publishes short\/never now/);
    assert.equal(http2.status, 404);
    assert.equal(server.application.context.hub.find('short/never'), undefined);
  });

  test('a viewer that leaves while it waits leaves nothing behind', async () => {
    const { hub, sessions } = server.application.context;
    for (const url of [server.http('/held/gone.flv'), `${base('ws')}/held/gone.flv`]) {
      const body = openLive(url);
      await until('the stream is known', () => hub.find('held/gone') !== undefined);
      body.close();
      await until('the stream is forgotten', () => hub.find('held/gone') === undefined);
      assert.equal(sessions.all().filter((one) => one.streamText === 'held/gone').length, 0);
    }
  });

  test('a server that stops answers those who wait', async () => {
    const other = await TestServer.start({
      policy: '<application name="live"><play><wait>10m</wait></play></application>',
    });
    const { hub } = other.application.context;
    const http = openLive(other.http('/live/never.ts'));
    const webSocket = openLive(`ws://127.0.0.1:${other.httpPort}/live/never.ts`);
    await until('both wait', () => hub.find('live/never')?.playerCount === 2);
    await other.close();
    await until('both are told', () => http.closed && webSocket.closed);
    assert.equal(http.status, 503);
    assert.equal(webSocket.closeCode, 1001);
  });
});

describe('FFmpeg 8 reads every way', { skip: NODE_AV_MISSING, concurrency: 2 }, () => {
  const seconds = 2;
  const rows: readonly (ClipSpec & { name: string; ways: Readonly<Record<string, number>> })[] = [
    {
      name: 'h264-aac',
      video: 'libx264',
      audio: 'aac',
      format: 'mp4',
      ways: { '.flv': 2, '.ts': 2, '.mp4': 2, '.aac': 1 },
    },
    {
      name: 'hevc-aac',
      video: 'libx265',
      audio: 'aac',
      format: 'mp4',
      ways: { '.ts': 2, '.mp4': 2, '.aac': 1 },
    },
    { name: 'av1-opus', video: 'libsvtav1', audio: 'libopus', format: 'mp4', ways: { '.flv': 2, '.mp4': 2 } },
    {
      name: 'h264-mp3',
      video: 'libx264',
      audio: 'libmp3lame',
      format: 'mp4',
      ways: { '.ts': 2, '.mp4': 2, '.mp3': 1 },
    },
    { name: 'aac', video: 'none', audio: 'aac', format: 'mp4', ways: { '.ts': 1, '.mp4': 1, '.aac': 1 } },
  ];
  for (const row of rows) {
    test(`${row.name} over ${Object.keys(row.ways).join(', ')}`, async (t) => {
      const clip = await makeClip(row, 6);
      const name = `ff-${row.name}`;
      const publishing = publishClip(clip, server.rtmp(`/live/${name}`));
      t.after(() => publishing.stop());
      await until('the stream', () => {
        const stream = server.application.context.hub.find(`live/${name}`);
        const kinds = row.video === 'none' ? 1 : 2;
        return stream?.tracks.length === kinds && stream.cachedBytes > 0;
      });
      await Promise.all(
        Object.entries(row.ways).map(async ([suffix, tracks]) => {
          const seen = await playUrl(server.http(`/live/${name}${suffix}`), seconds);
          assert.equal(seen.error, undefined, suffix);
          assert.equal(seen.streams.length, tracks, `${suffix}: tracks`);
          for (const { kind, dts, packets } of seen.streams) {
            assert.ok(packets.length > 20, `${suffix}: ${packets.length} packets of ${kind}`);
            for (let i = 1; i < dts.length; i++)
              assert.ok(dts[i]! >= dts[i - 1]!, `${suffix}: ${kind} time goes back at packet ${i}`);
            const length = dts.at(-1)! - dts[0]!;
            assert.ok(length > seconds - 0.7, `${suffix}: only ${length} s of ${kind}`);
          }
        }),
      );
    });
  }
});
