import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { makeTrack } from '../../../src/media/track.ts';
import { rtmpFormat } from '../../../src/packaging/rtmp-feed.ts';
import { ChunkReader } from '../../../src/wire/rtmp/chunk-reader.ts';
import {
  CLIPS,
  encodeAll,
  openEncoder,
  readLines,
  recordingOf,
  sentLines,
  trackLines,
} from '../../support/feed-frames.ts';
import { MemorySink } from '../../support/memory-sink.ts';
import { addAudio, addVideo, TestHub, VIDEO, writeAudio, writeVideo } from '../../support/test-hub.ts';
import { FlvRecorder } from './flv-recorder.ts';

const format = (chunkSize = 4096, messageStreamId = 1) =>
  rtmpFormat({ chunkSize, messageStreamId, fourCcs: null, multitrack: true });

interface Read {
  readonly recorder: FlvRecorder;
  readonly streamIds: Set<number>;
  readonly messages: { typeId: number; timestamp: number; payload: Buffer }[];
}

function read(bytes: Uint8Array, chunkSize: number): Read {
  const result: Read = { recorder: new FlvRecorder(), streamIds: new Set(), messages: [] };
  const reader = new ChunkReader({
    maxMessageBytes: 1_000_000,
    maxChunkStreams: 8,
    onMessage: ({ typeId, streamId, timestamp, payload }) => {
      result.streamIds.add(streamId);
      result.messages.push({ typeId, timestamp, payload: Buffer.from(payload) });
      result.recorder.ingest.tag(typeId, timestamp, payload);
    },
  });
  reader.chunkSize = chunkSize;
  reader.receive(bytes);
  return result;
}

for (const clip of CLIPS) {
  for (const chunkSize of [128, 4096, 60_000]) {
    test(`RTMP feed of ${clip}, chunks of ${chunkSize}: what was published is what is played`, () => {
      const recording = recordingOf(clip);
      const encoder = openEncoder(format(chunkSize), recording);
      const bytes = Buffer.concat([encoder.prologue(0), ...encodeAll(encoder, recording.frames)]);
      const { recorder, streamIds } = read(bytes, chunkSize);
      assert.deepEqual(readLines(recorder), sentLines(recording.frames));
      assert.deepEqual(trackLines(recorder.tracks), trackLines(recording.tracks));
      assert.deepEqual([...streamIds], [1]);
      assert.deepEqual(encoder.leftOut(), []);
    });
  }
}

for (const [what, fromMs] of [
  ['2^24, where extended timestamps begin', 2 ** 24 - 100],
  ['2^32, where the clock begins again', 2 ** 32 - 100],
] as const) {
  for (const chunkSize of [128, 60_000]) {
    test(`RTMP feed across ${what}, chunks of ${chunkSize}`, () => {
      const recording = recordingOf('ffmpeg51-h264-aac', fromMs);
      const encoder = openEncoder(format(chunkSize), recording);
      const pieces = encodeAll(encoder, recording.frames);
      const first = encoder.prologue(recording.frames[0]!.dts);
      const { recorder, messages } = read(Buffer.concat([first, ...pieces]), chunkSize);
      assert.deepEqual(readLines(recorder), sentLines(recording.frames));
      // Metadata are at 0, sequence headers at the time of the frame that follows.
      assert.deepEqual(
        messages.slice(0, 3).map((m) => [m.typeId, m.timestamp]),
        [
          [18, 0],
          [9, recording.frames[0]!.dts / 1000],
          [8, recording.frames[0]!.dts / 1000],
        ],
      );
    });
  }
}

test('RTMP feed writes the message stream id of its player and no byte for a track that is left out', () => {
  const recording = recordingOf('ff8-av1-opus');
  const limited = rtmpFormat({
    chunkSize: 4096,
    messageStreamId: 7,
    fourCcs: new Set(['Opus']),
    multitrack: false,
  });
  const encoder = openEncoder(limited, recording);
  const pieces = encodeAll(encoder, recording.frames);
  const { recorder, streamIds } = read(Buffer.concat([encoder.prologue(0), ...pieces]), 4096);
  const sounds = recording.frames.filter((frame) => frame.trackId === 1);
  assert.deepEqual(readLines(recorder), sentLines(sounds));
  assert.deepEqual([...streamIds], [7]);
  assert.deepEqual(
    encoder.leftOut().map((missing) => missing.track.config.codec),
    ['av1'],
  );
});

test('names of RTMP formats tell apart what is different and nothing else', () => {
  const base = { chunkSize: 4096, messageStreamId: 1, fourCcs: null, multitrack: true };
  const name = (change: object) => rtmpFormat({ ...base, ...change }).name;
  assert.equal(name({ fourCcs: new Set(['av01', 'hvc1']) }), name({ fourCcs: new Set(['hvc1', 'av01']) }));
  const different = [
    {},
    { chunkSize: 128 },
    { messageStreamId: 2 },
    { multitrack: false },
    { publishes: true },
    { fourCcs: new Set<string>() },
    { fourCcs: new Set(['av01']) },
  ];
  assert.equal(new Set(different.map(name)).size, different.length);
});

test('a forward wraps its metadata for keeping, players get them bare', () => {
  const recording = recordingOf('ffmpeg51-h264-aac');
  const metadataOf = (publishes: boolean) => {
    const options = { chunkSize: 4096, messageStreamId: 1, fourCcs: null, multitrack: true, publishes };
    return read(openEncoder(rtmpFormat(options), recording).prologue(0), 4096).messages[0]!.payload;
  };
  const bare = metadataOf(false);
  const wrapped = metadataOf(true);
  assert.equal(bare.toString('latin1', 3, 13), 'onMetaData');
  assert.equal(wrapped.toString('latin1', 3, 16), '@setDataFrame');
  assert.deepEqual(wrapped.subarray(16), bare);
});

test('all players get the same bytes, early and late ones alike', async () => {
  const world = new TestHub();
  const key = makeStreamKey('live', 'cam');
  const early = [new MemorySink(), new MemorySink(), new MemorySink()];
  for (const sink of early) world.hub.subscribe(key, format(), sink, 'gop', 10_000);
  const publication = world.hub.publish(key, world.owner('p'));
  addVideo(publication);
  addAudio(publication);
  const late = new MemorySink();
  for (let ms = 0; ms < 2000; ms += 20) {
    if (ms === 1500) world.hub.subscribe(key, format(), late, 'gop', 0);
    writeVideo(publication, ms, ms % 1000 === 0, 300);
    writeAudio(publication, ms + 5);
    world.advanceMs(20);
    await world.settle();
  }
  const [first, ...others] = early.map((sink) => Buffer.concat(sink.views));
  for (const bytes of others) assert.ok(bytes.equals(first!));
  assert.ok(first!.length > 30_000);
  const lateBytes = Buffer.concat(late.views);
  // Metadata and two sequence headers, each in one chunk with a header of 12 bytes.
  const headBytes = messagesOf(lateBytes)
    .slice(0, 3)
    .reduce((sum, m) => sum + 12 + m.payload.length, 0);
  const withoutHead = lateBytes.subarray(headBytes);
  assert.ok(withoutHead.length > 15_000);
  assert.ok(first!.subarray(first!.length - withoutHead.length).equals(withoutHead));
  assert.deepEqual(world.faults, []);
  // Players that are served together share memory, too.
  assert.equal(early[0]!.views.at(-1)!.buffer, early[2]!.views.at(-1)!.buffer);
});

test('a joiner gets the config of the picture it starts with; players in the middle get the new one in front of it', async () => {
  const world = new TestHub();
  const key = makeStreamKey('live', 'cam');
  const publication = world.hub.publish(key, world.owner('p'));
  const watching = new MemorySink();
  addVideo(publication);
  world.hub.subscribe(key, format(), watching, 'gop', 0);
  writeVideo(publication, 0, true);
  writeVideo(publication, 40);
  await world.settle();
  const changed = makeCodecConfig('h264', new Uint8Array([9, 9, 9, 9]), 'avc1.640028', {
    width: 1280,
    height: 720,
  });
  publication.setTrack(makeTrack(0, changed));
  publication.write(0, 1, 80, 80, 0, Buffer.alloc(10, 7), changed);
  await world.settle();
  const joined = new MemorySink();
  world.hub.subscribe(key, format(), joined, 'gop', 0);
  await world.settle();
  const videosOf = (sink: MemorySink) => messagesOf(Buffer.concat(sink.views)).filter((m) => m.typeId === 9);
  const header = (record: Uint8Array) => Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0]), record]);
  const joinedVideos = videosOf(joined);
  assert.deepEqual(joinedVideos[0]!.payload, header(changed.record));
  assert.equal(joinedVideos[1]!.payload[5], 7);
  const watched = videosOf(watching).map((m) => m.payload);
  assert.deepEqual(watched[0], header(VIDEO.record));
  const at = watched.findIndex((payload) => payload.equals(header(changed.record)));
  assert.equal(at, 3);
  assert.equal(watched[at + 1]![5], 7);
  assert.equal(watched.length, 5);
});

/** Messages alone: these codec records are no real ones. */
function messagesOf(bytes: Uint8Array): { typeId: number; payload: Buffer }[] {
  const messages: { typeId: number; payload: Buffer }[] = [];
  const reader = new ChunkReader({
    maxMessageBytes: 1_000_000,
    maxChunkStreams: 8,
    onMessage: ({ typeId, payload }) => messages.push({ typeId, payload: Buffer.from(payload) }),
  });
  reader.chunkSize = 4096;
  reader.receive(bytes);
  return messages;
}
