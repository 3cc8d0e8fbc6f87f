import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isDtls, isRtp, isStun } from '../../../../src/wire/stun/packet-kind.ts';

it('tells packets by their first byte as RFC 7983 says', () => {
  const kinds: [from: number, to: number, kind: string][] = [
    [0, 3, 'stun'],
    [4, 19, ''],
    [20, 63, 'dtls'],
    [64, 127, ''],
    [128, 191, 'rtp'],
    [192, 255, ''],
  ];
  for (const [from, to, kind] of kinds)
    for (let first = from; first <= to; first++) {
      const bytes = Buffer.alloc(20);
      bytes[0] = first;
      const found = [isStun(bytes) && 'stun', isDtls(bytes) && 'dtls', isRtp(bytes) && 'rtp'].filter(Boolean);
      assert.deepEqual(found, kind === '' ? [] : [kind], `first byte ${first}`);
    }
});

it('asks for a whole header', () => {
  for (const [is, first, least] of [
    [isStun, 0, 20],
    [isDtls, 22, 13],
    [isRtp, 128, 8],
  ] as const) {
    const bytes = Buffer.alloc(least, first);
    assert.ok(is(bytes));
    assert.ok(!is(bytes.subarray(1)));
    assert.ok(!is(Buffer.alloc(0)));
  }
});
