/** Addresses and command lines: which host is printed, what is encoded, and that no name can reach a shell. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface ServerAddresses {
  readonly addresses?: readonly string[];
  readonly host?: string;
}
interface Publishing {
  readonly type: string;
  readonly app: string;
  readonly name: string;
}
interface Addresses {
  publishAddress(
    server: (ServerAddresses & { publish: { type: string; url: string }[] }) | null,
    host: string,
    what: Publishing,
  ): string;
  printedHost(host: string, server: ServerAddresses | null): string;
  printedUrl(url: string, server: ServerAddresses | null): string;
  withHost(url: string, host: string): string;
  streamPath(app: string, name: string): string;
  playAddress(way: string, origin: string, app: string, name: string, extra?: string): string;
  shellWord(address: string): string;
  serverAndKey(url: string): { server: string; key: string };
  srtPublishAddress(url: string): string;
  publishCommands(url: string): { file: string; testPicture: string };
  watchCommands(rtmp: string, flv: string, name: string): { ffplay: string; vlc: string; record: string };
  embedCode(origin: string, app: string, name: string): string;
  fromSrsQuery(query: URLSearchParams): string;
}

const page = {
  ...(await loadPageModule<Addresses>('js/addresses.js')),
  ...(await loadPageModule<Partial<Addresses>>('js/watch-addresses.js')),
} as Addresses;

test('addresses: the printed host is one that another machine can reach', () => {
  const server = { addresses: ['192.168.1.5', 'fd00::2'], host: '127.0.0.1' };
  const cases: [host: string, server: ServerAddresses | null, printed: string][] = [
    ['localhost', server, '192.168.1.5'],
    ['127.0.0.1', server, '192.168.1.5'],
    ['[::1]', server, '192.168.1.5'],
    ['0.0.0.0', server, '192.168.1.5'],
    ['localhost', { host: '10.0.0.7' }, '10.0.0.7'],
    ['localhost', { addresses: [], host: 'localhost' }, 'localhost'],
    ['localhost', null, 'localhost'],
    ['media.example.org', server, 'media.example.org'],
    ['10.1.1.9', server, '10.1.1.9'],
  ];
  for (const [host, known, printed] of cases) assert.equal(page.printedHost(host, known), printed, host);
  assert.equal(page.printedUrl('rtmp://localhost:1936/live', server), 'rtmp://192.168.1.5:1936/live');
  assert.equal(
    page.printedUrl('http://[::1]:80/live', { addresses: ['fd00::2'] }),
    'http://[fd00::2]:80/live',
  );
  assert.equal(page.printedUrl('rtmp://203.0.113.7/live', server), 'rtmp://203.0.113.7/live');
});

test('addresses: another host keeps port, path and query', () => {
  assert.equal(page.withHost('rtmp://10.0.0.1/live/cam?a=1', 'h.example'), 'rtmp://h.example/live/cam?a=1');
  assert.equal(
    page.withHost('http://[::1]:8080/live/cam.flv', '10.0.0.9'),
    'http://10.0.0.9:8080/live/cam.flv',
  );
  assert.equal(page.withHost('rtmp://localhost:1936/live', '2001:db8::5'), 'rtmp://[2001:db8::5]:1936/live');
});

test('addresses: playing uses the origin of the page', () => {
  const origin = 'https://h:8181';
  assert.equal(page.playAddress('http-flv', origin, 'live', 'cam'), 'https://h:8181/live/cam.flv');
  assert.equal(
    page.playAddress('ws-flv', origin, 'live', 'cam', 'token=x'),
    'wss://h:8181/live/cam.flv?token=x',
  );
  assert.equal(page.playAddress('hls', 'http://h', 'live', 'a b'), 'http://h/live/a%20b.m3u8');
  assert.equal(
    page.playAddress('webrtc', origin, 'live', 'a b', 'k=1'),
    'https://h:8181/live/a%20b/whep?k=1',
  );
  assert.equal(page.streamPath('live/sub', '大门?#'), '/live/sub/%E5%A4%A7%E9%97%A8%3F%23');
});

test('addresses: a name that a shell would act on is encoded away', () => {
  // Also one by one, so that no character hides behind another.
  for (const evil of [
    '$(reboot)',
    '`reboot`',
    'a;reboot',
    'a|b',
    'a>b',
    "a'b",
    'a"b',
    'a b',
    'a\\b',
    '!!',
    '*',
    '^',
    '<',
    '\n',
  ]) {
    const word = page.shellWord(`rtmp://h/live/${evil}`);
    assert.match(word, /^[A-Za-z0-9._~:/=+,@%-]+$/, evil);
  }
  assert.equal(page.shellWord('rtmp://h/live/a?k=1&b=2'), '"rtmp://h/live/a?k=1&b=2"');
  assert.equal(page.shellWord('rtmp://h/live/%E5'), 'rtmp://h/live/%E5');
  const commands = [
    ...Object.values(page.publishCommands('rtmp://h/live/$(x)`y`')),
    ...Object.values(page.watchCommands('rtmp://h/live/$(x)', 'http://h/live/$(x).flv', '-$(x)`;')),
  ];
  for (const command of commands) assert.doesNotMatch(command, /[$`;|<>]|\s--?_/, command);
});

test('addresses: OBS gets server and key apart', () => {
  assert.deepEqual(page.serverAndKey('rtmp://h/live/cam'), { server: 'rtmp://h/live', key: 'cam' });
  assert.deepEqual(page.serverAndKey('rtmp://h:1936/a/b/cam?k=x/y'), {
    server: 'rtmp://h:1936/a/b',
    key: 'cam?k=x/y',
  });
});

test('addresses: embed code cannot leave its attribute', () => {
  const code = page.embedCode('http://h:8080', 'live', '"><script>');
  assert.equal(code.match(/"/g)?.length, 8);
  assert.doesNotMatch(code, /<script/);
  assert.match(code, /autostart=1&amp;muted=1/);
});

test('addresses: bookmarks of the SRS player page', () => {
  const cases: [query: string, page: string][] = [
    ['stream=livestream.flv', '/player.html?app=live&stream=livestream'],
    ['stream=cam.m3u8&app=show', '/player.html?app=show&stream=cam&way=hls'],
    ['stream=cam&autostart=true', '/player.html?app=live&stream=cam&autostart=1'],
    ['', '/player.html?app=live&stream=livestream'],
  ];
  for (const [query, expected] of cases)
    assert.equal(page.fromSrsQuery(new URLSearchParams(query)), expected, query);
});

test('addresses: ffmpeg publishes MPEG-TS by SRT, FLV by RTMP, Opus by WHIP', () => {
  const srt = page.publishCommands('srt://h:9000?streamid=publish:live/cam');
  for (const command of Object.values(srt))
    assert.ok(command.endsWith(' -f mpegts "srt://h:9000?streamid=publish:live/cam&pkt_size=1316"'), command);
  assert.ok(
    page.publishCommands('rtmp://h/live/cam').file.endsWith(' -c:a aac -b:a 128k -f flv rtmp://h/live/cam'),
  );
  const whip = page.publishCommands('http://h:8080/live/cam/whip').testPicture;
  assert.ok(
    whip.endsWith(' -c:a libopus -ar 48000 -ac 2 -b:a 128k -f whip http://h:8080/live/cam/whip'),
    whip,
  );
});

test('addresses: where to publish, with the ports of the server', () => {
  const server = {
    addresses: ['10.0.0.7'],
    publish: [
      { type: 'rtmp', url: 'rtmp://127.0.0.1:21935/live' },
      { type: 'srt', url: 'srt://127.0.0.1:29000?streamid=publish:live' },
      { type: 'http-whip', url: 'http://media.example:8080/live' },
    ],
  };
  const cases: [type: string, address: string][] = [
    ['rtmp', 'rtmp://10.0.0.7:21935/show/a%20b'],
    ['srt', 'srt://10.0.0.7:29000?streamid=publish:show/a%20b'],
    ['http-whip', 'http://media.example:8080/show/a%20b/whip'],
  ];
  for (const [type, address] of cases)
    assert.equal(page.publishAddress(server, 'localhost', { type, app: 'show', name: 'a b' }), address);
  const unknown = { type: 'rtmp', app: 'live', name: 'cam' };
  assert.equal(page.publishAddress(null, '10.0.0.9', unknown), 'rtmp://10.0.0.9/live/cam');
  assert.equal(page.publishAddress({ publish: [] }, '10.0.0.9', unknown), 'rtmp://10.0.0.9/live/cam');
});

test('addresses: where to publish by SRT', () => {
  const play = 'srt://media.example:9000?streamid=read:live/cam';
  assert.equal(page.srtPublishAddress(play), 'srt://media.example:9000?streamid=publish:live/cam');
  assert.equal(page.srtPublishAddress('rtmp://media.example/live/cam'), '');
  assert.equal(page.withHost(play, '10.0.0.7'), 'srt://10.0.0.7:9000?streamid=read:live/cam');
});
