/** Which ways to play are offered, and why the others are not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Track {
  readonly kind: string;
  readonly codec: string;
  readonly label: string;
  readonly mime: string;
  readonly left_out?: Readonly<Record<string, string>>;
  readonly converts_to?: readonly string[];
}
interface Stream {
  readonly source?: { readonly protocol: string } | null;
  readonly tracks: readonly Track[];
  readonly urls?: readonly { readonly type: string }[];
}
interface Abilities {
  readonly webRtc: boolean;
  readonly mediaSource: boolean;
  readonly nativeHls: boolean;
  readonly bareMp3: boolean;
  canPlay(type: string): boolean;
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
  chooseWay(
    wished: string,
    stream: Stream,
    abilities: Abilities,
    refused?: ReadonlySet<string>,
  ): string | null;
  leftOut(way: string, stream: Stream): { label: string; reason: string }[];
}
interface Addresses {
  readonly WAYS: readonly string[];
  offeredWays(stream: Partial<Stream> | null): string[];
}

const { checkWay, chooseWay, leftOut } = await loadPageModule<Ways>('js/ways.js');
const { WAYS, offeredWays } = await loadPageModule<Addresses>('js/addresses.js');

const chrome: Abilities = {
  webRtc: true,
  mediaSource: true,
  nativeHls: false,
  bareMp3: true,
  canPlay: () => true,
  canDecode: (_kind, mime) => !mime.startsWith('hvc1') && mime !== 'ac-3' && mime !== 'mp4a.40.34',
};
const withoutWebRtc: Abilities = { ...chrome, webRtc: false };
const iphone: Abilities = {
  webRtc: false,
  mediaSource: false,
  nativeHls: true,
  bareMp3: false,
  canPlay: () => true,
  canDecode: () => true,
};
const ancient: Abilities = {
  webRtc: false,
  mediaSource: false,
  nativeHls: false,
  bareMp3: false,
  canPlay: () => false,
  canDecode: () => false,
};

const h264: Track = { kind: 'video', codec: 'h264', label: 'H.264', mime: 'avc1.64001f' };
const h265: Track = { kind: 'video', codec: 'h265', label: 'H.265', mime: 'hvc1.1.6.L93.B0' };
const vp9: Track = { kind: 'video', codec: 'vp9', label: 'VP9', mime: 'vp09.00.10.08' };
const av1: Track = { kind: 'video', codec: 'av1', label: 'AV1', mime: 'av01.0.05M.08' };
const aac: Track = { kind: 'audio', codec: 'aac', label: 'AAC', mime: 'mp4a.40.2' };
const ac3: Track = { kind: 'audio', codec: 'ac3', label: 'AC-3', mime: 'ac-3' };
const mp3: Track = { kind: 'audio', codec: 'mp3', label: 'MP3', mime: 'mp4a.40.34' };
const g711: Track = { kind: 'audio', codec: 'g711a', label: 'G.711 A-law', mime: '' };

/** As the API calls the address of a way. */
function typeOf(way: string): string {
  if (way === 'webrtc') return 'http-whep';
  return /^(http|ws)-/.test(way) ? way : `http-${way}`;
}

/** One way of each form. */
const FORMS = ['http-flv', 'http-ts', 'ws-fmp4', 'hls', 'll-hls', 'dash', 'aac', 'mp3'];
const NO_AAC = 'why.aac.codec';
const NO_MP3 = 'why.mp3.codec';
const NO_MSE = 'why.mse.unsupported';
const NO_HLS = 'why.hls.unsupported';
const NO_FLV = 'why.flv.codec';
const NO_TS = 'why.ts.codec';
const NO_MP4 = 'why.mp4.codec';
const CANNOT = 'why.browser';
const NO_SOUND = 'why.browser.audio';

/** Reasons in the order of FORMS; true = plays, a reason after true = plays without something. */
function reasonsOf(tracks: Track[], browser: Abilities): (string | true)[] {
  return FORMS.map((way) => {
    const check = checkWay(way, { tracks }, browser);
    return check.works || check.reason;
  });
}

test('ways: what each stream can be played by, and the reason otherwise', () => {
  const cases: [name: string, tracks: Track[], browser: Abilities, reasons: (string | true)[]][] = [
    ['usual', [h264, aac], chrome, [true, true, true, true, true, true, true, NO_MP3]],
    ['only picture', [h264], chrome, [true, true, true, true, true, true, NO_AAC, NO_MP3]],
    ['only sound', [aac], chrome, [true, true, true, true, true, true, true, NO_MP3]],
    ['nothing known yet', [], chrome, [true, true, true, true, true, true, NO_AAC, NO_MP3]],
    ['iPhone', [h264, aac], iphone, [NO_MSE, NO_MSE, NO_MSE, true, true, NO_MSE, true, NO_MP3]],
    ['ancient', [h264, mp3], ancient, [NO_MSE, NO_MSE, NO_MSE, NO_HLS, NO_HLS, NO_MSE, NO_AAC, NO_SOUND]],
    ['H.265 in Chrome', [h265, aac], chrome, [CANNOT, CANNOT, CANNOT, CANNOT, CANNOT, CANNOT, true, NO_MP3]],
    ['H.265 on an iPhone', [h265], iphone, [NO_MSE, NO_MSE, NO_MSE, true, true, NO_MSE, NO_AAC, NO_MP3]],
    ['AV1', [av1, aac], chrome, [NO_FLV, NO_TS, true, true, true, true, true, NO_MP3]],
    ['VP9 and MP3', [vp9, mp3], chrome, [NO_FLV, NO_TS, NO_SOUND, true, true, true, NO_AAC, true]],
    ['only MP3', [mp3], chrome, [true, true, NO_SOUND, true, NO_SOUND, NO_SOUND, NO_AAC, true]],
    [
      'only G.711',
      [g711],
      chrome,
      [NO_FLV, NO_TS, NO_MP4, 'why.hls.codec', 'why.hls.codec', 'why.dash.codec', NO_AAC, NO_MP3],
    ],
    [
      'G.711 that the server converts',
      [h264, { ...g711, converts_to: ['aac', 'opus'] }],
      chrome,
      [true, true, true, true, true, true, true, NO_MP3],
    ],
    // Picture and sound in one file: a sound that cannot be decoded stops both.
    ['AC-3 in Chrome', [h264, ac3], chrome, [true, true, NO_SOUND, true, true, true, NO_AAC, NO_MP3]],
    [
      'left out by the server',
      [{ ...h264, left_out: { hls: 'x', fmp4: 'y' } }],
      chrome,
      [true, true, NO_MP4, 'why.hls.codec', true, true, NO_AAC, NO_MP3],
    ],
  ];
  for (const [name, tracks, browser, reasons] of cases)
    assert.deepEqual(reasonsOf(tracks, browser), reasons, name);
});

test('ways: both forms over WebSocket are judged as those over HTTP', () => {
  for (const tracks of [[h264, aac], [vp9, g711], [h265]]) {
    for (const form of ['flv', 'ts', 'fmp4']) {
      const [http, ws] = ['http', 'ws'].map((scheme) => checkWay(`${scheme}-${form}`, { tracks }, chrome));
      assert.deepEqual(http, ws, form);
    }
  }
});

test('ways: a picture with sound that cannot be played is shown without sound, and says so', () => {
  for (const way of ['http-flv', 'http-ts', 'http-fmp4', 'hls', 'dash']) {
    assert.deepEqual(checkWay(way, { tracks: [h264, g711] }, chrome), {
      works: true,
      reason: 'why.silent',
      values: { codec: 'G.711 A-law' },
      hasVideo: true,
      hasAudio: false,
    });
  }
});

test('ways: a way with sound comes before one that is silent', () => {
  const sound = { ...g711, converts_to: ['aac', 'opus'] };
  const urls = ['http-flv', 'http-fmp4'].map((type) => ({ type, url: `http://h/${type}` }));
  assert.equal(chooseWay('', { tracks: [h264, sound], urls }, chrome), 'http-fmp4');
  assert.equal(chooseWay('', { tracks: [h264, g711], urls }, chrome), 'http-flv');
});

test('ways: sound alone says that it has no picture', () => {
  assert.equal(checkWay('aac', { tracks: [h264, aac] }, chrome).reason, 'why.soundOnly');
  assert.equal(checkWay('aac', { tracks: [aac] }, chrome).reason, '');
});

test('ways: only what the server names is offered', () => {
  const typed = (...types: string[]) => ({ urls: types.map((type) => ({ type })) });
  assert.deepEqual(offeredWays(null), ['webrtc', 'http-flv', 'ws-flv', 'hls']);
  assert.deepEqual(offeredWays({}), ['webrtc', 'http-flv', 'ws-flv', 'hls']);
  assert.deepEqual(offeredWays(typed('rtmp', 'rtmps')), []);
  assert.deepEqual(
    offeredWays(typed('https-ll-hls', 'wss-ts', 'https-dash', 'https-whep', 'http-mp3', 'https-flv')),
    ['webrtc', 'http-flv', 'ws-ts', 'll-hls', 'dash', 'mp3'],
  );
  const all = WAYS.map(typeOf);
  assert.deepEqual(offeredWays(typed(...all)), WAYS);
});

test('ways: the wished one is taken when it works', () => {
  const urls = WAYS.map((way) => ({ type: typeOf(way) }));
  const cases: [wished: string, tracks: Track[], browser: Abilities, way: string | null][] = [
    ['hls', [h264, aac], chrome, 'hls'],
    ['', [h264, aac], chrome, 'http-flv'],
    ['nonsense', [h264, aac], chrome, 'http-flv'],
    ['http-flv', [av1], chrome, 'webrtc'],
    ['http-flv', [av1], withoutWebRtc, 'http-fmp4'],
    ['http-flv', [h264, aac], iphone, 'hls'],
    ['ll-hls', [h264, aac], iphone, 'll-hls'],
    // The server may convert it, or say why it cannot.
    ['http-flv', [h265], chrome, 'webrtc'],
    // Sound in place of a picture only for those who ask for it.
    ['http-flv', [h265, aac], withoutWebRtc, null],
    ['aac', [h265, aac], chrome, 'aac'],
  ];
  for (const [wished, tracks, browser, way] of cases)
    assert.equal(chooseWay(wished, { tracks, urls }, browser), way, `${wished} ${JSON.stringify(tracks)}`);
  assert.equal(chooseWay('dash', { tracks: [h264], urls: [{ type: 'http-hls' }] }, chrome), 'hls');
});

test('ways: WebRTC first for what was published by it, else after FLV; what failed is passed over', () => {
  const urls = WAYS.map((way) => ({ type: typeOf(way) }));
  const usual = { tracks: [h264, aac], urls, source: { protocol: 'rtmp' } };
  const browser = { ...usual, source: { protocol: 'webrtc' } };
  const refused = (...ways: string[]) => new Set(ways);
  assert.equal(chooseWay('', usual, chrome), 'http-flv');
  assert.equal(chooseWay('', usual, chrome, refused('http-flv', 'ws-flv')), 'webrtc');
  assert.equal(chooseWay('webrtc', usual, chrome), 'webrtc');
  assert.equal(chooseWay('webrtc', usual, chrome, refused('webrtc')), 'http-flv');
  assert.equal(chooseWay('', browser, chrome), 'webrtc');
  assert.equal(chooseWay('', browser, chrome, refused('webrtc')), 'http-flv');
  assert.equal(chooseWay('', browser, withoutWebRtc), 'http-flv');
});

test('ways: what WebRTC cannot carry', () => {
  const check = (...tracks: Track[]) => checkWay('webrtc', { tracks }, chrome);
  const outOf = (track: Track): Track => ({ ...track, left_out: { webrtc: 'it is not converted' } });
  assert.equal(checkWay('webrtc', { tracks: [h264] }, withoutWebRtc).reason, 'why.webrtc.unsupported');
  assert.deepEqual(check(h264, g711), {
    works: true,
    reason: '',
    values: {},
    hasVideo: true,
    hasAudio: true,
  });
  assert.deepEqual(check(h264), { works: true, reason: '', values: {}, hasVideo: true, hasAudio: false });
  assert.deepEqual(check(), { works: true, reason: '', values: {}, hasVideo: true, hasAudio: true });
  assert.equal(check({ ...h264, codec: 'mjpeg' }).reason, 'why.webrtc.codec');
  assert.equal(check(outOf(h264), aac).works, false);
  assert.equal(check(outOf(aac)).works, false);
  const silent = check(h264, outOf(aac));
  assert.deepEqual([silent.works, silent.reason, silent.hasAudio], [true, 'why.silent', false]);
  assert.deepEqual(leftOut('webrtc', { tracks: [outOf(aac)] }), [
    { label: 'AAC', reason: 'it is not converted' },
  ]);
});

test('ways: what the server leaves out is told for the way that is played', () => {
  const tracks = [h264, { ...g711, left_out: { ts: 'no stream type', cmaf: 'no sample entry' } }];
  assert.deepEqual(leftOut('ws-ts', { tracks }), [{ label: 'G.711 A-law', reason: 'no stream type' }]);
  assert.deepEqual(leftOut('dash', { tracks }), [{ label: 'G.711 A-law', reason: 'no sample entry' }]);
  assert.deepEqual(leftOut('http-flv', { tracks }), []);
  assert.deepEqual(leftOut('aac', { tracks }), []);
});
