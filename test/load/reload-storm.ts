/**
 * A storm of blocked reloads: many connections wait for the same part of a low-latency playlist. Measures the CPU that
 * one version of the list costs the server for all of them, and the time from the first answer to the last.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { deferred } from './deferred.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import type { StormVersion } from './storm-process.ts';
import { LOAD_CORE, pinned } from './system.ts';
import type { Trial } from './trial.ts';
import { fetchText, TrialServer, urisOf } from './trial-server.ts';

const CONNECTIONS = 1000;
/** Of 200 ms each. */
const VERSIONS = 40;
const QUICK_VERSIONS = 10;
/** Not counted: connections and code are warm then. */
const WARM_UP = 5;

export const reloadStorm: Trial = {
  name: 'll-hls-storm',
  title: `${CONNECTIONS} connections wait for the same parts of an LL-HLS list`,
  missing: () => '',
  run: async ({ count = CONNECTIONS, isQuick, executable }) => {
    const server = await TrialServer.start({ executable, clip: 'lo', publishers: 1, connections: count });
    try {
      const master = server.url('/live/bench.ll.m3u8');
      const list = urisOf(await fetchText(master), master).find((one) => /\.cmaf\/v\d+\.m3u8/.test(one));
      if (list === undefined) throw new Error(`${master} names no video playlist`);
      await fetchText(list);
      await delay(6000);
      const idle = await cpuShare(server);
      const { pathname, search } = new URL(list);
      const versions: StormVersion[] = [];
      let from = { cpu: 0, at: 0 };
      const wanted = WARM_UP + (isQuick ? QUICK_VERSIONS : VERSIONS);
      await storm([pathname + search, String(server.port), String(count), String(wanted)], (version) => {
        versions.push(version);
        if (versions.length === WARM_UP) from = { cpu: server.cpuSeconds(), at: performance.now() };
      });
      const counted = versions.slice(WARM_UP);
      const seconds = (performance.now() - from.at) / 1000;
      const used = server.cpuSeconds() - from.cpu;
      const perVersionMs = ((used - idle * seconds) / counted.length) * 1000;
      const spreads = counted.map(({ spreadMs }) => spreadMs);
      const mixed = counted.filter(({ bodies }) => bodies > 1).length;
      const refused = counted.reduce((sum, version) => sum + version.refused, 0);
      const missed = counted.filter(({ blockedMs }) => blockedMs < 1).length;
      const shown = (value: number | undefined) => (value ?? Number.NaN).toFixed(1);
      return {
        rows: [
          [
            'connections',
            'versions',
            'CPU ms/version',
            'CPU us/answer',
            'first to last ms p50/p99',
            'CPU %',
            'idle CPU %',
          ],
          [
            String(count),
            String(counted.length),
            perVersionMs.toFixed(2),
            ((perVersionMs / count) * 1000).toFixed(1),
            `${shown(percentile(spreads, 0.5))}/${shown(percentile(spreads, 0.99))}`,
            shown((used / seconds) * 100),
            shown(idle * 100),
          ],
        ],
        goals: [
          { text: 'refused reloads <= 0', value: refused, limit: 0 },
          { text: 'versions with more than one text <= 0', value: mixed, limit: 0 },
          // The next part must not be there before all have the last one.
          { text: 'first to last ms p99 <= 200', value: percentile(spreads, 0.99) ?? 0, limit: 200 },
        ],
        notes: missed === 0 ? [] : [`${missed} versions were there before all had asked`],
      };
    } finally {
      await server.close();
    }
  },
};

/** Share of a core that the server uses with its publisher alone. */
async function cpuShare(server: TrialServer): Promise<number> {
  const from = { cpu: server.cpuSeconds(), at: performance.now() };
  await delay(3000);
  return (server.cpuSeconds() - from.cpu) / ((performance.now() - from.at) / 1000);
}

async function storm(args: readonly string[], onVersion: (version: StormVersion) => void): Promise<void> {
  const script = fileURLToPath(new URL('storm-process.ts', import.meta.url));
  const [command, words] = pinned(LOAD_CORE, process.execPath, [script, ...args]);
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface({ input: child.stdout }).on('line', (line) => onVersion(JSON.parse(line) as StormVersion));
  const { promise, resolve, reject } = deferred();
  child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`the storm ended with ${code}`))));
  await promise;
}
