/** ffmpeg plays through fail-overs: nothing in the stream makes it complain, and no frame is damaged. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { missing, start } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

let server: TestServer;

before(async () => {
  server = await TestServer.start({
    policy: '<stream name="live/*"><publish busy="standby" failover="500ms"/><hls duration="1s"/></stream>',
  });
});

after(() => server.close());

function active(name: string): string {
  const { hub } = server.application.context;
  const stream = hub.find(`live/${name}`);
  return (stream && hub.publisherOf(stream)?.id) ?? '';
}

describe('ffmpeg over fail-overs', { concurrency: 4, skip: missing('ffmpeg') }, () => {
  const ways: readonly (readonly [string, (name: string) => string])[] = [
    ['rtmp', (name) => server.rtmp(`/live/${name}`)],
    ['flv', (name) => server.http(`/live/${name}.flv`)],
    ['ts', (name) => server.http(`/live/${name}.ts`)],
    ['mp4', (name) => server.http(`/live/${name}.mp4`)],
  ];
  for (const [name, url] of ways) {
    test(`${name}: decoded without a fault over a silence and an end`, async () => {
      const one = await ClipPublisher.start({ port: server.rtmpPort, name });
      await until('the first publisher', () => active(name) !== '');
      const first = active(name);
      const two = await ClipPublisher.start({ port: server.rtmpPort, name, leadMs: 3300 });
      const playing = start('ffmpeg', [
        '-v',
        'warning',
        '-xerror',
        '-i',
        url(name),
        '-t',
        '9',
        // Pictures of two publishers may be nearer to each other than a frame rate of either.
        '-vsync',
        'passthrough',
        '-enc_time_base',
        '-1',
        '-f',
        'null',
        '-',
      ]);
      await until('a player', () => server.application.context.hub.find(`live/${name}`)!.playerCount === 1);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      one.pause();
      await until('the second', () => active(name) !== first && active(name) !== '');
      const second = active(name);
      one.resume();
      await new Promise((resolve) => setTimeout(resolve, 2500));
      two.crash();
      await until('the first again', () => active(name) !== second && active(name) !== '');
      const ran = await playing.done;
      one.crash();
      assert.equal(ran.code, 0, ran.err);
      assert.doesNotMatch(ran.err, /error|invalid|corrupt|non-monoton|missing|concealing/i);
    });
  }
});
