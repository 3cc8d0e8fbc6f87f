import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PublisherSilence } from '../../../src/runtime/publisher-silence.ts';

const START_US = 5_000_000;
const SECOND_US = 1_000_000;

test('publisher silence: until the first media, for which data do not count', () => {
  const silence = new PublisherSilence(START_US, { firstPacketMs: 2000, idleMs: 1000 });
  silence.onData(START_US + SECOND_US);
  assert.equal(silence.overdue(START_US + 2 * SECOND_US), '');
  assert.match(silence.overdue(START_US + 2 * SECOND_US + 1), /no media within 2 s \(publish first-packet/);
});

test('publisher silence: between media, where data count', () => {
  const silence = new PublisherSilence(START_US, { firstPacketMs: 2000, idleMs: 1000 });
  silence.onMedia(START_US + SECOND_US);
  silence.onData(START_US + 2 * SECOND_US);
  assert.equal(silence.overdue(START_US + 3 * SECOND_US), '');
  assert.match(silence.overdue(START_US + 3 * SECOND_US + 1), /no media for 1 s \(publish idle/);
});

test('publisher silence: 0 means for ever', () => {
  const silence = new PublisherSilence(START_US, { firstPacketMs: 0, idleMs: 0 });
  assert.equal(silence.overdue(START_US + 1e12), '');
  silence.onMedia(START_US);
  assert.equal(silence.overdue(START_US + 1e12), '');
});
