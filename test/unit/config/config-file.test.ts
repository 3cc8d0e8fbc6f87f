import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, refusal } from './load.ts';

test('config: defaults without any file', () => {
  const { server, warnings } = load();
  assert.deepEqual(warnings, []);
  assert.deepEqual(server.rtmp, {
    enable: true,
    ip: [],
    port: 1935,
    sport: 1936,
    ssl: 'both',
    chunkSize: 60_000,
    windowAck: 2_500_000,
  });
  assert.deepEqual(server.http, {
    enable: true,
    ip: [],
    port: 8080,
    ssl: true,
    sport: 8181,
    cors: '*',
    root: 'html',
  });
  assert.deepEqual(server.log, {
    level: 'info',
    console: true,
    file: false,
    dir: 'log',
    maxSize: 10_485_760,
    keep: 10,
    json: false,
    progress: 10_000,
  });
  assert.deepEqual(server.limits, {
    connections: 20_000,
    perAddress: 4000,
    handshake: 10_000,
    message: 8_388_608,
    chunkStreams: 64,
    amfDepth: 16,
  });
  assert.deepEqual(server.demo, { enable: true, name: 'live/demo' });
});

test('config: what comes out cannot be changed', () => {
  const { server } = load('<config><rtmp ip="127.0.0.1"/></config>');
  assert.ok(Object.isFrozen(server) && Object.isFrozen(server.rtmp) && Object.isFrozen(server.rtmp.ip));
});

test('config: elements, attributes, _ and - are the same', () => {
  const spellings = [
    '<config><rtmp><chunk-size>4096</chunk-size></rtmp></config>',
    '<config><rtmp><chunk_size> 4096 </chunk_size></rtmp></config>',
    '<config><rtmp chunk-size="4096"/></config>',
    '<config><rtmp chunk_size="4096"></rtmp></config>',
    '\uFEFF<?xml version="1.0"?>\r\n<config>\r\n<rtmp>\r\n<chunk-size>\r\n4096</chunk-size></rtmp></config>\r\n',
  ];
  for (const text of spellings) assert.equal(load(text).server.rtmp.chunkSize, 4096, text);
});

test('config: kinds of value', () => {
  const { server } = load(`<config>
    <rtmp><ip>127.0.0.1, [::1],10.0.0.1</ip><port>0</port></rtmp>
    <http><port>off</port><cors></cors><ssl>no</ssl></http>
    <log level="debug" max-size="64K" progress="0" json="1"/>
    <limits per-address="0" handshake="1500ms"/>
    <nat><rtmp>media.example:1935</rtmp><https>[2001:db8::1]:8181</https></nat>
    <demo><name>test/cards/bars</name></demo>
  </config>`);
  assert.deepEqual(server.rtmp.ip, ['127.0.0.1', '::1', '10.0.0.1']);
  assert.equal(server.rtmp.port, 0);
  assert.equal(server.http.port, -1);
  assert.equal(server.http.cors, '');
  assert.equal(server.http.ssl, false);
  assert.deepEqual(
    [server.log.level, server.log.maxSize, server.log.progress, server.log.json],
    ['debug', 65_536, 0, true],
  );
  assert.deepEqual([server.limits.perAddress, server.limits.handshake], [0, 1500]);
  assert.deepEqual([server.nat.rtmp, server.nat.https], ['media.example:1935', '[2001:db8::1]:8181']);
  assert.equal(server.demo.name, 'test/cards/bars');
});

test('config: where RTMP and RTMPS listen follows ssl', () => {
  const cases: [string, number, number][] = [
    ['', 1935, 1936],
    ['<ssl>both</ssl>', 1935, 1936],
    ['<ssl>off</ssl>', 1935, -1],
    ['<ssl>false</ssl>', 1935, -1],
    ['<ssl>on</ssl>', -1, 1935],
    ['<ssl>true</ssl><port>443</port>', -1, 443],
    ['<sport>off</sport>', 1935, -1],
  ];
  for (const [inner, port, sport] of cases) {
    const { rtmp } = load(`<config><rtmp>${inner}</rtmp></config>`).server;
    assert.deepEqual([rtmp.port, rtmp.sport], [port, sport], inner);
  }
});

test('config: wrong files are refused with place, offending text and what was meant', () => {
  const cases: [string, ...string[]][] = [
    [
      '<config>\r\n  <http>\r\n        <port>8o80</port>\r\n  </http>\r\n</config>',
      'conf/config.xml:3:9: <port>8o80</port> is not a whole number from 0 to 65535, nor off.',
    ],
    [
      '\uFEFF<config><http port="65536"/></config>',
      'conf/config.xml:1:15: port="65536" is not a whole number from 0 to 65535, nor off.',
    ],
    [
      '<config><port/></config>',
      'conf/config.xml:1:9: <port> belongs inside <rtmp> or <http> or <rtsp> or <srt> or <webrtc> or <mpegts> or <post>.',
    ],
    [
      '<config><htpt/></config>',
      'conf/config.xml:1:9: unknown element <htpt> in <config>; did you mean <http>?',
    ],
    [
      '<config><http><prot>1</prot></http></config>',
      'conf/config.xml:1:15: unknown element <prot> in <http>; did you mean <port>?',
    ],
    [
      '<config><http prot="1"/></config>',
      'conf/config.xml:1:15: unknown attribute prot="1" of <http>; did you mean port?',
    ],
    [
      '<config><demo><bitrate>1</bitrate></demo></config>',
      'conf/config.xml:1:15: unknown element <bitrate> in <demo>; known here: <enable>, <name>.',
    ],
    ['<config a="1"/>', 'conf/config.xml:1:9: unknown attribute a="1" of <config>.'],
    [
      '<config><http><port a="1">80</port></http></config>',
      'conf/config.xml:1:21: unknown attribute a="1" of <port>.',
    ],
    [
      '<config><http><port><b/></port></http></config>',
      'conf/config.xml:1:21: unknown element <b> in <port>.',
      'conf/config.xml:1:15: <port/> is not a whole number from 0 to 65535, nor off.',
    ],
    [
      '<config><http><ip>127.0.0.1<b/></ip></http></config>',
      'conf/config.xml:1:28: unknown element <b> in <ip>.',
    ],
    ['<config>8080</config>', 'conf/config.xml:1:9: text "8080" does not belong in <config>.'],
    ['<config><http>8080</http></config>', 'conf/config.xml:1:15: text "8080" does not belong in <http>.'],
    [
      '<config><http port="1"><port>2</port></http></config>',
      'conf/config.xml:1:24: <port> is given twice (first at conf/config.xml:1:15).',
    ],
    [
      '<config><api/><api/></config>',
      'conf/config.xml:1:15: <api> is given twice (first at conf/config.xml:1:9).',
    ],
    ['<policy/>', 'conf/config.xml:1:1: the outermost element is <policy>; it must be <config>.'],
    [
      '<config><gop cache="on"/></config>',
      'conf/config.xml:1:9: <gop> belongs in policy.xml, inside <application>, <stream>, <vhost> or <url>.',
    ],
    [
      '<config><log level="inof"/></config>',
      'conf/config.xml:1:14: level="inof" is none of error, warn, info, debug; did you mean info?',
    ],
    ['<config><log json="maybe"/></config>', 'conf/config.xml:1:14: json="maybe" is neither on nor off.'],
    [
      '<config><log progress="10"/></config>',
      'conf/config.xml:1:14: progress="10" is not a duration from 0 to 1h, such as 500ms, 10s or 2m.',
    ],
    [
      '<config><log max-size="1K"/></config>',
      'conf/config.xml:1:14: max-size="1K" is not a size from 64K to 1G, such as 64K or 8M.',
    ],
    [
      '<config><rtmp ip="localhost"/></config>',
      'conf/config.xml:1:15: ip="localhost" is not an IP address of this machine, nor several separated by commas.',
    ],
    [
      '<config><nat rtmp="rtmp://a:1935"/></config>',
      'conf/config.xml:1:14: rtmp="rtmp://a:1935" is not host or host:port, such as 203.0.113.7:1935 (no rtmp:// or http:// in front).',
    ],
    [
      '<config><http cors="example.com"/></config>',
      'conf/config.xml:1:15: cors="example.com" is neither * nor an origin such as https://www.example.com.',
    ],
    [
      '<config><demo name="demo"/></config>',
      'conf/config.xml:1:15: name="demo" is not application/stream, such as live/demo.',
    ],
    [
      '<config><rtmp chunk-size="127"/></config>',
      'conf/config.xml:1:15: chunk-size="127" is not a whole number from 128 to 65536.',
    ],
    [
      '<config><rtmp><port>8080</port></rtmp></config>',
      'conf/config.xml:1:15: port 8080 is taken twice, by <rtmp><port> and <http><port>.',
    ],
    [
      '<config><http sport="1935"/></config>',
      'conf/config.xml:1:15: port 1935 is taken twice, by <rtmp><port> and <http><sport>.',
    ],
    [
      '<config><ssl serverkey="a.pem"/></config>',
      'conf/config.xml:1:14: <serverkey> needs <servercert> beside it.',
    ],
    [
      '<config>\n<rtmp>\n</config>',
      'conf/config.xml:3:1: this is no well-formed XML: Missing end tag for element rtmp in </config>',
    ],
  ];
  for (const [text, ...messages] of cases) assert.deepEqual(refusal(text), messages, text);
});

test('config: control characters and long texts of the operator do not reach the terminal', () => {
  const [message = ''] = refusal(`<config><http port="&#x9;${'9'.repeat(100)}"/></config>`);
  assert.equal(
    message,
    `conf/config.xml:1:15: port=" ${'9'.repeat(59)}…" is not a whole number from 0 to 65535, nor off.`,
  );
});

test('config: one port on two addresses, or closed, is no conflict', () => {
  load('<config><rtmp ip="127.0.0.1" port="8080"/><http ip="127.0.0.2"/></config>');
  load('<config><rtmp enable="off" port="8080"/></config>');
  load('<config><rtmp port="0" sport="0"/><http port="0" sport="0"/></config>');
  assert.equal(refusal('<config><rtmp ip="127.0.0.1" port="8080"/><http ip="0.0.0.0"/></config>').length, 1);
});

test('config: all errors of both files and the environment come together', () => {
  const config = '<config><http port="x" sport="y"/><htpt/></config>';
  const messages = refusal(config, '<policy><vhost/></policy>', { SLUICE_LOG_LEVEL: 'loud' });
  assert.deepEqual(
    messages.map((message) => message.split(' ')[0]),
    [
      'conf/config.xml:1:15:',
      'conf/config.xml:1:24:',
      'conf/config.xml:1:35:',
      'environment:',
      'conf/policy.xml:1:9:',
    ],
  );
});

test('config: a thousand errors are not a thousand lines', () => {
  const messages = refusal(`<config>${'<x/>'.repeat(1000)}</config>`);
  assert.equal(messages.length, 101);
  assert.match(messages[100]!, /^… and \d+ more\.$/);
});

test('environment: wins over the file, is checked as it, and foreign variables are left alone', () => {
  const environment = {
    SLUICE_RTMP_PORT: '1940',
    SLUICE_LOG_MAX_SIZE: '1M',
    SLUICE_DETACHED: 'x',
    SLUICE_HOME: 'y',
    PATH: 'z',
  };
  const { server } = load('<config><rtmp port="1937"/></config>', '', environment);
  assert.equal(server.rtmp.port, 1940);
  assert.equal(server.log.maxSize, 1_048_576);
  assert.deepEqual(
    refusal('', '', { SLUICE_RTMP_PROT: '1', SLUICE_HTTP_PORT: 'x', SLUICE_LOG_LEVEL: 'inof' }),
    [
      'environment: unknown variable SLUICE_RTMP_PROT; did you mean SLUICE_RTMP_PORT?',
      'environment: SLUICE_HTTP_PORT=x is not a whole number from 0 to 65535, nor off.',
      'environment: SLUICE_LOG_LEVEL=inof is none of error, warn, info, debug; did you mean info?',
    ],
  );
  assert.deepEqual(load('', '', { SLUICE_SOCK_RECVBUFFER: '64' }).warnings, [
    'environment: SLUICE_SOCK_RECVBUFFER=64 is not used by this version: the system sizes the buffers of TCP connections by itself.',
  ]);
});
