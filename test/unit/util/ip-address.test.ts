import assert from 'node:assert/strict';
import { it } from 'node:test';
import { canonicalIpAddress, formatIpAddress, parseIpAddress } from '../../../src/util/ip-address.ts';

it('writes addresses as RFC 5952 asks', () => {
  const cases: [given: string, written: string | null][] = [
    ['127.0.0.1', '127.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:0a00:0001', '10.0.0.1'],
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::', '2001:db8::'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:0:1:0:0:0:0', '0:0:0:1::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::1%eth0', 'fe80::1'],
    ['', null],
    ['1.2.3', null],
    ['1.2.3.4.5', null],
    ['1.2.3.256', null],
    ['01.2.3.4', null],
    ['1.2.3.4 ', null],
    ['1:2:3:4:5:6:7', null],
    ['1:2:3:4:5:6:7:8:9', null],
    ['1:2:3:4:5:6:7::8', null],
    ['1::2::3', null],
    [':1:2:3:4:5:6:7', null],
    ['12345::', null],
    ['::1.2.3.4:5', null],
    ['g::', null],
    ['localhost', null],
    ['9b1d1a6c.local', null],
    [`${'1:'.repeat(40)}1`, null],
  ];
  for (const [given, written] of cases) assert.equal(canonicalIpAddress(given), written, given);
});

it('reads from the middle of other bytes', () => {
  const six = parseIpAddress('2001:db8::7');
  assert.ok(six !== null);
  const bytes = Buffer.concat([Buffer.from([9, 1, 2, 3, 4]), six]);
  assert.equal(formatIpAddress(bytes, 1, 4), '1.2.3.4');
  assert.equal(formatIpAddress(bytes, 5, 16), '2001:db8::7');
});
