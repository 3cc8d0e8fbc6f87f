import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerConditions } from '../../../src/runtime/http-conditions.ts';

const MODIFIED = Date.UTC(2026, 10, 21, 10, 0, 0) + 345;
const DATE = new Date(MODIFIED).toUTCString();
const LATER = new Date(MODIFIED + 60_000).toUTCString();
const EARLIER = new Date(MODIFIED - 60_000).toUTCString();
const FILE = { sizeBytes: 1000, etag: '"abc"', modifiedMs: MODIFIED };

test('ranges: which bytes', () => {
  const table: readonly (readonly [string, number, number, number])[] = [
    ['bytes=0-0', 206, 0, 1],
    ['bytes=0-499', 206, 0, 500],
    ['bytes=500-', 206, 500, 1000],
    ['bytes=-1', 206, 999, 1000],
    ['bytes=-5000', 206, 0, 1000],
    ['bytes=999-999999', 206, 999, 1000],
    ['Bytes = 1-2', 200, 0, 1000],
    ['bytes= 1 - 2 ', 206, 1, 3],
    ['bytes=1000-', 416, 0, 0],
    ['bytes=2000-3000', 416, 0, 0],
    ['bytes=-0', 416, 0, 0],
    ['bytes=5-4', 200, 0, 1000],
    ['bytes=-', 200, 0, 1000],
    ['bytes=a-b', 200, 0, 1000],
    ['bytes=0-1,5-6', 200, 0, 1000],
    ['seconds=0-1', 200, 0, 1000],
    ['bytes=0-99999999999999999999', 200, 0, 1000],
  ];
  for (const [range, status, start, end] of table)
    assert.deepEqual(answerConditions('GET', { range }, FILE), { status, start, end }, range);
});

test('ranges: an empty file has none, and only GET has them', () => {
  const empty = { ...FILE, sizeBytes: 0 };
  assert.equal(answerConditions('GET', { range: 'bytes=0-' }, empty).status, 416);
  assert.equal(answerConditions('GET', {}, empty).status, 200);
  assert.equal(answerConditions('HEAD', { range: 'bytes=0-1' }, FILE).status, 200);
});

test('conditions: which status', () => {
  const range = 'bytes=0-9';
  const table: readonly (readonly [Record<string, string>, number])[] = [
    [{ 'if-none-match': '"abc"' }, 304],
    [{ 'if-none-match': 'W/"abc"' }, 304],
    [{ 'if-none-match': '"x", "abc"' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"x"' }, 200],
    [{ 'if-none-match': '"x"', 'if-modified-since': DATE }, 200],
    [{ 'if-modified-since': DATE }, 304],
    [{ 'if-modified-since': LATER }, 304],
    [{ 'if-modified-since': EARLIER }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-match': '"abc"' }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': 'W/"abc"' }, 412],
    [{ 'if-unmodified-since': DATE }, 200],
    [{ 'if-unmodified-since': EARLIER }, 412],
    [{ range, 'if-range': '"abc"' }, 206],
    [{ range, 'if-range': 'W/"abc"' }, 200],
    [{ range, 'if-range': '"old"' }, 200],
    [{ range, 'if-range': DATE }, 206],
    [{ range, 'if-range': LATER }, 200],
    [{ range, 'if-none-match': '"abc"' }, 304],
    [{ range: 'bytes=5000-', 'if-range': '"old"' }, 200],
  ];
  for (const [headers, status] of table)
    assert.equal(answerConditions('GET', headers, FILE).status, status, JSON.stringify(headers));
});
