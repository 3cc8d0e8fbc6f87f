/**
 * A check of ICE may name any address as its sender's. A thread with many connections under way sends nobody more than
 * what came from there before the address has proven itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DTLS_CONTENT, DTLS_HANDSHAKE } from '../../../src/wire/dtls/numbers.ts';
import { DTLS_RECORD_HEADER_BYTES } from '../../../src/wire/dtls/record.ts';
import { isStun } from '../../../src/wire/stun/packet-kind.ts';
import { type RtcCaller, RtcWorld } from '../../support/rtc-world.ts';
import { makeMedia } from './rtc-media.ts';

const MEDIAS = [makeMedia()];
const NO_FEED = -1;
const HANDSHAKE_MS = 20_000;

const isHandshake = (bytes: Buffer, type: number) =>
  bytes[0] === DTLS_CONTENT.handshake && bytes[DTLS_RECORD_HEADER_BYTES] === type;
const wasAsked = ({ came }: RtcCaller) =>
  came.some((bytes) => isHandshake(bytes, DTLS_HANDSHAKE.helloVerifyRequest));

/** So many that nothing comes from. */
function waiting(world: RtcWorld, count: number): RtcCaller[] {
  const callers = Array.from({ length: count }, () => world.call(MEDIAS, NO_FEED));
  world.callers.clear();
  return callers;
}

/** Somebody who hears answers of ICE and nothing of DTLS, as who sends with the address of another. */
function forge(world: RtcWorld) {
  const caller = world.call(MEDIAS, NO_FEED);
  const bytes = { sent: 0, came: 0 };
  const receive = caller.receive.bind(caller);
  caller.receive = (datagram, nowUs) => {
    if (isStun(datagram)) receive(datagram, nowUs);
    else bytes.came += datagram.length;
  };
  const { sent } = caller;
  const push = sent.push.bind(sent);
  sent.push = (...datagrams) => {
    for (const one of datagrams) if (!isStun(one.bytes)) bytes.sent += one.bytes.length;
    return push(...datagrams);
  };
  return bytes;
}

test('with few connections under way nobody is asked, and it takes no further round trip', () => {
  const world = new RtcWorld();
  waiting(world, 99);
  const caller = world.connect(MEDIAS, NO_FEED);
  assert.ok(caller.transport.isConnected);
  assert.equal(wasAsked(caller), false);
  const bytes = forge(world);
  world.run(HANDSHAKE_MS);
  assert.ok(bytes.came > 2 * bytes.sent, `${bytes.came} for ${bytes.sent}`);
});

test('with many under way a client is asked and connects; who cannot hear is sent less than came from there', () => {
  const world = new RtcWorld();
  const callers = waiting(world, 100);
  const caller = world.connect(MEDIAS, NO_FEED);
  assert.ok(caller.transport.isConnected);
  assert.equal(wasAsked(caller), true);
  const bytes = forge(world);
  world.run(HANDSHAKE_MS);
  assert.ok(bytes.came > 0 && bytes.came < bytes.sent, `${bytes.came} for ${bytes.sent}`);
  // Those under way are forgotten when they end.
  for (const { id } of callers) world.host.receive({ type: 'close', peer: id });
  const later = world.connect(MEDIAS, NO_FEED);
  assert.ok(later.transport.isConnected);
  assert.equal(wasAsked(later), false);
  assert.equal(world.held.connecting, 1, 'the forged one');
});
