/**
 * `node build/smoke.mjs TARGET ...`: proves the archives of release/. Each is unpacked into an empty folder and its
 * executable started twice, from the folder and all alone, and asked for what a first user asks for. Foreign Linux
 * targets run under qemu when it is there; what cannot run here has its files and headers looked at.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, parse } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { NtExecutable, NtExecutableResource, Resource } from 'resedit';
import { root } from './install.mjs';
import { archiveName, executableName, systemOf, TARGETS } from './release/targets.mjs';

const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 20_000;
const POLL_MS = 20;
/** Memory is read when the start has settled. */
const SETTLE_MS = 2000;
const FLV_BYTES = 64 * 1024;
/** IMAGE_DIRECTORY_ENTRY_SECURITY */
const CERTIFICATE_DIRECTORY = 4;
const EXIT_USAGE = 2;
const EXIT_CONFIG = 3;

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const targets = process.argv.slice(2);
if (targets.length === 0 || targets.some((target) => !Object.hasOwn(TARGETS, target))) {
  console.error(`Usage: node build/smoke.mjs TARGET ... with targets of ${Object.keys(TARGETS).join(', ')}`);
  process.exit(EXIT_USAGE);
}
for (const target of targets) await smoke(target);

async function smoke(target) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-smoke-')));
  try {
    const home = unpack(target, folder);
    checkFiles(target, home);
    const launcher = launcherOf(target);
    if (typeof launcher === 'string') {
      console.log(`${target}: archive is right; run skipped: ${launcher}`);
      return;
    }
    checkCommands(launcher, home, folder, target);
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    copyFileSync(join(home, executableName(target)), join(alone, executableName(target)));
    await checkServer(`${target}, unpacked`, launcher, join(home, executableName(target)));
    await checkServer(`${target}, alone`, launcher, join(alone, executableName(target)));
    if (process.platform === 'win32') console.log(`${target}: background skipped: not on Windows`);
    else if (launcher.length > 0)
      console.log(`${target}: background skipped: qemu cannot start itself again`);
    else await checkDetached(target, join(home, executableName(target)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compares the archive with SHA256SUMS and unpacks it with the programs that a user has; returns its folder. */
function unpack(target, folder) {
  const name = archiveName(version, target);
  const archive = join(root, 'release', name);
  assert.ok(existsSync(archive), `release/${name} is missing: npm run release -- ${target}`);
  const digest = createHash('sha256').update(readFileSync(archive)).digest('hex');
  const sums = readFileSync(join(root, 'release', 'SHA256SUMS'), 'utf8');
  assert.ok(sums.includes(`${digest}  ${name}\n`), `SHA256SUMS does not tell the sum of ${name}`);
  const zipElsewhere = name.endsWith('.zip') && process.platform === 'linux';
  const [command, ...args] = zipElsewhere
    ? ['unzip', '-q', archive, '-d', folder]
    : ['tar', '-xf', archive, '-C', folder];
  const run = spawnSync(command, args, { encoding: 'utf8' });
  assert.equal(run.status, 0, `${command} failed: ${run.error ?? run.stderr}`);
  return join(folder, 'sluice');
}

function checkFiles(target, home) {
  const services = { linux: 'sluice.service', macos: 'com.sluice.server.plist', windows: 'start.bat' };
  const wanted = [
    'conf/config.xml',
    'conf/policy.xml',
    'html/index.html',
    'html/docs/index.html',
    'html/vendor/hls.min.js',
    'html/vendor/mpegts.js',
    'html/vendor/mpegts.js.LICENSE.txt',
    'README.txt',
    'LICENSE',
    'LICENSE-NODE',
    'THIRD-PARTY.md',
    'vod',
    'rec',
    services[systemOf(target)],
  ];
  for (const name of wanted) assert.ok(existsSync(join(home, name)), `${name} is not in the archive`);
  assert.ok(readFileSync(join(home, 'README.txt'), 'utf8').startsWith(`Sluice ${version} `));
  const path = join(home, executableName(target));
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o755, 'executable for all');
  const image = readFileSync(path);
  assert.equal(machineOf(image), TARGETS[target].machine, 'made for another machine');
  assert.ok(image.includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1'), 'holds no program');
  assert.ok(!image.includes(root), "the build folder's path is inside");
  if (systemOf(target) === 'windows') checkResources(image);
}

/** What Windows itself reads of the file: the program, icon, version, and no certificate that no longer holds. */
function checkResources(image) {
  const executable = NtExecutable.from(image);
  const { entries } = NtExecutableResource.from(executable);
  const types = { icon: 3, data: 10, iconGroup: 14 };
  const count = (type) => entries.filter((entry) => entry.type === type).length;
  assert.equal(entries.filter(({ type, id }) => type === types.data && id === 'NODE_SEA_BLOB').length, 1);
  assert.equal(count(types.iconGroup), 1, 'icon groups');
  assert.ok(count(types.icon) >= 4, 'the icon in its sizes');
  const [info] = Resource.VersionInfo.fromEntries(entries);
  const [language] = info.getAllLanguagesForStringValues();
  assert.equal(info.getStringValues(language).ProductName, 'Sluice');
  assert.equal(info.getStringValues(language).FileVersion, version);
  const certificates = executable.newHeader.optionalHeaderDataDirectory.get(CERTIFICATE_DIRECTORY);
  assert.equal(certificates.size, 0, 'a certificate of somebody else');
}

/** e_machine of ELF, Machine of PE, cputype of Mach-O. */
function machineOf(image) {
  if (image.readUInt32BE(0) === 0x7f454c46) return image.readUInt16LE(18);
  if (image.toString('latin1', 0, 2) === 'MZ') return image.readUInt16LE(image.readUInt32LE(0x3c) + 4);
  return image.readUInt32LE(4);
}

/** What to put before the executable to run it here, or why it cannot be run. */
function launcherOf(target) {
  const systems = { linux: 'linux', win32: 'windows', darwin: 'macos' };
  const here = systems[process.platform];
  if (systemOf(target) !== here) return `this is not ${systemOf(target)}`;
  if (target === `${here}-${process.arch}`) return [];
  const { emulator } = TARGETS[target];
  if (emulator === undefined) return `this machine is ${process.arch}`;
  const [qemu, libraries] = emulator;
  if (spawnSync(qemu, ['--version']).status !== 0) return 'qemu is not installed';
  if (!existsSync(libraries)) return `${libraries} is not installed`;
  return [qemu, '-L', libraries];
}

function checkCommands(launcher, home, folder, target) {
  const executable = join(home, executableName(target));
  const run = (args, { name = executable, env = {} } = {}) => {
    const [command, ...rest] = [...launcher, name, ...args];
    const options = { encoding: 'utf8', cwd: parse(home).root, env: { ...process.env, ...env }, input: '' };
    const { status, stdout, stderr } = spawnSync(command, rest, options);
    return { status, stdout, stderr };
  };
  const told = run(['version']);
  assert.equal(told.status, 0, told.stderr);
  assert.ok(told.stdout.startsWith(`Sluice ${version} `), told.stdout);
  const help = run(['help']);
  assert.equal(help.status, 0, help.stderr);
  assert.match(help.stdout, /Usage: sluice/);
  const check = run(['check']);
  assert.equal(check.status, 0, check.stderr);
  const refused = run(['check'], { env: { SLUICE_RTMP_PORT: 'many' } });
  assert.equal(refused.status, EXIT_CONFIG, 'a wrong configuration has its exit code');
  const unknown = run(['--no-such-flag']);
  assert.equal(unknown.status, EXIT_USAGE, 'an unknown flag has its exit code');
  assert.match(unknown.stderr, /no-such-flag/);
  if (process.platform === 'win32' || launcher.length > 0) return;
  // Its own name comes twice in its arguments, as it was typed: neither may be taken for a command.
  const link = join(folder, 'link');
  symlinkSync(executable, link);
  assert.equal(run(['version'], { name: link }).status, 0, 'started through a link');
  const path = { PATH: `${dirname(executable)}:${process.env.PATH}` };
  assert.equal(run(['version'], { name: 'sluice', env: path }).status, 0, 'found by PATH');
}

async function checkServer(title, launcher, executable) {
  const ports = await freePorts();
  const [command, ...args] = [...launcher, executable];
  const begin = Date.now();
  const child = spawn(command, args, {
    cwd: parse(executable).root,
    env: environment(ports),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = once(child, 'exit');
  try {
    await untilListening(
      ports,
      () => child.exitCode === null,
      () => output,
    );
    const startMs = Date.now() - begin;
    await checkPages(ports);
    await wait(SETTLE_MS);
    const memory = memoryOf(child.pid);
    child.kill('SIGTERM');
    const [code] = await withTimeout(ended, 'the server did not end');
    if (process.platform !== 'win32') assert.equal(code, 0, `exit code after SIGTERM\n${output}`);
    console.log(
      `${title}: listening after ${startMs} ms${memory}, pages and live/demo.flv served, ended cleanly`,
    );
  } finally {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}

async function checkDetached(target, executable) {
  const ports = await freePorts();
  const pidFile = join(dirname(executable), 'sluice.pid');
  const options = { encoding: 'utf8', cwd: '/', env: environment(ports) };
  const run = spawnSync(executable, ['-d'], options);
  assert.equal(run.status, 0, run.stderr);
  let pid = 0;
  try {
    const outFile = join(dirname(executable), 'sluice.out');
    await untilListening(
      ports,
      () => true,
      () => readFileSync(outFile, 'utf8'),
    );
    for (let left = 100; left > 0 && !existsSync(pidFile); left--) await wait(POLL_MS);
    pid = Number(readFileSync(pidFile, 'utf8'));
    assert.ok(isAlive(pid), 'the process of the pid file is alive');
    const again = spawnSync(executable, ['-d'], options);
    assert.equal(again.status, EXIT_CONFIG, 'a second one in the background is refused');
    process.kill(pid, 'SIGTERM');
    for (let left = END_TIMEOUT_MS / POLL_MS; left > 0 && isAlive(pid); left--) await wait(POLL_MS);
    assert.ok(!isAlive(pid), 'SIGTERM ends it');
    assert.ok(!existsSync(pidFile), 'it takes its pid file away');
    console.log(`${target}: -d runs in the background, refuses a second start, ends by SIGTERM`);
  } finally {
    if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
  }
}

async function untilListening({ http }, isRunning, output) {
  const end = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < end) {
    assert.ok(isRunning(), `the server ended:\n${output()}`);
    try {
      const response = await fetch(`http://127.0.0.1:${http}/api/v1/server`);
      const body = await response.text();
      assert.equal(response.status, 200, body);
      JSON.parse(body);
      return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      await wait(POLL_MS);
    }
  }
  throw new Error(`no answer within ${START_TIMEOUT_MS} ms:\n${output()}`);
}

async function checkPages({ http }) {
  const get = (path) =>
    fetch(`http://127.0.0.1:${http}${path}`, { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
  const page = await get('/');
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type') ?? '', /text\/html/);
  assert.match(await page.text(), /<html/);
  const player = await get('/vendor/mpegts.js');
  assert.equal(player.status, 200);
  assert.match(await player.text(), /mpegts/);
  const live = await get('/live/demo.flv');
  assert.equal(live.status, 200);
  let received = 0;
  let start = Buffer.alloc(0);
  for await (const part of live.body) {
    if (start.length < 3) start = Buffer.concat([start, part]);
    received += part.length;
    if (received >= FLV_BYTES) break;
  }
  assert.ok(received >= FLV_BYTES, `only ${received} bytes of the live stream`);
  assert.equal(start.toString('latin1', 0, 3), 'FLV');
}

function environment({ rtmp, rtmps, http, https }) {
  return {
    ...process.env,
    SLUICE_RTMP_IP: '127.0.0.1',
    SLUICE_RTMP_PORT: `${rtmp}`,
    SLUICE_RTMP_SPORT: `${rtmps}`,
    SLUICE_RTSP_ENABLE: 'off',
    SLUICE_HTTP_IP: '127.0.0.1',
    SLUICE_HTTP_PORT: `${http}`,
    SLUICE_HTTP_SPORT: `${https}`,
  };
}

/** Four ports that were free a moment ago. */
async function freePorts() {
  const servers = [0, 1, 2, 3].map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const [rtmp, rtmps, http, https] = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return { rtmp, rtmps, http, https };
}

function memoryOf(pid) {
  if (process.platform !== 'linux') return '';
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024);
  return `, ${read('VmRSS')} MiB of memory (${read('RssAnon')} private)`;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function withTimeout(promise, text) {
  const late = AbortSignal.timeout(END_TIMEOUT_MS);
  return Promise.race([
    promise,
    new Promise((_, reject) => late.addEventListener('abort', () => reject(new Error(text)))),
  ]);
}
