/**
 * Serves html/: the folder beside the executable when it is there (so that a user can change it), else the copy in
 * the executable. Conditional requests, gzip for text, a strict Content-Security-Policy, never a path out of html/.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import { RejectedError } from '../../util/errors.ts';

const compress = promisify(gzip);
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_CACHED_FILES = 256;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
};

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "connect-src 'self' ws: wss: http: https:",
  "worker-src 'self' blob:",
  "style-src 'self'",
  "script-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
].join('; ');

interface StaticFile {
  readonly type: string;
  readonly etag: string;
  readonly bytes: Buffer;
  readonly zipped: Buffer | null;
}

export class StaticFiles {
  private readonly folder: string;
  private readonly readEmbedded: (path: string) => Uint8Array | null;
  private readonly cache = new Map<string, StaticFile>();

  /** `folder` '' = only what is embedded. */
  constructor(folder: string, readEmbedded: (path: string) => Uint8Array | null) {
    this.folder = folder;
    this.readEmbedded = readEmbedded;
  }

  async handle(request: HttpRequest): Promise<void> {
    const { path, response, message } = request;
    const name = path.endsWith('/') ? `${path}index.html` : path;
    const file = await this.find(name.slice(1));
    if (file === null) {
      if (!path.endsWith('/') && (await this.find(`${name.slice(1)}/index.html`)) !== null) {
        response.writeHead(308, { Location: `${path}/` });
        response.end();
        return;
      }
      throw new RejectedError('not-found', `There is no page ${path}.`);
    }
    const headers: Record<string, string> = {
      'Content-Type': file.type,
      ETag: file.etag,
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': CONTENT_SECURITY_POLICY,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'same-origin',
      Vary: 'Accept-Encoding',
    };
    if (message.headers['if-none-match'] === file.etag) {
      response.writeHead(304, headers);
      response.end();
      return;
    }
    const zipped = file.zipped !== null && /\bgzip\b/.test(String(message.headers['accept-encoding'] ?? ''));
    const body = zipped ? file.zipped! : file.bytes;
    if (zipped) headers['Content-Encoding'] = 'gzip';
    headers['Content-Length'] = String(body.length);
    response.writeHead(200, headers);
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  private async find(name: string): Promise<StaticFile | null> {
    const fromDisk = await this.readFromDisk(name);
    if (fromDisk !== null) return this.prepare(name, fromDisk, false);
    const cached = this.cache.get(name);
    if (cached !== undefined) return cached;
    const embedded = this.readEmbedded(`html/${name}`);
    if (embedded === null) return null;
    const file = await this.prepare(name, Buffer.from(embedded), true);
    if (this.cache.size < MAX_CACHED_FILES) this.cache.set(name, file);
    return file;
  }

  private async readFromDisk(name: string): Promise<Buffer | null> {
    if (this.folder === '' || name.includes('\0')) return null;
    try {
      const root = await realpath(this.folder);
      const path = await realpath(join(root, name));
      // A symbolic link that leads out of the folder is as good as "..".
      if (!path.startsWith(root + sep)) return null;
      const bytes = await readFile(path);
      return bytes.length > MAX_FILE_BYTES ? null : bytes;
    } catch {
      return null;
    }
  }

  private async prepare(name: string, bytes: Buffer, keepZipped: boolean): Promise<StaticFile> {
    const type = TYPES[extname(name).toLowerCase()] ?? 'application/octet-stream';
    const isText = /^(text\/|application\/(json|manifest)|image\/svg)/.test(type);
    return {
      type,
      etag: `"${createHash('sha1').update(bytes).digest('base64url')}"`,
      bytes,
      zipped: isText && keepZipped ? await compress(bytes) : null,
    };
  }
}
