/**
 * Names of peers as names of folders and files: stream names are hostile, file systems differ. What every system takes
 * stays as it is; the rest is written `~` and two hexadecimal digits per byte of UTF-8, so that two streams never share
 * a folder and the name can be read back.
 */
import { createHash } from 'node:crypto';
import { reasonNotCreatable } from '../runtime/safe-path.ts';

/** Longest level, in bytes; room is left for what is appended. Longer names are cut and told apart by a digest. */
const MAX_BYTES = 160;
const DIGEST_LETTERS = 12;
const CUT_MARK = '~~';

/** One level of a path for any text. */
export function safeLevel(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in a name.
  let level = text.replace(/[\u0000-\u001f\u007f<>:"|?*\\/~%[\]]/g, escapeLetter);
  if (reasonNotCreatable(level) !== '') {
    const [first = '', ...rest] = [...text];
    level = escapeLetter(first) + rest.join('').replace(/[^\w-]/gu, escapeLetter);
  }
  if (Buffer.byteLength(level) <= MAX_BYTES) return level;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, DIGEST_LETTERS);
  let kept = level;
  while (Buffer.byteLength(kept) > MAX_BYTES - DIGEST_LETTERS - CUT_MARK.length) kept = kept.slice(0, -1);
  return `${kept.replace(/~[0-9a-f]?$/, '').replace(/[\ud800-\udbff. ]+$/, '')}${CUT_MARK}${digest}`;
}

/** A path of levels, each made safe; slashes of the text stay slashes. */
export function safePath(text: string): string {
  return text
    .split('/')
    .filter((level) => level !== '')
    .map(safeLevel)
    .join('/');
}

/** The text that `safeLevel` was given; null when the level was cut or is none of its making. */
export function readLevel(level: string): string | null {
  if (level.includes(CUT_MARK)) return null;
  const bytes: Buffer[] = [];
  for (const part of level.split(/(~[0-9a-f]{2})/)) {
    bytes.push(/^~[0-9a-f]{2}$/.test(part) ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part, 'utf8'));
  }
  const text = Buffer.concat(bytes).toString('utf8');
  return safeLevel(text) === level ? text : null;
}

export function readPath(path: string): string | null {
  const levels = path.split('/').map(readLevel);
  return levels.some((level) => level === null) ? null : levels.join('/');
}

function escapeLetter(letter: string): string {
  let text = '';
  for (const byte of Buffer.from(letter, 'utf8')) text += `~${byte.toString(16).padStart(2, '0')}`;
  return text;
}
