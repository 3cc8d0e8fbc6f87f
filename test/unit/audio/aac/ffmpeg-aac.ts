/** Streams of FFmpeg's AAC encoder and the sound that FFmpeg's decoder makes of a stream. See ffmpeg-aac.mjs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AudioDecoder } from '../../../../src/audio/pcm.ts';

const SCRIPT = fileURLToPath(new URL('./ffmpeg-aac.mjs', import.meta.url));

export interface EncodeJob {
  readonly rate: number;
  readonly channels: 1 | 2 | 6;
  readonly bitRate: number;
  readonly options: Readonly<Record<string, string>>;
  /** Sample of a channel at a time in seconds. */
  readonly signal: (seconds: number, channel: number) => number;
  readonly frames: number;
}

export interface DecodeJob {
  readonly config: Uint8Array;
  readonly packets: readonly Uint8Array[];
}

export interface Decoded {
  readonly config: Uint8Array;
  readonly packets: readonly Uint8Array[];
  readonly rate: number;
  readonly channels: number;
  /** By packet, then by channel; null where FFmpeg made nothing of it. */
  readonly frames: readonly (readonly Float32Array[] | null)[];
}

interface Answer {
  readonly config: string;
  readonly packets: readonly string[];
  readonly rate: number;
  readonly channels: number;
  readonly frames: readonly string[];
}

function jobOf(job: EncodeJob | DecodeJob): object {
  if ('packets' in job) {
    return {
      config: Buffer.from(job.config).toString('hex'),
      packets: job.packets.map((packet) => Buffer.from(packet).toString('base64')),
    };
  }
  const { rate, channels, bitRate, options, signal, frames } = job;
  const pcm = new Float32Array(frames * 1024 * channels);
  let at = 0;
  for (let frame = 0; frame < frames; frame++) {
    for (let channel = 0; channel < channels; channel++) {
      for (let i = 0; i < 1024; i++) pcm[at++] = signal((frame * 1024 + i) / rate, channel);
    }
  }
  return { rate, channels, bitRate, options, pcm: Buffer.from(pcm.buffer).toString('base64') };
}

function planes(text: string, channels: number): Float32Array[] | null {
  if (text === '') return null;
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  const samples = new Float32Array(bytes.buffer);
  const length = samples.length / channels;
  return Array.from({ length: channels }, (_, i) => samples.subarray(i * length, (i + 1) * length));
}

/** All jobs in one child process. */
export function runFfmpeg(jobs: readonly (EncodeJob | DecodeJob)[]): Decoded[] {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-aac-'));
  const file = join(folder, 'answers.json');
  try {
    execFileSync(process.execPath, [SCRIPT, file], {
      input: JSON.stringify(jobs.map(jobOf)),
      timeout: 60_000,
    });
    const answers = JSON.parse(readFileSync(file, 'utf8')) as Answer[];
    return answers.map(({ config, packets, rate, channels, frames }) => ({
      config: Uint8Array.from(Buffer.from(config, 'hex')),
      packets: packets.map((packet) => Uint8Array.from(Buffer.from(packet, 'base64'))),
      rate,
      channels,
      frames: frames.map((frame) => planes(frame, channels)),
    }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Where FFmpeg puts a channel of AAC's order, by the number of channels. */
const FFMPEG_ORDER: Readonly<Record<number, readonly number[]>> = {
  3: [2, 0, 1],
  4: [2, 0, 1, 3],
  5: [2, 0, 1, 3, 4],
  6: [2, 0, 1, 4, 5, 3],
  7: [2, 0, 1, 4, 5, 6, 3],
  8: [2, 0, 1, 6, 7, 4, 5, 3],
};

/** Signal to noise of our decoder against FFmpeg in dB, worst channel; throws where only one of them refuses a packet. */
export function compare(decoder: AudioDecoder, { packets, frames, channels, rate }: Decoded): number {
  const noise = new Float64Array(channels);
  const signal = new Float64Array(channels);
  packets.forEach((packet, n) => {
    const block = decoder.decode(packet);
    const expected = frames[n];
    if (block === null || expected === null || expected === undefined) {
      if (block !== null || (expected !== null && expected !== undefined))
        throw new Error(`packet ${n}: one of the decoders refuses it (ours: ${block === null})`);
      return;
    }
    if (block.sampleRate !== rate || block.channels.length !== channels)
      throw new Error(`${block.sampleRate} Hz, ${block.channels.length} channels for ${rate}, ${channels}`);
    for (let channel = 0; channel < channels; channel++) {
      const ours = block.channels[channel]!;
      const theirs = expected[FFMPEG_ORDER[channels]?.[channel] ?? channel]!;
      if (theirs.length !== block.samples) throw new Error(`${block.samples} samples for ${theirs.length}`);
      for (let i = 0; i < block.samples; i++) {
        signal[channel]! += theirs[i]! ** 2;
        noise[channel]! += (ours[i]! - theirs[i]!) ** 2;
      }
    }
  });
  return Math.min(...Array.from(signal, (power, i) => 10 * Math.log10(power / (noise[i]! + 1e-30))));
}
