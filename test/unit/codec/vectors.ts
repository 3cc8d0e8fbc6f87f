/** Reads test/vectors/codec; see SOURCE.md there. */
import { readFileSync } from 'node:fs';
import type { CodecId } from '../../../src/codec/codec-id.ts';

export interface RecordVector {
  name: string;
  codec: CodecId;
  record: string;
  profile: string;
  width: number;
  height: number;
  frameRate: number;
  level: number;
  reorder: number;
  pixelFormat: string;
  fieldOrder: string;
  sampleRate: number;
  channels: number;
}

export interface VideoVector {
  name: string;
  codec: CodecId;
  frames: { data: string; size?: number; key: boolean; types?: number[]; disposable?: boolean }[];
}

export interface AudioVector {
  name: string;
  codec: string;
  sampleRate: number;
  channels: number;
  record: string;
  frames: { data: string; size: number; durationUs: number }[];
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/codec/${name}`, import.meta.url), 'utf8')) as T;
}

export const records = load<RecordVector[]>('records.json');
export const videos = load<VideoVector[]>('video-frames.json');
export const audios = load<AudioVector[]>('audio-frames.json');

export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

export function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex');
}

export function recordNamed(name: string): RecordVector {
  const found = records.find((record) => record.name === name);
  if (found === undefined) throw new Error(`no record ${name}`);
  return found;
}

/** A frame at its whole size: what the vector left out is zeros. */
export function wholeFrame(frame: { data: string; size?: number }): Uint8Array {
  const head = bytes(frame.data);
  const whole = new Uint8Array(frame.size ?? head.length);
  whole.set(head);
  return whole;
}

/** Bits such as '1 0101' to bytes, filled up with zeros. */
export function bitString(text: string): Uint8Array {
  const bits = text.replaceAll(' ', '');
  const out = new Uint8Array(Math.ceil(bits.length / 8));
  for (let i = 0; i < bits.length; i++) if (bits[i] === '1') out[i >> 3]! |= 0x80 >> (i & 7);
  return out;
}

/** ue(v) as bits. */
export function golomb(value: number): string {
  const code = (value + 1).toString(2);
  return '0'.repeat(code.length - 1) + code;
}

/** A raw byte sequence with the emulation prevention bytes of a NAL unit. */
export function escapeRaw(raw: Uint8Array): Uint8Array {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of raw) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Uint8Array.from(out);
}
