/**
 * Every way to publish x every way to play x codecs, with real programs: each player gets the clip's own packets, in
 * one run without holes and at the clip's times, and the API names each track that a way of playing leaves out.
 *
 * A clip is published once by each way and watched by all players at the same time. The short form (without
 * SLUICE_TEST_ALL) has H.264 and AAC by every way in and five ways out, the other codecs by two ways in.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type Codec, carriedBy } from '../support/containers.ts';
import { checkWatched } from '../support/matrix-check.ts';
import {
  INPUTS,
  type Input,
  listenElement,
  OUTPUTS,
  type Output,
  publishRow,
  ROWS,
  type Row,
  receiveByWebSocket,
  type Watched,
  watchAll,
  whyNotPublished,
} from '../support/matrix-peers.ts';
import { makeClip } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

const IS_WHOLE = process.env['SLUICE_TEST_ALL'] === '1';
const WATCH_SECONDS = 2;
const LIMIT_SECONDS = 12;

const SHORT_OUTPUTS = ['rtmp', 'rtsp-tcp', 'rtsp-udp', 'hls', 'http-ts'];
const SHORT_INPUTS = ['rtmp', 'rtsp-tcp'];

interface Gap {
  readonly input?: string;
  readonly output?: string;
  readonly row?: string;
  readonly reason: string;
}

/** Cells that are known not to hold, and why. */
const GAPS: readonly Gap[] = [
  {
    output: 'dash',
    row: 'aac',
    reason:
      'FFmpeg 8.1 goes back to the whole second when it reloads a manifest, and reads short segments of sound again and again',
  },
  {
    output: 'rtsp-udp',
    row: 'av1-opus',
    reason:
      'FFmpeg 8.1 gathers the pieces of an AV1 picture in the packet that it reads all tracks into, and loses them when sound comes in between',
  },
];

/**
 * Reading an HLS playlist of transport streams that hold sound alone, FFmpeg 8.1 gives the time of the first packet
 * twice, so that the rest of that PES packet is one frame late; it does the same with playlists of its own making.
 */
const UNTIMED = { output: 'hls', row: 'aac', packets: 4 };

function gapOf(input: string, output: string, row: string): string | false {
  const gap = GAPS.find(
    (one) => (one.input ?? input) === input && (one.output ?? output) === output && (one.row ?? row) === row,
  );
  return gap === undefined ? false : gap.reason;
}

interface Publisher {
  readonly input: Input;
  readonly row: Row;
  readonly stream: string;
  readonly outputs: readonly Output[];
}

function publishers(): Publisher[] {
  const list: Publisher[] = [];
  for (const row of ROWS) {
    const isFirst = row === ROWS[0];
    for (const input of INPUTS) {
      if (carriedBy(input.container, row.codecs).length < row.codecs.length) continue;
      if (!IS_WHOLE && !isFirst && !SHORT_INPUTS.includes(input.name)) continue;
      const outputs = OUTPUTS.filter(
        ({ name, container }) =>
          carriedBy(container, row.codecs).length > 0 && (IS_WHOLE || SHORT_OUTPUTS.includes(name)),
      );
      list.push({ input, row, stream: `${row.name}-by-${input.name}`, outputs });
    }
  }
  return list;
}

const PUBLISHERS = publishers();
const results = new Map<string, string>();

let server: TestServer;
let folder = '';
const clips = new Map<string, { path: string; seen: Watched }>();

before(async () => {
  if (NODE_AV_MISSING !== false) return;
  folder = mkdtempSync(join(tmpdir(), 'sluice-matrix-'));
  const listen = PUBLISHERS.map(({ input, stream }) => listenElement(input, stream)).join('');
  server = await TestServer.start({
    config: `<mpegts>${listen}</mpegts>`,
    policy: '<application name="live"><hls><duration>1s</duration><count>10</count></hls></application>',
  });
  await Promise.all(
    ROWS.map(async (row) => {
      const path = await makeClip(row, row.seconds);
      const { clip } = await watchAll({ clip: path }, 1000, 20);
      assert.equal(clip?.error, undefined);
      clips.set(row.name, { path, seen: clip! }); // it was asked for
    }),
  );
});

after(async () => {
  await server?.close();
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
  if (IS_WHOLE) printTable();
});

/** What the API says of tracks that are left out, as long as somebody watches: `codec feed` to a reason. */
async function collectLeftOut(stream: string, into: Map<string, string>): Promise<void> {
  const answer = (await (await fetch(server.http('/api/v1/streams?count=1000'))).json()) as {
    streams: { name: string; tracks: { codec: string; left_out: Record<string, string> }[] }[];
  };
  for (const { codec, left_out } of answer.streams.find(({ name }) => name === stream)?.tracks ?? [])
    for (const [feed, reason] of Object.entries(left_out)) into.set(`${codec} ${feed}`, reason);
}

/** All players at once; `leftOut` is filled while they watch. */
async function watchPublisher(
  { stream, outputs }: Publisher,
  leftOut: Map<string, string>,
): Promise<Readonly<Record<string, Watched>>> {
  const own = outputs.filter(({ name }) => name === 'ws-flv');
  const urls = outputs
    .filter(({ name }) => name !== 'ws-flv')
    .map((output) => [output.name, output.url(server, stream)] as const);
  const watching = watchAll(Object.fromEntries(urls), WATCH_SECONDS, LIMIT_SECONDS);
  const receiving = Promise.all(
    own.map(async ({ name, url }) => {
      const path = join(folder, `${stream}.${name}.flv`);
      writeFileSync(path, await receiveByWebSocket(url(server, stream), (WATCH_SECONDS + 0.5) * 1000));
      return [name, path] as const;
    }),
  );
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      await collectLeftOut(stream, leftOut);
      await new Promise((done) => setTimeout(done, 100));
    }
  })();
  const seen = await watching;
  isOver = true;
  await asking;
  const files = Object.fromEntries(await receiving);
  return own.length === 0 ? seen : { ...seen, ...(await watchAll(files, 1000, 10)) };
}

function checkLeftOut(
  leftOut: ReadonlyMap<string, string>,
  codecs: readonly Codec[],
  { container, feeds }: Output,
): void {
  const carried = carriedBy(container, codecs);
  for (const codec of codecs) {
    const reason = feeds.map((feed) => leftOut.get(`${codec} ${feed}`)).find((one) => one !== undefined);
    if (carried.includes(codec)) assert.equal(reason, undefined, `${codec} is said to be left out`);
    else assert.match(reason ?? '', /\w+ \w+/, `why ${codec} is left out of ${feeds.join(' or ')}`);
  }
}

async function runPublisher(t: TestContext, publisher: Publisher): Promise<void> {
  const { input, row, stream, outputs } = publisher;
  const { path, seen: clip } = clips.get(row.name)!; // made by before()
  const publishing = await publishRow(input, row, path, input.url(server, stream), folder);
  const leftOut = new Map<string, string>();
  try {
    await server.until(`${stream} is published`, () => {
      const found = server.application.context.hub.find(`live/${stream}`);
      return found?.state === 'live' && found.tracks.length === row.codecs.length && found.cachedBytes > 0;
    });
    const watched = await watchPublisher(publisher, leftOut);
    for (const output of outputs) {
      const cell = `${row.name} ${input.name} ${output.name}`;
      const gap = gapOf(input.name, output.name, row.name);
      results.set(cell, gap === false ? 'FAILS' : 'gap');
      await t.test(`is played by ${output.name}`, { skip: gap }, () => {
        const codecs = carriedBy(output.container, row.codecs);
        const untimed = output.name === UNTIMED.output && row.name === UNTIMED.row ? UNTIMED.packets : 0;
        checkWatched(watched[output.name]!, clip, codecs, WATCH_SECONDS, untimed);
        checkLeftOut(leftOut, row.codecs, output);
        results.set(cell, codecs.length === row.codecs.length ? 'all' : codecs.join('+'));
      });
    }
    const { code, out, err } = await publishing.done;
    assert.equal(code, 0, `${out.slice(-300)} ${err.slice(-300)}`);
  } finally {
    publishing.stop();
  }
}

function printTable(): void {
  for (const row of ROWS) {
    console.log(`\n${row.name.padEnd(12)}${OUTPUTS.map(({ name }) => name.padEnd(10)).join('')}`);
    for (const input of INPUTS) {
      const cells = OUTPUTS.map(({ name }) => results.get(`${row.name} ${input.name} ${name}`) ?? '-');
      console.log(`${input.name.padEnd(12)}${cells.map((cell) => cell.padEnd(10)).join('')}`);
    }
  }
}

describe('publish and play', { concurrency: 4, skip: NODE_AV_MISSING }, () => {
  for (const publisher of PUBLISHERS) {
    const { input, row } = publisher;
    test(`${row.name} by ${input.name}`, { skip: whyNotPublished(input, row) }, (t) =>
      runPublisher(t, publisher),
    );
  }
});
