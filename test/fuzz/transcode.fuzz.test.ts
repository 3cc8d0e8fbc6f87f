/**
 * Hostile sound through whole conversions: mutated, cut, swapped and lost frames with times that make no sense. Nothing
 * may throw; what comes out has times that never go back, and is bounded by the time that passed.
 * Seeded; one second per codec, FUZZ_SECONDS raises it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConversion } from '../../src/transcode/sound-codecs.ts';
import { planSound, reasonAgainstSound } from '../../src/transcode/sound-plan.ts';
import { FUZZ_SECONDS, Random, runFor } from '../support/fuzz.ts';
import { tone } from '../support/sound-signals.ts';
import { allSources, SETTINGS } from '../support/sound-sources.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? '20261121');
/** Longest that one frame can make the output go on: silence of a gap, a block, frames that waited. */
const MOST_OUT_US = 1_400_000;

function mutate(random: Random, source: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(source);
  for (let i = random.below(5); i > 0 && bytes.length > 0; i--)
    bytes[random.below(bytes.length)] = random.below(256);
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

for (const source of allSources((rate) => tone(700, rate, 0.4))) {
  test(`hostile ${source.name}`, async () => {
    const random = new Random(SEED);
    for (const target of ['opus', 'aac'] as const) {
      if (reasonAgainstSound(source.config, target) !== '') continue;
      let lastUs = -1;
      let outUs = 0;
      const plan = planSound(source.config, target, { ...SETTINGS, opusComplexity: 0 });
      const conversion = await openConversion(plan, (ptsUs, durationUs, payload) => {
        assert.ok(Number.isInteger(ptsUs) && ptsUs > lastUs && durationUs > 0 && payload.length > 0);
        lastUs = ptsUs;
        outUs += durationUs;
      });
      let nowUs = 1_000_000;
      const step = () => {
        const frame = source.frames[random.below(source.frames.length)]!;
        const payload =
          random.below(10) === 0 ? random.bytes(random.below(600)) : mutate(random, frame.payload);
        const before = outUs;
        nowUs += [frame.durationUs, frame.durationUs, frame.durationUs, 0, 90_000, 2_000_000][
          random.below(6)
        ]!;
        const durationUs = random.below(6) === 0 ? random.below(200_000) : frame.durationUs;
        conversion.push(nowUs, durationUs, payload, nowUs);
        assert.ok(outUs - before <= MOST_OUT_US, `${outUs - before} us out of one frame`);
      };
      // Twenty frames also where the machine is busy.
      for (let runs = runFor(step, FUZZ_SECONDS / 2); runs <= 20; runs++) step();
      assert.ok(outUs > 0);
      conversion.close();
      conversion.close();
      conversion.push(nowUs, 20_000, new Uint8Array(10), nowUs);
    }
  });
}
