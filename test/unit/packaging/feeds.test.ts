import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import type { FeedFormat } from '../../../src/media/feed.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { flvFormat, wsFlvFormat } from '../../../src/packaging/flv-feed.ts';
import { FlvIngest } from '../../../src/packaging/flv-ingest.ts';
import { rtmpFormat } from '../../../src/packaging/rtmp-feed.ts';
import { FlvTagReader } from '../../../src/wire/flv/tag-reader.ts';
import { ChunkReader } from '../../../src/wire/rtmp/chunk-reader.ts';
import { serializeMessage } from '../../../src/wire/rtmp/chunk-writer.ts';
import { MemorySink } from '../../support/memory-sink.ts';
import { TestHub } from '../../support/test-hub.ts';

const RECORDS = JSON.parse(readFileSync('test/vectors/codec/records.json', 'utf8')) as {
  name: string;
  codec: string;
  record: string;
}[];

function config(codec: 'h264' | 'h265' | 'av1' | 'aac' | 'opus'): CodecConfig {
  const found = RECORDS.find((one) => one.codec === codec);
  if (found === undefined)
    return makeCodecConfig(codec, new Uint8Array(0), codec, { sampleRate: 48_000, channels: 2 });
  return configFromRecord(codec, Buffer.from(found.record, 'hex'));
}

interface Seen {
  readonly codec: string;
  readonly key: boolean;
  readonly dts: number;
  readonly pts: number;
  readonly payload: string;
}

/** Collects what an ingest makes of bytes. */
class Collector {
  readonly frames: Seen[] = [];
  readonly tracks: Track[] = [];
  readonly ingest = new FlvIngest({
    setTrack: (track) => this.tracks.push(track),
    metadata: () => undefined,
    write: (_track, flags, dtsMs, ptsMs, _duration, payload, { codec }) =>
      this.frames.push({
        codec,
        key: (flags & 1) !== 0,
        dts: dtsMs,
        pts: ptsMs,
        payload: Buffer.from(payload).toString('hex'),
      }),
  });

  rtmp(bytes: Uint8Array, chunkSize: number): this {
    const reader = new ChunkReader({
      maxMessageBytes: 10_000_000,
      maxChunkStreams: 64,
      onMessage: (message) => this.ingest.tag(message.typeId, message.timestamp, message.payload),
    });
    const size = Buffer.alloc(4);
    size.writeUInt32BE(chunkSize);
    reader.receive(serializeMessage(2, 1, 0, 0, size, 128));
    reader.receive(bytes);
    return this;
  }

  flv(bytes: Uint8Array): this {
    new FlvTagReader((type, timestampMs, body) => this.ingest.tag(type, timestampMs, body)).receive(bytes);
    return this;
  }
}

const NAL_KEY = Buffer.from([0, 0, 0, 5, 0x65, 1, 2, 3, 4]);
const NAL = Buffer.from([0, 0, 0, 4, 0x41, 9, 8, 7]);
const HEVC_KEY = Buffer.from([0, 0, 0, 5, 0x26, 1, 2, 3, 4]);
const HEVC = Buffer.from([0, 0, 0, 4, 0x02, 1, 9, 8]);

/** Publishes a GOP with B-frames and sound; returns what a player of the format got and the frames that went in. */
async function played(
  format: FeedFormat,
  video: CodecConfig | null,
  audio: CodecConfig | null,
  startMs = 0,
): Promise<{ bytes: Buffer; sent: Seen[]; again: Buffer }> {
  const t = new TestHub({ absoluteTime: true, jitter: 'off' });
  const publication = t.hub.publish(makeStreamKey('live', 'x'), t.owner('p'));
  if (video !== null) publication.setTrack(makeTrack(0, video));
  if (audio !== null) publication.setTrack(makeTrack(1, audio));
  const sent: Seen[] = [];
  const write = (track: number, key: boolean, dts: number, pts: number, payload: Buffer, of: CodecConfig) => {
    publication.write(track, key || track === 1 ? 1 : 0, dts, pts, 0, payload, of);
    sent.push({
      codec: of.codec,
      // Every frame of sound can be decoded by itself.
      key: key || track === 1,
      dts: dts % 2 ** 32,
      pts: (dts % 2 ** 32) + (pts - dts),
      payload: payload.toString('hex'),
    });
  };
  const first = new MemorySink();
  const second = new MemorySink();
  const [keyPayload, payload] = video?.codec === 'h265' ? [HEVC_KEY, HEVC] : [NAL_KEY, NAL];
  for (let i = 0; i < 6; i++) {
    const dts = startMs + i * 40;
    if (video !== null) write(0, i === 0, dts, dts + (i % 3) * 40, i === 0 ? keyPayload : payload, video);
    if (audio !== null) write(1, false, dts, dts, Buffer.from([0x21, i]), audio);
    if (i === 2) t.hub.subscribe(makeStreamKey('live', 'x'), format, first, 'gop', 0);
    if (i === 4) t.hub.subscribe(makeStreamKey('live', 'x'), format, second, 'gop', 0);
    await t.settle();
  }
  t.pump.stop();
  return { bytes: Buffer.concat(first.views), again: Buffer.concat(second.views), sent };
}

const CASES: readonly (readonly [string, CodecConfig | null, CodecConfig | null])[] = [
  ['H.264 with B-frames and AAC', config('h264'), config('aac')],
  ['HEVC and AAC', config('h265'), config('aac')],
  ['H.264 alone', config('h264'), null],
  ['AAC alone', null, config('aac')],
];
const RTMP_OPTIONS = { messageStreamId: 1, fourCcs: null, multitrack: false };

for (const [name, video, audio] of CASES) {
  for (const chunkSize of [128, 4096, 60_000]) {
    test(`rtmp feed: ${name} comes back as it went in, chunk size ${chunkSize}`, async () => {
      const { bytes, again, sent } = await played(rtmpFormat({ ...RTMP_OPTIONS, chunkSize }), video, audio);
      assert.deepEqual(new Collector().rtmp(bytes, chunkSize).frames, sent);
      assert.deepEqual(again, bytes, 'all players of a GOP get the same bytes');
    });
  }
  test(`flv feed: ${name} comes back as it went in`, async () => {
    const { bytes, again, sent } = await played(flvFormat, video, audio);
    assert.deepEqual(new Collector().flv(bytes).frames, sent);
    assert.deepEqual(again, bytes);
  });
  test(`ws-flv feed: ${name}: every message is one piece of FLV, and together they are the stream`, async () => {
    const { bytes, sent } = await played(wsFlvFormat, video, audio);
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      assert.equal(bytes[at], 0x82, 'a whole binary message');
      const short = bytes[at + 1]!;
      assert.ok(short < 128, 'a server does not mask');
      const size =
        short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(at + 2)
            : Number(bytes.readBigUInt64BE(at + 2));
      const from = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
      parts.push(bytes.subarray(from, from + size));
      at = from + size;
    }
    assert.equal(parts[0]!.toString('latin1', 0, 3), 'FLV');
    for (const part of parts.slice(1))
      assert.equal(part.readUInt32BE(part.length - 4), part.length - 4, 'exactly one tag');
    assert.deepEqual(new Collector().flv(Buffer.concat(parts)).frames, sent);
  });
}

for (const [name, startMs] of [
  ['the 24-bit border of extended timestamps', 0xffffff - 100],
  ['the 32-bit wrap', 2 ** 32 - 100],
] as const) {
  test(`rtmp feed: times across ${name}`, async () => {
    const { bytes, sent } = await played(
      rtmpFormat({ ...RTMP_OPTIONS, chunkSize: 128 }),
      config('h264'),
      config('aac'),
      startMs,
    );
    assert.deepEqual(new Collector().rtmp(bytes, 128).frames, sent);
  });
}

test('rtmp feed: a peer that lists other codecs gets the sound, from the key frame on', async () => {
  const { bytes, sent } = await played(
    rtmpFormat({ ...RTMP_OPTIONS, chunkSize: 4096, fourCcs: new Set(['av01']) }),
    config('h265'),
    config('aac'),
  );
  const { frames } = new Collector().rtmp(bytes, 4096);
  assert.deepEqual(
    frames,
    sent.filter((frame) => frame.codec === 'aac'),
  );
});

test('rtmp feed: variants that differ have different names, equal ones the same', () => {
  const name = (options: object) => rtmpFormat({ ...RTMP_OPTIONS, chunkSize: 4096, ...options }).name;
  assert.equal(name({ fourCcs: new Set(['a', 'b']) }), name({ fourCcs: new Set(['b', 'a']) }));
  const names = [
    name({}),
    name({ messageStreamId: 2 }),
    name({ fourCcs: new Set() }),
    name({ multitrack: true }),
    name({ publishes: true }),
    name({ chunkSize: 128 }),
  ];
  assert.equal(new Set(names).size, names.length);
});
