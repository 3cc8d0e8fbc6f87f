import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RejectedError } from '../../src/util/errors.ts';
import { serializeCommand } from '../../src/wire/rtmp/command.ts';
import { RtmpWorld } from '../support/rtmp-conversation.ts';

const vector = (name: string) => readFileSync(`test/vectors/rtmp/${name}.bin`);

/** Recorded publishers: file, stream they publish, tracks that must result, frames at least. */
const PUBLISHERS: readonly (readonly [string, string, string, number])[] = [
  ['rtmp-pub-obs29.c2s', '', 'aac+h264', 30],
  ['rtmp-pub-ffmpeg51-h264-aac.c2s', 'live/cam', 'aac+h264', 20],
  ['rtmp-pub-ffmpeg81-hevc-aac.c2s', 'live/h', 'aac+h265', 15],
  ['rtmp-pub-ffmpeg81-av1-opus.c2s', 'live/av1', 'av1+opus', 15],
  ['rtmp-pub-ffmpeg81-vp9-opus.c2s', '', 'opus+vp9', 15],
  ['rtmp-pub-gst-rtmp2sink.c2s', 'live/gst', 'aac+h264', 15],
  ['rtmp-pub-gst-rtmpsink-librtmp.c2s', '', 'aac+h264', 10],
  ['rtmp-pub-ffmpeg51-exttime-late.c2s', '', 'aac+h264', 10],
];

const CUTS: readonly (readonly [string, (bytes: Buffer) => Buffer[]])[] = [
  ['whole', (bytes) => [bytes]],
  ['byte by byte', (bytes) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))],
  [
    'in odd pieces',
    (bytes) => {
      const pieces: Buffer[] = [];
      for (let at = 0, size = 1; at < bytes.length; size = 1 + ((size * 7 + 3) % 977)) {
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      return pieces;
    },
  ],
];

for (const [file, streamText, tracks, frames] of PUBLISHERS) {
  for (const [how, cut] of CUTS) {
    test(`session: ${file} is published, ${how}`, async () => {
      const world = new RtmpWorld();
      const peer = world.open();
      for (const piece of cut(vector(file))) peer.receive(piece);
      await world.t.settle();
      const [stream] = world.t.hub.streams();
      assert.ok(stream, 'nothing was published');
      if (streamText !== '') assert.equal(stream.key.text, streamText);
      assert.equal(
        stream.tracks
          .map((track) => track.config.codec)
          .sort()
          .join('+'),
        tracks,
      );
      assert.ok(stream.statistics.videoFrames + stream.statistics.audioFrames >= frames);
      assert.ok(peer.codes().includes('NetStream.Publish.Start'));
      peer.session.finish('the connection is gone');
      world.assertClean();
    });
  }
}

for (const file of ['rtmp-play-ffmpeg51.c2s', 'rtmp-play-rtmpdump-digest.c2s']) {
  test(`session: ${file} plays what is published`, async () => {
    const world = new RtmpWorld();
    const publisher = world.open();
    await publisher.publish('cam');
    await publisher.videoHeader();
    await publisher.video(0, true);
    const player = world.open();
    player.receive(vector(file));
    await world.t.settle();
    await publisher.video(40, false);
    assert.ok(player.codes().includes('NetStream.Play.Start'));
    assert.ok(player.media().filter((one) => one.startsWith('v@')).length >= 2, player.media().join());
    player.session.finish('gone');
    publisher.session.finish('gone');
    world.assertClean();
  });
}

test('session: publish and play, with header, metadata and the GOP for a late joiner', async () => {
  const world = new RtmpWorld();
  const publisher = world.open();
  await publisher.publish();
  await publisher.videoHeader();
  await publisher.audioHeader();
  await publisher.video(0, true);
  await publisher.audio(5);
  await publisher.video(40, false);
  const player = world.open();
  await player.play();
  await publisher.video(80, false);
  assert.deepEqual(
    player.media().filter((one) => !one.startsWith('d')),
    ['v@0', 'a@0', 'v@0', 'a@5', 'v@40', 'v@80'],
  );
});

test('session: two publishers and a player in one connection; the player gets its own stream id', async () => {
  const world = new RtmpWorld();
  const peer = world.open();
  peer.connect();
  for (let id = 1; id <= 3; id++) peer.command(0, 'createStream', 1 + id, null);
  peer.command(1, 'publish', 5, null, 'a', 'live');
  await world.t.settle();
  peer.command(2, 'publish', 6, null, 'b', 'live');
  await world.t.settle();
  await peer.videoHeader(2);
  await peer.video(0, true, 2);
  peer.command(3, 'play', 7, null, 'b');
  await world.t.settle();
  assert.deepEqual(
    world.t.hub.streams().map((stream) => stream.key.text),
    ['live/a', 'live/b'],
  );
  const pictures = peer.received.filter((one) => one.typeId === 9);
  assert.ok(pictures.length >= 2);
  assert.ok(pictures.every((one) => one.streamId === 3));
  peer.session.finish('gone');
  world.assertClean();
});

test('session: after FCUnpublish, closeStream or deleteStream the name is free and can be published again', async () => {
  for (const how of ['FCUnpublish', 'closeStream', 'deleteStream', 'deleteStream by name']) {
    const world = new RtmpWorld();
    const peer = world.open();
    await peer.publish();
    if (how === 'FCUnpublish') peer.command(0, 'FCUnpublish', 4, null, 'cam');
    else if (how === 'closeStream') peer.command(1, 'closeStream', 0, null);
    else if (how === 'deleteStream') peer.command(0, 'deleteStream', 0, null, 1);
    else peer.command(1, 'deleteStream', 0, null, 'cam');
    assert.equal(world.t.hub.publisherOf(world.t.hub.find('live/cam')!), null, how);
    const second = world.open();
    await second.publish();
    assert.ok(second.codes().includes('NetStream.Publish.Start'), how);
  }
});

test('session: a busy name is refused with BadName and who holds it', async () => {
  const world = new RtmpWorld();
  await world.open().publish();
  const second = world.open();
  await second.publish();
  assert.match(
    second.description('NetStream.Publish.BadName'),
    /already being published by 192\.0\.2\.9:1234/,
  );
  assert.equal(second.outputClosed, true);
});

test('session: take-over tells the first publisher and gives the name to the second', async () => {
  const world = new RtmpWorld({ busy: 'takeover' });
  const first = world.open();
  await first.publish();
  const second = world.open();
  await second.publish();
  assert.match(first.description('NetStream.Publish.BadName'), /took over live\/cam/);
  assert.equal(first.outputClosed, true);
  assert.equal(world.t.hub.publisherOf(world.t.hub.find('live/cam')!)?.id, second.session.id);
});

test('session: an application that is not allowed is refused at connect, in words and in the log', () => {
  const world = new RtmpWorld();
  world.refusal = 'The application "sport" is not allowed: add it.';
  const peer = world.open();
  peer.connect('sport');
  assert.equal(peer.description('NetConnection.Connect.Rejected'), world.refusal);
  assert.equal(peer.outputClosed, true);
  assert.equal(world.logged('rtmp.refused').length, 1);
});

test('session: a player waits for a stream, and is told when it never comes', async () => {
  const world = new RtmpWorld();
  const early = world.open();
  await early.play();
  const publisher = world.open();
  world.t.advanceMs(3000);
  await publisher.publish();
  await publisher.videoHeader();
  await publisher.video(0, true);
  assert.ok(early.media().some((one) => one.startsWith('v')));
  const vain = world.open();
  await vain.play('nobody');
  world.t.advanceMs(10_500);
  assert.ok(
    vain
      .codes()
      .some((code) => code === 'NetStream.Play.UnpublishNotify' || code === 'NetStream.Play.StreamNotFound'),
  );
  assert.equal(vain.outputClosed, true);
});

test('session: pause stops the media, unpause goes on at a key frame; seek is answered and changes nothing', async () => {
  const world = new RtmpWorld();
  const publisher = world.open();
  await publisher.publish();
  await publisher.videoHeader();
  await publisher.video(0, true);
  const player = world.open();
  await player.play();
  player.command(1, 'pause', 0, null, true, 0);
  const before = player.media().length;
  await publisher.video(40, false);
  assert.equal(player.media().length, before);
  player.command(1, 'seek', 0, null, 5000);
  player.command(1, 'pause', 0, null, false, 0);
  await publisher.video(80, true);
  assert.ok(player.media().includes('v@80'));
  for (const code of ['NetStream.Pause.Notify', 'NetStream.Seek.Notify', 'NetStream.Unpause.Notify'])
    assert.ok(player.codes().includes(code), code);
});

test('session: query and vhost reach admission whole', async () => {
  const world = new RtmpWorld();
  const peer = world.open();
  peer.connect();
  peer.command(0, 'createStream', 2, null);
  peer.command(1, 'publish', 3, null, 'cam?token=a%20b&vhost=other.example', 'live');
  await world.t.settle();
  const [request] = world.requests;
  assert.equal(request?.host, 'other.example');
  assert.match(request?.query ?? '', /token=a%20b/);
  assert.equal(request?.stream, 'cam');
});

test('session: a stream that came through this server already is refused', async () => {
  const world = new RtmpWorld();
  const peer = world.open();
  await peer.publish('cam', 'live', { sluiceVia: 'other,own-id' });
  assert.match(peer.description('NetStream.Publish.Denied'), /leads back here/);
  assert.equal(world.t.hub.streams().length, 0);
});

test('session: commands in the AMF3 form are understood', async () => {
  const world = new RtmpWorld();
  const peer = world.open();
  peer.connect();
  peer.send(17, 0, Buffer.concat([Buffer.from([0]), serializeCommand('createStream', 2, null)]));
  peer.send(17, 1, Buffer.concat([Buffer.from([0]), serializeCommand('publish', 3, null, 'cam', 'live')]));
  await world.t.settle();
  assert.ok(peer.codes().includes('NetStream.Publish.Start'));
});

test('session: a player that lists its codecs gets those, and the log says what was left out', async () => {
  const world = new RtmpWorld();
  const publisher = world.open();
  publisher.receive(vector('rtmp-pub-ffmpeg81-hevc-aac.c2s'));
  await world.t.settle();
  const player = world.open();
  await player.play('h', 1, { fourCcList: ['av01', 'vp09'] });
  assert.ok(player.media().some((one) => one.startsWith('a')));
  assert.ok(!player.media().some((one) => one.startsWith('v')));
  assert.equal(world.logged('rtmp.track-left-out').length, 1);
});

test('session: bytes are acknowledged at the window that the peer asked for; a ping is answered', async () => {
  const world = new RtmpWorld();
  const peer = world.open();
  await peer.publish();
  const window = Buffer.alloc(4);
  window.writeUInt32BE(5000);
  peer.send(5, 0, window, 0, 2);
  for (let i = 0; i < 40; i++)
    peer.send(8, 1, Buffer.concat([Buffer.from([0x2f]), Buffer.alloc(400)]), i * 26, 4);
  assert.ok(peer.received.filter((one) => one.typeId === 3).length >= 2);
  peer.send(4, 0, Buffer.from([0, 6, 0, 0, 1, 2]), 0, 2);
  const answer = peer.received.find((one) => one.typeId === 4 && one.payload.readUInt16BE(0) === 7);
  assert.equal(answer?.payload.readUInt32BE(2), 0x102);
});

// Time.

test('session: nothing, half a handshake, or no connect ends after the handshake time', () => {
  for (const prepare of [
    () => undefined,
    (peer: ReturnType<RtmpWorld['open']>) => peer.receive(Buffer.from([3, 0, 0])),
    (peer: ReturnType<RtmpWorld['open']>) => peer.shakeHands(),
  ]) {
    const world = new RtmpWorld();
    const peer = world.open();
    prepare(peer);
    world.t.advanceMs(9000);
    peer.session.tick(world.t.clock.nowUs());
    assert.equal(peer.outputClosed, false);
    world.t.advanceMs(1500);
    peer.session.tick(world.t.clock.nowUs());
    assert.equal(peer.outputClosed, true);
    assert.equal(world.logged('rtmp.handshake-timeout').length, 1);
  }
});

test('session: connected but neither publishing nor playing ends after three handshake times', () => {
  const world = new RtmpWorld();
  const peer = world.open();
  peer.connect();
  world.t.advanceMs(29_000);
  peer.session.tick(world.t.clock.nowUs());
  assert.equal(peer.outputClosed, false);
  world.t.advanceMs(2000);
  peer.session.tick(world.t.clock.nowUs());
  assert.equal(peer.outputClosed, true);
});

test('session: a publisher without media, and one that falls silent, give the name back', async () => {
  const world = new RtmpWorld({ graceMs: 0 });
  const mute = world.open();
  await mute.publish('mute');
  const silent = world.open();
  await silent.publish('silent');
  await silent.videoHeader();
  await silent.video(0, true);
  world.t.advanceMs(10_500);
  silent.session.tick(world.t.clock.nowUs());
  mute.session.tick(world.t.clock.nowUs());
  assert.equal(silent.outputClosed, true);
  assert.equal(mute.outputClosed, false);
  world.t.advanceMs(10_000);
  mute.session.tick(world.t.clock.nowUs());
  assert.equal(mute.outputClosed, true);
  assert.equal(world.t.hub.streams().length, 0);
});

// Every path that ends a publisher frees the name.

const ENDINGS: readonly (readonly [
  string,
  (world: RtmpWorld, peer: ReturnType<RtmpWorld['open']>) => void,
])[] = [
  ['the connection is gone', (_world, peer) => peer.session.finish('gone')],
  [
    'the connection is gone twice',
    (_world, peer) => {
      peer.session.finish('gone');
      peer.session.finish('again');
    },
  ],
  ['a kick', (_world, peer) => peer.session.kick('by hand')],
  ['garbage', (_world, peer) => peer.receive(Buffer.alloc(5000, 0xff))],
  [
    'a message that is too large',
    (_world, peer) => peer.receive(Buffer.from([6, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0])),
  ],
  ['a command without a name', (_world, peer) => peer.send(20, 0, Buffer.from([5]))],
  [
    'a bomb of nested objects',
    (_world, peer) =>
      peer.send(
        20,
        0,
        Buffer.concat([serializeCommand('x', 1, null), Buffer.alloc(600, Buffer.from([3, 0, 1, 0x61]))]),
      ),
  ],
  [
    'a second connect',
    (_world, peer) => peer.command(0, 'connect', 9, { app: 'live', tcUrl: 'rtmp://h/live' }),
  ],
  [
    'a broken codec configuration',
    (_world, peer) => peer.send(9, 1, Buffer.from([0x17, 0, 0, 0, 0, 1, 2]), 0, 6),
  ],
  ['the server closes', (world) => world.t.hub.close('The server is shutting down.')],
  [
    'silence',
    (world, peer) => {
      world.t.advanceMs(60_000);
      peer.session.tick(world.t.clock.nowUs());
    },
  ],
];

for (const [how, end] of ENDINGS) {
  test(`session: the name is free after ${how}`, async () => {
    const world = new RtmpWorld({ graceMs: 0 });
    const peer = world.open();
    await peer.publish();
    assert.ok(world.t.hub.publisherOf(world.t.hub.find('live/cam')!));
    end(world, peer);
    await world.t.settle();
    assert.equal(world.closed.length, 1, 'closed once');
    assert.equal(world.t.hub.find('live/cam'), undefined);
    const before = peer.received.length;
    peer.receive(Buffer.alloc(1000, 7));
    await peer.video(0, true);
    assert.equal(peer.received.length, before, 'later bytes are ignored');
    world.assertClean();
  });
}

test('session: admission that rejects, throws, or answers after the connection is gone leaves nothing', async () => {
  const world = new RtmpWorld();
  world.admit = async () => {
    throw new RejectedError('denied', 'No publishing at night.');
  };
  const denied = world.open();
  await denied.publish();
  assert.equal(denied.description('NetStream.Publish.Denied'), 'No publishing at night.');
  let answer: () => void = () => undefined;
  world.admit = (request) =>
    new Promise((resolve) => {
      answer = () =>
        resolve({
          vhost: '',
          app: request.app,
          name: request.stream,
          text: `${request.app}/${request.stream}`,
        });
    });
  const late = world.open();
  await late.publish();
  late.session.finish('gone while it was decided');
  answer();
  await world.t.settle();
  assert.equal(world.t.hub.streams().length, 0);
  world.assertClean();
});

test('session: a fault of ours is reported, ends the session and frees the name', async () => {
  const world = new RtmpWorld();
  world.admit = async () => {
    throw new TypeError('broken on purpose');
  };
  const peer = world.open();
  await peer.publish();
  assert.equal(world.faults.length, 1);
  assert.equal(peer.outputClosed, true);
  assert.equal(world.t.hub.streams().length, 0);
});

test('session: what arrives while publishing is being decided is kept in order, and bounded', async () => {
  const world = new RtmpWorld();
  let answer: () => void = () => undefined;
  world.admit = (request) =>
    new Promise((resolve) => {
      answer = () => resolve({ vhost: '', app: request.app, name: request.stream, text: 'live/cam' });
    });
  const peer = world.open();
  await peer.publish();
  await peer.videoHeader();
  await peer.video(0, true);
  await peer.video(40, false);
  assert.equal(world.t.hub.streams().length, 0);
  answer();
  await world.t.settle();
  assert.equal(world.t.hub.find('live/cam')?.statistics.videoFrames, 2);
  const flood = world.open();
  await flood.publish('other');
  for (let i = 0; i < 60 && !flood.outputClosed; i++) flood.send(9, 1, Buffer.alloc(100_000, 0x27), i, 6);
  assert.equal(flood.outputClosed, true);
  assert.equal(world.logged('rtmp.impatient').length, 1);
});
