import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Base64Pieces, TunnelTable } from '../../../../src/protocol/rtsp/rtsp-tunnel.ts';

describe('base64 in pieces', () => {
  const messages = ['OPTIONS * RTSP/1.0\r\n\r\n', 'a', 'ab', 'abc', '', '\x00\xff\x7f\x80'];
  const text = messages.map((one) => Buffer.from(one, 'latin1').toString('base64')).join('');
  for (const [name, input] of [
    ['joined', text],
    ['with line ends and blanks', text.replaceAll(/(.{5})/g, '$1\r\n \t')],
  ] as const) {
    for (const size of [1, 2, 3, 4, 7, 1000]) {
      test(`${name}, ${size} at a time`, () => {
        const pieces = new Base64Pieces();
        const parts: Buffer[] = [];
        for (let at = 0; at < input.length; at += size)
          parts.push(pieces.decode(Buffer.from(input.slice(at, at + size))));
        assert.equal(Buffer.concat(parts).toString('latin1'), messages.join(''));
      });
    }
  }

  test('agrees with Node on random bytes', () => {
    for (let length = 0; length < 200; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length * 11) & 255));
      const decoded = new Base64Pieces().decode(Buffer.from(bytes.toString('base64')));
      assert.deepEqual(decoded, bytes);
    }
  });

  test('refuses what is none', () => {
    for (const one of ['\0', '$abc', 'é', '-']) {
      assert.throws(() => new Base64Pieces().decode(Buffer.from(one)), /rtsp\.tunnel/);
    }
  });
});

test('a cookie is taken once', () => {
  const table = new TunnelTable<string>();
  assert.equal(table.add('a', 'one'), true);
  assert.equal(table.add('a', 'two'), false);
  assert.equal(table.find('a'), 'one');
  table.remove('a');
  assert.equal(table.find('a'), undefined);
  assert.equal(table.add('a', 'two'), true);
});
