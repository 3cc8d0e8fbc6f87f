/** Forwards between servers in one process: targets, rewrites, retries, loops; the publisher never notices. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { indexOfRun, mediaBytes, orderFault, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

let target: TestServer;
let source: TestServer;
/** A port on which nothing listens at first. */
let latePort = 0;

before(async () => {
  target = await TestServer.start({ policy: '<application name="copy"/><application name="secure"/>' });
  const spare = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => spare.once('listening', done));
  latePort = (spare.address() as AddressInfo).port;
  await new Promise((done) => spare.close(done));
  const { rtmpPort, rtmpsPort } = target;
  source = await TestServer.start({
    policy: `
      <application name="live">
        <stream name="plain"><forward>127.0.0.1:${rtmpPort}</forward></stream>
        <stream name="three">
          <forward>rtmp://127.0.0.1:${rtmpPort}/copy/first</forward>
          <forward rewrite="rtmp://127.0.0.1/copy/second?key=value">127.0.0.1:${rtmpPort}</forward>
          <forward>rtmps://127.0.0.1:${rtmpsPort}/secure/third</forward>
        </stream>
        <stream name="late"><forward>rtmp://127.0.0.1:${latePort}/live/late</forward></stream>
        <stream name="busy"><forward>rtmp://127.0.0.1:${rtmpPort}/live/taken</forward></stream>
      </application>
      <vhosts><vhost name="rtmp://first.example/live">
        <forward rewrite="rtmp://second.example/copy">127.0.0.1:${rtmpPort}</forward>
      </vhost></vhosts>
      <urls><url name="rtmp://127.0.0.1/live/one"><forward rewrite="rtmp://127.0.0.1/copy/renamed">127.0.0.1:${rtmpPort}</forward></url></urls>`,
  });
});

after(async () => {
  await source.close();
  await target.close();
});

function publish(name: string, host = '127.0.0.1'): Promise<ClipPublisher> {
  return ClipPublisher.start({ port: source.rtmpPort, name, host });
}

/** Plays the copy and checks that it is the original. */
async function checkCopy(server: TestServer, path: string, publisher: ClipPublisher): Promise<void> {
  await until(
    `${path} at the target`,
    () => server.application.context.hub.find(path.slice(1, -4))?.state === 'live',
  );
  const copy = await openFlv(server.http(path));
  await until(`media of ${path}`, () =>
    [TAG_AUDIO, TAG_VIDEO].every((type) => mediaBytes(copy.tags, type).length > 40),
  );
  assert.equal(orderFault(copy.tags), '');
  for (const type of [TAG_AUDIO, TAG_VIDEO]) {
    assert.ok(
      indexOfRun(mediaBytes(publisher.sent, type), mediaBytes(copy.tags, type)) >= 0,
      `${path}: type ${type} differs`,
    );
  }
  copy.close();
}

describe('forward', { concurrency: 6 }, () => {
  test('to the same name on another server; it ends with its stream', async () => {
    const publisher = await publish('plain');
    await checkCopy(target, '/live/plain.flv', publisher);
    const stopped = source.application.context;
    publisher.stop();
    await until('the pause here', () => stopped.hub.find('live/plain')?.state === 'lingering');
  });

  test('to several targets, with other names, rtmp and rtmps', async () => {
    const publisher = await publish('three');
    await Promise.all(
      ['/copy/first.flv', '/copy/second.flv', '/secure/third.flv'].map((path) =>
        checkCopy(target, path, publisher),
      ),
    );
    const third = target.application.context.sessions
      .all()
      .find((session) => session.streamText === 'secure/third');
    assert.equal(third?.protocol, 'rtmps');
    publisher.stop();
  });

  test('of a vhost and of one url, both rewritten', async () => {
    const vhost = await publish('anything', 'first.example');
    await checkCopy(target, '/copy/anything.flv', vhost);
    const announced = target.application.context.sessions
      .all()
      .find((one) => one.streamText === 'copy/anything');
    assert.equal(announced?.tcUrl, 'rtmp://second.example/copy');
    const one = await publish('one');
    await checkCopy(target, '/copy/renamed.flv', one);
    vhost.stop();
    one.stop();
  });

  test('to a target that is down and comes up: the publisher never notices', async () => {
    const publisher = await publish('late');
    const player = await openFlv(source.http('/live/late.flv'));
    await source.until('a retry', () =>
      source.logged('forward.retry').some((line) => String(line.fields['cause']) === 'ECONNREFUSED'),
    );
    const late = await TestServer.start({
      rtmpPorts: `<ip>127.0.0.1</ip><port>${latePort}</port><ssl>off</ssl>`,
    });
    await checkCopy(late, '/live/late.flv', publisher);
    assert.equal(publisher.peer.closed, false);
    // The target goes away again in mid-stream.
    await late.close();
    const got = player.tags.length;
    await until('media here all the same', () => player.tags.length > got + 30);
    assert.equal(orderFault(player.tags), '');
    assert.ok(indexOfRun(mediaBytes(publisher.sent, TAG_VIDEO), mediaBytes(player.tags, TAG_VIDEO)) >= 0);
    player.close();
    publisher.stop();
  });

  test('to a name that is busy there: refused, said, tried again', async () => {
    const holder = await ClipPublisher.start({ port: target.rtmpPort, name: 'taken' });
    const publisher = await publish('busy');
    await source.until('the refusal', () =>
      source
        .logged('forward.retry')
        .some((line) => /NetStream\.Publish\.BadName/.test(String(line.fields['cause']))),
    );
    assert.equal(holder.peer.closed, false);
    assert.equal(publisher.peer.closed, false);
    holder.stop();
    publisher.stop();
  });
});

test('forward: a loop of two servers is refused where it closes', async () => {
  const policyTo = (port: number) =>
    `<application name="live"><forward>127.0.0.1:${port}</forward></application>`;
  const a = await TestServer.start();
  const b = await TestServer.start({ policy: policyTo(a.rtmpPort) });
  a.application.reload(TestServer.configuration({ policy: policyTo(b.rtmpPort) }));
  const publisher = await ClipPublisher.start({ port: a.rtmpPort, name: 'round' });
  await checkCopy(b, '/live/round.flv', publisher);
  await b.until('the refusal', () => b.logged('forward.retry').length > 0);
  assert.match(String(b.logged('forward.retry')[0]!.fields['cause']), /leads back here/);
  assert.equal(publisher.peer.closed, false);
  publisher.stop();
  await a.close();
  await b.close();
});

test('forward: a loop of two servers by RTSP is refused where it closes', async () => {
  const policyTo = (port: number) =>
    `<application name="live"><forward>rtsp://127.0.0.1:${port}</forward></application>`;
  const a = await TestServer.start({ rtsp: '' });
  const b = await TestServer.start({ rtsp: '', policy: policyTo(a.rtspPort) });
  a.application.reload(TestServer.configuration({ rtsp: '', policy: policyTo(b.rtspPort) }));
  const publisher = await ClipPublisher.start({ port: a.rtmpPort, name: 'round' });
  await b.until('the refusal', () => b.logged('forward.retry').length > 0);
  assert.match(String(b.logged('forward.retry')[0]!.fields['cause']), /leads back here/);
  assert.equal(publisher.peer.closed, false);
  publisher.stop();
  await a.close();
  await b.close();
});

test('forward: a loop of two servers by SRT is refused where it closes', async () => {
  const policyTo = (port: number) =>
    `<application name="live"><forward>srt://127.0.0.1:${port}?streamid=publish:live/other</forward></application>`;
  const a = await TestServer.start();
  const b = await TestServer.start({ policy: policyTo(a.srtPort) });
  a.application.reload(TestServer.configuration({ policy: policyTo(b.srtPort) }));
  const publisher = await ClipPublisher.start({ port: a.rtmpPort, name: 'round' });
  await b.until('the refusal', () => b.logged('forward.retry').length > 0);
  assert.match(String(b.logged('forward.retry')[0]!.fields['cause']), /leads back there \(1508\)$/);
  assert.match(String(a.logged('srt.refused')[0]!.fields['cause']), /leads back here/);
  assert.equal(publisher.peer.closed, false);
  publisher.stop();
  await a.close();
  await b.close();
});

test('forward: to itself is refused at once', async () => {
  const a = await TestServer.start();
  a.application.reload(
    TestServer.configuration({
      policy: `<application name="live"><forward>127.0.0.1:${a.rtmpPort}</forward></application>`,
    }),
  );
  const publisher = await ClipPublisher.start({ port: a.rtmpPort, name: 'self' });
  await a.until('the refusal', () => a.logged('forward.refused').length > 0);
  assert.match(String(a.logged('forward.refused')[0]!.fields['cause']), /would publish to itself/);
  assert.equal(publisher.peer.closed, false);
  publisher.stop();
  await a.close();
});
