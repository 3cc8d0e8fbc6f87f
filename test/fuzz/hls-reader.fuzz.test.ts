/** Playlists with flipped, cut, doubled and foreign text: read or refused with a ProtocolError, within bounds. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readId3Timestamp } from '../../src/client/hls/id3-timestamp.ts';
import { SegmentDemuxer } from '../../src/client/hls/segment-demuxer.ts';
import { firstCursor } from '../../src/client/hls/start-point.ts';
import { readPlaylist } from '../../src/wire/hls/playlist-reader.ts';
import { Random, runParser } from '../support/fuzz.ts';
import { vector } from '../unit/media-file/media-files.ts';

const folder = fileURLToPath(new URL('../vectors/hls/', import.meta.url));
const LISTS = readdirSync(folder)
  .filter((name) => name.endsWith('.m3u8'))
  .map((name) => readFileSync(folder + name, 'utf8'));
const PIECES = [
  '#EXT-X-KEY:METHOD=AES-128,URI="',
  '#EXT-X-MAP:URI="a",BYTERANGE="1@',
  '#EXT-X-BYTERANGE:',
  '#EXT-X-PART:URI="p",BYTERANGE=',
  '#EXT-X-DEFINE:NAME="a",VALUE="{$a}{$a}"',
  '{$a}',
  '#EXTINF:',
  '#EXT-X-MEDIA-SEQUENCE:9007199254740993',
  '#EXT-X-SKIP:SKIPPED-SEGMENTS=',
  '#EXT-X-DISCONTINUITY',
  '#EXT-X-STREAM-INF:',
  '#EXT-X-START:TIME-OFFSET=-1e308',
  '"',
  '=',
  ',',
  '\n',
  '\r',
  '\0',
  '-1',
  '1e309',
  '99999999999999999999',
];

function mutate(random: Random, text: string): string {
  let result = text;
  for (let i = random.below(6); i >= 0; i--) {
    const at = random.below(result.length + 1);
    const end = at + random.below(60);
    switch (random.below(5)) {
      case 0:
        result = result.slice(0, at) + PIECES[random.below(PIECES.length)]! + result.slice(at);
        break;
      case 1:
        result = result.slice(0, at) + result.slice(end);
        break;
      case 2:
        result = result.slice(0, end) + result.slice(at);
        break;
      case 3:
        result = result.slice(0, at) + String.fromCharCode(random.below(256)) + result.slice(at + 1);
        break;
      default:
        if (random.below(4) === 0) result = result.slice(0, at);
    }
  }
  return result;
}

test('fuzz: playlists', () => {
  const random = new Random(5);
  const { runs, refused } = runParser(() => {
    const text = mutate(random, LISTS[random.below(LISTS.length)]!);
    const list = readPlaylist(text, { query: new URLSearchParams('token=1') });
    if (list.kind === 'master') {
      for (const { bandwidthBps } of list.variants) assert.ok(bandwidthBps >= 0);
      return;
    }
    assert.ok(list.targetDurationUs > 0);
    const { sequence: begin, part } = firstCursor(list);
    const last = list.mediaSequence + list.skipped + list.segments.length;
    assert.ok(begin <= last && part <= (list.open?.parts.length ?? 0));
    for (const [i, { durationUs, range, key, sequence }] of list.segments.entries()) {
      assert.ok(durationUs >= 0 && Number.isSafeInteger(durationUs));
      assert.ok(range === null || (range.offset >= 0 && range.length >= 0));
      assert.ok(key === null || key.method !== 'NONE');
      assert.ok(key === null || key.iv === null || key.iv.length === 16);
      assert.equal(sequence, list.mediaSequence + list.skipped + i);
    }
  });
  assert.ok(runs - refused > 10 && refused > 10, `${runs} read, ${refused} of them refused`);
});

test('fuzz: segments', () => {
  const random = new Random(6);
  const id3 = Buffer.from('494433040000000000003f50524956000000350000', 'hex');
  const owner = Buffer.from('com.apple.streaming.transportStreamTimestamp\0\0\0\0\0\0\0\0\x01', 'latin1');
  const files = [
    vector('h264-aac.mpegts'),
    vector('h265-mp3.mpegts'),
    vector('fragments.mp4'),
    Buffer.concat([id3, owner, Buffer.from('fff15080042ffc', 'hex'), Buffer.alloc(400, 0x21)]),
  ];
  let frames = 0;
  let demuxer = new SegmentDemuxer(['video', 'audio'], '', () => 0);
  runParser(() => {
    const bytes = Buffer.from(files[random.below(files.length)]!);
    for (let i = random.below(10); i > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
    const cut = bytes.subarray(0, random.below(3) === 0 ? random.below(bytes.length) : bytes.length);
    readId3Timestamp(cut);
    if (random.below(20) === 0) demuxer = new SegmentDemuxer(['video', 'audio'], '', () => 0);
    const taken = demuxer.take({ bytes: cut, init: null, position: random.below(2), nearMs: Number.NaN });
    frames += taken.length;
    for (const { dts, pts } of taken) assert.ok(Number.isFinite(dts) && Number.isFinite(pts));
    if (random.below(3) === 0) frames += demuxer.breakUp().length;
  });
  assert.ok(frames > 100, `${frames} frames`);
});
