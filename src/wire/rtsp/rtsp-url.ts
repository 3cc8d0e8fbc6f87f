/**
 * RTSP addresses: whole rtsp:// and rtsps:// URLs of servers to call, what a peer asks for, and the addresses of tracks
 * (RFC 2326 section C.1.1). Name and password are decoded and never part of a text that is made here.
 */
import { RejectedError } from '../../util/errors.ts';

export interface RtspUrl {
  readonly scheme: 'rtsp' | 'rtsps';
  /** Percent-decoded; '' = none. */
  readonly user: string;
  readonly password: string;
  /** Without brackets, lower case. */
  readonly host: string;
  readonly port: number;
  /** '' or begins with a slash; as it was written, not decoded. */
  readonly path: string;
  /** Without question mark. */
  readonly query: string;
  /** Behind `#`, which is never sent. */
  readonly fragment: string;
}

export const RTSP_PORT = 554;
export const RTSPS_PORT = 322;

const MAX_URL_LENGTH = 4096;
const MAX_HOST_LENGTH = 253;

/** Throws RejectedError saying what is wrong, without the password. */
export function parseRtspUrl(text: string): RtspUrl {
  const url = readRtspUrl(text);
  if (url !== null) return url;
  if (text.length > MAX_URL_LENGTH)
    throw new RejectedError('bad-request', `The address is longer than ${MAX_URL_LENGTH} characters.`);
  throw new RejectedError('bad-request', 'This is not an address such as rtsp://host:554/path.');
}

/**
 * What a request line of a peer names: an absolute URL, or a path (some programs send it), as an address on `host`.
 * Null for `*` and for what is no address.
 */
export function parseRequestUri(uri: string, host: string): RtspUrl | null {
  return readRtspUrl(uri.startsWith('/') ? `rtsp://${bracketed(host)}${uri}` : uri);
}

function readRtspUrl(text: string): RtspUrl | null {
  if (text.length > MAX_URL_LENGTH) return null;
  const match = /^\s*(rtsps?):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?(?:#(.*?))?\s*$/is.exec(text);
  if (match === null) return null;
  const scheme = match[1]!.toLowerCase() === 'rtsps' ? 'rtsps' : 'rtsp';
  // A password may hold an at sign that nobody encoded.
  const at = match[2]!.lastIndexOf('@');
  const login = at < 0 ? '' : match[2]!.slice(0, at);
  const colon = login.indexOf(':');
  const place = splitHostPort(match[2]!.slice(at + 1), defaultPort(scheme));
  if (place === null) return null;
  return {
    scheme,
    user: decode(colon < 0 ? login : login.slice(0, colon)),
    password: colon < 0 ? '' : decode(login.slice(colon + 1)),
    host: place.host,
    port: place.port,
    path: match[3] ?? '',
    query: match[4] ?? '',
    fragment: match[5] ?? '',
  };
}

/** Without name, password and fragment; the port only when it is not the usual one. */
export function formatRtspUrl(url: RtspUrl): string {
  const port = url.port === defaultPort(url.scheme) ? '' : `:${url.port}`;
  const query = url.query === '' ? '' : `?${url.query}`;
  return `${url.scheme}://${bracketed(url.host)}${port}${url.path}${query}`;
}

/**
 * The address of a track or of the presentation: `control` of SDP against its base (Content-Base, else what was asked
 * for). Relative ones go behind the base, query included, as every program does it, whatever RFC 1808 says. Host and
 * port stay those of the base: cameras behind a router name their inner address.
 */
export function resolveControl(base: string, control: string): string {
  if (control === '' || control === '*') return base;
  const baseUrl = readRtspUrl(base);
  const absolute = readRtspUrl(control);
  if (absolute !== null) {
    if (baseUrl === null) return formatRtspUrl(absolute);
    const { scheme, host, port } = baseUrl;
    return formatRtspUrl({ ...absolute, scheme, host, port });
  }
  if (baseUrl !== null && control.startsWith('/')) {
    // A whole path is one that repeats the base's.
    const path = baseUrl.path.replace(/\/+$/, '');
    if (path !== '' && (control === path || control.startsWith(`${path}/`)))
      return formatRtspUrl({ ...baseUrl, path: control, query: '' });
  }
  const hasSeparator = base.endsWith('/') || control.startsWith('/') || control.startsWith('?');
  const tail = base.endsWith('/') && control.startsWith('/') ? control.slice(1) : control;
  return hasSeparator ? base + tail : `${base}/${tail}`;
}

/** Where the addresses of an SDP start: the Content-Base (or Content-Location) of the answer, else the address itself. */
export function controlBase(requested: string, contentBase: string): string {
  const asked = readRtspUrl(requested);
  const text = contentBase.trim();
  if (asked === null || text === '') return requested;
  const { scheme, host, port } = asked;
  if (text.startsWith('/')) {
    const relative = readRtspUrl(`rtsp://host${text}`);
    return relative === null ? requested : formatRtspUrl({ ...relative, scheme, host, port });
  }
  const absolute = readRtspUrl(text);
  return absolute === null ? requested : formatRtspUrl({ ...absolute, scheme, host, port });
}

function splitHostPort(text: string, usualPort: number): { host: string; port: number } | null {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:"\\<>^`{|}[\]]+))(?::(\d{0,5}))?$/i.exec(text);
  if (match === null) return null;
  const host = (match[1] ?? match[2]!).toLowerCase();
  const port = match[3] ? Number(match[3]) : usualPort;
  return host.length <= MAX_HOST_LENGTH && port >= 1 && port <= 65535 ? { host, port } : null;
}

function defaultPort(scheme: string): number {
  return scheme === 'rtsps' ? RTSPS_PORT : RTSP_PORT;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
