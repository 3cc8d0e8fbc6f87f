/** Every HTTP way to watch, fetched as a careful player does it and judged by the checkers of test/conformance. */
import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { DashFollower } from '../support/dash-follower.ts';
import { TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { HlsFollower } from '../support/hls-follower.ts';
import { readByMp4box } from '../support/mp4-oracle.ts';
import { TestServer } from '../support/test-server.ts';

const FOLLOW_SECONDS = 6;
const STREAMS = { both: [TAG_AUDIO, TAG_VIDEO], sound: [TAG_AUDIO], pictures: [TAG_VIDEO] } as const;
type StreamName = keyof typeof STREAMS;
const NAMES = Object.keys(STREAMS) as StreamName[];

let server: TestServer;
const publishers: ClipPublisher[] = [];

before(async () => {
  server = await TestServer.start({
    policy: `<application name="live"><hls><duration>2s</duration><part>200ms</part><count>8</count></hls>
      <publish><grace>0</grace></publish></application>`,
  });
  for (const name of NAMES)
    publishers.push(await ClipPublisher.start({ port: server.rtmpPort, name, types: STREAMS[name] }));
});

after(async () => {
  for (const publisher of publishers) publisher.stop();
  await server.close();
});

async function follow(path: string): Promise<HlsFollower> {
  const follower = new HlsFollower({ port: server.httpPort, path, seconds: FOLLOW_SECONDS });
  await follower.run();
  assert.deepEqual(follower.violations, []);
  return follower;
}

/** What a live address sends in this time. */
function watch(path: string, seconds: number): Promise<{ type: string; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port: server.httpPort, path, agent: false }, (response) => {
      assert.equal(response.statusCode, 200);
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', () => {});
      setTimeout(() => {
        resolve({ type: String(response.headers['content-type']), bytes: Buffer.concat(parts) });
        request.destroy();
      }, seconds * 1000);
    });
    request.on('error', reject);
  });
}

/** Up to the end of the last box that is whole. */
function wholeBoxes(bytes: Buffer): Buffer {
  let at = 0;
  let end = 0;
  while (bytes.length - at >= 8 && at + bytes.readUInt32BE(at) <= bytes.length) {
    const type = bytes.toString('latin1', at + 4, at + 8);
    at += bytes.readUInt32BE(at);
    if (type === 'moov' || type === 'mdat') end = at;
  }
  return bytes.subarray(0, end);
}

describe('conformance of what is served', { concurrency: 4 }, () => {
  for (const name of NAMES) {
    test(`HLS with MPEG-TS: ${name}`, async () => {
      const { lists } = await follow(`/live/${name}.ts.m3u8`);
      assert.ok(lists[0]!.ts.packets > 100);
    });

    test(`HLS with fMP4: ${name}`, async () => {
      const { lists } = await follow(`/live/${name}.fmp4.m3u8`);
      assert.equal(lists.length, STREAMS[name].length);
      for (const list of lists) {
        assert.ok(list.mp4.fragments >= 3, `${list.mp4.fragments} fragments`);
        const { tracks, error } = list.foreignReading();
        assert.equal(error, '');
        assert.ok(tracks[0]!.samples.length > 50);
      }
    });

    test(`Low-Latency HLS: ${name}`, async () => {
      const { lists } = await follow(`/live/${name}.ll.m3u8`);
      assert.equal(lists.length, STREAMS[name].length);
      for (const list of lists) {
        // Every part is a new list, and every list answered when there was something new.
        assert.ok(list.fetchedParts > FOLLOW_SECONDS * 3, `${list.fetchedParts} parts`);
        assert.ok(list.reloads < FOLLOW_SECONDS * 8, `${list.reloads} reloads`);
        assert.ok(list.hints > FOLLOW_SECONDS * 2, `${list.hints} hints`);
      }
    });

    for (const lowLatency of [false, true]) {
      test(`DASH${lowLatency ? ', low latency' : ''}: ${name}`, async () => {
        const path = `/live/${name}${lowLatency ? '.ll' : ''}.mpd`;
        const follower = new DashFollower({
          port: server.httpPort,
          path,
          seconds: FOLLOW_SECONDS,
          lowLatency,
        });
        await follower.run();
        assert.deepEqual(follower.violations, []);
        assert.equal(follower.followed.size, STREAMS[name].length);
        for (const one of follower.followed.values()) assert.ok(one.segments >= 3);
      });
    }

    test(`HTTP-TS: ${name}`, async () => {
      const { type, bytes } = await watch(`/live/${name}.ts`, 4);
      assert.equal(type, 'video/mp2t');
      const checker = new TsChecker();
      checker.chunk(bytes.subarray(0, bytes.length - (bytes.length % 188)));
      assert.deepEqual(checker.finish(), []);
      assert.equal(checker.streams.size, STREAMS[name].length);
    });

    test(`HTTP-fMP4: ${name}`, async () => {
      const { type, bytes } = await watch(`/live/${name}.mp4`, 4);
      assert.match(type, /^(video|audio)\/mp4/);
      const whole = wholeBoxes(bytes);
      const checker = new Mp4Checker();
      const runs = checker.stream(whole);
      assert.deepEqual(checker.violations, []);
      assert.equal(runs.length, STREAMS[name].length);
      for (const run of runs) assert.ok(run.duration > 3, `${run.duration} s`);
      const { tracks, error } = readByMp4box([whole]);
      assert.equal(error, '');
      assert.deepEqual(
        tracks.map(({ samples }) => samples.length),
        runs.map(({ samples }) => samples),
      );
    });
  }
});
