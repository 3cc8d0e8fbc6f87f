/**
 * The two test clips of the benchmark: made once by ffmpeg (or by the FFmpeg libraries of the node-av
 * package), cached in the temporary directory, read as FLV, and given a clock: every coded picture gets an
 * SEI user_data_unregistered NAL unit (H.264 annex D.1.7) in front, which servers relay like any other NAL
 * unit and which the publisher fills with the time of sending.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AUDIO_SOURCE, type ClipName, type ClipRecipe, FRAME_RATE, RECIPES } from './clip-recipe.ts';
import { MESSAGE_AUDIO, MESSAGE_DATA, MESSAGE_VIDEO } from './rtmp-wire.ts';

const CLIP_SECONDS = 20;

export interface ClipMessage {
  readonly type: number;
  readonly timestampMs: number;
  readonly payload: Buffer;
  /** Whether `payload` carries a clock at CLOCK_OFFSET. */
  readonly hasClock: boolean;
}

export interface Clip {
  /** onMetaData and the two codec configurations, sent once. */
  readonly prologue: readonly ClipMessage[];
  /** One turn of the clip, ordered by time. */
  readonly messages: readonly ClipMessage[];
  readonly durationMs: number;
  /** Payload bits per millisecond, that is kbit/s, without transport headers. */
  readonly kbps: number;
  readonly framesPerSecond: number;
}

/** 15 bytes that occur nowhere else; with the mark after them they are the 16-byte UUID of the SEI. */
export const CLOCK_MAGIC = Buffer.from('sluice-bench-ck');
export const MARK_NONE = 0x2d;
export const MARK_START = 0x41;
export const MARK_END = 0x42;
const TIME_DIGITS = 16;
const SEQUENCE_DIGITS = 8;
const SEI_PAYLOAD_BYTES = 16 + TIME_DIGITS + SEQUENCE_DIGITS;
/** From the start of an FLV video tag's data: 5 bytes tag header, 4 length, 3 NAL and SEI header. */
export const CLOCK_OFFSET = 5 + 4 + 3;

function sei(): Buffer {
  const nal = Buffer.alloc(3 + SEI_PAYLOAD_BYTES + 1, 0x30);
  nal[0] = 6;
  nal[1] = 5;
  nal[2] = SEI_PAYLOAD_BYTES;
  CLOCK_MAGIC.copy(nal, 3);
  nal[3 + CLOCK_MAGIC.length] = MARK_NONE;
  nal[nal.length - 1] = 0x80;
  const length = Buffer.alloc(4);
  length.writeUInt32BE(nal.length);
  return Buffer.concat([length, nal]);
}

/** Microseconds of the system's monotonic clock, the same for every process. */
export function nowUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000_000 + nanoseconds / 1000;
}

/** Writes time, number and mark as digits, which can never look like a start code. */
export function stampClock(bytes: Buffer, at: number, timeUs: number, sequence: number, mark: number): void {
  bytes[at + CLOCK_MAGIC.length] = mark;
  const digits =
    String(Math.floor(timeUs)).padStart(TIME_DIGITS, '0') + String(sequence).padStart(SEQUENCE_DIGITS, '0');
  bytes.write(digits, at + CLOCK_MAGIC.length + 1, 'latin1');
}

export interface Clock {
  readonly timeUs: number;
  readonly sequence: number;
}

/** Finds a clock in the beginning of a video message; a server may have put NAL units in front of it. */
export function readClock(head: Buffer): Clock | undefined {
  const at = head.indexOf(CLOCK_MAGIC);
  const digitsAt = at + CLOCK_MAGIC.length + 1;
  const end = digitsAt + TIME_DIGITS + SEQUENCE_DIGITS;
  if (at < 0 || head.length < end) return undefined;
  return {
    timeUs: Number(head.toString('latin1', digitsAt, digitsAt + TIME_DIGITS)),
    sequence: Number(head.toString('latin1', digitsAt + TIME_DIGITS, end)),
  };
}

/** Path of the clip's FLV file, made when it is not there yet. */
export async function clipFile(name: ClipName): Promise<string> {
  const folder = join(tmpdir(), 'sluice-bench');
  const path = join(folder, `${name}-${CLIP_SECONDS}s.flv`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const unfinished = join(folder, `${name}-${process.pid}.flv`);
  const made = spawnSync('ffmpeg', [...ffmpegArguments(RECIPES[name]), unfinished], { encoding: 'utf8' });
  if (made.error !== undefined) {
    const { encodeClip } = await import('./clip-node-av.ts');
    await encodeClip(RECIPES[name], CLIP_SECONDS, unfinished);
  } else if (made.status !== 0) {
    throw new Error(`ffmpeg could not make the ${name} clip: ${made.stderr.trim().split('\n').at(-1)}`);
  }
  renameSync(unfinished, path);
  return path;
}

function ffmpegArguments(recipe: ClipRecipe): string[] {
  const rate = `${recipe.videoKbps}k`;
  return [
    ...['-v', 'error', '-y', '-f', 'lavfi', '-i', recipe.video, '-f', 'lavfi', '-i', AUDIO_SOURCE],
    ...[
      '-t',
      String(CLIP_SECONDS),
      '-c:v',
      'libx264',
      '-preset',
      'veryfast',
      '-profile:v',
      'main',
      '-bf',
      '0',
    ],
    ...[
      '-b:v',
      rate,
      '-maxrate',
      rate,
      '-bufsize',
      rate,
      '-g',
      '60',
      '-keyint_min',
      '60',
      '-sc_threshold',
      '0',
    ],
    ...['-pix_fmt', 'yuv420p', '-c:a', 'aac', '-b:a', `${recipe.audioKbps}k`, '-ac', '2'],
  ];
}

export function readClip(path: string): Clip {
  return parseClip(readFileSync(path));
}

/** Reads a whole FLV file with H.264 (4-byte NAL unit lengths) and AAC. */
export function parseClip(file: Buffer): Clip {
  const prologue: ClipMessage[] = [];
  const messages: ClipMessage[] = [];
  const clockNal = sei();
  let at = 13;
  let pictures = 0;
  let bytes = 0;
  while (at + 11 <= file.length) {
    const type = file[at]!;
    const size = file.readUIntBE(at + 1, 3);
    const timestampMs = file.readUIntBE(at + 4, 3) + file[at + 7]! * 0x1000000;
    const data = file.subarray(at + 11, at + 11 + size);
    at += 11 + size + 4;
    const isConfig = (type === MESSAGE_VIDEO || type === MESSAGE_AUDIO) && data[1] === 0;
    const isPicture = type === MESSAGE_VIDEO && data[1] === 1;
    if (type === MESSAGE_DATA || isConfig) {
      // RTMP publishers wrap the metadata in @setDataFrame; the file has it bare.
      const setDataFrame = Buffer.from('\x02\x00\x0d@setDataFrame', 'latin1');
      const payload = type === MESSAGE_DATA ? Buffer.concat([setDataFrame, data]) : Buffer.from(data);
      prologue.push({ type, timestampMs: 0, payload, hasClock: false });
    } else if (isPicture || type === MESSAGE_AUDIO) {
      const payload = isPicture
        ? Buffer.concat([data.subarray(0, 5), clockNal, data.subarray(5)])
        : Buffer.from(data);
      messages.push({ type, timestampMs, payload, hasClock: isPicture });
      bytes += payload.length;
      pictures += isPicture ? 1 : 0;
    }
  }
  if (prologue.length < 3 || pictures === 0) throw new Error('the clip has no metadata, H.264 or AAC');
  messages.sort((a, b) => a.timestampMs - b.timestampMs);
  const durationMs = Math.round((pictures * 1000) / FRAME_RATE);
  const framesPerSecond = (pictures * 1000) / durationMs;
  return { prologue, messages, durationMs, kbps: (bytes * 8) / durationMs, framesPerSecond };
}
