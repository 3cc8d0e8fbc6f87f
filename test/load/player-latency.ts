/**
 * Glass to glass: from the publisher's clock in a picture to the picture on the screen of headless Chromium, with
 * hls.js at LL-HLS and dash.js at LL-DASH. The player tells its place by the wall clock of the stream; how far that
 * clock is off the publisher's is measured beside it, from the clock that the publisher writes into each picture.
 */
import { BROWSER_MISSING, BrowserPlayers, type PlayerName } from '../support/browser-player.ts';
import { nowUs, readClock } from './clip.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import type { Trial, TrialGoal } from './trial.ts';
import { fetchText, TrialServer, urisOf } from './trial-server.ts';

const PLAY_SECONDS = 30;
const QUICK_PLAY_SECONDS = 12;
const CLOCK_SAMPLES = 3;
/** Two segments and their parts. */
const FILL_MS = 5000;

interface Way {
  readonly name: string;
  readonly player: PlayerName;
  readonly path: string;
  readonly limitSeconds: number;
}

const WAYS: readonly Way[] = [
  { name: 'LL-HLS', player: 'hls.js', path: '/live/bench.ll.m3u8', limitSeconds: 1.5 },
  { name: 'LL-DASH', player: 'dash.js', path: '/live/bench.ll.mpd', limitSeconds: 2 },
];

export const playerLatency: Trial = {
  name: 'glass-to-glass',
  title: 'from the publisher to the picture in Chromium, parts of 200 ms',
  missing: () => (BROWSER_MISSING === false ? '' : BROWSER_MISSING),
  run: async ({ isQuick, executable }) => {
    const server = await TrialServer.start({
      executable,
      live: '<hls always="on" part="200ms"/>',
      clip: 'lo',
      publishers: 1,
    });
    const browser = await BrowserPlayers.open();
    try {
      await delay(FILL_MS);
      const offset = await clockOffset(server);
      const rows = [
        [
          'way',
          'player',
          'latency s',
          'by the player s',
          'stream clock off s',
          'start ms',
          'stalls',
          'dropped',
        ],
      ];
      const goals: TrialGoal[] = [];
      const notes: string[] = [];
      for (const { name, player, path, limitSeconds } of WAYS) {
        const report = await browser.play({
          player,
          url: server.url(path),
          seconds: isQuick ? QUICK_PLAY_SECONDS : PLAY_SECONDS,
          lowLatency: true,
        });
        const { wallClockLatencySeconds: byClock, latencySeconds, startMs, stalls, droppedFrames } = report;
        const latency = (byClock ?? Number.NaN) + offset;
        rows.push([
          name,
          player,
          latency.toFixed(2),
          latencySeconds === null ? '-' : latencySeconds.toFixed(2),
          offset.toFixed(3),
          startMs.toFixed(0),
          String(stalls),
          String(droppedFrames),
        ]);
        // A player that did not play has no latency, and misses.
        const value = Number.isNaN(latency) ? Number.POSITIVE_INFINITY : latency;
        goals.push({ text: `${name} seconds <= ${limitSeconds}`, value, limit: limitSeconds });
        goals.push({ text: `${name} stalls <= 0`, value: stalls, limit: 0 });
        for (const text of [...report.errors, ...report.lines].slice(0, 3)) notes.push(`${player}: ${text}`);
      }
      return { rows, goals, notes };
    } finally {
      await browser.close();
      await server.close();
    }
  },
};

/**
 * Seconds that the wall clock of the stream is ahead of the publisher's for the same picture: the date of a segment
 * against the time in its first picture. Both processes have the clocks of this machine.
 */
async function clockOffset(server: TrialServer): Promise<number> {
  const offsets: number[] = [];
  const master = server.url('/live/bench.ll.m3u8');
  const list = urisOf(await fetchText(master), master).find((one) => /\.cmaf\/v\d+\.m3u8/.test(one));
  if (list === undefined) throw new Error(`${master} names no video playlist`);
  for (let i = 0; i < CLOCK_SAMPLES; i++) {
    const text = await fetchText(list);
    const match = [...text.matchAll(/PROGRAM-DATE-TIME:(\S+)\n(?:#.*\n)*?([^#\n]+\.m4s)\n/g)].at(-1);
    if (match === null || match === undefined) throw new Error(`no segment with a date in ${list}`);
    const [, date = '', uri = ''] = match;
    const body = Buffer.from(await (await fetch(new URL(uri, list))).arrayBuffer());
    const clock = readClock(body);
    if (clock === undefined) throw new Error('no clock of the publisher in the first picture');
    const sentMs = Date.now() - (nowUs() - clock.timeUs) / 1000;
    offsets.push((Date.parse(date) - sentMs) / 1000);
    await delay(1000);
  }
  return percentile(offsets, 0.5) ?? 0;
}
