/** CPU that recording adds: the same publishers without it and with each format, one server after another. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from './servers.ts';
import type { Trial, TrialGoal } from './trial.ts';
import { TrialServer } from './trial-server.ts';

const STREAMS = 50;
const SETTLE_MS = 4000;
const LIMIT_PERCENT = 15;
const FORMATS = ['hls', 'fmp4', 'ts', 'flv'] as const;
const QUICK_FORMATS = ['hls', 'fmp4'] as const;
const MIB = 1024 * 1024;

export const recordCost: Trial = {
  name: 'record-50',
  title: `recording of ${STREAMS} streams of 1.1 Mbit/s`,
  missing: () => '',
  run: async (options) => {
    const { executable, windowMs, count = STREAMS, isQuick } = options;
    const share = async (live: string): Promise<{ percent: number; mib: number }> => {
      const server = await TrialServer.start({
        executable,
        config: '<rec><dir>FOLDER/rec</dir></rec>',
        live,
        clip: 'hi',
        publishers: count,
      });
      try {
        await delay(isQuick ? SETTLE_MS / 2 : SETTLE_MS);
        const from = { cpu: server.cpuSeconds(), at: performance.now() };
        await delay(windowMs);
        const seconds = (performance.now() - from.at) / 1000;
        const percent = ((server.cpuSeconds() - from.cpu) / seconds) * 100;
        return { percent, mib: live === '' ? 0 : bytesBelow(join(server.folder, 'rec')) / MIB };
      } finally {
        await server.close();
      }
    };
    const { percent: before } = await share('');
    const rows = [
      ['recording', 'CPU %', 'more than without', 'MiB written'],
      ['none', before.toFixed(1), '-', '-'],
    ];
    const goals: TrialGoal[] = [];
    for (const format of isQuick ? QUICK_FORMATS : FORMATS) {
      const { percent, mib } = await share(`<record format="${format}"/>`);
      if (mib === 0) throw new Error(`${format}: nothing was recorded`);
      const value = percent - before;
      rows.push([format, percent.toFixed(1), value.toFixed(1), mib.toFixed(0)]);
      goals.push({ text: `CPU % that ${format} adds <= ${LIMIT_PERCENT}`, value, limit: LIMIT_PERCENT });
    }
    const { percent: after } = await share('');
    rows.push(['none again', after.toFixed(1), (after - before).toFixed(1), '-']);
    return { rows, goals, notes: [] };
  },
};

function bytesBelow(folder: string): number {
  let total = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) total += statSync(join(entry.parentPath, entry.name)).size;
  return total;
}
