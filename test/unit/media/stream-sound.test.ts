import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import type { Frame } from '../../../src/media/frame.ts';
import type { FrameConsumer } from '../../../src/media/frame-consumer.ts';
import type { Publication } from '../../../src/media/publication.ts';
import type {
  SoundConversion,
  SoundConverter,
  SoundNeed,
  SoundOutput,
  SoundTarget,
} from '../../../src/media/sound-conversion.ts';
import { mustConvert } from '../../../src/media/sound-conversion.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { addVideo, TestHub, writeVideo } from '../../support/test-hub.ts';

const KEY = makeStreamKey('live', 'cam');
const G711 = makeCodecConfig('g711a', new Uint8Array(0), '', { sampleRate: 8000, channels: 1 });
const AAC = makeCodecConfig('aac', new Uint8Array([0x11, 0x90]), 'mp4a.40.2', {
  sampleRate: 48_000,
  channels: 2,
});
const OPUS = makeCodecConfig('opus', new Uint8Array(19), 'opus', { sampleRate: 48_000, channels: 2 });

const NEED: SoundNeed = {
  name: 'test-aac',
  target: 'aac',
  carries: ({ config }) => config.codec !== 'g711a',
  inOrder: true,
};

/** Makes a frame of every frame, when it is told to. */
class FakeConverter implements SoundConverter {
  readonly log: string[] = [];
  readonly outputs: SoundOutput[] = [];
  private waiting: (() => void)[] = [];

  reasonAgainst(config: CodecConfig, target: SoundTarget): string {
    return config.codec === 'ac3' ? `No AC-3 to ${target}.` : '';
  }

  open(config: CodecConfig, target: SoundTarget, output: SoundOutput): SoundConversion {
    this.log.push(`open ${config.codec}-${target}`);
    this.outputs.push(output);
    return {
      config: AAC,
      push: (ptsUs, durationUs, payload, arrivalUs) => {
        const copy = Uint8Array.from(payload);
        this.waiting.push(() => output.onSound(ptsUs, durationUs, copy, arrivalUs));
      },
      close: () => this.log.push(`close ${config.codec}-${target}`),
    };
  }

  run(): void {
    const jobs = this.waiting;
    this.waiting = [];
    for (const job of jobs) job();
  }
}

class Listener implements FrameConsumer {
  readonly soundNeed?: SoundNeed;
  readonly seen: string[] = [];
  tracks: readonly Track[] = [];
  constructor(need?: SoundNeed) {
    if (need !== undefined) this.soundNeed = need;
  }
  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
  }
  onFrame({ config, dts }: Frame): void {
    this.seen.push(`${config.codec}:${dts / 1000}`);
  }
  onPause(): void {
    this.seen.push('pause');
  }
  onEnd(reason: string): void {
    this.seen.push(`end:${reason !== ''}`);
  }
  take(): string {
    return this.seen.splice(0).join(' ');
  }
  get codecs(): string {
    return this.tracks.map(({ config }) => config.codec).join(',');
  }
}

function begin(mode: 'auto' | 'never' = 'auto') {
  const converter = new FakeConverter();
  const t = new TestHub({ sound: { converter, mode } });
  const publication = t.hub.publish(KEY, t.owner('p'));
  addVideo(publication);
  publication.setTrack(makeTrack(1, G711));
  return { converter, t, publication };
}

function writeSound(publication: Publication, ms: number): void {
  publication.write(1, 0, ms, ms, 20_000, Buffer.alloc(6, 2), G711);
}

test('what must be converted follows the output, the mode and how the publisher sends', () => {
  const carriesAll = { ...NEED, carries: () => true };
  const sound = (config: CodecConfig) => makeTrack(1, config);
  const cases: [string, Track, SoundNeed, 'auto' | 'always' | 'never', string, boolean][] = [
    ['not carried', sound(G711), NEED, 'auto', 'rtsp', true],
    ['not carried, but never', sound(G711), NEED, 'never', 'rtsp', false],
    ['carried', sound(G711), carriesAll, 'auto', 'rtsp', false],
    ['carried, but always AAC', sound(G711), carriesAll, 'always', 'rtsp', true],
    ['AAC is AAC', sound(AAC), carriesAll, 'always', 'rtsp', false],
    ['Opus that was chosen', sound(OPUS), carriesAll, 'auto', 'rtmp', false],
    ['Opus that had to be', sound(OPUS), carriesAll, 'auto', 'webrtc', true],
    ['Opus for WebRTC', sound(OPUS), { ...carriesAll, target: 'opus' }, 'always', 'webrtc', false],
  ];
  for (const [name, track, need, mode, protocol, wanted] of cases)
    assert.equal(mustConvert(track, need, mode, protocol), wanted, name);
});

test('an output gets converted sound in its place, in order, and others the sound as it is', () => {
  const { converter, t, publication } = begin();
  const plain = new Listener();
  const converted = new Listener(NEED);
  t.hub.consume(KEY, plain, 0);
  t.hub.consume(KEY, converted, 0);
  assert.equal(plain.codecs, 'h264,g711a');
  assert.equal(converted.codecs, 'h264,aac');
  writeVideo(publication, 0, true);
  writeSound(publication, 0);
  writeVideo(publication, 40);
  writeSound(publication, 20);
  assert.equal(plain.take(), 'h264:0 g711a:0 h264:40 g711a:20');
  assert.equal(converted.take(), '', 'pictures wait for their sound');
  converter.run();
  assert.equal(converted.take(), 'h264:0 aac:0 aac:20 h264:40');
});

test('without order pictures go at once and the sound follows', () => {
  const { converter, t, publication } = begin();
  const listener = new Listener({ ...NEED, name: 'any-order', inOrder: false });
  t.hub.consume(KEY, listener, 0);
  writeVideo(publication, 0, true);
  writeSound(publication, 0);
  assert.equal(listener.take(), 'h264:0');
  converter.run();
  assert.equal(listener.take(), 'aac:0');
});

test('a conversion is shared by all outputs of its target, and who comes later gets what was made', () => {
  const { converter, t, publication } = begin();
  const first = new Listener(NEED);
  t.hub.consume(KEY, first, 0);
  writeVideo(publication, 0, true);
  writeSound(publication, 0);
  converter.run();
  const second = new Listener({ ...NEED, name: 'another' });
  const third = new Listener(NEED);
  t.hub.consume(KEY, second, 0);
  t.hub.consume(KEY, third, 0);
  assert.equal(second.take(), 'h264:0 aac:0');
  assert.equal(third.take(), 'h264:0 aac:0');
  assert.deepEqual(converter.log, ['open g711a-aac']);
});

test('the cached pictures and sounds are converted for the first one, and it ends with the last one', () => {
  const { converter, t, publication } = begin();
  writeVideo(publication, 0, true);
  writeSound(publication, 0);
  writeSound(publication, 20);
  const listener = new Listener(NEED);
  const { detach } = t.hub.consume(KEY, listener, 0);
  converter.run();
  assert.equal(listener.take(), 'h264:0 aac:0 aac:20');
  detach();
  assert.deepEqual(converter.log, ['open g711a-aac', 'close g711a-aac']);
});

test('pictures wait for sound for a time only', () => {
  const { t, publication } = begin();
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  writeVideo(publication, 0, true);
  t.advanceMs(310);
  writeVideo(publication, 310);
  assert.equal(listener.take(), 'h264:0');
});

test('a conversion that fails leaves the track as it is, and nothing waits any more', () => {
  const { converter, t, publication } = begin();
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  writeVideo(publication, 0, true);
  converter.outputs[0]!.onSoundFailed('The converter broke.');
  assert.equal(listener.take(), 'h264:0');
  assert.equal(listener.codecs, 'h264,g711a');
  writeVideo(publication, 40);
  assert.equal(listener.take(), 'h264:40');
});

test('where nothing may be converted tracks stay as they are', () => {
  const { converter, t, publication } = begin('never');
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  writeVideo(publication, 0, true);
  writeSound(publication, 0);
  assert.equal(listener.take(), 'h264:0 g711a:0');
  assert.deepEqual(converter.log, []);
});

test('the end of a stream brings what was held and closes the conversion', () => {
  const { converter, t, publication } = begin();
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  writeVideo(publication, 0, true);
  publication.end('done');
  t.advanceMs(20_000);
  assert.equal(listener.take(), 'h264:0 pause end:true');
  assert.deepEqual(converter.log, ['open g711a-aac', 'close g711a-aac']);
});

test('a publisher that comes back with the same sound goes on with the same conversion', () => {
  const { converter, t, publication } = begin();
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  writeSound(publication, 0);
  publication.end('network');
  t.advanceMs(1000);
  const again = t.hub.publish(KEY, t.owner('q'));
  addVideo(again);
  again.setTrack(makeTrack(1, G711));
  writeVideo(again, 0, true);
  writeSound(again, 0);
  listener.take();
  converter.run();
  assert.match(listener.take(), /h264:\d+ aac:\d+/);
  assert.equal(converter.log.filter((line) => line.startsWith('open')).length, 1);
});

test('sound that begins after the cached pictures is led by silence', () => {
  const { converter, t, publication } = begin();
  writeVideo(publication, 0, true);
  writeSound(publication, 90);
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  converter.run();
  assert.equal(listener.take(), 'h264:0 aac:0 aac:90');
});

/** Somebody listens, the first picture has come, and nothing is known of sound. */
function beginWithPictures() {
  const converter = new FakeConverter();
  const t = new TestHub({ sound: { converter, mode: 'auto' } });
  const publication = t.hub.publish(KEY, t.owner('p'));
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  addVideo(publication);
  writeVideo(publication, 0, true);
  return { converter, t, publication, listener };
}

test('a sound track that is told by its first frame comes in time: the first pictures wait for it, others do not', () => {
  const { converter, t, publication, listener } = beginWithPictures();
  t.advanceMs(40);
  writeVideo(publication, 40);
  assert.equal(listener.take(), '');
  publication.setTrack(makeTrack(1, G711));
  writeSound(publication, 0);
  assert.equal(listener.codecs, 'h264,aac');
  converter.run();
  writeSound(publication, 20);
  converter.run();
  writeSound(publication, 40);
  converter.run();
  assert.equal(listener.take(), 'h264:0 aac:0 aac:20 h264:40 aac:40');
});

test('pictures alone wait a moment at the beginning, and never again', () => {
  const { t, publication, listener } = beginWithPictures();
  t.advanceMs(320);
  writeVideo(publication, 320);
  assert.equal(listener.take(), 'h264:0 h264:320');
  writeVideo(publication, 360);
  assert.equal(listener.take(), 'h264:360');
});

test('who joins while the first pictures wait gets each of them once, and in order', () => {
  const t = new TestHub({ sound: { converter: new FakeConverter(), mode: 'auto' } });
  const publication = t.hub.publish(KEY, t.owner('p'));
  const [first, second] = [new Listener(NEED), new Listener(NEED)];
  t.hub.consume(KEY, first, 0);
  addVideo(publication);
  writeVideo(publication, 0, true);
  writeVideo(publication, 40);
  t.hub.consume(KEY, second, 0);
  assert.equal(first.take() + second.take(), '', 'they wait for both');
  t.advanceMs(320);
  writeVideo(publication, 320);
  for (const one of [first, second]) assert.equal(one.take(), 'h264:0 h264:40 h264:320');
});

test('no more pictures are held than may be, at the beginning and behind a conversion', () => {
  const COUNT = 1030;
  const young = new TestHub({ sound: { converter: new FakeConverter(), mode: 'auto' } });
  const early = young.hub.publish(KEY, young.owner('p'));
  const waiting = new Listener(NEED);
  young.hub.consume(KEY, waiting, 0);
  addVideo(early);
  const { t, publication } = begin();
  const behind = new Listener(NEED);
  t.hub.consume(KEY, behind, 0);
  for (let i = 0; i < COUNT; i++) for (const one of [early, publication]) writeVideo(one, i, i === 0);
  assert.equal(waiting.seen.length, COUNT, 'a flood waits for no track');
  assert.equal(behind.seen.length, COUNT - 1024);
  assert.equal(behind.seen.at(-1), `h264:${COUNT - 1025}`);
});

test('no more converted sound is kept than may be, and the newest of it', () => {
  const converter = new FakeConverter();
  const gop = { cache: true, frames: 10_000, bytes: 1_000_000, us: 30_000_000 };
  const t = new TestHub({ sound: { converter, mode: 'auto' }, gop });
  const publication = t.hub.publish(KEY, t.owner('p'));
  addVideo(publication);
  publication.setTrack(makeTrack(1, G711));
  t.hub.consume(KEY, new Listener(NEED), 0);
  writeVideo(publication, 0, true);
  for (let i = 0; i < 1200; i++) writeSound(publication, i * 20);
  converter.run();
  const late = new Listener({ ...NEED, name: 'another' });
  t.hub.consume(KEY, late, 0);
  const sounds = late.seen.filter((one) => one.startsWith('aac'));
  assert.ok(sounds.length >= 500 && sounds.length <= 1000, `${sounds.length} sounds`);
  assert.equal(sounds.at(-1), `aac:${1199 * 20}`);
});

test('an output whose sound must be converted for a while only stays in order', () => {
  const { converter, t, publication } = begin();
  publication.setTrack(makeTrack(1, AAC));
  const listener = new Listener(NEED);
  t.hub.consume(KEY, listener, 0);
  writeVideo(publication, 0, true);
  assert.equal(listener.take(), 'h264:0', 'nothing to convert, nothing to wait for');
  publication.setTrack(makeTrack(1, G711));
  writeVideo(publication, 40);
  writeSound(publication, 40);
  assert.equal(listener.take(), '');
  converter.run();
  assert.equal(listener.take(), 'h264:40 aac:40');
  writeVideo(publication, 80);
  assert.equal(listener.take(), '');
  publication.setTrack(makeTrack(1, AAC));
  writeVideo(publication, 120);
  assert.equal(listener.take(), 'h264:80 h264:120');
  assert.deepEqual(converter.log, ['open g711a-aac', 'close g711a-aac']);
});
