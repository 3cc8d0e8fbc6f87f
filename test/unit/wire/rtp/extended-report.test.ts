import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roundTripOf, serializeReferenceTime } from '../../../../src/wire/rtp/extended-report.ts';
import { parseRtcp, serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';

const OURS = 0x01020304;

/** DLRR of a peer: items of SSRC, time that was told, time held. */
function reply(...items: readonly (readonly [number, number, number])[]): Buffer {
  const bytes = Buffer.alloc(12 + items.length * 12);
  bytes.set([0x80, 207]);
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(0x99, 4);
  bytes[8] = 5;
  bytes.writeUInt16BE(items.length * 3, 10);
  let at = 12;
  for (const item of items) for (const value of item) at = bytes.writeUInt32BE(value >>> 0, at);
  return bytes;
}

test('the reference time: golden bytes, which others may skip', () => {
  // 2.5 s is 2 x 65536 + 32768.
  const bytes = serializeReferenceTime(OURS, 2_500_000);
  assert.equal(bytes.toString('hex'), '80cf000401020304040000020000000280000000');
  const head = serializeRtcp([{ type: 'rr', ssrc: OURS, reports: [] }]);
  assert.deepEqual(
    parseRtcp(Buffer.concat([head, bytes])).map(({ type }) => type),
    ['rr'],
  );
});

test('the round trip is the time since it was told less the time that it was held', () => {
  const told = 2.5 * 65_536;
  const head = serializeRtcp([{ type: 'rr', ssrc: 0x99, reports: [] }]);
  const compound = Buffer.concat([head, reply([7, 1, 1], [OURS, told, 65_536])]);
  assert.equal(roundTripOf(compound, OURS, 3_750_000), 250_000);
  assert.ok(Number.isNaN(roundTripOf(compound, 8, 3_750_000)), 'of another one');
  assert.ok(Number.isNaN(roundTripOf(compound, OURS, 3_000_000)), 'held longer than it was there');
  assert.ok(Number.isNaN(roundTripOf(compound, OURS, 60_000_000)), 'of long ago');
  assert.ok(Number.isNaN(roundTripOf(reply([OURS, 0, 0]), OURS, 1000)), 'it has heard nothing');
  assert.ok(Number.isNaN(roundTripOf(head, OURS, 1000)));
});

test('it goes on when the count of 32 bits begins anew', () => {
  const nowUs = 65_536 * 1_000_000 + 100_000;
  const told = (65_536 - 0.5) * 65_536;
  assert.equal(Math.round(roundTripOf(reply([OURS, told, 0]), OURS, nowUs) / 1000), 600);
});

test('what is cut or says wrong lengths says nothing', () => {
  const whole = reply([OURS, 65_536, 0]);
  assert.ok(!Number.isNaN(roundTripOf(whole, OURS, 1_100_000)));
  for (let length = 0; length < whole.length; length++)
    assert.ok(Number.isNaN(roundTripOf(whole.subarray(0, length), OURS, 1_100_000)), `${length}`);
  for (const at of [3, 11]) {
    const wrong = Buffer.from(whole);
    wrong[at] = 0xff;
    assert.ok(Number.isNaN(roundTripOf(wrong, OURS, 1_100_000)), `byte ${at}`);
  }
});
