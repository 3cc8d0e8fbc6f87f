import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import {
  AMF_CLASS,
  AMF_ECMA,
  type AmfObject,
  type AmfValue,
  AmfXml,
} from '../../../../src/wire/amf/amf-value.ts';
import { readAmf0All } from '../../../../src/wire/amf/amf0.ts';

/** Reads AMF3 values, each behind the AVM+ marker of AMF0. */
const read = (...hex: string[]) => readAmf0All(Buffer.from(hex.map((value) => `11${value}`).join(''), 'hex'));
const text = (value: string) =>
  (value.length * 2 + 1).toString(16).padStart(2, '0') + Buffer.from(value).toString('hex');
const plain = (value: AmfValue): unknown => JSON.parse(JSON.stringify(value));

const VALUES: readonly (readonly [string, string, AmfValue])[] = [
  ['undefined', '00', undefined],
  ['null', '01', null],
  ['false', '02', false],
  ['true', '03', true],
  ['integer of one byte', '047f', 127],
  ['integer of two bytes', '048100', 128],
  ['integer of three bytes', '04ffff7f', 0x1fffff],
  ['integer of four bytes', '0480c08000', 0x200000],
  ['largest integer', '04bfffffff', 0x0fffffff],
  ['smallest integer', '04c0808000', -0x10000000],
  ['minus one', '04ffffffff', -1],
  ['double', '053ff8000000000000', 1.5],
  ['string', `06${text('hi')}`, 'hi'],
  ['empty string', '0601', ''],
  ['xml document', `07${text('<a/>')}`, new AmfXml('<a/>')],
  ['xml', `0b${text('<a/>')}`, new AmfXml('<a/>')],
  ['date', '08014276000000000000', new Date(1511828488192)],
  ['dense array', '0905010301', [true, null]],
  ['byte array', '0c05abcd', Uint8Array.of(0xab, 0xcd)],
  ['vector of int', '0d0500ffffffff00000005', [-1, 5]],
  ['vector of uint', '0e0501ffffffff00000005', [0xffffffff, 5]],
  ['vector of double', '0f03003ff8000000000000', [1.5]],
  ['vector of objects', `100500${text('C')}0103`, [null, true]],
];

for (const [what, hex, value] of VALUES) test(`AMF3 ${what}`, () => assert.deepEqual(read(hex), [value]));

test('AMF3 array with names is an ECMA array, the dense part under its numbers', () => {
  const [array] = read(`0903${text('a')}03010401`) as AmfObject[];
  assert.equal(array![AMF_ECMA], true);
  assert.deepEqual(plain(array), { 0: 1, a: true });
});

test('AMF3 objects: dynamic, sealed, with traits by reference, with strings by reference', () => {
  const dynamic = `0a0b01${text('a')}040501`;
  const sealed = `0a23${text('C')}${text('x')}${text('y')}04010402`;
  const values = read(dynamic, sealed, '0a0504070408', '0a0100040301') as AmfObject[];
  assert.deepEqual(plain(values), [{ a: 5 }, { x: 1, y: 2 }, { x: 7, y: 8 }, { a: 3 }]);
  assert.deepEqual(
    values.map((value) => value[AMF_CLASS]),
    [undefined, 'C', 'C', undefined],
  );
});

test('AMF3 string, object and traits references', () => {
  assert.deepEqual(read(`06${text('hi')}`, '0600'), ['hi', 'hi']);
  const [first, second] = read(`0a0b01${text('a')}0301`, '0a00');
  assert.equal(first, second);
  const values = read(`0a23${text('C')}${text('x')}${text('y')}04010402`, '0a0104030404') as AmfObject[];
  assert.deepEqual(plain(values), [
    { x: 1, y: 2 },
    { x: 3, y: 4 },
  ]);
  assert.equal(values[1]![AMF_CLASS], 'C');
  for (const leaf of [
    `07${text('a')}`,
    '08014276000000000000',
    '0c0301',
    '0d030000000001',
    '090101',
    '110100',
  ]) {
    const [one, other] = read(leaf, `${leaf.slice(0, 2)}00`);
    assert.equal(one, other, leaf);
  }
});

test('AMF3 dictionary: keys that are text or numbers', () => {
  const [value] = read(`110700${`06${text('a')}`}0401${'0405'}0402${'03'}0403`);
  assert.deepEqual(plain(value), { 5: 2, a: 1 });
});

test('AMF3 classes that serialize themselves: the two of Flex, no other', () => {
  assert.deepEqual(read(`0a07${text('flex.messaging.io.ArrayCollection')}09030103`), [[true]]);
  assert.throws(() => read(`0a07${text('Other')}01`), { code: 'amf.unsupported-class' });
});

test('AMF3 names that mean something to JavaScript are only names', () => {
  const [value] = read(
    `${`0a0b01${text('__proto__')}0a0b01${text('x')}03010001`.slice(0, -4)}01`,
  ) as AmfObject[];
  assert.deepEqual(Object.keys(value!), ['__proto__']);
  assert.equal(value!['x'], undefined);
});

test('AMF3 bad references, cycles, markers', () => {
  for (const hex of ['0600', '0900', '0a00', '0a01', '0c00', '0d00', '0800', '0b00', '1100']) {
    assert.throws(() => read(hex), { code: 'amf.bad-reference' }, hex);
  }
  assert.throws(() => read('09030109' + '00'), { code: 'amf.cyclic-reference' });
  assert.throws(() => read(`0a07${text('flex.messaging.io.ObjectProxy')}0a00`), {
    code: 'amf.cyclic-reference',
  });
  assert.throws(() => read('12'), { code: 'amf.bad-marker' });
});

test('AMF3 truncated anywhere: ProtocolError', () => {
  for (const [what, hex] of VALUES) {
    for (let bytes = 1; bytes < hex.length / 2; bytes++) {
      assert.throws(() => read(hex.slice(0, bytes * 2)), ProtocolError, `${what} ${bytes}`);
    }
  }
});

test('AMF3 limits: depth, values, counts that are only announced', () => {
  assert.equal(read(`${'090301'.repeat(16)}01`).length, 1);
  assert.throws(() => read(`${'090301'.repeat(17)}01`), { code: 'amf.too-deep' });
  assert.throws(() => read(`09ffffffff01${'01'.repeat(10_001)}`), { code: 'amf.too-many-values' });
  assert.throws(() => read(`0dffffffff00${'00000000'.repeat(10_001)}`), { code: 'amf.too-many-values' });
  for (const hex of [
    '09ffffffff01',
    '0affffffff01',
    '0cffffffff',
    '0dffffffff00',
    '11ffffffff00',
    '06ffffffff',
  ]) {
    assert.throws(() => read(hex), ProtocolError, hex);
  }
  const big = `06${'81ffff7f'}`; // 0xfffff bytes
  const long = `06bfffff${'00'}`;
  assert.throws(() => read(big), ProtocolError);
  assert.throws(() => read(long), ProtocolError);
});

test('AMF3 repeated text is charged each time', () => {
  const size = 0xffff;
  const head = ((size * 2 + 1) >> 14).toString(16);
  assert.equal(head, '7');
  const string = `0687ff7f${'78'.repeat(size)}`;
  assert.equal(read(string, ...Array<string>(60).fill('0600')).length, 61);
  assert.throws(() => read(string, ...Array<string>(64).fill('0600')), { code: 'amf.too-much-text' });
});
