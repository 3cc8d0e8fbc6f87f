import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, refusal } from './load.ts';

const policy = (inner: string) => `<policy>${inner}</policy>`;
const resolver = (inner: string, config = '') => load(config, policy(inner)).resolver;

test('policy: defaults', () => {
  const { forwards, records, ...values } = load().resolver.resolve('h', 'live', 's');
  assert.deepEqual([forwards, records], [[], []]);
  assert.deepEqual(values, {
    publish: {
      busy: 'refuse',
      failoverMs: 3000,
      prefer: '',
      return: true,
      steadyMs: 10_000,
      graceMs: 10_000,
      firstPacketMs: 20_000,
      idleMs: 10_000,
    },
    time: { jitter: 'full', atc: false },
    gop: { cache: true, frames: 2500, bytes: 16_777_216, ms: 30_000 },
    play: {
      latency: 'normal',
      mergeMs: 70,
      mergeBytes: 65_536,
      queueMs: 10_000,
      queueBytes: 33_554_432,
      stallMs: 30_000,
      waitMs: 0,
    },
    hls: {
      enable: true,
      format: 'auto',
      durationMs: 2000,
      partMs: 200,
      count: 5,
      cache: 10,
      dvrMs: 0,
      memoryBytes: 268_435_456,
      path: '',
      key: 'off',
      keySegments: 5,
      always: false,
    },
    ladder: { streams: '' },
    dash: { enable: true },
    login: { basic: 'tls', playPassword: '', playUser: '', publishPassword: '', publishUser: '' },
    multicast: { enable: false, interface: '', range: '239.255.42.0/24', ttl: 16 },
    srt: { latencyMs: 120, passphrase: '', publishPassphrase: '', playPassphrase: '' },
    transcode: { bframes: 'auto', pictures: 'auto' },
    webrtc: { keyMs: 2000, codecs: '', simulcast: 'layers' },
    slate: { source: '', always: false },
    sound: { convert: 'auto' },
  });
});

test('policy: the narrower rule wins, setting by setting, wherever it stands', () => {
  const rules = [
    '<url name="rtmp://a.example/live/cam1"><gop frames="6"/></url>',
    '<application name="live"><gop frames="3" size="3M" time="3s" cache="off"/><play queue="3s"/>' +
      '<stream name="cam*"><gop frames="5" size="5M"/></stream></application>',
    '<vhost name="rtmp://a.example/live"><gop frames="4" size="4M" time="4s"/></vhost>',
    '<application name="*"><gop frames="2"/><play queue="2s" stall="2s"/></application>',
  ];
  for (const order of [rules, [...rules].reverse()]) {
    const found = resolver(order.join(''), '<config><rtmp gop_cache="on" max_idle="7"/></config>');
    const { gop, play, publish } = found.resolve('a.example', 'live', 'cam1');
    assert.deepEqual(gop, { cache: false, frames: 6, bytes: 5_242_880, ms: 4000 });
    assert.deepEqual([play.queueMs, play.stallMs, publish.idleMs], [3000, 2000, 7000]);
    assert.equal(found.resolve('a.example', 'live', 'cam2').gop.frames, 5);
    assert.equal(found.resolve('a.example', 'live', 'x').gop.frames, 4);
    assert.equal(found.resolve('b.example', 'live', 'x').gop.frames, 3);
    assert.equal(found.resolve('b.example', 'other', 'x').gop.frames, 2);
  }
});

test('policy: of two of a kind the one that names more wins, then the later one', () => {
  const found = resolver(`
    <application name="cam/yard"><gop frames="3"/></application>
    <application name="cam/*"><gop frames="2"/></application>
    <application name="cam"><gop frames="1"/><stream name="a*"><hls count="1"/></stream><stream name="abc"><hls count="3"/></stream>
      <stream name="ab*"><hls count="2"/></stream></application>
    <application name="same"><gop frames="8"/></application>
    <application name="same"><gop frames="9"/></application>`);
  assert.equal(found.resolve('', 'cam', 'x').gop.frames, 1);
  assert.equal(found.resolve('', 'cam/door', 'x').gop.frames, 2);
  assert.equal(found.resolve('', 'cam/yard', 'x').gop.frames, 3);
  assert.equal(found.resolve('', 'cam', 'ax').hls.count, 1);
  assert.equal(found.resolve('', 'cam', 'abx').hls.count, 2);
  assert.equal(found.resolve('', 'cam', 'abc').hls.count, 3);
  assert.equal(found.resolve('', 'same', 'x').gop.frames, 9);
});

test('policy: hosts', () => {
  const found = resolver(`
    <vhost name="rtmp://*/live"><gop frames="1"/></vhost>
    <vhost name="rtmp://*.example/live"><gop frames="2"/></vhost>
    <vhost name="rtmp://A.example:1935/live/"><gop frames="3"/></vhost>
    <vhost name="rtmp://[2001:DB8::1]/live"><gop frames="4"/></vhost>
    <vhost name="rtmp://whole.test"><gop frames="5"/></vhost>`);
  const cases: [string, number][] = [
    ['', 1],
    ['10.0.0.1', 1],
    ['b.example', 2],
    ['a.EXAMPLE', 3],
    ['2001:db8::1', 4],
    ['[2001:db8::1]', 4],
    ['whole.test', 5],
  ];
  for (const [host, frames] of cases) assert.equal(found.resolve(host, 'live', 's').gop.frames, frames, host);
  assert.equal(found.resolve('whole.test', 'rec', 's').gop.frames, 5);
});

test('policy: latency words set the merge time unless it stands beside them', () => {
  const merge = (inner: string, stream = 's') => resolver(inner).resolve('', 'live', stream).play.mergeMs;
  const app = (attributes: string, inner = '') =>
    `<application name="live"><play ${attributes}/>${inner}</application>`;
  assert.equal(merge(app('latency="low"')), 0);
  assert.equal(merge(app('latency="normal"')), 70);
  assert.equal(merge(app('latency="throughput"')), 350);
  assert.equal(merge(app('merge="200ms" latency="low"')), 200);
  assert.equal(merge(app('merge="200ms"', '<stream name="s"><play latency="low"/></stream>')), 0);
  assert.equal(merge(app('latency="low"', '<stream name="s"><play merge="1s"/></stream>')), 1000);
});

test('policy: no fewer HLS segments are kept than listed', () => {
  assert.equal(
    resolver('<application name="live"><hls count="10"/></application>').resolve('', 'live', 's').hls.cache,
    10,
  );
});

test('policy: which applications are allowed, and how to allow another', () => {
  const found = resolver(
    '\n<application name="sport"/>\n<application name="cam/*"/>\n<application name="tv?"/>\n'.replace(
      '?',
      '1',
    ),
  );
  for (const app of ['live', 'rec', 'sport', 'live/room', 'cam/yard', 'cam/yard/left', 'tv1']) {
    assert.equal(found.isAppAllowed('h', app), true, app);
  }
  for (const app of ['', 'Live', 'liv', 'live2', 'cam', 'tv2', 'x/live'])
    assert.equal(found.isAppAllowed('h', app), false, app);
  assert.equal(
    found.allowHint('news'),
    'add <application name="news"/> to conf/policy.xml (line 5 is a good place)',
  );
  assert.equal(
    found.allowHint('a&b'),
    'add <application name="a&amp;b"/> to conf/policy.xml (line 5 is a good place)',
  );
  assert.equal(
    load().resolver.allowHint('x'),
    'write <policy><application name="x"/></policy> into conf/policy.xml',
  );
  assert.equal(
    load('', '<policy/>').resolver.allowHint('x'),
    'write <policy><application name="x"/></policy> into conf/policy.xml',
  );
  assert.equal(resolver('<application name="*"/>').isAppAllowed('h', 'anything'), true);
});

test('policy: a rule that no stream can fit is said', () => {
  const { warnings } = load(
    '',
    policy(
      '\n<vhost name="rtmp://a.example/sport"/><vhost name="rtmp://a.example/live"/><url name="rtmp://a.example/news/x"/>' +
        '<vhost name="rtmp://a.example/*"/>\n',
    ),
  );
  const hint = (app: string) =>
    `add <application name="${app}"/> to conf/policy.xml (line 3 is a good place)`;
  assert.deepEqual(warnings, [
    `conf/policy.xml:2:1: no stream can fit this <vhost>: the application "sport" is not allowed; ${hint('sport')}.`,
    `conf/policy.xml:2:76: no stream can fit this <url>: the application "news" is not allowed; ${hint('news')}.`,
  ]);
});

test('forward: forms of the target', () => {
  const cases: [string, string, string, number, string][] = [
    ['10.0.0.2', 'rtmp', '10.0.0.2', 1935, ''],
    ['b.example:1936', 'rtmp', 'b.example', 1936, ''],
    ['[2001:db8::1]:1936', 'rtmp', '2001:db8::1', 1936, ''],
    ['2001:db8::1', 'rtmp', '2001:db8::1', 1935, ''],
    ['rtmp://b.example', 'rtmp', 'b.example', 1935, ''],
    ['rtmps://b.example/', 'rtmps', 'b.example', 443, ''],
    ['rtmps://b.example:1936/app', 'rtmps', 'b.example', 1936, 'rtmps://b.example:1936/app'],
    ['rtmp://[::1]:1940/app', 'rtmp', '::1', 1940, 'rtmp://[::1]:1940/app'],
  ];
  for (const [target, scheme, host, port, rewrite] of cases) {
    const [rule] = resolver(`<application name="live"><forward>${target}</forward></application>`).resolve(
      '',
      'live',
      's',
    ).forwards;
    assert.deepEqual(
      [rule?.scheme, rule?.host, rule?.port, rule?.rewrite],
      [scheme, host, port, rewrite],
      target,
    );
  }
});

test('forward: whether the name of the stream is appended', () => {
  const found = resolver(`
    <application name="live"><forward>a1</forward><stream name="one"><forward>s1</forward></stream><stream name="*"><forward>s2</forward></stream></application>
    <vhost name="rtmp://h/live"><forward>v1</forward></vhost>
    <url name="rtmp://h/live/one"><forward>u1</forward></url><url name="rtmp://*/live/one"><forward>u2</forward></url>
    <url name="rtmp://h/live/*"><forward>u3</forward></url>`);
  assert.deepEqual(
    found.resolve('h', 'live', 'one').forwards.map((one) => [one.host, one.appendsStream]),
    [
      ['a1', true],
      ['v1', true],
      ['s2', true],
      ['s1', false],
      ['u3', true],
      ['u2', false],
      ['u1', false],
    ],
  );
});

test('forward: those of all rules that fit add up once each, and can be taken back', () => {
  const found = resolver(`
    <application name="live"><forward>a</forward><forward>b:1935</forward><forward>b</forward><forward rewrite="rtmp://x/y">b</forward>
      <forward enable="off">c</forward>
      <stream name="quiet"><forward enable="off">a</forward></stream>
      <stream name="none"><forward enable="off"/><forward>d</forward></stream>
    </application>
    <vhost name="rtmp://*/live"><forward>a</forward></vhost>`);
  const hosts = (stream: string) =>
    found.resolve('h', 'live', stream).forwards.map((one) => `${one.host} ${one.rewrite}`.trim());
  assert.deepEqual(hosts('s'), ['a', 'b', 'b rtmp://x/y']);
  assert.deepEqual(hosts('quiet'), ['b', 'b rtmp://x/y']);
  assert.deepEqual(hosts('none'), ['d']);
});

test('policy: answers are kept, frozen, and their number is bounded', () => {
  const found = resolver('<application name="live"><forward>a</forward></application>');
  const first = found.resolve('h', 'live', 's');
  assert.equal(found.resolve('h', 'live', 's'), first);
  assert.ok(
    Object.isFrozen(first) &&
      Object.isFrozen(first.gop) &&
      Object.isFrozen(first.forwards) &&
      Object.isFrozen(first.forwards[0]),
  );
  for (let i = 0; i < 4095; i++) found.resolve('h', 'live', `s${i}`);
  assert.equal(found.resolve('h', 'live', 's'), first, 'used lately, so kept');
  for (let i = 0; i < 4096; i++) found.resolve('h', 'live', `t${i}`);
  assert.notEqual(found.resolve('h', 'live', 's'), first, 'the oldest went');
});

test('policy: wrong files are refused with place, offending text and what was meant', () => {
  const cases: [string, ...string[]][] = [
    [
      '<policy>\r\n <vhosts><vhost name="rtmp://a/live">\r\n    <forwrad>x</forwrad></vhost></vhosts></policy>',
      'conf/policy.xml:3:5: unknown element <forwrad> in <vhost>; did you mean <forward>?',
    ],
    ['<config/>', 'conf/policy.xml:1:1: the outermost element is <config>; it must be <policy>.'],
    [
      policy('<forward>x</forward>'),
      'conf/policy.xml:1:9: <forward> belongs inside <application>, <stream>, <vhost> or <url>.',
    ],
    [policy('<vhots/>'), 'conf/policy.xml:1:9: unknown element <vhots> in <policy>; did you mean <vhosts>?'],
    [
      policy('<urls><application name="x"/></urls>'),
      'conf/policy.xml:1:15: unknown element <application> in <urls>; known here: <vhost>, <url>.',
    ],
    [policy('<application/>'), 'conf/policy.xml:1:9: <application> needs a name: <application name="…">.'],
    [policy('<vhost name=""/>'), 'conf/policy.xml:1:16: name="" is not of the form rtmp://host/application.'],
    [
      policy('<vhost name="a.example/live"/>'),
      'conf/policy.xml:1:16: name="a.example/live" is not of the form rtmp://host/application.',
    ],
    [
      policy('<url name="rtmp://a/live"/>'),
      'conf/policy.xml:1:14: name="rtmp://a/live" is not of the form rtmp://host/application/stream.',
    ],
    [
      policy('<url name="rtmp://a/live/../x"/>'),
      'conf/policy.xml:1:14: name="rtmp://a/live/../x" is not of the form rtmp://host/application/stream.',
    ],
    [
      policy('<application name="a//b"/>'),
      'conf/policy.xml:1:22: name="a//b" is no name such as live, cam/yard or cam* (no empty levels, at most 8 stars).',
    ],
    [
      policy(`<application name="${'*'.repeat(9)}"/>`),
      'conf/policy.xml:1:22: name="*********" is no name such as live, cam/yard or cam* (no empty levels, at most 8 stars).',
    ],
    [
      policy('<application name="live" nam="x"/>'),
      'conf/policy.xml:1:34: unknown attribute nam="x" of <application>; did you mean name?',
    ],
    [
      policy('<application name="live"><gop frames="0"/></application>'),
      'conf/policy.xml:1:39: frames="0" is not a whole number from 1 to 100000.',
    ],
    [
      policy('<application name="live"><gop/><gop/></application>'),
      'conf/policy.xml:1:40: <gop> is given twice (first at conf/policy.xml:1:34).',
    ],
    [
      policy('<application name="live"><play merge="45"/></application>'),
      'conf/policy.xml:1:40: merge="45" is not a duration from 0 to 1s, such as 500ms, 10s or 2m.',
    ],
    [
      policy('<application name="live"><publish busy="refused"/></application>'),
      'conf/policy.xml:1:43: busy="refused" is none of refuse, takeover, standby; did you mean refuse?',
    ],
    [
      policy('<application name="live"><application name="x"/></application>'),
      'conf/policy.xml:1:34: unknown element <application> in <application>; known here: ' +
        '<forward>, <record>, <publish>, <time>, <gop>, <play>, <hls>, <ladder>, <dash>, <login>, <multicast>, <srt>, <webrtc>, <slate>, <sound>, <transcode>, <stream>.',
    ],
    [
      policy('<application name="live"><stream><gop frames="x"/></stream></application>'),
      'conf/policy.xml:1:34: <stream> needs a name: <stream name="…">.',
      'conf/policy.xml:1:47: frames="x" is not a whole number from 1 to 100000.',
    ],
    [
      policy('<application name="live"><forward/></application>'),
      'conf/policy.xml:1:34: <forward/> does not name a target such as 192.0.2.7, 192.0.2.7:1935, rtmps://host/app, whip://host/app/stream/whip or udp://239.1.1.1:1234.',
    ],
    [
      policy('<application name="live"><forward>http://a/b</forward></application>'),
      'conf/policy.xml:1:34: <forward>http://a/b</forward> does not name a target such as 192.0.2.7, 192.0.2.7:1935, rtmps://host/app, whip://host/app/stream/whip or udp://239.1.1.1:1234.',
    ],
    [
      policy('<application name="live"><forward>a:99999</forward></application>'),
      'conf/policy.xml:1:34: <forward>a:99999</forward> does not name a target such as 192.0.2.7, 192.0.2.7:1935, rtmps://host/app, whip://host/app/stream/whip or udp://239.1.1.1:1234.',
    ],
    [
      policy('<application name="live"><forward rewrite="b/app">a</forward></application>'),
      'conf/policy.xml:1:43: rewrite="b/app" is neither empty nor a URL such as rtmp://host/app.',
    ],
    [
      policy('<application name="live"><forward rewirte="">a</forward></application>'),
      'conf/policy.xml:1:43: unknown attribute rewirte="" of <forward>; did you mean rewrite?',
    ],
    [
      policy('<vhost name="rtmp://a/live"><constructor/><__proto__/></vhost>'),
      'conf/policy.xml:1:37: unknown element <constructor> in <vhost>; known here: <forward>, <record>, <publish>, <time>, <gop>, <play>, <hls>, <ladder>, <dash>, <login>, <multicast>, <srt>, <webrtc>, <slate>, <sound>, <transcode>.',
      'conf/policy.xml:1:51: unknown element <__proto__> in <vhost>; known here: <forward>, <record>, <publish>, <time>, <gop>, <play>, <hls>, <ladder>, <dash>, <login>, <multicast>, <srt>, <webrtc>, <slate>, <sound>, <transcode>.',
    ],
    [policy('live'), 'conf/policy.xml:1:9: text "live" does not belong in <policy>.'],
    [
      policy('<application name="live"><hashls>true</hashls></application>'),
      'conf/policy.xml:1:34: unknown element <hashls> in <application>; known here: ' +
        '<forward>, <record>, <publish>, <time>, <gop>, <play>, <hls>, <ladder>, <dash>, <login>, <multicast>, <srt>, <webrtc>, <slate>, <sound>, <transcode>, <stream>.',
    ],
  ];
  for (const [text, ...messages] of cases) assert.deepEqual(refusal('', text), messages, text);
});
