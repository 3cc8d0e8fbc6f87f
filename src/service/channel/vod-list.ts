/**
 * Which files a channel plays: one of the vod folder, or those that a playlist there names, one a line. Lines with `#`
 * (comments, #EXTM3U, #EXTINF) and empty ones are passed over; a name counts from the playlist's folder, with a slash in
 * front from the vod folder. Read again for every round.
 */
import { readFile } from 'node:fs/promises';
import type { SupplyItem } from '../../media-file/file-supply.ts';
import { openMediaFile } from '../../media-file/media-file.ts';
import { resolveInside } from '../../runtime/safe-path.ts';
import { RejectedError } from '../../util/errors.ts';

const PLAYLIST = /\.m3u8?$/i;
const MAX_PLAYLIST_BYTES = 1024 * 1024;
const MAX_ITEMS = 10_000;

/** `file` is relative to `folder`. Rejects with RejectedError when the playlist cannot be read. */
export async function listItems(folder: string, file: string): Promise<SupplyItem[]> {
  if (!PLAYLIST.test(file)) return [makeItem(folder, file)];
  const { path, sizeBytes, isFolder } = await resolveInside(folder, file);
  if (isFolder) throw new RejectedError('bad-request', 'This is a folder.');
  if (sizeBytes > MAX_PLAYLIST_BYTES)
    throw new RejectedError('limit', `A playlist of ${sizeBytes} bytes is too long.`);
  const names = parseNames(await readFile(path, 'utf8'));
  if (names.length === 0) throw new RejectedError('bad-request', 'The playlist names no file.');
  if (names.length > MAX_ITEMS)
    throw new RejectedError('limit', `The playlist names more than ${MAX_ITEMS} files.`);
  const base = file.includes('/') ? file.slice(0, file.lastIndexOf('/') + 1) : '';
  return names.map((name) => makeItem(folder, name.startsWith('/') ? name.slice(1) : `${base}${name}`));
}

export function parseNames(text: string): string[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim().replace(/^\.\//, ''))
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function makeItem(folder: string, name: string): SupplyItem {
  return {
    name,
    open: async () => {
      const { path, isFolder } = await resolveInside(folder, name);
      if (isFolder) throw new RejectedError('bad-request', 'This is a folder.');
      return await openMediaFile(path);
    },
  };
}
