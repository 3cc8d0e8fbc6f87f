/** Files as users of smart_rtmpd have them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, refusal } from './load.ts';

const CONFIG = `<config>
  <authurl timeout="3000">http://10.0.0.5:80/api/auth</authurl>
  <rtp min="30000" max="65535" que="20000"/>
  <nat><rtmp>203.0.113.7:1935</rtmp><http>203.0.113.7:8080</http><https>203.0.113.7:8181</https>
       <rtsp>203.0.113.7:8554</rtsp><srt>203.0.113.7:9000</srt><rtp>203.0.113.7</rtp></nat>
  <sock><recvbuffer>8192</recvbuffer><sendbuffer>8192</sendbuffer></sock>
  <ssl><serverkey>server.key</serverkey><servercert>server.crt</servercert></ssl>
  <http><enable>true</enable><port>8080</port><sport>8181</sport><ssl>true</ssl></http>
</config>`;

const POLICY = `<policy>
  <vhosts>
    <vhost name="rtmp://a.example/live">
      <forward rewrite="">10.0.0.2</forward>
      <forward rewrite="rtmps://b.example:1936/sport">10.0.0.3:1936</forward>
    </vhost>
  </vhosts>
  <urls>
    <url name="rtmp://a.example/live/cam1">
      <forward rewrite="rtmp://c.example/live/other">198.51.100.9:1935</forward>
    </url>
  </urls>
</policy>`;

test('smart_rtmpd: its files are taken as they are, and what has no effect is said', () => {
  const { server, resolver, warnings } = load(CONFIG, POLICY);
  assert.equal(server.nat.rtmp, '203.0.113.7:1935');
  assert.equal(server.nat.https, '203.0.113.7:8181');
  assert.equal(server.ssl.serverkey, 'server.key');
  assert.deepEqual(
    [server.http.enable, server.http.port, server.http.sport, server.http.ssl],
    [true, 8080, 8181, true],
  );
  const system = 'the system sizes the buffers of TCP connections by itself';
  assert.deepEqual(warnings, [
    'conf/config.xml:2:3: <authurl> is not used by this version: it asks no server for permission, so everybody may publish and play.',
    'conf/config.xml:3:32: que="20000" is not used by this version: it sizes its queues by itself.',
    `conf/config.xml:6:9: <recvbuffer>8192</recvbuffer> is not used by this version: ${system}.`,
    `conf/config.xml:6:38: <sendbuffer>8192</sendbuffer> is not used by this version: ${system}.`,
  ]);
  const { forwards } = resolver.resolve('a.example', 'live', 'cam1');
  assert.deepEqual(forwards, [
    {
      target: '10.0.0.2',
      host: '10.0.0.2',
      appendsStream: true,
      where: 'conf/policy.xml:4:7',
      scheme: 'rtmp',
      port: 1935,
      rewrite: '',
    },
    {
      target: '10.0.0.3:1936',
      host: '10.0.0.3',
      appendsStream: true,
      where: 'conf/policy.xml:5:7',
      scheme: 'rtmps',
      port: 1936,
      rewrite: 'rtmps://b.example:1936/sport',
    },
    {
      target: '198.51.100.9:1935',
      host: '198.51.100.9',
      appendsStream: false,
      where: 'conf/policy.xml:10:7',
      scheme: 'rtmp',
      port: 1935,
      rewrite: 'rtmp://c.example/live/other',
    },
  ]);
  assert.equal(resolver.resolve('a.example', 'live', 'cam2').forwards.length, 2);
  assert.equal(resolver.resolve('b.example', 'live', 'cam1').forwards.length, 0);
});

test('smart_rtmpd: the oldest elements and empty ones are accepted', () => {
  const config =
    '<config><elapse>true</elapse><natmap>10.0.0.1</natmap><hostmap inner="10.0.0.1" outer="203.0.113.1"/>' +
    '<authurl timeout="" router=""></authurl><nat><rtsp></rtsp></nat><rtsp><port>8554</port><max_idle>10</max_idle></rtsp>' +
    '<srt enable="true" has_rtmp="true"/><global><auth_url>http://a/</auth_url></global></config>';
  const places = load(config).warnings.map((warning) => /: <?(\w+)/.exec(warning)![1]);
  assert.deepEqual(places, ['elapse', 'natmap', 'hostmap', 'has_rtmp', 'global']);
});

test('smart_rtmpd: names inside elements without effect are checked all the same', () => {
  assert.deepEqual(refusal('<config><authurl timeot="1">http://a/</authurl></config>'), [
    'conf/config.xml:1:18: unknown attribute timeot="" of <authurl>; did you mean timeout?',
  ]);
});

test('smart_rtmpd: JSON names of its API are accepted where the spelling in XML is not known', () => {
  const { server, resolver, warnings } = load(`<config>
    <rtmp><port>1940</port><ssl>false</ssl><gop_cache>false</gop_cache><chunk_size>8192</chunk_size><max_idle>15</max_idle>
      <has_rtsp>true</has_rtsp><has_hls>false</has_hls></rtmp>
    <http><hls_count>4</hls_count><hls_duration>2</hls_duration><hls_cache>8</hls_cache><io_shrink>32</io_shrink></http>
    <ssl><ca>ca.pem</ca><server_key>a.key</server_key><server_cert>a.crt</server_cert></ssl>
  </config>`);
  assert.deepEqual([server.rtmp.port, server.rtmp.sport, server.rtmp.chunkSize], [1940, -1, 8192]);
  assert.deepEqual(
    [server.ssl.serverca, server.ssl.serverkey, server.ssl.servercert],
    ['ca.pem', 'a.key', 'a.crt'],
  );
  const { gop, publish, hls } = resolver.resolve('', 'live', 'x');
  assert.equal(gop.cache, false);
  assert.equal(publish.idleMs, 15_000);
  assert.deepEqual([hls.enable, hls.durationMs, hls.count, hls.cache], [false, 2000, 4, 8]);
  assert.equal(warnings.length, 2);
  assert.match(
    warnings[0]!,
    /<has_rtsp>true<\/has_rtsp> is not used by this version: RTSP is always served\.$/,
  );
  assert.match(warnings[1]!, /<io_shrink>32<\/io_shrink> is not used/);
});

test('smart_rtmpd: rules of old builds in config.xml', () => {
  const { resolver, warnings } = load(`<config><vhosts>
    <vhost name="rtmp://a.example:1935/live"><hasflv>true</hasflv><hashls>false</hashls><hasdash>true</hasdash><hasrtsp>true</hasrtsp>
      <rewrite>rtmp://b.example/live</rewrite><forward>10.0.0.2</forward></vhost>
    <url name="rtmp://a.example/live/x"><forward>10.0.0.3</forward></url>
  </vhosts></config>`);
  const policy = resolver.resolve('A.Example', 'live', 'x');
  assert.equal(policy.hls.enable, false);
  assert.deepEqual(
    policy.forwards.map((one) => [one.host, one.rewrite, one.where]),
    [
      ['10.0.0.2', 'rtmp://b.example/live', 'conf/config.xml:3:47'],
      ['10.0.0.3', '', 'conf/config.xml:4:41'],
    ],
  );
  assert.equal(warnings.length, 3);
});
