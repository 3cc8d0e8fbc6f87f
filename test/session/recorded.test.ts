/** What real programs sent, replayed into a session: it must answer so that they go on, and take their media. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Frame } from '../../src/media/frame.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import { Conversation } from '../support/transcript.ts';
import { feedings } from '../unit/wire/rtmp/chunk-bytes.ts';

const load = (name: string) => readFileSync(new URL(`../vectors/rtmp/${name}.c2s.bin`, import.meta.url));
const WELCOME = ['window 100000', 'bandwidth 100000', '_result 0 NetConnection.Connect.Success'];
const START = 'onStatus 1 NetStream.Publish.Start';
const FAST = 'onFCPublish 0 NetStream.Publish.Start';

/** As ffmpeg 5.1 and librtmp hear it. */
const FMLE = ['_result 0', FAST, '_result 0', '_result 0 1', START];
const GOODBYE = [
  'onStatus 1 NetStream.Unpublish.Success',
  'onFCUnpublish 0 NetStream.Unpublish.Success',
  '_result 0',
];
/** OBS and ffmpeg 8 ask for the bandwidth check too. */
const WITH_CHECK = ['_result 0', FAST, '_result 0', '_result 0 1', '_result 0', START];

interface Expected {
  readonly messages: readonly (readonly [type: number, stream: number, timeMs: number, bytes: number])[];
}

const expected = JSON.parse(
  readFileSync(new URL('../vectors/rtmp/expected.json', import.meta.url), 'utf8'),
) as Record<string, Expected>;

/** Messages of a type in a recording, from the table that was made without the product. */
const count = (program: string, typeId: number) =>
  expected[`${program}.c2s`]!.messages.filter(([type]) => type === typeId).length;

/** Program, stream, what it hears after the welcome, codecs of video and audio, messages of both without a frame. */
const publishers: [string, string, string[], string[], number, number][] = [
  ['rtmp-pub-obs29', 'obs', WITH_CHECK, ['h264', 'aac'], 1, 1],
  ['rtmp-pub-ffmpeg51-h264-aac', 'cam', FMLE, ['h264', 'aac'], 1, 1],
  ['rtmp-pub-ffmpeg81-hevc-aac', 'h', WITH_CHECK, ['h265', 'aac'], 2, 1],
  ['rtmp-pub-ffmpeg81-av1-opus', 'av1', WITH_CHECK, ['av1', 'opus'], 2, 2],
  ['rtmp-pub-ffmpeg81-vp9-opus', 'vp9', FMLE, ['vp9', 'opus'], 2, 2],
  ['rtmp-pub-gst-rtmp2sink', 'gst', [FAST, '_result 0 1', START], ['h264', 'aac'], 1, 1],
  ['rtmp-pub-gst-rtmpsink-librtmp', 'lib', FMLE, ['h264', 'aac'], 1, 1],
  ['rtmp-pub-librtmp-exttime-late', 'ext2', [...FMLE, ...GOODBYE], ['h264', 'aac'], 2, 1],
  ['rtmp-pub-ffmpeg51-exttime-late', 'ext', FMLE, ['h264', 'aac'], 1, 1],
];

for (const [program, name, answers, codecs, noPictures, noSounds] of publishers) {
  for (const [how, pieces] of feedings(load(program), 9)) {
    test(`${program}, ${how}`, async () => {
      const talk = new Conversation();
      const { session, services } = talk;
      const frames = [0, 0];
      const consumer = {
        onTracks: () => undefined,
        onFrame: ({ trackId }: Frame) => {
          frames[trackId] = frames[trackId]! + 1;
        },
        onPause: () => undefined,
        onEnd: () => undefined,
      };
      services.hub.consume(makeStreamKey('live', name), consumer, 60_000);
      for (const piece of pieces) talk.raw(piece);
      await talk.settle();
      assert.equal(session.closed, false, session.closeReason);
      const heard = talk.heard().filter((text) => !text.startsWith('ack'));
      assert.deepEqual(heard.slice(0, 3), WELCOME);
      assert.deepEqual(heard.slice(3), answers);
      const key = `live/${name}`;
      const stream = services.hub.find(key);
      assert.ok(
        stream,
        services.hub
          .streams()
          .map((one) => one.key.text)
          .join(),
      );
      assert.equal(stream.state, answers.includes(GOODBYE[1]!) ? 'lingering' : 'live');
      const tracks = [...stream.tracks].sort((a, b) => a.id - b.id);
      assert.deepEqual(
        tracks.map((track) => track.config.codec),
        codecs,
      );
      assert.deepEqual(frames, [count(program, 9) - noPictures, count(program, 8) - noSounds]);
      session.finish('the connection is gone');
      services.assertFree('live', name);
      talk.assertClosed();
    });
  }
}

for (const program of ['rtmp-play-ffmpeg51', 'rtmp-play-rtmpdump-digest']) {
  for (const [how, pieces] of feedings(load(program), 9)) {
    test(`${program}, ${how}`, async () => {
      const talk = new Conversation();
      const publisher = new Conversation(talk.services);
      publisher.raw(load('rtmp-pub-ffmpeg51-h264-aac'));
      await publisher.settle();
      for (const piece of pieces) talk.raw(piece);
      await talk.settle();
      assert.equal(talk.session.closed, false, talk.session.closeReason);
      const heard = talk.heard();
      assert.deepEqual(heard.slice(0, 3), WELCOME);
      assert.deepEqual(
        heard.slice(3).filter((text) => !text.startsWith('_result') && !text.startsWith('onFC')),
        [
          'user 0 1',
          'onStatus 1 NetStream.Play.Reset',
          'onStatus 1 NetStream.Play.Start',
          'data 1 |RtmpSampleAccess',
          'data 1 onMetaData',
        ],
      );
      assert.ok(talk.media(9).length > 5);
      assert.ok(talk.media(8).length > 5);
      publisher.session.finish('gone');
      await talk.pass(31);
      // rtmpdump deleted its stream at the end and does nothing more.
      if (program.includes('rtmpdump')) assert.match(talk.session.closeReason, /rtmp\.idle/);
      else assert.match(talk.heard().join(), /UnpublishNotify/);
      talk.assertClosed();
      publisher.assertClosed();
      assert.equal(talk.services.hub.streams().length, 0);
    });
  }
}
