// Files of the vod folder: folders, files, playing and keeping them.

import { getJson } from './api.js';
import { downloadLink, empty, playLink, row, rows } from './archive-rows.js';
import { filePage } from './file-addresses.js';
import { fileSize } from './file-format.js';
import { t } from './i18n.js';

/** What the player page plays: as it is, or as HLS that the server makes of it. */
const PLAYABLE = /\.(mp4|m4v|m4a|mov|flv|ts|m2ts|m3u8|webm|ogg|mp3|aac|wav)$/i;

export function vodView(path) {
  const below = path.map((name) => `/${encodeURIComponent(name)}`).join('');
  return {
    read: () => getJson(`/api/vod${below}?detail=1`),
    rows: ({ dirs, files }) => {
      if (dirs.length + files.length === 0)
        return [
          path.length === 0 ? empty(t('vod.empty'), t('vod.empty.text')) : empty(t('vod.emptyFolder'), ''),
        ];
      const folders = dirs.map(({ name }) =>
        row({
          href: `#vod/${[...path, name].map(encodeURIComponent).join('/')}`,
          name,
          facts: [],
          isFolder: true,
        }),
      );
      return [rows([...folders, ...files.map((file) => fileRow(file, below))])];
    },
  };
}

function fileRow({ name, size, mtime }, below) {
  const address = `/vod${below}/${encodeURIComponent(name)}`;
  const canPlay = PLAYABLE.test(name);
  const page = canPlay ? filePage(address) : '';
  const changed = new Date(mtime).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
  return row({
    href: page,
    name,
    facts: [fileSize(size), changed],
    actions: [...(canPlay ? [playLink(page, name)] : []), downloadLink(`${address}?download=1`, name)],
  });
}
