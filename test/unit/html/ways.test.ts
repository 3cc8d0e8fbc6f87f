/** Which ways to play are offered, and why the others are not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Track {
  readonly kind: string;
  readonly codec: string;
  readonly label: string;
  readonly mime: string;
  readonly left_out?: { readonly hls?: string };
}
interface Stream {
  readonly tracks: readonly Track[];
}
interface Abilities {
  readonly mediaSource: boolean;
  readonly nativeHls: boolean;
  canDecode(kind: string, mime: string): boolean;
}
interface Check {
  readonly works: boolean;
  readonly reason: string;
  readonly values: { readonly codec?: string };
  readonly hasVideo: boolean;
  readonly hasAudio: boolean;
}
interface Ways {
  checkWay(way: string, stream: Stream, abilities: Abilities): Check;
  chooseWay(wished: string, stream: Stream, abilities: Abilities): string | null;
}

const { checkWay, chooseWay } = await loadPageModule<Ways>('js/ways.js');
const { WAYS } = await loadPageModule<{ WAYS: readonly string[] }>('js/addresses.js');

const chrome: Abilities = {
  mediaSource: true,
  nativeHls: false,
  canDecode: (_kind, mime) => !mime.startsWith('hvc1'),
};
const iphone: Abilities = { mediaSource: false, nativeHls: true, canDecode: () => true };
const ancient: Abilities = { mediaSource: false, nativeHls: false, canDecode: () => false };

const h264: Track = { kind: 'video', codec: 'h264', label: 'H.264', mime: 'avc1.64001f' };
const h265: Track = { kind: 'video', codec: 'h265', label: 'H.265', mime: 'hvc1.1.6.L93.B0' };
const vp9: Track = { kind: 'video', codec: 'vp9', label: 'VP9', mime: 'vp09.00.10.08' };
const av1: Track = { kind: 'video', codec: 'av1', label: 'AV1', mime: 'av01.0.05M.08' };
const aac: Track = { kind: 'audio', codec: 'aac', label: 'AAC', mime: 'mp4a.40.2' };
const g711: Track = { kind: 'audio', codec: 'g711a', label: 'G.711 A-law', mime: '' };

test('ways: what each stream can be played by, and the reason otherwise', () => {
  const cases: [name: string, tracks: Track[], browser: Abilities, reasons: (string | true)[]][] = [
    ['usual', [h264, aac], chrome, [true, true, true]],
    ['only picture', [h264], chrome, [true, true, true]],
    ['only sound', [aac], chrome, [true, true, true]],
    ['nothing known yet', [], chrome, [true, true, true]],
    ['iPhone', [h264, aac], iphone, ['why.flv.unsupported', 'why.flv.unsupported', true]],
    ['ancient', [h264, aac], ancient, ['why.flv.unsupported', 'why.flv.unsupported', 'why.hls.unsupported']],
    ['H.265 in Chrome', [h265, aac], chrome, ['why.browser', 'why.browser', 'why.browser']],
    ['H.265 on an iPhone', [h265, aac], iphone, ['why.flv.unsupported', 'why.flv.unsupported', true]],
    ['AV1', [av1, aac], chrome, [true, true, 'why.hls.codec']],
    ['VP9', [vp9, aac], chrome, ['why.flv.codec', 'why.flv.codec', 'why.hls.codec']],
    ['only G.711', [g711], chrome, ['why.flv.codec', 'why.flv.codec', 'why.hls.codec']],
    ['left out by the server', [{ ...h264, left_out: { hls: 'x' } }], chrome, [true, true, 'why.hls.codec']],
  ];
  for (const [name, tracks, browser, reasons] of cases) {
    const found = WAYS.map((way) => {
      const check = checkWay(way, { tracks }, browser);
      return check.works || check.reason;
    });
    assert.deepEqual(found, reasons, name);
  }
});

test('ways: a picture with sound that cannot be played is shown without sound, and says so', () => {
  const check = checkWay('http-flv', { tracks: [h264, g711] }, chrome);
  assert.deepEqual(check, {
    works: true,
    reason: 'why.silent',
    values: { codec: 'G.711 A-law' },
    hasVideo: true,
    hasAudio: false,
  });
});

test('ways: the wished one is taken when it works', () => {
  assert.equal(chooseWay('hls', { tracks: [h264, aac] }, chrome), 'hls');
  assert.equal(chooseWay('', { tracks: [h264, aac] }, chrome), 'http-flv');
  assert.equal(chooseWay('hls', { tracks: [av1] }, chrome), 'http-flv');
  assert.equal(chooseWay('http-flv', { tracks: [h264, aac] }, iphone), 'hls');
  assert.equal(chooseWay('http-flv', { tracks: [h265] }, chrome), null);
});
