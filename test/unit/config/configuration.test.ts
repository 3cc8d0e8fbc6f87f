import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Configuration, diffConfiguration } from '../../../src/config/configuration.ts';
import { SERVER_SECTIONS } from '../../../src/config/server-config.ts';
import { metaOf, type Section } from '../../../src/config/setting.ts';
import { STREAM_SECTIONS } from '../../../src/config/stream-policy.ts';
import { forwardSection } from '../../../src/service/relay/forward-config.ts';
import { load } from './load.ts';

const root = new URL('../../../', import.meta.url);
const CONFIG =
  '<config>\n<rtmp port="1940" max_idle="15"><chunk_size>4096</chunk_size></rtmp><log dir="a&amp;b--c"/></config>';
const POLICY = `<policy>
<application name="sport"/>
<application name="live"><gop frames="5"/><play latency="low"/><forward rewrite="rtmp://x/y?a=1&amp;b=2">10.0.0.2</forward>
<stream name="cam*"><hls enable="off"/><forward enable="off"/></stream></application>
<urls><url name="rtmp://a.example/live/one"><forward>rtmps://b.example/app/s</forward></url></urls>
</policy>`;

/** Both halves of what print() wrote, loaded again. */
function reload(printed: string): Configuration {
  const half = printed.indexOf('<!-- conf/policy.xml -->');
  return load(printed.slice(0, half), printed.slice(half));
}

test('print: names the origin of every value', () => {
  const printed = load(CONFIG, POLICY, { SLUICE_HTTP_PORT: '8000' }).print();
  const origin = (start: string) => {
    const line = printed.split('\n').find((one) => one.trim().startsWith(start)) ?? '';
    return /<!-- (.*) -->$/.exec(line)?.[1];
  };
  assert.equal(origin('<port>1940</port>'), 'conf/config.xml:2:7');
  assert.equal(origin('<port>8000</port>'), 'environment SLUICE_HTTP_PORT');
  assert.equal(origin('<sport>1936</sport>'), 'default');
  assert.equal(origin('<max-idle>15</max-idle>'), 'conf/config.xml:2:19');
  assert.equal(origin('<application name="sport"/>'), 'conf/policy.xml:2:1');
  assert.equal(origin('<gop frames="5"/>'), 'conf/policy.xml:3:31');
  assert.equal(origin('<forward rewrite="">rtmps://b.example/app/s</forward>'), 'conf/policy.xml:5:45');
});

test('print: can be loaded again and means the same', () => {
  for (const before of [load(), load(CONFIG, POLICY)]) {
    const after = reload(before.print());
    assert.deepEqual(diffConfiguration(before, after), []);
    assert.deepEqual(after.server, before.server);
    assert.deepEqual(after.warnings, before.warnings);
    for (const stream of ['one', 'cam1', 'x']) {
      const strip = ({ forwards, ...rest }: ReturnType<Configuration['resolver']['resolve']>) => ({
        ...rest,
        forwards: forwards.map((rule) => ({ ...rule, where: '' })),
      });
      const now = after.resolver.resolve('a.example', 'live', stream);
      assert.deepEqual(strip(now), strip(before.resolver.resolve('a.example', 'live', stream)));
    }
  }
});

test('diff: names, texts and when a change counts', () => {
  const before = load(
    '<config><rtmp chunk-size="4096"/><log level="info"/></config>',
    '<policy><application name="a"><gop frames="5"/></application></policy>',
  );
  const after = load(
    '<config><rtmp chunk-size="60000" port="1940" gop_cache="off"/><log level="debug" progress="10000ms"/></config>',
    '<policy><application name="live"><gop size="1M"/><forward rewrite="rtmp://b/c">a</forward></application></policy>',
  );
  assert.deepEqual(diffConfiguration(before, before), []);
  assert.deepEqual(diffConfiguration(before, after), [
    { name: 'rtmp.port', before: '1935', after: '1940', reload: 'restart' },
    { name: 'rtmp.chunk-size', before: '4096', after: '60000', reload: 'new-sessions' },
    { name: 'log.level', before: 'info', after: 'debug', reload: 'live' },
    { name: 'application a', before: 'allowed', after: '', reload: 'new-sessions' },
    { name: 'application a gop.frames', before: '5', after: '', reload: 'new-sessions' },
    { name: 'every stream gop.cache', before: '', after: 'off', reload: 'new-sessions' },
    { name: 'application live', before: '', after: 'allowed', reload: 'new-sessions' },
    { name: 'application live gop.size', before: '', after: '1M', reload: 'new-sessions' },
    { name: 'application live forward a', before: '', after: 'on, as rtmp://b/c', reload: 'live' },
  ]);
});

test('diff: a changed key is a change, but is not shown', () => {
  const forward = (key: string) =>
    load(
      '',
      `<policy><application name="live"><forward rewrite="rtmp://b/c?key=${key}">a</forward></application></policy>`,
    );
  assert.deepEqual(diffConfiguration(forward('one'), forward('two')), [
    {
      name: 'application live forward a',
      before: 'on, as rtmp://b/c?…',
      after: 'on, as rtmp://b/c?…',
      reload: 'live',
    },
  ]);
});

test('diff: the same value written otherwise is no change', () => {
  const before = load('<config><log progress="1m"/></config>');
  assert.deepEqual(diffConfiguration(before, load('<config><log progress="60s"/></config>')), []);
});

test('shipped files: load without a warning and change nothing', () => {
  const read = (name: string) => readFileSync(new URL(name, root), 'utf8');
  const shipped = load(read('conf/config.xml'), read('conf/policy.xml'));
  assert.deepEqual(shipped.warnings, []);
  assert.deepEqual(diffConfiguration(load(), shipped), []);
});

test('shipped files: with every example put to use they still load', () => {
  const text = readFileSync(new URL('conf/policy.xml', root), 'utf8');
  const comments = [...text.matchAll(/<!--([\s\S]*?)-->/g)].map((match) => match[1]!);
  const examples = comments.flatMap(
    (comment) =>
      comment.match(
        /<(application|vhosts|urls)[\s\S]*?(?:<\/\1>|(?<=^ {2}<application name="[^"]*")\/>)/gm,
      ) ?? [],
  );
  assert.ok(examples.length >= 5, `${examples.length} examples`);
  const { resolver } = load('', `<policy>${examples.join('\n')}</policy>`);
  assert.ok(resolver.resolve('a.example', 'live', 'cam1').forwards.length >= 3);
  const elements = comments.flatMap(
    (comment) =>
      /^ <(?:publish|time|gop|play|hls|ladder|dash|login|multicast|srt|webrtc|slate|sound|transcode) .*$/m.exec(
        comment,
      )?.[0] ?? [],
  );
  assert.equal(elements.length, Object.keys(STREAM_SECTIONS).length);
  const withDefaults = load(
    '',
    `<policy><application name="live">${elements.join('')}</application></policy>`,
  );
  assert.deepEqual(withDefaults.resolver.resolve('', 'live', 'x'), load().resolver.resolve('', 'live', 'x'));
});

test('shipped files and the reference page are what the generator writes', () => {
  const script = fileURLToPath(new URL('build/policy-docs.mjs', root));
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', script, '--check'],
    {
      encoding: 'utf8',
    },
  );
  assert.equal(stderr, '');
  assert.equal(status, 0);
});

test('settings: every default is in its own range, and every text is a sentence', () => {
  const sections: Section[] = [
    ...Object.values(SERVER_SECTIONS),
    ...Object.values(STREAM_SECTIONS),
    forwardSection,
  ];
  for (const section of sections) {
    assert.match(section.text, /^[A-Z].*\.$/s, section.name);
    for (const [key, schema] of Object.entries(section.fields)) {
      const meta = metaOf(schema);
      assert.deepEqual(schema.parse(meta.defaultText), schema.parse(undefined), key);
      assert.match(meta.text, /\.$/, key);
      assert.ok(meta.range.length > 0, key);
    }
  }
});
