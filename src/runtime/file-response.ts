/**
 * One file, or ready bytes, as the answer to a GET or HEAD: ranges, conditional requests, download names (RFC 9110,
 * RFC 6266). Files are read in pieces no faster than the peer takes them, so memory per answer is two pieces.
 * Works on responses of HTTP/1.1 and of HTTP/2 alike. Leaves out compression: media do not shrink.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { RejectedError } from '../util/errors.ts';
import { fileTypeOf } from './file-types.ts';
import { answerConditions, type ConditionalAnswer, type Representation } from './http-conditions.ts';
import type { HttpRequest } from './http-listener.ts';

const PIECE_BYTES = 128 * 1024;

/** Who reads which file now, by real path: what is read must not be removed. One for every service that removes. */
export class FileReaders {
  private readonly counts = new Map<string, number>();

  enter(path: string): void {
    this.counts.set(path, this.count(path) + 1);
  }

  leave(path: string): void {
    const left = this.count(path) - 1;
    if (left > 0) this.counts.set(path, left);
    else this.counts.delete(path);
  }

  count(path: string): number {
    return this.counts.get(path) ?? 0;
  }

  /** Files that are read by anybody. */
  get size(): number {
    return this.counts.size;
  }
}

export interface AnswerOptions {
  /** Content-Type; by the file's name when it is not given. */
  readonly type?: string;
  readonly cacheControl?: string;
  /** The answer is to be stored under this name (Content-Disposition: attachment). */
  readonly downloadName?: string;
  /** Called once, with the bytes of the body that were handed to the connection. */
  readonly onSent?: (bytes: number) => void;
}

/**
 * Answers with the file at a real path (`resolveInside` gives it). Resolves when the answer is complete or the peer is
 * gone. Throws RejectedError before anything is sent when the file cannot be read.
 */
export async function sendFile(
  request: HttpRequest,
  path: string,
  readers: FileReaders,
  options: AnswerOptions = {},
): Promise<void> {
  const file = await openPlain(path);
  readers.enter(path);
  try {
    const { size: sizeBytes, mtimeMs: modifiedMs } = await file.stat();
    const one = { sizeBytes, modifiedMs, etag: fileEtag(sizeBytes, modifiedMs) };
    const answer = begin(request, one, { type: fileTypeOf(path), ...options });
    let sent = 0;
    try {
      sent = request.method === 'HEAD' ? 0 : await copy(file, answer, request.response);
    } finally {
      options.onSent?.(sent);
    }
    if (request.method === 'HEAD' || sent === answer.end - answer.start) request.response.end();
    // The file shrank, or the peer left: the length that was promised cannot be kept.
    else request.response.destroy();
  } finally {
    readers.leave(path);
    await file.close();
  }
}

/** Answers with bytes that lie in memory. `type` is needed. */
export function sendBytes(
  request: HttpRequest,
  parts: readonly Uint8Array[],
  validator: Pick<Representation, 'etag' | 'modifiedMs'>,
  options: AnswerOptions & { readonly type: string },
): void {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  const { start, end } = begin(request, { ...validator, sizeBytes }, options);
  const { response } = request;
  let sent = 0;
  // The end goes with the last piece: one write to the connection less.
  let last: Uint8Array | null = null;
  if (request.method !== 'HEAD') {
    let position = 0;
    for (const part of parts) {
      const from = Math.max(0, start - position);
      const to = Math.min(part.length, end - position);
      position += part.length;
      if (from >= to) continue;
      if (last !== null) response.write(last);
      last = part.subarray(from, to);
      sent += to - from;
    }
  }
  if (last === null) response.end();
  else response.end(last);
  options.onSent?.(sent);
}

/** A strong validator of a file: it changes when the file does. */
export function fileEtag(sizeBytes: number, modifiedMs: number): string {
  return `"${sizeBytes.toString(36)}-${Math.round(modifiedMs * 1000).toString(36)}"`;
}

/** A pipe that took the file's place must neither be followed nor waited for. */
async function openPlain(path: string): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  let file: FileHandle;
  try {
    file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new RejectedError('not-found', 'There is no such file.');
    if (code === 'EMFILE' || code === 'ENFILE') throw new RejectedError('limit', 'Too many files are open.');
    throw new RejectedError('denied', 'This file cannot be read.');
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new RejectedError('denied', 'This is no file.');
}

/** Sends the head; what is left to send are the bytes of the answer. */
function begin(request: HttpRequest, one: Representation, options: AnswerOptions): ConditionalAnswer {
  const { response } = request;
  const answer = answerConditions(request.method, request.message.headers, one);
  const headers: Record<string, string | number> = {
    ETag: one.etag,
    'Accept-Ranges': 'bytes',
    'Cache-Control': options.cacheControl ?? 'no-cache',
    'X-Content-Type-Options': 'nosniff',
  };
  if (!Number.isNaN(one.modifiedMs)) headers['Last-Modified'] = new Date(one.modifiedMs).toUTCString();
  const { status, start, end } = answer;
  if (status === 200 || status === 206) {
    headers['Content-Type'] = options.type ?? 'application/octet-stream';
    headers['Content-Length'] = end - start;
    if (options.downloadName !== undefined) headers['Content-Disposition'] = attachment(options.downloadName);
  }
  if (status === 206) headers['Content-Range'] = `bytes ${start}-${end - 1}/${one.sizeBytes}`;
  if (status === 416) headers['Content-Range'] = `bytes */${one.sizeBytes}`;
  if (status === 412 || status === 416) headers['Content-Length'] = 0;
  response.writeHead(status, headers);
  return answer;
}

/** Returns the bytes that were handed over; fewer when the peer left or the file became shorter. */
async function copy(file: FileHandle, answer: ConditionalAnswer, response: ServerResponse): Promise<number> {
  let position = answer.start;
  while (position < answer.end && !isGone(response)) {
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, answer.end - position));
    const { bytesRead } = await file.read(piece, 0, piece.length, position);
    if (bytesRead === 0 || isGone(response)) break;
    position += bytesRead;
    if (!response.write(bytesRead === piece.length ? piece : piece.subarray(0, bytesRead)))
      await untilDrained(response);
  }
  return position - answer.start;
}

/** The peer left, or somebody ended the answer. Responses of HTTP/2 tell it by their stream. */
export function isGone(response: ServerResponse): boolean {
  const { stream } = response as { stream?: { destroyed: boolean } };
  return response.destroyed === true || response.writableEnded || stream?.destroyed === true;
}

/** After a write that returned false: resolves when the response takes more, or is gone. */
export function untilDrained(response: ServerResponse): Promise<void> {
  if (isGone(response)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

/** RFC 6266, with the plain name for old programs and the true one by RFC 8187. */
export function attachment(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
