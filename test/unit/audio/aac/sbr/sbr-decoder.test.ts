/**
 * HE-AAC v1 and v2 against FFmpeg's decoder: clips of an encoder, and payloads written here that use what encoders
 * leave alone. Then damage, loss, CRC, both frame lengths.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AacDecoder } from '../../../../../src/audio/aac/aac-decoder.ts';
import { sbrCrc } from '../../../../../src/audio/aac/sbr/sbr-bits.ts';
import { SbrDecoder } from '../../../../../src/audio/aac/sbr/sbr-decoder.ts';
import { type AacClip, readAacClip } from '../../../../support/aac-clips.ts';
import { BitWriter } from '../../../../support/bit-writer.ts';
import { Random } from '../../../../support/fuzz.ts';
import { type Decoded, runFfmpeg } from '../ffmpeg-aac.ts';
import { bitsOf, payloadsOf, withPayloads } from './he-aac-streams.ts';
import { SbrWriter, type WriterOptions } from './sbr-writer.ts';

const CLIPS = [
  { name: 'v1-48k-stereo', least: 80 },
  { name: 'v1-44k-stereo', least: 70 },
  { name: 'v1-32k-mono', least: 80 },
  { name: 'v2-48k', least: 80 },
  { name: 'v2-24k', least: 80 },
];

/** dB, worst channel, the first `skip` packets left out; a mono result counts for both channels. */
function compare(stream: AacClip, expected: Decoded, skip: number): number {
  const decoder = new AacDecoder(stream.config);
  const signal = [0, 0];
  const error = [1e-30, 1e-30];
  stream.packets.forEach((packet, n) => {
    const block = decoder.decode(packet);
    const frame = expected.frames[n];
    assert.ok(block !== null && frame !== null && frame !== undefined, `packet ${n}`);
    assert.equal(block.samples, frame[0]!.length);
    assert.equal(block.sampleRate, expected.rate);
    if (n < skip) return;
    frame.forEach((theirs, channel) => {
      const ours = block.channels[Math.min(channel, block.channels.length - 1)]!;
      for (let i = 0; i < theirs.length; i++) {
        signal[channel]! += theirs[i]! ** 2;
        error[channel]! += (theirs[i]! - ours[i]!) ** 2;
      }
    });
  });
  assert.equal(decoder.errors, 0);
  const levels = signal.filter((power) => power > 0).map((power, i) => 10 * Math.log10(power / error[i]!));
  assert.ok(levels.length > 0);
  return Math.min(...levels);
}

function written(clip: string, options: Omit<WriterOptions, 'sampleRate' | 'channels'>): AacClip {
  const stream = readAacClip(clip);
  const writer = new SbrWriter({
    ...options,
    sampleRate: 2 * stream.coreRate,
    channels: stream.channels,
  });
  const changed = withPayloads(stream, () => writer.frame());
  assert.ok(writer.resets > 0);
  return changed;
}

/** Decodes the payloads over a core of one tone; returns the sum of all samples' squares. */
function playTone(
  decoder: SbrDecoder,
  channels: number,
  frames: number,
  before: (frame: number) => void,
): number {
  let energy = 0;
  for (let n = 0; n < frames; n++) {
    before(n);
    const core = Array.from({ length: channels }, () =>
      Float32Array.from({ length: 1024 }, (_, i) => 0.3 * Math.sin((n * 1024 + i) * 0.61)),
    );
    for (const samples of decoder.process(core)) {
      assert.equal(samples.length, 2048);
      for (const sample of samples) {
        assert.ok(Number.isFinite(sample), `frame ${n}`);
        energy += sample * sample;
      }
    }
  }
  return energy;
}

describe('HE-AAC like FFmpeg', () => {
  const clips = CLIPS.map(({ name }) => readAacClip(name));
  const seeds = [1, 2, 3];
  const plain = seeds.flatMap((seed) => [
    written('v1-48k-stereo', { seed }),
    written('v1-44k-stereo', { seed: seed + 10 }),
    written('v1-32k-mono', { seed: seed + 20 }),
  ]);
  const stereo = seeds.map((seed) => written('v2-48k', { seed: seed + 30, hasPs: true }));
  const expected = runFfmpeg([...clips, ...plain, ...stereo]);

  CLIPS.forEach(({ name, least }, i) => {
    it(`${name} of an encoder`, () => {
      // The first frame of parametric stereo begins in another state: mono here, silence there.
      const level = compare(clips[i]!, expected[i]!, 1);
      assert.ok(level > least, `${level} dB`);
    });
  });
  plain.forEach((stream, i) => {
    it(`random payload ${i}, ${2 * stream.coreRate} Hz, ${stream.channels} channels`, () => {
      const level = compare(stream, expected[clips.length + i]!, 0);
      assert.ok(level > 60, `${level} dB`);
    });
  });
  stereo.forEach((stream, i) => {
    it(`random parametric stereo ${i}`, () => {
      const level = compare(stream, expected[clips.length + plain.length + i]!, 2);
      assert.ok(level > 50, `${level} dB`);
    });
  });
});

describe('SBR decoder', () => {
  const clip = readAacClip('v1-48k-stereo');
  const payloads = payloadsOf(clip);
  const psClip = readAacClip('v2-48k');
  const psPayloads = payloadsOf(psClip);

  it('doubles the rate before the first header', () => {
    const decoder = new SbrDecoder(24_000, 1, 1024);
    const energy = playTone(decoder, 1, 8, () => {});
    // Half of 0.3 squared per sample, the banks' delay left out.
    assert.ok(Math.abs(energy / (8 * 2048 * 0.045) - 1) < 0.06, `${energy}`);
    assert.equal(decoder.errors, 0);
  });

  it('one array for mono, two for a pair and from the first parametric stereo on', () => {
    const core = [new Float32Array(1024)];
    assert.equal(new SbrDecoder(24_000, 1, 1024).process(core).length, 1);
    assert.equal(new SbrDecoder(24_000, 2, 1024).process([...core, ...core]).length, 2);
    const decoder = new SbrDecoder(24_000, 1, 1024);
    const { bytes, startBit, bitCount } = psPayloads[0]!;
    decoder.read(bytes, startBit, bitCount, false);
    assert.equal(decoder.process(core).length, 2);
    assert.equal(decoder.process(core).length, 2);
  });

  it('checks the CRC', () => {
    const decoders = [0, 1, 2].map(() => new SbrDecoder(24_000, 2, 1024));
    const energies = decoders.map((decoder, kind) =>
      playTone(decoder, 2, 20, (n) => {
        const payload = payloads[n]!;
        if (kind === 0) {
          decoder.read(payload.bytes, payload.startBit, payload.bitCount, false);
          return;
        }
        const body = bitsOf(payload);
        const crc = sbrCrc(body.bytes(), 0, body.bits.length);
        const wrong = kind === 2 && n >= 5 && n < 8 ? 1 : 0;
        const whole = new BitWriter().put(crc ^ wrong, 10).append(body);
        decoder.read(whole.bytes(), 0, whole.bits.length, true);
      }),
    );
    assert.deepEqual(
      decoders.map(({ errors }) => errors),
      [0, 0, 3],
    );
    assert.equal(energies[0], energies[1]);
    assert.notEqual(energies[0], energies[2]);
  });

  it('the CRC is the polynomial 0x233 from zero', () => {
    assert.equal(sbrCrc(Uint8Array.of(0), 0, 8), 0);
    // A single one leaves the polynomial; each zero behind it multiplies by x.
    assert.equal(sbrCrc(Uint8Array.of(1), 0, 8), 0x233);
    assert.equal(sbrCrc(Uint8Array.of(2), 0, 8), ((0x233 << 1) & 0x3ff) ^ 0x233);
  });

  it('a lost payload keeps the high band, many lost leave the low band', () => {
    const high = (lostFrom: number): number[] => {
      const decoder = new AacDecoder(clip.config);
      const original = SbrDecoder.prototype.read;
      let n = 0;
      SbrDecoder.prototype.read = function (bytes, startBit, bitCount, hasCrc) {
        if (n < lostFrom) original.call(this, bytes, startBit, bitCount, hasCrc);
      };
      try {
        return clip.packets.map((packet) => {
          const block = decoder.decode(packet)!;
          n++;
          // Second differences are a crude high pass.
          const x = block.channels[0]!;
          let sum = 0;
          for (let i = 3; i < 2048; i++) sum += (x[i]! - 3 * x[i - 1]! + 3 * x[i - 2]! - x[i - 3]!) ** 2;
          return sum;
        });
      } finally {
        SbrDecoder.prototype.read = original;
      }
    };
    const whole = high(1000);
    const lossy = high(20);
    assert.deepEqual(lossy.slice(0, 20), whole.slice(0, 20));
    const sumOf = (values: number[], from: number, to: number): number =>
      values.slice(from, to).reduce((a, b) => a + b, 0);
    assert.ok(sumOf(lossy, 20, 28) > 0.1 * sumOf(whole, 20, 28));
    assert.ok(sumOf(lossy, 32, 60) < 0.05 * sumOf(whole, 32, 60));
  });

  it('damaged payloads: no exception, no NaN, errors are counted, good frames heal it', () => {
    const random = new Random(99);
    for (const [source, channels] of [
      [payloads, 2],
      [psPayloads, 1],
    ] as const) {
      const decoder = new SbrDecoder(24_000, channels, 1024);
      playTone(decoder, channels, 400, (n) => {
        const { bytes, startBit, bitCount } = source[n % source.length]!;
        const copy = Uint8Array.from(bytes);
        for (let i = random.below(4); i > 0; i--) {
          const at = startBit + random.below(bitCount);
          copy[at >> 3]! ^= 128 >> (at & 7);
        }
        const length = random.below(10) === 0 ? random.below(bitCount) : bitCount;
        decoder.read(copy, startBit, length, false);
      });
      assert.ok(decoder.errors > 20, `${decoder.errors}`);
    }
  });

  it('a payload that ends anywhere is damage', () => {
    const { bytes, startBit, bitCount } = payloads[0]!;
    const body = bitsOf(payloads[0]!);
    // Zeros at the end are padding of the fill element.
    const used = body.bits.lastIndexOf(1) - 8;
    for (let length = 0; length < Math.min(used, bitCount); length += 3) {
      const decoder = new SbrDecoder(24_000, 2, 1024);
      decoder.read(bytes, startBit, length, false);
      assert.equal(decoder.errors, 1, `${length} of ${bitCount} bits`);
    }
  });

  it('frames of 960', () => {
    const decoder = new SbrDecoder(24_000, 1, 960);
    const { bytes, startBit, bitCount } = psPayloads[3]!;
    for (let n = 0; n < 6; n++) {
      decoder.read(bytes, startBit, bitCount, false);
      const core = Float32Array.from({ length: 960 }, (_, i) => 0.3 * Math.sin((n * 960 + i) * 0.5));
      for (const samples of decoder.process([core])) {
        assert.equal(samples.length, 1920);
        assert.ok(samples.every(Number.isFinite));
      }
    }
  });

  it('phases of parametric stereo keep the energy', () => {
    const stream = written('v2-48k', { seed: 5, hasPs: true, hasPhases: true });
    const decoder = new AacDecoder(stream.config);
    const core = new AacDecoder(stream.config, { hasSbr: false });
    let whole = 0;
    let mono = 0;
    stream.packets.forEach((packet) => {
      const low = core.decode(packet)!.channels[0]!;
      for (const sample of low) mono += 2 * sample * sample;
      const { channels } = decoder.decode(packet)!;
      for (const channel of channels) for (const sample of channel) whole += sample * sample;
    });
    // Both channels have twice the mono signal's energy, less or more by what the high band has.
    assert.ok(whole / (2 * mono) > 0.7 && whole / (2 * mono) < 1.6, `${whole / (2 * mono)}`);
    assert.equal(decoder.errors, 0);
  });
});
