/**
 * Files that are part of the executable. The bundle defines SLUICE_ASSETS (path -> base64 of gzip); sources that run
 * without a bundle read the repository.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

declare const SLUICE_ASSETS: Readonly<Record<string, string>> | undefined;

const REPOSITORY_PATHS: Readonly<Record<string, string>> = { 'demo/clip.flv': 'build/demo-clip.flv' };

/** Contents of `html/...`, `conf/...` or `demo/clip.flv`; null when there is no such file. */
export function readAsset(path: string): Uint8Array | null {
  if (typeof SLUICE_ASSETS !== 'undefined') {
    const packed = Object.hasOwn(SLUICE_ASSETS, path) ? SLUICE_ASSETS[path] : undefined;
    return packed === undefined ? null : gunzipSync(Buffer.from(packed, 'base64'));
  }
  if (path.includes('..')) return null;
  try {
    return readFileSync(join(import.meta.dirname, '..', '..', REPOSITORY_PATHS[path] ?? path));
  } catch {
    return null;
  }
}
