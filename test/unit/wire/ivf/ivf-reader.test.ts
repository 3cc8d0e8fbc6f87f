/** IVF, whole, byte by byte and in pieces of any size; what breaks the format is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { IvfReader } from '../../../../src/wire/ivf/ivf-reader.ts';
import { Random } from '../../../support/fuzz.ts';

/** VP8, 640x360, 1/1000 s, and the header of a frame of 3 bytes at 40. */
const HEADER =
  '444b4946' +
  '0000' +
  '2000' +
  '56503830' +
  '8002' +
  '6801' +
  'e8030000' +
  '01000000' +
  '00000000' +
  '00000000';
const FIRST = '03000000' + '2800000000000000' + '0a0b0c';
const SECOND = '01000000' + '5000000001000000' + 'ff';

function read(bytes: Buffer, sizes: () => number): { frames: string[]; fourCc: string } {
  const frames: string[] = [];
  const reader = new IvfReader((us, payload) => frames.push(`${us} ${Buffer.from(payload).toString('hex')}`));
  for (let at = 0; at < bytes.length; ) {
    const size = sizes();
    reader.receive(bytes.subarray(at, at + size));
    at += size;
  }
  return { frames, fourCc: reader.fourCc };
}

const FILE = Buffer.from(HEADER + FIRST + SECOND, 'hex');
const EXPECTED = { frames: ['40000 0a0b0c', `${(0x1_0000_0000 + 80) * 1000} ff`], fourCc: 'VP80' };

test('whole, byte by byte, and split anywhere', () => {
  assert.deepEqual(
    read(FILE, () => FILE.length),
    EXPECTED,
  );
  assert.deepEqual(
    read(FILE, () => 1),
    EXPECTED,
  );
  const random = new Random(7);
  for (let i = 0; i < 50; i++)
    assert.deepEqual(
      read(FILE, () => 1 + random.below(20)),
      EXPECTED,
    );
});

test('a longer file header is passed over, an empty frame too', () => {
  const longer = HEADER.replace('00002000', '00002200');
  const bytes = Buffer.from(`${longer}eeee00000000${'00'.repeat(8)}${FIRST}`, 'hex');
  assert.deepEqual(read(bytes, () => 5).frames, ['40000 0a0b0c']);
});

test('a frame larger than the first buffer', () => {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(200_000);
  const bytes = Buffer.concat([
    Buffer.from(HEADER, 'hex'),
    size,
    Buffer.alloc(8),
    Buffer.alloc(200_000, 7),
    Buffer.from(FIRST, 'hex'),
  ]);
  const { frames } = read(bytes, () => 60_000);
  assert.equal(frames[0], `0 ${'07'.repeat(200_000)}`);
  assert.equal(frames[1], '40000 0a0b0c');
});

for (const [what, bytes, code] of [
  ['other magic', `00${HEADER.slice(2)}`, 'ivf.bad-header'],
  ['no time base', HEADER.replace('e8030000', '00000000'), 'ivf.bad-header'],
  ['a header that is too short', HEADER.replace('00002000', '00001f00'), 'ivf.bad-header'],
  ['a frame that is too big', `${HEADER}01008000${'00'.repeat(8)}`, 'ivf.frame-too-big'],
] as const) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => read(Buffer.from(bytes, 'hex'), () => 7),
      (error) => error instanceof ProtocolError && error.code === code,
    );
  });
}
