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

/**
 * Works that packages hold as WebAssembly, under licences of their own, and licences of packages that come without a
 * file of them. `file` lies in build/licenses.
 */
const INSIDE = {
  'libopus-wasm': [
    { name: 'libopus 1.6.1', license: 'BSD-3-Clause', link: 'https://opus-codec.org', file: 'libopus.txt' },
  ],
  '@mediabunny/aac-encoder': [
    {
      name: 'FFmpeg (libavcodec and libavutil, the AAC encoder)',
      license: 'LGPL-2.1-or-later',
      link: 'https://ffmpeg.org',
      file: 'LGPL-2.1.txt',
    },
  ],
  'mpg123-decoder': [
    { name: 'libmpg123', license: 'LGPL-2.1', link: 'https://www.mpg123.de', file: 'LGPL-2.1.txt' },
  ],
};
const WITHOUT_FILE = {
  'mpg123-decoder': 'Copyright (c) Ethan Halsall',
  '@wasm-audio-decoders/common': 'Copyright (c) Ethan Halsall',
};
/** What the LGPL asks for. */
const REPLACEABLE = `FFmpeg's encoder of AAC and libmpg123 are under the LGPL: they may be exchanged. Their sources are those of the
versions that the named npm packages name; what builds Sluice with other ones is in its own sources: put another
package in their place (package.json) and run \`npm run release\`.
`;

/** `inputs`: esbuild's account of what the bundle was made of. */
export function writeThirdParty(inputs) {
  const bundled = new Set();
  for (const input of Object.keys(inputs)) {
    const match = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match !== null) bundled.add(match[1]);
  }
  const parts = [
    '# Works of others in Sluice\n',
    'Written by `node build/third-party.mjs`. Sluice itself is under the MIT licence, see LICENSE.\n',
    runtimes(),
    '## In the program\n',
    REPLACEABLE,
    ...[...bundled].sort().flatMap((name) => [describe(name), ...insideOf(name)]),
    ...usedLicenses([...bundled]),
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
  const text = file === undefined ? licenseOf(name) : readFileSync(join(folder, file), 'utf8').trim();
  const link = homepage === undefined ? '' : `, ${homepage}`;
  return `### ${name} ${version}\n\n${license}${link}\n\n\`\`\`\`text\n${text}\n\`\`\`\`\n`;
}

function licenseOf(name) {
  const copyright = WITHOUT_FILE[name];
  if (copyright === undefined) {
    throw new Error(`${name} has no licence file; look at it before it is shipped`);
  }
  return `${copyright}\n\n${readLicense('mit.txt')}`;
}

function insideOf(name) {
  return (INSIDE[name] ?? []).map(
    (work) => `### ${work.name}, inside ${name}\n\n${work.license}, ${work.link}; see ${work.file} below.\n`,
  );
}

/** Licences of works inside of packages, each once. */
function usedLicenses(names) {
  const files = new Set(names.flatMap((name) => (INSIDE[name] ?? []).map(({ file }) => file)));
  return [...files].sort().map((file) => `### ${file}\n\n\`\`\`\`text\n${readLicense(file)}\n\`\`\`\`\n`);
}

function readLicense(file) {
  return readFileSync(join(root, 'build', 'licenses', file), 'utf8').trim();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  ensureInstalled();
  const { bundle } = await import('./bundle.mjs');
  writeThirdParty((await bundle()).inputs);
}
