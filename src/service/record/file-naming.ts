/**
 * Where a recording lies: a template with variables to a relative path, and back. Variables are those of SRS (`[app]`,
 * Go's reference time as `[2006]-[01]-[02]`) and, of strftime as MediaMTX has them, `%Y %m %d %H %M %S %f %s %path`.
 * Times are local. The usual place is that of smart_rtmpd for the application rec,
 * `<host>/<stream>/<day>/<time>`, and `<host>/<app>/<stream>/<day>/<time>` for others.
 */
import { splitStreamText } from '../../media/stream-key.ts';
import { readPath, safeLevel, safePath } from '../../recordings/safe-name.ts';
import { REC_APP, type RecordPlan } from './record-config.ts';

export interface NameFacts {
  /** Host that the publisher typed; '' = not known. */
  readonly vhost: string;
  readonly app: string;
  readonly stream: string;
  /** Number of the file in its recording, from 0. */
  readonly seq: number;
  /** Wall clock of the start, milliseconds since 1970. */
  readonly startMs: number;
  /** Length in milliseconds; 0 while it is recorded. */
  readonly durationMs: number;
}

const USUAL_TIME = '[2006]-[01]-[02]/[15]-[04]-[05]';
const APPEND_NAME = 'all';
const NO_HOST = 'default';
const TOKEN = /\[(\w+)\]|%(path|[YmdHMSfs])/g;

/** The template that holds where the policy names none. */
export function usualPath(app: string, plan: RecordPlan): string {
  const place = app === REC_APP ? '[vhost]/[stream]' : '[vhost]/[app]/[stream]';
  return `${place}/${plan === 'append' ? APPEND_NAME : USUAL_TIME}`;
}

/** Relative path without extension. Levels are separated by `/` and safe on every system. */
export function renderPath(template: string, facts: NameFacts): string {
  const date = new Date(facts.startMs);
  const path = template.replace(TOKEN, (_, name: string | undefined, code: string | undefined) =>
    variable(name ?? code ?? '', facts, date),
  );
  // What text and variables make together is judged again; a level that was safe stays as it is.
  return path.split('/').map(settleLevel).join('/');
}

/** Literal text of the operator and safe values: only what they are together may still be wrong. */
function settleLevel(level: string): string {
  const plain = level.replaceAll(/~/g, '');
  return safeLevel(plain) === plain && Buffer.byteLength(level) <= 200 ? level : safeLevel(level);
}

function variable(name: string, facts: NameFacts, date: Date): string {
  switch (name) {
    case 'vhost':
      return safeLevel(facts.vhost === '' ? NO_HOST : facts.vhost);
    case 'app':
      return safePath(facts.app);
    case 'stream':
      return safePath(facts.stream);
    case 'path':
      return safePath(`${facts.app}/${facts.stream}`);
    case 'seq':
      return String(facts.seq);
    case 'timestamp':
      return String(facts.startMs);
    case 'duration':
      return String(facts.durationMs);
    case '2006':
    case 'Y':
      return padded(date.getFullYear(), 4);
    case '01':
    case 'm':
      return padded(date.getMonth() + 1, 2);
    case '02':
    case 'd':
      return padded(date.getDate(), 2);
    case '15':
    case 'H':
      return padded(date.getHours(), 2);
    case '04':
    case 'M':
      return padded(date.getMinutes(), 2);
    case '05':
    case 'S':
      return padded(date.getSeconds(), 2);
    case '999':
      return padded(date.getMilliseconds(), 3);
    case 'f':
      return padded(date.getMilliseconds() * 1000, 6);
    default:
      return String(Math.floor(facts.startMs / 1000));
  }
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

/** What a path tells, as far as its template has it. */
export interface ReadName {
  readonly vhost: string;
  readonly app: string;
  readonly stream: string;
  /** NaN when the path has no time. */
  readonly startMs: number;
}

const PATTERNS: Readonly<Record<string, string>> = {
  vhost: '([^/]+)',
  app: '([^/]+(?:/[^/]+)*?)',
  stream: '([^/]+)',
  path: '([^/]+(?:/[^/]+)+?)',
  seq: '(\\d+)',
  timestamp: '(\\d+)',
  duration: '(\\d+)',
  '2006': '(\\d{4})',
  Y: '(\\d{4})',
  '999': '(\\d{3})',
  f: '(\\d{6})',
  s: '(\\d+)',
};

/** Reads paths that a template made; null for others. `app` is taken for the application where it names none. */
export class NameReader {
  private readonly pattern: RegExp;
  private readonly names: readonly string[];
  private readonly app: string;

  constructor(template: string, app: string) {
    const names: string[] = [];
    let source = '';
    let at = 0;
    for (const match of template.matchAll(TOKEN)) {
      const name = match[1] ?? match[2] ?? '';
      names.push(name);
      source += escapePattern(template.slice(at, match.index)) + (PATTERNS[name] ?? '(\\d{2})');
      at = match.index + match[0].length;
    }
    // A name that was taken got a number behind it.
    this.pattern = new RegExp(`^${source}${escapePattern(template.slice(at))}(?:\\.\\d+)?$`);
    this.names = names;
    this.app = app;
  }

  /** `path` has no extension. */
  read(path: string): ReadName | null {
    const match = this.pattern.exec(path);
    if (match === null) return null;
    const values = new Map<string, string>();
    for (const [index, name] of this.names.entries()) {
      const value = match[index + 1]!;
      const before = values.get(name);
      if (before !== undefined && before !== value) return null;
      values.set(name, value);
    }
    const whole = readPath(values.get('path') ?? '') ?? '';
    const split = splitStreamText(whole);
    const app = readPath(values.get('app') ?? '') || split.app || this.app;
    const stream = readPath(values.get('stream') ?? '') || split.name;
    if (app === '' || app === null || stream === '') return null;
    return { vhost: values.get('vhost') ?? '', app, stream, startMs: timeOf(values) };
  }
}

function timeOf(values: ReadonlyMap<string, string>): number {
  const number = (...names: string[]) => {
    for (const name of names) {
      const value = values.get(name);
      if (value !== undefined) return Number(value);
    }
    return Number.NaN;
  };
  const timestamp = number('timestamp');
  if (!Number.isNaN(timestamp)) return timestamp;
  const seconds = number('s');
  if (!Number.isNaN(seconds)) return seconds * 1000;
  const year = number('2006', 'Y');
  const month = number('01', 'm');
  const day = number('02', 'd');
  const hour = number('15', 'H');
  if ([year, month, day, hour].some(Number.isNaN)) return Number.NaN;
  const part = (value: number) => (Number.isNaN(value) ? 0 : value);
  const ms = part(number('999')) + part(number('f') / 1000);
  return new Date(year, month - 1, day, hour, part(number('04', 'M')), part(number('05', 'S')), ms).getTime();
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/**
 * What the path of a file tells by the templates of the policy, else by the usual places. One path may fit several
 * templates; that of the policy counts where the policy has it for the stream that it reads.
 */
export function readFileName(
  path: string,
  templates: readonly string[],
  hasTemplate: (app: string, stream: string, template: string) => boolean,
): ReadName | null {
  for (const template of templates) {
    const read = new NameReader(template, '').read(path);
    if (read !== null && hasTemplate(read.app, read.stream, template)) return read;
  }
  for (const app of [REC_APP, '']) {
    for (const plan of ['segment', 'append'] as const) {
      const read = new NameReader(usualPath(app, plan), app).read(path);
      if (read !== null) return read;
    }
  }
  return null;
}
