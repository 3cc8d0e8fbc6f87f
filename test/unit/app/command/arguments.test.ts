/** Command lines of the sub-commands that are refused before anything is opened. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXIT_USAGE, readArguments } from '../../../../src/app/command/command.ts';
import { findTool } from '../../../../src/app/command/index.ts';

const TARGET = 'rtmp://127.0.0.1/live/a';

const BAD: readonly (readonly [string, RegExp])[] = [
  ['push a.flv', /something is missing\. "sluice push --help" shows/],
  [`push a.flv ${TARGET} b`, /too many words: "b"/],
  ['push a.flv rtmp://127.0.0.1/live', /names no stream/],
  ['push a.flv srt://127.0.0.1/live/a', /must begin with rtmp/],
  ['push a.flv nonsense', /not an rtmp/],
  [`push --sped 2 a.flv ${TARGET}`, /unknown option --sped\./],
  [`push --sped=2 a.flv ${TARGET}`, /unknown option --sped\./],
  [`push --speed fast a.flv ${TARGET}`, /--speed fast is not a number from 0\.1 on/],
  [`push --speed 0 a.flv ${TARGET}`, /not a number/],
  [`push --speed 1000 a.flv ${TARGET}`, /more than 100/],
  [`push --speed 2 --speed 3 a.flv ${TARGET}`, /--speed needs a value and may be given once/],
  [`record ${TARGET} a.mkv`, /must end with \.flv, \.mp4 or \.ts/],
  [`record ${TARGET} a`, /must end with/],
  [`record ${TARGET} a.mp4 --duration`, /--duration needs a value/],
  [`record ${TARGET} a.mp4 --duration -5`, /unknown option -5/],
  [`record ${TARGET} a.mp4 --duration=-5`, /--duration -5 is not a number/],
  ['probe', /something is missing/],
  ['probe a b', /too many words/],
  ['probe --time x a', /--time x is not a number/],
  ['flv-index', /something is missing/],
  ['flv-index a b c', /too many words: "c"/],
];

for (const [line, message] of BAD) {
  test(`arguments: "${line}" is refused`, async () => {
    const [name, ...args] = line.split(' ');
    await assert.rejects(findTool(name)!.run(args), (error: Error & { code?: number }) => {
      assert.match(error.message, message);
      return error.code === EXIT_USAGE;
    });
  });
}

test('arguments: flags, options and words in any order, numbers as names', () => {
  const tool = findTool('push')!;
  const given = readArguments(tool, ['0123', '--loop', '--speed=1.5', '7'], {
    words: [2, 2],
    flags: ['loop', 'insecure'],
    options: ['speed', 'timeout'],
  });
  assert.deepEqual(given.words, ['0123', '7']);
  assert.equal(given.has('loop'), true);
  assert.equal(given.has('insecure'), false);
  assert.equal(given.number('speed', 0.1), 1.5);
  assert.equal(given.number('timeout', 0.1), undefined);
});
