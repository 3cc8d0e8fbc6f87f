import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

type Files = Readonly<Record<string, string>>;

function check(files: Files, flags: readonly string[] = []): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-layers-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const run = spawnSync(process.execPath, ['build/check-layers.mjs', ...flags, folder], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return { status: run.status, output: run.stdout + run.stderr };
}

const CLEAN: Files = {
  'util/a.ts': 'export const a = 1;\n',
  'media/b.ts': "import { a } from '../util/a.ts';\nexport const b = a;\n",
  'protocol/x/index.ts': "import { b } from '../../media/b.ts';\nexport const x = b;\n",
};

test('layers: a clean tree passes', () => {
  assert.equal(check(CLEAN).status, 0);
});

const BROKEN: readonly (readonly [string, Files, RegExp])[] = [
  [
    'a lower layer imports a higher one',
    { 'util/bad.ts': "import { b } from '../media/b.ts';\nexport const c = b;\n" },
    /may not import media\/b\.ts/,
  ],
  [
    'media imports wire',
    {
      'wire/w.ts': 'export const w = 1;\n',
      'media/bad.ts': "import { w } from '../wire/w.ts';\nexport const c = w;\n",
    },
    /may not import wire\/w\.ts/,
  ],
  [
    'a protocol imports another',
    { 'protocol/y/y.ts': "import { x } from '../x/index.ts';\nexport const y = x;\n" },
    /a protocol may not import another/,
  ],
  [
    'a service imports a protocol',
    { 'service/s/s.ts': "import { x } from '../../protocol/x/index.ts';\nexport const s = x;\n" },
    /a service may not import a protocol/,
  ],
  [
    'await in the data plane',
    { 'media/bad.ts': 'export async function f() {\n  await 0;\n}\n' },
    /may not use async and await/,
  ],
  [
    'a timer in the data plane',
    { 'codec/bad.ts': 'export const f = () => setTimeout(() => {}, 1);\n' },
    /may not use timers/,
  ],
  [
    'files in the data plane',
    { 'wire/bad.ts': "import { readFileSync } from 'node:fs';\nexport const f = readFileSync;\n" },
    /may not use I\/O/,
  ],
  [
    'a cycle',
    {
      'util/p.ts': "import { q } from './q.ts';\nexport const p = q;\n",
      'util/q.ts': "import { p } from './p.ts';\nexport const q = p;\n",
    },
    /import cycle/,
  ],
  [
    'a higher layer for its side effect',
    { 'util/bad.ts': "import '../media/b.ts';\nexport {};\n" },
    /may not import media\/b\.ts/,
  ],
  [
    'a higher layer by import()',
    { 'util/bad.ts': "export const later = () => import('../media/b.ts');\n" },
    /may not import media\/b\.ts/,
  ],
  [
    'timers of node: in the data plane',
    { 'wire/bad.ts': "import { setTimeout as wait } from 'node:timers';\nexport const w = wait;\n" },
    /may not use I\/O, timers/,
  ],
  [
    'a service imports another',
    {
      'service/a/a.ts': 'export const a = 1;\n',
      'service/b/b.ts': "import { a } from '../a/a.ts';\nexport const b = a;\n",
    },
    /a service may not import another/,
  ],
  ['a file that is too long', { 'util/long.ts': 'export {};\n'.repeat(600) }, /500 are the limit/],
];

for (const [name, files, expected] of BROKEN) {
  test(`layers: ${name} is refused`, () => {
    const { status, output } = check({ ...CLEAN, ...files });
    assert.equal(status, 1);
    assert.match(output, expected);
  });
}

test('layers: comments and words in strings do not count', () => {
  const text = "// we await nothing, setTimeout( is not used\nexport const text = 'await setTimeout(';\n";
  assert.equal(check({ ...CLEAN, 'media/fine.ts': text }).status, 0);
});

test('layers: a folder without README.md is told, and refused with --readmes', () => {
  assert.match(check(CLEAN).output, /warning: protocol\/x has no README\.md/);
  assert.equal(check(CLEAN, ['--readmes']).status, 1);
  // util and media are named in ARCHITECTURE.md; folders that hold only folders need nothing.
  assert.equal(check({ ...CLEAN, 'protocol/x/README.md': '# X\n' }, ['--readmes']).status, 0);
});
