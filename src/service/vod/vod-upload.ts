/**
 * Files that come by multipart/form-data (RFC 7578): written beside their place under a hidden name while they come, and
 * put into place only when they are whole. Nothing is replaced unless it was asked for.
 */
import { createWriteStream } from 'node:fs';
import { link, mkdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyFileStream } from '@fastify/busboy';
import { type HttpRequest, sendJson } from '../../runtime/http-listener.ts';
import { findTwin, reasonNotCreatable, resolveInside, safeLevels } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';

const MAX_FILES = 100;
const MAX_UPLOADS = 8;
/** An upload that brings nothing for this long is given up. */
const IDLE_MS = 30_000;
const MAX_HEADER_PAIRS = 16;
const MAX_HEADER_BYTES = 8 * 1024;

export interface UploadSettings {
  /** Folder of all files. */
  readonly root: string;
  readonly maxFileBytes: number;
}

interface Stored {
  readonly name: string;
  readonly size: number;
  readonly url: string;
}

interface Failed {
  readonly name: string;
  readonly status: number;
  readonly message: string;
}

/** A refusal with the HTTP status that says it best. */
class UploadError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class VodUpload {
  private readonly onFault: (error: unknown) => void;
  private running = 0;
  /** Places that a file is on its way to: two uploads of one name must not both find it free. */
  private readonly taken = new Set<string>();

  constructor(onFault: (error: unknown) => void) {
    this.onFault = onFault;
  }

  /** `relative` is the folder below the root. Throws RejectedError before anything was read. */
  async receive(request: HttpRequest, relative: string, settings: UploadSettings): Promise<void> {
    const { message } = request;
    const type = message.headers['content-type'] ?? '';
    if (!/^multipart\/form-data\s*;/i.test(type))
      throw new RejectedError(
        'unsupported',
        'Send the files as multipart/form-data (curl -F file=@a.mp4 URL).',
      );
    if (this.running >= MAX_UPLOADS) throw new RejectedError('limit', 'Too many uploads at this moment.');
    this.running++;
    try {
      const folder = await makeFolder(settings.root, relative);
      message.setTimeout(IDLE_MS, () => message.destroy(new Error('nothing came for too long')));
      await this.store(request, type, folder, relative, settings);
    } finally {
      this.running--;
      message.setTimeout(0);
    }
  }

  private async store(
    request: HttpRequest,
    type: string,
    folder: string,
    relative: string,
    settings: UploadSettings,
  ): Promise<void> {
    const outcomes: Promise<Stored | Failed>[] = [];
    const incoming = new Set<BusboyFileStream>();
    const overwrite = request.query.get('overwrite') === '1';
    const form = openForm(type, settings.maxFileBytes);
    const address = safeLevels(relative).map((level) => `/${encodeURIComponent(level)}`);
    const failures: Failed[] = [];
    const failWhole = (status: number, message: string) => void failures.push({ name: '', status, message });
    form.on('file', (_field, stream, name) => {
      incoming.add(stream);
      // Told by the pipeline that reads it, if it is read at all.
      stream.on('error', () => undefined);
      const outcome = this.storeOne(stream, folder, name, overwrite)
        .then((size) => ({ name, size, url: `/vod${address.join('')}/${encodeURIComponent(name)}` }))
        .catch((error: unknown) => {
          // What is not wanted still has to be read, so that the files behind it come.
          stream.resume();
          return { name, ...this.describe(error) };
        });
      outcomes.push(outcome.finally(() => incoming.delete(stream)));
    });
    form.on('filesLimit', () => failWhole(413, `More than ${MAX_FILES} files.`));
    form.on('error', () => undefined);
    let isBroken = false;
    try {
      await pipeline(request.message, form);
    } catch (error) {
      // The sender left, or it is no multipart at all: files that are not whole are given up.
      const cause = error instanceof Error ? error.message : String(error);
      isBroken = request.message.destroyed && !request.message.complete;
      for (const stream of incoming) stream.destroy(new UploadError(400, `The upload broke off (${cause}).`));
      failWhole(400, `The upload is malformed (${cause}).`);
    }
    const done = await Promise.all(outcomes);
    if (isBroken) return;
    const stored = done.filter((one) => 'url' in one);
    const failed = [...done.filter((one) => 'status' in one), ...failures];
    if (done.length + failed.length === 0)
      failed.push({ name: '', status: 400, message: 'There is no file in it.' });
    sendJson(request.response, failed[0]?.status ?? 201, {
      files: stored,
      errors: failed.map(({ name, message }) => ({ name, message })),
    });
  }

  private async storeOne(
    stream: BusboyFileStream,
    folder: string,
    name: string,
    overwrite: boolean,
  ): Promise<number> {
    const reason = reasonNotCreatable(name);
    if (reason !== '') throw new UploadError(400, reason);
    const place = join(folder, name);
    const key = place.normalize('NFKC').toLowerCase();
    if (this.taken.has(key)) throw new UploadError(409, 'This file is being uploaded at this moment.');
    this.taken.add(key);
    try {
      const twin = await findTwin(folder, name);
      if (twin !== null && (twin !== name || !overwrite))
        throw new UploadError(
          409,
          `There is a file ${twin} already (?overwrite=1 replaces one of the same name).`,
        );
      return await writeWhole(stream, folder, place, overwrite);
    } finally {
      this.taken.delete(key);
    }
  }

  private describe(error: unknown): { status: number; message: string } {
    if (error instanceof UploadError) return { status: error.status, message: error.message };
    const { code } = error as NodeJS.ErrnoException;
    switch (code) {
      case 'ENOSPC':
      case 'EDQUOT':
        return { status: 507, message: 'The disk of the server is full.' };
      case 'EEXIST':
        return { status: 409, message: 'There is a file of this name already.' };
      case 'EISDIR':
      case 'ENOTEMPTY':
        return { status: 409, message: 'There is a folder of this name already.' };
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        return { status: 403, message: 'The server may not write there.' };
      default:
        this.onFault(error);
        return { status: 500, message: 'The server had an internal fault; its log says more.' };
    }
  }
}

function openForm(type: string, maxFileBytes: number) {
  try {
    return new Busboy({
      headers: { 'content-type': type },
      // Names with folders in them are refused, not cut.
      preservePath: true,
      limits: {
        files: MAX_FILES,
        fields: MAX_FILES,
        parts: 2 * MAX_FILES,
        fieldSize: 4096,
        // One more, so that a file of exactly the limit is not taken for a longer one.
        fileSize: maxFileBytes + 1,
        headerPairs: MAX_HEADER_PAIRS,
        headerSize: MAX_HEADER_BYTES,
      },
    });
  } catch (error) {
    throw new RejectedError('bad-request', `The upload is malformed (${(error as Error).message}).`);
  }
}

/** Returns the bytes written. Nothing is left when it fails. */
async function writeWhole(
  stream: BusboyFileStream,
  folder: string,
  place: string,
  overwrite: boolean,
): Promise<number> {
  const part = join(folder, `.upload-${randomId()}.part`);
  let size = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      done(
        stream.truncated
          ? new UploadError(413, 'The file is larger than this server takes (vod max-upload).')
          : null,
      );
    },
  });
  try {
    await pipeline(stream, counter, createWriteStream(part, { flags: 'wx' }));
    if (overwrite) await rename(part, place);
    else await putInFreePlace(part, place);
    return size;
  } catch (error) {
    await unlink(part).catch(() => undefined);
    throw error;
  }
}

/** A link fails when somebody else was faster, which a rename would not. Some file systems have no links. */
async function putInFreePlace(part: string, place: string): Promise<void> {
  try {
    await link(part, place);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw error;
    await rename(part, place);
    return;
  }
  await unlink(part);
}

/** The folder's real path; levels that are missing are made. */
async function makeFolder(root: string, relative: string): Promise<string> {
  let { path } = await resolveInside(root, '');
  let done = '';
  for (const level of safeLevels(relative)) {
    const twin = await findTwin(path, level);
    if (twin === null) {
      const reason = reasonNotCreatable(level);
      if (reason !== '') throw new RejectedError('bad-request', reason);
      await mkdir(join(path, level)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST')
          throw new RejectedError('denied', `The folder cannot be made (${error.code ?? error.message}).`);
      });
    } else if (twin !== level) throw new RejectedError('busy', `There is a folder ${twin} already.`);
    done = `${done}/${level}`;
    const place = await resolveInside(root, done);
    if (!place.isFolder) throw new RejectedError('busy', `${level} is a file.`);
    ({ path } = place);
  }
  return path;
}
