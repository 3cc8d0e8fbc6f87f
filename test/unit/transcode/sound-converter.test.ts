import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import type { SoundOutput, SoundTarget } from '../../../src/media/sound-conversion.ts';
import { makeStartWorker, type StartWorker } from '../../../src/runtime/worker-thread.ts';
import { type SoundConverterSettings, WorkerSoundConverter } from '../../../src/transcode/sound-converter.ts';
import { type FromWorker, PROGRESS_COLUMNS, type ToWorker } from '../../../src/transcode/worker-messages.ts';
import { LogHub, type LogLine } from '../../../src/util/log.ts';
import { TickWheel } from '../../../src/util/tick-wheel.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { SETTINGS } from '../../support/sound-sources.ts';

const L16 = makeCodecConfig('l16', new Uint8Array(0), '', { sampleRate: 48_000, channels: 1 });
const FRAME = new Uint8Array(1920).fill(1);

class Output implements SoundOutput {
  readonly frames: { ptsUs: number; bytes: number; arrivalUs: number }[] = [];
  failed = '';
  onFrame: () => void = () => {};

  onSound(ptsUs: number, _durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    this.frames.push({ ptsUs, bytes: payload.length, arrivalUs });
    this.onFrame();
  }

  onSoundFailed(reason: string): void {
    this.failed = reason;
    this.onFrame();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.onFrame = resolve));
  }
}

function rig(startWorker: StartWorker, changed: Partial<SoundConverterSettings> = {}, hasSimd = true) {
  const clock = new FakeClock();
  const lines: LogLine[] = [];
  const log = new LogHub('debug', (line) => lines.push(line)).logger();
  const tick = new TickWheel(clock, (error) => {
    throw error;
  });
  const settings = { ...SETTINGS, workers: 2, maxConversions: 4, lingerMs: 5000, ...changed };
  const converter = new WorkerSoundConverter({
    startWorker,
    settings: () => settings,
    log,
    clock,
    tick,
    hasSimd,
  });
  const pass = (ms: number) => {
    for (let i = 0; i < ms; i += 100) {
      clock.advanceMs(100);
      tick.tick();
    }
  };
  return { converter, clock, lines, tick, pass };
}

const fromSource = makeStartWorker(() => null);
const textWorker = (text: string) => makeStartWorker(() => Buffer.from(text));

test('a real worker converts, counts, and ends some time after its last conversion', async () => {
  const { converter, pass, tick } = rig(fromSource);
  assert.equal(converter.workers, 0);
  const outputs = [new Output(), new Output()];
  const conversions = outputs.map((output, i) => converter.open(L16, i === 0 ? 'opus' : 'aac', output));
  assert.deepEqual(
    conversions.map(({ config }) => config.codec),
    ['opus', 'aac'],
  );
  for (let i = 0; i < 10; i++) {
    for (const conversion of conversions) conversion.push(1_000_000 + i * 20_000, 20_000, FRAME, 500 + i);
  }
  await outputs[0]!.until(() => outputs[0]!.frames.length === 10);
  await outputs[1]!.until(() => outputs[1]!.frames.length >= 6);
  assert.deepEqual(
    outputs[0]!.frames.map(({ ptsUs, arrivalUs }) => [ptsUs, arrivalUs]),
    Array.from({ length: 10 }, (_, i) => [993_500 + i * 20_000, 500 + i]),
  );
  assert.equal(converter.workers, 1);
  const [info] = converter.list();
  assert.equal(info?.from, 'PCM 16 bit');
  assert.equal(info?.to, 'Opus');
  assert.equal(info?.framesIn, 10);
  assert.equal(info?.framesOut, 10);
  assert.equal(info?.framesDamaged, 0);
  assert.equal(info?.queuedMs, 0);
  assert.ok(info!.cpuSeconds > 0);
  for (const conversion of conversions) conversion.close();
  conversions[0]!.close();
  conversions[0]!.push(2_000_000, 20_000, FRAME, 0);
  assert.equal(converter.list().length, 0);
  pass(4000);
  assert.equal(converter.workers, 1);
  pass(2500);
  assert.equal(converter.workers, 0);
  assert.equal(tick.pending, 0);
});

test('a worker that breaks takes its conversions with it; the next try waits longer each time', async () => {
  const broken = textWorker(
    "const { parentPort } = require('node:worker_threads'); parentPort.on('message', () => { throw new Error('trap') });",
  );
  const { converter, pass, lines } = rig(broken);
  for (const waitMs of [1000, 2000, 4000]) {
    assert.equal(converter.reasonAgainst(L16, 'opus'), '');
    const output = new Output();
    const conversion = converter.open(L16, 'opus', output);
    await output.until(() => output.failed !== '');
    assert.match(output.failed, /broke/);
    assert.equal(converter.workers, 0);
    assert.equal(converter.list().length, 0);
    conversion.push(0, 20_000, FRAME, 0);
    conversion.close();
    assert.match(converter.reasonAgainst(L16, 'opus'), new RegExp(`in ${waitMs / 1000} s`));
    pass(waitMs);
  }
  const errors = lines.filter(({ event }) => event === 'transcode.worker-broke');
  assert.equal(errors.length, 3);
  assert.match(String(errors[0]?.fields['reason']), /trap/);
});

test('a worker that cannot keep up: frames are dropped, and one that hangs is ended', () => {
  const output = new Output();
  const { startWorker, workers } = fakeWorkers();
  const { converter, pass, lines } = rig(startWorker);
  const conversion = converter.open(L16, 'opus', output);
  for (let i = 0; i < 550; i++) conversion.push(i * 20_000, 20_000, FRAME, 0);
  const [info] = converter.list();
  assert.equal(info?.framesIn, 550);
  assert.equal(info?.framesDropped, 49);
  assert.equal(info?.queuedMs, 10_020);
  assert.ok(lines.some(({ event }) => event === 'transcode.too-slow'));
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    pass(14_000);
    assert.equal(converter.workers, 1);
    pass(3000);
    assert.equal(converter.workers, 0);
    assert.equal(workers[0]?.isStopped, true);
    assert.match(output.failed, /broke/);
  });
});

test('frames that say that they are next to nothing long have a bound too', () => {
  const { converter } = rig(fakeWorkers().startWorker);
  const conversion = converter.open(L16, 'opus', new Output());
  for (let i = 0; i < 5000; i++) conversion.push(1_000_000 + i, 1, FRAME, 0);
  // Ten seconds of the shortest frames that there are, and the one that makes it too many.
  assert.equal(converter.list()[0]?.framesDropped, 5000 - 4001);
});

interface FakeWorker {
  readonly received: ToWorker[];
  answer(message: FromWorker): void;
  isStopped: boolean;
}

function fakeWorkers(): { startWorker: StartWorker; workers: FakeWorker[] } {
  const workers: FakeWorker[] = [];
  const startWorker: StartWorker = (_name, options) => {
    const worker: FakeWorker = { received: [], answer: options.onMessage, isStopped: false };
    workers.push(worker);
    return {
      post: (message) => worker.received.push(message as ToWorker),
      stop: () => {
        worker.isStopped = true;
      },
    };
  };
  return { startWorker, workers };
}

test('a busy worker gets help up to the bound, and conversions are bounded', () => {
  const { startWorker, workers } = fakeWorkers();
  const { converter, pass } = rig(startWorker, { workers: 2, maxConversions: 4 });
  const open = () => converter.open(L16, 'opus', new Output());
  const first = open();
  open();
  assert.equal(workers.length, 1);
  const busy = (worker: FakeWorker) => {
    const progress = new Float64Array(PROGRESS_COLUMNS);
    progress[0] = 1;
    progress[2] = 2_000_000;
    worker.answer({ kind: 'frames', progress, table: new Float64Array(0), bytes: new Uint8Array(0) });
  };
  busy(workers[0]!);
  pass(1100);
  open();
  assert.equal(workers.length, 2);
  assert.equal(converter.reasonAgainst(L16, 'opus'), '');
  open();
  assert.equal(workers.length, 2);
  assert.match(converter.reasonAgainst(L16, 'opus'), /No more than 4 conversions/);
  first.close();
  assert.equal(converter.reasonAgainst(L16, 'opus'), '');
  converter.close();
  converter.close();
  assert.ok(workers.every(({ isStopped }) => isStopped));
  assert.match(converter.reasonAgainst(L16, 'opus'), /shutting down/);
});

test('one conversion that cannot go on leaves the others alone', () => {
  const { startWorker, workers } = fakeWorkers();
  const { converter } = rig(startWorker);
  const outputs = [new Output(), new Output()];
  for (const output of outputs) converter.open(L16, 'opus', output);
  workers[0]!.answer({ kind: 'failed', id: 1, reason: 'no such coder' });
  assert.deepEqual(
    outputs.map(({ failed }) => failed),
    ['no such coder', ''],
  );
  assert.equal(converter.list().length, 1);
  assert.deepEqual(
    workers[0]!.received.map(({ kind }) => kind),
    ['open', 'open', 'close'],
  );
});

test('what cannot be converted is refused in words', () => {
  const { converter } = rig(fakeWorkers().startWorker);
  const config = (codec: CodecConfig['codec'], facts = {}) =>
    makeCodecConfig(codec, new Uint8Array(0), '', facts);
  const cases: [CodecConfig, SoundTarget, RegExp][] = [
    [config('opus'), 'opus', /is Opus already/],
    [configFromRecord('aac', Uint8Array.of(0x11, 0x90)), 'aac', /is AAC already/],
    [config('ac3'), 'opus', /AC-3 cannot be converted/],
    [config('eac3'), 'aac', /E-AC-3 cannot be converted/],
    [config('flac'), 'aac', /FLAC cannot be converted/],
    [config('speex'), 'aac', /Speex cannot be converted/],
    [config('h264'), 'aac', /H.264 cannot be converted/],
    [configFromRecord('aac', Uint8Array.of(0x09, 0x90)), 'opus', /object type 1/],
    [config('aac'), 'opus', /makes no sense/],
    [config('l16', { sampleRate: 1000, channels: 1 }), 'opus', /1000 Hz/],
    [config('l16', { sampleRate: 48_000, channels: 20 }), 'opus', /20 channels/],
  ];
  for (const [from, target, expected] of cases) assert.match(converter.reasonAgainst(from, target), expected);
  for (const codec of ['mp3', 'g711a', 'g711u', 'g722', 'g726', 'l16'] as const) {
    assert.equal(converter.reasonAgainst(config(codec), 'opus'), '');
    assert.equal(converter.reasonAgainst(config(codec), 'aac'), '');
  }
  assert.equal(converter.reasonAgainst(config('opus'), 'aac'), '');
});

test('without vectors of WebAssembly AAC is not encoded, Opus is', () => {
  const { converter } = rig(fakeWorkers().startWorker, {}, false);
  assert.match(converter.reasonAgainst(L16, 'aac'), /cannot encode AAC/);
  assert.equal(converter.reasonAgainst(L16, 'opus'), '');
});
