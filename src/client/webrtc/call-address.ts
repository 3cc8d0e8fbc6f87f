/**
 * Addresses that are called over WebRTC: `whep://`, `wheps://`, `whip://` and `whips://` (HTTP and HTTPS by another
 * name), `webrtc://host/app/stream` as SRS and its players write it, and plain `http(s)://` ones that name WHIP or WHEP.
 * A user name alone is a Bearer token (RFC 6750), with a password it is Basic (RFC 7617); `?token=` stays in the query
 * and is the Bearer token of an address without a user.
 */

export type CallRole = 'play' | 'publish';

export interface CallAddress {
  /** http: or https:, without user and password. */
  readonly url: URL;
  /** Value of the Authorization field; '' = none. */
  readonly authorization: string;
}

const MAX_LENGTH = 4096;
/** Where SRS answers calls. */
const SRS_PORT = '1985';
const WORDS: Readonly<Record<CallRole, string>> = { play: 'whep', publish: 'whip' };
const FILE = /\.(flv|ts|m3u8|mp4|mpd|aac|mp3)$/i;
/** Of a field of HTTP. */
const TOKEN = /^[\x21-\x7e]{1,2048}$/;

/** Null for what is no address of this kind. */
export function parseCallAddress(text: string, role: CallRole): CallAddress | null {
  const scheme = /^([a-z]+):\/\//i.exec(text)?.[1]?.toLowerCase() ?? '';
  const word = WORDS[role];
  if (text.length > MAX_LENGTH) return null;
  if (scheme === 'webrtc') return fromUrl(srsUrl(text, word));
  if (scheme === word || scheme === `${word}s`) return fromUrl(httpUrl(text, scheme === word));
  if (scheme === 'http' || scheme === 'https') return namesRole(text, role) ? fromUrl(urlOf(text)) : null;
  return null;
}

/** Whether an address of HTTP says by its path or query that it is one of WHEP (`play`) or WHIP (`publish`). */
export function namesRole(text: string, role: CallRole): boolean {
  const url = urlOf(text);
  if (url === null) return false;
  const word = WORDS[role];
  const path = url.pathname.replace(/\/+$/, '').toLowerCase();
  const { searchParams: query } = url;
  return (
    path.endsWith(`/${word}`) ||
    (path.startsWith(`/${word}/`) && !FILE.test(path)) ||
    (role === 'play' && path === '/rtc/v1/whip-play') ||
    (path === '/api/webrtc' && query.has(role === 'play' ? 'src' : 'dst')) ||
    query.get('direction') === word
  );
}

/**
 * The address of one stream of ours at a target. One without a path keeps our names (`whip://host/live/cam/whip`). With
 * `isForMany` it stands for many streams: `whip://host/in` and `whip://host/in/whip` become `.../in/cam/whip`, one
 * with `app=` in its query gets `stream=cam`, `webrtc://host/in` its last part. Otherwise it stays as it is.
 */
export function callAddressOfStream(text: string, app: string, name: string, isForMany: boolean): string {
  const split = text.search(/[?#]/);
  const whole = (split < 0 ? text : text.slice(0, split)).replace(/\/+$/, '');
  const query = split < 0 ? '' : text.slice(split);
  const hasPath = /^[a-z]+:\/\/[^/]*\//i.test(whole);
  if ((hasPath && !isForMany) || /[?&]dst=/.test(query)) return text;
  const isBare = !hasPath || (/^[a-z]+:\/\/[^/]*\/whip$/i.test(whole) && !/[?&]app=/.test(query));
  const path = !isBare
    ? whole
    : `${whole.replace(/([^/])\/whip$/, '$1')}/${app.split('/').map(encodeURIComponent).join('/')}`;
  const encoded = encodeURIComponent(name);
  if (/[?&]app=/.test(query)) return `${text}&${path.endsWith('/whip/v1') ? 'name' : 'stream'}=${encoded}`;
  if (/^webrtc:/i.test(text) || /[?&]direction=whip(&|$)/.test(query)) return `${path}/${encoded}${query}`;
  return `${path.replace(/\/whip$/, '')}/${encoded}/whip${query}`;
}

/** `app/stream` that an address names; '' when it does not look like it. */
export function streamOfCall(text: string): string {
  const url = urlOf(text.replace(/^(?:webrtc|whep|whip)(s?):/i, 'http$1:'));
  if (url === null) return '';
  const app = url.searchParams.get('app');
  const named = url.searchParams.get('stream') ?? url.searchParams.get('name');
  if (app !== null && named !== null) return `${app}/${named}`;
  const path = url.pathname.replace(/^\/|\/+$/g, '').replace(/^(whip|whep)\/|\/(whip|whep)$/g, '');
  return decode(path) ?? '';
}

function httpUrl(text: string, isPlain: boolean): URL | null {
  return urlOf(text.replace(/^[a-z]+:/i, isPlain ? 'http:' : 'https:'));
}

/** SRS's players ask its API; `schema=https` in the query asks for HTTPS, which is on its usual port then. */
function srsUrl(text: string, word: string): URL | null {
  const given = urlOf(text.replace(/^webrtc:/i, 'http:'));
  const split = given?.pathname.lastIndexOf('/') ?? 0;
  if (given === null || split < 1 || split === given.pathname.length - 1) return null;
  const app = decode(given.pathname.slice(1, split));
  const stream = decode(given.pathname.slice(split + 1));
  if (app === null || stream === null) return null;
  const query = given.searchParams;
  const isSecure = query.get('schema') === 'https';
  const url = new URL(`${isSecure ? 'https' : 'http'}://${given.hostname}/rtc/v1/${word}/`);
  // A port that is the usual one of HTTP is not among the parts of a URL.
  const port = /^webrtc:\/\/(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^:/?#]+):(\d+)/i.exec(text)?.[1];
  url.port = port ?? (isSecure ? '' : SRS_PORT);
  url.username = given.username;
  url.password = given.password;
  url.searchParams.set('app', app);
  url.searchParams.set('stream', stream);
  for (const [name, value] of query) if (name !== 'schema') url.searchParams.append(name, value);
  return url;
}

function fromUrl(url: URL | null): CallAddress | null {
  if (url === null || url.hostname === '' || url.port === '0') return null;
  const user = decode(url.username);
  const password = decode(url.password);
  if (user === null || password === null) return null;
  const authorization = authorizationOf(user, password, url.searchParams.get('token') ?? '');
  if (authorization === null) return null;
  url.username = '';
  url.password = '';
  url.hash = '';
  return { url, authorization };
}

/** Null when the user alone cannot be a token. */
function authorizationOf(user: string, password: string, token: string): string | null {
  if (password !== '') return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
  if (user !== '') return TOKEN.test(user) ? `Bearer ${user}` : null;
  return TOKEN.test(token) ? `Bearer ${token}` : '';
}

function urlOf(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
