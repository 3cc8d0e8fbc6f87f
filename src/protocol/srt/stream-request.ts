/**
 * The stream id of SRT callers: which stream they mean, and whether they send or want it. It has many spellings:
 *
 *     #!::r=live/cam,m=publish,u=me,s=secret,token=x     SRT Access Control; SRS, ZLMediaKit, MediaMTX
 *     #!::h=live/cam,m=publish                           old SRS: the stream in h, also with a host in front
 *     publish:live/cam:me:secret:token=x  read:live/cam  MediaMTX
 *     host:9000/live/cam,role=publisher                  smart_rtmpd
 *     srt://host:9000/live/cam?mode=publish              a whole address, also percent-encoded (OvenMediaEngine)
 *     live/cam   live/cam?token=x   cam                  nothing but the stream
 *
 * `?` and `&` separate parameters like the comma. What is no key of ours is kept as a query for authentication, and so
 * are name and password, as `user` and `pass`. Left out: the nested form `#!:{`, types other than stream.
 */
import { RejectedError } from '../../util/errors.ts';
import { SRT_REJECT } from '../../wire/srt/reject.ts';

export type StreamRole = 'publish' | 'play';

export interface StreamRequest {
  readonly app: string;
  readonly stream: string;
  readonly role: StreamRole;
  /** Host that the id names, or ''. */
  readonly host: string;
  /** `key=value&...` as URLs have it, or ''. */
  readonly query: string;
}

/** A stream id that cannot be used; `code` is the refusal that the caller is told. */
export class StreamIdError extends RejectedError {
  readonly code: number;

  constructor(code: number, message: string) {
    super('bad-request', message);
    this.code = code;
  }
}

const DEFAULT_APP = 'live';
const FORM = '#!::r=live/NAME,m=publish, publish:live/NAME or read:live/NAME';
const ROLES: Readonly<Record<string, StreamRole>> = {
  publish: 'publish',
  publisher: 'publish',
  push: 'publish',
  request: 'play',
  read: 'play',
  play: 'play',
  player: 'play',
};
const ROLE_KEYS: readonly string[] = ['m', 'mode', 'role'];
const KEYED = '#!::';
const NESTED = /^#!:\s*\{/;
const PREFIXED = /^(publish|read|play|request):(?!\/\/)/;
const ADDRESS = /^srt:\/\/(\[[^\]]*\]|[^/:?,]*)(?::\d+)?(\/[^?,]*)?/i;
/** `host:9000/` or `host.name/` in front of at least `app/stream`. */
const HOST_IN_FRONT = /^((?:\[[0-9a-fA-F:.]+\]|[^/:]+):\d{1,5}|[^/]*\.[^/]*)\/(?=[^/]+\/[^/])/;
/** An id has 512 bytes; no more make sense. */
const MAX_PARAMETERS = 64;

/** `defaultRole` is that of an id that tells none. Throws StreamIdError. */
export function readStreamId(text: string, defaultRole: StreamRole): StreamRequest {
  const id = plainId(text);
  if (NESTED.test(id))
    throw new StreamIdError(SRT_REJECT.badRequest, `Nested stream ids are not read; use ${FORM}.`);
  if (id.startsWith(KEYED)) return readKeyed(id.slice(KEYED.length), defaultRole);
  const prefix = PREFIXED.exec(id);
  if (prefix !== null) return readPrefixed(ROLES[prefix[1]!]!, id.slice(prefix[0].length));
  const address = ADDRESS.exec(id);
  if (address !== null) return readAddress(id, address, defaultRole);
  const end = id.search(/[,?]/);
  const path = trimSlashes(end < 0 ? id : id.slice(0, end));
  const host = HOST_IN_FRONT.exec(path);
  const values = new Parameters(end < 0 ? '' : id.slice(end), false);
  return values.request(path.slice(host?.[0].length ?? 0), host?.[1] ?? '', defaultRole);
}

/** For logs: without what may be a secret. */
export function shownStreamId(text: string): string {
  return plainId(text)
    .replace(/^((?:publish|read|play|request):[^:]*):.*$/s, '$1:…')
    .replace(/([,?&]|^#!::)(?!(?:r|m|h|t|mode|role)=)([^=,?&]*)=[^,?&]*/g, '$1$2=…');
}

/** Whole addresses may come encoded. */
function plainId(text: string): string {
  const trimmed = text.trim();
  return /^srt%3a%2f%2f/i.test(trimmed) ? decoded(trimmed) : trimmed;
}

function readKeyed(text: string, defaultRole: StreamRole): StreamRequest {
  const values = new Parameters(text, true);
  const resource = values.get('r');
  if (resource !== '') return values.request(resource, values.get('h'), defaultRole);
  const levels = trimSlashes(values.get('h')).split('/');
  const host = levels.length > 2 ? levels.shift()! : '';
  return values.request(levels.join('/'), host, defaultRole);
}

/** `path[:user:pass[:query]]`; a colon of the query stays. */
function readPrefixed(role: StreamRole, text: string): StreamRequest {
  const [whole = '', user = '', password = '', ...query] = text.split(':');
  const end = whole.search(/[,?]/);
  const values = new Parameters(`${end < 0 ? '' : whole.slice(end)},${query.join(':')}`, false);
  values.addLogin(decoded(user), decoded(password));
  return values.request(end < 0 ? whole : whole.slice(0, end), '', role);
}

/** Players may send their whole address, with the stream id in its query. */
function readAddress(id: string, address: RegExpExecArray, defaultRole: StreamRole): StreamRequest {
  const rest = id.slice(address[0].length);
  const inner = /^\?(?:[^#]*&)?streamid=([^&]+)/i.exec(rest)?.[1];
  if (inner !== undefined && !/^srt:/i.test(inner)) return readStreamId(decoded(inner), defaultRole);
  return new Parameters(rest, false).request(address[2] ?? '', address[1]!, defaultRole);
}

/** What follows the name: keys of ours, and the rest. */
class Parameters {
  private readonly own = new Map<string, string>();
  private readonly query = new URLSearchParams();

  /** `isKeyed`: the keys of Access Control are ours. */
  constructor(text: string, isKeyed: boolean) {
    for (const pair of text.split(/[,?&]/, MAX_PARAMETERS)) {
      const equals = pair.indexOf('=');
      const key = decoded(equals < 0 ? pair : pair.slice(0, equals)).trim();
      const value = equals < 0 ? '' : decoded(pair.slice(equals + 1)).trim();
      if (key === '') continue;
      if (ROLE_KEYS.includes(key)) this.own.set('m', value);
      else if (isKeyed && key.length === 1 && 'hrstu'.includes(key)) this.own.set(key, value);
      else this.query.append(key, value);
    }
    this.addLogin(this.get('u'), this.get('s'));
  }

  get(key: string): string {
    return this.own.get(key) ?? '';
  }

  addLogin(user: string, password: string): void {
    if (user !== '') this.query.append('user', user);
    if (password !== '') this.query.append('pass', password);
  }

  request(path: string, host: string, defaultRole: StreamRole): StreamRequest {
    const type = this.get('t');
    if (type !== '' && type !== 'stream') {
      throw new StreamIdError(SRT_REJECT.unsupportedMedia, `t=${type} is not served here; only t=stream is.`);
    }
    const levels = trimSlashes(decoded(path)).split('/');
    const stream = levels.pop()!; // split gives one at least
    if (stream === '')
      throw new StreamIdError(SRT_REJECT.badRequest, `The stream id names no stream; use ${FORM}.`);
    return {
      app: levels.length === 0 ? DEFAULT_APP : levels.join('/'),
      stream,
      role: this.role(defaultRole),
      host: host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'),
      query: this.query.toString(),
    };
  }

  private role(defaultRole: StreamRole): StreamRole {
    const word = this.get('m').toLowerCase();
    if (word === '') return defaultRole;
    if (Object.hasOwn(ROLES, word)) return ROLES[word]!;
    throw new StreamIdError(
      SRT_REJECT.badMode,
      `The mode "${word}" of the stream id is not served here; use m=publish or m=request.`,
    );
  }
}

function trimSlashes(text: string): string {
  return text.replace(/^\/+|\/+$/g, '');
}

/** Programs encode as they like; what is no encoding means itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
