/** FFmpeg 8 by the node-av package, in a child process: clips, publishing, playing. See node-av-ffmpeg.mjs. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Running, run, start } from './programs.ts';

const SCRIPT = fileURLToPath(new URL('./node-av-ffmpeg.mjs', import.meta.url));
const CACHE = join(tmpdir(), 'sluice-test-clips-4');

/** Minutes of AV1 on a machine with much else to do. */
const ENCODE_LIMIT_MS = 180_000;

export interface SeenStream {
  readonly kind: 'video' | 'audio';
  readonly codecId: number;
  readonly extradata: string;
  /** A digest of every packet's data. */
  readonly packets: readonly string[];
  /** Seconds. */
  readonly dts: readonly number[];
  readonly pts: readonly number[];
  readonly keys: readonly boolean[];
}

export interface Seen {
  readonly streams: readonly SeenStream[];
  readonly error?: string;
}

export interface ClipSpec {
  /** FFmpeg's name of an encoder, or `none`. */
  readonly video: string;
  readonly audio: string;
  readonly format: string;
}

/** Path of a clip, made when it is not there yet. */
export async function makeClip(spec: ClipSpec, seconds: number): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const { video, audio, format } = spec;
  const path = join(CACHE, `${video}-${audio}-${seconds}.${format}`);
  if (existsSync(path)) return path;
  const part = `${path}.${process.pid}`;
  const args = [SCRIPT, 'encode', video, audio, String(seconds), part, format];
  const { code, out, err } = await run(process.execPath, args, ENCODE_LIMIT_MS);
  if (code !== 0) throw new Error(`no clip of ${video} and ${audio}: ${out} ${err}`);
  renameSync(part, path);
  return path;
}

/** Copies a clip to a URL at the speed of its timestamps, for no longer than `limitMs`. */
export function publishClip(path: string, url: string, limitMs = 30_000): Running {
  const format = /^rtsps?:/.test(url) ? 'rtsp' : 'flv';
  return start(process.execPath, [SCRIPT, 'copy', '-re', path, url, format], limitMs);
}

export async function playUrl(url: string, seconds: number): Promise<Seen> {
  const [seen] = await playUrls([url], seconds);
  return seen!; // one for each
}

/** Several addresses at once. */
export async function playUrls(urls: readonly string[], seconds: number): Promise<readonly Seen[]> {
  const { out, err } = await run(process.execPath, [SCRIPT, 'probe', String(seconds), ...urls]);
  const answer = lastLineOf(out) as { all?: readonly Seen[] } | null;
  return answer?.all ?? urls.map(() => ({ streams: [], error: noAnswer(out, err) }));
}

/** What the script says that it sent. */
export function readSeen(out: string, err: string): Seen {
  return (lastLineOf(out) as Seen | null) ?? { streams: [], error: noAnswer(out, err) };
}

function lastLineOf(out: string): unknown {
  try {
    return JSON.parse(out.trim().split('\n').at(-1) ?? '');
  } catch {
    return null;
  }
}

function noAnswer(out: string, err: string): string {
  return `no answer: ${out.slice(-300)} ${err.slice(-300)}`;
}
