/** Conversations of publishers and players with a session, command by command. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectedError } from '../../src/util/errors.ts';
import { amfObject, serializeCommand, serializeData } from '../../src/wire/rtmp/command.ts';
import { Conversation, TestServices } from '../support/transcript.ts';
import { loadFlv, tagsOf } from '../unit/wire/flv/vectors.ts';

const CLIP = tagsOf(loadFlv('ffmpeg51-h264-aac'));
const AV1 = tagsOf(loadFlv('ff8-av1-opus'));
const BYE = ['onStatus 1 NetStream.Play.UnpublishNotify', 'user 1 1', 'onStatus 1 NetStream.Play.Stop'];
const BEGIN = ['user 0 1', 'onStatus 1 NetStream.Play.Reset', 'onStatus 1 NetStream.Play.Start'];

function feed(talk: Conversation, streamId = 1, tags = CLIP, fromMs = 0): void {
  for (const tag of tags) talk.send(tag.type, streamId, tag.body, tag.timestampMs + fromMs, 6);
}

async function publisher(services = new TestServices(), name = 'cam', tags = CLIP): Promise<Conversation> {
  const talk = new Conversation(services).open();
  talk.command(0, 'createStream');
  await talk.publish(name);
  feed(talk, 1, tags);
  await talk.settle();
  talk.heard();
  return talk;
}

async function player(services: TestServices, name = 'cam', fields = {}): Promise<Conversation> {
  const talk = new Conversation(services).open(fields);
  talk.command(0, 'createStream');
  talk.heard();
  await talk.play(name);
  return talk;
}

test('Flash publishes without releaseStream and FCPublish', async () => {
  const talk = new Conversation().open();
  assert.deepEqual(talk.heard(), [
    'window 100000',
    'bandwidth 100000',
    '_result 0 NetConnection.Connect.Success',
  ]);
  talk.command(0, 'createStream');
  await talk.publish('cam');
  assert.deepEqual(talk.heard(), ['_result 0 1', 'onStatus 1 NetStream.Publish.Start']);
  assert.equal(talk.session.role, 'publisher');
  assert.equal(talk.session.streamText, 'live/cam');
  feed(talk);
  talk.command(0, 'deleteStream', 1);
  talk.services.assertFree('live', 'cam');
  assert.equal(talk.session.closed, false);
});

test('FMLE-style publish, FCUnpublish, and publish again on the same message stream', async () => {
  const talk = new Conversation().open();
  talk.heard();
  talk.command(0, 'releaseStream', 'cam').command(0, 'FCPublish', 'cam').command(0, 'createStream');
  await talk.publish('cam');
  assert.deepEqual(talk.heard(), [
    '_result 0',
    'onFCPublish 0 NetStream.Publish.Start',
    '_result 0',
    '_result 0 1',
    'onStatus 1 NetStream.Publish.Start',
  ]);
  talk.command(0, 'FCUnpublish', 'cam');
  assert.deepEqual(talk.heard(), [
    'onStatus 1 NetStream.Unpublish.Success',
    'onFCUnpublish 0 NetStream.Unpublish.Success',
    '_result 0',
  ]);
  talk.services.assertFree('live', 'cam');
  await talk.publish('cam');
  assert.deepEqual(talk.heard(), ['onStatus 1 NetStream.Publish.Start']);
  talk.command(1, 'closeStream');
  await talk.publish('other');
  assert.deepEqual(talk.heard(), ['onStatus 1 NetStream.Publish.Start']);
  talk.services.assertFree('live', 'cam');
  assert.equal(talk.services.hub.find('live/other')?.state, 'live');
});

test('GStreamer deletes its stream by name', async () => {
  const talk = await publisher();
  talk.command(0, 'deleteStream', 'cam');
  talk.services.assertFree('live', 'cam');
});

test('deleteStream by name does not guess among several streams', async () => {
  const talk = await publisher();
  talk.command(0, 'createStream');
  await talk.publish('second', 2);
  talk.command(0, 'deleteStream', 'second');
  assert.equal(talk.services.hub.find('live/cam')?.state, 'live');
  talk.command(2, 'deleteStream', 'second');
  assert.equal(talk.services.hub.find('live/second')?.state, 'lingering');
  assert.equal(talk.services.hub.find('live/cam')?.state, 'live');
});

test('ids of deleted message streams are given again, an absurd one disturbs nothing', async () => {
  const talk = new Conversation().open();
  talk.heard();
  await talk.publish('cam', 0xffff_ffff);
  talk.command(0, 'createStream').command(0, 'createStream').command(0, 'deleteStream', 1);
  talk.command(0, 'createStream');
  assert.deepEqual(talk.heard().slice(1), ['_result 0 1', '_result 0 2', '_result 0 1']);
});

test('two publishers in one connection', async () => {
  const talk = await publisher();
  talk.command(0, 'createStream');
  await talk.publish('second', 2);
  feed(talk, 2, AV1);
  const { hub } = talk.services;
  assert.deepEqual(
    hub.find('live/cam')?.tracks.map((track) => track.config.codec),
    ['h264', 'aac'],
  );
  assert.deepEqual(
    hub
      .find('live/second')
      ?.tracks.map((track) => track.config.codec)
      .sort(),
    ['av1', 'opus'],
  );
  talk.session.finish('gone');
  talk.services.assertFree('live', 'cam');
  talk.services.assertFree('live', 'second');
  talk.assertClosed();
});

test('publisher and player in one connection: the player on stream 2 gets stream id 2, its end ends not the other', async () => {
  const other = await publisher(undefined, 'other');
  const talk = await publisher(other.services);
  talk.command(0, 'createStream');
  talk.heard();
  await talk.play('other', 2);
  assert.deepEqual(
    talk.heard(),
    [
      '_result 0 2',
      'user 0 2',
      'onStatus 2 NetStream.Play.Reset',
      'onStatus 2 NetStream.Play.Start',
      'data 2 |RtmpSampleAccess',
      'data 2 onMetaData',
    ].slice(1),
  );
  assert.ok(talk.media(9, 2).length > 0);
  assert.equal(talk.media(9, 1).length, 0);
  other.session.finish('gone');
  for (let i = 0; i < 11; i++) {
    talk.services.world.advanceMs(1000);
    feed(talk, 1, CLIP.slice(-1), i * 1000);
    talk.session.tick(talk.services.nowUs());
    await talk.settle();
  }
  assert.deepEqual(talk.heard(), [
    'onStatus 2 NetStream.Play.UnpublishNotify',
    'user 1 2',
    'onStatus 2 NetStream.Play.Stop',
  ]);
  assert.equal(talk.session.closed, false);
  assert.equal(talk.services.hub.find('live/cam')?.state, 'live');
  await talk.play('cam', 2);
  assert.ok(talk.heard().includes('onStatus 2 NetStream.Play.Start'));
});

test('playing: prologue, frames as they come, pause, unpause, seek', async () => {
  const source = await publisher();
  const talk = await player(source.services);
  assert.deepEqual(talk.heard(), [...BEGIN, 'data 1 |RtmpSampleAccess', 'data 1 onMetaData']);
  const pictures = talk.media(9).length;
  assert.ok(pictures > 1);
  talk.command(1, 'pause', true, 0);
  assert.deepEqual(talk.heard(), ['onStatus 1 NetStream.Pause.Notify']);
  feed(source, 1, CLIP.slice(3), 1000);
  await talk.settle();
  assert.equal(talk.media(9).length, pictures);
  talk.command(1, 'pause', false, 0);
  feed(source, 1, CLIP.slice(3), 2000);
  await talk.settle();
  assert.ok(talk.media(9).length > pictures);
  assert.ok(talk.heard().includes('onStatus 1 NetStream.Unpause.Notify'));
  talk.command(1, 'seek', 5000).command(1, 'getStreamLength', 'cam').command(1, 'receiveAudio', false);
  assert.deepEqual(talk.heard(), ['onStatus 1 NetStream.Seek.Notify', '_result 0 0']);
  assert.ok(talk.session.bytesOut() > 1000);
  talk.command(0, 'deleteStream', 1);
  assert.equal(source.services.hub.find('live/cam')?.playerCount, 0);
  assert.ok(talk.session.bytesOut() > 1000);
});

test('a late player gets headers, the frames since the last key frame, and what comes', async () => {
  const source = new Conversation().open();
  await source.publish('cam');
  const picture = (ms: number, isKey: boolean) =>
    source.send(
      9,
      1,
      Buffer.of(isKey ? 0x17 : 0x27, 1, 0, 0, 0, 0, 0, 0, 4, isKey ? 0x65 : 0x41, 1, 2, 3),
      ms,
      6,
    );
  for (const type of [9, 8]) source.send(type, 1, CLIP.find((tag) => tag.type === type)!.body, 0, type - 3);
  picture(0, true);
  source.send(8, 1, Buffer.of(0xaf, 1, 0x21, 0x10, 5), 5, 5);
  picture(40, false);
  await source.settle();
  const talk = await player(source.services);
  picture(80, false);
  await talk.settle();
  const media = talk.said.filter(({ typeId }) => typeId === 8 || typeId === 9);
  assert.deepEqual(
    media.map(({ typeId, timestamp }) => `${typeId} at ${timestamp}`),
    ['9 at 0', '8 at 0', '9 at 0', '8 at 5', '9 at 40', '9 at 80'],
  );
});

test('commands in the AMF3 form (type 17)', async () => {
  const talk = new Conversation().handshake();
  const amf3 = (
    name: string,
    id: number,
    object = null as ReturnType<typeof amfObject> | null,
    ...args: string[]
  ) => Buffer.concat([Buffer.alloc(1), serializeCommand(name, id, object, ...args)]);
  const object = amfObject({ app: 'live', tcUrl: 'rtmp://h/live', objectEncoding: 3 });
  talk.send(17, 0, amf3('connect', 1, object), 0, 3).send(17, 0, amf3('createStream', 2), 0, 3);
  talk.send(17, 1, amf3('publish', 3, null, 'cam', 'live'), 0, 3);
  await talk.settle();
  assert.deepEqual(talk.heard().slice(2), [
    '_result 0 NetConnection.Connect.Success',
    '_result 0 1',
    'onStatus 1 NetStream.Publish.Start',
  ]);
  for (const first of [[0], []]) {
    const width = 300 + first.length;
    const data = serializeData('onMetaData', amfObject({ width }));
    talk.send(15, 1, Buffer.concat([Buffer.from(first), data]));
    assert.deepEqual({ ...(talk.services.hub.find('live/cam')?.metadata as object) }, { width });
  }
});

test('a missing stream is waited for, then not found', async () => {
  const talk = await player(new TestServices(), 'nobody');
  assert.deepEqual(talk.heard(), [...BEGIN, 'data 1 |RtmpSampleAccess']);
  await talk.pass(9);
  assert.deepEqual(talk.heard(), []);
  await talk.pass(2);
  assert.deepEqual(talk.heard(), ['onStatus 1 NetStream.Play.StreamNotFound']);
  assert.match(talk.sentence(), /Nobody publishes live\/nobody/);
  talk.assertClosed();
});

test('a player that came first gets the stream when it begins', async () => {
  const talk = await player(new TestServices());
  talk.heard();
  const source = await publisher(talk.services);
  await talk.pass(1);
  assert.ok(talk.media(9).length > 1);
  assert.ok(talk.heard().includes('data 1 onMetaData'));
  source.session.finish('gone');
  await talk.pass(11);
  assert.deepEqual(talk.heard(), BYE);
  talk.assertClosed();
});

test('refusals say why: application, stream name, address, busy name, loop, admission', async () => {
  const app = new Conversation();
  app.services.refusal = 'The application live is not open.';
  app.open();
  assert.deepEqual(app.heard(), ['_error 0 NetConnection.Connect.Rejected']);
  assert.equal(app.sentence(), 'The application live is not open.');
  assert.equal(app.closes, 1);
  assert.equal(app.services.logged('rtmp.refused').length, 1);
  app.assertClosed();

  const address = new Conversation().open({ tcUrl: 'not an address' });
  assert.deepEqual(address.heard(), ['_error 0 NetConnection.Connect.Rejected']);
  assert.match(address.sentence(), /not an RTMP URL/);
  address.assertClosed();

  const name = new Conversation().open();
  await name.publish('../etc');
  assert.equal(name.heard().at(-1), 'onStatus 1 NetStream.Publish.Denied');
  assert.match(name.sentence(), /may not hold/);
  name.assertClosed();

  for (const [command, args, code, sentence] of [
    ['publish', [], 'Publish.Denied', /names no stream/],
    ['publish', ['x'.repeat(5000)], 'Publish.Denied', /longer than/],
    ['play', [7], 'Play.Failed', /names no stream/],
    ['play', ['x'.repeat(5000)], 'Play.Failed', /longer than/],
  ] as const) {
    const talk = new Conversation().open();
    talk.command(1, command, ...args);
    assert.equal(talk.heard().at(-1), `onStatus 1 NetStream.${code}`);
    assert.match(talk.sentence(), sentence);
    talk.assertClosed();
  }

  const first = await publisher();
  const busy = new Conversation(first.services).open();
  await busy.publish('cam');
  assert.equal(busy.heard().at(-1), 'onStatus 1 NetStream.Publish.BadName');
  assert.match(busy.sentence(), /already being published by 192\.0\.2\.7:4711/);
  assert.equal(busy.closes, 1);
  busy.assertClosed();
  assert.equal(first.session.closed, false);
  assert.equal(first.services.hub.find('live/cam')?.state, 'live');

  const loop = new Conversation().open({ sluiceVia: 'other,me' });
  await loop.publish('cam');
  assert.equal(loop.heard().at(-1), 'onStatus 1 NetStream.Publish.Denied');
  assert.match(loop.sentence(), /came through here/);
  loop.services.assertFree('live', 'cam');
  loop.assertClosed();

  const denied = new Conversation().open();
  denied.services.admitAs = () => Promise.reject(new RejectedError('denied', 'The token is too old.'));
  await denied.play('cam');
  assert.equal(denied.heard().at(-1), 'onStatus 1 NetStream.Play.Failed');
  assert.equal(denied.sentence(), 'The token is too old.');
  denied.assertClosed();
});

test('a message stream publishes one thing at a time', async () => {
  const talk = await publisher();
  talk.command(1, 'play', 'cam');
  assert.match(talk.sentence(), /already publishes or plays/);
  talk.services.assertFree('live', 'cam');
  talk.assertClosed();
});

test('takeover: the new publisher gets the name, the old one is told who took it', async () => {
  const first = await publisher(new TestServices({ busy: 'takeover' }));
  const second = await publisher(first.services);
  assert.deepEqual(first.heard(), ['onStatus 1 NetStream.Publish.BadName']);
  assert.match(first.sentence(), /took over live\/cam/);
  assert.equal(first.closes, 1);
  first.assertClosed();
  assert.equal(second.session.closed, false);
  const { hub } = first.services;
  assert.equal(hub.publisherOf(hub.find('live/cam')!)?.id, second.session.id);
  second.session.finish('gone');
  second.services.assertFree('live', 'cam');
});

test('takeover from another message stream of the same connection keeps no name', async () => {
  const talk = await publisher(new TestServices({ busy: 'takeover' }));
  await talk.publish('cam', 2);
  talk.assertClosed();
  assert.equal(talk.services.hub.find('live/cam')?.state, 'lingering');
  talk.services.assertFree('live', 'cam');
});

test('a publisher that comes back within the grace time keeps players and time', async () => {
  const first = await publisher();
  const talk = await player(first.services);
  const before = talk.media(9).at(-1)!.timestamp;
  first.session.finish('gone');
  await talk.pass(3);
  const second = await publisher(first.services);
  await talk.settle();
  const times = talk.media(9).map((m) => m.timestamp);
  assert.ok(times.at(-1)! >= before + 3000, times.join());
  for (let i = 1; i < times.length; i++) assert.ok(times[i]! >= times[i - 1]!);
  assert.equal(talk.session.closed, false);
  assert.deepEqual(
    talk.heard().filter((text) => text.includes('Notify')),
    [],
  );
  second.session.finish('gone');
});

test('vhost and query reach admission', async () => {
  const talk = new Conversation().open({ tcUrl: 'rtmp://192.0.2.1/live?vhost=Tenant.test&token=a' });
  await talk.publish('c%61m?key=b%20c');
  const { requests } = talk.services;
  assert.deepEqual(
    requests.map(({ action, host, app, stream, query, protocol, sessionId }) => [
      action,
      host,
      app,
      stream,
      query,
      protocol,
      sessionId,
    ]),
    [
      [
        'publish',
        'tenant.test',
        'live',
        'cam',
        'key=b%20c&vhost=Tenant.test&token=a',
        'rtmp',
        talk.session.id,
      ],
    ],
  );
  assert.equal(talk.session.url, '/live/cam');
});

test('both may also stand behind the name of the stream', async () => {
  const talk = new Conversation().open();
  await talk.publish('cam?token=a%20b&vhost=other.example');
  const [request] = talk.services.requests;
  assert.equal(request?.host, 'other.example');
  assert.equal(request?.stream, 'cam');
  assert.match(request?.query ?? '', /token=a%20b/);
});

test('the chunk size may change between the chunks of a message', async () => {
  const talk = await publisher();
  const tag = CLIP.find((one) => one.type === 9 && one.body.length > 400)!;
  // First 128 bytes on chunk stream 6, then Set Chunk Size on 2, then the rest in one chunk.
  const head = Buffer.from([6, 0, 0x10, 0, 0, tag.body.length >> 8, tag.body.length & 255, 9, 1, 0, 0, 0]);
  talk.raw(Buffer.concat([head, tag.body.subarray(0, 128)]));
  const before = talk.services.hub.find('live/cam')!.cachedFrames().length;
  talk.setChunkSize(60_000);
  talk.raw(Buffer.concat([Buffer.of(0xc6), tag.body.subarray(128)]));
  assert.equal(talk.session.closed, false, talk.session.closeReason);
  const frames = talk.services.hub.find('live/cam')!.cachedFrames();
  assert.ok(frames.length > before || frames.length === 1);
  assert.deepEqual(Buffer.from(frames.at(-1)!.payload), tag.body.subarray(5));
});

test('acknowledgements at the peer\u2019s window, pings are answered, peer bandwidth gets a window', () => {
  const talk = new Conversation().open();
  talk.heard();
  const window = Buffer.alloc(4);
  window.writeUInt32BE(2000);
  talk.send(5, 0, window, 0, 2);
  for (let i = 0; i < 5; i++) talk.send(18, 1, Buffer.alloc(1000));
  const acks = talk.heard();
  assert.equal(acks.length, 2);
  const [first, second] = acks.map((text) => Number(text.slice(4)));
  assert.ok(first! >= 2000 && first! <= 3200, `${first}`);
  assert.ok(second! - first! >= 2000 && second! <= talk.session.bytesIn());
  talk.send(4, 0, Buffer.from('00060102fffe', 'hex'), 0, 2);
  talk.send(6, 0, Buffer.from('0000a00002', 'hex'), 0, 2);
  assert.deepEqual(talk.heard(), [`user 7 ${0x0102fffe}`, 'window 40960']);
});

test('a peer that asks and reads nothing is let go', async () => {
  const talk = await publisher();
  talk.taking = false;
  const ping = Buffer.from('000600000001', 'hex');
  for (let i = 0; i < 20_000 && !talk.session.closed; i++) talk.send(4, 0, ping, 0, 2);
  assert.match(talk.session.closeReason, /rtmp\.answers-not-read/);
  assert.ok(talk.bytesOut < 200_000);
  talk.assertClosed();
});

test('codecs that the player does not list are left out and told in the log; it still gets the sound', async () => {
  for (const order of ['stream first', 'player first']) {
    const services = new TestServices();
    const early = order === 'stream first' ? await publisher(services, 'cam', AV1) : null;
    const talk = await player(services, 'cam', { fourCcList: ['hvc1', 'Opus'] });
    const source = early ?? (await publisher(services, 'cam', AV1));
    feed(source, 1, AV1, 500);
    await talk.pass(2);
    assert.ok(talk.media(8).length > 8, order);
    assert.equal(talk.media(9).length, 0, order);
    const told = services.logged('rtmp.track-left-out').map((line) => line.fields['reason']);
    assert.deepEqual(told, ['The player does not take AV1 (av01).'], order);
  }
});

test('the answer to connect tells of enhanced RTMP to those that ask, and unknown codecs cost no feed', async () => {
  const source = await publisher();
  const plain = await player(source.services);
  assert.equal(plain.said.find((m) => m.typeId === 20)?.payload.includes('fourCcList'), false);
  for (const list of [['av01', 'zzz1'], ['zzz2', 'av01'], ['av01']]) {
    const talk = await player(source.services, 'cam', { fourCcList: list });
    assert.equal(talk.said.find((m) => m.typeId === 20)?.payload.includes('fourCcList'), true);
    assert.ok(talk.media(9).length > 1);
  }
  assert.equal(source.services.hub.find('live/cam')?.feeds.size, 2);
});
