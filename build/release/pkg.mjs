/**
 * Executables by @yao-pkg/pkg in its single-executable mode, offline: its cache is filled with the pinned (and
 * stripped) bases beforehand, marked as complete, so it neither downloads nor verifies anything itself.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../install.mjs';

/** The path of the program goes into the executable, so it has to be the same on every machine. */
const STAGE = '/tmp/sluice-build';

/** pkg makes the blob with a base of the machine it runs on, so that has to be one whose base is at hand. */
export function canUsePkg() {
  return process.platform === 'linux' && process.arch === 'x64';
}

/**
 * `base`: stripped binary of the target, `hostBase`: the one for this machine, `version`: of both. Throws with pkg's
 * output.
 */
export function writeWithPkg({ bundle, target, base, hostBase, version, to, work }) {
  const home = join(work, 'home');
  if (target !== 'linux-x64') fillCache(home, 'linux-x64', hostBase, version);
  fillCache(home, target, base, version);
  mkdirSync(STAGE, { mode: 0o700 });
  try {
    const script = join(STAGE, 'sluice.cjs');
    copyFileSync(bundle, script);
    const pkg = join(root, 'node_modules', '@yao-pkg', 'pkg', 'lib-es5', 'bin.js');
    const run = spawnSync(
      process.execPath,
      [pkg, '--sea', script, '-t', `node${version}-${target}`, '--output', to],
      { cwd: work, env: { ...process.env, HOME: home, USERPROFILE: home }, encoding: 'utf8' },
    );
    if (run.status !== 0) throw new Error(`pkg failed:\n${run.stdout}${run.stderr}`);
  } finally {
    rmSync(STAGE, { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
  }
}

/** Empty archives with `.ok` beside them are what pkg takes as "downloaded and checked". */
function fillCache(home, target, base, version) {
  const cache = join(home, '.pkg-cache', 'sea');
  const name = `node-v${version}-${target}`;
  const bin = join(cache, name, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const file of [`${name}.tar.gz`, `${name}.tar.gz.ok`]) writeFileSync(join(cache, file), '');
  copyFileSync(base, join(bin, 'node'));
  writeFileSync(join(bin, 'node.ok'), '');
}
