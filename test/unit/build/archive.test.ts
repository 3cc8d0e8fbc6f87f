/** The archives: what a user's programs unpack, and the same bytes each time. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

interface Entry {
  name: string;
  bytes?: Uint8Array;
  executable?: boolean;
}

const { writeArchive } = (await import(
  pathToFileURL(join(process.cwd(), 'build', 'release', 'archive.mjs')).href
)) as { writeArchive: (path: string, files: readonly Entry[]) => Promise<void> };

const FILES: readonly Entry[] = [
  { name: 'app/run', bytes: Buffer.alloc(1536, 7), executable: true },
  { name: 'app/' },
  { name: 'app/b.txt', bytes: Buffer.from('text') },
  { name: 'app/empty', bytes: Buffer.alloc(0) },
];

for (const [kind, command, args] of [
  ['tar.gz', 'tar', ['-xf']],
  ['zip', 'unzip', ['-q']],
] as const) {
  const missing = spawnSync(command, [command === 'tar' ? '--version' : '-v']).status !== 0;
  test(`${kind}: unpacks with ${command}, keeps the x bit, does not depend on order`, {
    skip: missing && `${command} is not installed`,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-archive-'));
    try {
      const first = join(folder, `first.${kind}`);
      const second = join(folder, `second.${kind}`);
      await writeArchive(first, FILES);
      await writeArchive(second, FILES.toReversed());
      assert.deepEqual(readFileSync(first), readFileSync(second));
      const out = join(folder, 'out');
      mkdirSync(out);
      const run = spawnSync(command, [...args, first], { cwd: out, encoding: 'utf8' });
      assert.equal(run.status, 0, run.stderr);
      assert.deepEqual(readFileSync(join(out, 'app/run')), Buffer.alloc(1536, 7));
      assert.equal(readFileSync(join(out, 'app/b.txt'), 'utf8'), 'text');
      assert.equal(statSync(join(out, 'app/empty')).size, 0);
      assert.equal(statSync(join(out, 'app/run')).mode & 0o777, 0o755);
      assert.equal(statSync(join(out, 'app/b.txt')).mode & 0o777, 0o644);
      assert.equal(statSync(join(out, 'app/b.txt')).mtime.getUTCFullYear(), 1980);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test('a name that ustar cannot hold is refused, not cut', async () => {
  const path = join(tmpdir(), 'never-written.tar.gz');
  const files = [{ name: 'n'.repeat(101), bytes: Buffer.alloc(0) }];
  await assert.rejects(() => writeArchive(path, files), /too long/);
});
