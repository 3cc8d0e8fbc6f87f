/** What the policy decides about publishers and players, and that a reload changes it while streams run. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { demoTags, isConfig, isKey, mediaBytes, orderFault, TAG_VIDEO } from '../support/flv-tags.ts';
import { ask } from '../support/http-client.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { refusal, until } from '../support/until.ts';

const POLICY = `<application name="live">
  <publish><busy>refuse</busy></publish>
  <stream name="short"><publish><grace>300ms</grace></publish></stream>
  <stream name="take*"><publish><busy>takeover</busy></publish></stream>
  <stream name="silent"><publish><first-packet>1s</first-packet><idle>1s</idle></publish></stream>
  </application><application name="cam/*"/>`;

let server: TestServer;

before(async () => {
  server = await TestServer.start({ policy: POLICY });
});

after(() => server.close());

function publish(name: string, more: { app?: string } = {}): Promise<ClipPublisher> {
  return ClipPublisher.start({ port: server.rtmpPort, name, ...more });
}

describe('policy', { concurrency: 6 }, () => {
  test('a busy name is refused and its publisher is not disturbed', async () => {
    const first = await publish('busy');
    const said = await refusal(publish('busy'));
    assert.match(
      said,
      /^NetStream\.Publish\.BadName: live\/busy is already being published by 127\.0\.0\.1:\d+/,
    );
    const player = await openFlv(server.http('/live/busy.flv'));
    await until('media', () => player.tags.length > 100);
    assert.equal(first.peer.closed, false);
    player.close();
    first.stop();
    // Free at once, although the grace time runs.
    await until('the free name', () =>
      server.logged('rtmp.publish-stop').some((line) => line.fields['stream'] === 'live/busy'),
    );
    const second = await publish('busy');
    second.stop();
  });

  test('takeover: the old publisher is told, players stay', async () => {
    const first = await publish('take1');
    const player = await openFlv(server.http('/live/take1.flv'));
    const viewer = await RtmpPeer.open({ port: server.rtmpPort });
    await viewer.play('take1');
    await until('media', () => player.tags.length > 60 && viewer.tags.length > 60);
    const second = await publish('take1');
    await until('the end of the old publisher', () => first.peer.closed);
    assert.ok(first.peer.has('NetStream.Publish.BadName'));
    assert.match(first.peer.statuses.at(-1)!.description, /took over live\/take1/);
    first.pause();
    const got = [player.tags.length, viewer.tags.length] as const;
    await until(
      'media of the new one',
      () => player.tags.length > got[0] + 50 && viewer.tags.length > got[1] + 50,
    );
    assert.equal(player.closed, false);
    assert.equal(viewer.closed, false);
    assert.equal(orderFault(player.tags), '');
    assert.equal(orderFault(viewer.tags), '');
    player.close();
    viewer.close();
    second.stop();
  });

  test('grace: a crashed publisher that comes back finds its players still there', async () => {
    const first = await publish('grace');
    const players = await Promise.all([
      openFlv(server.http('/live/grace.flv')),
      openFlv(`ws://127.0.0.1:${server.httpPort}/live/grace.flv`),
    ]);
    await until('media', () => players.every((player) => player.tags.length > 60));
    first.crash();
    await until('the pause', () => server.application.context.hub.find('live/grace')?.state === 'lingering');
    const lengths = players.map((player) => player.tags.length);
    const second = await publish('grace');
    await until('media again', () =>
      players.every((player, index) => player.tags.length > lengths[index]! + 60),
    );
    for (const player of players) {
      assert.equal(player.closed, false);
      assert.equal(orderFault(player.tags), '', 'the timeline goes on');
      const gap = largestGap(player.tags.filter((tag) => tag.type === TAG_VIDEO).map((tag) => tag.timestamp));
      assert.ok(gap < 3000, `a gap of ${gap} ms`);
      player.close();
    }
    second.stop();
  });

  test('grace: when the time is over players get a proper end', async () => {
    const publisher = await publish('short');
    const player = await openFlv(server.http('/live/short.flv'));
    const socket = await openFlv(`ws://127.0.0.1:${server.httpPort}/live/short.flv`);
    const viewer = await RtmpPeer.open({ port: server.rtmpPort });
    await viewer.play('short');
    await until('media', () => [player, socket, viewer].every((one) => one.tags.length > 20));
    publisher.stop();
    await until('the end', () => player.closed && socket.closed && viewer.closed);
    assert.ok(player.ended);
    assert.equal(player.parser.pending, 0, 'half a tag at the end');
    assert.equal(socket.closeCode, 1001);
    assert.match(socket.closeReason, /did not come back/);
    assert.ok(viewer.has('NetStream.Play.UnpublishNotify'));
    assert.ok(
      viewer.events.some(({ event, value }) => event === 1 && value === 1),
      'no StreamEOF',
    );
  });

  test('a publisher that sends nothing, or stops to, is closed and its name is free', async () => {
    const mute = await RtmpPeer.open({ port: server.rtmpPort });
    await mute.publish('silent');
    await until('the end of the mute one', () => mute.closed, 5000);
    const stops = await publish('silent');
    await until('media', () => stops.sent.length > 20);
    stops.pause();
    await until('the end of the silent one', () => stops.peer.closed, 5000);
    const causes = server.logged('rtmp.publisher-silent').map((line) => String(line.fields['cause']));
    assert.ok(
      causes.some((cause) => /no media within 1 s/.test(cause)),
      causes.join(),
    );
    assert.ok(
      causes.some((cause) => /no media for 1 s/.test(cause)),
      causes.join(),
    );
    (await publish('silent')).stop();
  });

  test('a player that comes before its publisher waits for it', async () => {
    const viewer = await RtmpPeer.open({ port: server.rtmpPort });
    await viewer.play('later');
    assert.equal(viewer.tags.filter((tag) => tag.type === TAG_VIDEO).length, 0);
    const publisher = await publish('later');
    await until('media', () => viewer.tags.length > 60);
    assert.equal(orderFault(viewer.tags), '');
    viewer.close();
    publisher.stop();
  });

  test('applications: those of the policy are open, others are refused', async () => {
    const cam = await publish('one', { app: 'cam/yard' });
    const player = await openFlv(server.http('/cam/yard/one.flv'));
    await until('media', () => player.tags.length > 10);
    player.close();
    cam.stop();
    assert.match(await refusal(publish('one', { app: 'garden' })), /Rejected: .*garden/);
  });

  test('codec change in mid-stream: players get the new configuration before the new pictures', async () => {
    const publisher = await publish('change');
    const player = await openFlv(server.http('/live/change.flv'));
    await until('media', () => player.tags.length > 60);
    publisher.pause();
    const config = demoTags().find((tag) => tag.type === TAG_VIDEO && isConfig(tag))!;
    // Another level in the decoder configuration: the same pictures with a new record.
    const changed = Buffer.from(config.payload);
    const profileLevel = Buffer.from([changed[6]!, changed[7]!, changed[8]!]);
    for (let at = changed.indexOf(profileLevel); at >= 0; at = changed.indexOf(profileLevel, at + 3))
      changed[at + 2] = 0x28;
    const { timestamp } = publisher.sent.at(-1)!;
    publisher.peer.send({ type: TAG_VIDEO, timestamp: timestamp + 40, payload: changed });
    const key = demoTags().find(isKey)!;
    publisher.peer.send({ ...key, timestamp: timestamp + 40 });
    const isNew = (payload: Buffer) => payload.equals(changed);
    await until('the new configuration', () => player.tags.some((tag) => isNew(tag.payload)));
    await until('the picture after it', () => {
      const at = player.tags.findIndex((tag) => isNew(tag.payload));
      return player.tags.slice(at).some(isKey);
    });
    const joiner = await openFlv(server.http('/live/change.flv'));
    await until('a picture', () => mediaBytes(joiner.tags, TAG_VIDEO).length > 0);
    const first = joiner.tags.find((tag) => tag.type === TAG_VIDEO)!;
    assert.ok(isNew(first.payload), 'a joiner gets the old configuration');
    joiner.close();
    player.close();
    publisher.stop();
  });
});

test('reload: a new policy holds for what comes, and what runs goes on', async () => {
  const publisher = await publish('reload');
  const player = await openFlv(server.http('/live/reload.flv'));
  await until('media', () => player.tags.length > 20);
  assert.match(await refusal(publish('x', { app: 'garden' })), /Rejected/);
  const config = '<limits><per-address>50</per-address></limits><log><level>debug</level></log>';
  const policy =
    '<application name="live"><hls><enable>off</enable></hls></application><application name="garden"/>';
  assert.deepEqual(server.application.reload(TestServer.configuration({ config, policy })), []);
  const flower = await publish('x', { app: 'garden' });
  assert.equal((await ask({ port: server.httpPort, path: '/live/reload.m3u8' })).status, 403);
  assert.equal(server.application.context.limits.perAddress, 50);
  const changed = server.logged('config.changed').map((line) => String(line.fields['name']));
  assert.ok(
    changed.some((name) => /per-?address/i.test(name)),
    changed.join(),
  );
  assert.match(await refusal(publish('one', { app: 'cam/yard' })), /Rejected/);
  const got = player.tags.length;
  await until('media after the reload', () => player.tags.length > got + 20);
  player.close();
  flower.stop();
  publisher.stop();
});

function largestGap(times: readonly number[]): number {
  let gap = 0;
  for (let i = 1; i < times.length; i++) gap = Math.max(gap, times[i]! - times[i - 1]!);
  return gap;
}
