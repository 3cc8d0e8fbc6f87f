import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ntpDifferenceUs,
  ntpFraction,
  ntpSeconds,
  ntpToUs,
  wallUsOfNtp,
} from '../../../../src/wire/rtp/ntp-time.ts';

const at = (text: string): number => Date.parse(text) * 1000;

/** Date and NTP seconds (RFC 5905 figure 4 for the first and the last). */
const DATES: readonly (readonly [string, number])[] = [
  ['1970-01-01T00:00:00Z', 2_208_988_800],
  ['2026-11-21T11:10:13Z', 4_004_248_213],
  ['2036-02-07T06:28:15Z', 0xffff_ffff],
  ['2036-02-07T06:28:16Z', 0],
];

for (const [date, seconds] of DATES) {
  test(`NTP seconds of ${date}`, () => {
    assert.equal(ntpSeconds(at(date)), seconds);
    assert.equal(wallUsOfNtp(ntpToUs(seconds, 0), at(date) + 5e6), at(date));
    assert.equal(wallUsOfNtp(ntpToUs(seconds, 0), at(date) - 5e6), at(date));
  });
}

test('fractions survive to the microsecond', () => {
  for (const us of [0, 1, 250_000, 499_999, 999_999]) {
    const wall = at('2026-11-21T11:10:13Z') + us;
    assert.equal(wallUsOfNtp(ntpToUs(ntpSeconds(wall), ntpFraction(wall)), wall + 1234), wall);
  }
  assert.equal(ntpFraction(500_000), 0x8000_0000);
});

test('differences go over the wrap', () => {
  assert.equal(ntpDifferenceUs(ntpToUs(1, 0), ntpToUs(0xffff_ffff, 0)), 2_000_000);
});
