/** What a player of the matrix has got against the clip that was published: tracks, bytes, times. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Codec, isVideo } from './containers.ts';
import { indexOfRun } from './flv-tags.ts';
import type { Watched, WatchedSound, WatchedStream } from './matrix-peers.ts';
import { channelOf, toneShare } from './sound-signals.ts';

const SOUND_SCRIPT = fileURLToPath(new URL('./node-av-sound.mjs', import.meta.url));

/** Pictures come 25 times a second, sound oftener. */
const MAX_STEP_SECONDS = 0.2;
const PRESSED_STEP_SECONDS = 0.005;
const SAME_SECONDS = 0.0005;
/** Pictures that have to have even times in the end. */
const LEAST_SETTLED = 8;
/** Two roundings to milliseconds, on the way in and on the way out, and one of the clip's own. */
const TIME_TOLERANCE = 0.0032;
/** A picture that others refer to comes when it has to be decoded, a frame before or behind its time. */
const THINNED_TOLERANCE = 0.0464;
/** Sound against pictures, as compared with the clip. */
const SYNC_TOLERANCE = 0.05;
const G711_BYTES_PER_SECOND = 8000;

/**
 * Asserts that `seen` is a run of `clip` without holes, `seconds` long, of exactly `codecs`. Not compared: the times of
 * the first `untimed` packets of each track. Returns by how much the clip's times are shifted.
 */
export function checkWatched(
  seen: Watched,
  clip: Watched,
  codecs: readonly Codec[],
  seconds: number,
  untimed = 0,
): number {
  assert.equal(seen.error, undefined);
  assert.deepEqual(seen.streams.map(({ codec }) => codec).sort(), [...codecs].sort(), 'tracks');
  const shifts = seen.streams.map((stream) => {
    const source = clip.streams.find(({ codec }) => codec === stream.codec)!; // codecs are of the clip
    const times = sourceTimes(stream, source);
    checkOrder(stream, untimed);
    return checkTimes(stream, times, seconds, untimed);
  });
  const apart = Math.max(...shifts) - Math.min(...shifts);
  assert.ok(apart < SYNC_TOLERANCE, `sound and pictures are ${apart} s apart`);
  return shifts[0] ?? Number.NaN;
}

/**
 * The first picture behind which times are even: a player of WebRTC gets pictures that lead up to the newest with their
 * times pressed together, and learns by reports how pictures and sound belong together when both have begun.
 */
export function settledAt({ codec, dts }: WatchedStream): number {
  // Reports come within the first half.
  let settled = Math.floor(dts.length / 2);
  for (let index = 1; index < dts.length; index++) {
    const step = dts[index]! - dts[index - 1]!;
    // Pictures that others refer to have the time of another one.
    const isPressed = step > SAME_SECONDS && step < PRESSED_STEP_SECONDS;
    if (isPressed || step > MAX_STEP_SECONDS) settled = Math.max(settled, index);
  }
  assert.ok(
    settled < dts.length - LEAST_SETTLED,
    `${codec}: still ${settled} of ${dts.length} pictures uneven`,
  );
  return settled;
}

/**
 * Asserts that pictures are the clip's, beginning with a key frame, some left out, and none that others need: what is
 * left of a stream with B-frames. Returns as `checkWatched`.
 */
export function checkThinned(stream: WatchedStream, source: WatchedStream, untimed: number): number {
  checkOrder(stream, untimed);
  const places = stream.packets.map((digest) => source.packets.indexOf(digest));
  const wrong = places.findIndex((place, index) => place < 0 || (index > 0 && place <= places[index - 1]!));
  assert.equal(wrong, -1, `${stream.codec}: picture ${wrong} is not the clip's next`);
  const [first = 0] = places;
  const last = places.at(-1) ?? 0;
  assert.ok(source.keys[first], `${stream.codec} begins with no key frame`);
  const kept = new Set(places);
  for (let place = first; place <= last; place++)
    assert.ok(!source.keys[place] || kept.has(place), `key frame ${place} is left out`);
  const share = places.length / (last - first + 1);
  assert.ok(share > 0.3 && share < 1, `${stream.codec}: ${share} of the pictures`);
  const shifts = places
    .slice(untimed)
    .map((place, index) => stream.pts[untimed + index]! - source.pts[place]!);
  const spread = Math.max(...shifts) - Math.min(...shifts);
  assert.ok(spread < THINNED_TOLERANCE, `${stream.codec}: times are ${spread} s apart from the clip's`);
  return shifts[0]!;
}

/** Of the clips (node-av-ffmpeg.mjs): 440 Hz and 40 Hz more in each second. */
const TONE_HZ = 440;
const TONE_RISE = 40;
/** 0.3 of full scale in mono; FFmpeg spreads it over two channels by their power. */
const MONO_RMS = 0.3 / Math.SQRT2;
const STEREO_RMS = MONO_RMS / Math.SQRT2;
const LEVEL_TOLERANCE_DB = 1.5;
const WINDOW_SECONDS = 0.1;

/**
 * Asserts that sound of another codec is the clip's by decoding it: one tone at the level of the clip, and of the pitch
 * that the clip has at that time. `shift` is that of the pictures, NaN without any.
 */
export async function checkConverted(
  stream: WatchedStream,
  source: Codec,
  shift: number,
  seconds: number,
): Promise<void> {
  const { codec, sound, dts } = stream;
  assert.ok(sound !== undefined, `${codec} is no sound`);
  checkOrder(stream, 0);
  const samples = await decodeSound(codec, sound);
  const { rate, channels } = sound;
  assert.ok(samples.length / rate > seconds - 0.7, `${codec}: only ${samples.length / rate} s`);
  const size = Math.floor(WINDOW_SECONDS * rate);
  const from = Math.floor((samples.length - size) / 2);
  const part = samples.subarray(from, from + size);
  const hz = pitchOf(part, rate);
  const share = toneShare(part, hz, rate);
  assert.ok(share > 0.85, `${codec}: ${share} of the sound is at ${hz} Hz`);
  const rms = Math.sqrt(part.reduce((sum, one) => sum + one * one, 0) / size);
  const db = 20 * Math.log10(rms / (isTelephone(source) ? MONO_RMS : STEREO_RMS));
  assert.ok(Math.abs(db) < LEVEL_TOLERANCE_DB, `${codec} with ${channels} channels: ${db} dB off`);
  if (Number.isNaN(shift)) return;
  const atClip = (hz - TONE_HZ) / TONE_RISE;
  const apart = dts[0]! + (from + size / 2) / rate - atClip - shift;
  assert.ok(Math.abs(apart) < SYNC_TOLERANCE, `${codec}: sound and pictures are ${apart} s apart`);
}

function isTelephone(codec: Codec): boolean {
  return codec === 'g711a' || codec === 'g711u';
}

/** Hz, by the zeros that it rises through. */
function pitchOf(samples: Float32Array, rate: number): number {
  let first = Number.NaN;
  let last = Number.NaN;
  let count = 0;
  for (let i = 1; i < samples.length; i++) {
    const [before, now] = [samples[i - 1]!, samples[i]!];
    if (before >= 0 || now < 0) continue;
    last = i - now / (now - before);
    if (Number.isNaN(first)) first = last;
    else count++;
  }
  return (count * rate) / (last - first);
}

/** The first channel. */
function decodeSound(codec: string, sound: WatchedSound): Promise<Float32Array> {
  const { extradata, rate, channels, packets } = sound;
  const decoder = codec === 'opus' ? 'libopus' : codec;
  const args = [
    SOUND_SCRIPT,
    'decode',
    decoder,
    extradata === '' ? '-' : extradata,
    `${rate}`,
    `${channels}`,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const parts: Buffer[] = [];
    child.stdout.on('data', (bytes: Buffer) => parts.push(bytes));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`the decoder of ${codec} ended with ${code}`));
      const bytes = Uint8Array.from(Buffer.concat(parts));
      const all = new Float32Array(bytes.buffer, 0, bytes.length >> 2);
      resolve(channelOf(all, 0, channels));
    });
    for (const packet of packets) {
      const data = Buffer.from(packet, 'base64');
      const size = Buffer.alloc(4);
      size.writeUInt32LE(data.length);
      child.stdin.write(Buffer.concat([size, data]));
    }
    child.stdin.end();
  });
}

function checkOrder({ codec, dts, pts }: WatchedStream, untimed: number): void {
  let before: number | null = null;
  for (const [index, at] of dts.entries()) {
    if (at === null) continue;
    if (before !== null) {
      assert.ok(at >= before, `${codec}: time goes back at packet ${index}`);
      assert.ok(
        at - before < MAX_STEP_SECONDS || index <= untimed,
        `${codec}: time leaps by ${at - before} s at packet ${index}`,
      );
    }
    before = at;
    const shown = pts[index] ?? null;
    if (shown !== null)
      assert.ok(shown >= at - 1e-6, `${codec}: packet ${index} is shown before it is decoded`);
  }
}

/** When each packet is shown in the clip; asserts that the bytes are the clip's, in one run. */
function sourceTimes(stream: WatchedStream, source: WatchedStream): number[] {
  const { codec } = stream;
  if (codec === 'g711a' || codec === 'g711u') return timesOfBytes(stream, source);
  const from = indexOfRun(source.packets, stream.packets);
  if (from < 0) assert.fail(`${codec}: ${describeDifference(stream.packets, source.packets)}`);
  if (isVideo(codec as Codec)) assert.ok(source.keys[from], `${codec} begins with no key frame`);
  return stream.packets.map((_, index) => source.pts[from + index] ?? Number.NaN);
}

/** G.711 has no frames: RTP cuts it anew. */
function timesOfBytes(stream: WatchedStream, source: WatchedStream): number[] {
  const all = Buffer.from(source.bytes, 'base64');
  const part = Buffer.from(stream.bytes, 'base64');
  const from = part.length === 0 ? -1 : all.indexOf(part);
  assert.ok(from >= 0, `${stream.codec}: ${part.length} bytes are no run of those of the clip`);
  const begin = source.pts[0] ?? 0;
  const count = stream.packets.length;
  // All packets but the last are of one size.
  const size = Math.round(part.length / count);
  return stream.packets.map((_, index) => begin + (from + index * size) / G711_BYTES_PER_SECOND);
}

function describeDifference(got: readonly string[], all: readonly string[]): string {
  const places = got.map((digest) => all.indexOf(digest));
  const shown = places.slice(0, 12).join(' ');
  const at = places.findIndex((place, index) => place < 0 || (index > 0 && place !== places[index - 1]! + 1));
  return `${got.length} packets are no run of the ${all.length} of the clip: from ${at} on, places ${shown} ... ${places.slice(Math.max(0, at - 2), at + 4).join(' ')}`;
}

/** Asserts that the times are the clip's, all shifted by the same; returns by how much. */
function checkTimes(
  { codec, pts }: WatchedStream,
  times: readonly number[],
  seconds: number,
  untimed: number,
): number {
  let shift = Number.NaN;
  let known = 0;
  for (const [index, at] of pts.entries()) {
    if (at === null) continue;
    known++;
    if (index < untimed) continue;
    const own = at - times[index]!; // one for each packet
    if (Number.isNaN(shift)) shift = own;
    assert.ok(
      Math.abs(own - shift) < TIME_TOLERANCE,
      `${codec}: packet ${index} of ${pts.length} is shown ${(own - shift) * 1000} ms off`,
    );
  }
  assert.ok(known >= pts.length - 2, `${codec}: ${pts.length - known} packets without a time`);
  const length = Math.max(...times) - Math.min(...times);
  assert.ok(length > seconds - 0.7, `${codec}: only ${length} s`);
  return shift;
}
