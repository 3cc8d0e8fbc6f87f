/** Uploads against a storage of our own that checks signatures. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { RecordedFile } from '../../../../src/recordings/recording-entry.ts';
import { RecordingIndex } from '../../../../src/recordings/recording-index.ts';
import { FileReaders } from '../../../../src/runtime/file-response.ts';
import { Uploader, type UploadSettings } from '../../../../src/service/record/uploader.ts';
import { LogHub, type LogLine } from '../../../../src/util/log.ts';
import { TickWheel } from '../../../../src/util/tick-wheel.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { S3_KEY, S3_SECRET, S3Server } from '../../../support/s3-server.ts';
import { until } from '../../../support/until.ts';

let storage: S3Server;
let folder: string;
let index: RecordingIndex;
let settings: UploadSettings | null;
const lines: LogLine[] = [];
const faults: unknown[] = [];
const clock = new FakeClock();
const tick = new TickWheel(clock, (error) => faults.push(error));
const running: Uploader[] = [];

beforeEach(async () => {
  storage = await S3Server.start();
  folder = mkdtempSync(join(tmpdir(), 'sluice-upload-'));
  index = new RecordingIndex(folder, new FileReaders());
  settings = {
    endpoint: storage.endpoint,
    bucket: 'tv-archive',
    region: 'eu-test-1',
    key: S3_KEY,
    secret: S3_SECRET,
    prefix: 'site 1/',
    deleteAfter: false,
    jobs: 2,
    queue: 100,
  };
  lines.length = 0;
});

afterEach(async () => {
  for (const uploader of running.splice(0)) await uploader.close();
  await storage.close();
  rmSync(folder, { recursive: true });
  assert.deepEqual(faults, []);
});

function open(): Uploader {
  const uploader = new Uploader({
    index,
    settings: () => settings,
    log: new LogHub('debug', (line) => lines.push(line)).logger(),
    tick,
    nowUs: () => clock.nowUs(),
    onFault: (error) => faults.push(error),
  });
  running.push(uploader);
  return uploader;
}

async function record(name: string, parts: readonly string[] = []): Promise<RecordedFile> {
  const startMs = 1_795_000_000_000;
  for (const one of [name, ...parts]) {
    const path = join(folder, one);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `bytes of ${one}`);
  }
  const file: RecordedFile = {
    file: name,
    stream: 'live/cam',
    recording: 'r',
    format: parts.length > 0 ? 'hls' : 'fmp4',
    startMs,
    endMs: startMs + 1000,
    bytes: 10,
    tracks: [],
    parts: parts.map((one) => ({
      file: one,
      offset: 0,
      bytes: 5,
      startMs,
      durationMs: 500,
      discontinuity: false,
    })),
    keys: [],
    open: false,
  };
  await index.add(file);
  return file;
}

const advance = (ms: number) => {
  clock.advanceMs(ms);
  tick.tick();
};

test('upload: a file arrives signed, under its prefix and name, with its type', async () => {
  const uploader = open();
  uploader.add(await record("h/cam (1)/2026-11-21/it's 10-00.mp4"));
  await until('the upload', () => uploader.state().sent === 1);
  const path = "/tv-archive/site 1/h/cam (1)/2026-11-21/it's 10-00.mp4";
  assert.deepEqual(storage.refused, []);
  assert.equal(storage.objects.get(path)?.toString(), "bytes of h/cam (1)/2026-11-21/it's 10-00.mp4");
  assert.equal(storage.types.get(path), 'video/mp4');
  assert.equal(existsSync(join(folder, "h/cam (1)/2026-11-21/it's 10-00.mp4")), true);
  assert.equal(uploader.state().waiting, 0);
});

test('upload: the parts of a list go before the list', async () => {
  const uploader = open();
  uploader.add(await record('d/a.m3u8', ['d/a-0.ts', 'd/a-1.ts']));
  await until('the upload', () => uploader.state().sent === 1);
  assert.deepEqual(
    storage.order.map((path) => path.split('/').at(-1)),
    ['a-0.ts', 'a-1.ts', 'a.m3u8'],
  );
});

test('upload: removes what the storage has, when it is told to', async () => {
  settings = { ...settings!, deleteAfter: true };
  const uploader = open();
  uploader.add(await record('d/a.m3u8', ['d/a-0.ts']));
  await until('the removal', () => !existsSync(join(folder, 'd')));
  assert.equal((await index.files('live/cam', 0, Number.MAX_SAFE_INTEGER)).total, 0);
});

test('upload: a storage that fails is tried again, later and later', async () => {
  storage.failures = [503, 500, 503];
  settings = { ...settings!, jobs: 1 };
  const uploader = open();
  uploader.add(await record('a.mp4'));
  await until('the first failure', () => uploader.state().failures === 1);
  const { lastError, retryInS, waiting } = uploader.state();
  assert.deepEqual([lastError, retryInS, waiting], ['The storage answered 503 (SlowDown: later).', 2, 1]);
  advance(1900);
  assert.equal(uploader.state().failures, 1);
  advance(300);
  await until('the second failure', () => uploader.state().failures === 2);
  assert.equal(uploader.state().retryInS, 4);
  advance(4200);
  await until('the third failure', () => uploader.state().failures === 3);
  advance(8200);
  await until('the upload', () => uploader.state().sent === 1);
});

test('upload: a wrong secret is told, and the file stays', async () => {
  settings = { ...settings!, secret: 'wrong' };
  const uploader = open();
  uploader.add(await record('a.mp4'));
  await until('the refusal', () => uploader.state().failures === 1);
  assert.match(uploader.state().lastError, /403 \(SignatureDoesNotMatch\)/);
  settings = { ...settings, secret: S3_SECRET };
  uploader.reload();
  await until('the upload', () => uploader.state().sent === 1);
  assert.doesNotMatch(JSON.stringify(lines), /secret/);
});

test('upload: a storage that is not there', async () => {
  settings = { ...settings!, endpoint: 'http://127.0.0.1:1' };
  const uploader = open();
  uploader.add(await record('a.mp4'));
  await until('the failure', () => uploader.state().failures === 1);
  assert.match(uploader.state().lastError, /cannot be reached/);
});

test('upload: what waits survives a restart', async () => {
  storage.hold = true;
  const first = open();
  first.add(await record('a.mp4'));
  first.add(await record('b.mp4'));
  first.add(await record('c.mp4'));
  await until('the requests', () => first.state().sending.length === 2);
  await running.pop()?.close();
  storage.release();
  const second = open();
  await second.load();
  await until('the uploads', () => second.state().sent === 3);
  const third = open();
  await third.load();
  assert.equal(third.state().waiting, 0);
  assert.equal(readFileSync(join(folder, '.spool/upload.jsonl'), 'utf8'), '');
});

test('upload: no more than so many at once, and no more than so many that wait', async () => {
  settings = { ...settings!, jobs: 2, queue: 4 };
  storage.hold = true;
  const uploader = open();
  for (let i = 0; i < 6; i++) uploader.add(await record(`${i}.mp4`));
  await until('the requests', () => storage.running === 2);
  assert.deepEqual([uploader.state().waiting, uploader.state().dropped], [4, 2]);
  storage.release();
  await until('the uploads', () => uploader.state().sent === 4);
  assert.equal(storage.mostRunning, 2);
});

test('upload: a file that is gone is given up, others go on', async () => {
  const uploader = open();
  const gone = await record('gone.mp4');
  rmSync(join(folder, 'gone.mp4'));
  uploader.add(gone);
  uploader.add(await record('there.mp4'));
  await until('the upload', () => uploader.state().sent === 1 && uploader.state().dropped === 1);
  assert.equal(uploader.state().waiting, 0);
});

test('upload: a file is not removed while it is sent', async () => {
  storage.hold = true;
  const uploader = open();
  const file = await record('a.mp4');
  uploader.add(file);
  await until('the request', () => storage.running === 1);
  assert.match(await index.remove(file), /played/);
  storage.release();
  await until('the upload', () => uploader.state().sent === 1);
});

test('upload: nothing is kept when no storage is set up', async () => {
  settings = null;
  const uploader = open();
  uploader.add(await record('a.mp4'));
  assert.deepEqual([uploader.state().waiting, existsSync(join(folder, '.spool'))], [0, false]);
});
