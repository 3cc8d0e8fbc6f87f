/**
 * A recording whose program is killed in the middle: everything up to the last fragment that was written is read by
 * FFmpeg 8. Then cut at any byte, as a power cut may leave it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { repairTail } from '../../src/recordings/repair-file.ts';
import { playUrl } from '../support/node-av.ts';
import { NODE_AV_MISSING, start } from '../support/programs.ts';
import { until } from '../support/until.ts';

const CHILD = fileURLToPath(new URL('../support/recording-child.ts', import.meta.url));

async function packetsIn(path: string): Promise<number> {
  const { streams } = await playUrl(path, 3600);
  return streams.reduce((sum, stream) => sum + stream.packets.length, 0);
}

for (const format of ['fmp4', 'ts', 'flv']) {
  test(`record: ${format} after kill -9 and after a cut at any byte`, { skip: NODE_AV_MISSING }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-crash-'));
    const path = join(folder, `a.${format}`);
    let said = '';
    const child = start(process.execPath, [CHILD, path, format]);
    child.child.stdout?.on('data', (bytes: Buffer) => {
      said += bytes.toString('utf8');
    });
    try {
      await until('a few fragments', () => said.split('\n').length > 20);
      child.child.kill('SIGKILL');
      const { err } = await child.done;
      assert.equal(err, '');
      const told = said
        .slice(0, said.lastIndexOf('\n'))
        .split('\n')
        .map((line) => line.split(' ').map(Number) as [number, number]);
      const [lastBytes, lastCount] = told.at(-1)!;
      const file = readFileSync(path);
      assert.ok(file.length >= lastBytes);
      assert.ok((await packetsIn(path)) >= lastCount, 'nothing before the last fragment is lost');

      let seed = 7;
      for (let i = 0; i < 4; i++) {
        const [bytes, count] = told[4 + i * 3]!;
        const [next] = told[5 + i * 3]!;
        seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
        writeFileSync(path, file);
        const cut = bytes + (seed % (next - bytes));
        truncateSync(path, cut);
        // As the server does at its next start.
        if (format === 'fmp4') await repairTail(path, cut);
        assert.ok((await packetsIn(path)) >= count, `cut between ${bytes} and ${next}`);
      }
    } finally {
      child.child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
