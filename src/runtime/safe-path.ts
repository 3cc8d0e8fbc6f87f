/**
 * A path of a URL inside a folder of the operator: what it may be called, and where it really leads. The listener
 * has decoded the path once; here are refused names that a second decoding, Unicode normalisation, Windows or macOS
 * would read in another way, hidden files, symbolic links that lead out, and whatever is no plain file or folder.
 * Leaves out: hard links, which nothing tells from the files that they are.
 */
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { RejectedError } from '../util/errors.ts';

/** What file systems take, in bytes of UTF-8. */
const MAX_NAME_BYTES = 255;
const MAX_LEVELS = 32;
/** `CON`, `nul.txt`, `COM1`, also with the superscript digits that Windows takes for digits. */
const WINDOWS_DEVICE =
  /^(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)/i;
/** What would lead elsewhere if somebody decoded once more: controls, dot, slashes, colon, overlong UTF-8. */
const ENCODED_TRICK = /%(?:[01][0-9a-f]|2[ef]|3a|5c|7f|c[01]|e0%[89]|f0%8|u[0-9a-f]{4})/i;
/** Controls, line separators, marks that turn the direction of text, byte order mark, halves of surrogate pairs. */
const UNPRINTABLE =
  /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/u;
/** Refused by Windows, so a name that holds one could not be copied there. */
const NOT_ON_WINDOWS = /[<>"|?*]/;

/** A file or folder that was found inside another folder. */
export interface PlaceInside {
  /** Real path: without symbolic links, spelt as the file system spells it. Two addresses of one file give the same. */
  readonly path: string;
  /** Last level of the address; '' for the folder itself. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly sizeBytes: number;
  /** Milliseconds since 1970, with a fraction. */
  readonly modifiedMs: number;
}

/** Why this must not be one level of a path, as a sentence; '' when it may. */
export function reasonNotSafe(level: string): string {
  if (level === '' || level === '.' || level === '..') return 'The path holds an empty, "." or ".." level.';
  if (level.startsWith('.')) return 'Names that begin with a dot are hidden.';
  if (Buffer.byteLength(level) > MAX_NAME_BYTES) return `A name is longer than ${MAX_NAME_BYTES} bytes.`;
  if (/[/\\]/.test(level)) return 'A name holds a slash.';
  if (UNPRINTABLE.test(level)) return 'A name holds a character that cannot be seen.';
  if (level.includes(':')) return 'A name holds a colon.';
  if (ENCODED_TRICK.test(level)) return 'A name is percent-encoded twice.';
  if (/[. ]$/.test(level)) return 'A name ends with a dot or a space.';
  if (WINDOWS_DEVICE.test(level)) return 'A name is that of a device on Windows.';
  // Full-width forms, one-dot leaders and the like: harmless, unless something normalises them into a way out.
  for (const plain of level.normalize('NFKC').split(/[/\\]/)) {
    if (plain === '' || /^\.+$/.test(plain))
      return 'A name would be another path after Unicode normalisation.';
  }
  return '';
}

/** The same for names that are to be made: what every system can hold, spelt in one way (Unicode NFC). */
export function reasonNotCreatable(level: string): string {
  const reason = reasonNotSafe(level);
  if (reason !== '') return reason;
  if (NOT_ON_WINDOWS.test(level)) return 'A name holds one of the characters < > " | ? *.';
  if (level.startsWith(' ')) return 'A name begins with a space.';
  return level === level.normalize('NFC') ? '' : 'A name is not in Unicode normal form NFC.';
}

/**
 * The levels of a path relative to a folder, such as `film/a.mp4`; slashes at either end count for nothing.
 * Throws RejectedError when one of them is not safe.
 */
export function safeLevels(relative: string): string[] {
  const trimmed = relative.replace(/^\/+|\/+$/g, '');
  if (trimmed === '') return [];
  const levels = trimmed.split('/');
  if (levels.length > MAX_LEVELS)
    throw new RejectedError('bad-request', `The path has more than ${MAX_LEVELS} levels.`);
  for (const level of levels) {
    const reason = reasonNotSafe(level);
    if (reason !== '') throw new RejectedError('bad-request', reason);
  }
  return levels;
}

/**
 * Where `relative` (as for `safeLevels`) leads inside `folder`. Throws RejectedError: bad-request for a name that is
 * a trick, not-found when there is nothing, denied when it leads out or is a device, pipe or socket.
 */
export async function resolveInside(folder: string, relative: string): Promise<PlaceInside> {
  const levels = safeLevels(relative);
  const name = levels.at(-1) ?? '';
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, ...levels));
    if (path !== root && !path.startsWith(root.endsWith(sep) ? root : root + sep))
      throw new RejectedError('denied', 'This link leads out of the folder.');
    const found = await stat(path);
    if (!found.isFile() && !found.isDirectory())
      throw new RejectedError('denied', 'This is neither a file nor a folder.');
    return {
      path,
      name,
      isFolder: found.isDirectory(),
      sizeBytes: found.isFile() ? found.size : 0,
      modifiedMs: found.mtimeMs,
    };
  } catch (error) {
    if (error instanceof RejectedError) throw error;
    throw refusalOf(error as NodeJS.ErrnoException);
  }
}

function refusalOf(error: NodeJS.ErrnoException): Error {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
    case 'EINVAL':
      return new RejectedError('not-found', 'There is no such file.');
    case 'EACCES':
    case 'EPERM':
    case 'ELOOP':
      return new RejectedError('denied', 'This file cannot be read.');
    default:
      return error;
  }
}

/**
 * Whether a name that is to be made is taken in `folder`: by itself, or by a twin that differs in letter case or in
 * Unicode normalisation alone, which other systems take for the same file.
 */
export async function findTwin(folder: string, name: string): Promise<string | null> {
  const wanted = foldName(name);
  const exact = await lstat(join(folder, name)).catch(() => null);
  if (exact !== null) return name;
  const names = await readdir(folder).catch(() => []);
  return names.find((other) => foldName(other) === wanted) ?? null;
}

function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}
