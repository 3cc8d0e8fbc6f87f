// What the address of the player page asks for. Pure.
import { rangeAddress } from './file-addresses.js';

const OWN = new Set(['app', 'stream', 'way', 'autostart', 'muted', 'lang', 'src', 'rec', 'start', 'end']);
/** Folders of this server with files to play. */
const FILE_FOLDERS = ['/vod/', '/rec/'];
/** What browsers play as it is; anything else in /vod/ is asked for as HLS. */
const NATIVE = /\.(mp4|m4v|m4a|webm|ogg|mp3|aac|wav)$/i;

/**
 * `framed`: shown inside another page. There it starts by itself only when asked to; opened as a page of its own,
 * somebody has just clicked on the stream, so it starts unless told not to. `file` is null for a live stream.
 */
export function fromLocation(query, framed) {
  const autostart = query.get('autostart');
  const extra = new URLSearchParams();
  for (const [name, value] of query) if (!OWN.has(name)) extra.append(name, value);
  // The list of segments is what a delay is asked of.
  const usualWay = Number(query.get('delay')) > 0 ? 'hls' : '';
  return {
    app: query.get('app') || 'live',
    name: query.get('stream') || 'stream',
    way: query.get('way') ?? usualWay,
    autostart: autostart === null ? !framed : isYes(autostart),
    muted: isYes(query.get('muted') ?? ''),
    extra: extra.toString(),
    framed,
    file: recordingOf(query) ?? fileOf(query),
  };
}

/** `{ title, way, url, download }`: what to play in place of a live stream. */
function recordingOf(query) {
  const stream = query.get('rec');
  if (!stream) return null;
  const [start, end] = [query.get('start') ?? '', query.get('end') ?? ''];
  return {
    title: stream,
    start,
    end,
    way: 'hls',
    url: rangeAddress(stream, 'index.m3u8', start, end),
    download: rangeAddress(stream, 'clip.mp4', start, end),
  };
}

/** Only files of this server: an address that leads elsewhere must not play under this server's name. */
function fileOf(query) {
  const source = query.get('src');
  if (source === null) return null;
  const here = 'http://here';
  const path = URL.canParse(source, here) ? new URL(source, here) : null;
  const isOwn = source.startsWith('/') && path?.origin === here;
  if (!isOwn || !FILE_FOLDERS.some((folder) => path.pathname.startsWith(folder))) {
    return { title: source, start: '', end: '', way: '', url: '', download: '' };
  }
  const name = path.pathname.slice(path.pathname.lastIndexOf('/') + 1);
  const isList = name.endsWith('.m3u8');
  const isNative = NATIVE.test(name);
  return {
    title: readable(name),
    start: '',
    end: '',
    way: isNative ? 'file' : 'hls',
    url: isList || isNative ? path.pathname + path.search : `${path.pathname}.m3u8`,
    download: isList ? '' : `${path.pathname}?download=1`,
  };
}

function readable(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function isYes(value) {
  return value === '1' || value === 'true' || value === 'yes';
}
