/** Which files a channel plays. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { listItems, parseNames } from '../../../../src/service/channel/vod-list.ts';

let folder = '';

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-list-'));
  mkdirSync(join(folder, 'vod', 'night'), { recursive: true });
  writeFileSync(join(folder, 'secret.flv'), 'no');
  writeFileSync(join(folder, 'vod', 'junk.flv'), 'this is no media file');
});

after(() => rmSync(folder, { recursive: true, force: true }));

const NAMES: readonly (readonly [string, string, readonly string[]])[] = [
  ['plain lines', 'a.mp4\nb.flv\n', ['a.mp4', 'b.flv']],
  [
    'a list of a player',
    '\ufeff#EXTM3U\r\n#EXTINF:12,A title\r\na b.mp4\r\n\r\n#EXT-X-ENDLIST\r\n',
    ['a b.mp4'],
  ],
  ['old line ends, spaces, ./', ' ./a.mp4 \r  b.mp4', ['a.mp4', 'b.mp4']],
  ['comments only', '# nothing\n\n', []],
];

for (const [what, text, expected] of NAMES) {
  test(`channel list: ${what}`, () => assert.deepEqual(parseNames(text), expected));
}

test('channel list: names count from the folder of the playlist, with a slash from the vod folder', async () => {
  const vod = join(folder, 'vod');
  writeFileSync(join(vod, 'night', 'list.m3u8'), 'a.mp4\n/b.mp4\n');
  const items = await listItems(vod, 'night/list.m3u8');
  assert.deepEqual(
    items.map(({ name }) => name),
    ['night/a.mp4', 'b.mp4'],
  );
  assert.deepEqual(
    (await listItems(vod, 'c.mp4')).map(({ name }) => name),
    ['c.mp4'],
  );
});

test('channel list: nothing outside of the vod folder is opened', async () => {
  const vod = join(folder, 'vod');
  symlinkSync(join(folder, 'secret.flv'), join(vod, 'link.flv'));
  writeFileSync(
    join(vod, 'bad.m3u'),
    [
      '../secret.flv',
      '//etc/passwd',
      'night/../../secret.flv',
      'link.flv',
      'night',
      join(folder, 'secret.flv'),
    ].join('\n'),
  );
  for (const { name, open } of await listItems(vod, 'bad.m3u'))
    await assert.rejects(open(), { name: 'RejectedError' }, name);
  await assert.rejects(listItems(vod, '../bad.m3u'), { name: 'RejectedError' });
});

test('channel list: lists that cannot be used, and files that are none', async () => {
  const vod = join(folder, 'vod');
  writeFileSync(join(vod, 'empty.m3u'), '#EXTM3U\n');
  writeFileSync(join(vod, 'long.m3u'), 'a.flv\n'.repeat(10_001));
  writeFileSync(join(vod, 'large.m3u'), '#'.repeat(1024 * 1024 + 1));
  await assert.rejects(listItems(vod, 'none.m3u'), /no such file/);
  await assert.rejects(listItems(vod, 'empty.m3u'), /names no file/);
  await assert.rejects(listItems(vod, 'long.m3u'), /more than 10000/);
  await assert.rejects(listItems(vod, 'large.m3u'), /too long/);
  const [junk] = await listItems(vod, 'junk.flv');
  await assert.rejects(junk!.open(), { name: 'ProtocolError' });
});
