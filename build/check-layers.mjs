/**
 * Holds the architecture: who may import whom, what the data plane may not use, no import cycles, file length, and a
 * README.md in every folder of sources. `node build/check-layers.mjs [--readmes] [folder]` reads text only: a missing
 * README.md is a warning without the flag, a fault with it; the folder is for its own test.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
const readmesAreFaults = args.includes('--readmes');
const source = resolve(args.find((arg) => !arg.startsWith('--')) ?? join(root, 'src'));

/** Layer of each folder, and the folders of its own or a higher layer that it may use all the same. */
const LAYER = {
  util: 0,
  crypto: 1,
  codec: 1,
  wire: 2,
  media: 3,
  audio: 2,
  srt: 3,
  ice: 3,
  dtls: 3,
  packaging: 4,
  config: 5,
  runtime: 5,
  access: 5,
  client: 5,
  recordings: 5,
  'media-file': 5,
  origin: 5,
  rtc: 5,
  transcode: 5,
  protocol: 6,
  service: 7,
  app: 8,
};
const NEVER = {
  crypto: ['codec'],
  codec: ['crypto'],
  media: ['wire', 'crypto', 'srt', 'ice', 'dtls', 'audio'],
  srt: ['codec', 'media'],
  audio: ['wire', 'crypto'],
  wire: ['audio'],
  ice: ['codec', 'media', 'srt', 'dtls'],
  dtls: ['codec', 'media', 'srt', 'ice'],
};
/** Layers 0 to 4 are the data plane: synchronous, no I/O, no timers. */
const DATA_PLANE_TOP = 4;
const FORBIDDEN = [
  [/\basync\b|\bawait\b/, 'async and await'],
  [/'node:(?!(crypto|buffer)')/, 'I/O, timers or streams of the system (of node: only crypto and buffer)'],
  [/\bset(Timeout|Interval|Immediate)\(/, 'timers'],
];
/** Named exceptions, each with its reason. */
const EXCEPTIONS = {
  'util/tick-wheel.ts': 'owns the one timer of all coarse timeouts',
  'media/pump.ts': 'owns the timers of flushes',
};
/** Declarations of configuration elements lie with their module; config reads them and nothing else of a module. */
const isConfigDeclaration = (file) => /-config\.ts$/.test(file);
const SOFT_LINES = 500;
const HARD_LINES = 800;

const files = walk(source);
const imports = new Map(files.map((file) => [file, importsOf(file)]));
const problems = [];
for (const file of files) checkFile(file);
findCycles();
findMissingReadmes();
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
console.log(`${files.length} files hold the layers`);

function checkFile(file) {
  const text = readFileSync(join(source, file), 'utf8');
  const [folder, part] = file.split('/');
  const layer = LAYER[folder];
  const lines = text.split('\n').length;
  if (lines > HARD_LINES || lines > SOFT_LINES)
    problems.push(`${file}: ${lines} lines, ${SOFT_LINES} are the limit`);
  if (layer === undefined) return;
  for (const target of imports.get(file)) {
    // A file of a package that its own list of exports does not name.
    if (target.startsWith('../node_modules/')) continue;
    const [targetFolder, targetPart] = target.split('/');
    const targetLayer = LAYER[targetFolder];
    if (targetLayer === undefined) {
      problems.push(`${file} imports ${target}, which belongs to no layer`);
      continue;
    }
    if (folder === 'config' && isConfigDeclaration(target)) continue;
    if (targetLayer > layer || NEVER[folder]?.includes(targetFolder))
      problems.push(`${file} (layer ${layer}) may not import ${target} (layer ${targetLayer})`);
    if (folder === 'protocol' && targetFolder === 'protocol' && part !== targetPart)
      problems.push(`${file}: a protocol may not import another (${target})`);
    if (folder === 'service' && targetFolder === 'service' && part !== targetPart)
      problems.push(`${file}: a service may not import another (${target})`);
    if (folder === 'service' && targetFolder === 'protocol')
      problems.push(`${file}: a service may not import a protocol (${target})`);
  }
  if (layer <= DATA_PLANE_TOP && EXCEPTIONS[file] === undefined) {
    const code = text
      .replaceAll(/\/\*[\s\S]*?\*\//g, '')
      .replaceAll(/^\s*\/\/.*$/gm, '')
      .replaceAll(/'[^'\n]*'/g, (quoted) => (quoted.startsWith("'node:") ? quoted : "''"));
    for (const [pattern, what] of FORBIDDEN)
      if (pattern.test(code)) problems.push(`${file} (data plane) may not use ${what}`);
  }
}

function importsOf(file) {
  const text = readFileSync(join(source, file), 'utf8');
  const found = [];
  for (const match of text.matchAll(/(?:(?:import|export)[^'";]*?from |import |import\()'(\.[^']+)'/g)) {
    found.push(
      relative(source, resolve(source, dirname(file), match[1]))
        .split(sep)
        .join('/'),
    );
  }
  return found;
}

/** Type-only imports make no cycle at run time. */
function valueImportsOf(file) {
  const text = readFileSync(join(source, file), 'utf8');
  const found = [];
  for (const match of text.matchAll(/(?:import|export) (?!type )(?:([^'";]*?)from )?'(\.[^']+)'/g)) {
    const names = (match[1] ?? '')
      .replaceAll(/[{}]/g, '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
    if (names.length > 0 && names.every((name) => name.startsWith('type '))) continue;
    found.push(
      relative(source, resolve(source, dirname(file), match[2]))
        .split(sep)
        .join('/'),
    );
  }
  return found;
}

function findCycles() {
  const state = new Map();
  const visit = (file, path) => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      problems.push(`import cycle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`);
      return;
    }
    state.set(file, 'open');
    for (const target of valueImportsOf(file)) if (imports.has(target)) visit(target, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of files) visit(file, []);
}

/** A folder explains itself, or ARCHITECTURE.md does it by its name. Folders that hold only folders need not. */
function findMissingReadmes() {
  const architecture = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    if (folder === '.' || existsSync(join(source, folder, 'README.md'))) continue;
    if (architecture.includes(`\`src/${folder}\``)) continue;
    const text = `${folder} has no README.md and is not named in ARCHITECTURE.md`;
    if (readmesAreFaults) problems.push(text);
    else console.log(`warning: ${text}`);
  }
}

function walk(folder) {
  const found = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) found.push(...walk(path));
    else if (name.endsWith('.ts')) found.push(relative(source, path).split(sep).join('/'));
  }
  return found.sort();
}
