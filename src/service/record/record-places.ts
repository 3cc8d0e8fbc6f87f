/**
 * Addresses of recordings: which file an address below /rec/ means, and which address a file has. Addresses name the
 * stream, the day and the file, as smart_rtmpd's do; the host that the publisher typed is found by itself, that of the
 * request first. A file that lies elsewhere by the policy is at `/rec/-/` and its path.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dayOf, isDay, type RecordedFile } from '../../recordings/recording-entry.ts';
import { namesOf, type RecordingIndex } from '../../recordings/recording-index.ts';
import { readLevel, safeLevel, safePath } from '../../recordings/safe-name.ts';
import { resolveInside } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';
import { REC_APP } from './record-config.ts';

const ROOT = '/rec/';
/** Behind it the path in the folder, as it is. */
const EXACT = '-';
const USUAL = /^[^/]+\/(.+\/\d{4}-\d{2}-\d{2}\/[^/]+)$/;
/** Hosts that were ever published to: more are not looked through. */
const MAX_HOSTS = 1000;

/** The address that plays a file of the index. */
export function addressOf(file: string): string {
  const usual = USUAL.exec(file)?.[1];
  const path = usual ?? `${EXACT}/${file}`;
  return ROOT + path.split('/').map(encodeURIComponent).join('/');
}

/** What stands behind `/rec/`: the folder itself, a stream, a day of it, a file, or something else. */
export type RecAddress =
  | { readonly kind: 'root' }
  | { readonly kind: 'stream'; readonly stream: string }
  | { readonly kind: 'day'; readonly stream: string; readonly day: string }
  | { readonly kind: 'file'; readonly stream: string; readonly day: string; readonly name: string }
  | { readonly kind: 'exact'; readonly path: string };

/** `path` has no `/rec` or `/api/rec` in front; slashes at the ends count for nothing. */
export function parseRecAddress(path: string): RecAddress {
  const levels = path.split('/').filter((level) => level !== '');
  if (levels[0] === EXACT && levels.length > 1) return { kind: 'exact', path: levels.slice(1).join('/') };
  const last = levels.at(-1);
  if (last === undefined) return { kind: 'root' };
  if (levels.length > 1 && isDay(last)) {
    return { kind: 'day', stream: levels.slice(0, -1).join('/'), day: last };
  }
  const day = levels.at(-2) ?? '';
  if (levels.length > 2 && isDay(day)) {
    return { kind: 'file', stream: levels.slice(0, -2).join('/'), day, name: last };
  }
  return { kind: 'stream', stream: levels.join('/') };
}

export class RecordPlaces {
  private readonly index: RecordingIndex;

  constructor(index: RecordingIndex) {
    this.index = index;
  }

  /** Streams with recordings as their addresses name them: those of the application rec without it. */
  async streams(vhost: string): Promise<string[]> {
    const names: string[] = [];
    for (const { stream } of this.index.streams()) {
      if (vhost === '' || (await this.hasFolder(vhost, stream, ''))) names.push(shortName(stream));
    }
    return names.sort((a, b) => (a < b ? -1 : 1));
  }

  /** Oldest first. */
  async days(name: string, vhost: string): Promise<string[]> {
    const days = new Set<string>();
    for (const stream of fullNames(name)) {
      for (const { day, files } of this.index.daysOf(stream)) {
        if (files > 0 && (vhost === '' || (await this.hasFolder(vhost, stream, day)))) days.add(day);
      }
      for (const file of this.openOf(stream)) days.add(dayOf(file.startMs));
    }
    return [...days].sort();
  }

  /** Names of lists and files of a day, oldest first. */
  async files(name: string, day: string, vhost: string): Promise<string[]> {
    const names: string[] = [];
    for (const stream of fullNames(name)) {
      const open = this.openOf(stream).filter((file) => dayOf(file.startMs) === day);
      for (const { file } of [...(await this.index.filesOfDay(stream, day)), ...open]) {
        if (vhost === '' || file.startsWith(`${safeLevel(vhost)}/`)) names.push(baseName(file));
      }
    }
    return [...new Set(names)];
  }

  private openOf(stream: string): RecordedFile[] {
    return this.index.openFiles().filter((file) => file.stream === stream);
  }

  private async hasFolder(vhost: string, stream: string, day: string): Promise<boolean> {
    const place = safePath(shortName(stream));
    const found = await stat(join(this.index.folder, safeLevel(vhost), ...place.split('/'), day)).catch(
      () => null,
    );
    return found?.isDirectory() === true;
  }

  /** Real path of a file. Throws RejectedError when there is none. */
  async find(address: RecAddress, host: string, vhost: string): Promise<string> {
    if (address.kind === 'exact') return this.inside(address.path);
    if (address.kind !== 'file') throw new RejectedError('not-found', 'This is no file.');
    const { stream, day, name } = address;
    for (const folder of vhost === '' ? await this.hosts(host) : [safeLevel(vhost)]) {
      for (const place of new Set([stream, safePath(stream)])) {
        const found = await this.inside(`${folder}/${place}/${day}/${name}`).catch(() => null);
        if (found !== null) return found;
      }
    }
    for (const full of fullNames(stream)) {
      const files = [...(await this.index.filesOfDay(full, day)), ...this.openOf(full)];
      const path = files.flatMap(namesOf).find((one) => baseName(one) === name);
      if (path !== undefined) return this.inside(path);
    }
    throw new RejectedError(
      'not-found',
      `There is no recording ${name} of ${stream} on ${day}; ${ROOT}${stream}/${day} lists what there is.`,
    );
  }

  private async inside(path: string): Promise<string> {
    const found = await resolveInside(this.index.folder, path);
    if (found.isFolder) throw new RejectedError('not-found', 'This is a folder.');
    return found.path;
  }

  /** Folders of hosts, that of the request first. */
  private async hosts(host: string): Promise<string[]> {
    const own = safeLevel(host.replace(/^\[(.*)\]$/, '$1'));
    const found = await readdir(this.index.folder, { withFileTypes: true }).catch(() => []);
    const names = found
      .filter((one) => one.isDirectory() && !one.name.startsWith('.'))
      .map((one) => one.name);
    return [own, ...names.filter((name) => name !== own).sort()].slice(0, MAX_HOSTS);
  }
}

/** `rec/cam` is `cam`, `live/cam` stays. */
function shortName(stream: string): string {
  const own = `${REC_APP}/`;
  return stream.startsWith(own) && !stream.includes('/', own.length) ? stream.slice(own.length) : stream;
}

/** What an address may mean: a stream of the application rec, or one with its application. */
export function fullNames(name: string): string[] {
  const plain = name
    .split('/')
    .map((level) => readLevel(level) ?? level)
    .join('/');
  return [...new Set([`${REC_APP}/${name}`, name, `${REC_APP}/${plain}`, plain])];
}

function baseName(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1);
}
