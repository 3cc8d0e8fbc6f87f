import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

function folders(root: string): string[] {
  return readdirSync(root)
    .filter((name) => statSync(join(root, name)).isDirectory())
    .flatMap((name) => [join(root, name), ...folders(join(root, name))]);
}

test('every folder of the source is named in ARCHITECTURE.md', () => {
  const text = readFileSync('ARCHITECTURE.md', 'utf8');
  // `wire` stands for its parts, which are named one by one.
  const leaves = folders('src').filter((folder) => readdirSync(folder).some((name) => name.endsWith('.ts')));
  for (const folder of leaves) assert.ok(text.includes(`\`${folder}\``), `${folder} is missing from the map`);
});

test('every folder that holds a protocol, a service or a layer says what it is', () => {
  const needed = [
    ...folders('src/protocol'),
    ...folders('src/service'),
    'src/codec',
    'src/media',
    'src/access',
    'src/crypto',
    'src/packaging',
    'src/config',
    'src/runtime',
    'src/app',
    'src/util',
    'src/wire',
  ];
  for (const folder of needed)
    assert.ok(existsSync(join(folder, 'README.md')), `${folder}/README.md is missing`);
});
