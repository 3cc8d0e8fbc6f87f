/** Recorded datagrams of test/vectors/srt: see SOURCE.md there. */
import { readFileSync } from 'node:fs';

export interface RecordedDatagram {
  readonly fromCaller: boolean;
  readonly bytes: Buffer;
}

export function recordedSrt(name: string): RecordedDatagram[] {
  const text = readFileSync(new URL(`../vectors/srt/${name}.txt`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, direction, hex] = line.split(' ');
      return { fromCaller: direction === '>', bytes: Buffer.from(hex ?? '', 'hex') };
    });
}
