/**
 * What an address of a window of the archive asks for: `start`, `end` or `duration`, and which recording. Times are
 * RFC 3339, or Unix time in seconds or milliseconds. Pure.
 */
import { RejectedError } from '../../util/errors.ts';

/** Longer windows are to be asked for in parts. */
const MAX_WINDOW_MS = 7 * 24 * 3600 * 1000;
/** Larger numbers are milliseconds; as seconds they would be after the year 5138. */
const MAX_SECONDS = 99_999_999_999;

export interface WindowQuery {
  /** Milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  /** Name of a recording; '' = whichever has something. */
  readonly recording: string;
}

/** Without `end` and `duration` the window goes on to `nowMs`. Throws RejectedError with a sentence. */
export function readWindow(query: URLSearchParams, nowMs: number): WindowQuery {
  const startMs = readInstant(query, 'start');
  if (Number.isNaN(startMs))
    throw new RejectedError('bad-request', 'From when? Say start=2026-11-21T10:00:00Z, or Unix time.');
  const endMs = readEnd(query, startMs, nowMs);
  if (!(endMs > startMs)) throw new RejectedError('bad-request', 'The end must be behind the start.');
  if (endMs - startMs > MAX_WINDOW_MS)
    throw new RejectedError('limit', 'A window is seven days at most; ask for the rest in a second one.');
  return { startMs, endMs, recording: query.get('recording') ?? '' };
}

function readEnd(query: URLSearchParams, startMs: number, nowMs: number): number {
  const endMs = readInstant(query, 'end');
  const duration = query.get('duration') ?? '';
  if (duration === '') return Number.isNaN(endMs) ? nowMs : endMs;
  if (!Number.isNaN(endMs)) throw new RejectedError('bad-request', 'Say end or duration, not both.');
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(duration))
    throw new RejectedError('bad-request', `duration=${duration} is not a number of seconds.`);
  return startMs + Number(duration) * 1000;
}

/** Milliseconds since 1970; NaN when it is not given. Throws RejectedError with a sentence. */
export function readInstant(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  if (text === '') return Number.NaN;
  if (/^\d{1,14}(\.\d{1,6})?$/.test(text)) return Number(text) * (Number(text) > MAX_SECONDS ? 1 : 1000);
  // In a query a plus sign stands for a space.
  const repaired = text.replace(/ (?=\d{2}:?\d{2}$)/, '+');
  const isDate = /^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:?\d{2})?)?$/.test(
    repaired,
  );
  const ms = isDate ? Date.parse(repaired.toUpperCase().replace(' ', 'T')) : Number.NaN;
  if (Number.isNaN(ms))
    throw new RejectedError('bad-request', `${name}=${text} is not a time such as 2026-11-21T10:00:00Z.`);
  return ms;
}
