import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readWindow } from '../../../../src/service/record/window-query.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const TEN = Date.parse('2026-11-21T10:00:00Z');
const read = (query: string) => readWindow(new URLSearchParams(query), NOW);

test('window query: times in all their spellings', () => {
  const spellings: readonly (readonly [string, number])[] = [
    ['2026-11-21T10:00:00Z', TEN],
    ['2026-11-21t10:00:00z', TEN],
    ['2026-11-21T10:00:00.250Z', TEN + 250],
    ['2026-11-21T12:00:00%2B02:00', TEN],
    ['2026-11-21T12:00:00+02:00', TEN],
    ['2026-11-21T08:00:00-02:00', TEN],
    [String(TEN / 1000), TEN],
    [`${TEN / 1000}.5`, TEN + 500],
    [String(TEN), TEN],
    [`${TEN}.25`, TEN + 0.25],
    ['2026-11-21T10:00:00', new Date(2026, 10, 21, 10).getTime()],
    ['2026-11-21', Date.parse('2026-11-21')],
  ];
  for (const [text, ms] of spellings) assert.equal(read(`start=${text}&duration=1`).startMs, ms, text);
});

test('window query: where it ends', () => {
  const start = `start=${TEN}`;
  assert.deepEqual(read(start), { startMs: TEN, endMs: NOW, recording: '' });
  assert.deepEqual(read(`${start}&end=`), { startMs: TEN, endMs: NOW, recording: '' });
  assert.equal(read(`${start}&end=${TEN + 90_000}`).endMs, TEN + 90_000);
  assert.equal(read(`${start}&duration=1.5`).endMs, TEN + 1500);
  assert.equal(read(`${start}&recording=flv`).recording, 'flv');
});

test('window query: what is refused, in words', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['', /From when/],
    [`end=${TEN}`, /From when/],
    ['start=yesterday', /start=yesterday is not a time/],
    ['start=2026-13-41T10:00:00Z', /is not a time/],
    ['start=-5', /is not a time/],
    ['start=1e9', /is not a time/],
    [`start=${TEN}&end=soon`, /end=soon is not a time/],
    [`start=${TEN}&end=${TEN}`, /behind the start/],
    [`start=${NOW + 1}`, /behind the start/],
    [`start=${TEN}&duration=0`, /behind the start/],
    [`start=${TEN}&duration=-1`, /not a number of seconds/],
    [`start=${TEN}&end=${NOW}&duration=5`, /not both/],
    [`start=${TEN}&duration=604801`, /seven days/],
  ];
  for (const [query, sentence] of refused) assert.throws(() => read(query), sentence, query);
  assert.equal(read(`start=${TEN}&duration=604800`).endMs - TEN, 604_800_000);
});
