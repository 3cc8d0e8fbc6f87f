/**
 * Publishers that come and go while viewers follow their segments by HLS (MPEG-TS and low latency) and DASH, and every
 * stream is recorded in several formats, for SOAK_MINUTES (default 3): heap, buffers, handles, open files, timers and
 * files on disk return to where they were. Retention removes what was recorded.
 */
import assert from 'node:assert/strict';
import { Agent, type ClientRequest, request } from 'node:http';
import { test } from 'node:test';
import { checkMpd, expandTemplate } from '../conformance/mpd-checker.ts';
import { TestServer } from '../support/test-server.ts';
import {
  bufferBytes,
  filesBelow,
  handleCount,
  heapBytes,
  openFileCount,
  pause,
  publishAndGo,
  Random,
} from './coming-and-going.ts';

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 3);
const STREAMS = 5;
const VIEWERS_OF_A_KIND = 5;
const HEAP_SLACK_BYTES = 8 * 1024 * 1024;
const BUFFER_SLACK_BYTES = 16 * 1024 * 1024;
/** So little that every finished recording has to go. */
const KEPT_BYTES = 1024;
/** Of one request: longer than any wait of the server, so a request that is forgotten shows. */
const ANSWER_LIMIT_MS = 60_000;
const NOT_THERE = new Set([404, 415, 503]);
const POLICY = `<application name="live">
  <publish><grace>1s</grace></publish>
  <hls duration="1s" part="200ms"/>
  <record format="hls" duration="2s"/><record format="fmp4" duration="2s"/>
  <record format="flv" plan="session"/><record format="ts" plan="session"/>
  <stream name="soak1"><hls path="on-disk"/></stream>
  <stream name="soak2"><hls key="aes-128"/></stream>
</application>`;

const random = new Random();
const counts = { lists: 0, media: 0, blocked: 0, left: 0, gone: 0 };

/** One that asks over one kept connection, and may leave in the middle of an answer. */
class Viewer {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });
  private readonly port: number;
  private running: ClientRequest | null = null;

  constructor(port: number) {
    this.port = port;
  }

  /** The text of the answer; null when it is not there: nobody publishes now, too old, or encrypted (415, DASH). */
  get(path: string): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const { port, agent } = this;
      const headers = { 'Accept-Encoding': 'identity' };
      const asking = request({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0 } = response;
          const text = Buffer.concat(pieces).toString('latin1');
          if (statusCode === 200) resolve(text);
          else if (NOT_THERE.has(statusCode)) {
            counts.gone++;
            resolve(null);
          } else reject(new Error(`${path} is answered ${statusCode}: ${text.slice(0, 200)}`));
        });
      });
      asking.setTimeout(ANSWER_LIMIT_MS, () => asking.destroy(new Error(`${path} is not answered`)));
      asking.on('error', reject);
      asking.end();
      this.running = asking;
    });
  }

  /** Asks, and goes before the answer is complete. */
  async leaveWithin(path: string, ms: number): Promise<void> {
    const asking = this.get(path).catch(() => null);
    await pause(ms);
    this.running?.destroy();
    await asking;
    counts.left++;
  }

  end(): void {
    this.agent.destroy();
  }
}

type Way = (viewer: Viewer, name: string, isOver: () => boolean) => Promise<void>;

/** The first address of a line in a list, relative to the folder live. */
function firstUri(list: string | null): string | null {
  const line = list?.split('\n').find((one) => one !== '' && !one.startsWith('#'));
  return line === undefined ? null : `/live/${line}`;
}

const followTs: Way = async (viewer, name, isOver) => {
  const list = firstUri(await viewer.get(`/live/${name}.m3u8?format=ts`));
  let last = '';
  while (list !== null && !isOver()) {
    const text = await viewer.get(list);
    if (text === null || text.includes('#EXT-X-ENDLIST')) return;
    counts.lists++;
    const newest = text.trim().split('\n').at(-1)!; // a list is not empty
    if (newest !== last && (await viewer.get(`/live/${newest}`)) !== null) counts.media++;
    last = newest;
    await pause(300);
  }
};

const followLowLatency: Way = async (viewer, name, isOver) => {
  const list = firstUri(await viewer.get(`/live/${name}.ll.m3u8`));
  if (list === null) return;
  const folder = list.slice(0, list.lastIndexOf('/') + 1);
  let query = '';
  while (!isOver()) {
    const text = await viewer.get(`${list}${query}`);
    if (text === null || text.includes('#EXT-X-ENDLIST')) return;
    counts.lists++;
    const hint = /#EXT-X-PRELOAD-HINT:TYPE=PART,URI="(([^"]*\/)(\d+)\.(\d+)\.m4s)"/.exec(text);
    const part = [...text.matchAll(/#EXT-X-PART:.*?URI="([^"]+)"/g)].at(-1)?.[1];
    if (part !== undefined && (await viewer.get(folder + part)) !== null) counts.media++;
    if (hint === null) {
      // Encrypted: whole segments only.
      query = '';
      await pause(300);
      continue;
    }
    counts.blocked++;
    query = `&_HLS_msn=${hint[3]}&_HLS_part=${hint[4]}`;
    if (random.below(40) === 0) {
      await viewer.leaveWithin(folder + hint[1], random.below(150));
      return;
    }
  }
};

const followDash: Way = async (viewer, name, isOver) => {
  const isLow = random.below(2) === 0;
  let last = '';
  while (!isOver()) {
    const text = await viewer.get(`/live/${name}${isLow ? '.ll' : ''}.mpd`);
    if (text === null) return;
    counts.lists++;
    const mpd = checkMpd(text);
    if (!mpd.isDynamic) return;
    for (const one of mpd.periods.at(-1)?.representations ?? []) {
      const newest = one.segments.at(-1);
      if (newest === undefined) continue;
      const path = `/live/${mpd.baseUrl}${one.baseUrl}${expandTemplate(one.media, one, newest)}`;
      if (path === last) continue;
      last = path;
      if (random.below(40) === 0) {
        await viewer.leaveWithin(path, random.below(150));
        return;
      }
      if ((await viewer.get(path)) !== null) counts.media++;
    }
    await pause(300);
  }
};

const WAYS = [followTs, followLowLatency, followDash];

async function watchAndGo(server: TestServer, way: Way, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    const viewer = new Viewer(server.httpPort);
    const patience = Date.now() + 500 + random.below(6000);
    try {
      await way(viewer, `soak${random.below(STREAMS)}`, () => isOver() || Date.now() > patience);
    } finally {
      viewer.end();
    }
    await pause(random.below(200));
  }
}

test(`soak: ${MINUTES} minutes of segments`, { timeout: (MINUTES + 4) * 60_000 }, async () => {
  const server = await TestServer.start({
    config: `<log><level>info</level></log><rec><max-size>${KEPT_BYTES}</max-size></rec>`,
    policy: POLICY,
  });
  const { tick, sessions, limits, hub } = server.application.context;
  const atRest = tick.pending;
  const recordings = () =>
    filesBelow(server.folder).filter((path) => /\.(?:ts|mp4|flv|m3u8|m4s)$/.test(path));
  const turn = async (seconds: number) => {
    const end = Date.now() + seconds * 1000;
    const isOver = () => Date.now() > end;
    await Promise.all([
      ...Array.from({ length: STREAMS }, (_, i) => publishAndGo(server, `soak${i}`, random, isOver)),
      ...WAYS.flatMap((way) =>
        Array.from({ length: VIEWERS_OF_A_KIND }, () => watchAndGo(server, way, isOver)),
      ),
    ]);
    const recorded = recordings().length;
    const calm = () => sessions.size === 0 && limits.open === 0 && hub.streams().length === 0;
    await server.until('calm', calm, 60_000);
    // Ended lists are kept for a while for late players, each with its timer.
    await server.until('the end of all timers', () => tick.pending <= atRest, 60_000);
    await server.until('the removal of all recordings', () => recordings().length === 0, 120_000);
    await pause(4000);
    server.lines.length = 0;
    return {
      heap: heapBytes(),
      buffers: bufferBytes(),
      handles: handleCount(),
      openFiles: openFileCount(),
      timers: tick.pending,
      files: filesBelow(server.folder),
      recorded,
    };
  };
  const warm = await turn(Math.min(20, MINUTES * 15));
  const end = await turn(MINUTES * 60);
  assert.deepEqual(server.faults, []);
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `never: ${what}`);
  assert.ok(warm.recorded > 0, 'nothing was recorded');
  assert.ok(end.handles <= warm.handles + 2, `${warm.handles} handles before, ${end.handles} after`);
  assert.ok(end.openFiles <= warm.openFiles + 2, `${warm.openFiles} open before, ${end.openFiles} after`);
  assert.ok(end.timers <= warm.timers, `${warm.timers} timers before, ${end.timers} after`);
  const more = end.files.filter((path) => !warm.files.includes(path));
  assert.deepEqual(more, [], 'files that stayed');
  const grown = { heap: end.heap - warm.heap, buffers: end.buffers - warm.buffers };
  console.log(JSON.stringify({ minutes: MINUTES, ...counts, ...grown, handles: end.handles }));
  assert.ok(grown.heap < HEAP_SLACK_BYTES, `the heap grew by ${(grown.heap / 1_048_576).toFixed(1)} MB`);
  assert.ok(
    grown.buffers < BUFFER_SLACK_BYTES,
    `buffers grew by ${(grown.buffers / 1_048_576).toFixed(1)} MB`,
  );
  await server.close();
});
