/** Reads test/vectors/flv; see SOURCE.md there. */
import { readdirSync, readFileSync } from 'node:fs';
import { FlvTagReader } from '../../../../src/wire/flv/tag-reader.ts';

const FOLDER = new URL('../../../vectors/flv/', import.meta.url);

export interface Tag {
  readonly type: number;
  readonly timestampMs: number;
  readonly body: Buffer;
}

export const flvFiles: readonly string[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.flv'))
  .map((name) => name.slice(0, -4));

export const loadFlv = (name: string): Buffer => readFileSync(new URL(`${name}.flv`, FOLDER));

export function tagsOf(bytes: Uint8Array): Tag[] {
  const tags: Tag[] = [];
  const reader = new FlvTagReader((type, timestampMs, body) => {
    tags.push({ type, timestampMs, body: Buffer.from(body) });
  });
  reader.receive(bytes);
  return tags;
}

/** RTMP messages of a program, as tags. */
export function loadMessages(program: 'obs29' | 'gst-rtmp2sink'): Tag[] {
  const text = readFileSync(new URL('rtmp-messages.json', FOLDER), 'utf8');
  const messages = (
    JSON.parse(text) as Record<string, { type: number; timestampMs: number; body: string }[]>
  )[program]!;
  return messages.map(({ type, timestampMs, body }) => ({
    type,
    timestampMs,
    body: Buffer.from(body, 'hex'),
  }));
}

/** The bytes whole, byte by byte, and cut at random places that are the same in every run. */
export function feedings(bytes: Uint8Array): [string, Uint8Array[]][] {
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  const random: Uint8Array[] = [];
  let seed = 12_345;
  for (let at = 0; at < bytes.length; ) {
    seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
    const length = 1 + ((seed >> 8) % 400);
    random.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [
    ['whole', [bytes]],
    ['byte by byte', single],
    ['cut at random', random],
  ];
}
