/**
 * THE table of addresses for WebRTC: those of RFC 9725 and its draft for players as this server has them, and those of
 * SRS, MediaMTX, ZLMediaKit, go2rtc, OvenMediaEngine and smart_rtmpd, so that what is configured for one of these works
 * here. An address says who wants what of which stream, and in which shape the answer goes back.
 */
import { RejectedError } from '../../util/errors.ts';

type WebrtcRole = 'publish' | 'play';

/** How an answer is written, and where the resource of a session then is. */
export type WebrtcShape = 'plain' | 'mediamtx' | 'srs' | 'srs-json' | 'zlm' | 'zlm-json' | 'go2rtc';

/** Where an offer goes. */
export interface OfferAddress {
  readonly kind: 'offer';
  readonly role: WebrtcRole;
  readonly shape: WebrtcShape;
  /** Both '' where the body of the request names the stream (SRS's JSON). */
  readonly app: string;
  readonly stream: string;
}

/** A session that exists, or where its layer is chosen. */
export interface SessionAddress {
  readonly kind: 'session' | 'layer';
  readonly secret: string;
}

export type WebrtcAddress = OfferAddress | SessionAddress;

/** Of SRS and ZLMediaKit, where an address does not say. */
const DEFAULT_APP = 'live';
const DEFAULT_STREAM = 'livestream';
const SECRET = /^[0-9a-hjkmnp-tv-z]{26}$/;
/** Own addresses of sessions. */
const SESSION_FOLDER = '/webrtc/session/';
const LAYER_END = '/layer';

const SRS_OFFER = /^\/rtc\/v1\/(whip|whep|whip-play|publish|play)\/?$/;
const ZLM_OFFER = /^\/index\/api\/(whip|whep|webrtc)$/;
const OWN_FOLDER = /^\/(whip|whep)(?:\/(.*))?$/;
const OWN_SUFFIX = /^\/(.+)\/(whip|whep)(?:\/([0-9a-hjkmnp-tv-z]{26}))?\/?$/;
/** What is below these belongs to others. */
const FOREIGN_FOLDERS = ['/api/', '/vod/', '/docs/', '/rec/'];

/**
 * Null when the address is none of WebRTC. `path` is decoded. Throws RejectedError when it is one and names no stream.
 */
export function webrtcAddress(path: string, query: URLSearchParams): WebrtcAddress | null {
  if (path.startsWith(SESSION_FOLDER)) {
    const isLayer = path.endsWith(LAYER_END);
    const secret = path.slice(SESSION_FOLDER.length, isLayer ? -LAYER_END.length : undefined);
    return sessionOf(secret, isLayer ? 'layer' : 'session');
  }
  return (
    srsAddress(path, query) ??
    zlmAddress(path, query) ??
    go2rtcAddress(path, query) ??
    ownAddress(path, query)
  );
}

/** Whether a path may be one of WebRTC; cheap, and without judging what is in it. */
export function isWebrtcPath(path: string, query: URLSearchParams): boolean {
  return (
    path.startsWith(SESSION_FOLDER) ||
    SRS_OFFER.test(path) ||
    ZLM_OFFER.test(path) ||
    path === '/index/api/delete_webrtc' ||
    path === '/api/webrtc' ||
    OWN_FOLDER.test(path) ||
    (!FOREIGN_FOLDERS.some((folder) => path.startsWith(folder)) &&
      (OWN_SUFFIX.test(path) || omeRole(query) !== null))
  );
}

function sessionOf(secret: string, kind: SessionAddress['kind'] = 'session'): SessionAddress | null {
  return SECRET.test(secret) ? { kind, secret } : null;
}

function srsAddress(path: string, query: URLSearchParams): WebrtcAddress | null {
  const word = SRS_OFFER.exec(path)?.[1];
  if (word === undefined) return null;
  const token = query.get('token');
  const session = query.has('session') && token !== null ? sessionOf(token) : null;
  if (session !== null) return session;
  if (word === 'publish' || word === 'play')
    return { kind: 'offer', role: word, shape: 'srs-json', app: '', stream: '' };
  const role = word === 'whip' ? 'publish' : 'play';
  return { kind: 'offer', role, shape: 'srs', ...namedBy(query) };
}

function zlmAddress(path: string, query: URLSearchParams): WebrtcAddress | null {
  if (path === '/index/api/delete_webrtc') return sessionOf(query.get('token') ?? '');
  const word = ZLM_OFFER.exec(path)?.[1];
  if (word === undefined) return null;
  if (word !== 'webrtc')
    return { kind: 'offer', role: word === 'whip' ? 'publish' : 'play', shape: 'zlm', ...namedBy(query) };
  const type = query.get('type') ?? 'play';
  if (type !== 'push' && type !== 'play')
    throw new RejectedError('bad-request', `type=${type} is neither push nor play.`);
  return { kind: 'offer', role: type === 'push' ? 'publish' : 'play', shape: 'zlm-json', ...namedBy(query) };
}

/** `app` and `stream` of a query, or what SRS and ZLMediaKit take for them. */
function namedBy(query: URLSearchParams): { app: string; stream: string } {
  return {
    app: query.get('app') || DEFAULT_APP,
    stream: query.get('stream') || query.get('name') || DEFAULT_STREAM,
  };
}

function go2rtcAddress(path: string, query: URLSearchParams): WebrtcAddress | null {
  if (path !== '/api/webrtc') return null;
  const target = query.get('dst');
  const name = target ?? query.get('src');
  if (name === null || name === '')
    throw new RejectedError(
      'bad-request',
      'Name the stream: ?src=live/cam to play, ?dst=live/cam to publish.',
    );
  const role = target === null ? 'play' : 'publish';
  return { kind: 'offer', role, shape: 'go2rtc', ...splitName(name) };
}

/** go2rtc knows no applications. */
function splitName(name: string): { app: string; stream: string } {
  const slash = name.lastIndexOf('/');
  return slash < 0
    ? { app: DEFAULT_APP, stream: name }
    : { app: name.slice(0, slash), stream: name.slice(slash + 1) };
}

function ownAddress(path: string, query: URLSearchParams): WebrtcAddress | null {
  const [, folder, below = ''] = OWN_FOLDER.exec(path) ?? [];
  // `/whip/live/whip` is the stream `live/whip` below /whip.
  if (folder !== undefined)
    return { kind: 'offer', role: roleOf(folder), shape: 'plain', ...belowFolder(below, query) };
  const [, inner = '', suffix, secret] = OWN_SUFFIX.exec(path) ?? [];
  if (suffix !== undefined) {
    if (secret !== undefined) return sessionOf(secret);
    return { kind: 'offer', role: roleOf(suffix), shape: 'mediamtx', ...splitPath(inner) };
  }
  const role = omeRole(query);
  if (role === null) return null;
  return { kind: 'offer', role, shape: 'plain', ...splitPath(path.replace(/^\/+|\/+$/g, '')) };
}

function roleOf(word: string): WebrtcRole {
  return word === 'whip' ? 'publish' : 'play';
}

/** OvenMediaEngine. */
function omeRole(query: URLSearchParams): WebrtcRole | null {
  const direction = query.get('direction');
  return direction === 'whip' ? 'publish' : direction === 'whep' ? 'play' : null;
}

/** Of /whip?app=&stream=, smart_rtmpd's /whip/v1?app=&name=, and /whip/app/stream. */
function belowFolder(below: string, query: URLSearchParams): { app: string; stream: string } {
  const rest = below.replace(/\/+$/, '');
  const isQuery = rest === '' || (rest === 'v1' && query.has('app'));
  if (!isQuery) return splitPath(rest);
  const stream = query.get('stream') ?? query.get('name') ?? '';
  if (stream === '')
    throw new RejectedError(
      'bad-request',
      'Name the stream: ?app=live&stream=cam, or an address such as /live/cam/whip.',
    );
  return query.has('app') ? { app: query.get('app') ?? '', stream } : splitName(stream);
}

function splitPath(inner: string): { app: string; stream: string } {
  const slash = inner.lastIndexOf('/');
  if (slash <= 0 || slash === inner.length - 1)
    throw new RejectedError(
      'bad-request',
      'An address for WebRTC is /application/stream/whip or /application/stream/whep, for example /live/cam/whip.',
    );
  return { app: inner.slice(0, slash), stream: inner.slice(slash + 1) };
}

/** Of a new session: a path with query, or for ZLMediaKit's callers a whole address. */
export function sessionLocation(
  { shape, role, app, stream }: OfferAddress,
  secret: string,
  id: string,
  origin: string,
): string {
  const word = role === 'publish' ? 'whip' : 'whep';
  switch (shape) {
    case 'mediamtx':
      return `/${encodePath(app)}/${encodePath(stream)}/${word}/${secret}`;
    case 'srs':
      return `/rtc/v1/${word}/?action=delete&token=${secret}&app=${encodeURIComponent(app)}&stream=${encodeURIComponent(stream)}&session=${id}`;
    case 'zlm':
    case 'zlm-json':
      return `${origin}/index/api/delete_webrtc?id=${id}&token=${secret}`;
    default:
      return SESSION_FOLDER + secret;
  }
}

/** Where a player chooses its layer, whatever its shape. */
export function layerLocation(secret: string): string {
  return `${SESSION_FOLDER}${secret}${LAYER_END}`;
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
