/** CPU that recording adds: the same publishers without it and with each format, one server after another. */

import { delay } from './servers.ts';
import type { Trial } from './trial.ts';
import { TrialServer } from './trial-server.ts';

const STREAMS = 50;
const SETTLE_MS = 4000;
const LIMIT_PERCENT = 15;
const FORMATS = ['hls', 'fmp4', 'ts', 'flv'] as const;
const QUICK_FORMATS = ['hls', 'fmp4'] as const;

export const recordCost: Trial = {
  name: 'record-50',
  title: `recording of ${STREAMS} streams of 1.1 Mbit/s`,
  missing: () => '',
  run: async (options) => {
    const { executable, windowMs, count = STREAMS, isQuick } = options;
    const share = async (live: string): Promise<number> => {
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
        return ((server.cpuSeconds() - from.cpu) / ((performance.now() - from.at) / 1000)) * 100;
      } finally {
        await server.close();
      }
    };
    const before = await share('');
    const rows = [
      ['recording', 'CPU %', 'more than without'],
      ['none', before.toFixed(1), '-'],
    ];
    const goals = [];
    for (const format of isQuick ? QUICK_FORMATS : FORMATS) {
      const with_ = await share(`<record format="${format}"/>`);
      rows.push([format, with_.toFixed(1), (with_ - before).toFixed(1)]);
      goals.push({
        text: `CPU % that ${format} adds <= ${LIMIT_PERCENT}`,
        value: with_ - before,
        limit: LIMIT_PERCENT,
      });
    }
    const after = await share('');
    rows.push(['none again', after.toFixed(1), (after - before).toFixed(1)]);
    return { rows, goals, notes: [] };
  },
};
