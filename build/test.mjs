/**
 * `npm test [-- filter]` and `npm run test:all`: every stage of the checks, each with its time and count. What a
 * machine lacks is named and counted as skipped; a failure of any stage fails the whole. `npm run check` is what a
 * change needs before review, in less than a minute: types, lint, layers, dead code, unit and session tests.
 */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ensureInstalled, root, runtime } from './install.mjs';

ensureInstalled();
const args = process.argv.slice(2);
const all = args.includes('--all');
const checkOnly = args.includes('--check');
const filter = args.find((arg) => !arg.startsWith('--')) ?? '';
const node = runtime();
const totals = { passed: 0, failed: 0, skipped: 0 };
const skippedTests = [];
const failedTests = [];
const bin = (name) => join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);

/** Tests without sockets: many files share a process, which costs more than most of them take. */
const IN_ONE_PROCESS = new Set(['unit', 'conformance', 'session', 'unit, session']);
const ONE_AT_A_TIME = new Set([...IN_ONE_PROCESS, 'interop', 'soak']);
/** Files of `interop` by lanes of like length, each with one file at a time; all others are one more lane. */
const INTEROP_LANES = [/http-ways|interop.pages/, /publish-matrix|webrtc|standby|vod/];
const STATIC = [
  ['types', bin('tsc'), ['-p', 'tsconfig.json']],
  ['lint', bin('biome'), ['ci', '--colors=off', '--diagnostic-level=warn', '--error-on-warnings', '.']],
  ['layers', node, ['build/check-layers.mjs', '--readmes']],
  ['dead code', bin('knip'), []],
  // What only tests use; not worth its seconds before each review.
  ...(checkOnly ? [] : [['dead files', bin('knip'), ['--production', '--include', 'files']]]),
];
const TESTS = checkOnly
  ? // Together: what they load is much the same, and takes seconds.
    [['unit, session', 'test/unit', 'test/session']]
  : [
      ['unit', 'test/unit'],
      ['conformance', 'test/conformance'],
      ['session', 'test/session'],
      ['fuzz', 'test/fuzz'],
      ['integration', 'test/integration'],
      ['interop', 'test/interop'],
      ...(all ? [['soak', 'test/soak']] : []),
    ];

/** The slowest files of the unit tests: `npm test` runs them, the check has no time for them. */
const SLOW = /transcode.(conversion|codecs)\.test|video-property\.test/;

const started = Date.now();
if (filter === '' && !checkOnly) {
  const { bundle } = await import('./bundle.mjs');
  await stage('bundle', async () => {
    const { codeBytes } = await bundle();
    return { ok: true, note: `${Math.round(codeBytes / 1024)} KiB of code` };
  });
}
if (filter === '') {
  // All at once: most of them use one core.
  await Promise.all(
    STATIC.map(([name, command, commandArgs]) => stage(name, () => runStatic(command, commandArgs))),
  );
}
for (const [name, ...folders] of TESTS) {
  const files = folders
    .flatMap((folder) => testFiles(join(root, folder)))
    .filter((file) => file.includes(filter) && !(checkOnly && SLOW.test(file)));
  if (files.length > 0) await stage(name, () => runTests(files, name));
}
summary();

async function stage(name, action) {
  const begin = Date.now();
  const { ok, note = '', output = '' } = await action();
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(13)} ${seconds.padStart(6)} s  ${note}`);
  if (!ok && output !== '') console.log(output);
}

function runStatic(command, commandArgs) {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, { cwd: root, shell: process.platform === 'win32' });
    let output = '';
    const add = (bytes) => {
      output = (output + bytes).slice(-20_000);
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.on('error', (error) => add(String(error)));
    child.on('close', (code) => {
      const ok = code === 0;
      totals[ok ? 'passed' : 'failed']++;
      resolve({ ok, output });
    });
  });
}

/** Runs files by node:test, two or three at a time (those of integration mostly wait), and counts what its TAP says. */
async function runTests(files, name) {
  const lanes =
    name === 'interop'
      ? [...INTEROP_LANES, null].map((lane) =>
          files.filter((file) => INTEROP_LANES.find((other) => other.test(file)) === (lane ?? undefined)),
        )
      : IN_ONE_PROCESS.has(name)
        ? [files.filter((_, at) => at % 2 === 0), files.filter((_, at) => at % 2 === 1)]
        : [files];
  const concurrency = ONE_AT_A_TIME.has(name) ? 1 : name === 'integration' ? 3 : 2;
  const ran = await Promise.all(
    lanes.filter((lane) => lane.length > 0).map((lane) => runLane(lane, name, concurrency)),
  );
  const sum = (what) => ran.reduce((total, lane) => total + lane[what], 0);
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')];
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
  const parts = [`${passed} passed`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  if (ran.length > 2) parts.push(`lanes of ${ran.map(({ seconds }) => seconds).join(', ')} s`);
  const note = parts.join(', ');
  return { ok: ran.every(({ ok }) => ok), note, output: ran.map(({ output }) => output).join('') };
}

function runLane(files, name, concurrency) {
  const begin = Date.now();
  const flags = [
    '--test',
    '--test-reporter=tap',
    `--test-concurrency=${concurrency}`,
    // Of a file as of a test: the long forms take their time.
    `--test-timeout=${all ? 3_600_000 : 240_000}`,
    '--expose-gc',
    ...(IN_ONE_PROCESS.has(name) ? ['--experimental-test-isolation=none'] : []),
  ];
  return new Promise((resolve) => {
    const child = spawn(node, [...flags, ...files], {
      cwd: root,
      env: {
        ...process.env,
        FUZZ_SECONDS: process.env.FUZZ_SECONDS ?? (all ? '20' : '0.3'),
        ...(all ? { SLUICE_TEST_ALL: '1' } : {}),
      },
    });
    let output = '';
    child.stdout.on('data', (bytes) => {
      output += bytes;
    });
    child.stderr.on('data', (bytes) => {
      output += bytes;
    });
    child.on('close', (code) => {
      const count = (word) => Number(new RegExp(`^# ${word} (\\d+)`, 'm').exec(output)?.[1] ?? 0);
      const passed = count('pass');
      const failed = count('fail') + count('cancelled');
      const skipped = count('skipped') + count('todo');
      for (const match of output.matchAll(/^\s*ok \d+ - (.*?) # SKIP ?(.*)$/gm))
        skippedTests.push(`${match[1]}: ${match[2]}`);
      for (const match of output.matchAll(/^\s*not ok \d+ - (.*)$/gm))
        failedTests.push(`${name}: ${match[1]}`);
      const ok = code === 0 && failed === 0 && passed > 0;
      // It broke off before it could count.
      const broken = !ok && failed === 0 ? 1 : 0;
      const seconds = Math.round((Date.now() - begin) / 1000);
      resolve({
        ok,
        passed,
        failed: failed + broken,
        skipped,
        seconds,
        output: ok ? '' : onlyFailures(output),
      });
    });
  });
}

/** The parts of the TAP around failures. */
function onlyFailures(output) {
  const lines = output.split('\n');
  const wanted = new Set();
  lines.forEach((line, at) => {
    if (/^\s*not ok /.test(line)) for (let i = at - 3; i < at + 40; i++) wanted.add(i);
  });
  const text = wanted.size > 0 ? lines.filter((_, at) => wanted.has(at)).join('\n') : output;
  return text.slice(0, 30_000);
}

function testFiles(folder) {
  let names;
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return testFiles(path);
    return name.endsWith('.test.ts') ? [relative(root, path)] : [];
  });
}

function summary() {
  if (skippedTests.length > 0) {
    console.log('\nSkipped:');
    for (const line of skippedTests) console.log(`  ${line}`);
  }
  if (failedTests.length > 0) {
    console.log('\nFailed:');
    for (const line of failedTests) console.log(`  ${line}`);
  }
  console.log(`\n${((Date.now() - started) / 1000).toFixed(0)} s`);
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);
}
