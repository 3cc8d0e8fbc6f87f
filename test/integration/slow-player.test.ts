/** Players that do not read: they lose whole GOPs, are closed at last, and nobody else notices. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import {
  demoTags,
  type FlvTag,
  FlvTagParser,
  indexOfRun,
  mediaBytes,
  orderFault,
  TAG_SCRIPT,
  TAG_VIDEO,
} from '../support/flv-tags.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const STALL_MS = 7000;
const QUEUE_MS = 3000;

/** The clip with pictures that are large enough to fill a socket soon. */
function heavyTags(): FlvTag[] {
  const filler = Buffer.alloc(60_000, 7);
  return demoTags()
    .filter((tag) => tag.type !== TAG_SCRIPT)
    .map((tag) => {
      if (tag.type !== TAG_VIDEO || tag.payload[1] !== 1) return tag;
      // A NAL unit of a type that decoders skip, with its length before it.
      const nal = Buffer.alloc(5 + filler.length);
      nal.writeUInt32BE(filler.length + 1, 0);
      nal[4] = 0x1e;
      filler.copy(nal, 5);
      return { ...tag, payload: Buffer.concat([tag.payload, nal]) };
    });
}

function rawFlv(port: number): { socket: Socket; parser: FlvTagParser } {
  const socket = connect({ port, host: '127.0.0.1' });
  const parser = new FlvTagParser();
  let head = '';
  let inBody = false;
  socket.on('error', () => undefined);
  socket.on('data', (bytes: Buffer) => {
    if (inBody) {
      parser.feed(bytes);
      return;
    }
    head += bytes.toString('latin1');
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    inBody = true;
    parser.feed(Buffer.from(head.slice(end + 4), 'latin1'));
  });
  socket.write('GET /live/heavy.flv HTTP/1.1\r\nHost: x\r\n\r\n');
  return { socket, parser };
}

test('slow players: dropped by GOP, closed with a reason, never a burden for others', async (t) => {
  const server = await TestServer.start({
    policy: `<application name="live"><play><queue>${QUEUE_MS}ms</queue><queue-size>8M</queue-size><stall>${STALL_MS}ms</stall></play></application>`,
  });
  const publisher = await ClipPublisher.start({
    port: server.rtmpPort,
    name: 'heavy',
    tags: heavyTags(),
    leadMs: 0,
  });
  t.after(async () => {
    publisher.stop();
    await server.close();
  });
  const healthy = await openFlv(server.http('/live/heavy.flv'));
  const pausing = rawFlv(server.httpPort);
  const stuckHttp = rawFlv(server.httpPort);
  const stuckRtmp = await RtmpPeer.open({ port: server.rtmpPort });
  await stuckRtmp.play('heavy');
  await until(
    'media',
    () => pausing.parser.tags.length > 5 && stuckHttp.parser.tags.length > 5 && stuckRtmp.tags.length > 5,
  );
  stuckHttp.socket.pause();
  stuckRtmp.socket.pause();
  pausing.socket.pause();
  // The pausing one reads again as soon as it is further behind than the queue is long.
  const feedOf = () => server.application.context.hub.find('live/heavy')!.feeds.get('flv')!;
  const isBehind = (one: { cursor: number }) => one.cursor >= 0 && one.cursor < feedOf().chunks.tail;
  const behind = () => feedOf().subscriptions.filter(isBehind).length;
  await until('two players that are far behind', () => behind() === 2, 20_000);
  pausing.socket.resume();
  const stops = () =>
    [...server.logged('http-flv.play-stop'), ...server.logged('rtmp.play-stop')].filter((line) =>
      /took nothing for 7 s/.test(String(line.fields['reason'])),
    );
  await until('the end of both stuck players', () => stops().length >= 2, 30_000);
  assert.equal(stops().length, 2);
  await until(
    'the jump in what the pausing one gets',
    () => checkJumps(pausing.parser.tags, publisher.sent) > 0,
  );
  const got = pausing.parser.tags.length;
  await until('media for the one that reads again', () => pausing.parser.tags.length > got + 50);
  assert.equal(pausing.parser.fault, '');
  assert.equal(
    orderFault(pausing.parser.tags),
    '',
    'after a jump there is a key frame with its configuration',
  );
  checkJumps(pausing.parser.tags, publisher.sent);
  assert.ok(
    indexOfRun(mediaBytes(publisher.sent, TAG_VIDEO), mediaBytes(healthy.tags, TAG_VIDEO)) >= 0,
    'the healthy one lost something',
  );
  // What a stuck player has not taken is given up soon, so that its connection is free.
  await until('the end of the connections', () => server.application.context.limits.open <= 3, 6000);
  healthy.close();
  pausing.socket.destroy();
  stuckHttp.socket.destroy();
  stuckRtmp.close();
});

/** How often pictures are missing; the next one must then be a key frame. */
function checkJumps(got: readonly FlvTag[], sent: readonly FlvTag[]): number {
  const order = new Map(mediaBytes(sent, TAG_VIDEO).map((bytes, index) => [bytes, index]));
  let before = -1;
  let jumps = 0;
  for (const bytes of mediaBytes(got, TAG_VIDEO)) {
    const index = order.get(bytes);
    assert.ok(index !== undefined, 'a picture that nobody sent');
    if (before >= 0 && index !== before + 1) {
      jumps++;
      assert.equal(bytes.charCodeAt(0) >> 4, 1, 'a jump to a picture that is no key frame');
    }
    before = index;
  }
  return jumps;
}
