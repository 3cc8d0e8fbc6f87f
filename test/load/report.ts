/** Tables of results: for the terminal, for HISTORY.md, and the goals that were met or missed. */
import { type BenchCase, CASES, overRtmpLimit, rtmpTwin } from './cases.ts';
import type { Result } from './result.ts';
import type { TrialResult } from './trial.ts';

interface Column {
  readonly title: string;
  readonly cell: (result: Result) => string;
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits);
}

function pair(first: number | undefined, second: number | undefined, digits: number): string {
  return first === undefined && second === undefined
    ? '-'
    : `${fixed(first, digits)}/${fixed(second, digits)}`;
}

const NAME: Column = { title: 'server', cell: (result) => result.peer };
const CPU: Column = { title: 'CPU %', cell: (result) => fixed(result.cpuPercent, 1) };
const CPU_PER_GBIT: Column = { title: 'CPU-s/Gbit', cell: (result) => fixed(result.cpuSecondsPerGbit, 3) };
const RSS: Column = { title: 'RSS MiB', cell: (result) => fixed(result.residentMib, 0) };
const FOREIGN: Column = { title: 'other %', cell: (result) => fixed(result.foreignPercent, 0) };
const LOAD: Column = {
  title: 'load own/core %',
  cell: (result) => pair(result.loadPercent, result.loadCorePercent, 0),
};

const COLUMNS: Readonly<Record<BenchCase['kind'], readonly Column[]>> = {
  play: [
    NAME,
    CPU_PER_GBIT,
    CPU,
    { title: 'delay ms p50/p99', cell: (result) => pair(result.delayP50Ms, result.delayP99Ms, 1) },
    {
      title: 'first picture ms p50/p99',
      cell: (result) => pair(result.firstMediaP50Ms, result.firstMediaP99Ms, 0),
    },
    { title: 'KiB/player', cell: (result) => fixed(result.kibPerConnection, 1) },
    RSS,
    { title: 'Mbit/s', cell: (result) => fixed(result.mbps, 0) },
    { title: 'kbit/s min/p50', cell: (result) => pair(result.playerKbpsMin, result.playerKbpsP50, 0) },
    {
      title: 'complete',
      cell: (result) => (result.complete === undefined ? '-' : `${result.complete} of ${result.count}`),
    },
    { title: 'behind', cell: (result) => fixed(result.behind, 0) },
    FOREIGN,
    LOAD,
  ],
  push: [
    NAME,
    CPU,
    { title: 'us/message', cell: (result) => fixed(result.microsecondsPerMessage, 2) },
    CPU_PER_GBIT,
    { title: 'KiB/publisher', cell: (result) => fixed(result.kibPerConnection, 0) },
    RSS,
    { title: 'Mbit/s in', cell: (result) => fixed(result.mbps, 0) },
    { title: 'messages/s', cell: (result) => fixed(result.messagesPerSecond, 0) },
    { title: 'unread KiB', cell: (result) => fixed(result.unreadKib, 0) },
    FOREIGN,
    LOAD,
  ],
  start: [NAME, { title: 'start to listening ms', cell: (result) => fixed(result.startMs, 0) }, RSS],
};

/** Load core use from which on the load tool may be what is measured. */
const LOAD_LIMIT_PERCENT = 85;
/** Use of the server's core by others from which on a figure is doubtful. */
const FOREIGN_LIMIT_PERCENT = 25;

/** What makes a result doubtful, in words, together with what happened during it. */
export function remarks(result: Result): string[] {
  const list = [...result.notes];
  if ((result.loadCorePercent ?? 0) > LOAD_LIMIT_PERCENT) {
    list.push(
      `the load core was ${fixed(result.loadCorePercent, 0)} % busy: delays are not the server's alone`,
    );
  }
  if ((result.foreignPercent ?? 0) > FOREIGN_LIMIT_PERCENT) {
    list.push(
      `${fixed(result.foreignPercent, 0)} % of the server's core went to network interrupts or other programs`,
    );
  }
  return list;
}

export function caseTitle(benchCase: BenchCase): string {
  if (benchCase.kind === 'start') return 'start and idle memory';
  const rate = benchCase.clip === 'lo' ? '250 kbit/s' : '1.1 Mbit/s';
  if (benchCase.kind === 'push') return `${benchCase.count} publishers of ${rate}, nobody watching`;
  const scheme = { rtmp: 'RTMP', rtsp: 'RTSP/TCP', 'http-flv': 'HTTP-FLV', 'ws-flv': 'WS-FLV' }[
    benchCase.protocol
  ];
  const protocol = benchCase.tls ? `${scheme} over TLS` : scheme;
  const merge = benchCase.mergeMs === undefined ? 'default settings' : `merge bound ${benchCase.mergeMs} ms`;
  return `${benchCase.count} ${protocol} players of ${rate}, ${merge}`;
}

function rowsOf(benchCase: BenchCase, results: readonly Result[]): string[][] {
  const columns = COLUMNS[benchCase.kind];
  return [
    columns.map((column) => column.title),
    ...results.map((result) => columns.map((c) => c.cell(result))),
  ];
}

function alignedLines(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
}

function markdownLines(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...body.map(line)].join('\n');
}

/** A table with aligned columns for the terminal. */
export function textTable(benchCase: BenchCase, results: readonly Result[]): string {
  const lines = alignedLines(rowsOf(benchCase, results));
  for (const result of results) {
    for (const remark of remarks(result)) lines.push(`  ${result.peer}: ${remark}`);
  }
  return lines.join('\n');
}

/** The same as Markdown. */
export function markdownTable(benchCase: BenchCase, results: readonly Result[]): string {
  return markdownLines(rowsOf(benchCase, results));
}

/** A trial's table with its notes, for the terminal. */
export function trialText({ rows, notes }: TrialResult): string {
  return [...alignedLines(rows), ...notes.map((note) => `  ${note}`)].join('\n');
}

/** The same as Markdown. */
export function trialMarkdown({ rows, notes }: TrialResult): string {
  return [markdownLines(rows), ...(notes.length === 0 ? [] : ['']), ...notes].join('\n');
}

export interface GoalLine {
  readonly met: boolean;
  readonly text: string;
}

/** The goals of a case that can be judged with the results at hand; only the product has goals. */
export function judge(benchCase: BenchCase, results: readonly Result[]): GoalLine[] {
  const own = results.find((result) => result.case === benchCase.name && result.peer === 'sluice');
  if (own === undefined) return [];
  const others = new Map(
    results.filter((result) => result.case === benchCase.name).map((result) => [result.peer, result]),
  );
  const lines: GoalLine[] = [];
  const push = (text: string, value: number, limit: number): void => {
    lines.push({ met: value <= limit, text: `${benchCase.name}: ${text}: ${Number(value.toFixed(3))}` });
  };
  for (const goal of benchCase.goals) {
    const found = goal.check(own, others);
    if (found !== undefined) push(goal.text, found.value, found.limit);
  }
  const twin = results.find((result) => result.case === rtmpTwin(benchCase.name) && result.peer === 'sluice');
  if (twin?.cpuSecondsPerGbit !== undefined && own.cpuSecondsPerGbit !== undefined) {
    const value = own.cpuSecondsPerGbit / twin.cpuSecondsPerGbit;
    const limit = overRtmpLimit(benchCase);
    push(`CPU-s per Gbit <= ${limit} x ${twin.case}`, value, limit);
  }
  return lines;
}

export function judgeTrial({ name, goals }: TrialResult): GoalLine[] {
  return goals.map(({ text, value, limit }) => ({
    met: value <= limit,
    text: `${name}: ${text}: ${Number(value.toFixed(3))}`,
  }));
}

/** Goals of all cases and trials, one line each. */
export function goalReport(results: readonly Result[], trials: readonly TrialResult[] = []): string {
  const lines = [...CASES.flatMap((benchCase) => judge(benchCase, results)), ...trials.flatMap(judgeTrial)];
  return lines.map((line) => `${line.met ? 'met   ' : 'MISSED'}  ${line.text}`).join('\n');
}
