/**
 * Every HTTP way to watch, in Chromium with the players that people use: one stream is published, every way of the
 * table plays it at once. `npm test` plays 5 s each with the first player of a way, `npm run test:all` 20 s with all.
 * What cannot be is a skipped test with the reason for its name. The bytes of each way are compared in matrix.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  BROWSER_MISSING,
  BrowserPlayers,
  type PlayerName,
  type PlayReport,
} from '../support/browser-player.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { type Codec, type Container, carriedBy, isVideo } from '../support/containers.ts';
import { demoTags, type FlvTag, isConfig, TAG_AUDIO, TAG_SCRIPT, TAG_VIDEO } from '../support/flv-tags.ts';
import { type ClipSpec, makeClip, publishClip } from '../support/node-av.ts';
import { onceMore } from '../support/once-more.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

const IS_LONG = process.env['SLUICE_TEST_ALL'] === '1';
const PLAY_SECONDS = IS_LONG ? 20 : 5;
const CLIP_SECONDS = IS_LONG ? 230 : 60;
const START_LIMIT_SECONDS = 15;
const WARM_UP_MS = 5000;
/** Who is a second behind cannot sit out a pause of a busy machine. */
const MAX_LOW_LATENCY_STALL_MS = 1000;
/** Pictures a second of all clips. */
const FRAME_RATE = 25;

interface Way {
  readonly name: string;
  readonly scheme: 'http' | 'ws';
  readonly suffix: string;
  readonly container: Container;
  /** The most important first. */
  readonly players: readonly PlayerName[];
  readonly lowLatency?: boolean;
  /** By the wall clock, seconds; the stream must carry one. */
  readonly maxLatency?: number;
}

const WAYS: readonly Way[] = [
  { name: 'http-flv', scheme: 'http', suffix: '.flv', container: 'flv', players: ['mpegts.js'] },
  { name: 'ws-flv', scheme: 'ws', suffix: '.flv', container: 'flv', players: ['mpegts.js'] },
  { name: 'http-ts', scheme: 'http', suffix: '.ts', container: 'ts', players: ['mpegts.js'] },
  { name: 'ws-ts', scheme: 'ws', suffix: '.ts', container: 'ts', players: ['mpegts.js'] },
  {
    name: 'http-fmp4',
    scheme: 'http',
    suffix: '.mp4',
    container: 'fmp4',
    players: ['mse', 'native'],
  },
  { name: 'ws-fmp4', scheme: 'ws', suffix: '.mp4', container: 'fmp4', players: ['mse'] },
  { name: 'http-aac', scheme: 'http', suffix: '.aac', container: 'adts', players: ['native'] },
  { name: 'http-mp3', scheme: 'http', suffix: '.mp3', container: 'mp3', players: ['native'] },
  {
    name: 'hls-ts',
    scheme: 'http',
    suffix: '.ts.m3u8',
    container: 'ts',
    players: ['hls.js', 'native', 'shaka'],
  },
  { name: 'hls', scheme: 'http', suffix: '.m3u8', container: 'hls', players: ['hls.js', 'native'] },
  {
    name: 'hls-fmp4',
    scheme: 'http',
    suffix: '.fmp4.m3u8',
    container: 'fmp4',
    players: ['hls.js', 'native', 'shaka'],
  },
  {
    name: 'll-hls',
    scheme: 'http',
    suffix: '.ll.m3u8',
    container: 'fmp4',
    players: ['hls.js', 'shaka'],
    lowLatency: true,
    maxLatency: 2.5,
  },
  { name: 'dash', scheme: 'http', suffix: '.mpd', container: 'fmp4', players: ['dash.js', 'shaka'] },
  {
    name: 'll-dash',
    scheme: 'http',
    suffix: '.ll.mpd',
    container: 'fmp4',
    players: ['dash.js', 'shaka'],
    lowLatency: true,
    maxLatency: 3,
  },
];

/** What a player cannot take out of a container, though it is in there. */
const REFUSES: Readonly<Partial<Record<`${PlayerName} ${Container}`, readonly Codec[]>>> = {
  // mpegts.js 1.8.2 misreads the sequence header of SVT-AV1 (8900 pixels wide), out of FFmpeg's files as well.
  'mpegts.js flv': ['g711a', 'av1'],
  // Chromium takes MP3 as a file of its own only.
  'mse fmp4': ['mp3'],
  'native fmp4': ['mp3'],
  'hls.js fmp4': ['mp3'],
  'dash.js fmp4': ['mp3'],
  'shaka fmp4': ['mp3'],
  'hls.js ts': ['opus'],
  'native ts': ['opus'],
  'shaka ts': ['opus', 'mp3'],
};
/** What is asked of MediaSource. */
const MIME: Readonly<Record<Codec, string>> = {
  h264: 'video/mp4; codecs="avc1.64001f"',
  h265: 'video/mp4; codecs="hvc1.1.6.L93.B0"',
  av1: 'video/mp4; codecs="av01.0.04M.08"',
  vp9: 'video/mp4; codecs="vp09.00.10.08"',
  aac: 'audio/mp4; codecs="mp4a.40.2"',
  opus: 'audio/mp4; codecs="opus"',
  mp3: 'audio/mpeg',
  g711a: 'audio/mp4; codecs="alaw"',
  g711u: 'audio/mp4; codecs="ulaw"',
};

interface Row {
  readonly name: string;
  readonly codecs: readonly Codec[];
  /** Encoded and published by FFmpeg 8; null = our own publisher, G.711 to the pictures of the demo clip. */
  readonly clip: ClipSpec | null;
}

const ROWS: readonly Row[] = [
  { name: 'h264-aac', codecs: ['h264', 'aac'], clip: { video: 'libx264', audio: 'aac', format: 'mp4' } },
  { name: 'hevc-aac', codecs: ['h265', 'aac'], clip: { video: 'libx265', audio: 'aac', format: 'mp4' } },
  {
    name: 'av1-opus',
    codecs: ['av1', 'opus'],
    clip: { video: 'libsvtav1', audio: 'libopus', format: 'mp4' },
  },
  {
    name: 'h264-mp3',
    codecs: ['h264', 'mp3'],
    clip: { video: 'libx264', audio: 'libmp3lame', format: 'mp4' },
  },
  { name: 'h264-g711', codecs: ['h264', 'g711a'], clip: null },
  { name: 'aac', codecs: ['aac'], clip: { video: 'none', audio: 'aac', format: 'mp4' } },
  { name: 'h264', codecs: ['h264'], clip: { video: 'libx264', audio: 'none', format: 'mp4' } },
];

/**
 * Of user data in each picture. Chromium's own player reads 32 KiB at a time: below some 0.7 Mbit/s it runs dry between
 * two reads, and after 0.2 s of that it begins anew.
 */
const USER_DATA_BYTES = 4080;

/** An H.264 picture behind a NAL unit of user data (SEI, ITU-T H.264, 7.3.2.3 and D.1.7). */
function enlarged(tag: FlvTag): FlvTag {
  const sizes = Buffer.alloc(USER_DATA_BYTES / 255, 0xff);
  const message = Buffer.concat([
    Buffer.from([6, 5]),
    sizes,
    Buffer.alloc(1 + USER_DATA_BYTES, 0x55),
    Buffer.from([0x80]),
  ]);
  message[2 + sizes.length] = 0;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length, 0);
  // Frame type and codec, packet type, composition time.
  return {
    ...tag,
    payload: Buffer.concat([tag.payload.subarray(0, 5), length, message, tag.payload.subarray(5)]),
  };
}

/** Pictures of the demo clip and silence in G.711 A-law, 20 ms a tag (Adobe FLV 10.1, E.4.2.1: 8000 Hz, mono). */
function g711Tags(): FlvTag[] {
  const pictures = demoTags().filter((tag) => tag.type === TAG_VIDEO || tag.type === TAG_SCRIPT);
  const end = pictures.at(-1)!.timestamp;
  const sound = Array.from({ length: Math.floor(end / 20) }, (_, i) => ({
    type: TAG_AUDIO,
    timestamp: i * 20,
    payload: Buffer.concat([Buffer.from([0x72]), Buffer.alloc(160, 0xd5)]),
  }));
  const video = pictures.filter((tag) => tag.type === TAG_VIDEO && !isConfig(tag));
  const media = [...video.map(enlarged), ...sound];
  media.sort((a, b) => a.timestamp - b.timestamp);
  return [...pictures.filter((tag) => tag.type === TAG_VIDEO && isConfig(tag)), ...media];
}

/** Publishes until it is stopped. */
async function publish(server: TestServer, row: Row): Promise<() => void> {
  if (row.clip === null) {
    const tags = g711Tags();
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: row.name, tags });
    return () => publisher.stop();
  }
  const clip = await makeClip(row.clip, CLIP_SECONDS);
  const running = publishClip(clip, server.rtmp(`/live/${row.name}`), (CLIP_SECONDS + 10) * 1000);
  return () => running.stop();
}

/** Known gaps of players, or between them and the server; each is a skipped test with this for its reason. */
const GAPS: Readonly<Record<string, string>> = {
  'll-hls shaka': 'Shaka begins inside a segment, leaves a hole behind its first part and waits there',
};
/** Reads ProducerReferenceTime without presentationTimeOffset, so that a delay of a second is told as minutes. */
const WRONG_CLOCK = new Set(['ll-dash shaka']);

/** Why this player cannot play this row this way; '' when it can. */
function reasonAgainst(way: Way, player: PlayerName, row: Row): string {
  const gap = GAPS[`${way.name} ${player}`];
  if (gap !== undefined) return gap;
  const carried = carriedBy(way.container, row.codecs);
  if (carried.length === 0) return `${way.container} cannot carry ${row.codecs.join(' or ')}`;
  const refused = REFUSES[`${player} ${way.container}`] ?? [];
  const missing = carried.find((codec) => refused.includes(codec));
  return missing === undefined ? '' : `${player} does not take ${missing} out of ${way.container}`;
}

function textOf(report: PlayReport): string {
  return JSON.stringify({ ...report, requests: report.requests.length });
}

function latencyOf(report: PlayReport): number | null {
  return report.wallClockLatencySeconds ?? report.latencySeconds;
}

function summaryOf(report: PlayReport): string {
  const latency = latencyOf(report)?.toFixed(2) ?? '-';
  return `start ${report.startMs} ms, latency ${latency} s, ${report.droppedFrames} dropped`;
}

/** What is wrong with how it played; '' = nothing. */
function faultOf(report: PlayReport, way: Way, player: PlayerName, carried: readonly Codec[]): string {
  const { currentTimes, decodedFrames } = report;
  const latency = latencyOf(report);
  const hasVideo = carried.some(isVideo);
  if (report.startMs < 0) return 'it never played';
  const maxStallMs = way.lowLatency === true ? MAX_LOW_LATENCY_STALL_MS : 0;
  if (report.longestStallMs > maxStallMs) return `it stalled for ${report.longestStallMs} ms`;
  if (report.playedSeconds < PLAY_SECONDS * 0.9 - maxStallMs / 1000)
    return `it played ${report.playedSeconds} s`;
  if (maxStallMs === 0 && currentTimes.some((time, i) => i > 0 && time <= currentTimes[i - 1]!))
    return 'its time does not grow';
  if (report.errors.some((error) => error.startsWith('FATAL'))) return 'it failed';
  if (hasVideo && decodedFrames < PLAY_SECONDS * FRAME_RATE * 0.7)
    return `it showed ${decodedFrames} pictures`;
  if (hasVideo && report.droppedFrames > decodedFrames / 5)
    return `it dropped ${report.droppedFrames} pictures`;
  if (hasVideo !== report.videoWidth > 0) return `its pictures are ${report.videoWidth} wide`;
  if (!carried.every(isVideo) && report.audioBytes === 0) return 'it has no sound';
  if (way.maxLatency === undefined || WRONG_CLOCK.has(`${way.name} ${player}`)) return '';
  if (latency === null) return 'it has no wall clock';
  return latency < way.maxLatency ? '' : `it is ${latency} s behind`;
}

/** Registers the tests of one row. */
export function testHttpWays(rowName: string): void {
  const row = ROWS.find(({ name }) => name === rowName);
  assert.ok(row, rowName);
  const skip = BROWSER_MISSING || (row.clip !== null && NODE_AV_MISSING);
  let server: TestServer;
  let players: BrowserPlayers;
  const stops: (() => void)[] = [];
  const decodable = new Map<Codec, boolean>();

  before(async () => {
    if (skip !== false) return;
    server = await TestServer.start({
      policy: `<application name="live"><hls><duration>1s</duration><count>10</count><always>on</always></hls>
        <publish><grace>0</grace></publish></application>`,
    });
    players = await BrowserPlayers.open();
    for (const codec of row.codecs) decodable.set(codec, await players.canPlay(MIME[codec]));
    stops.push(await publish(server, row));
    await server.until('the stream is live', () => {
      const stream = server.application.context.hub.find(`live/${row.name}`);
      return stream?.state === 'live' && stream.tracks.length === row.codecs.length && stream.cachedBytes > 0;
    });
    // The first player of a stream finds fewer segments than one that comes later, and is further behind.
    const begun = Date.now();
    await server.until('the lists are full', () => Date.now() - begun > WARM_UP_MS);
  });

  after(async () => {
    for (const stop of stops) stop();
    await players?.close();
    await server?.close();
  });

  describe(`Chromium: ${row.name}`, { concurrency: 3, skip }, () => {
    for (const way of WAYS) {
      for (const player of IS_LONG ? way.players : way.players.slice(0, 1)) {
        const reason = reasonAgainst(way, player, row);
        test(`${way.name} by ${player}`, { skip: reason === '' ? false : reason }, async (context) => {
          const carried = carriedBy(way.container, row.codecs);
          const unknown = carried.find((codec) => decodable.get(codec) === false);
          if (unknown !== undefined) {
            context.skip(`Chromium cannot decode ${unknown}`);
            return;
          }
          const request = {
            player,
            url: `${way.scheme}://127.0.0.1:${server.httpPort}/live/${row.name}${way.suffix}`,
            seconds: PLAY_SECONDS,
            startLimitSeconds: START_LIMIT_SECONDS,
            type: way.container === 'ts' ? ('mpegts' as const) : ('flv' as const),
            lowLatency: way.lowLatency ?? false,
          };
          await onceMore(context, async () => {
            const report = await players.play(request);
            context.diagnostic(summaryOf(report));
            const fault = faultOf(report, way, player, carried);
            assert.equal(fault, '', `${fault}: ${textOf(report)}`);
          });
        });
      }
    }
  });
}
