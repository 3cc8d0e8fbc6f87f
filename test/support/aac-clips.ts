/** The clips of test/vectors/he-aac, whose ADTS headers tell of the core alone. */
import { readFileSync } from 'node:fs';
import { ascOfAdts, parseAdtsHeader } from '../../src/codec/adts.ts';

export interface AacClip {
  /** AudioSpecificConfig of the core alone. */
  readonly config: Uint8Array;
  readonly coreRate: number;
  readonly channels: 1 | 2;
  /** Raw frames, without headers. */
  readonly packets: readonly Uint8Array[];
}

export function readAacClip(name: string): AacClip {
  const bytes = readFileSync(new URL(`../vectors/he-aac/${name}.aac`, import.meta.url));
  const first = parseAdtsHeader(bytes);
  if (first === null) throw new Error(`${name} is no ADTS`);
  const packets: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = parseAdtsHeader(bytes, at);
    if (header === null) throw new Error(`${name} has no frame at ${at}`);
    packets.push(Uint8Array.from(bytes.subarray(at + header.headerSize, at + header.frameSize)));
    at += header.frameSize;
  }
  return {
    config: ascOfAdts(first),
    coreRate: first.sampleRate,
    channels: first.channelConfig === 1 ? 1 : 2,
    packets,
  };
}
