/** The AAC decoder against FFmpeg's on frames by chance: all that the syntax of AAC LC allows. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { AacDecoder } from '../../../../src/audio/aac/aac-decoder.ts';
import type { FrameLength } from '../../../../src/audio/aac/band-tables.ts';
import type { AacTools } from '../../../../src/audio/aac/counters.ts';
import { aacRateIndex } from '../../../../src/codec/aac.ts';
import { compare, type Decoded, runFfmpeg } from './ffmpeg-aac.ts';
import { type ElementType, RandomAac, randomConfig, type StreamShape } from './random-aac.ts';

interface Case {
  readonly name: string;
  readonly shape: StreamShape;
  readonly channelConfig: number;
  readonly uses?: (tools: AacTools) => boolean;
}

const RATES = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];
const MONO: StreamShape['elements'] = [['s', 0]];
const STEREO: StreamShape['elements'] = [['p', 0]];

/** A stream of these elements: their types, each with its tag. */
function listed(
  name: string,
  channelConfig: number,
  elements: string,
  rate: number,
  frameLength: FrameLength = 1024,
): Case {
  const parts = elements.split(' ').map((text) => [text[0] as ElementType, Number(text[1])] as const);
  return { name, channelConfig, shape: { rate, frameLength, elements: parts } };
}

const CASES: readonly Case[] = [
  ...RATES.map(
    (rate): Case => ({
      name: `${rate} Hz stereo`,
      shape: { rate, frameLength: 1024, elements: STEREO },
      channelConfig: 2,
      uses: (tools) => tools.shortBlocks > 0 && tools.noiseShapers > 0 && tools.intensityBands > 0,
    }),
  ),
  ...RATES.map(
    (rate): Case => ({
      name: `${rate} Hz stereo, frames of 960`,
      shape: { rate, frameLength: 960, elements: STEREO },
      channelConfig: 2,
      uses: (tools) => tools.shortBlocks > 0 && tools.noiseShapers > 0 && tools.midSideBands > 0,
    }),
  ),
  {
    name: 'noise',
    shape: { rate: 48_000, frameLength: 1024, elements: MONO, hasNoise: true },
    channelConfig: 1,
    uses: (tools) => tools.books[13]! > 0,
  },
  {
    name: 'pulses',
    shape: { rate: 44_100, frameLength: 1024, elements: MONO, hasPulses: true },
    channelConfig: 1,
    uses: (tools) => tools.pulses > 0,
  },
  // FFmpeg counts the elements of a program config anew, and a coupling channel finds its targets only when their tags
  // are that count.
  {
    ...listed('a program config element with coupling channels', 0, 'p0 c1 c6', 48_000),
    uses: (tools) => tools.couplings > 0,
  },
  {
    ...listed(
      'a program config element with a centre and coupling channels in front',
      0,
      'c0 c3 s0 p0',
      32_000,
    ),
    uses: (tools) => tools.couplings > 0,
  },
  listed('a program config element with tags of any kind', 0, 's9 p4', 16_000),
  listed('3.0', 3, 's0 p0', 48_000),
  listed('4.0', 4, 's0 p0 s1', 48_000),
  listed('5.0', 5, 's0 p0 p1', 48_000),
  listed('7.1 with half left and half right', 7, 's0 p0 p1 p2 l0', 48_000),
  listed('6.1', 11, 's0 p0 p1 s1 l0', 48_000),
  listed('7.1 with four surrounds', 12, 's0 p0 p1 p2 l0', 48_000),
  listed('5.1, frames of 960', 6, 's0 p0 p1 l0', 48_000, 960),
];

const FRAMES = 30;
let decoded: Decoded[] = [];
before(() => {
  decoded = runFfmpeg(
    CASES.map(({ shape, channelConfig }, i) => {
      const stream = new RandomAac(1000 + i, shape);
      return {
        config: randomConfig(shape, aacRateIndex(shape.rate), channelConfig),
        packets: Array.from({ length: FRAMES }, () => stream.frame()),
      };
    }),
  );
});

CASES.forEach(({ name, uses }, i) => {
  test(`as FFmpeg: ${name}`, () => {
    const stream = decoded[i]!;
    const decoder = new AacDecoder(stream.config);
    const ratio = compare(decoder, stream);
    if (uses !== undefined) assert.ok(uses(decoder.tools), JSON.stringify(decoder.tools));
    assert.equal(decoder.errors, 0);
    assert.ok(ratio > 100, `${ratio} dB`);
  });
});
