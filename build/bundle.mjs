/**
 * Sources and assets -> dist/sluice.cjs, one file that any Node >= 20.11 runs. Pages, default configuration and the
 * test clip are part of it (gzip, base64, unpacked when they are asked for). Vendored players are copied to html/vendor.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ensureInstalled, root } from './install.mjs';

/** What the program's own code may weigh, without assets. A dependency that grows shows here. */
const CODE_BUDGET_BYTES = 700 * 1024;

const VENDORED = [
  ['hls.js', 'dist/hls.min.js', 'hls.min.js', 'LICENSE', 'hls.js.LICENSE.txt'],
  ['mpegts.js', 'dist/mpegts.js', 'mpegts.js', 'LICENSE', 'mpegts.js.LICENSE.txt'],
];

/** Copies the players into html/vendor. */
export function vendor() {
  const folder = join(root, 'html', 'vendor');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, from, to, license, licenseTo] of VENDORED) {
    cpSync(join(root, 'node_modules', name, from), join(folder, to));
    cpSync(join(root, 'node_modules', name, license), join(folder, licenseTo));
  }
}

/** Writes dist/sluice.cjs (and its map beside it); returns its path. */
export async function bundle({ minify = true } = {}) {
  const { build } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  vendor();
  const dist = join(root, 'dist');
  mkdirSync(dist, { recursive: true });
  const assets = join(dist, 'assets.js');
  writeFileSync(assets, `export const SLUICE_ASSETS = ${JSON.stringify(collectAssets())};\n`);
  const outfile = join(dist, 'sluice.cjs');
  const result = await build({
    entryPoints: [join(root, 'src', 'main.ts')],
    outfile,
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
    define: { SLUICE_PACKAGED: 'true', SLUICE_VERSION: JSON.stringify(version) },
    logLevel: 'warning',
  });
  const [output] = Object.values(result.metafile.outputs).filter((one) => one.entryPoint !== undefined);
  const assetBytes =
    Object.entries(output.inputs).find(([name]) => name.endsWith('dist/assets.js'))?.[1].bytesInOutput ?? 0;
  const codeBytes = output.bytes - assetBytes;
  if (minify && codeBytes > CODE_BUDGET_BYTES) {
    throw new Error(`the bundle's code is ${codeBytes} bytes, over its budget of ${CODE_BUDGET_BYTES}`);
  }
  return { outfile, codeBytes, assetBytes, metafile: result.metafile };
}

function collectAssets() {
  const packed = {};
  const add = (name, path) => {
    packed[name] = gzipSync(readFileSync(path), { level: 9 }).toString('base64');
  };
  for (const folder of ['html', 'conf']) {
    for (const path of walk(join(root, folder))) {
      const name = relative(root, path).split(sep).join('/');
      if (!/\.(key|crt|pem)$/.test(name)) add(name, path);
    }
  }
  add('demo/clip.flv', join(root, 'src', 'service', 'demo', 'clip.flv'));
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
