import assert from 'node:assert/strict';
import { test } from 'node:test';
import { safeLevels } from '../../../../src/runtime/safe-path.ts';
import {
  NameReader,
  readFileName,
  renderPath,
  usualPath,
} from '../../../../src/service/record/file-naming.ts';

const START = new Date(2026, 10, 21, 9, 5, 7, 42).getTime();
const FACTS = {
  vhost: 'media.example',
  app: 'live',
  stream: 'cam',
  seq: 3,
  startMs: START,
  durationMs: 61_500,
};

test('file naming: every variable', () => {
  const cases: [string, string][] = [
    ['[vhost]/[app]/[stream]', 'media.example/live/cam'],
    ['[2006]-[01]-[02]/[15]-[04]-[05].[999]', '2026-11-21/09-05-07.042'],
    ['%Y-%m-%d_%H-%M-%S-%f', '2026-11-21_09-05-07-042000'],
    ['%path/%s', `live/cam/${Math.floor(START / 1000)}`],
    ['[stream]-[seq]-[timestamp]-[duration]', `cam-3-${START}-61500`],
    [usualPath('rec', 'segment'), 'media.example/cam/2026-11-21/09-05-07'],
    [usualPath('live', 'session'), 'media.example/live/cam/2026-11-21/09-05-07'],
    [usualPath('live', 'append'), 'media.example/live/cam/all'],
  ];
  for (const [template, path] of cases) assert.equal(renderPath(template, FACTS), path, template);
  assert.equal(renderPath('[vhost]/x', { ...FACTS, vhost: '' }), 'default/x');
});

test('file naming: no name of a peer leads out of the folder or is refused by a system', () => {
  const names = [
    '..',
    '.',
    '.x',
    'con',
    'a:b',
    'x'.repeat(256),
    '摄'.repeat(256),
    'a%2f..%2fb',
    'a.',
    '[seq]',
    '%Y',
  ];
  for (const name of names) {
    for (const template of ['[vhost]/[app]/[stream]/[15]', '[app]-[stream]-[vhost]', 'x[stream]', '%path']) {
      const path = renderPath(template, { ...FACTS, vhost: name, app: `${name}/${name}`, stream: name });
      assert.deepEqual(safeLevels(path), path.split('/'), `${name} in ${template}: ${path}`);
      assert.doesNotMatch(path, /[:*?"<>|\\%]/);
    }
  }
});

test('file naming: what a template made is read back', () => {
  const templates = [
    '[vhost]/[app]/[stream]/[2006]-[01]-[02]/[15]-[04]-[05]',
    '[app]-[stream]-[timestamp]',
    'x/%path/%s',
    '[stream]+[seq]+[duration]',
  ];
  const facts = { ...FACTS, startMs: new Date(2026, 10, 21, 9, 5, 7).getTime() };
  for (const template of templates) {
    for (const stream of ['cam', 'a:b', 'c.d']) {
      const path = renderPath(template, { ...facts, app: 'live', stream });
      const read = new NameReader(template, 'live').read(path);
      assert.deepEqual([read?.app, read?.stream], ['live', stream], template);
      if (!template.includes('+')) assert.equal(read!.startMs, facts.startMs);
      else assert.ok(Number.isNaN(read!.startMs));
      // A name that was taken got a number.
      assert.equal(new NameReader(template, 'live').read(`${path}.2`)?.app, 'live');
    }
  }
  assert.equal(new NameReader(templates[0]!, '').read('a/b'), null);
});

test('file naming: the usual places are read back, by application', () => {
  const template = '[app]/[stream]/[2006]-[01]-[02]/[15]-[04]-[05]';
  const read = (path: string) => {
    const found = readFileName(path, [template], (app, _stream, by) => app === 'tv' && by === template);
    return found === null ? null : `${found.app} ${found.stream} ${found.vhost}`;
  };
  assert.equal(read('tv/one/2026-11-21/09-05-07'), 'tv one ', 'by the template of the policy');
  assert.equal(read('h/cam/2026-11-21/09-05-07'), 'rec cam h');
  assert.equal(read('h/live/cam/2026-11-21/09-05-07'), 'live cam h');
  assert.equal(read('h/live/room/cam/2026-11-21/09-05-07'), 'live/room cam h');
  assert.equal(read('h/live/cam/all'), 'live cam h');
  assert.equal(read('h/cam'), null);
});
