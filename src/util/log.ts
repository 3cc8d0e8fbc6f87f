/**
 * Log lines as event name plus fields. A logger carries fields (the session id above all) into every line.
 * Peers' faults go through `counted`: the first of a kind in a second is written, the rest are added up,
 * so that a flood of bad peers costs one line per second and kind.
 */

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

const RANK: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };
const COUNT_WINDOW_MS = 1000;
const MAX_COUNTED_KINDS = 256;

export interface LogLine {
  readonly wallMs: number;
  readonly level: LogLevel;
  /** Session id or ''. */
  readonly session: string;
  readonly event: string;
  readonly fields: LogFields;
}

export type LogOutput = (line: LogLine) => void;

interface Counted {
  since: number;
  suppressed: number;
}

/** What all loggers of a process share: level, output, totals. */
export class LogHub {
  level: LogLevel;
  output: LogOutput;
  /** Lines written or suppressed by level since start. */
  readonly totals: Record<LogLevel, number> = { error: 0, warn: 0, info: 0, debug: 0 };
  /** Totals of counted events by event name, bounded. */
  readonly eventTotals = new Map<string, number>();
  private readonly counted = new Map<string, Counted>();

  constructor(level: LogLevel, output: LogOutput) {
    this.level = level;
    this.output = output;
  }

  logger(session = '', fields: LogFields = {}): Logger {
    return new Logger(this, session, fields);
  }

  write(level: LogLevel, session: string, event: string, fields: LogFields): void {
    this.totals[level]++;
    if (RANK[level] > RANK[this.level]) return;
    this.output({ wallMs: Date.now(), level, session, event, fields });
  }

  count(level: LogLevel, session: string, event: string, fields: LogFields): void {
    const total = this.eventTotals.get(event);
    if (total !== undefined || this.eventTotals.size < MAX_COUNTED_KINDS)
      this.eventTotals.set(event, (total ?? 0) + 1);
    const now = Date.now();
    const known = this.counted.get(event);
    if (known !== undefined && now - known.since < COUNT_WINDOW_MS) {
      known.suppressed++;
      this.totals[level]++;
      return;
    }
    const suppressed = known?.suppressed ?? 0;
    if (known === undefined && this.counted.size >= MAX_COUNTED_KINDS) this.counted.clear();
    this.counted.set(event, { since: now, suppressed: 0 });
    this.write(level, session, event, suppressed > 0 ? { ...fields, alike: suppressed } : fields);
  }
}

export class Logger {
  readonly hub: LogHub;
  readonly session: string;
  private readonly fields: LogFields;

  constructor(hub: LogHub, session: string, fields: LogFields) {
    this.hub = hub;
    this.session = session;
    this.fields = fields;
  }

  child(session: string, fields: LogFields = {}): Logger {
    return new Logger(this.hub, session, { ...this.fields, ...fields });
  }

  error(event: string, fields: LogFields = {}): void {
    this.hub.write('error', this.session, event, { ...this.fields, ...fields });
  }

  warn(event: string, fields: LogFields = {}): void {
    this.hub.write('warn', this.session, event, { ...this.fields, ...fields });
  }

  info(event: string, fields: LogFields = {}): void {
    this.hub.write('info', this.session, event, { ...this.fields, ...fields });
  }

  debug(event: string, fields: LogFields = {}): void {
    this.hub.write('debug', this.session, event, { ...this.fields, ...fields });
  }

  /** A peer's fault: one line per second and event, the rest counted. */
  counted(event: string, fields: LogFields = {}): void {
    this.hub.count('warn', this.session, event, { ...this.fields, ...fields });
  }
}

/** `2026-11-21 05:00:00.123 INFO  [k3j9x2aa] rtmp.publish-start stream=live/cam` (local time). */
export function formatLogLine(line: LogLine): string {
  const stamp = localStamp(line.wallMs);
  const session = line.session === '' ? '' : `[${line.session}] `;
  let text = `${stamp} ${line.level.toUpperCase().padEnd(5)} ${session}${line.event}`;
  for (const key in line.fields) {
    const value = line.fields[key];
    if (value !== undefined) text += ` ${key}=${formatValue(value)}`;
  }
  return text;
}

export function formatLogLineAsJson(line: LogLine): string {
  const { wallMs, level, session, event, fields } = line;
  return JSON.stringify({
    time: new Date(wallMs).toISOString(),
    level,
    ...(session && { session }),
    event,
    ...fields,
  });
}

function formatValue(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  // Control characters of a peer must not be able to forge a second line or colour a terminal.
  return /^[\w./:@,+*[\]-]+$/.test(value) ? value : JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}

function localStamp(wallMs: number): string {
  const d = new Date(wallMs - new Date(wallMs).getTimezoneOffset() * 60_000);
  return d.toISOString().slice(0, 23).replace('T', ' ');
}
