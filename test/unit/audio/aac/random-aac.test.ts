/** The AAC decoder against FFmpeg's on frames by chance: all that the syntax of AAC LC allows. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { AacDecoder } from '../../../../src/audio/aac/aac-decoder.ts';
import type { AacTools } from '../../../../src/audio/aac/counters.ts';
import { aacRateIndex } from '../../../../src/codec/aac.ts';
import { compare, type Decoded, runFfmpeg } from './ffmpeg-aac.ts';
import { RandomAac, randomConfig, type StreamShape } from './random-aac.ts';

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
    name: 'a program config element with coupling channels',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['p', 0],
        ['c', 1],
        ['c', 6],
      ],
    },
    channelConfig: 0,
    uses: (tools) => tools.couplings > 0,
  },
  {
    name: 'a program config element with a centre and coupling channels in front',
    shape: {
      rate: 32_000,
      frameLength: 1024,
      elements: [
        ['c', 0],
        ['c', 3],
        ['s', 0],
        ['p', 0],
      ],
    },
    channelConfig: 0,
    uses: (tools) => tools.couplings > 0,
  },
  {
    name: 'a program config element with tags of any kind',
    shape: {
      rate: 16_000,
      frameLength: 1024,
      elements: [
        ['s', 9],
        ['p', 4],
      ],
    },
    channelConfig: 0,
  },
  {
    name: '3.0',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['s', 0],
        ['p', 0],
      ],
    },
    channelConfig: 3,
  },
  {
    name: '4.0',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['s', 0],
        ['p', 0],
        ['s', 1],
      ],
    },
    channelConfig: 4,
  },
  {
    name: '5.0',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['s', 0],
        ['p', 0],
        ['p', 1],
      ],
    },
    channelConfig: 5,
  },
  {
    name: '7.1 with half left and half right',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['s', 0],
        ['p', 0],
        ['p', 1],
        ['p', 2],
        ['l', 0],
      ],
    },
    channelConfig: 7,
  },
  {
    name: '6.1',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['s', 0],
        ['p', 0],
        ['p', 1],
        ['s', 1],
        ['l', 0],
      ],
    },
    channelConfig: 11,
  },
  {
    name: '7.1 with four surrounds',
    shape: {
      rate: 48_000,
      frameLength: 1024,
      elements: [
        ['s', 0],
        ['p', 0],
        ['p', 1],
        ['p', 2],
        ['l', 0],
      ],
    },
    channelConfig: 12,
  },
  {
    name: '5.1, frames of 960',
    shape: {
      rate: 48_000,
      frameLength: 960,
      elements: [
        ['s', 0],
        ['p', 0],
        ['p', 1],
        ['l', 0],
      ],
    },
    channelConfig: 6,
  },
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
