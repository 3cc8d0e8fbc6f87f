/** `<record>` in rules, and what of `<rec>` and `<s3>` is shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfiguration } from '../../../src/config/configuration.ts';
import { load, refusal } from './load.ts';

const records = (inner: string, app = 'live', stream = 'cam') =>
  load('', `<policy>${inner}</policy>`).resolver.resolve('a.example', app, stream).records;
const names = (inner: string, app = 'live', stream = 'cam') =>
  records(inner, app, stream).map((rule) => `${rule.name} ${rule.format} ${rule.plan} ${rule.enable}`);

test('record rules: several of one stream, told apart by name, and by format where there is none', () => {
  const inner = `<application name="live"><record/><record format="flv" plan="session"/>
    <record name="b" format="fmp4" duration="90"/></application>`;
  assert.deepEqual(names(inner), ['hls hls segment on', 'flv flv session on', 'b fmp4 segment on']);
  assert.equal(records(inner)[2]!.durationMs, 90_000);
});

test('record rules: a narrower rule changes one of the same name setting by setting, or takes it back', () => {
  const rule = (inner: string) =>
    `<application name="live"><record format="fmp4" duration="1h" max-age="7d"/><record format="ts"/>
      <stream name="cam">${inner}</stream></application>`;
  const [changed] = records(rule('<record name="fmp4" duration="5m"/>'));
  assert.deepEqual([changed!.durationMs, changed!.maxAgeMs, changed!.format], [300_000, 604_800_000, 'fmp4']);
  assert.deepEqual(names(rule('<record format="ts" enable="off"/>')), ['fmp4 fmp4 segment on']);
  assert.deepEqual(names(rule('<record enable="off"/>')), []);
  assert.deepEqual(names(rule('<record enable="off"/><record format="flv"/>')), ['flv flv segment on']);
  assert.deepEqual(names(rule('<record name="ts" enable="manual"/>')), [
    'fmp4 fmp4 segment on',
    'ts ts segment manual',
  ]);
});

test('record rules: the application rec is recorded as HLS without a rule, unless one says otherwise', () => {
  assert.deepEqual(names('', 'rec'), ['hls hls segment on']);
  assert.deepEqual(names('', 'live'), []);
  assert.deepEqual(names('<application name="rec"><record enable="off"/></application>', 'rec'), []);
  assert.deepEqual(names('<application name="rec"><record format="fmp4"/></application>', 'rec'), [
    'hls hls segment on',
    'fmp4 fmp4 segment on',
  ]);
});

test('record rules: lists cannot be appended to', () => {
  assert.deepEqual(names('<application name="live"><record plan="append"/></application>'), [
    'hls hls session on',
  ]);
});

test('record rules: paths', () => {
  const rule = (path: string) =>
    `<policy><application name="live"><record path="${path}"/></application></policy>`;
  for (const path of ['[app]/[stream]/[2006]-[01]-[02]/[15]', 'a b/%Y/%path', '[vhost]-[seq]', 'x.flv'])
    assert.equal(load('', rule(path)).resolver.resolve('', 'live', 's').records[0]!.path, path);
  for (const path of [
    '/a',
    'a/',
    'a//b',
    '../x',
    'a/../b',
    '.x/y',
    'a/.b',
    'C:x',
    'a\\b',
    '[nope]',
    '%q',
    'a/b.',
    'a|b',
  ])
    assert.match(refusal('', rule(path))[0]!, /is not a relative path such as/, path);
});

test('record rules: wrong settings are refused with their place', () => {
  const [message] = refusal(
    '',
    '<policy><application name="live"><record format="mkv"/></application></policy>',
  );
  assert.match(message!, /^conf\/policy.xml:1:\d+: format="mkv" is none of hls, fmp4, ts, flv/);
});

test('record rules: printing and differences name them and hide secrets', () => {
  const before = load(
    '<config><s3 endpoint="http://a.example" secret="first-secret"/></config>',
    '<policy><application name="live"><record format="flv"/></application></policy>',
  );
  const after = load(
    '<config><s3 endpoint="http://a.example" secret="second-secret"/></config>',
    '<policy><application name="live"><record format="flv" duration="1m"/></application></policy>',
  );
  assert.match(before.print(), /<record format="flv"\/>/);
  assert.doesNotMatch(before.print(), /first-secret/);
  const changes = diffConfiguration(before, after);
  assert.deepEqual(
    changes.map((one) => one.name),
    ['s3.secret', 'application live record flv'],
  );
  assert.doesNotMatch(JSON.stringify(changes), /first-secret|second-secret/);
  assert.equal(changes[1]!.after, 'format=flv durationMs=1m');
});

test('record settings: the secret comes from the environment too', () => {
  const loaded = load('', '', { SLUICE_S3_SECRET: 'from-environment', SLUICE_REC_MAX_SIZE: '10G' });
  assert.equal(loaded.server.s3.secret, 'from-environment');
  assert.equal(loaded.server.rec.maxSize, 10 * 1024 ** 3);
  assert.doesNotMatch(loaded.print(), /from-environment/);
});
