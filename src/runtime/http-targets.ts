/** Targets of requests (RFC 9112 section 3.2.1), split and decoded once for all who ask for the same. */

export interface HttpTarget {
  /** Decoded, begins with `/`; free of `..` and control characters. */
  readonly path: string;
  /** Shared by all requests for this target. */
  readonly query: URLSearchParams;
  /** As it stood in the URL, without `?`. */
  readonly rawQuery: string;
}

const MAX_KEPT = 1024;
const MAX_KEPT_LENGTH = 512;

export class HttpTargets {
  private readonly kept = new Map<string, HttpTarget>();

  /** Null when it cannot be trusted: it could lead out of a folder or into a log. */
  parse(raw: string): HttpTarget | null {
    const known = this.kept.get(raw);
    if (known !== undefined) return known;
    const split = raw.indexOf('?');
    const path = cleanPath(split < 0 ? raw : raw.slice(0, split));
    if (path === null) return null;
    const rawQuery = split < 0 ? '' : raw.slice(split + 1);
    const target = { path, query: new URLSearchParams(rawQuery), rawQuery };
    if (raw.length > MAX_KEPT_LENGTH) return target;
    // Who watches asks for the same again and again, and is back at once.
    if (this.kept.size >= MAX_KEPT) this.kept.clear();
    this.kept.set(raw, target);
    return target;
  }
}

function cleanPath(raw: string): string | null {
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return null;
  }
  if (!path.startsWith('/')) return null;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code < 0x20 || code === 0x7f || code === 0x5c) return null;
  }
  for (const level of path.split('/')) if (level === '..' || level === '.') return null;
  return path;
}
