/** UDP ports of the calling side on the loopback interface. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { joinGroup, openPorts, type RtspPorts } from '../../../../src/client/rtsp/rtsp-ports.ts';
import { until } from '../../../support/until.ts';

async function sender(address = '127.0.0.1') {
  const socket = createSocket('udp4');
  const received: string[] = [];
  socket.on('message', (bytes) => received.push(bytes.toString()));
  await new Promise<void>((done) => socket.bind(0, address, done));
  return { socket, received, port: socket.address().port };
}

function opened(heard: string[]): Promise<RtspPorts> {
  return new Promise((done, fail) => {
    const onDatagram = (isRtcp: boolean, bytes: Uint8Array) =>
      heard.push(`${isRtcp} ${Buffer.from(bytes).toString()}`);
    openPorts('127.0.0.1', onDatagram, (ports) =>
      ports === null ? fail(new Error('no ports')) : done(ports),
    );
  });
}

test('rtsp ports: an even port and the next; only the server is heard, whatever its port', async () => {
  const heard: string[] = [];
  const ports = await opened(heard);
  const [server, other, stranger] = [await sender(), await sender(), await sender('127.0.0.2')];
  try {
    assert.equal(ports.port % 2, 0);
    ports.setPeer(['127.0.0.1'], 0, 0);
    ports.sendRtp(Buffer.from('lost: nobody told the port'));
    stranger.socket.send('x', ports.port, '127.0.0.1');
    server.socket.send('a', ports.port, '127.0.0.1');
    await until('a packet', () => heard.length > 0);
    // The port of the server is known from its packets now.
    ports.sendRtp(Buffer.from('hello'));
    await until('an answer', () => server.received.length > 0);
    other.socket.send('b', ports.port + 1, '127.0.0.1');
    await until('a report', () => heard.length > 1);
    ports.sendRtcp(Buffer.from('report'));
    await until('our report', () => other.received.length > 0);
    assert.deepEqual(heard, ['false a', 'true b']);
    assert.deepEqual([server.received, other.received, stranger.received], [['hello'], ['report'], []]);
  } finally {
    ports.close();
    ports.close();
    for (const { socket } of [server, other, stranger]) socket.close();
  }
});

test('rtsp ports: a multicast group', async (context) => {
  const heard: string[] = [];
  const group = { address: '239.255.77.9', rtpPort: 0, rtcpPort: 0 };
  const probe = await sender();
  group.rtpPort = probe.port;
  group.rtcpPort = probe.port + 1;
  probe.socket.close();
  const ports = await new Promise<RtspPorts | null>((done) =>
    joinGroup('127.0.0.1', group, (_isRtcp, bytes) => heard.push(Buffer.from(bytes).toString()), done),
  );
  if (ports === null) {
    context.skip('multicast cannot be joined on the loopback interface here');
    return;
  }
  const server = await sender();
  try {
    server.socket.setMulticastInterface('127.0.0.1');
    ports.setPeer(['127.0.0.1'], 0, 0);
    server.socket.send('to all', group.rtpPort, group.address);
    await until('a packet of the group', () => heard.length > 0);
    assert.deepEqual(heard, ['to all']);
  } finally {
    ports.close();
    server.socket.close();
  }
});
