/** Files as live channels: what players see over changes of file, loops, reloads, and faults in the folder. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findTool } from '../../src/app/command/index.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { type FlvBody, openFlv } from '../support/flv-body.ts';
import { demoTags, isConfig, orderFault, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { makeClip, playUrl } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer, type TestServerOptions } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));

let server: TestServer;

const POLICY = `
  <stream name="live/list" source="vod:list.m3u"/>
  <application name="live">
    <stream name="single" source="vod:two.mp4" loop="off"><publish grace="0"/></stream>
    <stream name="asked" source="vod:two.flv" on-demand="on"/>
    <stream name="given" source="vod:two.flv"><publish busy="takeover" grace="2s"/></stream>
    <stream name="kept" source="vod:two.flv"/>
    <stream name="late" source="vod:late.ts"/>
  </application>`;

const vod = (name: string) => join(server.folder, 'vod', name);

before(async () => {
  server = await TestServer.start({});
  mkdirSync(vod('sub'), { recursive: true });
  const record = (name: string, seconds: string) =>
    findTool('record')!.run([CLIP, vod(name), '--duration', seconds, '--force']);
  await Promise.all([record('two.mp4', '2'), record('two.flv', '2'), record('sub/one.ts', '1.5')]);
  writeFileSync(vod('junk.mp4'), 'no film');
  writeFileSync(vod('cut.flv'), readFileSync(vod('two.flv')).subarray(0, 30_000));
  writeFileSync(
    vod('list.m3u'),
    '#EXTM3U\n#EXTINF:2,A film\ntwo.mp4\nmissing.flv\n../../etc/passwd\njunk.mp4\n# a comment\nsub/one.ts\ncut.flv\n',
  );
  reload(POLICY);
});

after(() => server.close());

function reload(policy: string): void {
  const options: TestServerOptions = { policy };
  server.application.reload(TestServer.configuration(options));
}

const state = (name: string) => server.application.context.hub.find(name)?.state;
const lastMs = (player: FlvBody) => player.tags.at(-1)?.timestamp ?? 0;

/** Longest step between pictures, and between sounds, in milliseconds. */
function longestStep(player: FlvBody, type: number): number {
  const times = player.tags
    .filter((tag) => tag.type === type && !isConfig(tag))
    .map(({ timestamp }) => timestamp);
  return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
}

describe('channels', { concurrency: 8 }, () => {
  test('a playlist: times rise over files of three kinds and over the loop; faults are one line each', async () => {
    const player = await openFlv(server.http('/live/list.flv'));
    const rtmp = await RtmpPeer.open({ port: server.rtmpPort });
    await rtmp.play('list');
    await until('two rounds', () => lastMs(player) > 10_500, 20_000);
    player.close();
    rtmp.close();
    for (const tags of [player.tags, rtmp.tags]) assert.equal(orderFault(tags), '');
    assert.ok(longestStep(player, TAG_VIDEO) <= 90, `pictures: ${longestStep(player, TAG_VIDEO)} ms`);
    assert.ok(longestStep(player, TAG_AUDIO) <= 90, `sound: ${longestStep(player, TAG_AUDIO)} ms`);
    // A picture of the first file comes again.
    const first = demoTags()
      .find((tag) => tag.type === TAG_VIDEO && !isConfig(tag))!
      .payload.subarray(5);
    const comes = player.tags.filter(
      ({ payload }) => payload.length === first.length + 5 && payload.subarray(5).equals(first),
    );
    assert.ok(comes.length >= 4, `the first picture came ${comes.length} times`);
    const skipped = server.logged('channel.skipped').filter(({ fields }) => fields['stream'] === 'live/list');
    assert.deepEqual(
      skipped.map(({ fields }) => String(fields['item'])).sort((a, b) => (a < b ? -1 : 1)),
      ['../../etc/passwd', 'junk.mp4', 'missing.flv'],
    );
    for (const { fields } of skipped) assert.equal(fields['where'], 'policy.xml:2:3');
  });

  test('without a loop it ends, and players are told', async () => {
    await server.until('the end', () =>
      server.logged('channel.ended').some(({ fields }) => fields['stream'] === 'live/single'),
    );
    assert.equal(state('live/single'), undefined);
  });

  test('on demand: begins at the start with the first viewer', async () => {
    assert.equal(state('live/asked'), undefined);
    assert.ok(server.application.context.hub.onDemandStreams().has('live/asked'));
    const player = await openFlv(server.http('/live/asked.flv'));
    await until('media over a loop', () => lastMs(player) > 2600);
    assert.equal(orderFault(player.tags), '');
    const pictures = player.tags.filter((tag) => tag.type === TAG_VIDEO && !isConfig(tag));
    assert.deepEqual(
      pictures[0]!.payload,
      demoTags().find((tag) => tag.type === TAG_VIDEO && !isConfig(tag))!.payload,
    );
    player.close();
  });

  test('a publisher of the name: refused as a rule; goes first by policy, and the channel comes back', async () => {
    await assert.rejects(
      ClipPublisher.start({ port: server.rtmpPort, name: 'kept' }),
      /live\/kept is already being published by vod:two\.flv \(channel/,
    );
    const player = await openFlv(server.http('/live/given.flv'));
    await until('the channel', () => lastMs(player) > 500);
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'given' });
    const { hub } = server.application.context;
    const protocol = () => {
      const stream = hub.find('live/given');
      return stream === undefined ? '' : (hub.publisherOf(stream)?.protocol ?? '');
    };
    await until('the publisher', () => protocol() === 'rtmp');
    const before = lastMs(player);
    await until('the publisher at the player', () => lastMs(player) > before + 1500);
    publisher.stop();
    await until('the channel again', () => protocol() === 'channel', 15_000);
    player.close();
    assert.equal(orderFault(player.tags), '');
  });

  test('a file that comes later, and one that changes, count from the next round', async () => {
    await server.until('the report', () =>
      server.logged('channel.skipped').some(({ fields }) => fields['item'] === 'late.ts'),
    );
    // Renamed, so that nobody reads half a file.
    copyFileSync(vod('sub/one.ts'), vod('late.part'));
    renameSync(vod('late.part'), vod('late.ts'));
    const player = await openFlv(server.http('/live/late.flv'));
    await until('media', () => lastMs(player) > 1000, 15_000);
    copyFileSync(vod('two.flv'), vod('late.part'));
    rmSync(vod('late.ts'));
    renameSync(vod('late.part'), vod('late.ts'));
    await until('some rounds', () => lastMs(player) > 6000, 15_000);
    player.close();
    assert.equal(orderFault(player.tags), '');
    const reports = server.logged('channel.skipped').filter(({ fields }) => fields['item'] === 'late.ts');
    assert.ok(reports.length <= 2, 'not in every round');
  });
});

test('channels: another codec in the next file; a recording goes on in a second file, FFmpeg 8 reads both', {
  skip: NODE_AV_MISSING,
}, async () => {
  const [first, second] = await Promise.all([
    makeClip({ video: 'libx264', audio: 'aac', format: 'mp4' }, 3),
    makeClip({ video: 'libx265', audio: 'aac', format: 'mp4' }, 2),
  ]);
  copyFileSync(first, vod('h264.mp4'));
  copyFileSync(second, vod('h265.mp4'));
  writeFileSync(vod('codecs.m3u'), 'h264.mp4\nh265.mp4\n');
  reload(`${POLICY}<stream name="live/codecs" source="vod:codecs.m3u" on-demand="on"/>`);
  const recorded = join(server.folder, 'codecs.mp4');
  const recording = findTool('record')!.run([server.http('/live/codecs.flv'), recorded, '--duration', '4.5']);
  const body = await openFlv(server.http('/live/codecs.flv'));
  await until('both codecs', () => lastMs(body) > 5500, 15_000);
  body.close();
  assert.equal(orderFault(body.tags), '');
  const hevc = body.tags.filter(
    ({ type, payload }) => type === TAG_VIDEO && payload.toString('latin1', 1, 5) === 'hvc1',
  );
  assert.ok(hevc.length >= 50, `${hevc.length} pictures of H.265`);
  assert.equal(hevc[0]!.payload[0]! & 15, 0, 'the first is the decoder configuration');
  assert.ok(longestStep(body, TAG_VIDEO) < 130, `${longestStep(body, TAG_VIDEO)} ms`);
  assert.equal(await recording, 0);
  const parts = await Promise.all(
    [recorded, recorded.replace('.mp4', '.2.mp4')].map((path) => playUrl(path, 60)),
  );
  const pictures = parts.map(({ streams, error }) => {
    assert.equal(error, undefined);
    return streams.find(({ kind }) => kind === 'video')!;
  });
  assert.notEqual(pictures[0]!.codecId, pictures[1]!.codecId);
  for (const { keys } of pictures) assert.equal(keys[0], true);
  const count = pictures[0]!.packets.length + pictures[1]!.packets.length;
  assert.ok(Math.abs(count - 112) <= 2, `${count} pictures in both`);
});

test('channels: a reload adds, changes and removes them', async () => {
  reload('<stream name="live/added" source="vod:two.flv"/>');
  await server.until('the new one', () => state('live/added') === 'live');
  await server.until(
    'the end of the old ones',
    () => state('live/list') !== 'live' && state('live/kept') !== 'live',
  );
  assert.equal(server.application.context.hub.onDemandStreams().has('live/asked'), false);
  const stream = server.application.context.hub.find('live/added')!;
  const id = () => server.application.context.hub.publisherOf(stream)?.id;
  const before = id();
  reload('<stream name="live/added" source="vod:two.flv"><gop frames="200"/></stream>');
  assert.equal(id(), before, 'another setting leaves it alone');
  reload('<stream name="live/added" source="vod:two.mp4"/>');
  await server.until('the change', () => id() !== undefined && id() !== before);
  reload('');
  await server.until('the end', () => state('live/added') !== 'live');
});
