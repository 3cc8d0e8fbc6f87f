// Addresses and command lines of a stream. Nothing here touches the document.
// Two rules: a person never sees an address that works only on the server itself, and a copied command line can
// never run more than its program, whatever a publisher called the stream.

const WAY_FACTS = {
  webrtc: ['WebRTC', 'whep'],
  'http-flv': ['HTTP-FLV', 'flv'],
  'ws-flv': ['WS-FLV', 'flv'],
  'http-fmp4': ['HTTP-fMP4', 'mp4'],
  'ws-fmp4': ['WS-fMP4', 'mp4'],
  'http-ts': ['HTTP-TS', 'ts'],
  'ws-ts': ['WS-TS', 'ts'],
  hls: ['HLS', 'm3u8'],
  'll-hls': ['LL-HLS', 'll.m3u8'],
  dash: ['DASH', 'mpd'],
  'll-dash': ['LL-DASH', 'll.mpd'],
  aac: ['AAC', 'aac'],
  mp3: ['MP3', 'mp3'],
};

/** Ways to play in a browser, in the order in which they are shown. */
export const WAYS = Object.keys(WAY_FACTS);

/** What a server is asked for that does not say what it offers. */
const USUAL_WAYS = ['webrtc', 'http-flv', 'ws-flv', 'hls'];

export function wayLabel(way) {
  return WAY_FACTS[way][0];
}

/** The ways that the server offers for a stream, by the types of its addresses. */
export function offeredWays(stream) {
  if (stream?.urls === undefined) return USUAL_WAYS;
  const types = new Set(
    stream.urls.map(({ type }) => type.replace(/^(http|ws)s-/, '$1-').replace('http-whep', 'webrtc')),
  );
  return WAYS.filter((way) => types.has(way) || types.has(`http-${way}`));
}

/** Addresses that mean nothing, or something else, on another machine of the network. */
export function isLoopback(host) {
  const bare = host.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || bare === '::' || bare === '0.0.0.0' || /^127\./.test(bare);
}

/**
 * The host to print in place of `host`: the server's address in the network when `host` leads nowhere from another
 * machine. Any other host is right as it is: the server prints its configured public address, or the name by which
 * this browser reached it.
 */
export function printedHost(host, server) {
  if (!isLoopback(host)) return host;
  return (
    [...(server?.addresses ?? []), server?.host ?? ''].find((other) => other !== '' && !isLoopback(other)) ??
    host
  );
}

/** An address of the server as it should be printed. */
export function printedUrl(url, server) {
  const host = url.match(/^[a-z]+:\/\/(\[[^\]]*\]|[^/:?#]*)/i)?.[1] ?? '';
  return withHost(url, printedHost(host, server));
}

/** The same address at another host; port, path and query stay. */
export function withHost(url, host) {
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return url.replace(/^([a-z]+:\/\/)(\[[^\]]*\]|[^/:?#]*)/i, (_whole, scheme) => scheme + bracketed);
}

/** Path of a stream on this server, each part encoded: `/live/cam`. */
export function streamPath(app, name) {
  return `/${[...app.split('/'), ...name.split('/')].map(encodeURIComponent).join('/')}`;
}

/**
 * Where to publish by `type` (of the server's own list, RTMP when it is not there), with the host that should be printed.
 * `server` may be null: then by RTMP at `host`.
 */
export function publishAddress(server, host, { type, app, name }) {
  const listed = server?.publish.find((way) => way.type === type)?.url ?? `rtmp://${host}/live`;
  const url = printedUrl(listed, server);
  const path = streamPath(app, name);
  if (type === 'srt') return url.replace(/(streamid=publish:).*$/, (_whole, begin) => begin + path.slice(1));
  return url.replace(/^([a-z]+:\/\/[^/]+).*$/i, '$1') + path + (type === 'http-whip' ? '/whip' : '');
}

/** Where the page itself plays from: always the origin that served the page. `extra` are tokens and the like. */
export function playAddress(way, origin, app, name, extra = '') {
  const query = extra === '' ? '' : `?${extra}`;
  const base = way.startsWith('ws-') ? origin.replace(/^http/, 'ws') : origin;
  return `${base}${streamPath(app, name)}${way === 'webrtc' ? '/' : '.'}${WAY_FACTS[way][1]}${query}`;
}

export function playerPage(app, name, way = '') {
  const query = new URLSearchParams({ app, stream: name });
  if (way !== '') query.set('way', way);
  return `/player.html?${query}`;
}

/**
 * A word for sh and cmd.exe alike. Characters that either of them could act on are percent-encoded (this is about
 * addresses, where that is the same thing); what remains of `&` and `?` needs quotes.
 */
export function shellWord(address) {
  const safe = address.replace(/[^A-Za-z0-9._~:/?=&+,@[\]-]/g, (character) =>
    character === '%' ? '%' : encodeURIComponent(character).replace(/[!'()*]/g, hexEscape),
  );
  return /[?&=[\]]/.test(safe) ? `"${safe}"` : safe;
}

function hexEscape(character) {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Command lines to publish to an address of RTMP, SRT or WHIP. */
export function publishCommands(url) {
  const isWhip = url.startsWith('http');
  // SRT carries MPEG-TS, seven packets at a time.
  const isSrt = url.startsWith('srt:');
  const format = isWhip ? 'whip' : isSrt ? 'mpegts' : 'flv';
  const target = `-f ${format} ${shellWord(isSrt ? `${url}&pkt_size=1316` : url)}`;
  const sound = isWhip ? '-c:a libopus -ar 48000 -ac 2' : '-c:a aac';
  const encode = `-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 ${sound} -b:a 128k`;
  const picture = '-f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440';
  return {
    file: `ffmpeg -re -i video.mp4 ${encode} ${target}`,
    testPicture: `ffmpeg -re ${picture} ${encode} ${target}`,
  };
}

/** OBS wants server and key apart: the last part of the path, with its query, is the key. */
export function serverAndKey(rtmpUrl) {
  const query = rtmpUrl.indexOf('?');
  const slash = rtmpUrl.lastIndexOf('/', query === -1 ? undefined : query);
  return { server: rtmpUrl.slice(0, slash), key: rtmpUrl.slice(slash + 1) };
}
