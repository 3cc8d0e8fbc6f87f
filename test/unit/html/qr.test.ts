/** The QR encoder against codes of another implementation. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Vector {
  readonly text: string;
  readonly version: number;
  readonly rows: readonly string[];
}

const { encodeQr } = await loadPageModule<{ encodeQr(text: string): boolean[][] | null }>('js/qr.js');
const vectors = JSON.parse(
  readFileSync(join(process.cwd(), 'test/vectors/qr/level-m.json'), 'utf8'),
) as readonly Vector[];

function rowsOf(code: boolean[][] | null): string[] {
  assert.ok(code !== null);
  return code.map((row) => row.map((dark) => (dark ? '1' : '0')).join(''));
}

for (const { text, version, rows } of vectors) {
  test(`qr: version ${version}, ${Buffer.byteLength(text)} bytes: every module as the reference has it`, () => {
    assert.deepEqual(rowsOf(encodeQr(text)), rows);
  });
}

test('qr: the vectors reach from the smallest to the largest version', () => {
  const versions = vectors.map((vector) => vector.version);
  assert.equal(Math.min(...versions), 1);
  assert.equal(Math.max(...versions), 10);
});

test('qr: the version grows with the text and ends at 213 bytes', () => {
  const capacities = [14, 26, 42, 62, 84, 106, 122, 152, 180, 213];
  capacities.forEach((capacity, index) => {
    const size = (index + 1) * 4 + 17;
    assert.equal(encodeQr('x'.repeat(capacity))?.length, size, `${capacity} bytes`);
    const next = encodeQr('x'.repeat(capacity + 1));
    assert.equal(next === null ? 0 : next.length, index === 9 ? 0 : size + 4, `${capacity + 1} bytes`);
  });
});

test('qr: a character counts as its UTF-8 bytes', () => {
  assert.equal(encodeQr('直'.repeat(71))?.length, 57);
  assert.equal(encodeQr('直'.repeat(72)), null);
});
