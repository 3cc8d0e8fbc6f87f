/**
 * Every way to publish x every way to play x codecs, with real programs: each player gets the clip's own packets, in
 * one run without holes and at the clip's times; sound that a way of playing cannot carry comes in another codec, and is
 * the clip's by pitch, level and time when it is decoded; the API names each track that is left out.
 * html/docs/matrix.md has the result: the test fails when it sees something else, and writes it with
 * SLUICE_WRITE_MATRIX=1.
 *
 * A clip is published by each way and watched by all players at the same time; what fails so is played again alone. The short form (without
 * SLUICE_TEST_ALL) has H.264 and AAC by every way in and five ways out, the other codecs by two ways in.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Codec, carriedBy, isVideo, soundInstead } from '../support/containers.ts';
import { checkConverted, checkThinned, checkWatched, settledAt } from '../support/matrix-check.ts';
import { type MatrixCell, MatrixPage } from '../support/matrix-page.ts';
import {
  CLIP_SECONDS,
  INPUTS,
  type Input,
  isEndedWell,
  listenElement,
  OUTPUTS,
  type Output,
  type Publishing,
  publishRow,
  ROWS,
  type Row,
  receiveByWebSocket,
  type Watched,
  type WatchedStream,
  watchAll,
  whyNotPublished,
} from '../support/matrix-peers.ts';
import { watchByWhep } from '../support/matrix-whep.ts';
import { makeClip } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

const IS_WHOLE = process.env['SLUICE_TEST_ALL'] === '1';
const WATCH_SECONDS = 2;
const LIMIT_SECONDS = 15;
const AT_ONCE = 3;
/** Until a player of WebRTC knows how sound and pictures of a publisher who sends a second at once belong together. */
const WHEP_MORE_SECONDS = 1.5;

const WRITES = process.env['SLUICE_WRITE_MATRIX'] === '1';
const SHORT_OUTPUTS = ['rtmp', 'rtsp-tcp', 'rtsp-udp', 'whep', 'hls', 'http-ts'];
const SHORT_INPUTS = ['rtmp', 'rtsp-tcp'];
/** Players that are not FFmpeg. */
const OWN_PLAYERS = ['ws-flv', 'whep'];

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
 * The first packet of MP3 by RTSP has the time of the packet that FFmpeg drops before it.
 */
const UNTIMED = [
  { output: 'hls', row: 'aac', packets: 4 },
  { output: 'rtsp-tcp', row: 'h264-mp3', packets: 1 },
  { output: 'rtsp-udp', row: 'h264-mp3', packets: 1 },
];

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
          row.codecs.some((codec) => instead(container, codec, input) !== null) &&
          (IS_WHOLE || SHORT_OUTPUTS.includes(name)),
      );
      list.push({ input, row, stream: `${row.name}-by-${input.name}`, outputs });
    }
  }
  return list;
}

const PUBLISHERS = publishers();
const seenCells: MatrixCell[] = [];
/** Of each cell that was played: undefined, or what is wrong. */
const results = new Map<string, unknown>();

let server: TestServer;
let folder = '';
const clips = new Map<string, { path: string; seen: Watched }>();

before(async () => {
  if (NODE_AV_MISSING !== false) return;
  folder = mkdtempSync(join(tmpdir(), 'sluice-matrix-'));
  const listen = PUBLISHERS.flatMap(({ input, stream }) =>
    [stream, againOf(stream)].map((name) => listenElement(input, name)),
  ).join('');
  server = await TestServer.start({
    config: `<mpegts>${listen}</mpegts>`,
    webrtc: ' ',
    // B-frames are left out for WebRTC: whether ffmpeg is installed does not change the table.
    policy: `<application name="live">
      <hls><duration>1s</duration><count>10</count></hls><transcode bframes="drop"/></application>`,
  });
  await Promise.all(
    ROWS.map(async (row) => {
      const path = await makeClip(row, CLIP_SECONDS);
      const { clip } = await watchAll({ clip: path }, 1000, 30);
      assert.equal(clip?.error, undefined);
      clips.set(row.name, { path, seen: clip! }); // it was asked for
    }),
  );
});

after(async () => {
  await server?.close();
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
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
  const rtc = outputs.filter(({ name }) => name === 'whep');
  const urls = outputs
    .filter(({ name }) => !OWN_PLAYERS.includes(name))
    .map((output) => [output.name, output.url(server, stream)] as const);
  const watching = watchAll(Object.fromEntries(urls), WATCH_SECONDS, LIMIT_SECONDS);
  const receiving = Promise.all(
    own.map(async ({ name, url }) => {
      const path = join(folder, `${stream}.${name}.flv`);
      writeFileSync(path, await receiveByWebSocket(url(server, stream), (WATCH_SECONDS + 0.5) * 1000));
      return [name, path] as const;
    }),
  );
  const calling = Promise.all(
    rtc.map(async ({ name, url }) => {
      const seen = await watchByWhep(url(server, stream), WATCH_SECONDS + WHEP_MORE_SECONDS, LIMIT_SECONDS);
      return [name, seen] as const;
    }),
  );
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      await collectLeftOut(stream, leftOut);
      await new Promise((done) => setTimeout(done, 100));
    }
  })();
  const seen = { ...(await watching), ...Object.fromEntries(await calling) };
  isOver = true;
  await asking;
  const files = Object.fromEntries(await receiving);
  return own.length === 0 ? seen : { ...seen, ...(await watchAll(files, 1000, 10)) };
}

/** The reason why something is left out, '' = nothing is. */
function checkLeftOut(
  leftOut: ReadonlyMap<string, string>,
  codecs: readonly Codec[],
  { container, feeds }: Output,
  input: Input,
): string {
  let why = '';
  for (const codec of codecs) {
    const reason = feeds.map((feed) => leftOut.get(`${codec} ${feed}`)).find((one) => one !== undefined);
    if (instead(container, codec, input) !== null)
      assert.equal(reason, undefined, `${codec} is said to be left out`);
    else {
      assert.match(reason ?? '', /\w+ \w+/, `why ${codec} is left out of ${feeds.join(' or ')}`);
      why = reason ?? '';
    }
  }
  return why;
}

/** What a track comes as, itself where it is carried; null = it is left out. */
function instead(container: Output['container'], codec: Codec, input: Input): Codec | null {
  // What comes by WebRTC is meant for browsers; other players of Opus in RTMP, TS and MP4 are few.
  const isForBrowsers = input.name === 'whip' && codec === 'opus' && !['rtp', 'webrtc'].includes(container);
  if (!isForBrowsers && carriedBy(container, [codec]).length > 0) return codec;
  return isVideo(codec) ? null : soundInstead(container);
}

const SOUND_NAMES: Readonly<Record<string, string>> = { aac: 'AAC', opus: 'Opus' };

/** Asserts that all is as it should be; returns what the table says of it. */
async function checkCell(
  seen: Watched,
  clip: Watched,
  { row, input }: Publisher,
  output: Output,
  leftOut: ReadonlyMap<string, string>,
): Promise<MatrixCell> {
  const { container, name } = output;
  assert.equal(seen.error, undefined);
  const outcomes = row.codecs.map((codec) => [codec, instead(container, codec, input)] as const);
  const carried = outcomes.filter(([codec, comes]) => comes === codec).map(([codec]) => codec);
  const [source, converted] = outcomes.find(([codec, comes]) => comes !== null && comes !== codec) ?? [];
  const expected = [...carried, ...(converted === undefined || converted === null ? [] : [converted])];
  assert.deepEqual(seen.streams.map(({ codec }) => codec).sort(), [...expected].sort(), 'tracks');
  const isRtc = container === 'webrtc';
  const isThinned = isRtc && hasReorderedPictures(row);
  const of = (streams: readonly WatchedStream[], codec: Codec) => streams.find((one) => one.codec === codec)!;
  const whole = carried.filter((codec) => !(isThinned && isVideo(codec)));
  const known = UNTIMED.find((one) => one.output === name && one.row === row.name);
  const first = seen.streams.find(({ codec }) => isVideo(codec as Codec));
  const untimed = isRtc && first !== undefined ? settledAt(first) : (known?.packets ?? 0);
  let shift = Number.NaN;
  if (whole.length > 0) {
    const streams = whole.map((codec) => of(seen.streams, codec));
    shift = checkWatched({ streams }, clip, whole, WATCH_SECONDS, untimed);
  }
  if (isThinned) {
    const pictures = carried.find((codec) => isVideo(codec))!; // it has B-frames
    shift = checkThinned(of(seen.streams, pictures), of(clip.streams, pictures), untimed);
  }
  if (source !== undefined && converted !== undefined && converted !== null)
    await checkConverted(of(seen.streams, converted), source, shift, WATCH_SECONDS);
  const reason = checkLeftOut(leftOut, row.codecs, output, input);
  const cell = { codecs: row.name, input: input.name, output: name, reason };
  const pictures = isThinned ? ', no B-frames' : '';
  if (reason !== '') {
    const hasPicture = expected.some((codec) => isVideo(codec));
    return { ...cell, text: hasPicture ? 'video only' : 'sound only' };
  }
  return {
    ...cell,
    text: (converted === undefined || converted === null ? 'as is' : SOUND_NAMES[converted]!) + pictures,
  };
}

/** Encoders of these clips make B-frames. */
function hasReorderedPictures({ video }: Row): boolean {
  return video === 'libx264' || video === 'libx265';
}

/** Publishes, lets all outputs play and tells of each of them whether it did as it should: undefined, or what is wrong. */
async function playAll(publisher: Publisher): Promise<void> {
  const { input, row, stream, outputs } = publisher;
  const tell = (output: Output, error: unknown) => results.set(cellName(publisher, output), error);
  let publishing: Publishing | undefined;
  try {
    const { path, seen: clip } = clips.get(row.name)!; // made before
    publishing = await publishRow(input, row, path, input.url(server, stream), folder);
    const leftOut = new Map<string, string>();
    await server.until(`${stream} is published`, () => {
      const found = server.application.context.hub.find(`live/${stream}`);
      return found?.state === 'live' && found.tracks.length === row.codecs.length && found.cachedBytes > 0;
    });
    const watched = await watchPublisher(publisher, leftOut);
    publishing.end();
    const ran = await publishing.done;
    assert.ok(isEndedWell(ran), `${ran.code}: ${ran.out.slice(-300)} ${ran.err.slice(-300)}`);
    for (const output of outputs)
      await checkCell(watched[output.name]!, clip, publisher, output, leftOut).then(
        (cell) => {
          seenCells.push(cell);
          tell(output, undefined);
        },
        (error: unknown) => tell(output, error),
      );
  } catch (error) {
    for (const output of outputs) tell(output, error);
  } finally {
    publishing?.stop();
  }
}

function cellName({ row, input }: Publisher, { name }: Output): string {
  return `${row.name} by ${input.name} to ${name}`;
}

/**
 * All publishers, a few at a time. That may be more than a machine with other work can do in real time: what failed so
 * is played again with nothing beside it, where a fault of ours is there again.
 */
async function playEverything(): Promise<void> {
  const waiting = PUBLISHERS.filter(({ input, row }) => whyNotPublished(input, row) === false).map(
    (publisher) => ({
      ...publisher,
      outputs: publisher.outputs.filter(({ name }) => !gapOf(publisher.input.name, name, publisher.row.name)),
    }),
  );
  const isWrong = (publisher: Publisher) => (output: Output) =>
    results.get(cellName(publisher, output)) !== undefined;
  const again: Publisher[] = [];
  const takeTurns = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await playAll(next);
      const wrong = next.outputs.filter(isWrong(next));
      if (wrong.length > 0) again.push({ ...next, outputs: wrong });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, takeTurns));
  for (const publisher of again) {
    for (const output of publisher.outputs) {
      const name = cellName(publisher, output);
      console.error(`once more, alone: ${name}: ${String(results.get(name))}`);
    }
    await playAll({ ...publisher, stream: againOf(publisher.stream) });
  }
}

/** Playlists of a stream that comes back still hold what was there. */
function againOf(stream: string): string {
  return `${stream}-again`;
}

describe('publish and play', { skip: NODE_AV_MISSING }, () => {
  before(playEverything);

  for (const publisher of PUBLISHERS) {
    const { input, row, outputs } = publisher;
    for (const output of outputs) {
      const skip = whyNotPublished(input, row) || gapOf(input.name, output.name, row.name);
      const name = cellName(publisher, output);
      test(name, { skip }, () => {
        assert.ok(results.has(name), 'it was not played');
        const error = results.get(name);
        if (error !== undefined) throw error;
      });
    }
  }
});

test('html/docs/matrix.md says what was seen', { skip: NODE_AV_MISSING }, () => {
  const page = MatrixPage.stored(OUTPUTS.map(({ name }) => name));
  if (!WRITES)
    for (const cell of seenCells) {
      const { text, reason, codecs, input, output } = cell;
      const seen = reason === '' ? text : `${text}: ${reason}`;
      assert.equal(
        page.get(cell),
        seen,
        `${codecs} by ${input} to ${output}; run it with SLUICE_WRITE_MATRIX=1`,
      );
    }
  for (const cell of seenCells) page.set(cell);
  page.sort(
    ROWS.map(({ name }) => name),
    INPUTS.map(({ name }) => name),
  );
  if (WRITES) page.write();
  else assert.ok(page.isStored, 'matrix.md or matrix.html was changed by hand');
});
