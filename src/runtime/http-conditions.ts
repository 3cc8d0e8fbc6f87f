/**
 * What a request asks of a representation that does not change while it is sent: preconditions and ranges, RFC 9110
 * sections 13 and 14. Pure; the answer says which status and which bytes. Several ranges in one request are answered
 * with the whole, as section 14.2 allows: no player asks for them.
 */
import type { IncomingHttpHeaders } from 'node:http';

export interface Representation {
  readonly sizeBytes: number;
  /** With its quotation marks; a strong validator. */
  readonly etag: string;
  /** Milliseconds since 1970; NaN = not known. HTTP counts whole seconds. */
  readonly modifiedMs: number;
}

export interface ConditionalAnswer {
  readonly status: 200 | 206 | 304 | 412 | 416;
  /** First byte to send, and the one behind the last; equal when there is no body. */
  readonly start: number;
  readonly end: number;
}

/** Digits of a byte position; above that nothing is a file. */
const RANGE = /^bytes=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i;

export function answerConditions(
  method: string,
  headers: IncomingHttpHeaders,
  one: Representation,
): ConditionalAnswer {
  if (failsPrecondition(headers, one)) return { status: 412, start: 0, end: 0 };
  if (isUnchanged(headers, one)) return { status: 304, start: 0, end: 0 };
  const whole = { status: 200, start: 0, end: one.sizeBytes } as const;
  const range = headers.range;
  // Section 14.2: only GET has ranges.
  if (range === undefined || method !== 'GET' || !isRangeWanted(headers, one)) return whole;
  return answerRange(range, one.sizeBytes) ?? whole;
}

/** Section 14.1.2; null when the header is to be ignored. */
function answerRange(range: string, sizeBytes: number): ConditionalAnswer | null {
  const match = RANGE.exec(range);
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  const unsatisfiable = { status: 416, start: 0, end: 0 } as const;
  if (match[1] === '') {
    const suffix = Number(match[2]);
    if (suffix === 0 || sizeBytes === 0) return unsatisfiable;
    return { status: 206, start: Math.max(0, sizeBytes - suffix), end: sizeBytes };
  }
  const start = Number(match[1]);
  const last = match[2] === '' ? sizeBytes - 1 : Number(match[2]);
  if (match[2] !== '' && last < start) return null;
  if (start >= sizeBytes) return unsatisfiable;
  return { status: 206, start, end: Math.min(last + 1, sizeBytes) };
}

/** If-Match and If-Unmodified-Since, sections 13.1.1 and 13.1.4. */
function failsPrecondition(headers: IncomingHttpHeaders, one: Representation): boolean {
  const match = headers['if-match'];
  if (match !== undefined) return match.trim() !== '*' && !listOf(match).includes(one.etag);
  const since = dateOf(headers['if-unmodified-since']);
  return wholeSeconds(one.modifiedMs) > since;
}

/** If-None-Match and, without it, If-Modified-Since: sections 13.1.2 and 13.1.3. */
function isUnchanged(headers: IncomingHttpHeaders, one: Representation): boolean {
  const noneMatch = headers['if-none-match'];
  if (noneMatch !== undefined) {
    return noneMatch.trim() === '*' || listOf(noneMatch).some((tag) => tag.replace(/^W\//, '') === one.etag);
  }
  return wholeSeconds(one.modifiedMs) <= dateOf(headers['if-modified-since']);
}

/** If-Range, section 13.1.5: a strong tag or an exact date. */
function isRangeWanted(headers: IncomingHttpHeaders, one: Representation): boolean {
  const condition = headers['if-range'];
  if (typeof condition !== 'string') return true;
  if (condition.includes('"')) return condition.trim() === one.etag;
  return wholeSeconds(one.modifiedMs) === dateOf(condition);
}

function listOf(tags: string): string[] {
  return tags.match(/(?:W\/)?"[^"]*"/g) ?? [];
}

/** Milliseconds since 1970, NaN when there is no date; comparisons with NaN are false. */
function dateOf(text: string | undefined): number {
  return text === undefined ? Number.NaN : Date.parse(text);
}

function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
