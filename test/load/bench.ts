/**
 * The benchmark: `npm run bench -- [options]` runs cases against the product and the servers it is compared
 * with, one at a time, prints tables and goals, and keeps the figures as JSON. `--help` lists the options.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type BenchCase, CASES } from './cases.ts';
import { drawChart } from './chart.ts';
import { isInNamespace, runInNamespace } from './namespace.ts';
import {
  caseTitle,
  goalReport,
  judge,
  judgeTrial,
  markdownTable,
  textTable,
  trialMarkdown,
  trialText,
} from './report.ts';
import type { Result } from './result.ts';
import { runCase } from './run-case.ts';
import { allServers, delay, type Server } from './servers.ts';
import { openFileLimit, pinningProblem } from './system.ts';
import type { TrialResult } from './trial.ts';
import { runTrial, TRIALS } from './trials.ts';

const HELP = `usage: npm run bench -- [options]

  --case LIST        cases to run, comma separated, a * at the end matches any rest (default: all)
  --peer LIST        servers to run: sluice, nginx, nms2, nms4, bare (default: all that are installed)
  --quick            shorter settling and window: rougher figures
  --count N          other number of players or publishers in every case
  --executable PATH  the product's executable or script (default: dist/sluice.cjs)
  --window SECONDS   length of the measured window (default: 8, quick: 4)
  --crowd-interval MS  how often counting players read; 0, the default, = every packet at once
  --plain-loopback   no network namespace of its own: what players acknowledge is then worked on by their core
  --record           append the tables to test/load/HISTORY.md
  --chart            draw test/load/chart.svg from this run
  --from FILE        do not run: report (and record, draw) the results of an earlier JSON file
  --check            exit with 1 when a goal is missed
  --list             names and titles of the cases`;

const here = fileURLToPath(new URL('.', import.meta.url));
const SETTLE_MS = 3000;
const QUICK_SETTLE_MS = 1500;
/** Between two servers, so that closing connections of one do not disturb the next. */
const PAUSE_MS = 500;
/** Files that one process needs beside its players' sockets. */
const SPARE_FILES = 200;

interface Report {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  /** How loopback packets were worked on; figures of one kind are not comparable with the other. */
  readonly loopback: 'server core' | 'plain';
  readonly results: readonly Result[];
  /** Missing in files of earlier versions. */
  readonly trials?: readonly TrialResult[];
  /** Load averages of the machine before the run: what else it had to do. */
  readonly loadAverage?: readonly number[];
}

function options() {
  const { values } = parseArgs({
    options: {
      case: { type: 'string' },
      peer: { type: 'string' },
      quick: { type: 'boolean', default: false },
      count: { type: 'string' },
      executable: { type: 'string' },
      window: { type: 'string' },
      'crowd-interval': { type: 'string' },
      'plain-loopback': { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
      chart: { type: 'boolean', default: false },
      from: { type: 'string' },
      check: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return values;
}

type Options = ReturnType<typeof options>;

/** Items by comma separated names or beginnings followed by a star; throws on a name that fits nothing. */
function pick<T extends { readonly name: string }>(
  items: readonly T[],
  list: string | undefined,
): readonly T[] {
  if (list === undefined || list === 'all') return items;
  const wanted = new Set<T>();
  for (const name of list.split(',')) {
    const isPrefix = name.endsWith('*');
    const fit = items.filter((item) =>
      isPrefix ? item.name.startsWith(name.slice(0, -1)) : item.name === name,
    );
    if (fit.length === 0) {
      throw new Error(`"${name}" is none of: ${items.map((item) => item.name).join(', ')}`);
    }
    for (const item of fit) wanted.add(item);
  }
  return items.filter((item) => wanted.has(item));
}

function numberOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value >= 0)) throw new Error(`--${name} wants a number from 0 on, not "${text}"`);
  return value;
}

function chosenCases(chosen: Options): readonly BenchCase[] {
  const count = numberOption('count', chosen.count);
  const cases = pick([...CASES, ...TRIALS], chosen.case).filter((item) => 'kind' in item);
  return count === undefined
    ? cases
    : cases.map((item) => (item.kind === 'start' ? item : { ...item, count }));
}

async function runTrials(chosen: Options, windowMs: number): Promise<TrialResult[]> {
  const results: TrialResult[] = [];
  const isWanted =
    chosen.peer === undefined || pick(allServers(undefined), chosen.peer)[0]?.name === 'sluice';
  for (const trial of pick([...CASES, ...TRIALS], chosen.case)) {
    if (!('run' in trial) || !isWanted) continue;
    console.log(`\n${trial.name}: ${trial.title}`);
    const problem = trial.missing();
    if (problem !== '') {
      console.log(`  skipped: ${problem}`);
      continue;
    }
    try {
      const result = await runTrial(trial, {
        windowMs,
        isQuick: chosen.quick,
        count: numberOption('count', chosen.count),
        executable: chosen.executable,
      });
      results.push(result);
      console.log(trialText(result));
    } catch (error) {
      console.log(`  failed: ${error instanceof Error ? error.message : String(error)}`);
    }
    await delay(PAUSE_MS);
  }
  return results;
}

function presentServers(chosen: Options): readonly Server[] {
  return pick(allServers(chosen.executable), chosen.peer).filter((server) => {
    const problem = server.missing();
    if (problem !== undefined) console.log(`skipped: ${server.name}: ${problem}`);
    return problem === undefined;
  });
}

function checkLimits(cases: readonly BenchCase[]): void {
  const limit = openFileLimit();
  const most = Math.max(0, ...cases.map((item) => item.count)) + SPARE_FILES;
  if (limit < most) {
    throw new Error(
      `the limit of open files is ${limit}, these cases need ${most}: run "ulimit -n 20000" before, or use --count`,
    );
  }
  const problem = pinningProblem();
  if (problem !== '') console.log(`note: ${problem}`);
}

async function runAll(chosen: Options): Promise<Report> {
  const cases = chosenCases(chosen);
  checkLimits(cases);
  const servers = cases.length === 0 ? [] : presentServers(chosen);
  const windowSeconds = numberOption('window', chosen.window) ?? (chosen.quick ? 4 : 8);
  const crowdIntervalMs = numberOption('crowd-interval', chosen['crowd-interval']) ?? 0;
  const settleMs = chosen.quick ? QUICK_SETTLE_MS : SETTLE_MS;
  const runOptions = { settleMs, windowMs: windowSeconds * 1000, crowdIntervalMs };
  const results: Result[] = [];
  const loadAverage = loadavg();
  for (const benchCase of cases) {
    console.log(`\n${benchCase.name}: ${caseTitle(benchCase)}`);
    const before = results.length;
    for (const server of servers) {
      const reason = server.unsupported(benchCase);
      if (reason !== undefined) {
        console.log(`  skipped: ${server.name}: ${reason}`);
        continue;
      }
      try {
        results.push(await runCase(server, benchCase, runOptions));
      } catch (error) {
        console.log(`  failed: ${server.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await delay(PAUSE_MS);
    }
    if (results.length > before) console.log(textTable(benchCase, results.slice(before)));
  }
  const trials = await runTrials(chosen, runOptions.windowMs);
  const [core] = cpus();
  return {
    date: new Date().toISOString(),
    machine: `${cpus().length} x ${core?.model.trim() ?? 'unknown'}`,
    node: process.versions.node,
    loopback: isInNamespace() ? 'server core' : 'plain',
    results,
    trials,
    loadAverage,
  };
}

/** Cases that occur in results, with the count that was really used. */
function casesOf(results: readonly Result[]): BenchCase[] {
  return CASES.flatMap((item) => {
    const result = results.find((one) => one.case === item.name);
    return result === undefined ? [] : [{ ...item, count: result.count }];
  });
}

function resultFolder(): string {
  const inTree = join(here, 'results');
  try {
    mkdirSync(inTree, { recursive: true });
    return inTree;
  } catch {
    // A read-only tree: the figures still have to go somewhere.
    const outside = join(tmpdir(), 'sluice-bench');
    mkdirSync(outside, { recursive: true });
    return outside;
  }
}

function record(report: Report): void {
  const path = join(here, 'HISTORY.md');
  if (!existsSync(path)) {
    writeFileSync(path, '# Benchmark history\n\nAppended by `npm run bench -- --record`; newest last.\n');
  }
  const [load] = report.loadAverage ?? [];
  const busy = load === undefined ? '' : `, load average before the run ${load.toFixed(1)}`;
  const parts = [
    `\n## ${report.date.slice(0, 16).replace('T', ' ')}\n\n${report.machine}, Node ${report.node}, loopback: ${report.loopback}${busy}\n`,
  ];
  for (const benchCase of casesOf(report.results)) {
    const results = report.results.filter((result) => result.case === benchCase.name);
    parts.push(`\n### ${benchCase.name}: ${caseTitle(benchCase)}\n\n${markdownTable(benchCase, results)}\n`);
  }
  for (const trial of report.trials ?? []) {
    parts.push(`\n### ${trial.name}: ${trial.title}\n\n${trialMarkdown(trial)}\n`);
  }
  appendFileSync(path, parts.join(''));
  console.log(`recorded in ${path}`);
}

async function main(): Promise<number> {
  const chosen = options();
  if (chosen.help) {
    console.log(HELP);
    return 0;
  }
  if (chosen.list) {
    for (const benchCase of CASES) console.log(`${benchCase.name.padEnd(18)} ${caseTitle(benchCase)}`);
    for (const trial of TRIALS) console.log(`${trial.name.padEnd(18)} ${trial.title}`);
    return 0;
  }
  if (chosen.from === undefined && !chosen['plain-loopback'] && !isInNamespace()) {
    // What has to be installed is installed here: inside there is no network.
    for (const server of pick(allServers(chosen.executable), chosen.peer)) server.missing();
    const code = runInNamespace();
    if (code !== undefined) return code;
    console.log('note: no network namespace (see --plain-loopback): servers that write often look too cheap');
  }
  let report: Report;
  if (chosen.from === undefined) {
    report = await runAll(chosen);
    const path = join(resultFolder(), `${report.date.replaceAll(':', '-').slice(0, 19)}.json`);
    writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
    console.log(`\nfigures: ${path}`);
  } else {
    report = JSON.parse(readFileSync(chosen.from, 'utf8')) as Report;
    for (const benchCase of casesOf(report.results)) {
      const results = report.results.filter((result) => result.case === benchCase.name);
      console.log(`\n${benchCase.name}: ${caseTitle(benchCase)}\n${textTable(benchCase, results)}`);
    }
    for (const trial of report.trials ?? [])
      console.log(`\n${trial.name}: ${trial.title}\n${trialText(trial)}`);
  }
  const goals = goalReport(report.results, report.trials);
  if (goals !== '') console.log(`\n${goals}`);
  if (chosen.record) record(report);
  if (chosen.chart) {
    const path = join(here, 'chart.svg');
    writeFileSync(path, drawChart(casesOf(report.results), report.results, report.date.slice(0, 10)));
    console.log(`drawn: ${path}`);
  }
  const lines = [
    ...CASES.flatMap((item) => judge(item, report.results)),
    ...(report.trials ?? []).flatMap(judgeTrial),
  ];
  const missed = lines.some((line) => !line.met);
  return chosen.check && missed ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
