import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from '../../../src/app/command-line.ts';

const base = { command: 'run', folder: '', detach: false, pidFile: '' };

const GOOD: readonly (readonly [string, object])[] = [
  ['', base],
  ['run', base],
  ['-c /etc/sluice', { ...base, folder: '/etc/sluice' }],
  ['--config=conf2 run', { ...base, folder: 'conf2' }],
  ['-d --pid /run/sluice.pid', { ...base, detach: true, pidFile: '/run/sluice.pid' }],
  ['check -c x', { ...base, command: 'check', folder: 'x' }],
  ['version', { ...base, command: 'version' }],
  ['-v', { ...base, command: 'version' }],
  ['--help', { ...base, command: 'help' }],
];

for (const [text, expected] of GOOD) {
  test(`command line: "${text}"`, () => {
    assert.deepEqual(parseCommandLine(text.split(' ').filter((word) => word !== '')), expected);
  });
}

const BAD: readonly (readonly [string, RegExp])[] = [
  ['--port 1936', /unknown option --port/],
  ['-x', /unknown option -x/],
  ['start', /unknown command "start"/],
  ['run fast', /too many words: "fast"/],
  ['-c', /-c needs a value/],
  ['-c a -c b', /-c needs a value and may be given once/],
];

for (const [text, message] of BAD) {
  test(`command line: "${text}" is refused`, () => {
    assert.throws(() => parseCommandLine(text.split(' ')), message);
  });
}
