/** RTSP with the whole server and real sockets: every transport both ways, other protocols beside it, endings. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { multicastMissing } from '../support/multicast.ts';
import { DatagramPeer, RtspPeer } from '../support/rtsp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const NO_MULTICAST = await multicastMissing();

let server: TestServer;
let cam: ClipPublisher;

before(async () => {
  server = await TestServer.start({
    policy: `<application name="live">
      <stream name="secret"><login publish-user="eve" publish-password="pub" play-user="adam" play-password="play" basic="on"/></stream>
      <stream name="cast"><multicast enable="on" interface="127.0.0.1" range="239.255.77.0/28"/></stream>
    </application>`,
  });
  cam = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
});

after(async () => {
  cam.stop();
  await server.close();
});

const url = (name: string, scheme = 'rtsp') =>
  `${scheme}://127.0.0.1:${scheme === 'rtsp' ? server.rtspPort : server.rtspsPort}/live/${name}`;
const tcp = (track: number) => [`Transport: RTP/AVP/TCP;unicast;interleaved=${track * 2}-${track * 2 + 1}`];

/** Describes and sets up both tracks inside the connection. */
async function setUp(peer: RtspPeer, address: string): Promise<string> {
  const described = await peer.ask('DESCRIBE', address);
  assert.equal(described.status, 200, described.reason);
  for (const track of [0, 1])
    assert.equal((await peer.ask('SETUP', `${address}/trackID=${track}`, tcp(track))).status, 200);
  return Buffer.from(described.body).toString();
}

function assertInOrder(packets: readonly Buffer[]): void {
  const numbers = packets.map((one) => one.readUInt16BE(2));
  for (let i = 1; i < numbers.length; i++) assert.equal(numbers[i], (numbers[i - 1]! + 1) & 0xffff);
}

describe('playing', () => {
  for (const [name, open] of [
    ['TCP', () => RtspPeer.open(server.rtspPort)],
    ['TLS', () => RtspPeer.open(server.rtspsPort, true)],
    ['an HTTP tunnel', () => RtspPeer.tunnel(server.rtspPort, 'cookie-1')],
  ] as const) {
    test(`over ${name}`, async () => {
      const peer = await open();
      const address = url('cam', name === 'TLS' ? 'rtsps' : 'rtsp');
      await setUp(peer, address);
      const answer = await peer.ask('PLAY', `${address}/`);
      assert.match(answer.headers.get('RTP-Info'), /trackID=0;seq=\d+;rtptime=\d+,url=.*trackID=1;seq=/);
      await until('packets of both tracks', () => peer.rtp(0).length > 40 && peer.rtp(1).length > 40);
      assertInOrder(peer.rtp(0));
      assertInOrder(peer.rtp(1));
      const session = server.application.context.sessions
        .all()
        .find((one) => one.role === 'player' && one.streamText === 'live/cam');
      assert.equal(session?.protocol, name === 'TLS' ? 'rtsps' : 'rtsp');
      assert.equal((await peer.ask('TEARDOWN', address)).status, 200);
      await until('the end of the connection', () => peer.closed);
    });
  }

  test('over UDP, from the address that was asked', async () => {
    const peer = await RtspPeer.open(server.rtspPort);
    const rtp = await DatagramPeer.open();
    const rtcp = await DatagramPeer.open();
    await peer.ask('DESCRIBE', url('cam'));
    const fields = [`Transport: RTP/AVP;unicast;client_port=${rtp.port}-${rtcp.port}`];
    const answer = await peer.ask('SETUP', `${url('cam')}/trackID=0`, fields);
    const port = Number(/server_port=(\d+)-/.exec(answer.headers.get('Transport'))?.[1]);
    assert.ok(port >= 30_000 && port % 2 === 0);
    await peer.ask('PLAY', url('cam'));
    await until('datagrams', () => rtp.datagrams.length > 40 && rtcp.datagrams.length > 0);
    assertInOrder(rtp.datagrams);
    // A router gave the player another port in the meantime: its first datagram tells.
    const other = await DatagramPeer.open();
    other.socket.send(Buffer.of(0x80, 0, 0, 0), port, '127.0.0.1');
    await until('datagrams at the new port', () => other.datagrams.length > 5);
    const before = other.datagrams.length;
    const thief = await DatagramPeer.open();
    thief.socket.send(Buffer.of(0x80, 0, 0, 0), port, '127.0.0.1');
    await until('more datagrams', () => other.datagrams.length > before + 5);
    assert.equal(thief.datagrams.length, 0, 'the port is known now');
    peer.close();
    await until('the end of the session', () => server.logged('rtsp.play-stop').length > 0);
    for (const one of [rtp, rtcp, other, thief]) one.close();
  });

  test('by multicast', { skip: NO_MULTICAST }, async () => {
    const cast = await ClipPublisher.start({ port: server.rtmpPort, name: 'cast' });
    const peer = await RtspPeer.open(server.rtspPort);
    await peer.ask('DESCRIBE', url('cast'));
    const answer = await peer.ask('SETUP', `${url('cast')}/trackID=0`, ['Transport: RTP/AVP;multicast']);
    const match = /destination=([\d.]+);port=(\d+)-\d+;ttl=16/.exec(answer.headers.get('Transport'));
    assert.ok(match);
    // Members on this machine get the port at every address.
    const member = await DatagramPeer.open(Number(match[2]), '0.0.0.0');
    member.close();
    const listener = await DatagramPeer.open(Number(match[2]), match[1]);
    listener.socket.addMembership(match[1]!, '127.0.0.1');
    assert.equal((await peer.ask('PLAY', url('cast'))).status, 200);
    await until('the sender', () => peer.closed || server.logged('rtsp.play-start').length > 0);
    await until('datagrams', () => listener.datagrams.length > 20);
    assertInOrder(listener.datagrams);
    listener.close();
    peer.close();
    cast.stop();
  });
});

describe('publishing', () => {
  /** Everything of `live/cam`, to be sent again. */
  async function source(): Promise<{ peer: RtspPeer; sdp: string }> {
    const peer = await RtspPeer.open(server.rtspPort);
    const sdp = await setUp(peer, url('cam'));
    return { peer, sdp };
  }

  /** Sends what `from` gets on, and more as it comes. */
  function relay(from: RtspPeer, send: (channel: number, packet: Buffer) => void): NodeJS.Timeout {
    let sent = 0;
    return setInterval(() => {
      for (; sent < from.packets.length; sent++) send(from.packets[sent]!.channel, from.packets[sent]!.bytes);
    }, 10);
  }

  test('over TCP, with a query; players of RTSP and others get it', async () => {
    const { peer: from, sdp } = await source();
    const to = await RtspPeer.open(server.rtspPort);
    const address = url('again');
    assert.equal((await to.ask('ANNOUNCE', `${address}?token=1`, [], sdp)).status, 200);
    for (const track of [0, 1]) {
      const fields = [`${tcp(track)[0]};mode=record`];
      assert.equal((await to.ask('SETUP', `${address}?token=1/trackID=${track}`, fields)).status, 200);
    }
    assert.equal((await to.ask('RECORD', `${address}?token=1`)).status, 200);
    await from.ask('PLAY', url('cam'));
    const relaying = relay(from, (channel, packet) => to.send(channel, packet));
    const { hub, sessions } = server.application.context;
    await until('frames', () => (hub.find('live/again')?.statistics.videoFrames ?? 0) > 30);
    const codecs = hub.find('live/again')!.tracks.map(({ config }) => config.codec);
    assert.deepEqual([...codecs].sort(), ['aac', 'h264']);
    const player = await RtspPeer.open(server.rtspPort);
    await setUp(player, address);
    await player.ask('PLAY', address);
    await until('packets', () => player.rtp(0).length > 20);
    const flv = await fetch(server.http('/live/again.flv'));
    assert.equal(flv.status, 200);
    const { value } = await flv.body!.getReader().read();
    assert.equal(Buffer.from(value!).toString('latin1', 0, 3), 'FLV');
    const streams = await (await fetch(server.http('/api/v1/streams'))).json();
    const shown = (
      streams as { streams: { name: string; urls: { type: string; url: string }[] }[] }
    ).streams.find(({ name }) => name === 'again');
    assert.ok(shown?.urls.some(({ type, url: one }) => type === 'rtsp' && one === address));
    const clients = (await (await fetch(server.http('/api/v1/clients'))).json()) as {
      clients: { type: string; url: string; details: Record<string, unknown> }[];
    };
    const publisher = clients.clients.find(({ type }) => type === 'rtsp-publish');
    assert.equal(publisher?.details['transport'], 'tcp');
    assert.equal(publisher?.details['packets_lost'], 0);
    const publishing = sessions.all().find((one) => one.role === 'publisher' && one.protocol === 'rtsp');
    publishing!.kick('enough');
    await until('the kick', () => to.closed);
    assert.equal(hub.publisherOf(hub.find('live/again')!), null);
    clearInterval(relaying);
    for (const one of [from, player]) one.close();
  });

  test('over UDP', async () => {
    const { peer: from, sdp } = await source();
    const to = await RtspPeer.open(server.rtspPort);
    const address = url('udp');
    await to.ask('ANNOUNCE', address, [], sdp);
    const sockets: DatagramPeer[] = [];
    const ports: number[] = [];
    for (const track of [0, 1]) {
      const [rtp, rtcp] = [await DatagramPeer.open(), await DatagramPeer.open()];
      sockets.push(rtp, rtcp);
      const fields = [`Transport: RTP/AVP/UDP;unicast;client_port=${rtp.port}-${rtcp.port};mode=record`];
      const answer = await to.ask('SETUP', `${address}/trackID=${track}`, fields);
      const port = Number(/server_port=(\d+)-/.exec(answer.headers.get('Transport'))?.[1]);
      ports.push(port, port + 1);
    }
    assert.equal((await to.ask('RECORD', address)).status, 200);
    await from.ask('PLAY', url('cam'));
    const relaying = relay(from, (channel, packet) => {
      sockets[channel]!.socket.send(packet, ports[channel]!, '127.0.0.1');
    });
    const { hub } = server.application.context;
    await until('frames', () => (hub.find('live/udp')?.statistics.videoFrames ?? 0) > 30);
    await until('a report', () => sockets[1]!.datagrams.length > 0);
    clearInterval(relaying);
    from.close();
    to.close();
    await until('the end', () => hub.publisherOf(hub.find('live/udp')!) === null);
    for (const one of sockets) one.close();
  });

  test('a login is asked for, of publishers and of players', async () => {
    const { peer: from, sdp } = await source();
    from.close();
    const line = (login: string) => [`Authorization: Basic ${Buffer.from(login).toString('base64')}`];
    const to = await RtspPeer.open(server.rtspPort);
    assert.equal((await to.ask('OPTIONS', url('secret'))).status, 200);
    assert.equal((await to.ask('ANNOUNCE', url('secret'), [], sdp)).status, 401);
    assert.equal((await to.ask('ANNOUNCE', url('secret'), line('adam:play'), sdp)).status, 401);
    assert.equal((await to.ask('ANNOUNCE', url('secret'), line('eve:pub'), sdp)).status, 200);
    assert.equal((await to.ask('DESCRIBE', url('secret'), line('adam:play'))).status, 455);
    const other = await RtspPeer.open(server.rtspPort);
    assert.equal((await other.ask('DESCRIBE', url('secret'), line('eve:pub'))).status, 401);
    assert.equal((await other.ask('DESCRIBE', url('secret'), line('adam:play'))).status, 404);
    to.close();
    other.close();
  });
});

test('status and refusals', async () => {
  const status = (await (await fetch(server.http('/api/status'))).json()) as Record<string, unknown>;
  assert.deepEqual(status['rtsp'], { port: server.rtspPort, run: true, ssl: false });
  const peer = await RtspPeer.open(server.rtspPort);
  const denied = await peer.ask('DESCRIBE', `rtsp://127.0.0.1:${server.rtspPort}/other/cam`);
  assert.equal(denied.status, 403);
  assert.match(denied.reason, /"other" is not allowed/);
  peer.close();
});

test('a player that reads nothing costs the others nothing and is bounded', async () => {
  const slow = await RtspPeer.open(server.rtspPort);
  await setUp(slow, url('cam'));
  slow.socket.pause();
  slow.socket.write(`PLAY ${url('cam')} RTSP/1.0\r\nCSeq: 9\r\n\r\n`);
  const other = await RtspPeer.open(server.rtspPort);
  await setUp(other, url('cam'));
  await other.ask('PLAY', url('cam'));
  await until('packets for the other', () => other.rtp(0).length > 60);
  slow.close();
  other.close();
});
