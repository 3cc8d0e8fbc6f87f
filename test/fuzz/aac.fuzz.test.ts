/**
 * Hostile AAC: configurations and frames by chance, whole, mutated, cut off and mixed. The constructor throws a
 * ProtocolError and nothing else; decode and conceal never throw, no sample is infinite or not a number, no frame takes
 * long. Seeded; one second per test, FUZZ_SECONDS raises it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AacDecoder } from '../../src/audio/aac/aac-decoder.ts';
import type { PcmBlock } from '../../src/audio/pcm.ts';
import { buildAudioSpecificConfig } from '../../src/codec/aac.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import { readAacClip } from '../support/aac-clips.ts';
import { Random, runFor } from '../support/fuzz.ts';
import { RandomAac, randomConfig, type StreamShape } from '../unit/audio/aac/random-aac.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? '20261121');
/** A frame of 16 channels with SBR takes a few. */
const MAX_FRAME_MS = 1000;

const SHAPES: readonly (readonly [shape: StreamShape, rateIndex: number, channelConfig: number])[] = [
  [{ rate: 48_000, frameLength: 1024, elements: [['p', 0]], hasNoise: true, hasPulses: true }, 3, 2],
  [{ rate: 24_000, frameLength: 960, elements: [['s', 0]], hasNoise: true, hasPulses: true }, 6, 1],
  [
    {
      rate: 16_000,
      frameLength: 1024,
      elements: [
        ['c', 0],
        ['c', 1],
        ['s', 0],
        ['p', 0],
        ['l', 0],
      ],
      hasNoise: true,
    },
    8,
    0,
  ],
];

function mutate(random: Random, source: Uint8Array, other: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(source);
  for (let i = random.below(5); i > 0 && bytes.length > 0; i--) {
    const at = random.below(random.below(2) === 0 ? Math.min(12, bytes.length) : bytes.length);
    bytes[at] = random.below(3) === 0 ? bytes[at]! ^ (1 << random.below(8)) : random.below(256);
  }
  if (random.below(5) === 0) bytes.set(other.subarray(0, bytes.length >> 1).subarray(0, other.length), 0);
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

function check(block: PcmBlock | null): void {
  if (block === null) return;
  assert.ok(block.samples > 0 && block.sampleRate > 0 && block.channels.length > 0);
  for (const channel of block.channels) {
    assert.ok(channel.length >= block.samples);
    // The sum is not finite when one sample is not.
    let sum = 0;
    for (let i = 0; i < block.samples; i++) sum += channel[i]! * 0;
    assert.equal(sum, 0);
  }
}

function feed(decoder: AacDecoder, random: Random, payload: Uint8Array): void {
  const copy = Uint8Array.from(payload);
  const started = performance.now();
  const block = decoder.decode(payload);
  const took = performance.now() - started;
  assert.ok(took < MAX_FRAME_MS, `${took} ms`);
  assert.deepEqual(payload, copy);
  check(block);
  if (block === null && random.below(2) === 0) check(decoder.conceal());
}

test('mutated frames of all syntax elements', () => {
  const random = new Random(SEED);
  let good = 0;
  let bad = 0;
  runFor(() => {
    const [shape, rateIndex, channelConfig] = SHAPES[random.below(SHAPES.length)]!;
    const decoder = new AacDecoder(randomConfig(shape, rateIndex, channelConfig));
    const stream = new RandomAac(random.below(2 ** 31), shape);
    let last = stream.frame();
    for (let n = 0; n < 8; n++) {
      const frame = stream.frame();
      feed(decoder, random, random.below(3) === 0 ? frame : mutate(random, frame, last));
      last = frame;
    }
    bad += decoder.errors;
    good += 8 - decoder.errors;
  });
  assert.ok(good > 0 && bad > 0, `${good} good, ${bad} bad`);
});

test('mutated frames of HE-AAC', () => {
  const random = new Random(SEED + 1);
  const files = ['v1-48k-stereo', 'v2-48k'].map((name) => readAacClip(name).packets);
  let bad = 0;
  runFor(() => {
    const which = random.below(2);
    const frames = files[which]!;
    const decoder = new AacDecoder(buildAudioSpecificConfig(2, 24_000, 2 - which));
    const first = random.below(frames.length - 10);
    for (let n = first; n < first + 10; n++) {
      const frame = frames[n]!;
      feed(decoder, random, random.below(3) === 0 ? frame : mutate(random, frame, frames[0]!));
    }
    bad += decoder.errors;
  });
  assert.ok(bad > 0);
});

test('noise as frames and as configurations', () => {
  const random = new Random(SEED + 2);
  let refused = 0;
  let made = 0;
  runFor(() => {
    const config = Uint8Array.from({ length: random.below(24) }, () => random.below(256));
    // Of the object types most are refused; LC is what is of interest.
    if (config.length > 0 && random.below(4) !== 0) config[0] = (2 << 3) | (config[0]! & 7);
    try {
      const decoder = new AacDecoder(config);
      made++;
      for (let n = 0; n < 3; n++) {
        const size = random.below(20) === 0 ? random.below(20_000) : random.below(700);
        feed(
          decoder,
          random,
          Uint8Array.from({ length: size }, () => random.below(256)),
        );
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused++;
    }
  });
  assert.ok(refused > 0 && made > 0, `${refused} refused, ${made} made`);
});
