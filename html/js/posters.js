// Small pictures of streams that were watched in this browser, for the list. The server makes none, so the player
// keeps one per stream; a stream that starts anew gets a new one.

const KEY = 'sluice.posters';
const MOST = 40;
const WIDTH = 320;

/** A data: address, or '' when this stream was not watched here since it began. */
export function posterOf(stream) {
  const kept = readAll()[stream.url];
  return kept !== undefined && kept.liveMs === stream.live_ms && /^data:image\/jpeg;/.test(kept.data)
    ? kept.data
    : '';
}

/** Keeps what the video shows now. */
export function keepPoster(stream, video) {
  if (video.videoWidth === 0 || stream.live_ms === 0) return;
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = Math.round((WIDTH * video.videoHeight) / video.videoWidth);
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  const all = readAll();
  delete all[stream.url];
  all[stream.url] = { liveMs: stream.live_ms, data: canvas.toDataURL('image/jpeg', 0.6) };
  const names = Object.keys(all);
  for (const name of names.slice(0, Math.max(0, names.length - MOST))) delete all[name];
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
    cached = all;
    cachedAt = Date.now();
  } catch {
    // No room or no storage: the list shows letters in place of a picture.
  }
}

let cached = {};
let cachedAt = 0;

// 200 cards ask in a row; the store is read once per second.
function readAll() {
  if (Date.now() - cachedAt < 1000) return cached;
  cachedAt = Date.now();
  try {
    cached = JSON.parse(localStorage.getItem(KEY) ?? '{}') ?? {};
  } catch {
    cached = {};
  }
  return cached;
}
