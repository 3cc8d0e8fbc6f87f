import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import type { MediaFile } from '../../../src/media-file/media-file.ts';
import { MediaFileCache } from '../../../src/media-file/media-file-cache.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { readFrom, ScratchFiles, vector } from './media-files.ts';

const scratch = new ScratchFiles();
after(() => rmSync(scratch.folder, { recursive: true, force: true }));
const FLV = vector('h264-aac.flv');

/** Handles of this process that are open on a file; -1 where the system does not tell. */
function handlesOf(path: string): number {
  try {
    return readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === path;
      } catch {
        return false;
      }
    }).length;
  } catch {
    return -1;
  }
}

const SEES_HANDLES = handlesOf('/') >= 0;

const itself = async (file: MediaFile): Promise<MediaFile> => file;

describe('media file cache', () => {
  test('the same file is opened once', async () => {
    const cache = new MediaFileCache();
    const path = scratch.write(FLV);
    const [first, second] = await Promise.all([cache.use(path, itself), cache.use(path, itself)]);
    assert.equal(first, second);
    assert.equal(await cache.use(path, itself), first);
    assert.equal(cache.size, 1);
    await cache.close();
  });

  test('its handle is closed when nobody reads, and opened again', async () => {
    const cache = new MediaFileCache();
    const path = scratch.write(FLV);
    for (let round = 0; round < 3; round++) {
      await cache.use(path, async (file) => {
        assert.ok((await readFrom(file, 1)).length > 0);
        if (SEES_HANDLES) assert.equal(handlesOf(path), 1);
      });
      if (SEES_HANDLES) assert.equal(handlesOf(path), 0);
    }
    await cache.close();
  });

  test('with a clock the handle stays a while', async () => {
    const due: (() => void)[] = [];
    const cache = new MediaFileCache({ after: (_, run) => due.push(run) });
    const path = scratch.write(FLV);
    await cache.use(path, itself);
    await cache.use(path, async () => {
      // What was due after the first use does not take the handle from the second.
      due[0]!();
      await new Promise((done) => setImmediate(done));
      if (SEES_HANDLES) assert.equal(handlesOf(path), 1);
    });
    assert.equal(due.length, 2);
    due[1]!();
    for (let i = 0; i < 100 && handlesOf(path) > 0; i++) await new Promise((done) => setImmediate(done));
    if (SEES_HANDLES) assert.equal(handlesOf(path), 0);
    await cache.close();
  });

  test('a file that was written anew is read anew, and the old one is freed', async () => {
    const cache = new MediaFileCache();
    const path = scratch.write(FLV);
    await cache.use(path, async (before) => {
      writeFileSync(path, vector('moov-first.mp4'));
      utimesSync(path, 1000, 1000);
      const now = await cache.use(path, itself);
      assert.notEqual(now, before);
      assert.equal(now.format, 'mp4');
    });
    assert.equal(cache.size, 1);
    if (SEES_HANDLES) assert.equal(handlesOf(path), 0);
    await cache.close();
  });

  test('a file that grows is looked at again after a while', async () => {
    let nowMs = 0;
    const cache = new MediaFileCache({ nowMs: () => nowMs });
    const path = scratch.write(FLV.subarray(0, 6000));
    const first = await cache.use(path, itself);
    appendFileSync(path, FLV.subarray(6000));
    assert.equal(await cache.use(path, itself), first);
    assert.ok((await cache.use(path, async (file) => await readFrom(file, 0))).length > 0);
    nowMs = 60_000;
    const grown = await cache.use(path, itself);
    assert.ok(grown.durationUs > first.durationUs);
    await cache.close();
  });

  test('least recently used files go first', async () => {
    const cache = new MediaFileCache({ maxFiles: 2 });
    const paths = [0, 1, 2].map(() => scratch.write(FLV));
    const [a, b] = [await cache.use(paths[0]!, itself), await cache.use(paths[1]!, itself)];
    await cache.use(paths[0]!, itself);
    await cache.use(paths[2]!, itself);
    assert.equal(cache.size, 2);
    assert.equal(await cache.use(paths[0]!, itself), a);
    assert.notEqual(await cache.use(paths[1]!, itself), b);
    await cache.close();
  });

  test('memory is bounded', async () => {
    const cache = new MediaFileCache({ maxMemoryBytes: 1 });
    await cache.use(scratch.write(FLV), itself);
    assert.equal(cache.size, 0);
    await cache.close();
  });

  test('what cannot be opened is not kept', async () => {
    const cache = new MediaFileCache();
    const path = scratch.write(Buffer.from('no media'));
    await assert.rejects(cache.use(path, itself), ProtocolError);
    await assert.rejects(cache.use(`${path}.none`, itself), { code: 'ENOENT' });
    assert.equal(cache.size, 0);
    writeFileSync(path, FLV);
    assert.equal((await cache.use(path, itself)).format, 'flv');
    await assert.rejects(
      cache.use(path, () => Promise.reject(new Error('ours'))),
      /ours/,
    );
    await cache.close();
    await cache.close();
    await assert.rejects(cache.use(path, itself), /shutting down/);
  });
});
