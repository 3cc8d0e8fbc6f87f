import assert from 'node:assert/strict';
import { test } from 'node:test';
import { G711Decoder, g711aSample, g711uSample } from '../../../src/audio/g711-pcm.ts';
import { G722Decoder } from '../../../src/audio/g722-pcm.ts';
import { G726Decoder } from '../../../src/audio/g726-pcm.ts';
import { L16Decoder } from '../../../src/audio/l16-pcm.ts';
import type { AudioDecoder } from '../../../src/audio/pcm.ts';
import { decodeAll, floatsOf16, snr, soundVector } from '../../support/sound-signals.ts';

const ALL_CODES = Uint8Array.from({ length: 256 }, (_, i) => i);

test('g711: every code is what FFmpeg makes of it', () => {
  for (const [law, file, sample] of [
    ['g711a', 'alaw', g711aSample],
    ['g711u', 'mulaw', g711uSample],
  ] as const) {
    const expected = floatsOf16(soundVector(`all-codes.${file}.s16`));
    const [decoded] = decodeAll(new G711Decoder(law, 8000, 1), [ALL_CODES]);
    // One of the two zeros of mu-law is negative here.
    assert.deepEqual(
      decoded?.map((one) => one + 0),
      expected,
    );
    assert.equal(sample(0x80) / 32_768, expected[0x80]);
  }
});

test('g711: channels are interleaved, half a sample at the end is left out', () => {
  const decoder = new G711Decoder('g711u', 16_000, 2);
  const block = decoder.decode(Uint8Array.of(0x80, 0x00, 0xff, 0x7f, 0x80));
  assert.equal(block?.samples, 2);
  assert.equal(block.sampleRate, 16_000);
  assert.deepEqual([...block.channels[0]!], [32_124 / 32_768, 0]);
  assert.deepEqual([...block.channels[1]!], [-32_124 / 32_768, -0]);
});

test('g722: bit for bit what FFmpeg makes of it, whole and in pieces', () => {
  const bytes = soundVector('chirp.g722');
  const expected = floatsOf16(soundVector('chirp.g722.s16'));
  assert.deepEqual(decodeAll(new G722Decoder(), [bytes])[0], expected);
  const pieces = Array.from({ length: 10 }, (_, i) => bytes.subarray(i * 160, i * 160 + 160));
  assert.deepEqual(decodeAll(new G722Decoder(), pieces)[0], expected);
});

test('g726: close to FFmpeg, which is not quite the standard (SOURCE.md)', () => {
  for (const [bits, least] of [
    [2, 20],
    [3, 20],
    [4, 20],
  ] as const) {
    const expected = floatsOf16(soundVector(`chirp.g726-${bits}.s16`));
    const [decoded] = decodeAll(new G726Decoder(bits), [soundVector(`chirp.g726-${bits}`)]);
    assert.equal(decoded?.length, expected.length);
    const db = snr(expected, decoded);
    assert.ok(db > least, `${bits} bits: ${db} dB`);
  }
});

test('g726: 5 bits, the first of them lowest, make one sample each', () => {
  const bytes = soundVector('chirp.g726-5');
  const expected = floatsOf16(soundVector('chirp.g726-5.s16'));
  const [decoded] = decodeAll(new G726Decoder(5), [bytes]);
  assert.equal(decoded?.length, expected.length);
  // The same sound where the two have not had the time to part.
  const db = snr(expected, decoded, 0, 40);
  assert.ok(db > 15, `${db} dB`);
});

test('l16: big endian, channels interleaved', () => {
  const block = new L16Decoder(44_100, 2).decode(Uint8Array.of(0x40, 0, 0x80, 0, 0xff, 0xff, 0x7f, 0xff, 1));
  assert.equal(block?.samples, 2);
  assert.deepEqual([...block.channels[0]!], [0.5, -1 / 32_768]);
  assert.deepEqual([...block.channels[1]!], [-1, 32_767 / 32_768]);
});

test('an empty payload is an error, a loss is silence of the length of the last block', () => {
  const decoders: AudioDecoder[] = [
    new G711Decoder('g711a', 8000, 1),
    new G722Decoder(),
    new G726Decoder(4),
    new L16Decoder(48_000, 2),
  ];
  for (const decoder of decoders) {
    assert.equal(decoder.conceal(), null);
    assert.equal(decoder.decode(new Uint8Array(0)), null);
    assert.equal(decoder.errors, 1);
    const { samples } = decoder.decode(new Uint8Array(64).fill(0x35))!;
    const concealed = decoder.conceal()!;
    assert.equal(concealed.samples, samples);
    assert.ok(concealed.channels.every((channel) => channel.subarray(0, samples).every((one) => one === 0)));
    decoder.close();
  }
});
