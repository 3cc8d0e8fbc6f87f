/** The list of a folder as a page without scripts, in the look of the other pages; English or Chinese. */
import type { FileFacts, FolderListing } from './vod-folder.ts';

/** No script can run in it, whatever a file is called. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

export type Language = 'en' | 'zh';

const TEXTS = {
  en: {
    lang: 'en',
    title: 'Files',
    streams: 'Streams',
    manual: 'Manual',
    manualAddress: '/docs/',
    name: 'Name',
    size: 'Size',
    changed: 'Changed',
    ways: 'Watch or keep',
    up: 'One folder up',
    download: 'Download',
    empty: 'This folder is empty. Put files into it on the server; they are here at once.',
  },
  zh: {
    lang: 'zh-Hans',
    title: '文件',
    streams: '直播流',
    manual: '手册',
    manualAddress: '/docs/zh.html',
    name: '名称',
    size: '大小',
    changed: '修改时间',
    ways: '观看或保存',
    up: '上一级文件夹',
    download: '下载',
    empty: '这个文件夹是空的。把文件放进服务器上的这个文件夹，马上就能在这里看到。',
  },
} as const;

/** The first language of Accept-Language (RFC 9110 12.5.4) that there are texts for. */
export function pickLanguage(header: string | undefined): Language {
  const wishes = (header ?? '')
    .split(',')
    .map((wish, index) => {
      const [tag = '', ...parameters] = wish.trim().toLowerCase().split(';');
      const quality = Number(/^\s*q=([\d.]+)\s*$/.exec(parameters.join(';'))?.[1] ?? '1');
      return { base: tag.split('-')[0], quality: Number.isNaN(quality) ? 0 : quality, index };
    })
    .filter(({ base, quality }) => (base === 'en' || base === 'zh') && quality > 0)
    .sort((a, b) => b.quality - a.quality || a.index - b.index);
  return wishes[0]?.base === 'zh' ? 'zh' : 'en';
}

/** `path` is the address of the folder, with a slash at its end; `canBeHls` says which files have a playlist. */
export function folderPage(
  path: string,
  listing: FolderListing,
  language: Language,
  canBeHls: (name: string) => boolean,
): string {
  const t = TEXTS[language];
  const rows: string[] = [];
  if (path !== '/vod/') rows.push(`<tr><td colspan="4"><a href="../">${t.up}</a></td></tr>`);
  for (const { name } of listing.dirs)
    rows.push(
      `<tr><td colspan="4"><a href="./${encodeURIComponent(name)}/">${escapeHtml(name)}/</a></td></tr>`,
    );
  for (const file of listing.files) rows.push(fileRow(file, t.download, canBeHls(file.name)));
  const isEmpty = listing.dirs.length + listing.files.length === 0;
  const where = escapeHtml(path);
  return `<!doctype html>
<html lang="${t.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${where} - Sluice</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<link rel="stylesheet" href="/manual.css">
</head>
<body>
<header class="top">
  <a class="brand" href="/"><img src="/favicon.svg" alt="" width="24" height="24">Sluice</a>
  <nav><a href="/">${t.streams}</a><a href="/vod/" aria-current="page">${t.title}</a><a href="${t.manualAddress}">${t.manual}</a></nav>
</header>
<main class="page">
<div class="section-head"><h1>${where}</h1></div>
<div class="panel manual-text table-scroll">
<table>
<thead><tr><th>${t.name}</th><th>${t.size}</th><th>${t.changed}</th><th>${t.ways}</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
${isEmpty ? `<p class="muted">${t.empty}</p>` : ''}
</div>
</main>
</body>
</html>
`;
}

function fileRow(file: FileFacts, download: string, hasHls: boolean): string {
  const address = `./${encodeURIComponent(file.name)}`;
  const changed = new Date(file.modifiedMs).toISOString();
  const hls = hasHls ? `<a href="${address}.m3u8">HLS</a> ` : '';
  return (
    `<tr><td><a href="${address}">${escapeHtml(file.name)}</a></td><td>${sizeText(file.sizeBytes)}</td>` +
    `<td><time datetime="${changed}">${changed.slice(0, 16).replace('T', ' ')}</time> UTC</td>` +
    `<td>${hls}<a href="${address}?download=1">${download}</a></td></tr>`
  );
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
