import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from '../../../../src/util/byte-reader.ts';
import { ByteWriter } from '../../../../src/util/byte-writer.ts';
import { InvariantError, ProtocolError } from '../../../../src/util/errors.ts';
import {
  AMF_CLASS,
  AMF_ECMA,
  type AmfObject,
  type AmfValue,
  AmfXml,
  isAmfObject,
  makeAmfEcmaArray,
  makeAmfObject,
} from '../../../../src/wire/amf/amf-value.ts';
import { readAmf0, readAmf0All, writeAmf0 } from '../../../../src/wire/amf/amf0.ts';

const read = (hex: string) => readAmf0All(Buffer.from(hex, 'hex'));

function write(value: AmfValue): string {
  const writer = new ByteWriter();
  writeAmf0(writer, value);
  return writer.finish().toString('hex');
}

function object(fields: Record<string, AmfValue>, className?: string): AmfObject {
  const result = makeAmfObject();
  for (const name of Object.keys(fields)) result[name] = fields[name];
  if (className !== undefined) result[AMF_CLASS] = className;
  return result;
}

/** Bytes that are read as the value and written the same. */
const BOTH_WAYS: readonly (readonly [string, string, AmfValue])[] = [
  ['number', '003ff8000000000000', 1.5],
  ['not a number', '007ff8000000000000', Number.NaN],
  ['true', '0101', true],
  ['false', '0100', false],
  ['string', '020003e282ac', '\u20ac'],
  ['empty string', '020000', ''],
  ['null', '05', null],
  ['undefined', '06', undefined],
  ['empty object', '03000009', object({})],
  ['object', '03000161010100016205000009', object({ a: true, b: null })],
  ['empty name', '0300000101000009', object({ '': true })],
  ['typed object', '10000143000161010100' + '0009', object({ a: true }, 'C')],
  ['ecma array', '0800000001000161010100' + '0009', makeAmfEcmaArray({ a: true })],
  ['strict array', '0a000000020500' + '3ff0000000000000', [null, 1]],
  ['date', '0b42760000000000000000', new Date(1511828488192)],
  ['xml', '0f000000043c612f3e', new AmfXml('<a/>')],
  ['byte array through AMF3', '110c05abcd', Uint8Array.of(0xab, 0xcd)],
];

for (const [what, hex, value] of BOTH_WAYS) {
  test(`AMF0 ${what}: read and written`, () => {
    assert.deepEqual(read(hex), [value]);
    assert.equal(write(value), hex);
  });
}

test('AMF0 long string: read; written from 65536 bytes on', () => {
  assert.deepEqual(read('0c00000002' + '6869'), ['hi']);
  for (const [length, head] of [
    [65_535, '02ffff'],
    [65_536, '0c00010000'],
  ] as const) {
    const text = 'x'.repeat(length);
    const hex = write(text);
    assert.ok(hex.startsWith(head));
    assert.deepEqual(read(hex), [text]);
  }
});

test('AMF0 unsupported is undefined, true is any byte but 0', () =>
  assert.deepEqual(read('0d01ff'), [undefined, true]));

test('AMF0 byte arrays of all lengths of the length', () => {
  for (const length of [0, 63, 64, 8191, 8192, 1_048_575, 1_048_576]) {
    const bytes = new Uint8Array(length).fill(7);
    assert.deepEqual(read(write(bytes)), [bytes], String(length));
  }
});

test('AMF0 ecma array: the count is a hint, the end marker may be missing at the end', () => {
  const fields = makeAmfEcmaArray({ a: true });
  assert.deepEqual(read('0800000000' + '0001610101' + '000009'), [fields]);
  assert.deepEqual(read('08000000ff' + '0001610101' + '000009'), [fields]);
  assert.deepEqual(read('0800000001' + '0001610101'), [fields]);
  assert.throws(() => read('0800000002' + '0001610101'), { code: 'amf.truncated' });
});

test('AMF0 objects: kinds can be told apart', () => {
  const [plain, ecma, typed] = read('03000009' + '0800000000000009' + '100001' + '43000009') as AmfObject[];
  assert.deepEqual([plain![AMF_ECMA], ecma![AMF_ECMA], typed![AMF_CLASS]], [undefined, true, 'C']);
  for (const value of [plain, ecma, typed]) assert.equal(isAmfObject(value), true);
  for (const value of [null, undefined, 1, 'x', [], new Date(), new AmfXml(''), new Uint8Array(0)])
    assert.equal(isAmfObject(value), false);
});

test('AMF0 reference: to an object read before, in one message only', () => {
  const values = read('0a00000002' + '03000161' + '0101' + '000009' + '070001');
  const list = values[0] as AmfValue[];
  assert.equal(list[0], list[1]);
  assert.deepEqual(read('03000009' + '070000'), [object({}), object({})]);
  assert.throws(() => read('070000'), { code: 'amf.bad-reference' });
  const reader = new ByteReader(Buffer.from('03000009070000', 'hex'), 'x');
  readAmf0(reader);
  assert.throws(() => readAmf0(reader), { code: 'amf.bad-reference' });
});

test('AMF0 reference to what is still being read is refused', () => {
  assert.throws(() => read('0300016107' + '0000' + '000009'), { code: 'amf.cyclic-reference' });
});

test('AMF0 names that mean something to JavaScript are only names', () => {
  const name = Buffer.from('__proto__');
  const [value] = read(`030009${name.toString('hex')}030001780101000009000009`) as AmfObject[];
  assert.deepEqual(Object.keys(value!), ['__proto__']);
  assert.equal(value!['x'], undefined);
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
  assert.equal(value!['constructor'], undefined);
  assert.equal(write(value), `030009${name.toString('hex')}030001780101000009000009`);
});

test('AMF0 depth: 16 levels pass, 17 do not; configurable', () => {
  const nested = (levels: number) => `${'0a00000001'.repeat(levels)}05`;
  assert.equal(read(nested(16)).length, 1);
  assert.throws(() => read(nested(17)), { code: 'amf.too-deep' });
  assert.throws(() => readAmf0All(Buffer.from(nested(3), 'hex'), { maxDepth: 2, maxValues: 100 }), {
    code: 'amf.too-deep',
  });
});

test('AMF0 number of values: 10000 pass, 10001 do not', () => {
  assert.equal(read('05'.repeat(10_000)).length, 10_000);
  assert.throws(() => read('05'.repeat(10_001)), { code: 'amf.too-many-values' });
  assert.throws(() => read(`0a00002710${'05'.repeat(10_000)}`), { code: 'amf.too-many-values' });
});

test('AMF0 references are charged with what they stand for: values, depth and text', () => {
  // Twelve arrays, each of ten references to the one before: 10^12 nulls when written out.
  let laughs = '0a00000001' + '05';
  for (let i = 0; i < 12; i++) laughs += `0a0000000a${`07000${i.toString(16)}`.repeat(10)}`;
  assert.throws(() => read(laughs), { code: 'amf.too-many-values' });
  let deep = '0a0000000105';
  for (let i = 0; i < 12; i++) deep += `0a00000001${`07000${i.toString(16)}`}`;
  assert.equal(read(deep).length, 13);
  assert.throws(() => readAmf0All(Buffer.from(deep, 'hex'), { maxDepth: 12, maxValues: 1000 }), {
    code: 'amf.too-deep',
  });
  const big = `0a000000010cu`.replace('u', `000fffff${'78'.repeat(0xfffff)}`);
  assert.equal(read(big + '070000'.repeat(3)).length, 4);
  assert.throws(() => read(big + '070000'.repeat(4)), { code: 'amf.too-much-text' });
});

test('AMF0 truncated anywhere, unknown and reserved markers: ProtocolError', () => {
  for (const [what, hex] of BOTH_WAYS) {
    for (let bytes = 1; bytes < hex.length / 2; bytes++) {
      // The end marker of an ECMA array is the one thing that may be missing.
      if (what === 'ecma array' && bytes === hex.length / 2 - 3) continue;
      assert.throws(() => read(hex.slice(0, bytes * 2)), ProtocolError, `${what} ${bytes}`);
    }
  }
  for (const marker of ['04', '09', '0e', '12', 'ff'])
    assert.throws(() => read(marker), { code: 'amf.bad-marker' });
  assert.throws(() => read('0affffffff05'), { code: 'amf.truncated' });
  assert.throws(() => read('0cffffffff'), ProtocolError);
});

test('AMF0 writer: a cycle of our own is our fault; a name that grew is cut', () => {
  const cycle: AmfValue[] = [];
  cycle.push(cycle);
  assert.throws(() => write(cycle), InvariantError);
  const [back] = read(write(object({ ['\ufffd'.repeat(30_000)]: 1 }))) as AmfObject[];
  assert.equal(Object.keys(back!)[0]!.length, 21_845);
});

test('AMF0: what is written is read the same (property)', () => {
  const { value } = fc.letrec<{ value: AmfValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.double(),
      fc.boolean(),
      fc.string({ unit: 'grapheme' }).filter((text) => !text.startsWith('\ufeff')),
      fc.constantFrom(null, undefined),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes)),
      fc.string().map((text) => new AmfXml(text)),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 5 }).map((fields) => object(fields)),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 5 }).map((fields) => makeAmfEcmaArray(fields)),
    ),
  }));
  fc.assert(
    fc.property(value, (item) => {
      assert.deepEqual(read(write(item)), [item]);
    }),
    { numRuns: 300 },
  );
});
