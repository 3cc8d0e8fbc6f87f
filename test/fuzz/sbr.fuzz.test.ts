/**
 * Hostile SBR and parametric stereo: valid payloads with flipped, cut and random bits over a core by chance. Nothing
 * throws, every sample is finite, sound goes on. Seeded; one second per test, FUZZ_SECONDS raises it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SbrDecoder } from '../../src/audio/aac/sbr/sbr-decoder.ts';
import { Random, runFor } from '../support/fuzz.ts';
import { SbrWriter } from '../unit/audio/aac/sbr/sbr-writer.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? '20261121');

function fuzz(channels: 1 | 2, frameLength: 1024 | 960, coreRate: number): void {
  const random = new Random(SEED + channels + frameLength);
  let decoder = new SbrDecoder(coreRate, channels, frameLength);
  const core = Array.from({ length: channels }, () => new Float32Array(frameLength));
  let writer: SbrWriter | undefined;
  let n = 0;
  runFor(() => {
    if (n % 50 === 0 || writer === undefined)
      writer = new SbrWriter({
        sampleRate: 2 * coreRate,
        channels,
        seed: SEED + n,
        hasPs: channels === 1,
        hasPhases: random.below(2) === 0,
      });
    if (n % 500 === 499) decoder = new SbrDecoder(coreRate, channels, frameLength);
    const payload = writer.frame();
    const bytes = payload.bytes();
    let length = payload.bits.length;
    const kind = random.below(8);
    if (kind < 3) for (let i = 0; i <= kind; i++) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
    else if (kind === 3) for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
    else if (kind === 4) length = random.below(length);
    else if (kind === 5) length += 100_000;
    if (kind !== 6) decoder.read(bytes, 0, length, random.below(50) === 0);
    for (const samples of core) {
      const loud = random.below(30) === 0 ? 1e6 : 1;
      for (let i = 0; i < frameLength; i++) samples[i] = loud * (random.below(2001) / 1000 - 1);
      if (random.below(40) === 0) samples[random.below(frameLength)] = Number.NaN;
    }
    for (const samples of decoder.process(core)) {
      assert.equal(samples.length, 2 * frameLength);
      let sum = 0;
      for (let i = 0; i < samples.length; i++) sum += samples[i]!;
      assert.ok(Number.isFinite(sum), `frame ${n}`);
    }
    n++;
  });
  assert.ok(decoder.errors > 0);
}

test('mono with parametric stereo', () => fuzz(1, 1024, 24_000));
test('a pair', () => fuzz(2, 1024, 22_050));
test('frames of 960', () => fuzz(1, 960, 16_000));
