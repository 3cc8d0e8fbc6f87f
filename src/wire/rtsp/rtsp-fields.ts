/**
 * Small header fields of RTSP: Session (RFC 2326 section 12.37), Range (12.29, with NPT and absolute time; SMPTE is
 * left out), RTP-Info (12.33) and Public (12.28).
 */

export interface SessionField {
  readonly id: string;
  /** Seconds without a sign of life after which the session ends; 60 when it is not told. */
  readonly timeoutS: number;
}

/**
 * Between servers of ours, with commas: the way of a stream, in ANNOUNCE of forwards and the answer to DESCRIBE; who asks
 * for it, in DESCRIBE of pulls (see runtime/stream-loop.ts).
 */
export const VIA_FIELD = 'X-Sluice-Via';

const DEFAULT_TIMEOUT_S = 60;
const MAX_TIMEOUT_S = 24 * 3600;
const MAX_SESSION_ID_LENGTH = 256;

/** Null when there is no identifier, or one that is too long. */
export function parseSession(text: string): SessionField | null {
  const [first = '', ...parameters] = text.split(';');
  const id = first.trim();
  if (id === '' || id.length > MAX_SESSION_ID_LENGTH) return null;
  let timeoutS = DEFAULT_TIMEOUT_S;
  for (const parameter of parameters) {
    const match = /^\s*timeout\s*=\s*"?(\d{1,9})/i.exec(parameter);
    if (match !== null && Number(match[1]) > 0) timeoutS = Math.min(Number(match[1]), MAX_TIMEOUT_S);
  }
  return { id, timeoutS };
}

export function serializeSession(session: SessionField): string {
  return session.timeoutS === DEFAULT_TIMEOUT_S ? session.id : `${session.id};timeout=${session.timeoutS}`;
}

/** Part of a presentation. Times are null when they are open; `now` is the live end. */
export type RtspRange =
  | { readonly unit: 'npt'; readonly startS: number | 'now' | null; readonly endS: number | null }
  /** Wall clock, milliseconds since 1970. */
  | { readonly unit: 'clock'; readonly startMs: number | null; readonly endMs: number | null };

/** Null when it is no range in one of the two units. */
export function parseRange(text: string): RtspRange | null {
  const match = /^\s*(npt|clock)\s*[=:]\s*([^;]*?)\s*(?:;.*)?$/i.exec(text);
  if (match === null) return null;
  const isNpt = match[1]!.toLowerCase() === 'npt';
  const dash = match[2]!.indexOf('-');
  const start = (dash < 0 ? match[2]! : match[2]!.slice(0, dash)).trim();
  const end = dash < 0 ? '' : match[2]!.slice(dash + 1).trim();
  if (isNpt) {
    const startS = start.toLowerCase() === 'now' ? 'now' : parseNpt(start);
    const endS = parseNpt(end);
    return startS === undefined || endS === undefined ? null : { unit: 'npt', startS, endS };
  }
  const startMs = parseUtc(start);
  const endMs = parseUtc(end);
  return startMs === undefined || endMs === undefined ? null : { unit: 'clock', startMs, endMs };
}

/** Seconds, or `h:mm:ss.fraction`; null = open, undefined = no time. */
function parseNpt(text: string): number | null | undefined {
  if (text === '') return null;
  if (/^\d{1,12}(\.\d{0,9})?$/.test(text)) return Number(text);
  const match = /^(\d{1,6}):(\d{1,2}):(\d{1,2}(?:\.\d{0,9})?)$/.exec(text);
  return match === null ? undefined : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
}

/** `19961108T143720.25Z`; null = open, undefined = no time. */
function parseUtc(text: string): number | null | undefined {
  if (text === '') return null;
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\.\d{1,9})?Z$/i.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number);
  return Date.UTC(year!, month! - 1, day, hour, minute, second) + Math.round(Number(match[7] ?? 0) * 1000);
}

export function serializeRange(range: RtspRange): string {
  if (range.unit === 'npt') {
    const start = range.startS === 'now' ? 'now' : formatNpt(range.startS);
    return `npt=${start}-${formatNpt(range.endS)}`;
  }
  return `clock=${formatUtc(range.startMs)}-${formatUtc(range.endMs)}`;
}

function formatNpt(seconds: number | null): string {
  return seconds === null ? '' : seconds.toFixed(3);
}

function formatUtc(ms: number | null): string {
  if (ms === null) return '';
  const text = new Date(ms).toISOString().replace(/[-:]/g, '');
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : text;
}

/** Where the packets of one track begin after PLAY. */
export interface RtpInfo {
  readonly url: string;
  /** 0 to 65535; -1 = not told. */
  readonly sequence: number;
  /** Unsigned 32 bit; -1 = not told. */
  readonly rtpTime: number;
}

const MAX_RTP_INFOS = 64;

/** Addresses may hold commas and semicolons; only `url=` begins the next entry. */
export function parseRtpInfo(text: string): RtpInfo[] {
  const infos: RtpInfo[] = [];
  for (const part of text.split(/(?:^|[,;])\s*url\s*=\s*/i).slice(1, MAX_RTP_INFOS + 1)) {
    const sequence = numberAfter(part, /;\s*seq\s*=\s*(\d{1,5})/i, 0xffff);
    const rtpTime = numberAfter(part, /;\s*rtptime\s*=\s*(\d{1,10})/i, 0xffff_ffff);
    const url = part
      .replace(/\s*;\s*(seq|rtptime|ssrc)\s*=[\s\S]*$/i, '')
      .replace(/^"|"$/g, '')
      .trim();
    infos.push({ url, sequence, rtpTime });
  }
  return infos;
}

function numberAfter(text: string, pattern: RegExp, max: number): number {
  const match = pattern.exec(text);
  const value = match === null ? -1 : Number(match[1]);
  return value <= max ? value : -1;
}

export function serializeRtpInfo(infos: readonly RtpInfo[]): string {
  return infos
    .map(({ url, sequence, rtpTime }) => {
      const sequencePart = sequence < 0 ? '' : `;seq=${sequence}`;
      return `url=${url}${sequencePart}${rtpTime < 0 ? '' : `;rtptime=${rtpTime}`}`;
    })
    .join(',');
}

/** Methods of a Public or Allow field, upper case. */
export function parseMethods(text: string): ReadonlySet<string> {
  return new Set(
    text
      .toUpperCase()
      .split(/[\s,;]+/)
      .filter((word) => word !== ''),
  );
}
