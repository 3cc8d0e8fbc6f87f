/** Sound for tests: made, measured, and encoded or decoded by FFmpeg (node-av-sound.mjs). */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { AudioDecoder } from '../../src/audio/pcm.ts';

const SCRIPT = fileURLToPath(new URL('./node-av-sound.mjs', import.meta.url));

export function soundVector(name: string): Uint8Array {
  return readFileSync(fileURLToPath(new URL(`../vectors/sound/${name}`, import.meta.url)));
}

/** 16-bit little endian to +-1. */
export function floatsOf16(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => view.getInt16(2 * i, true) / 32_768);
}

/** A sine; `amplitude` of full scale. */
export function tone(frequency: number, rate: number, seconds: number, amplitude = 0.5): Float32Array {
  return Float32Array.from(
    { length: Math.round(rate * seconds) },
    (_, i) => amplitude * Math.sin((2 * Math.PI * frequency * i) / rate),
  );
}

/** Silence with a burst of 2 kHz around `at` seconds, 4 ms long. */
export function click(rate: number, seconds: number, at: number): Float32Array {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => {
    const off = i / rate - at;
    return Math.abs(off) < 0.002
      ? 0.9 * Math.cos((Math.PI * off) / 0.004) * Math.cos(4000 * Math.PI * off)
      : 0;
  });
}

function interleave(channels: readonly Float32Array[]): Float32Array {
  const count = channels.length;
  return Float32Array.from(
    { length: channels[0]!.length * count },
    (_, i) => channels[i % count]![Math.floor(i / count)]!,
  );
}

/** Power of one frequency against all of it, 0 to 1 (Goertzel). */
export function toneShare(samples: Float32Array, frequency: number, rate: number): number {
  let re = 0;
  let im = 0;
  let all = 0;
  for (let i = 0; i < samples.length; i++) {
    // Hann window, so that frequencies between bins do not spread.
    const sample = samples[i]! * Math.sin((Math.PI * (i + 0.5)) / samples.length) ** 2;
    re += sample * Math.cos((2 * Math.PI * frequency * i) / rate);
    im += sample * Math.sin((2 * Math.PI * frequency * i) / rate);
    all += sample * sample;
  }
  return all === 0 ? 0 : (3 * (re * re + im * im)) / (all * samples.length);
}

/** dB of `reference` over what `samples` differs from it. */
export function snr(reference: Float32Array, samples: Float32Array, from = 0, to = reference.length): number {
  let signal = 0;
  let noise = 0;
  for (let i = from; i < to; i++) {
    signal += reference[i]! ** 2;
    noise += (samples[i]! - reference[i]!) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

/** Where the energy is, in samples. */
export function centreOfEnergy(samples: Float32Array): number {
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < samples.length; i++) {
    sum += samples[i]! ** 2;
    weighted += i * samples[i]! ** 2;
  }
  return weighted / sum;
}

export interface Packet {
  /** In samples. */
  readonly pts: number;
  readonly data: Uint8Array;
}

/** By FFmpeg's encoder of this name. */
export function encodeByFfmpeg(
  name: string,
  bitrate: number,
  rate: number,
  channels: readonly Float32Array[],
): { extradata: Uint8Array; packets: Packet[] } {
  const samples = interleave(channels);
  const run = spawnSync(
    process.execPath,
    [SCRIPT, 'encode', name, String(bitrate), String(rate), String(channels.length)],
    { input: Buffer.from(samples.buffer), maxBuffer: 1e9 },
  );
  if (run.status !== 0) throw new Error(`${name}: ${run.stderr}`);
  const { extradata, packets } = JSON.parse(run.stdout.toString()) as {
    extradata: string;
    packets: { pts: number; data: string }[];
  };
  return {
    extradata: Buffer.from(extradata, 'base64'),
    packets: packets.map(({ pts, data }) => ({ pts, data: Buffer.from(data, 'base64') })),
  };
}

/** By FFmpeg's decoder of this name; channels interleaved. */
export function decodeByFfmpeg(
  name: string,
  extradata: Uint8Array,
  rate: number,
  channels: number,
  packets: readonly Uint8Array[],
): Float32Array {
  const parts = packets.flatMap((packet) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(packet.length);
    return [size, packet];
  });
  const hex = extradata.length === 0 ? '-' : Buffer.from(extradata).toString('hex');
  const run = spawnSync(process.execPath, [SCRIPT, 'decode', name, hex, String(rate), String(channels)], {
    input: Buffer.concat(parts),
    maxBuffer: 1e9,
  });
  if (run.status !== 0) throw new Error(`${name}: ${run.stderr}`);
  const bytes = Uint8Array.from(run.stdout);
  return new Float32Array(bytes.buffer, 0, bytes.length >> 2);
}

/** One channel of interleaved samples. */
export function channelOf(samples: Float32Array, index: number, channels: number): Float32Array {
  return Float32Array.from(
    { length: Math.floor(samples.length / channels) },
    (_, i) => samples[i * channels + index]!,
  );
}

/** What a decoder makes of packets: one array per channel, one after another. */
export function decodeAll(decoder: AudioDecoder, packets: readonly Uint8Array[]): Float32Array[] {
  const parts: Float32Array[][] = [];
  for (const packet of packets) {
    const block = decoder.decode(packet);
    if (block === null) continue;
    block.channels.forEach((channel, c) => {
      parts[c] ??= [];
      parts[c].push(channel.slice(0, block.samples));
    });
  }
  return parts.map(join);
}

function join(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
