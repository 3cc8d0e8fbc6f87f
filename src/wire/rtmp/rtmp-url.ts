/**
 * RTMP addresses: what a client asks for in connect (tcUrl, app) and publish or play (stream name), in all the
 * spellings that encoders use, and whole rtmp:// and rtmps:// URLs of servers to call. Checking the names of
 * application and stream is left to the stream key, percent-decoding is done for virtual hosts alone.
 *
 *     rtmp://host[:port]/app[/instance]/stream?query     the plain form
 *     rtmp://host/app?vhost=V/stream                     query before the stream
 *     rtmp://host/app...vhost...V/stream                 for encoders that drop queries
 *     rtmp://host/app/_definst_/stream                   Flash's default instance
 */
import { RejectedError } from '../../util/errors.ts';

export interface StreamAddress {
  /** `rtmp` or `rtmps` (any other that a client wrote, such as rtmpt, is kept). */
  readonly scheme: string;
  /** Without brackets; '' when the client told none. */
  readonly host: string;
  readonly port: number;
  /** From the query (`vhost`, then `domain`), else the host. Lower case. */
  readonly vhost: string;
  /** One or more levels, no slash at either end; `__defaultApp__` when none was given. */
  readonly app: string;
  /** May be '' (connect comes before publish); never contains a slash. */
  readonly stream: string;
  /** Everything behind the question marks, of the stream first, joined with `&`; without a question mark. */
  readonly query: string;
}

export interface RtmpUrl extends StreamAddress {
  readonly scheme: 'rtmp' | 'rtmps';
}

export const RTMP_PORT = 1935;
export const RTMPS_PORT = 443;

const DEFAULT_APP = '__defaultApp__';
const DEFAULT_INSTANCE = '_definst_';
const LEGACY_VHOST = '...vhost...';
const MAX_URL_LENGTH = 4096;
const MAX_HOST_LENGTH = 253;

/**
 * The address a client asks for. `app` is the member of connect, used when tcUrl has no path; `streamName` is the
 * argument of publish or play, '' before that. Throws RejectedError when something is too long or no address.
 */
export function parseStreamAddress(tcUrl: string, app: string, streamName: string): StreamAddress {
  if (tcUrl.length > MAX_URL_LENGTH || streamName.length > MAX_URL_LENGTH || app.length > MAX_URL_LENGTH) {
    throw new RejectedError('bad-request', `The address is longer than ${MAX_URL_LENGTH} characters.`);
  }
  const split = splitAuthority(tcUrl);
  if (split === null) throw new RejectedError('bad-request', 'The address (tcUrl) is not an RTMP URL.');
  const appPart = splitQuery(trimSlashes(split.rest) === '' ? app : split.rest);
  // Some clients send the whole URL as the stream name, or repeat the query in it.
  const streamPart = splitQuery(streamName);
  const query = joinQueries(streamPart.query, appPart.query);
  const levels = pathLevels(`${appPart.path}/${streamPart.path}`);
  const stream = pathLevels(streamPart.path).length > 0 ? levels.pop()! : '';
  return {
    scheme: split.scheme,
    host: split.host,
    port: split.port,
    vhost: chooseVhost(query, split.host),
    app: levels.length === 0 ? DEFAULT_APP : levels.join('/'),
    stream,
    query,
  };
}

/** A whole URL of a stream on another server (forward, pull). Throws RejectedError saying what is wrong. */
export function parseRtmpUrl(url: string): RtmpUrl {
  const split = url.length > MAX_URL_LENGTH ? null : splitAuthority(url);
  if (split === null || split.host === '')
    throw new RejectedError('bad-request', 'This is not an rtmp:// URL.');
  if (split.scheme !== 'rtmp' && split.scheme !== 'rtmps') {
    throw new RejectedError('bad-request', 'The URL must begin with rtmp:// or rtmps://.');
  }
  const whole = splitQuery(split.rest);
  const levels = pathLevels(whole.path);
  let stream = levels.length > 1 ? levels.pop()! : '';
  let { query } = whole;
  const slash = query.lastIndexOf('/');
  if (levels.length === 1 && stream === '' && slash >= 0) {
    // With one level before the query, the stream can only be behind it: `rtmp://host/app?token=x/stream`.
    stream = query.slice(slash + 1);
    query = query.slice(0, slash);
  }
  return {
    scheme: split.scheme,
    host: split.host,
    port: split.port,
    vhost: chooseVhost(query, split.host),
    app: levels.length === 0 ? DEFAULT_APP : levels.join('/'),
    stream,
    query,
  };
}

/** The tcUrl a client sends for an address: without stream and query; the port only when it is not the usual one. */
export function formatTcUrl(address: RtmpUrl): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const port = address.port === defaultPort(address.scheme) ? '' : `:${address.port}`;
  return `${address.scheme}://${host}${port}/${address.app}`;
}

/** The stream name a client sends for an address: with its query. */
export function formatStreamName(address: RtmpUrl): string {
  return address.query === '' ? address.stream : `${address.stream}?${address.query}`;
}

interface Authority {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** Path and query. */
  readonly rest: string;
}

/** Null when it is no URL with a host; an empty text is a URL without anything. */
function splitAuthority(url: string): Authority | null {
  if (url === '') return { scheme: 'rtmp', host: '', port: RTMP_PORT, rest: '' };
  const schemeEnd = url.indexOf('://');
  if (schemeEnd < 1 || schemeEnd > 16) return null;
  const scheme = url.slice(0, schemeEnd).toLowerCase();
  const start = schemeEnd + 3;
  let end = start;
  while (end < url.length && url[end] !== '/' && url[end] !== '?') end++;
  const authority = url.slice(start, end);
  const hostPort = splitHostPort(authority.slice(authority.lastIndexOf('@') + 1), defaultPort(scheme));
  return hostPort && { scheme, host: hostPort.host, port: hostPort.port, rest: url.slice(end) };
}

function splitHostPort(text: string, usualPort: number): { host: string; port: number } | null {
  let host = text;
  let portText = '';
  if (text.startsWith('[')) {
    const close = text.indexOf(']');
    if (close < 0 || (close + 1 < text.length && text[close + 1] !== ':')) return null;
    host = text.slice(1, close);
    portText = text.slice(close + 2);
  } else {
    const colon = text.indexOf(':');
    // More than one colon without brackets: an IPv6 address as librtmp writes it, so there is no port.
    if (colon >= 0 && colon === text.lastIndexOf(':')) {
      host = text.slice(0, colon);
      portText = text.slice(colon + 1);
    }
  }
  if (host.length > MAX_HOST_LENGTH || !isHost(host)) return null;
  if (portText === '') return { host: host.toLowerCase(), port: usualPort };
  if (portText.length > 5 || !isDigits(portText)) return null;
  const port = Number(portText);
  return port >= 1 && port <= 65535 ? { host: host.toLowerCase(), port } : null;
}

function defaultPort(scheme: string): number {
  return scheme === 'rtmps' ? RTMPS_PORT : RTMP_PORT;
}

/** No spaces, control characters or anything that means something in a log line or a header. */
function isHost(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || '"<>[]\\^`{|}'.includes(text[i]!)) return false;
  }
  return true;
}

function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text[i]! < '0' || text[i]! > '9') return false;
  return true;
}

/**
 * Path and query of an application or stream part. A path may follow the query (`app?vhost=V/stream`), but only
 * behind a `vhost` or `domain`, because tokens may hold slashes.
 */
function splitQuery(text: string): { path: string; query: string } {
  const legacy = text.indexOf(LEGACY_VHOST);
  if (legacy >= 0 && !text.slice(0, legacy).includes('?')) {
    const rest = text.slice(legacy + LEGACY_VHOST.length);
    return movePathForward(text.slice(0, legacy), `vhost=${rest}`);
  }
  let mark = 0;
  while (mark < text.length && text[mark] !== '?') mark++;
  return movePathForward(text.slice(0, mark), text.slice(mark + 1));
}

function movePathForward(path: string, query: string): { path: string; query: string } {
  const slash = query.indexOf('/');
  if (slash < 0) return { path, query };
  const lastParameter = query.slice(query.lastIndexOf('&', slash) + 1, slash);
  if (!lastParameter.startsWith('vhost=') && !lastParameter.startsWith('domain=')) return { path, query };
  const behind = query.slice(slash + 1);
  const mark = behind.indexOf('?');
  const pathBehind = mark < 0 ? behind : behind.slice(0, mark);
  return {
    path: `${path}/${pathBehind}`,
    query: joinQueries(mark < 0 ? '' : behind.slice(mark + 1), query.slice(0, slash)),
  };
}

function joinQueries(first: string, second: string): string {
  if (first === '' || first === second) return second;
  return second === '' ? first : `${first}&${second}`;
}

function pathLevels(path: string): string[] {
  return path.split('/').filter((level) => level !== '' && level !== DEFAULT_INSTANCE);
}

function trimSlashes(text: string): string {
  return text.startsWith('/') && pathLevels(text).length === 0 ? '' : text;
}

function chooseVhost(query: string, host: string): string {
  const named = queryValue(query, 'vhost') || queryValue(query, 'domain');
  return named !== '' && named.length <= MAX_HOST_LENGTH && isHost(named) ? named.toLowerCase() : host;
}

/** Percent-decoded value of the first parameter of that name, or ''. */
function queryValue(query: string, name: string): string {
  for (const parameter of query.split('&')) {
    if (!parameter.startsWith(name) || parameter[name.length] !== '=') continue;
    const value = parameter.slice(name.length + 1);
    try {
      return decodeURIComponent(value);
    } catch {
      return value;
    }
  }
  return '';
}
