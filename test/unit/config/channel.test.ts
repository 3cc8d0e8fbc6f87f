/** `<stream source="vod:…">`: files as live channels. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfiguration } from '../../../src/config/configuration.ts';
import { load, refusal } from './load.ts';

const channels = (inner: string) =>
  load('', `<policy>${inner}</policy>`).channels.map(
    ({ stream, file, loop, onDemand }) =>
      `${stream} ${file} ${loop ? 'loop' : 'once'}${onDemand ? ' on-demand' : ''}`,
  );

const GOOD: readonly (readonly [string, readonly string[]])[] = [
  ['<stream name="live/channel" source="vod:list.m3u" loop="on"/>', ['live/channel list.m3u loop']],
  ['<stream name="live/a" source="vod:b/c d.mp4" loop="off"/>', ['live/a b/c d.mp4 once']],
  ['<stream name="live/a" source="vod:a.mp4" on-demand="on"/>', ['live/a a.mp4 loop on-demand']],
  ['<stream name="live/a" source="vod:a.mp4" on_demand="yes"/>', ['live/a a.mp4 loop on-demand']],
  ['<application name="tv"><stream name="one" source="vod:a.flv"/></application>', ['tv/one a.flv loop']],
  ['<stream name="live/cam*"><play latency="low"/></stream>', []],
  [
    '<application name="live"><stream name="a" source="vod:a.flv"><gop frames="9"/></stream></application>' +
      '<stream name="live/b" source="vod:b.flv"/>',
    ['live/a a.flv loop', 'live/b b.flv loop'],
  ],
];

for (const [inner, expected] of GOOD)
  test(`channel: ${inner}`, () => assert.deepEqual(channels(inner), expected));

const BAD: readonly (readonly [string, RegExp])[] = [
  ['<stream name="live/a" source="file:a.mp4"/>', /source="file:a\.mp4" is not of the form vod:FILE/],
  ['<stream name="live/a" source="vod:"/>', /not of the form vod:FILE/],
  ['<stream name="live/a" source="vod:/etc/passwd"/>', /not of the form vod:FILE/],
  [
    '<stream name="live/a" loop="on"/>',
    /policy\.xml:1:9: loop, on-demand and times of a source belong to one/,
  ],
  ['<stream name="live/*" source="vod:a.mp4"/>', /a name without \*/],
  [
    '<stream name="channel" source="vod:a.mp4"/>',
    /outside of <application> must name it: name="live\/channel"/,
  ],
  ['<stream name="live/a" sorce="vod:a.mp4"/>', /unknown attribute sorce.*did you mean source/],
  ['<stream name="live/a" source="vod:a.mp4" loop="maybe"/>', /loop="maybe" is neither on nor off/],
  ['<stream source="vod:a.mp4"/>', /<stream> needs a name/],
  ['<application name="live" source="vod:a.mp4"/>', /unknown attribute source/],
  [
    '<stream name="live/a" source="vod:a.mp4"/><application name="live"><stream name="a" source="vod:b.mp4"/></application>',
    /live\/a has a source already \(first at conf\/policy\.xml:1:9\)/,
  ],
];

for (const [inner, message] of BAD) {
  test(`channel: ${inner} is refused`, () => {
    const lines = refusal('', `<policy>${inner}</policy>`);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0]!, message);
  });
}

test('channel: an application that is not allowed is warned of', () => {
  const { warnings } = load('', '<policy><stream name="tv/a" source="vod:a.mp4"/></policy>');
  assert.match(warnings.join('\n'), /no stream can fit this <stream>: the application "tv" is not allowed/);
  assert.deepEqual(load('', '<policy><stream name="live/a" source="vod:a.mp4"/></policy>').warnings, []);
});

test('channel: settings of a stream outside of an application count as inside', () => {
  const { resolver } = load('', '<policy><stream name="live/cam*"><gop frames="7"/></stream></policy>');
  assert.equal(resolver.resolve('', 'live', 'cam1').gop.frames, 7);
  assert.notEqual(resolver.resolve('', 'live', 'other').gop.frames, 7);
});

test('channel: what is printed can be loaded again; a change is told', () => {
  const before = load(
    '',
    '<policy><stream name="live/a" source="vod:a &amp; b.mp4" on-demand="on"/></policy>',
  );
  const printed = before.print();
  assert.match(printed, /<stream name="live\/a" source="vod:a &amp; b\.mp4" on-demand="on"\/>/);
  const policy = printed.slice(printed.indexOf('<policy>'));
  assert.deepEqual(diffConfiguration(before, load('', policy)), []);
  const after = load('', '<policy><stream name="live/a" source="vod:c.mp4"/></policy>');
  assert.deepEqual(
    diffConfiguration(before, after).map(({ name, before, after, reload }) => [name, before, after, reload]),
    [['stream live/a source', 'source=vod:a & b.mp4 onDemand=on', 'source=vod:c.mp4', 'live']],
  );
});
