/** The worker that converts sound as the executable carries it: bundled, minified, started as text. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { makeStartWorker } from '../../src/runtime/worker-thread.ts';
import { WorkerSoundConverter } from '../../src/transcode/sound-converter.ts';
import { reasonAgainstSound } from '../../src/transcode/sound-plan.ts';
import { systemClock } from '../../src/util/clock.ts';
import { LogHub } from '../../src/util/log.ts';
import { TickWheel } from '../../src/util/tick-wheel.ts';
import { decodeAll, tone, toneShare } from '../support/sound-signals.ts';
import { allSources, decoderFor, SETTINGS } from '../support/sound-sources.ts';
import { until } from '../support/until.ts';

const script = pathToFileURL(join(process.cwd(), 'build', 'worker-bundles.mjs')).href;

test('every pair of codecs in a bundled worker', async () => {
  const { bundleWorkers } = (await import(script)) as {
    bundleWorkers: (options: object) => Promise<{ texts: Record<string, Uint8Array> }>;
  };
  const { texts } = await bundleWorkers({ minify: true, version: '0.0.0' });
  const problems: string[] = [];
  const converter = new WorkerSoundConverter({
    startWorker: makeStartWorker((path) => texts[path.replace(/^workers\/|\.js$/g, '')] ?? null),
    settings: () => ({ ...SETTINGS, workers: 2, maxConversions: 100, lingerMs: 1000 }),
    log: new LogHub('warn', ({ event, fields }) =>
      problems.push(`${event} ${JSON.stringify(fields)}`),
    ).logger(),
    clock: systemClock,
    tick: new TickWheel(systemClock, () => {}),
  });
  try {
    const sources = allSources((rate) => tone(1000, rate, 1));
    const running = sources.flatMap((source) =>
      (['opus', 'aac'] as const)
        .filter((target) => reasonAgainstSound(source.config, target) === '')
        .map((target) => {
          const packets: Uint8Array[] = [];
          const conversion = converter.open(source.config, target, {
            onSound: (_ptsUs, _durationUs, payload) => packets.push(payload),
            onSoundFailed: (reason) => problems.push(reason),
          });
          for (const { ptsUs, durationUs, payload } of source.frames) {
            conversion.push(ptsUs, durationUs, payload, ptsUs);
          }
          return { name: `${source.name} to ${target}`, conversion, packets };
        }),
    );
    await until('the work was done', () => converter.list().every(({ queuedMs }) => queuedMs === 0));
    for (const { name, conversion, packets } of running) {
      const samples = decodeAll(await decoderFor(conversion.config), packets).at(-1)!;
      const { sampleRate } = conversion.config;
      const steady = samples.subarray(samples.length >> 2, (samples.length * 3) >> 2);
      assert.ok(steady.length > 0.4 * sampleRate, `${name}: ${samples.length} samples`);
      assert.ok(toneShare(steady, 1000, sampleRate) > 0.99, name);
      conversion.close();
    }
    assert.deepEqual(problems, []);
  } finally {
    converter.close();
  }
});
