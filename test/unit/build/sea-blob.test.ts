/** The blob that the release writes is the one that Node writes, so a runtime of that version reads it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

interface BlobParts {
  code: Uint8Array;
  codePath: string;
  pointerBytes: 4 | 8;
  nodeMajor: number;
}

const { seaBlob } = (await import(
  pathToFileURL(join(process.cwd(), 'build', 'release', 'sea-blob.mjs')).href
)) as { seaBlob: (parts: BlobParts) => Buffer };
const nodeMajor = Number(process.versions.node.split('.')[0]);
const code = Buffer.from("console.log('one \u4e8c');\n");

test('a blob for this Node is byte for byte the one it makes', {
  skip: nodeMajor !== 22 && `this is Node ${nodeMajor}, the release is built on 22`,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-blob-'));
  try {
    const main = join(folder, 'main.cjs');
    const output = join(folder, 'blob');
    const config = join(folder, 'config.json');
    writeFileSync(main, code);
    writeFileSync(config, JSON.stringify({ main, output, disableExperimentalSEAWarning: true }));
    execFileSync(process.execPath, ['--experimental-sea-config', config], { stdio: 'pipe' });
    const ours = seaBlob({ code, codePath: main, pointerBytes: 8, nodeMajor });
    assert.equal(ours.toString('hex'), readFileSync(output).toString('hex'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('lengths are as wide as the pointers of the target, and Node 20 has no byte about arguments', () => {
  const parts = { code: Buffer.from('xyz'), codePath: 'ab' };
  const table: [4 | 8, number, string][] = [
    [4, 20, '20da4301 01000000 02000000 6162 03000000 78797a'],
    [4, 22, '20da4301 01000000 01 02000000 6162 03000000 78797a'],
    [8, 20, '20da4301 01000000 0200000000000000 6162 0300000000000000 78797a'],
    [8, 22, '20da4301 01000000 01 0200000000000000 6162 0300000000000000 78797a'],
  ];
  for (const [pointerBytes, major, hex] of table) {
    const blob = seaBlob({ ...parts, pointerBytes, nodeMajor: major });
    assert.equal(blob.toString('hex'), hex.replaceAll(' ', ''), `${pointerBytes} bytes, Node ${major}`);
  }
});
