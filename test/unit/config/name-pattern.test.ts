import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamePattern } from '../../../src/config/name-pattern.ts';

test('name pattern: * stands for any characters, also none', () => {
  const cases: [string, string[], string[]][] = [
    ['live/x', ['live/x'], ['', 'live', 'live/xy', 'Live/x']],
    ['*', ['', 'a', 'a/b'], []],
    ['live/*', ['live/', 'live/a', 'live/a/b'], ['live', 'alive/a']],
    ['*.example', ['.example', 'a.example', 'a.b.example'], ['example', 'a.example.org']],
    ['a*b*c', ['abc', 'aXbYc', 'abbbc', 'abcbc'], ['ac', 'acb', 'abcd', 'ab']],
    ['a*a', ['aa', 'aba'], ['a', 'ab']],
    ['*b*b*', ['bb', 'abab'], ['b', 'aba']],
    ['a**c', ['ac', 'abc'], ['a']],
    ['a.c', ['a.c'], ['abc']],
  ];
  for (const [pattern, fitting, others] of cases) {
    for (const name of fitting)
      assert.equal(new NamePattern(pattern).matches(name), true, `${pattern} ${name}`);
    for (const name of others)
      assert.equal(new NamePattern(pattern).matches(name), false, `${pattern} ${name}`);
  }
});

test('name pattern: a whole name weighs more than any with a star, a longer one more than a shorter', () => {
  const weights = ['*', 'a*', '*ab', 'a', 'abc'].map((text) => new NamePattern(text).weight);
  assert.deepEqual(
    weights,
    [...weights].sort((a, b) => a - b),
  );
  assert.ok(new NamePattern('a').weight > new NamePattern(`${'a'.repeat(512)}*`).weight);
});
