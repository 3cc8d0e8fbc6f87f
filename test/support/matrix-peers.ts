/** Real clients of the matrix: who publishes a clip by which protocol, who plays by which, and in what order of rows. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import type { Codec, Container } from './containers.ts';
import type { ClipSpec } from './node-av.ts';
import { missing, type Ran, type Running, run, start } from './programs.ts';
import type { TestServer } from './test-server.ts';

const SCRIPT = fileURLToPath(new URL('./node-av-ffmpeg.mjs', import.meta.url));
const FFMPEG_MISSING = missing('ffmpeg');
/** With empty_moov it would begin both tracks at 0, wherever they begin, and say so in its log. */
const FRAGMENTS = ['movflags=frag_keyframe+delay_moov+default_base_moof', 'frag_duration=1000000'];
const FLV_HEADER_BYTES = 13;
const FLV_TAG_OVERHEAD = 15;

export interface Row extends ClipSpec {
  readonly name: string;
  readonly codecs: readonly Codec[];
}

/**
 * Longer than anybody watches, on a machine with much else to do as well: a publisher ends when its players have seen
 * enough. FFmpeg looks for pictures in RTMP and FLV of sound alone for five seconds before it gives out the sound.
 */
export const CLIP_SECONDS = 16;

export const ROWS: readonly Row[] = [
  {
    name: 'h264-aac',
    video: 'libx264',
    audio: 'aac',
    format: 'mp4',
    codecs: ['h264', 'aac'],
  },
  {
    name: 'hevc-aac',
    video: 'libx265',
    audio: 'aac',
    format: 'mp4',
    codecs: ['h265', 'aac'],
  },
  {
    name: 'h264-pcma',
    video: 'libx264',
    audio: 'pcm_alaw',
    format: 'matroska',
    codecs: ['h264', 'g711a'],
  },
  {
    name: 'h264-pcmu',
    video: 'libx264',
    audio: 'pcm_mulaw',
    format: 'matroska',
    codecs: ['h264', 'g711u'],
  },
  {
    name: 'hevc-pcma',
    video: 'libx265',
    audio: 'pcm_alaw',
    format: 'matroska',
    codecs: ['h265', 'g711a'],
  },
  {
    name: 'aac',
    video: 'none',
    audio: 'aac',
    format: 'mp4',
    codecs: ['aac'],
  },
  {
    name: 'av1-opus',
    video: 'libsvtav1',
    audio: 'libopus',
    format: 'mp4',
    codecs: ['av1', 'opus'],
  },
  {
    // Without B-frames, as WebRTC wants it.
    name: 'h264-opus',
    video: 'libx264+plain',
    audio: 'libopus',
    format: 'matroska',
    codecs: ['h264', 'opus'],
  },
  {
    name: 'h264-mp3',
    video: 'libx264',
    audio: 'libmp3lame',
    format: 'matroska',
    codecs: ['h264', 'mp3'],
  },
  {
    name: 'vp9-opus',
    video: 'libvpx-vp9',
    audio: 'libopus',
    format: 'mp4',
    codecs: ['vp9', 'opus'],
  },
];

export interface Input {
  readonly name: string;
  /** What of a row it carries; rows that it does not carry whole are not published. */
  readonly container: Container;
  readonly url: (server: TestServer, stream: string) => string;
  /** FFmpeg's name of the format, and options. */
  readonly args: readonly string[];
}

const http = (suffix: string) => (server: TestServer, stream: string) =>
  server.http(`/live/${stream}.${suffix}`);
const rtsp = (transport: string) => (server: TestServer, stream: string) =>
  `rtsp://127.0.0.1:${server.rtspPort}/live/${stream}#${transport}`;

export const INPUTS: readonly Input[] = [
  { name: 'rtmp', container: 'rtmp', url: (server, stream) => server.rtmp(`/live/${stream}`), args: ['flv'] },
  { name: 'rtsp-tcp', container: 'rtp', url: rtsp('tcp'), args: ['rtsp', 'strict=experimental'] },
  { name: 'rtsp-udp', container: 'rtp', url: rtsp('udp'), args: ['rtsp', 'strict=experimental'] },
  {
    name: 'srt',
    container: 'ts',
    url: (server, stream) => `srt://127.0.0.1:${server.srtPort}?streamid=publish:live/${stream}`,
    args: ['mpegts'],
  },
  {
    name: 'whip',
    container: 'whip',
    url: (server, stream) => server.http(`/live/${stream}/whip`),
    args: ['whip'],
  },
  { name: 'ts-udp', container: 'ts', url: tsListener, args: ['mpegts'] },
  { name: 'ts-tcp', container: 'ts', url: tsListener, args: ['mpegts'] },
  { name: 'post-flv', container: 'flv', url: http('flv'), args: ['flv'] },
  { name: 'post-ts', container: 'ts', url: http('ts'), args: ['mpegts'] },
  { name: 'post-fmp4', container: 'fmp4', url: http('mp4'), args: ['mp4', ...FRAGMENTS] },
  {
    name: 'ws-flv',
    container: 'flv',
    url: (server, stream) => `ws://127.0.0.1:${server.httpPort}/live/${stream}.flv`,
    args: ['flv'],
  },
];

/** Elements of the configuration for the inputs that have a port for each stream. */
export function listenElement(input: Input, stream: string): string {
  if (!input.name.startsWith('ts-')) return '';
  return `<listen>${input.name.slice(3)}://127.0.0.1:0?stream=live/${stream}</listen>`;
}

/** FFmpeg fills datagrams of its own size, which does not fit, when it is not told another. */
function tsListener(server: TestServer, stream: string): string {
  const line = server.logged('mpegts.listening').find(({ fields }) => fields['stream'] === `live/${stream}`);
  if (line === undefined) throw new Error(`nobody listens for live/${stream}`);
  const url = String(line.fields['url']).replace(/\?.*/, '');
  return url.startsWith('udp:') ? `${url}?pkt_size=1316` : url;
}

const isG711 = (row: Row) => row.codecs.includes('g711a') || row.codecs.includes('g711u');
const isFlv = (input: Input) => input.container === 'flv' || input.container === 'rtmp';

/** Why a row cannot be published so by the programs that are there, or false. */
export function whyNotPublished(input: Input, row: Row): string | false {
  if (!isG711(row) || !isFlv(input)) return false;
  if (row.codecs.includes('h265')) return 'FFmpeg 8.1 aborts on G.711 in FLV, and 5.1 has no HEVC there';
  return FFMPEG_MISSING === false ? false : `FFmpeg 8.1 aborts on G.711 in FLV, and ${FFMPEG_MISSING}`;
}

export interface Publishing {
  readonly done: Promise<Ran>;
  /** In good order. */
  end(): void;
  stop(): void;
}

/** Of a program that was interrupted: FFmpeg's own answer to that is 255. */
export function isEndedWell({ code }: Ran): boolean {
  return code === 0 || code === 255;
}

function endedBySignal(running: Running): Publishing {
  return { done: running.done, end: () => running.interrupt(), stop: () => running.stop() };
}

/** Sends a clip at the speed of its timestamps. `folder` takes what has to be made for it. */
export async function publishRow(
  input: Input,
  row: Row,
  clip: string,
  url: string,
  folder: string,
): Promise<Publishing> {
  if (input.name !== 'ws-flv') {
    const [format, ...options] = input.args as [string, ...string[]];
    if (isG711(row) && isFlv(input)) {
      const args = ['-v', 'error', '-nostdin', '-re', '-i', clip, '-c', 'copy', '-f', format, url];
      return endedBySignal(start('ffmpeg', args));
    }
    return endedBySignal(start(process.execPath, [SCRIPT, 'copy', '-re', clip, url, format, ...options]));
  }
  const flv = join(folder, `${row.name}.flv`);
  if (!existsSync(flv)) {
    const ran = isG711(row)
      ? await run('ffmpeg', ['-v', 'error', '-nostdin', '-i', clip, '-c', 'copy', flv])
      : await run(process.execPath, [SCRIPT, 'copy', clip, flv, 'flv']);
    if (ran.code !== 0) throw new Error(ran.err);
  }
  return sendByWebSocket(readFileSync(flv), url);
}

/** A small sender: the header and then one message per tag, at the speed of the timestamps. */
function sendByWebSocket(flv: Buffer, url: string): Publishing {
  const socket = new WebSocket(url, ['publisher']);
  let at = FLV_HEADER_BYTES;
  let timer: NodeJS.Timeout | undefined;
  let isInterrupted = false;
  const done = new Promise<Ran>((resolve) => {
    const end = (code: number, err: string) => {
      clearTimeout(timer);
      resolve({ code, out: '', err });
    };
    socket.on('error', (error) => end(1, error.message));
    socket.on('close', (code, reason) => end(code === 1000 ? 0 : 1, `${code} ${reason.toString('utf8')}`));
    socket.on('open', () => {
      const began = Date.now();
      socket.send(flv.subarray(0, at));
      const step = () => {
        while (at < flv.length) {
          const timestamp = flv.readUIntBE(at + 4, 3) + flv[at + 7]! * 2 ** 24;
          if (timestamp > Date.now() - began) break;
          const next = at + FLV_TAG_OVERHEAD + flv.readUIntBE(at + 1, 3);
          socket.send(flv.subarray(at, next));
          at = next;
        }
        if (at < flv.length && !isInterrupted) timer = setTimeout(step, 5);
        else socket.close(1000);
      };
      step();
    });
  });
  const end = () => {
    isInterrupted = true;
  };
  return { done, end, stop: () => socket.terminate() };
}

export interface Output {
  readonly name: string;
  readonly container: Container;
  readonly url: (server: TestServer, stream: string) => string;
  /** Under which names the API tells what it leaves out: a playlist chooses between two containers. */
  readonly feeds: readonly string[];
}

export const OUTPUTS: readonly Output[] = [
  {
    name: 'rtmp',
    container: 'rtmp',
    url: (server, stream) => server.rtmp(`/live/${stream}`),
    feeds: ['rtmp'],
  },
  { name: 'rtsp-tcp', container: 'rtp', url: rtsp('tcp'), feeds: ['rtp'] },
  { name: 'rtsp-udp', container: 'rtp', url: rtsp('udp'), feeds: ['rtp'] },
  {
    name: 'srt',
    container: 'ts',
    url: (server, stream) => `srt://127.0.0.1:${server.srtPort}?streamid=read:live/${stream}`,
    feeds: ['ts'],
  },
  {
    name: 'whep',
    container: 'webrtc',
    url: (server, stream) => server.http(`/live/${stream}/whep`),
    feeds: ['webrtc'],
  },
  { name: 'hls', container: 'hls', url: http('m3u8'), feeds: ['hls', 'cmaf'] },
  { name: 'http-ts', container: 'ts', url: http('ts'), feeds: ['ts'] },
  { name: 'http-flv', container: 'flv', url: http('flv'), feeds: ['flv'] },
  {
    name: 'ws-flv',
    container: 'flv',
    url: (server, stream) => `ws://127.0.0.1:${server.httpPort}/live/${stream}.flv`,
    feeds: ['flv'],
  },
  { name: 'http-fmp4', container: 'fmp4', url: http('mp4'), feeds: ['fmp4'] },
  { name: 'hls-fmp4', container: 'fmp4', url: http('fmp4.m3u8'), feeds: ['cmaf'] },
  { name: 'dash', container: 'fmp4', url: http('mpd'), feeds: ['cmaf'] },
];

/** What a WebSocket sends in a time, as a file that FFmpeg can read. */
export function receiveByWebSocket(url: string, ms: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.terminate(), ms);
    socket.on('message', (data: Buffer) => parts.push(data));
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(parts));
    });
  });
}

export interface WatchedSound {
  /** Hexadecimal, '' = none. */
  readonly extradata: string;
  readonly rate: number;
  readonly channels: number;
  /** base64 */
  readonly packets: readonly string[];
}

export interface WatchedStream {
  readonly codec: string;
  readonly packets: readonly string[];
  /** Seconds; null = FFmpeg knows none. */
  readonly dts: readonly (number | null)[];
  readonly pts: readonly (number | null)[];
  readonly keys: readonly boolean[];
  /** Of G.711 alone, base64. */
  readonly bytes: string;
  /** Of other sound: for a decoder. */
  readonly sound?: WatchedSound;
}

export interface Watched {
  readonly streams: readonly WatchedStream[];
  readonly error?: string;
}

/** Several addresses or files at once, by name. */
export async function watchAll(
  urls: Readonly<Record<string, string>>,
  seconds: number,
  limitSeconds: number,
): Promise<Readonly<Record<string, Watched>>> {
  const pairs = Object.entries(urls).map(([name, url]) => `${name}=${url}`);
  const { out, err } = await run(process.execPath, [
    SCRIPT,
    'watch',
    `${seconds}`,
    `${limitSeconds}`,
    ...pairs,
  ]);
  try {
    return JSON.parse(out.trim().split('\n').at(-1) ?? '') as Record<string, Watched>;
  } catch {
    const error = `no answer: ${out.slice(-300)} ${err.slice(-300)}`;
    return Object.fromEntries(Object.keys(urls).map((name) => [name, { streams: [], error }]));
  }
}
