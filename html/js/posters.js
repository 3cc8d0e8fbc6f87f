// Pictures for the list: the stream's key frame, which the server gives as an MP4 of one picture, and where the browser
// cannot decode it the last picture that was watched here.

const KEY = 'sluice.posters';
const MOST = 40;
const WIDTH = 320;
const FRESH_MS = 15_000;

const shots = new Map();
const wanted = [];
let camera = null;

/** A data: address, or '' while there is none. Asks for a fresh one when the last is old. */
export function posterOf(stream) {
  const shot = shots.get(stream.url);
  const live = stream.state === 'live' && stream.video !== null;
  if (live && (shot === undefined || Date.now() - shot.at > FRESH_MS)) order(stream.url);
  if (live && shot?.data) return shot.data;
  const kept = readAll()[stream.url];
  return kept !== undefined && kept.liveMs === stream.live_ms && /^data:image\/jpeg;/.test(kept.data)
    ? kept.data
    : '';
}

function order(url) {
  shots.set(url, { at: Date.now(), data: shots.get(url)?.data ?? '' });
  if (wanted.length < 200) wanted.push(url);
  if (camera === null) shoot();
}

// One picture at a time: a page with two hundred streams must not open two hundred decoders.
function shoot() {
  const url = wanted.shift();
  if (url === undefined || document.hidden) {
    camera = null;
    return;
  }
  camera ??= Object.assign(document.createElement('video'), { muted: true, preload: 'auto' });
  const done = (data) => {
    camera.onloadeddata = null;
    camera.onerror = null;
    if (data !== '') shots.set(url, { at: Date.now(), data });
    setTimeout(shoot, 50);
  };
  camera.onloadeddata = () => done(draw(camera));
  camera.onerror = () => done('');
  camera.src = `${url.split('/').map(encodeURIComponent).join('/')}.keyframe.mp4`;
}

function draw(video) {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = Math.round((WIDTH * video.videoHeight) / video.videoWidth);
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.6);
}

/** Keeps what the video shows now. */
export function keepPoster(stream, video) {
  if (video.videoWidth === 0 || stream.live_ms === 0) return;
  const all = readAll();
  delete all[stream.url];
  all[stream.url] = { liveMs: stream.live_ms, data: draw(video) };
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
