/**
 * `node build/third-party.mjs`: writes THIRD-PARTY.md, the works of others that the executable and its pages carry,
 * with their licences in full. Taken from what the bundle really holds, so nothing can be forgotten.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './install.mjs';
import { pinned } from './release/bases.mjs';
import { TARGETS } from './release/targets.mjs';

/** Copied into html/vendor by the bundle; what their packages depend on is inside. */
const VENDORED = ['hls.js', 'mpegts.js', 'dashjs'];
/** Inside hls.js's file without being a package that is installed here. */
const INSIDE_HLS = `hls.js holds eventemitter3 (MIT, Copyright (c) 2014 Arnout Kazemier) and url-toolkit (Apache-2.0,
Tom Jenkinson); these licences are to be found in full under ws and mpegts.js.
`;

/** `metafile`: esbuild's account of the bundle. */
export function writeThirdParty(metafile) {
  const bundled = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match !== null) bundled.add(match[1]);
  }
  const parts = [
    '# Works of others in Sluice\n',
    'Written by `node build/third-party.mjs`. Sluice itself is under the MIT licence, see LICENSE.\n',
    runtimes(),
    '## In the program\n',
    ...[...bundled].sort().map(describe),
    '## In the pages (html/vendor)\n',
    INSIDE_HLS,
    ...VENDORED.flatMap((name) => [name, ...dependenciesOf(name)]).map(describe),
  ];
  writeFileSync(join(root, 'THIRD-PARTY.md'), parts.join('\n'));
}

function runtimes() {
  const rows = Object.entries(TARGETS).map(([target, { base }]) => {
    const { version, integrity } = pinned(base);
    return `| ${target} | ${version} | ${base} | ${integrity} |`;
  });
  return `## The runtime

Every executable is [Node.js](https://nodejs.org) with the program inside. Node.js is under the MIT licence and holds
further works; all their licences are in the file LICENSE-NODE of the archive. The binaries are the ones of these
packages of the npm registry:

| target | Node.js | package | integrity |
|---|---|---|---|
${rows.join('\n')}
`;
}

function dependenciesOf(name) {
  const path = join(root, 'node_modules', name, 'package.json');
  return Object.keys(JSON.parse(readFileSync(path, 'utf8')).dependencies ?? {});
}

function describe(name) {
  const folder = join(root, 'node_modules', name);
  const { version, license, homepage } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no licence file; look at it before it is shipped`);
  const text = readFileSync(join(folder, file), 'utf8').trim();
  const link = homepage === undefined ? '' : `, ${homepage}`;
  return `### ${name} ${version}\n\n${license}${link}\n\n\`\`\`\`text\n${text}\n\`\`\`\`\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  ensureInstalled();
  const { bundle } = await import('./bundle.mjs');
  writeThirdParty((await bundle()).metafile);
}
