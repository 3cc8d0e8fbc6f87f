import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeHtml, folderPage, pickLanguage } from '../../../../src/service/vod/vod-page.ts';

test('vod page: language', () => {
  const table: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'en'],
    ['', 'en'],
    ['zh', 'zh'],
    ['zh-TW', 'zh'],
    ['en-GB, zh;q=0.9', 'en'],
    ['en;q=0.5, zh;q=0.9', 'zh'],
    ['fr, de', 'en'],
    ['fr, zh;q=0.1', 'zh'],
    ['zh;q=0', 'en'],
    ['*', 'en'],
  ];
  for (const [header, expected] of table) assert.equal(pickLanguage(header), expected, header);
});

test('vod page: nothing of a name becomes markup or another address', () => {
  const name = `a"'<b>&#?%/..mp4`;
  const file = { name, sizeBytes: 1_234_567, modifiedMs: Date.UTC(2026, 10, 21, 8) };
  const page = folderPage(
    '/vod/<x>/',
    { dirs: [{ ...file, name: '"dir"' }], files: [file] },
    'en',
    () => true,
  );
  assert.ok(!page.includes('<b>') && !page.includes('<x>') && !page.includes('"dir"'));
  assert.ok(page.includes(escapeHtml(name)));
  assert.ok(page.includes(`href="./${encodeURIComponent(name)}"`));
  assert.ok(page.includes('href="./%22dir%22/"'));
  assert.ok(page.includes('1.2 MB'));
  assert.ok(!/<script|\sstyle=|\son\w+=/.test(page));
});
