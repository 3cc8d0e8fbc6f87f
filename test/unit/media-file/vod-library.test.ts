import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { MediaFile } from '../../../src/media-file/media-file.ts';
import type { MediaFileCache } from '../../../src/media-file/media-file-cache.ts';
import { VodLibrary } from '../../../src/media-file/vod-library.ts';
import { ProtocolError, RejectedError } from '../../../src/util/errors.ts';
import { fakeFile } from './fake-media-file.ts';

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-library-'));
  for (const name of ['a.flv', 'b.flv', 'bad.flv']) writeFileSync(join(folder, name), name);
});

after(() => rmSync(folder, { recursive: true, force: true }));

function library(cacheBytes?: number) {
  const counts = { uses: 0, most: 0, now: 0 };
  const files = {
    use: async <T>(path: string, action: (file: MediaFile) => Promise<T>): Promise<T> => {
      if (path.endsWith('bad.flv')) throw new ProtocolError('media-file.broken', 'test');
      counts.uses++;
      counts.most = Math.max(counts.most, ++counts.now);
      try {
        return await action(fakeFile({ path, rounds: 4 }));
      } finally {
        counts.now--;
      }
    },
  } as unknown as MediaFileCache;
  return { counts, made: new VodLibrary({ files, ...(cacheBytes === undefined ? {} : { cacheBytes }) }) };
}

const path = (name: string) => join(folder, name);

test('vod library: a file is planned once, and again when it changed', async () => {
  const { counts, made } = library();
  const all = await Promise.all([1, 2, 3].map(() => made.timeline([{ path: path('a.flv'), startMs: 0 }])));
  assert.equal(counts.uses, 1);
  assert.equal(new Set(all.map(({ version }) => version)).size, 1);
  utimesSync(path('a.flv'), new Date(), new Date(Date.now() + 2000));
  const changed = await made.timeline([{ path: path('a.flv'), startMs: 0 }]);
  assert.equal(counts.uses, 2);
  assert.notEqual(changed.version, all[0]!.version);
});

test('vod library: a segment is made once for all who want it', async () => {
  const { counts, made } = library();
  const timeline = await made.timeline([{ path: path('a.flv'), startMs: 0 }]);
  counts.uses = 0;
  const segment = timeline.segments[1]!;
  const answers = await Promise.all(Array.from({ length: 20 }, () => made.segment(timeline, segment)));
  assert.equal(counts.uses, 1);
  for (const answer of answers) assert.equal(answer, answers[0]);
  const other = await made.timeline([{ path: path('a.flv'), startMs: 0 }]);
  assert.equal(await made.segment(other, other.segments[1]!), answers[0]);
  assert.equal(counts.uses, 1);
});

test('vod library: what is kept has a bound, and so has what is made at once', async () => {
  const { counts, made } = library();
  const timeline = await made.timeline([{ path: path('a.flv'), startMs: 0 }]);
  assert.ok(timeline.segments.length >= 5);
  await Promise.all(timeline.segments.map((segment) => made.segment(timeline, segment)));
  assert.ok(counts.most <= 4, `${counts.most} at once`);
  const whole = made.keptBytes;
  const small = library(Math.round(whole * 0.9));
  for (const segment of timeline.segments) await small.made.segment(timeline, segment);
  assert.ok(
    small.made.keptBytes <= whole * 0.9 && small.made.keptBytes > 0,
    `${small.made.keptBytes} of ${whole}`,
  );
  const tiny = library(1000);
  await tiny.made.segment(timeline, timeline.segments[0]!);
  assert.equal(tiny.made.keptBytes, 0, 'what would fill the cache is not kept');
  made.close();
  assert.equal(made.keptBytes, 0);
});

test('vod library: files that are gone or broken', async () => {
  const { made } = library();
  const reasonOf = async (...names: string[]) => {
    try {
      const timeline = await made.timeline(names.map((name) => ({ path: path(name), startMs: 0 })));
      return timeline.segments.length > 0 ? 'plays' : 'empty';
    } catch (error) {
      assert.ok(error instanceof RejectedError, String(error));
      return error.reason;
    }
  };
  assert.equal(await reasonOf('none.flv'), 'not-found');
  assert.equal(await reasonOf('bad.flv'), 'unsupported');
  assert.equal(await reasonOf('bad.flv', 'a.flv', 'none.flv'), 'plays');
  assert.equal(await reasonOf('bad.flv', 'none.flv'), 'not-found');
  assert.equal(await reasonOf(), 'not-found');
});
