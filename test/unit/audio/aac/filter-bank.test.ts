/** Transform and windows of AAC against their definitions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fft } from '../../../../src/audio/aac/fft.ts';
import { FilterBank } from '../../../../src/audio/aac/filter-bank.ts';
import { Imdct } from '../../../../src/audio/aac/imdct.ts';

const value = (i: number): number => Math.sin(i * 12.9898 + 1) * 0.5;

for (const size of [60, 64, 480, 512]) {
  test(`Fourier transform of ${size} points`, () => {
    const data = Float64Array.from({ length: 2 * size }, (_, i) => value(i));
    const input = Float64Array.from(data);
    const result = new Fft(size).transform(data);
    for (let k = 0; k < size; k += 7) {
      let re = 0;
      let im = 0;
      for (let n = 0; n < size; n++) {
        const angle = (-2 * Math.PI * ((n * k) % size)) / size;
        re += input[2 * n]! * Math.cos(angle) - input[2 * n + 1]! * Math.sin(angle);
        im += input[2 * n]! * Math.sin(angle) + input[2 * n + 1]! * Math.cos(angle);
      }
      assert.ok(Math.hypot(result[2 * k]! - re, result[2 * k + 1]! - im) < 1e-10);
    }
  });
}

for (const lines of [120, 128, 960, 1024]) {
  test(`transform of ${lines} lines`, () => {
    const spectrum = Float32Array.from({ length: lines + 3 }, (_, i) => value(i));
    const imdct = new Imdct(lines, 1 / lines);
    imdct.transform(spectrum, 3);
    for (let n = 0; n < lines; n += 11) {
      let sum = 0;
      for (let k = 0; k < lines; k++)
        sum += spectrum[3 + k]! * Math.cos((Math.PI / lines) * (n + 0.5) * (k + 0.5));
      assert.ok(Math.abs(imdct.output[n]! - sum / lines) < 1e-10);
    }
  });
}

/** Lines of a signal by the forward transform of the standard's windows, where both halves have the same shape. */
function analyse(signal: (n: number) => number, start: number, window: Float64Array): Float32Array {
  const lines = window.length;
  return Float32Array.from({ length: lines }, (_, k) => {
    let sum = 0;
    for (let n = 0; n < 2 * lines; n++) {
      const weight = n < lines ? window[n]! : window[2 * lines - 1 - n]!;
      sum += weight * signal(start + n) * Math.cos((Math.PI / lines) * (n + 0.5 + lines / 2) * (k + 0.5));
    }
    return 2 * 32_768 * sum;
  });
}

test('long sine windows give the signal back', () => {
  const lines = 960;
  const window = Float64Array.from({ length: lines }, (_, n) =>
    Math.sin((Math.PI * (n + 0.5)) / (2 * lines)),
  );
  const bank = new FilterBank(lines);
  const overlap = new Float32Array(lines);
  const output = new Float32Array(lines);
  for (let frame = 0; frame < 3; frame++) {
    bank.synthesize(analyse(value, frame * lines, window), 0, 0, 0, overlap, output);
    if (frame === 0) continue;
    for (let n = 0; n < lines; n += 13)
      assert.ok(Math.abs(output[n]! - value(frame * lines + n)) < 1e-5, `sample ${n} of frame ${frame}`);
  }
});
