import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRemb, serializeRemb } from '../../../../src/wire/rtp/remb.ts';
import {
  serializeTransportFeedback,
  TransportFeedback,
} from '../../../../src/wire/rtp/transport-feedback.ts';

test('transport feedback: what is written is read again, for every pattern of loss', () => {
  const patterns = [
    [64_000],
    [64_000, 64_250, 64_500],
    [64_000, Number.NaN, 90_000, Number.NaN, Number.NaN, 91_000],
    Array.from({ length: 40 }, (_, i) => (i % 3 === 1 ? Number.NaN : 64_000 + i * 1000)),
    Array.from({ length: 600 }, (_, i) => 128_000 + i * 250),
    // Deltas below zero and over 64 ms take two bytes.
    [640_000, 600_000, 900_000, 901_000],
  ];
  const feedback = new TransportFeedback();
  for (const arrivals of patterns) {
    const bytes = serializeTransportFeedback(1, 2, 65_530, arrivals, 7);
    assert.ok(bytes !== null);
    assert.equal(bytes.length % 4, 0);
    assert.equal(bytes.readUInt16BE(2), bytes.length / 4 - 1);
    assert.ok(feedback.parse(bytes));
    assert.deepEqual([feedback.ssrc, feedback.mediaSsrc, feedback.baseSequence], [1, 2, 65_530]);
    assert.deepEqual([feedback.count, feedback.feedbackCount], [arrivals.length, 7]);
    const read = [...feedback.arrivalUs.subarray(0, feedback.count)];
    // Times are told in quarters of a millisecond, and the reference begins at a multiple of 64 ms.
    read.forEach((value, i) => {
      const wanted = arrivals[i]!;
      assert.ok(Number.isNaN(wanted) ? Number.isNaN(value) : Math.abs(value - wanted) <= 250, `${i}`);
    });
  }
});

test('transport feedback: vectors of one bit, as browsers write them', () => {
  // Base 10, five packets, reference 1 (64 ms), one-bit vector 1 0 1 1 0, three small deltas.
  const bytes = Buffer.from('8fcd00060000000100000002000a000500000103ac00040804000000', 'hex');
  const feedback = new TransportFeedback();
  assert.ok(feedback.parse(bytes));
  assert.deepEqual([...feedback.arrivalUs.subarray(0, 5)], [65_000, Number.NaN, 67_000, 68_000, Number.NaN]);
});

test('transport feedback: cut at every byte it is refused, and never throws', () => {
  const bytes = serializeTransportFeedback(1, 2, 3, [64_000, Number.NaN, 65_000, 200_000], 0)!;
  const feedback = new TransportFeedback();
  for (let length = 0; length < bytes.length - 4; length++)
    assert.equal(feedback.parse(bytes.subarray(0, length)), false);
});

test('REMB: both ways', () => {
  for (const bps of [0, 1000, 262_143, 262_144, 5_000_000, 900_000_000]) {
    const bytes = serializeRemb(1, bps, [5, 6]);
    assert.ok(Math.abs(parseRemb(bytes) - bps) <= bps / 100_000, `${bps}`);
    assert.equal(bytes.length, 28);
  }
  // Exponent 5, mantissa 62,500: 2 Mbit/s for one source.
  const written = '8fce0005000000010000000052454d420114f42400000007';
  assert.equal(parseRemb(Buffer.from(written, 'hex')), 2_000_000);
  assert.equal(parseRemb(Buffer.from('81ce000200000001000000025245', 'hex')), -1);
});
