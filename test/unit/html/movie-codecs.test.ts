/** Codecs of an MP4 stream by its first boxes, and the speed that keeps playing near live. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Track {
  readonly codec: string;
  readonly mime: string;
}
type Found = { readonly mimes: string[]; readonly hasVideo: boolean } | null;

const { movieCodecs } = await loadPageModule<{
  movieCodecs(bytes: Uint8Array, tracks: readonly Track[]): Found;
}>('js/movie-codecs.js');
const { catchUpRate } = await loadPageModule<{
  catchUpRate(ahead: number | null, rate: number): number;
}>('js/live-edge.js');

function box(type: string, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

/** Version, flags and one entry: ISO/IEC 14496-12, 8.5.2. */
function track(entry: string): Buffer {
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]);
  return box('trak', box('mdia', box('minf', box('stbl', box('stsd', head, box(entry, Buffer.alloc(70)))))));
}

const movie = (...entries: string[]) =>
  Buffer.concat([
    box('ftyp', Buffer.alloc(16)),
    box('moov', box('mvhd', Buffer.alloc(100)), ...entries.map(track)),
  ]);

const TRACKS: readonly Track[] = [
  { codec: 'h264', mime: 'avc1.64001f' },
  { codec: 'aac', mime: 'mp4a.40.2' },
  { codec: 'g711a', mime: '' },
];

test('movie codecs: the profile comes from the API, the choice of tracks from the stream', () => {
  const cases: [entries: string[], tracks: readonly Track[], found: Found][] = [
    [['avc1', 'mp4a'], TRACKS, { mimes: ['avc1.64001f', 'mp4a.40.2'], hasVideo: true }],
    [['avc1'], TRACKS, { mimes: ['avc1.64001f'], hasVideo: true }],
    [['mp4a', 'mp4a'], TRACKS, { mimes: ['mp4a.40.2'], hasVideo: false }],
    [['mp4a'], [{ codec: 'mp3', mime: 'mp4a.40.34' }], { mimes: ['mp3'], hasVideo: false }],
    [
      ['hev1', 'Opus'],
      [{ codec: 'h265', mime: 'hvc1.1.6.L93.B0' }],
      { mimes: ['hvc1.1.6.L93.B0', 'opus'], hasVideo: true },
    ],
    [[], TRACKS, null],
  ];
  for (const [entries, tracks, found] of cases)
    assert.deepEqual(movieCodecs(movie(...entries), tracks), found, entries.join());
});

test('movie codecs: nothing is said before the whole description is there', () => {
  const bytes = movie('avc1', 'mp4a');
  for (let length = 0; length < bytes.length; length++)
    assert.equal(movieCodecs(bytes.subarray(0, length), TRACKS), null, String(length));
  assert.ok(movieCodecs(Buffer.concat([bytes, box('moof', Buffer.alloc(9))]), TRACKS));
  assert.equal(movieCodecs(Buffer.from('<!doctype html><p>not MP4'), TRACKS), null);
  assert.equal(movieCodecs(Buffer.alloc(64), TRACKS), null, 'a size of 0 must not hang');
});

test('live edge: hurries when it is far behind and until it is near', () => {
  assert.equal(catchUpRate(0.5, 1), 1);
  assert.equal(catchUpRate(1.2, 1), 1);
  assert.equal(catchUpRate(1.6, 1), 1.1);
  assert.equal(catchUpRate(1.2, 1.1), 1.1);
  assert.equal(catchUpRate(0.7, 1.1), 1);
  assert.equal(catchUpRate(null, 1.1), 1);
});
