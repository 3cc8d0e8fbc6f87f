/**
 * Addresses of requests: `rtsp://host[:port]/app/stream[?query]`, with the number of a track behind it in SETUP. Hosts
 * and virtual hosts follow the rules of RTMP, so that a name means the same stream everywhere.
 */
import { RejectedError } from '../../util/errors.ts';
import { parseStreamAddress } from '../../wire/rtmp/rtmp-url.ts';

/** What names a track in our descriptions: position among the tracks that are carried. */
const TRACK_CONTROL = 'trackID=';
const MAX_TRACK_DIGITS = 3;

export interface RtspAddress {
  /** The virtual host, else the host that the peer typed; lower case, '' when it told none. */
  readonly host: string;
  readonly app: string;
  readonly stream: string;
  /** Without question mark. */
  readonly query: string;
  /** `rtsp://host:port/app/stream`, as typed: without query, without slash at its end. */
  readonly base: string;
}

export function trackControl(position: number): string {
  return `${TRACK_CONTROL}${position}`;
}

/** The address without query and without slash at its end. */
export function baseOf(url: string): string {
  const mark = url.indexOf('?');
  return trimEnd(mark < 0 ? url : url.slice(0, mark));
}

/** Throws RejectedError for what names no stream. */
export function parseAddress(url: string): RtspAddress {
  const mark = url.indexOf('?');
  const base = baseOf(url);
  const query = mark < 0 ? '' : trimEnd(url.slice(mark + 1));
  const scheme = base.indexOf('://');
  const slash = base.lastIndexOf('/');
  const path = base.indexOf('/', scheme + 3);
  if (scheme < 0 || path < 0 || path === slash) {
    throw new RejectedError(
      'bad-request',
      "A stream's address is rtsp://host/application/stream, for example rtsp://host/live/cam.",
    );
  }
  const name = base.slice(slash + 1);
  const parsed = parseStreamAddress(base.slice(0, slash), '', query === '' ? name : `${name}?${query}`);
  return {
    host: parsed.vhost,
    app: percentDecoded(parsed.app),
    stream: percentDecoded(parsed.stream),
    query: parsed.query,
    base,
  };
}

/** The address without the track, and its number; -1 when it names none. */
export function splitTrack(url: string): { readonly url: string; readonly position: number } {
  const trimmed = trimEnd(url);
  const at = trimmed.lastIndexOf(TRACK_CONTROL);
  const digits = at < 0 ? '' : trimmed.slice(at + TRACK_CONTROL.length);
  if (digits === '' || digits.length > MAX_TRACK_DIGITS || !/^\d+$/.test(digits))
    return { url, position: -1 };
  return { url: trimEnd(trimmed.slice(0, at)), position: Number(digits) };
}

/**
 * Which of the announced media a SETUP means. `controls` are their a=control values, whole addresses or what is put
 * behind the stream's address, with or without a slash and behind a query as well. -1 = none of them.
 */
export function findControl(url: string, controls: readonly string[]): number {
  const wanted = trimEnd(url);
  let found = -1;
  let length = 0;
  for (const [position, control] of controls.entries()) {
    const one = trimEnd(control);
    if (one.length <= length) continue;
    const isMeant =
      wanted === one || (wanted.endsWith(one) && /[/?&]/.test(wanted[wanted.length - one.length - 1] ?? ''));
    if (!isMeant) continue;
    found = position;
    length = one.length;
  }
  return found;
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === '/') end--;
  return text.slice(0, end);
}

/** Pages and programs write names as URLs have them; they must mean the stream that HTTP shows. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
