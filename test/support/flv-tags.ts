/** FLV as a test sees it: whole tags out of a file or out of pieces of a body. Independent of the server's reader. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const TAG_AUDIO = 8;
export const TAG_VIDEO = 9;
export const TAG_SCRIPT = 18;

export interface FlvTag {
  readonly type: number;
  /** Milliseconds. */
  readonly timestamp: number;
  readonly payload: Buffer;
}

export class FlvTagParser {
  readonly tags: FlvTag[] = [];
  /** Header flags: 1 = video, 4 = audio; -1 before the header. */
  flags = -1;
  /** What is wrong, '' while all is well. */
  fault = '';
  private rest: Buffer = Buffer.alloc(0);

  feed(bytes: Uint8Array): void {
    this.rest = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    if (this.flags < 0) {
      if (this.rest.length < 13) return;
      if (this.rest.toString('latin1', 0, 3) !== 'FLV') this.fault ||= 'does not begin with FLV';
      this.flags = this.rest[4]!;
      this.rest = this.rest.subarray(13);
    }
    let at = 0;
    while (this.rest.length - at >= 11) {
      const size = this.rest.readUIntBE(at + 1, 3);
      if (this.rest.length - at < 15 + size) break;
      const type = this.rest[at]!;
      const timestamp = this.rest.readUIntBE(at + 4, 3) + this.rest[at + 7]! * 2 ** 24;
      if (![TAG_AUDIO, TAG_VIDEO, TAG_SCRIPT].includes(type)) this.fault ||= `tag of type ${type}`;
      const previous = this.rest.readUInt32BE(at + 11 + size);
      if (previous !== 11 + size) this.fault ||= `previous tag size is ${previous} instead of ${11 + size}`;
      this.tags.push({ type, timestamp, payload: Buffer.from(this.rest.subarray(at + 11, at + 11 + size)) });
      at += 15 + size;
    }
    this.rest = this.rest.subarray(at);
  }

  /** Bytes of a tag that is not complete. */
  get pending(): number {
    return this.rest.length;
  }
}

export function parseFlv(bytes: Uint8Array): FlvTag[] {
  const parser = new FlvTagParser();
  parser.feed(bytes);
  if (parser.fault !== '') throw new Error(parser.fault);
  return parser.tags;
}

let demo: readonly FlvTag[] | undefined;

/** The clip of the built-in channel: H.264 and AAC, a key frame every 2 s, 20 s long. */
export function demoTags(): readonly FlvTag[] {
  demo ??= parseFlv(readFileSync(fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url))));
  return demo;
}

/** Classic (not enhanced) tags that carry a codec's configuration. */
export function isConfig(tag: FlvTag): boolean {
  if (tag.type === TAG_VIDEO) return tag.payload[0]! >> 4 === 1 && tag.payload[1] === 0;
  return tag.type === TAG_AUDIO && tag.payload[0]! >> 4 === 10 && tag.payload[1] === 0;
}

export function isKey(tag: FlvTag): boolean {
  return tag.type === TAG_VIDEO && tag.payload[0]! >> 4 === 1 && tag.payload[1] === 1;
}

/** Media without configuration, as strings that can be compared: what must reach a player unchanged. */
export function mediaBytes(tags: readonly FlvTag[], type: number): string[] {
  return tags
    .filter((tag) => tag.type === type && !isConfig(tag) && !isEndOfSequence(tag))
    .map((tag) => tag.payload.toString('latin1'));
}

function isEndOfSequence(tag: FlvTag): boolean {
  return tag.type === TAG_VIDEO && tag.payload[1] === 2;
}

/** What is wrong with the order of what a player got, '' when nothing is. */
export function orderFault(tags: readonly FlvTag[]): string {
  const last = new Map<number, number>();
  const configured = new Set<number>();
  let keySeen = false;
  for (const [index, tag] of tags.entries()) {
    if (tag.type === TAG_SCRIPT) continue;
    const before = last.get(tag.type) ?? 0;
    if (tag.timestamp < before) return `tag ${index}: time goes from ${before} back to ${tag.timestamp}`;
    last.set(tag.type, tag.timestamp);
    if (isConfig(tag)) {
      configured.add(tag.type);
      continue;
    }
    if (!configured.has(tag.type)) return `tag ${index}: media of type ${tag.type} before its configuration`;
    if (tag.type === TAG_VIDEO && !keySeen && !isKey(tag))
      return `tag ${index}: the first picture is no key frame`;
    if (tag.type === TAG_VIDEO) keySeen = true;
  }
  return '';
}

/** Where `part` stands as a whole in `all`, -1 = nowhere. */
export function indexOfRun(all: readonly string[], part: readonly string[]): number {
  if (part.length === 0) return -1;
  for (let at = all.indexOf(part[0]!); at >= 0; at = all.indexOf(part[0]!, at + 1)) {
    if (part.every((entry, index) => all[at + index] === entry)) return at;
  }
  return -1;
}
