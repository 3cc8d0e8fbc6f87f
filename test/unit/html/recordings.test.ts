/** Days, ranges, lengths and sizes of recordings. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Days {
  dayWindow(day: string): { start: string; end: string };
  isOfDay(recording: { url: string; start: string }, day: string): boolean;
  rangeOfDay(day: string, from: string, to: string): { start: string; end: string } | null;
  shortStream(stream: string): string;
}
interface FileFormat {
  clock(seconds: number): string;
  fileSize(bytes: number): string;
}

const days = await loadPageModule<Days>('js/recording-days.js');
const { clock, fileSize } = await loadPageModule<FileFormat>('js/file-format.js');

test('recordings: the window holds the day of every time zone', () => {
  assert.deepEqual(days.dayWindow('2026-03-01'), {
    start: '2026-02-28T10:00:00.000Z',
    end: '2026-03-02T14:00:00.000Z',
  });
});

test('recordings: the day of the address counts, else that of the start here', () => {
  const url = '/rec/cam/2026-11-21/00-10-00.m3u8';
  assert.equal(days.isOfDay({ url, start: '2026-11-20T16:10:00Z' }, '2026-11-21'), true);
  assert.equal(days.isOfDay({ url, start: '2026-11-20T16:10:00Z' }, '2026-11-20'), false);
  const here = new Date(2026, 10, 21, 12).toISOString();
  assert.equal(days.isOfDay({ url: '/rec/-/flv/cam.flv', start: here }, '2026-11-21'), true);
  assert.equal(days.isOfDay({ url: '/rec/-/flv/cam.flv', start: here }, '2026-11-22'), false);
});

test('recordings: a range of the form is in the time of the browser', () => {
  const range = days.rangeOfDay('2026-11-21', '10:00:00', '11:30');
  assert.equal(range?.start, new Date(2026, 10, 21, 10).toISOString());
  assert.equal(range?.end, new Date(2026, 10, 21, 11, 30).toISOString());
  assert.equal(days.rangeOfDay('2026-11-21', '11:00', '11:00'), null);
  assert.equal(days.rangeOfDay('2026-11-21', '', '11:00'), null);
});

test('recordings: streams of the app rec are named without it', () => {
  for (const [stream, name] of [
    ['rec/cam', 'cam'],
    ['live/cam', 'live/cam'],
    ['rec/a/b', 'rec/a/b'],
    ['record/cam', 'record/cam'],
  ] as const)
    assert.equal(days.shortStream(stream), name);
});

test('recordings: lengths and sizes', () => {
  for (const [seconds, text] of [
    [0, '0:00'],
    [7.9, '0:07'],
    [725, '12:05'],
    [3753, '1:02:33'],
    [-1, '0:00'],
  ] as const)
    assert.equal(clock(seconds), text);
  for (const [bytes, text] of [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [12_400_000, '12.4 MB'],
    [123_400_000, '123 MB'],
    [5e15, '5000 TB'],
  ] as const)
    assert.equal(fileSize(bytes), text);
});
