/** The QMF banks against the formulas of ISO/IEC 14496-3 4.6.18.4, and their reconstruction. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dct4 } from '../../../../../src/audio/aac/sbr/dct4.ts';
import { QmfAnalysis } from '../../../../../src/audio/aac/sbr/qmf-analysis.ts';
import { qmfPrototype } from '../../../../../src/audio/aac/sbr/qmf-prototype.ts';
import { QmfSynthesis } from '../../../../../src/audio/aac/sbr/qmf-synthesis.ts';
import { Random } from '../../../../support/fuzz.ts';

const c = qmfPrototype();
const SCALE = 32_768;

function noise(length: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length }, () => random.below(20_001) / 10_000 - 1);
}

function snr(expected: ArrayLike<number>, actual: ArrayLike<number>, delay: number, from: number): number {
  let signal = 0;
  let error = 0;
  for (let i = from; i + delay < actual.length; i++) {
    signal += expected[i]! ** 2;
    error += (expected[i]! - actual[i + delay]!) ** 2;
  }
  return 10 * Math.log10(signal / (error + 1e-30));
}

describe('QMF prototype', () => {
  it('is a symmetric low pass with the signs of every second stretch of 128 turned', () => {
    assert.equal(c.length, 640);
    assert.equal(c[0], 0);
    assert.equal(c[320], 0.85373856);
    const straight = Float64Array.from(c, (value, i) => ((i >> 7) & 1 ? -value : value));
    for (let i = 1; i < 640; i++) {
      assert.equal(Math.abs(straight[i]!), Math.abs(straight[640 - i]!), `coefficient ${i}`);
      assert.equal(straight[i], straight[640 - i], `coefficient ${i}`);
    }
    // Without a jump anywhere: no coefficient is mistyped.
    for (let i = 2; i < 639; i++) {
      const bend = straight[i - 1]! - 2 * straight[i]! + straight[i + 1]!;
      assert.ok(Math.abs(bend) < 6e-4, `coefficient ${i}: ${bend}`);
    }
  });

  it('is power complementary between neighbours', () => {
    const response = (f: number): number => {
      let re = 0;
      let im = 0;
      for (let i = 0; i < 640; i++) {
        const tap = (i >> 7) & 1 ? -c[i]! : c[i]!;
        re += tap * Math.cos(2 * Math.PI * f * i);
        im += tap * Math.sin(2 * Math.PI * f * i);
      }
      return re * re + im * im;
    };
    const whole = response(0);
    for (let step = 0; step <= 10; step++) {
      const f = (step / 10) * (1 / 128);
      const sum = response(f) + response(1 / 128 - f);
      assert.ok(Math.abs(10 * Math.log10(sum / whole)) < 0.02, `at ${f}: ${sum / whole}`);
    }
  });
});

describe('QMF banks', () => {
  it('DCT-IV equals its definition', () => {
    const x = Float64Array.from(noise(64, 3));
    const y = new Float64Array(64);
    dct4(x, y);
    for (let k = 0; k < 64; k++) {
      let sum = 0;
      for (let n = 0; n < 64; n++) sum += x[n]! * Math.cos((Math.PI / 64) * (n + 0.5) * (k + 0.5));
      assert.ok(Math.abs(sum - y[k]!) < 1e-12);
    }
  });

  it('analysis equals its definition', () => {
    const input = noise(2048, 5);
    const bank = new QmfAnalysis(1024);
    const re = new Float32Array(34 * 32);
    const im = new Float32Array(34 * 32);
    bank.process(input.subarray(0, 1024), re, im, 2);
    bank.process(input.subarray(1024), re, im, 2);
    for (const slot of [0, 7, 31]) {
      const newest = 1024 + 32 * slot + 31;
      for (let k = 0; k < 32; k++) {
        let wantedRe = 0;
        let wantedIm = 0;
        for (let n = 0; n < 64; n++) {
          let u = 0;
          for (let j = 0; j < 5; j++) u += input[newest - n - 64 * j]! * c[2 * (n + 64 * j)]!;
          const angle = (Math.PI / 64) * (k + 0.5) * (2 * n - 0.5);
          wantedRe += 2 * SCALE * u * Math.cos(angle);
          wantedIm += 2 * SCALE * u * Math.sin(angle);
        }
        const at = (slot + 2) * 32 + k;
        assert.ok(Math.abs(re[at]! - wantedRe) < 0.05, `slot ${slot} band ${k}`);
        assert.ok(Math.abs(im[at]! - wantedIm) < 0.05, `slot ${slot} band ${k}`);
      }
    }
  });

  it('an analysis of 64 bands comes back through the synthesis', () => {
    const slots = 128;
    const input = noise(slots * 64, 7);
    const re = new Float32Array(slots * 64);
    const im = new Float32Array(slots * 64);
    for (let slot = 0; slot < slots; slot++) {
      const newest = slot * 64 + 63;
      const u = new Float64Array(128);
      for (let i = 0; i < 640; i++) u[i & 127]! += (input[newest - i] ?? 0) * c[i]!;
      for (let k = 0; k < 64; k++) {
        for (let n = 0; n < 128; n++) {
          const angle = (Math.PI / 128) * (k + 0.5) * (2 * n - 1);
          re[slot * 64 + k]! += SCALE * u[n]! * Math.cos(angle);
          im[slot * 64 + k]! += SCALE * u[n]! * Math.sin(angle);
        }
      }
    }
    const bank = new QmfSynthesis();
    const output = new Float32Array(slots * 64);
    const part = new Float32Array(32 * 64);
    for (let frame = 0; frame < slots / 32; frame++) {
      const from = frame * 2048;
      bank.process(re.subarray(from, from + 2048), im.subarray(from, from + 2048), 32, part);
      output.set(part, from);
    }
    // The prototype's own ripple of 0.012 dB allows 59.5 dB for white noise.
    assert.ok(snr(input, output, 577, 700) > 59, `${snr(input, output, 577, 700)} dB`);
  });

  it('analysis of 32 bands and synthesis of 64 double the rate', () => {
    const analysis = new QmfAnalysis(960);
    const synthesis = new QmfSynthesis();
    const lowRe = new Float32Array(30 * 32);
    const lowIm = new Float32Array(30 * 32);
    const re = new Float32Array(30 * 64);
    const im = new Float32Array(30 * 64);
    const part = new Float32Array(1920);
    const output: number[] = [];
    const tone = (seconds: number): number =>
      0.4 * Math.sin(2 * Math.PI * 900 * seconds) + 0.3 * Math.sin(2 * Math.PI * 7400 * seconds + 1);
    for (let frame = 0; frame < 6; frame++) {
      const input = Float32Array.from({ length: 960 }, (_, i) => tone((frame * 960 + i) / 24_000));
      analysis.process(input, lowRe, lowIm, 0);
      for (let slot = 0; slot < 30; slot++) {
        re.set(lowRe.subarray(slot * 32, slot * 32 + 32), slot * 64);
        im.set(lowIm.subarray(slot * 32, slot * 32 + 32), slot * 64);
      }
      synthesis.process(re, im, 30, part);
      output.push(...part);
    }
    const wanted = output.map((_, i) => tone(i / 48_000));
    // The delay is no whole number of samples of the higher rate: the best one is searched by phase.
    let best = 0;
    for (let delay = 560; delay < 600; delay += 0.5) {
      const moved = wanted.map((_, i) => tone((i - delay) / 48_000));
      best = Math.max(best, snr(moved, output, 0, 1500));
    }
    assert.ok(best > 60, `${best} dB`);
  });

  it('damage of the core does not stay in the filters', () => {
    const bank = new QmfAnalysis(1024);
    const re = new Float32Array(32 * 32);
    const im = new Float32Array(32 * 32);
    const bad = new Float32Array(1024);
    bad.set([Number.NaN, Number.POSITIVE_INFINITY, -1e30], 500);
    bank.process(bad, re, im, 0);
    assert.ok([...re, ...im].every((value) => value === 0));
  });
});
