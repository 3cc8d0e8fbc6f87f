/** The AAC decoder against FFmpeg's, sample by sample, on streams of FFmpeg's encoder that use each tool. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { AacDecoder } from '../../../../src/audio/aac/aac-decoder.ts';
import type { AacTools } from '../../../../src/audio/aac/counters.ts';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { compare, type Decoded, type EncodeJob, runFfmpeg } from './ffmpeg-aac.ts';

/** Noise that is the same in every run, -1 to 1. */
function hash(n: number): number {
  let x = Math.imul(n ^ 0x9e37_79b9, 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return ((x ^ (x >>> 16)) | 0) / 0x8000_0000;
}

/** A rising tone, other in each channel, and a hiss. */
const sweep = (t: number, channel: number): number =>
  0.3 * Math.sin(2 * Math.PI * (300 + 90 * channel + 400 * t) * t) + 0.05 * hash((t * 1e6 + channel) | 0);
/** Clicks in silence, which want short windows, and a tone. */
const clicks = (t: number, channel: number): number =>
  0.05 * Math.sin(2 * Math.PI * 700 * t) + (t % 0.17 < 0.003 ? 0.8 * hash((t * 1e6 + channel) | 0) : 0);
/** Hiss that comes and goes a hundred times a second: what noise shaping is for. */
const buzz = (t: number, channel: number): number =>
  0.5 * hash((t * 1e6 + channel) | 0) * Math.exp(-((t * 100) % 1) * 8);
/** The same hiss at two levels: what intensity stereo is for. */
const leaning = (t: number, channel: number): number => (channel === 0 ? 0.3 : 0.2) * hash((t * 1e6) | 0);

const SOME = { aac_pns: '0' };
const ALL = { aac_coder: 'twoloop' };

interface Case {
  readonly name: string;
  readonly job: EncodeJob;
  /** What the stream must have used for the case to say something. */
  readonly uses: (tools: AacTools) => boolean;
}

const CASES: readonly Case[] = [
  {
    name: '48 kHz stereo, M/S and all books of small values',
    job: { rate: 48_000, channels: 2, bitRate: 128_000, options: SOME, signal: sweep, frames: 40 },
    uses: (tools) => tools.midSideBands > 0 && tools.kaiserBlocks > 0,
  },
  {
    name: '44.1 kHz stereo, short windows',
    job: { rate: 44_100, channels: 2, bitRate: 96_000, options: SOME, signal: clicks, frames: 40 },
    uses: (tools) => tools.shortBlocks > 0 && tools.startBlocks > 0 && tools.stopBlocks > 0,
  },
  {
    name: '44.1 kHz stereo, intensity',
    job: { rate: 44_100, channels: 2, bitRate: 48_000, options: SOME, signal: leaning, frames: 30 },
    uses: (tools) => tools.intensityBands > 0,
  },
  {
    name: '48 kHz stereo, noise bands: the same generator gives the same noise',
    job: { rate: 48_000, channels: 2, bitRate: 48_000, options: ALL, signal: sweep, frames: 40 },
    uses: (tools) => tools.books[13]! > 0,
  },
  {
    name: '48 kHz mono, noise shaping',
    job: { rate: 48_000, channels: 1, bitRate: 96_000, options: SOME, signal: buzz, frames: 30 },
    uses: (tools) => tools.noiseShapers > 0,
  },
  {
    name: '32 kHz mono',
    job: { rate: 32_000, channels: 1, bitRate: 48_000, options: SOME, signal: sweep, frames: 20 },
    uses: (tools) => tools.frames > 0,
  },
  {
    name: '16 kHz mono with clicks',
    job: { rate: 16_000, channels: 1, bitRate: 24_000, options: SOME, signal: clicks, frames: 20 },
    uses: (tools) => tools.shortBlocks > 0,
  },
  {
    name: '8 kHz mono',
    job: { rate: 8000, channels: 1, bitRate: 12_000, options: SOME, signal: sweep, frames: 20 },
    uses: (tools) => tools.frames > 0,
  },
  {
    name: '96 kHz stereo',
    job: { rate: 96_000, channels: 2, bitRate: 192_000, options: SOME, signal: sweep, frames: 20 },
    uses: (tools) => tools.books[11]! > 0,
  },
  {
    name: '48 kHz 5.1 with a low frequency channel',
    job: { rate: 48_000, channels: 6, bitRate: 256_000, options: SOME, signal: sweep, frames: 20 },
    uses: (tools) => tools.frames > 0,
  },
];

let decoded: Decoded[] = [];
before(() => {
  decoded = runFfmpeg(CASES.map(({ job }) => job));
});

CASES.forEach(({ name, job, uses }, i) => {
  test(`as FFmpeg: ${name}`, () => {
    const stream = decoded[i]!;
    assert.ok(stream.packets.length >= job.frames);
    const decoder = new AacDecoder(stream.config);
    const ratio = compare(decoder, stream);
    assert.ok(uses(decoder.tools), JSON.stringify(decoder.tools));
    assert.ok(ratio > 110, `${ratio} dB`);
    assert.equal(decoder.errors, 0);
  });
});

test('every codebook was used by these streams', () => {
  const books = new Uint32Array(16);
  for (const { config, packets } of decoded) {
    const decoder = new AacDecoder(config);
    for (const packet of packets) decoder.decode(packet);
    decoder.tools.books.forEach((count, book) => {
      books[book]! += count;
    });
  }
  for (let book = 1; book <= 11; book++) assert.ok(books[book]! > 0, `book ${book}`);
});

test('5.1 says what its channels are for', () => {
  const decoder = new AacDecoder(decoded.at(-1)!.config);
  assert.deepEqual(decoder.channelLayout, ['C', 'L', 'R', 'Ls', 'Rs', 'LFE']);
});

test('a lost frame fades out, and the frames after it are whole again', () => {
  const { config, packets } = decoded[0]!;
  const whole = new AacDecoder(config);
  const lossy = new AacDecoder(config);
  assert.equal(lossy.conceal(), null);
  for (let n = 0; n < 20; n++) {
    whole.decode(packets[n]!);
    lossy.decode(packets[n]!);
  }
  let power = Number.POSITIVE_INFINITY;
  for (let n = 20; n < 30; n++) {
    whole.decode(packets[n]!);
    const block = lossy.conceal()!;
    assert.equal(block.samples, 1024);
    const next = block.channels[0]!.reduce((sum, value) => sum + value * value, 0);
    if (n > 24) assert.ok(next <= power);
    power = next;
  }
  assert.ok(power < 1e-9);
  // The frame after the gap overlaps with it, the one behind that does not.
  whole.decode(packets[30]!);
  lossy.decode(packets[30]!);
  const expected = Float32Array.from(whole.decode(packets[31]!)!.channels[0]!);
  assert.deepEqual(lossy.decode(packets[31]!)!.channels[0], expected);
});

test('a damaged frame gives null, is counted, and leaves what is kept untouched', () => {
  const { config, packets } = decoded[0]!;
  const whole = new AacDecoder(config);
  const other = new AacDecoder(config);
  for (let n = 0; n < 10; n++) {
    whole.decode(packets[n]!);
    other.decode(packets[n]!);
    if (n === 5) {
      assert.equal(other.decode(packets[8]!.subarray(0, 40)), null);
      assert.equal(other.decode(new Uint8Array(0)), null);
      assert.equal(other.decode(new Uint8Array(20_000)), null);
    }
  }
  assert.equal(other.errors, 3);
  const expected = Float32Array.from(whole.decode(packets[10]!)!.channels[1]!);
  assert.deepEqual(other.decode(packets[10]!)!.channels[1], expected);
});

test('after close there is no sound', () => {
  const { config, packets } = decoded[0]!;
  const decoder = new AacDecoder(config);
  assert.notEqual(decoder.decode(packets[0]!), null);
  decoder.close();
  assert.equal(decoder.decode(packets[1]!), null);
  assert.equal(decoder.conceal(), null);
});

for (const [name, bytes] of [
  ['Main', [0x0a, 0x10]],
  ['SSR', [0x1a, 0x10]],
  ['LTP', [0x22, 0x10]],
  ['LD', [0xb9, 0x90, 0x00]],
  ['an unknown channel configuration', [0x11, 0xc0]],
  ['no bytes', []],
] as const) {
  test(`refuses ${name}`, () => {
    assert.throws(() => new AacDecoder(Uint8Array.from(bytes)), ProtocolError);
  });
}
