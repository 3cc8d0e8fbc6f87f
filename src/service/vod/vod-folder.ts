/** What lies in a folder of files: names that can be asked for, in the order that people expect. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { reasonNotSafe } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';

/** Entries of one folder; what is beyond is not told. */
const MAX_ENTRIES = 10_000;
/** Files whose facts are asked for at the same time. */
const STAT_BATCH = 32;

export interface FileFacts {
  readonly name: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly modifiedMs: number;
}

export interface FolderListing {
  readonly dirs: readonly FileFacts[];
  readonly files: readonly FileFacts[];
}

/** Throws RejectedError. `folder` is a real path. Links, devices and names that are refused are left out. */
export async function listFolder(folder: string): Promise<FolderListing> {
  let entries: {
    readonly name: string;
    isFile(): boolean;
    isDirectory(): boolean;
    isSymbolicLink(): boolean;
  }[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new RejectedError('not-found', 'There is no such folder.');
    throw new RejectedError('denied', 'This folder cannot be read.');
  }
  const named = entries.filter((entry) => reasonNotSafe(entry.name) === '').slice(0, MAX_ENTRIES);
  const dirs: FileFacts[] = [];
  const files: FileFacts[] = [];
  for (let at = 0; at < named.length; at += STAT_BATCH) {
    const batch = named.slice(at, at + STAT_BATCH);
    // A link is listed as what it leads to; whether it leads out is seen when somebody asks for it.
    const found = await Promise.all(batch.map(({ name }) => stat(join(folder, name)).catch(() => null)));
    for (const [index, facts] of found.entries()) {
      const { name } = batch[index]!; // one fact per entry
      if (facts === null) continue;
      const one = { name, sizeBytes: facts.size, modifiedMs: Math.floor(facts.mtimeMs) };
      if (facts.isDirectory()) dirs.push({ ...one, sizeBytes: 0 });
      else if (facts.isFile()) files.push(one);
    }
  }
  const { compare } = new Intl.Collator('en', { numeric: true });
  const byName = (a: FileFacts, b: FileFacts) => compare(a.name, b.name) || (a.name < b.name ? -1 : 1);
  return { dirs: dirs.sort(byName), files: files.sort(byName) };
}
