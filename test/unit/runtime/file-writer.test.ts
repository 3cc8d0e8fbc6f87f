import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileWriter, type FileWriterOptions, systemFiles } from '../../../src/runtime/file-writer.ts';
import { FakeDisk } from '../../support/fake-disk.ts';

function options(disk: FakeDisk, over: Partial<FileWriterOptions> = {}): FileWriterOptions {
  return {
    files: disk,
    pathAt: (attempt) => (attempt === 0 ? '/rec/a' : `/rec/a.${attempt + 1}`),
    startBytes: 0,
    maxBacklogBytes: 100,
    syncMs: 0,
    nowUs: () => disk.nowUs,
    onFailure: (error) => disk.failures.push(error.code ?? error.message),
    ...over,
  };
}

const bytes = (text: string) => [Buffer.from(text)];

test('file writer: appends in order, a call to the system per append', async () => {
  const disk = new FakeDisk();
  const writer = new FileWriter(options(disk));
  assert.equal(writer.path, '');
  assert.equal(writer.append([Buffer.from('ab'), Buffer.from('cd')]), true);
  assert.equal(writer.append(bytes('ef')), true);
  assert.equal(writer.backlogBytes, 6);
  await writer.close();
  assert.equal(writer.path, '/rec/a');
  assert.equal(disk.text('/rec/a'), 'abcdef');
  assert.deepEqual([writer.writtenBytes, writer.backlogBytes, disk.writes], [6, 0, 2]);
  assert.equal(disk.openFiles, 0);
  assert.equal(writer.append(bytes('x')), false, 'a closed writer takes nothing');
});

test('file writer: what waits is bounded, and taken again when the disk has caught up', async () => {
  const disk = new FakeDisk();
  disk.hold = true;
  const writer = new FileWriter(options(disk));
  assert.equal(writer.append(bytes('x'.repeat(60))), true);
  assert.equal(writer.append(bytes('y'.repeat(41))), false);
  assert.equal(writer.append(bytes('y'.repeat(40))), true);
  assert.equal(writer.append(bytes('z')), false);
  disk.release();
  await disk.settle();
  assert.equal(writer.backlogBytes, 0);
  assert.equal(writer.append(bytes('z')), true);
  await writer.close();
  assert.equal(disk.text('/rec/a'), `${'x'.repeat(60)}${'y'.repeat(40)}z`);
});

test('file writer: a disk that takes a part gets the rest', async () => {
  const disk = new FakeDisk();
  disk.largestWrite = 3;
  const writer = new FileWriter(options(disk));
  writer.append([Buffer.from('abcd'), Buffer.from('efgh')]);
  await writer.close();
  assert.equal(disk.text('/rec/a'), 'abcdefgh');
});

test('file writer: a full disk ends it, and the piece that did not fit is cut off', async () => {
  const disk = new FakeDisk();
  disk.freeBytes = 6;
  const writer = new FileWriter(options(disk));
  writer.append(bytes('abcd'));
  writer.append(bytes('efgh'));
  writer.append(bytes('ijkl'));
  await writer.close();
  assert.equal(disk.text('/rec/a'), 'abcd');
  assert.deepEqual(disk.failures, ['ENOSPC']);
  assert.equal(writer.writtenBytes, 4);
  assert.equal(writer.append(bytes('x')), false);
  assert.equal(disk.openFiles, 0);
});

test('file writer: a folder that cannot be written to', async () => {
  const disk = new FakeDisk();
  disk.openError = 'EROFS';
  const writer = new FileWriter(options(disk));
  writer.append(bytes('abcd'));
  await writer.close();
  assert.deepEqual(disk.failures, ['EROFS']);
});

test('file writer: a name that is taken gets a number', async () => {
  const disk = new FakeDisk();
  disk.files.set('/rec/a', Buffer.from('old'));
  disk.files.set('/rec/a.2', Buffer.from('old'));
  const writer = new FileWriter(options(disk));
  writer.append(bytes('new'));
  await writer.close();
  assert.equal(writer.path, '/rec/a.3');
  assert.equal(disk.text('/rec/a'), 'old');
});

test('file writer: goes on with a file where it was known to end', async () => {
  const disk = new FakeDisk();
  disk.files.set('/rec/a', Buffer.from('whole, and torn off'));
  const writer = new FileWriter(options(disk, { startBytes: 5 }));
  writer.append(bytes(' again'));
  await writer.close();
  assert.equal(disk.text('/rec/a'), 'whole again');
  assert.equal(writer.writtenBytes, 11);
});

test('file writer: waits for another to be open, and fails with it', async () => {
  const disk = new FakeDisk();
  const list = new FileWriter(options(disk, { pathAt: () => '/rec/list' }));
  const segment = new FileWriter(options(disk, { after: list, pathAt: () => `${list.path}-1` }));
  segment.append(bytes('x'));
  await segment.close();
  assert.equal(disk.text('/rec/list-1'), 'x');
  await list.close();

  disk.openError = 'EACCES';
  const bad = new FileWriter(options(disk));
  const next = new FileWriter(options(disk, { after: bad }));
  await Promise.all([bad.close(), next.close()]);
  assert.deepEqual(disk.failures, ['EACCES', 'EACCES']);
});

test('file writer: forces to the disk now and then, and at the end', async () => {
  const disk = new FakeDisk();
  const writer = new FileWriter(options(disk, { syncMs: 1000 }));
  writer.append(bytes('a'));
  await disk.settle();
  assert.equal(disk.syncs, 0);
  disk.nowUs += 1_000_000;
  writer.append(bytes('b'));
  await disk.settle();
  assert.equal(disk.syncs, 1);
  await writer.close();
  assert.equal(disk.syncs, 2);
});

test('file writer: the real disk, with folders that are made, and one that is always full', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-writer-'));
  const failures: string[] = [];
  try {
    const common = { ...options(new FakeDisk()), files: systemFiles, syncMs: 1 };
    const path = join(folder, 'x', 'y', 'z.ts');
    const writer = new FileWriter({ ...common, pathAt: () => path });
    for (let i = 0; i < 30; i++) writer.append([Buffer.from([i])]);
    await writer.close();
    assert.deepEqual([...readFileSync(path)], [...Array(30).keys()]);

    writeFileSync(path, 'abc');
    const again = new FileWriter({ ...common, pathAt: () => path, startBytes: 2 });
    again.append(bytes('X'));
    await again.close();
    assert.equal(readFileSync(path, 'utf8'), 'abX');

    // Opening for writing at the end is what a continued file does; cutting it is not possible, so it is refused.
    const full = new FileWriter({
      ...common,
      files: { ...systemFiles, truncate: (_fd, _bytes, done) => done(null) },
      pathAt: () => '/dev/full',
      startBytes: 1,
      onFailure: (error) => failures.push(error.code ?? ''),
    });
    full.append(bytes('x'));
    await full.close();
    assert.deepEqual(failures, process.platform === 'linux' ? ['ENOSPC'] : failures);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
