/** How many streams' sound one core converts: every pair of codecs, in this process, as a worker thread does it. */
import type { SoundTarget } from '../../src/media/sound-conversion.ts';
import { openConversion } from '../../src/transcode/sound-codecs.ts';
import { planSound, reasonAgainstSound } from '../../src/transcode/sound-plan.ts';
import { Random } from '../support/fuzz.ts';
import { allSources, SETTINGS, type SoundSource } from '../support/sound-sources.ts';
import type { Trial, TrialGoal } from './trial.ts';

const CLIP_SECONDS = 5;
const WARM_UP_SECONDS = 20;
const LEAST_STREAMS = 20;
const QUICK = new Set(['aac 48000', 'opus', 'g711a']);

export const soundStreams: Trial = {
  name: 'sound-streams',
  title: 'streams whose sound one core converts',
  missing: () => '',
  run: async ({ windowMs, isQuick }) => {
    const rows = [['from', 'to', 'ms of CPU per second', 'streams per core']];
    const goals: TrialGoal[] = [];
    const sources = allSources(noisySweep).filter(({ name }) => !isQuick || QUICK.has(name));
    for (const source of sources) {
      for (const target of ['opus', 'aac'] as const) {
        if (reasonAgainstSound(source.config, target) !== '') continue;
        const share = await costOf(source, target, windowMs / 4);
        rows.push([source.name, target, (share * 1000).toFixed(1), (1 / share).toFixed(0)]);
        goals.push({
          text: `% of a core for one stream, ${source.name} to ${target} <= ${100 / LEAST_STREAMS}`,
          value: share * 100,
          limit: 100 / LEAST_STREAMS,
        });
      }
    }
    return { rows, goals, notes: [] };
  },
};

/** Seconds of CPU per second of sound. */
async function costOf(source: SoundSource, target: SoundTarget, windowMs: number): Promise<number> {
  const conversion = await openConversion(planSound(source.config, target, SETTINGS), () => {});
  let shiftUs = 0;
  const turn = () => {
    for (const { ptsUs, durationUs, payload } of source.frames) {
      conversion.push(ptsUs + shiftUs, durationUs, payload, 0);
    }
    const { ptsUs, durationUs } = source.frames.at(-1)!;
    shiftUs += ptsUs + durationUs - source.frames[0]!.ptsUs;
  };
  for (let i = 0; i < WARM_UP_SECONDS / CLIP_SECONDS; i++) turn();
  const from = { cpu: process.cpuUsage(), us: shiftUs };
  const endMs = performance.now() + windowMs;
  do turn();
  while (performance.now() < endMs);
  const { user, system } = process.cpuUsage(from.cpu);
  conversion.close();
  return (user + system) / (shiftUs - from.us);
}

/** Neither a tone nor noise: what encoders have work with. */
function noisySweep(rate: number): Float32Array {
  const random = new Random(1);
  return Float32Array.from({ length: rate * CLIP_SECONDS }, (_, i) => {
    const t = i / rate;
    const swing = 0.6 + 0.4 * Math.sin(2 * Math.PI * 5 * t);
    return (
      0.4 * swing * Math.sin(2 * Math.PI * (200 + 400 * t) * t) +
      0.1 * (random.below(1 << 16) / (1 << 15) - 1)
    );
  });
}
