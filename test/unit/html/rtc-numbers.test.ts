/** What the pages measure of a connection, which codecs they ask for, and what they capture. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Facts {
  readonly kbps: number | null;
  readonly rttMs: number | null;
  readonly lossPercent: number | null;
  readonly lost: number;
  readonly delayMs: number | null;
  readonly frames: number;
  readonly packets: number;
  readonly nacks: number;
  readonly plis: number;
  readonly videoCodec: string;
  readonly audioCodec: string;
  readonly limitedBy: string;
  readonly roomKbps: number | null;
  readonly overTcp: boolean;
}
interface Statistics {
  percent(value: number): string;
  LinkStatistics: new () => { add(entries: Iterable<Readonly<Record<string, unknown>>>): Facts };
}
interface Codec {
  readonly mimeType: string;
  readonly sdpFmtpLine?: string;
}
interface Codecs {
  codecChoices(codecs: readonly Codec[]): { mime: string; label: string }[];
  preferredCodecs(codecs: readonly Codec[], wished: string): Codec[] | null;
  codecLabel(mime: string): string;
}
interface Wish {
  readonly source: string;
  readonly camera: string;
  readonly microphone: string;
  readonly height: number;
}
interface Tracks {
  readonly video: FakeTrack | null;
  readonly audio: FakeTrack | null;
}
interface CaptureModule {
  captureHindrance(scope: object): string;
  captureConstraints(wish: Wish): { video: Record<string, unknown> | false; audio: unknown };
  captureFault(error: { name: string }, source: string): string;
  Capture: new (
    devices: object,
    onEnded: (kind: string) => void,
  ) => { open(wish: Wish): Promise<Tracks>; close(): void; readonly tracks: Tracks };
}

const { LinkStatistics, percent } = await loadPageModule<Statistics>('js/rtc-statistics.js');
const { codecChoices, preferredCodecs, codecLabel } = await loadPageModule<Codecs>('js/rtc-codecs.js');
const { captureHindrance, captureConstraints, captureFault, Capture } =
  await loadPageModule<CaptureModule>('js/capture.js');
const { secureAddress } = await loadPageModule<{
  secureAddress(here: URL, server: unknown): string;
}>('js/secure-address.js');
const { levelOf } = await loadPageModule<{ levelOf(samples: Float32Array): number }>('js/sound-meter.js');

const { numbersOf } = await loadPageModule<{
  numbersOf(facts: Facts, seconds: number): Record<string, string>;
}>('js/publish-numbers.js');

interface Pictures {
  readonly total: number;
  readonly dropped: number;
}
const { PictureCount, picturesOf } = await loadPageModule<{
  PictureCount: new () => { add(now: Pictures): Pictures };
  picturesOf(video: object): Pictures;
}>('js/picture-count.js');

const near = (value: number | null, wanted: number) =>
  assert.ok(
    value !== null && Math.abs(value - wanted) < 1e-9 * Math.max(1, wanted),
    `${value} is not ${wanted}`,
  );

/** A report `second` seconds after the first one, of a player. */
function received(second: number, more: Readonly<Record<string, unknown>> = {}) {
  const at = 1_000_000 + second * 1000;
  return [
    { id: 'T', type: 'transport', selectedCandidatePairId: 'P' },
    { id: 'other', type: 'candidate-pair', nominated: true, state: 'succeeded', currentRoundTripTime: 9 },
    { id: 'P', type: 'candidate-pair', currentRoundTripTime: 0.02, localCandidateId: 'L' },
    { id: 'L', type: 'local-candidate', protocol: 'tcp' },
    { id: 'C', type: 'codec', mimeType: 'video/H264' },
    {
      id: 'V',
      type: 'inbound-rtp',
      kind: 'video',
      codecId: 'C',
      timestamp: at,
      bytesReceived: second * 100_000,
      packetsReceived: second * 95,
      packetsLost: second * 5,
      framesDecoded: second * 25,
      jitterBufferDelay: second * 25 * 0.04,
      jitterBufferEmittedCount: second * 25,
      ...more,
    },
    {
      id: 'A',
      type: 'inbound-rtp',
      kind: 'audio',
      timestamp: at,
      bytesReceived: second * 25_000,
      packetsReceived: second * 50,
      packetsLost: 0,
      jitterBufferDelay: second * 48_000 * 0.06,
      jitterBufferEmittedCount: second * 48_000,
    },
  ];
}

test('statistics: of a player, rates over the last seconds, in place of sums', () => {
  const statistics = new LinkStatistics();
  const first = statistics.add(received(0));
  assert.deepEqual([first.kbps, first.lossPercent, first.delayMs], [null, null, null]);
  const second = statistics.add(received(1));
  near(second.kbps, 1000);
  near(second.rttMs, 20);
  near(second.lossPercent, (5 / 150) * 100);
  // Sound waits longer than the picture here.
  near(second.delayMs, 60);
  assert.deepEqual(
    [second.lost, second.frames, second.videoCodec, second.audioCodec, second.overTcp],
    [5, 25, 'video/h264', '', true],
  );
});

test('statistics: decoding counts where the browser tells it, and old loss is forgotten', () => {
  const statistics = new LinkStatistics();
  const slow = (second: number) =>
    received(second, { totalProcessingDelay: second * 25 * 0.1, packetsLost: 50 });
  statistics.add(slow(0));
  near(statistics.add(slow(1)).delayMs, 100);
  const lossy = new LinkStatistics();
  lossy.add(received(0));
  lossy.add(received(1));
  let facts: Facts | null = null;
  for (let second = 2; second < 12; second++) facts = lossy.add(received(second, { packetsLost: 5 }));
  assert.deepEqual([facts?.lossPercent, facts?.lost], [0, 5]);
});

test('statistics: of a publisher, loss is what the server says', () => {
  const report = (second: number) => [
    {
      id: 'pair',
      type: 'candidate-pair',
      nominated: true,
      state: 'succeeded',
      availableOutgoingBitrate: 3e6,
    },
    {
      id: 'V',
      type: 'outbound-rtp',
      kind: 'video',
      timestamp: second * 1000,
      bytesSent: second * 250_000,
      packetsSent: second * 200,
      framesEncoded: second * 30,
      nackCount: 4,
      pliCount: 2,
      firCount: 1,
      qualityLimitationReason: 'bandwidth',
    },
    {
      id: 'R',
      type: 'remote-inbound-rtp',
      kind: 'video',
      fractionLost: 0.1,
      packetsLost: 7,
      roundTripTime: 0.05,
    },
  ];
  const statistics = new LinkStatistics();
  statistics.add(report(0));
  const facts = statistics.add(report(1));
  near(facts.kbps, 2000);
  near(facts.lossPercent, 10);
  near(facts.rttMs, 50);
  near(facts.roomKbps, 3000);
  assert.deepEqual([facts.nacks, facts.plis, facts.limitedBy, facts.lost], [4, 3, 'bandwidth', 7]);
});

test('statistics: shares as a person reads them', () => {
  assert.deepEqual([0, 0.04, 0.44, 9.96, 12.4].map(percent), ['0', '0.1', '0.4', '10', '12']);
});

test('statistics: nothing known is null, not zero', () => {
  const facts = new LinkStatistics().add([]);
  assert.deepEqual(
    [facts.kbps, facts.rttMs, facts.lossPercent, facts.delayMs, facts.roomKbps, facts.overTcp],
    [null, null, null, null, null, false],
  );
});

test('pictures: those that rush by at the beginning count neither as shown nor as dropped', () => {
  // Each second: pictures, dropped ones, and what is told of them.
  const cases: [name: string, seconds: [total: number, dropped: number, told: string][]][] = [
    [
      'a GOP at once',
      [
        [0, 0, '0/0'],
        [53, 27, '0/0'],
        [78, 27, '0/0'],
        [103, 27, '0/25'],
        [128, 28, '1/50'],
      ],
    ],
    [
      'over a second',
      [
        [3, 0, '0/0'],
        [60, 40, '0/0'],
        [85, 40, '0/0'],
        [110, 41, '1/25'],
      ],
    ],
    [
      'no GOP',
      [
        [20, 0, '0/0'],
        [45, 0, '0/0'],
        [70, 1, '1/25'],
      ],
    ],
    [
      'nothing comes',
      [
        [30, 9, '0/0'],
        [30, 9, '0/0'],
        [55, 9, '0/0'],
        [80, 9, '0/25'],
      ],
    ],
    [
      'too slow a device',
      [
        [20, 5, '0/0'],
        [45, 10, '0/0'],
        [70, 15, '0/0'],
        [95, 20, '0/0'],
        [120, 25, '0/0'],
        [145, 30, '0/0'],
        [170, 35, '5/25'],
      ],
    ],
  ];
  for (const [name, seconds] of cases) {
    const count = new PictureCount();
    for (const [at, [total, dropped, told]] of seconds.entries()) {
      const now = count.add({ total, dropped });
      assert.equal(`${now.dropped}/${now.total}`, told, `${name}, second ${at}`);
    }
  }
  assert.deepEqual(picturesOf({}), { total: 0, dropped: 0 });
  const quality = { totalVideoFrames: 7, droppedVideoFrames: 2 };
  assert.deepEqual(picturesOf({ getVideoPlaybackQuality: () => quality }), { total: 7, dropped: 2 });
});

test('numbers: of a publisher, as the page shows them; what is not known is nothing', () => {
  const unknown = new LinkStatistics().add([]);
  const known = Object.entries(numbersOf(unknown, 3)).filter(([, text]) => text !== '');
  assert.deepEqual(
    known.map(([name]) => name),
    ['since', 'transport'],
  );
  const facts = {
    ...unknown,
    width: 1280,
    height: 720,
    fps: 30,
    kbps: 2500,
    lossPercent: 0.4,
    rttMs: 20.4,
    nacks: 3,
    plis: 1,
    roomKbps: 3000,
    limitedBy: 'cpu',
    videoCodec: 'video/h264',
    audioCodec: 'audio/opus',
  };
  const { since, held, ...shown } = numbersOf(facts, 3);
  assert.deepEqual([since, held], ['unit.second', '']);
  assert.deepEqual(shown, {
    rate: '2.5 Mbit/s',
    picture: '1280×720 30 fps',
    codecs: 'H.264 · Opus',
    rtt: '20 ms',
    loss: '0.4 %',
    asked: 'NACK 3 · PLI 1',
    room: '3.0 Mbit/s',
    transport: 'UDP',
  });
  // A browser begins with little and tries how much more the network takes.
  assert.equal(numbersOf(facts, 20)['held'], 'send.held.cpu');
});

const CODECS: readonly Codec[] = [
  { mimeType: 'video/VP8' },
  { mimeType: 'video/rtx' },
  { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42e01f' },
  { mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=42e01f' },
  { mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=0' },
  { mimeType: 'video/ulpfec' },
];

test('codecs: only what the browser has is offered', () => {
  assert.deepEqual(codecChoices(CODECS), [
    { mime: 'video/h264', label: 'H.264' },
    { mime: 'video/vp8', label: 'VP8' },
    { mime: 'video/vp9', label: 'VP9' },
  ]);
  assert.deepEqual(codecChoices([]), []);
  assert.deepEqual(['video/h264', 'audio/opus', 'audio/l16', ''].map(codecLabel), [
    'H.264',
    'Opus',
    'L16',
    '',
  ]);
});

test('codecs: H.264 first without a wish, the wished one alone with one', () => {
  const names = (wished: string) =>
    preferredCodecs(CODECS, wished)?.map(({ mimeType, sdpFmtpLine = '' }) =>
      `${mimeType.slice(6)} ${/packetization-mode=\d/.exec(sdpFmtpLine)?.[0].slice(-1) ?? ''}`.trim(),
    ) ?? null;
  assert.deepEqual(names(''), ['H264 1', 'H264 0', 'VP8', 'VP9', 'rtx', 'ulpfec']);
  assert.deepEqual(names('video/vp9'), ['VP9', 'rtx', 'ulpfec']);
  assert.equal(names('video/av1'), null);
});

class FakeTrack extends EventTarget {
  readonly kind: string;
  contentHint: string = '';
  isStopped: boolean = false;

  constructor(kind: string) {
    super();
    this.kind = kind;
  }

  stop(): void {
    this.isStopped = true;
  }
}

const streamOf = (...kinds: string[]) => ({
  getVideoTracks: () => kinds.filter((kind) => kind === 'video').map((kind) => new FakeTrack(kind)),
  getAudioTracks: () => kinds.filter((kind) => kind === 'audio').map((kind) => new FakeTrack(kind)),
});
const WISH: Wish = { source: 'camera', camera: '', microphone: '', height: 720 };
const failing = (name: string) => Promise.reject(Object.assign(new Error(name), { name }));

test('capture: what stands in the way of it', () => {
  const mediaDevices = { getUserMedia: () => undefined };
  class RTCPeerConnection {}
  const cases: [scope: object, hindrance: string][] = [
    [{ isSecureContext: false, navigator: {} }, 'insecure'],
    [{ isSecureContext: true, navigator: {} }, 'unsupported'],
    [{ isSecureContext: true, navigator: { mediaDevices } }, 'unsupported'],
    [{ isSecureContext: true, navigator: { mediaDevices }, RTCPeerConnection }, ''],
  ];
  for (const [scope, hindrance] of cases) assert.equal(captureHindrance(scope), hindrance);
});

test('capture: what the browser is asked for', () => {
  const { video, audio } = captureConstraints(WISH);
  assert.deepEqual([(video as { width: unknown }).width, audio], [{ ideal: 1280 }, true]);
  assert.ok('facingMode' in (video as object));
  const chosen = captureConstraints({ ...WISH, camera: 'c1', microphone: 'm1' });
  assert.deepEqual((chosen.video as Record<string, unknown>)['deviceId'], { exact: 'c1' });
  assert.deepEqual(chosen.audio, { deviceId: { exact: 'm1' } });
  assert.deepEqual(captureConstraints({ ...WISH, source: 'sound', microphone: 'none' }), {
    video: false,
    audio: false,
  });
});

test('capture: each fault of the browser has its text', () => {
  const cases: [name: string, source: string, fault: string][] = [
    ['NotAllowedError', 'camera', 'denied'],
    ['NotAllowedError', 'screen', 'screenDenied'],
    ['NotFoundError', 'camera', 'noCamera'],
    ['NotFoundError', 'sound', 'noMicrophone'],
    ['OverconstrainedError', 'camera', 'noCamera'],
    ['NotReadableError', 'camera', 'busy'],
    ['TypeError', 'camera', 'captureFailed'],
  ];
  for (const [name, source, fault] of cases) assert.equal(captureFault({ name }, source), fault, name);
});

test('capture: a camera without a microphone is enough, a refusal is not asked again', async () => {
  const asked: unknown[] = [];
  const devices = {
    getUserMedia: (constraints: { audio: unknown }) => {
      asked.push(constraints.audio);
      return constraints.audio === false ? Promise.resolve(streamOf('video')) : failing('NotFoundError');
    },
  };
  const { video, audio } = await new Capture(devices, () => undefined).open(WISH);
  assert.deepEqual([video?.kind, audio, asked], ['video', null, [true, false]]);
  const refusing = { getUserMedia: () => failing('NotAllowedError') };
  await assert.rejects(new Capture(refusing, () => undefined).open(WISH), { name: 'NotAllowedError' });
});

test("capture: the screen brings its own sound, else the microphone's, and may do without", async () => {
  const devices = (shared: string[], microphone: () => Promise<unknown>) => ({
    getDisplayMedia: async () => streamOf(...shared),
    getUserMedia: microphone,
  });
  const open = async (shared: string[], microphone: () => Promise<unknown>, wish: Partial<Wish> = {}) => {
    const capture = new Capture(devices(shared, microphone), () => undefined);
    const { video, audio } = await capture.open({ ...WISH, source: 'screen', ...wish });
    assert.equal(video?.contentHint, 'detail');
    return audio?.kind ?? 'silent';
  };
  const never = () => assert.fail('the microphone was asked for');
  assert.equal(await open(['video', 'audio'], never), 'audio');
  assert.equal(await open(['video'], async () => streamOf('audio')), 'audio');
  assert.equal(await open(['video'], () => failing('NotAllowedError')), 'silent');
  assert.equal(await open(['video'], never, { microphone: 'none' }), 'silent');
});

test('capture: what is replaced is stopped and no longer missed; what is pulled out is', async () => {
  const gone: string[] = [];
  const capture = new Capture({ getUserMedia: async () => streamOf('video', 'audio') }, (kind) =>
    gone.push(kind),
  );
  const first = await capture.open(WISH);
  const second = await capture.open(WISH);
  assert.deepEqual([first.video?.isStopped, second.video?.isStopped], [true, false]);
  first.video?.dispatchEvent(new Event('ended'));
  assert.deepEqual(gone, []);
  second.audio?.dispatchEvent(new Event('ended'));
  assert.deepEqual(gone, ['audio']);
  capture.close();
  assert.deepEqual([capture.tracks, second.audio?.isStopped], [{ video: null, audio: null }, true]);
});

test('secure address: the same page over HTTPS, at the port of the server', () => {
  const here = new URL('http://10.0.0.7:8080/publish.html?stream=cam');
  const server = (url: string) => ({
    publish: [
      { type: 'rtmp', url: 'rtmp://x' },
      { type: 'https-whip', url },
    ],
  });
  assert.equal(
    secureAddress(here, server('https://10.0.0.7:8181/live')),
    'https://10.0.0.7:8181/publish.html?stream=cam',
  );
  assert.equal(
    secureAddress(here, server('https://media.example.org/live')),
    'https://media.example.org/publish.html?stream=cam',
  );
  assert.equal(secureAddress(here, { publish: [] }), '');
  assert.equal(secureAddress(here, null), '');
});

test('sound meter: silence is 0, full scale is nearly 1, half as loud is a little less', () => {
  const tone = (height: number) => Float32Array.from({ length: 1024 }, (_, i) => height * Math.sin(i / 3));
  assert.equal(levelOf(new Float32Array(1024)), 0);
  const [full, half] = [levelOf(tone(1)), levelOf(tone(0.5))];
  assert.ok(full > 0.9 && full <= 1, `${full}`);
  assert.ok(Math.abs(full - half - 6 / 60) < 0.01, `${half}`);
});
