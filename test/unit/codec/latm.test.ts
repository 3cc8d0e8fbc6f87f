import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatmReader, LOAS_HEADER_BYTES, loasFrameSize } from '../../../src/codec/latm.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { digest, readVector } from '../wire/rtp/audio-packets.ts';

const hex = (bytes: Uint8Array | null) => (bytes === null ? '' : Buffer.from(bytes).toString('hex'));

/** Bits as text, filled up to a byte. */
function bits(...parts: readonly string[]): Buffer {
  const all = parts.join('').replaceAll(' ', '');
  const bytes = all.padEnd(Math.ceil(all.length / 8) * 8, '0').match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
const byte = (value: number) => value.toString(2).padStart(8, '0');
/** LC, 48000 Hz, 2 channels. */
const LC = '00010 0011 0010 000';
/** Version 0, one framing, one frame, one program of one layer. */
const PLAIN = '0 1 000000 0000 000';
const TAIL = '000 11111111 0 0';

test('the LOAS frames of FFmpeg', () => {
  const { loas, frames } = readVector('ffmpeg51-loas') as { loas: string[]; frames: string[] };
  const stream = Buffer.from(loas.join(''), 'hex');
  const reader = new LatmReader(true);
  const found: string[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = loasFrameSize(stream, at);
    assert.ok(size > 0);
    assert.ok(reader.read(stream, at + LOAS_HEADER_BYTES, at + size));
    assert.equal(reader.count, 1);
    found.push(digest(reader.frame(0)));
    at += size;
  }
  assert.deepEqual(found, frames);
  assert.equal(hex(reader.record), '1190');
  assert.deepEqual([reader.config?.sampleRate, reader.config?.channels], [48_000, 2]);
});

test('the record stays the same array until it changes', () => {
  const reader = new LatmReader(true);
  const first = bits('0', PLAIN, LC, TAIL, byte(2), byte(1), byte(2));
  assert.ok(reader.read(first, 0, first.length));
  const { record } = reader;
  assert.ok(reader.read(first, 0, first.length));
  assert.equal(reader.record, record);
  const other = bits('0', PLAIN, '00010 0100 0001 000', TAIL, byte(1), byte(9));
  assert.ok(reader.read(other, 0, other.length));
  assert.equal(hex(reader.record), '1208');
});

test('a loss of sync', () => {
  assert.equal(loasFrameSize(Buffer.from('56e005aa', 'hex')), 8);
  assert.equal(loasFrameSize(Buffer.from('0056e005', 'hex'), 1), 8);
  assert.equal(loasFrameSize(Buffer.from('56e0', 'hex')), 0);
  assert.equal(loasFrameSize(Buffer.from('56c005', 'hex')), 0);
});

const cases: readonly [name: string, element: Buffer, frames: readonly string[], record: string][] = [
  ['one frame', bits('0', PLAIN, LC, TAIL, byte(3), byte(1), byte(2), byte(3)), ['010203'], '1190'],
  [
    'several frames',
    bits('0', '0 1 000001 0000 000', LC, TAIL, byte(2), byte(1), byte(2), byte(1), byte(7)),
    ['0102', '07'],
    '1190',
  ],
  [
    'a length over 254',
    bits('0', PLAIN, LC, TAIL, byte(255), byte(1), ...Array.from({ length: 256 }, () => byte(5))),
    ['05'.repeat(256)],
    '1190',
  ],
  [
    'frames of one size',
    bits('0', PLAIN, LC, '001 000000001 0 0', ...Array.from({ length: 21 }, () => byte(6))),
    ['06'.repeat(21)],
    '1190',
  ],
  [
    'other data and a checksum',
    bits('0', PLAIN, LC, '000 11111111', '1 1 00000001 0 00000010', '1 10101010', byte(1), byte(8)),
    ['08'],
    '1190',
  ],
  [
    'version 1, which tells the length of the config',
    bits('0', '1 0 00 00000000', '1 000000 0000 000', '00', byte(18), LC, '00', TAIL, byte(1), byte(4)),
    ['04'],
    '119000',
  ],
  [
    'SBR in the config',
    bits('0', PLAIN, '00101 0110 0010 0011 00010 000', TAIL, byte(1), byte(4)),
    ['04'],
    '2b118800',
  ],
];
for (const [name, element, frames, record] of cases) {
  test(`element: ${name}`, () => {
    const reader = new LatmReader(true);
    assert.ok(reader.read(element, 0, element.length));
    assert.deepEqual(
      Array.from({ length: reader.count }, (_, i) => hex(reader.frame(i))),
      frames,
    );
    assert.equal(hex(reader.record), record);
    for (let end = 0; end < element.length - 1; end++) {
      assert.equal(new LatmReader(true).read(element, 0, end), false, `cut to ${end}`);
    }
    // The next element needs no config.
    const isOwnSize = frames.length === 1 && name !== 'frames of one size';
    const more = bits('1', isOwnSize ? byte(1) + byte(9) : '');
    if (more.length > 1) {
      assert.ok(reader.read(more, 0, more.length));
      assert.equal(hex(reader.frame(0)), '09');
    }
  });
}

test('an element before the first config, and an empty one', () => {
  const reader = new LatmReader(true);
  assert.equal(reader.read(bits('1', byte(1), byte(9)), 0, 3), false);
  assert.equal(reader.read(new Uint8Array(0), 0, 0), false);
  assert.equal(reader.count, 0);
});

const refused: readonly [config: Buffer, reason: string][] = [
  [bits('0 1 000000 0001 000', LC, TAIL), 'Sluice does not use LATM with several programs or layers.'],
  [bits('0 1 000000 0000 001', LC, TAIL), 'Sluice does not use LATM with several programs or layers.'],
  [bits('0 0 000000 0000 000', LC, TAIL), 'Sluice does not use LATM with several programs or layers.'],
  [bits('1 1 000000'), 'Sluice does not use LATM with the audio multiplex version 1A.'],
  [bits(PLAIN, '01000 0011 0010', TAIL, '00000000'), 'Sluice does not use LATM with a codec other than AAC.'],
  [bits(PLAIN, LC, '100 000000'), 'Sluice does not use LATM with CELP or HVXC.'],
];
for (const [config, reason] of refused) {
  test(`refused: ${reason} ${hex(config)}`, () => {
    const reader = new LatmReader(false);
    assert.throws(() => reader.setConfig(config), ProtocolError);
    assert.equal(reader.reason, reason);
    assert.equal(reader.record, null);
  });
}
