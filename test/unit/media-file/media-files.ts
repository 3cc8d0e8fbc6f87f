/** Media files for tests: FFmpeg's vectors, what its ffprobe says about them, and reading a file to its end. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Frame } from '../../../src/media/frame.ts';
import type { MediaFile } from '../../../src/media-file/media-file.ts';

type Packet = readonly [ptsUs: number, dtsUs: number, size: number, key: number];

export interface Probed {
  readonly video: readonly Packet[];
  readonly audio: readonly Packet[];
}

export function vectorPath(name: string): string {
  return fileURLToPath(new URL(`../../vectors/media-file/${name}`, import.meta.url));
}

export function vector(name: string): Buffer {
  return readFileSync(vectorPath(name));
}

/** By file name. */
export const probed = JSON.parse(vector('packets.json').toString('utf8')) as Readonly<Record<string, Probed>>;

/** A folder of its own for files that a test makes. */
export class ScratchFiles {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-media-file-'));
  private count = 0;

  write(bytes: Uint8Array): string {
    const path = join(this.folder, `${this.count++}.bin`);
    writeFileSync(path, bytes);
    return path;
  }
}

/** All frames from an access point on. */
export async function readFrom(file: MediaFile, pointIndex: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  const reader = file.open(pointIndex);
  for (;;) {
    const some = await reader.read();
    if (some.length === 0) break;
    frames.push(...some);
  }
  reader.close();
  return frames;
}

/** What must be equal wherever reading began. */
export function describeFrame({ trackId, flags, dts, pts, duration, payload, config }: Frame): string {
  return `${trackId} ${flags} ${dts} ${pts} ${duration} ${config.codec} ${Buffer.from(payload).toString('base64')}`;
}
