/**
 * `npm run release [-- TARGET ...]`: one archive per target in release/, with everything that is needed to run Sluice
 * on that system, and SHA256SUMS over all archives present. Without a target: all of them. Any Node from 20 on starts
 * it; what needs the release's own Node is run by that one.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { ensureInstalled, root, runtime } from './install.mjs';
import { archiveName, executableName, systemOf, TARGETS } from './release/targets.mjs';

const RELEASE = join(root, 'release');
const WORK = join(RELEASE, '.work');
/** What the program is called in stack traces. */
const CODE_PATH = 'sluice.cjs';

const targets = process.argv.slice(2);
const unknown = targets.filter((target) => !Object.hasOwn(TARGETS, target));
if (unknown.length > 0) {
  console.error(`No such target: ${unknown.join(', ')}. There are ${Object.keys(TARGETS).join(', ')}.`);
  process.exit(2);
}
ensureInstalled();
if (Number(process.versions.node.split('.')[0]) < 22 && runtime() !== process.execPath) {
  const run = spawnSync(runtime(), [process.argv[1], ...targets], { stdio: 'inherit' });
  process.exit(run.status ?? 1);
}
await releaseAll(targets.length > 0 ? targets : Object.keys(TARGETS));

async function releaseAll(names) {
  const { bundle } = await import('./bundle.mjs');
  const { writeThirdParty } = await import('./third-party.mjs');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { outfile, inputs } = await bundle();
  writeThirdParty(inputs);
  for (const target of names) {
    const begin = Date.now();
    const work = join(WORK, target);
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { recursive: true });
    try {
      await releaseOne({ target, version, outfile, work, begin });
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  rmSync(WORK, { recursive: true, force: true });
  writeSums();
}

async function releaseOne({ target, version, outfile, work, begin }) {
  const { ensureBase } = await import('./release/bases.mjs');
  const { writeArchive } = await import('./release/archive.mjs');
  const base = ensureBase(TARGETS[target].base);
  const { executable, how } = await makeExecutable({ target, version, outfile, work, base, ensureBase });
  const archive = join(RELEASE, archiveName(version, target));
  await writeArchive(archive, contents({ target, version, executable, nodeLicense: base.license }));
  const seconds = ((Date.now() - begin) / 1000).toFixed(1);
  const sizes = `${megabytes(executable)} MB, archive ${megabytes(archive)} MB`;
  console.log(`${target.padEnd(14)} ${sizes}, ${seconds} s (Node ${base.version}, ${how})`);
}

/** Returns the path of the finished executable and a word on how it was made. */
async function makeExecutable({ target, version, outfile, work, base, ensureBase }) {
  const { pkg, strip, pointerBytes } = TARGETS[target];
  const to = join(work, executableName(target));
  const { seaBlob } = await import('./release/sea-blob.mjs');
  const nodeMajor = Number(base.version.split('.')[0]);
  const blob = seaBlob({ code: readFileSync(outfile), codePath: CODE_PATH, pointerBytes, nodeMajor });
  if (systemOf(target) === 'windows') {
    const { writeWindowsExecutable } = await import('./release/windows.mjs');
    writeWindowsExecutable({ base: base.binary, to, blob, version });
    return { executable: to, how: 'unsigned' };
  }
  const { copyStripped, inject } = await import('./release/unix.mjs');
  const tool = copyStripped(base.binary, to, strip);
  const stripped = tool === null ? 'not stripped' : 'stripped';
  const { canUsePkg, writeWithPkg } = await import('./release/pkg.mjs');
  if (pkg !== undefined && canUsePkg()) {
    const hostBase = ensureBase(TARGETS['linux-x64'].base).binary;
    const made = join(work, 'made');
    try {
      const { version: nodeVersion } = base;
      writeWithPkg({
        bundle: outfile,
        target: pkg,
        base: to,
        hostBase,
        version: nodeVersion,
        to: made,
        work,
      });
      return { executable: made, how: `${stripped}, by pkg` };
    } catch (error) {
      console.log(`${target}: ${error.message}\n${target}: made without pkg instead`);
    }
  }
  inject(to, blob);
  return { executable: to, how: systemOf(target) === 'macos' ? 'unsigned' : stripped };
}

/** Files of the archive, all below sluice/. */
function contents({ target, version, executable, nodeLicense }) {
  const system = systemOf(target);
  const files = [
    { name: `sluice/${executableName(target)}`, bytes: readFileSync(executable), executable: true },
  ];
  const add = (name, path) => files.push({ name: `sluice/${name}`, bytes: shipped(path, system, version) });
  for (const folder of ['conf', 'html']) {
    for (const path of walk(join(root, folder))) {
      const name = relative(root, path).split(sep).join('/');
      if (!/\.(key|crt|pem)$/.test(name)) add(name, path);
    }
  }
  add('README.txt', join(RELEASE, 'README.txt'));
  add('LICENSE', join(root, 'LICENSE'));
  add('THIRD-PARTY.md', join(root, 'THIRD-PARTY.md'));
  add('LICENSE-NODE', nodeLicense);
  add('vod/README.txt', join(RELEASE, 'vod.txt'));
  add('rec/README.txt', join(RELEASE, 'rec.txt'));
  const services = {
    linux: ['sluice.service'],
    macos: ['com.sluice.server.plist'],
    windows: ['start.bat', 'windows-service.txt'],
  };
  for (const name of services[system]) add(name, join(RELEASE, name));
  const folders = new Set(files.flatMap(({ name }) => parents(name)));
  return [...files, ...[...folders].map((name) => ({ name }))];
}

/** Texts that a person opens get the version and, for Windows, its line ends. */
function shipped(path, system, version) {
  const bytes = readFileSync(path);
  if (!/\.(txt|bat)$/.test(path) || !path.startsWith(RELEASE)) return bytes;
  const text = bytes.toString('utf8').replaceAll('@VERSION@', version);
  return Buffer.from(system === 'windows' ? text.replaceAll('\n', '\r\n') : text);
}

function parents(name) {
  const parts = name.split('/').slice(0, -1);
  return parts.map((_, index) => `${parts.slice(0, index + 1).join('/')}/`);
}

function writeSums() {
  const archives = readdirSync(RELEASE).filter((name) => /\.(zip|tar\.gz)$/.test(name));
  const lines = archives.sort().map((name) => {
    const digest = createHash('sha256')
      .update(readFileSync(join(RELEASE, name)))
      .digest('hex');
    return `${digest}  ${name}\n`;
  });
  writeFileSync(join(RELEASE, 'SHA256SUMS'), lines.join(''));
  console.log(`release/SHA256SUMS covers ${archives.length} archive${archives.length === 1 ? '' : 's'}`);
}

function walk(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

function megabytes(path) {
  return (statSync(path).size / 1e6).toFixed(1);
}
