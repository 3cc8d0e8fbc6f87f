import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearestName } from '../../../src/util/edit-distance.ts';

test('edit distance: insert, delete, replace, swap', () => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['port', 'port', 0],
    ['prot', 'port', 1],
    ['prt', 'port', 1],
    ['porrt', 'port', 1],
    ['pxrt', 'port', 1],
    ['', 'port', 4],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of cases) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

test('nearest name: the nearest that can be meant, else none', () => {
  const known = ['port', 'sport', 'enable', 'ip'];
  assert.equal(nearestName('prot', known), 'port');
  assert.equal(nearestName('PORT', known), 'port');
  assert.equal(nearestName('enabled', known), 'enable');
  assert.equal(nearestName('bitrate', known), '');
  assert.equal(nearestName('p'.repeat(5000), known), '');
});
