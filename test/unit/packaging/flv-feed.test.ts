import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { flvFormat, wsFlvFormat } from '../../../src/packaging/flv-feed.ts';
import { FlvTagReader } from '../../../src/wire/flv/tag-reader.ts';
import {
  CLIPS,
  encodeAll,
  openEncoder,
  readLines,
  recordingOf,
  sentLines,
  trackLines,
} from '../../support/feed-frames.ts';
import { parseFlv, TAG_VIDEO } from '../../support/flv-tags.ts';
import { MemorySink } from '../../support/memory-sink.ts';
import { addAudio, addVideo, TestHub, writeAudio, writeVideo } from '../../support/test-hub.ts';
import { webSocketMessages } from '../../support/websocket-messages.ts';
import { FlvRecorder } from './flv-recorder.ts';

function read(bytes: Uint8Array): FlvRecorder {
  const recorder = new FlvRecorder();
  new FlvTagReader((type, timestampMs, body) => recorder.ingest.tag(type, timestampMs, body)).receive(bytes);
  return recorder;
}

for (const clip of CLIPS) {
  test(`FLV feed of ${clip}: what was published is what is played`, () => {
    const recording = recordingOf(clip);
    const encoder = openEncoder(flvFormat, recording);
    const bytes = Buffer.concat([encoder.prologue(0), ...encodeAll(encoder, recording.frames)]);
    parseFlv(bytes);
    const recorder = read(bytes);
    assert.deepEqual(readLines(recorder), sentLines(recording.frames));
    assert.deepEqual(trackLines(recorder.tracks), trackLines(recording.tracks));
    assert.deepEqual(encoder.leftOut(), []);
    const kinds = recording.tracks.map((track) => track.kind);
    assert.equal(bytes[4], (kinds.includes('video') ? 1 : 0) | (kinds.includes('audio') ? 4 : 0));
  });

  test(`WS-FLV feed of ${clip}: the header, then a message for each tag, the same bytes`, () => {
    const recording = recordingOf(clip);
    const plain = openEncoder(flvFormat, recording);
    const webSocket = openEncoder(wsFlvFormat, recording);
    const messages = webSocketMessages(
      Buffer.concat([webSocket.prologue(0), ...encodeAll(webSocket, recording.frames)]),
    );
    const bytes = Buffer.concat([plain.prologue(0), ...encodeAll(plain, recording.frames)]);
    assert.ok(Buffer.concat(messages).equals(bytes));
    assert.equal(messages[0]!.length, 13);
    for (const message of messages.slice(1)) assert.equal(message.length, message.readUIntBE(1, 3) + 15);
    assert.equal(messages.length, 1 + parseFlv(bytes).length);
  });
}

test('FLV feed: all players of a GOP get the same bytes, whenever they come', async () => {
  const world = new TestHub();
  const key = makeStreamKey('live', 'cam');
  const publication = world.hub.publish(key, world.owner('p'));
  const players = [new MemorySink(), new MemorySink()];
  addVideo(publication);
  addAudio(publication);
  for (let i = 0; i < 6; i++) {
    writeVideo(publication, i * 40, i === 0, 300);
    writeAudio(publication, i * 40 + 5);
    if (i % 2 === 0 && i > 0) world.hub.subscribe(key, flvFormat, players[i / 2 - 1]!, 'gop', 0);
    await world.settle();
  }
  const [early, late] = players.map(({ views }) => Buffer.concat(views));
  assert.deepEqual(late, early);
  assert.equal(parseFlv(early!).filter(({ type }) => type === TAG_VIDEO).length, 7);
  assert.deepEqual(world.faults, []);
});

test('FLV feed across 2^24 and 2^32 ms', () => {
  for (const fromMs of [2 ** 24 - 100, 2 ** 32 - 100]) {
    const recording = recordingOf('ffmpeg51-h264-aac', fromMs);
    const encoder = openEncoder(flvFormat, recording);
    const prologue = encoder.prologue(recording.frames[0]!.dts);
    const bytes = Buffer.concat([prologue, ...encodeAll(encoder, recording.frames)]);
    assert.deepEqual(readLines(read(bytes)), sentLines(recording.frames));
    assert.deepEqual(
      parseFlv(bytes)
        .slice(0, 3)
        .map((tag) => tag.timestamp),
      [0, recording.frames[0]!.dts / 1000, recording.frames[0]!.dts / 1000],
    );
  }
});

test('WS-FLV messages of every length form', () => {
  const recording = recordingOf('ffmpeg51-h264-aac');
  const { config } = recording.tracks.find((track) => track.kind === 'video')!;
  for (const bytes of [1, 105, 106, 65_515, 65_516, 70_000]) {
    const encoder = openEncoder(wsFlvFormat, recording);
    const frame = new Frame(0, FRAME_KEY, 0, 0, 0, Buffer.alloc(bytes, 3), config, 0, Number.NaN);
    const messages = webSocketMessages(Buffer.concat(encodeAll(encoder, [frame])));
    // Tag header 11, head of the codec 5, trailer 4.
    assert.deepEqual(
      messages.map((message) => message.length),
      [bytes + 20],
    );
  }
});

test('tracks that change are told inline without a second file header', () => {
  const recording = recordingOf('ffmpeg51-h264-aac');
  const encoder = openEncoder(flvFormat, recording);
  const bytes = Buffer.concat([encoder.prologue(0), encoder.tracksChanged(2_000_000)]);
  const tags = parseFlv(bytes);
  assert.deepEqual(
    tags.map((tag) => [tag.type, tag.timestamp]),
    [
      [18, 0],
      [9, 0],
      [8, 0],
      [18, 0],
      [9, 2000],
      [8, 2000],
    ],
  );
  assert.equal(encoder.epilogue(3_000_000).length, 0);
});
