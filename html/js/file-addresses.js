// Addresses of files and recordings, and of the page that plays them. Pure.

/** The player page with a file of this server in it, for example `/vod/a.mp4`. */
export function filePage(path) {
  return `/player.html?${new URLSearchParams({ src: path })}`;
}

/** The player page with what was recorded of `app/name` from `start` to `end` (RFC 3339). */
export function recordingPage(stream, start, end) {
  return `/player.html?${new URLSearchParams({ rec: stream, start, end })}`;
}

/** A range of recordings: `index.m3u8` plays it, `clip.mp4` is one file of it. */
export function rangeAddress(stream, file, start, end) {
  const query = new URLSearchParams();
  if (start !== '') query.set('start', start);
  if (end !== '') query.set('end', end);
  return `/rec/${stream.split('/').map(encodeURIComponent).join('/')}/${file}?${query}`;
}
