/**
 * Sources and assets -> dist/sluice.cjs, one file that any Node >= 20.11 runs. Pages, default configuration, the test
 * clip and the code of worker threads are part of it (gzip, base64, unpacked when they are asked for). Vendored players
 * are copied to html/vendor.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ensureInstalled, root } from './install.mjs';
import { bundleWorkers } from './worker-bundles.mjs';

/** What the program's own code may weigh, without assets. A dependency that grows shows here. */
const CODE_BUDGET_BYTES = 1400 * 1024;

const VENDORED = [
  ['hls.js', 'dist/hls.min.js', 'hls.min.js', 'LICENSE', 'hls.js.LICENSE.txt'],
  ['mpegts.js', 'dist/mpegts.js', 'mpegts.js', 'LICENSE', 'mpegts.js.LICENSE.txt'],
  [
    'dashjs',
    'dist/modern/umd/dash.mediaplayer.min.js',
    'dash.mediaplayer.min.js',
    'LICENSE.md',
    'dash.js.LICENSE.txt',
  ],
];

/** What the bundle depends on. Keys and certificates that the server makes beside its configuration are not. */
const INPUTS = [
  'src',
  'html',
  'conf',
  'build/bundle.mjs',
  'build/worker-bundles.mjs',
  'build/demo-clip.flv',
  'package.json',
  'package-lock.json',
];
const isSecret = (path) => /\.(key|crt|pem)$/.test(path);
const OUTFILE = join(root, 'dist', 'sluice.cjs');
/** Holds the fingerprint of the inputs that OUTFILE was made from. */
const BUILT_FROM = join(root, 'dist', 'sluice.inputs');

/** False when a source changed, came or went since the last bundle; costs a stat per source. */
export function isFresh() {
  return existsSync(OUTFILE) && existsSync(BUILT_FROM) && readFileSync(BUILT_FROM, 'utf8') === fingerprint();
}

function fingerprint() {
  const hash = createHash('sha256');
  const vendored = join('html', 'vendor') + sep;
  for (const input of INPUTS) {
    const path = join(root, input);
    for (const file of statSync(path).isDirectory() ? walk(path) : [path]) {
      const name = relative(root, file);
      if (name.startsWith(vendored) || isSecret(name)) continue;
      const { size, mtimeMs } = statSync(file);
      hash.update(`${name} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

/** Copies the players into html/vendor; leaves files alone that are right, because a server may be serving them. */
export function vendor() {
  const folder = join(root, 'html', 'vendor');
  mkdirSync(folder, { recursive: true });
  const wanted = new Map();
  for (const [name, from, to, license, licenseTo] of VENDORED) {
    wanted.set(to, join(root, 'node_modules', name, from));
    wanted.set(licenseTo, join(root, 'node_modules', name, license));
  }
  for (const name of readdirSync(folder)) {
    if (!wanted.has(name)) rmSync(join(folder, name), { recursive: true });
  }
  for (const [name, source] of wanted) {
    const path = join(folder, name);
    const bytes = readFileSync(source);
    if (!existsSync(path) || !bytes.equals(readFileSync(path))) writeFileSync(path, bytes);
  }
}

/** Writes dist/sluice.cjs (and its map beside it); returns its path. */
export async function bundle({ minify = true } = {}) {
  const { build } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // Before anything is read: what changes meanwhile makes the next start build again.
  const builtFrom = fingerprint();
  vendor();
  const dist = join(root, 'dist');
  mkdirSync(dist, { recursive: true });
  const assets = join(dist, 'assets.js');
  const workers = await bundleWorkers({ minify, version });
  writeFileSync(assets, `export const SLUICE_ASSETS = ${JSON.stringify(collectAssets(workers.texts))};\n`);
  rmSync(BUILT_FROM, { force: true });
  const result = await build({
    entryPoints: [join(root, 'src', 'main.ts')],
    outfile: OUTFILE,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minify,
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'none',
    metafile: true,
    inject: [assets],
    external: ['bufferutil', 'utf-8-validate'],
    define: {
      SLUICE_PACKAGED: 'true',
      SLUICE_VERSION: JSON.stringify(version),
      'import.meta.dirname': '""',
    },
    logLevel: 'warning',
  });
  const [output] = Object.values(result.metafile.outputs).filter((one) => one.entryPoint !== undefined);
  const assetBytes =
    Object.entries(output.inputs).find(([name]) => name.endsWith('dist/assets.js'))?.[1].bytesInOutput ?? 0;
  const codeBytes = output.bytes - assetBytes;
  if (minify && codeBytes > CODE_BUDGET_BYTES) {
    throw new Error(`the bundle's code is ${codeBytes} bytes, over its budget of ${CODE_BUDGET_BYTES}`);
  }
  if (minify) writeFileSync(BUILT_FROM, builtFrom);
  const inputs = { ...result.metafile.inputs, ...workers.inputs };
  return { outfile: OUTFILE, codeBytes, assetBytes, inputs };
}

/** `workers`: name -> text. */
function collectAssets(workers) {
  const packed = {};
  const addBytes = (name, bytes) => {
    packed[name] = gzipSync(bytes, { level: 9 }).toString('base64');
  };
  const add = (name, path) => addBytes(name, readFileSync(path));
  for (const folder of ['html', 'conf']) {
    for (const path of walk(join(root, folder))) {
      const name = relative(root, path).split(sep).join('/');
      if (!isSecret(name)) add(name, path);
    }
  }
  add('demo/clip.flv', join(root, 'build', 'demo-clip.flv'));
  for (const [name, text] of Object.entries(workers)) addBytes(`workers/${name}.js`, text);
  return packed;
}

function walk(folder) {
  const paths = [];
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) paths.push(...walk(path));
    else paths.push(path);
  }
  return paths;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  ensureInstalled();
  const { outfile, codeBytes, assetBytes } = await bundle();
  console.log(
    `${relative(root, outfile)}: code ${Math.round(codeBytes / 1024)} KiB, assets ${Math.round(assetBytes / 1024)} KiB`,
  );
}
