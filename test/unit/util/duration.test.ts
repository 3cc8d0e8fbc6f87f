import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/util/duration.ts';

test('durations: texts and milliseconds', () => {
  const cases: [string, number | null][] = [
    ['0', 0],
    ['500ms', 500],
    ['10s', 10_000],
    ['10 s', 10_000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['10', null],
    ['', null],
    ['-1s', null],
    ['1x', null],
    ['1s2', null],
    ['s', null],
    ['9999999999s', null],
    ['1e3s', null],
  ];
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text);
});

test('durations: a bare number counts only where its unit is said', () => {
  assert.equal(parseDuration('10', 1000), 10_000);
  assert.equal(parseDuration('0.5', 1000), 500);
  assert.equal(parseDuration('10ms', 1000), 10);
});

test('durations: written as short as is exact, and read again', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [45, '45ms'],
    [1000, '1s'],
    [1500, '1500ms'],
    [90_000, '90s'],
    [120_000, '2m'],
    [86_400_000, '1d'],
  ];
  for (const [ms, text] of cases) {
    assert.equal(formatDuration(ms), text);
    assert.equal(parseDuration(text), ms);
  }
});

test('sizes: texts and bytes', () => {
  const cases: [string, number | null][] = [
    ['0', 0],
    ['1000', 1000],
    ['64K', 65_536],
    ['64k', 65_536],
    ['64KB', 65_536],
    ['64KiB', 65_536],
    ['10B', 10],
    ['8M', 8_388_608],
    ['1.5M', 1_572_864],
    ['1G', 1_073_741_824],
    ['', null],
    ['M', null],
    ['-1', null],
    ['8X', null],
    ['8MM', null],
  ];
  for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text);
});

test('sizes: written as short as is exact, and read again', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [1000, '1000'],
    [1024, '1K'],
    [8_388_608, '8M'],
    [8_389_632, '8193K'],
    [1_073_741_824, '1G'],
  ];
  for (const [bytes, text] of cases) {
    assert.equal(formatSize(bytes), text);
    assert.equal(parseSize(text), bytes);
  }
});
