/**
 * WebRTC peers that come and go, at a thread alone (RtcWorld, its own clock) and at the whole server over loopback: what
 * is held afterwards, and the ways to leave. The short forms are in test/integration, the long ones in test/soak.
 */
import assert from 'node:assert/strict';
import { webrtcFormat } from '../../src/packaging/webrtc-feed.ts';
import type { RtcMedia } from '../../src/rtc/rtc-description.ts';
import { encodeAll, openEncoder } from './feed-frames.ts';
import { opusRecording } from './opus-recording.ts';
import { RtcTestPeer } from './rtc-test-peer.ts';
import { type RtcCaller, type RtcHeld, RtcWorld } from './rtc-world.ts';
import type { TestServer } from './test-server.ts';

const AT_ONCE = 8;
const HELD_NOTHING: RtcHeld = {
  peers: 0,
  connecting: 0,
  byAgent: 0,
  byConnection: 0,
  callPorts: 0,
  feeds: 0,
  agents: 0,
  addresses: 0,
};
const CONSENT_MS = 31_000;
const PICTURE_PACKET = Buffer.alloc(200, 1);

/**
 * `count` peers at one thread: players and publishers that say goodbye, that are ended by the server, that vanish, that
 * never come; streams that begin and end. Asserts that the thread holds nothing at the end of each round.
 */
export class ThreadChurn {
  readonly world = new RtcWorld();
  private readonly played: readonly RtcMedia[];
  private readonly recording = opusRecording(1);
  private readonly slab: Buffer;
  private readonly pieces: readonly Buffer[];
  private nextFeed = 1;
  /** Of the peers, by the way that they left. */
  readonly left = { goodbye: 0, ended: 0, vanished: 0, neverCame: 0 };

  constructor(played: readonly RtcMedia[]) {
    this.played = played;
    const encoder = openEncoder(webrtcFormat, this.recording);
    this.pieces = encodeAll(encoder, this.recording.frames).filter(({ length }) => length > 0);
    this.slab = Buffer.concat(this.pieces);
  }

  run(count: number): void {
    for (let done = 0; done < count; done += AT_ONCE) this.round(Math.min(AT_ONCE, count - done), done);
    assert.deepEqual(this.world.held, HELD_NOTHING);
  }

  private round(count: number, first: number): void {
    const { world, slab, pieces } = this;
    const feed = this.nextFeed++;
    world.host.receive({ type: 'feed', feed, clockRates: [90_000, 48_000], pictures: 1 });
    world.host.receive({ type: 'slab', feed, slab: slab.buffer as ArrayBuffer });
    const published = this.played.map((media) => ({ ...media, direction: 'receive' as const }));
    const publishers = new Set<RtcCaller>();
    const callers = Array.from({ length: count }, (_, at) => {
      if ((first + at) % 5 !== 4) return world.call(this.played, feed);
      const publisher = world.call(published, -1);
      publishers.add(publisher);
      return publisher;
    });
    const absent = callers.filter(({ id }) => id % 7 === 6);
    for (const one of absent) this.vanish(one);
    const present = callers.filter((one) => !absent.includes(one));
    for (let i = 0; i < 100 && !present.every(({ transport }) => transport.isConnected); i++) world.step();
    let at = slab.byteOffset;
    for (const piece of pieces) {
      world.host.receive({ type: 'bytes', feed, start: at, end: at + piece.length });
      at += piece.length;
      for (const one of present) sendPicture(one);
      world.step();
    }
    for (const one of present) {
      assert.ok(one.transport.isConnected, 'not connected');
      assert.ok(one.rtp > 0 || publishers.has(one), 'nothing came');
      if (one.id % 3 === 0) {
        one.transport.close();
        world.step();
        this.left.goodbye++;
      } else if (one.id % 3 === 1) {
        world.host.receive({ type: 'close', peer: one.id });
        world.step();
        assert.notEqual(one.closed, '', 'it is told that it is over');
        this.left.ended++;
      } else {
        this.vanish(one);
        this.left.vanished++;
      }
      world.callers.delete(`${one.address.address}:${one.address.port}`);
    }
    this.left.neverCame += absent.length;
    world.host.receive({ type: 'feed-end', feed });
    world.run(CONSENT_MS);
    assert.deepEqual(world.held, HELD_NOTHING);
    world.told.length = 0;
  }

  /** Nothing comes from it, and it hears nothing. */
  private vanish({ address }: RtcCaller): void {
    this.world.callers.delete(`${address.address}:${address.port}`);
  }
}

let pictures = 0;

function sendPicture({ transport }: RtcCaller): void {
  if (!transport.isConnected) return;
  pictures++;
  PICTURE_PACKET[0] = 0x80;
  PICTURE_PACKET[1] = 102;
  PICTURE_PACKET.writeUInt16BE(pictures & 0xffff, 2);
  PICTURE_PACKET.writeUInt32BE(pictures, 4);
  PICTURE_PACKET.writeUInt32BE(0x1111, 8);
  transport.sendRtp(PICTURE_PACKET, 12, PICTURE_PACKET.subarray(12));
}

/** What the main thread holds of WebRTC. */
export interface ServerHeld {
  readonly sessions: number;
  readonly connections: number;
  readonly reservations: number;
  readonly links: number;
  readonly streams: number;
  readonly timers: number;
}

interface InsideThread {
  readonly connections: ReadonlyMap<number, unknown>;
  readonly reservations: ReadonlyMap<number, unknown>;
}

interface InsidePool {
  readonly threads: readonly InsideThread[];
  readonly links: ReadonlyMap<unknown, ReadonlyMap<string, unknown>>;
}

export function heldByServer({ application }: TestServer): ServerHeld {
  const { rtcCalls, sessions, hub, tick } = application.context;
  const pool = rtcCalls.current!.pool as unknown as InsidePool;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
  return {
    sessions: sessions.size,
    connections: sum(pool.threads.map(({ connections }) => connections.size)),
    reservations: sum(pool.threads.map(({ reservations }) => reservations.size)),
    links: sum([...pool.links.values()].map(({ size }) => size)),
    streams: hub.streams().length,
    timers: tick.pending,
  };
}

export const PEER_WAYS = ['delete', 'goodbye', 'vanish', 'publish', 'never', 'impatient', 'refused'] as const;
type PeerWay = (typeof PEER_WAYS)[number];

const RECORDING = opusRecording(1);
const OUR_PEER = 2;
/** How long one stays once it is connected, at most. */
const PATIENCE_MS = 5000;

/** One peer at live/cam that comes and leaves; `index` chooses how. Returns the way that it took. */
export async function comeAndGo(server: TestServer, index: number): Promise<PeerWay> {
  const way = PEER_WAYS[index % PEER_WAYS.length]!;
  const peer = await RtcTestPeer.open();
  const url = server.http('/live/cam/whep');
  try {
    switch (way) {
      case 'delete':
      case 'goodbye':
      case 'vanish':
        assert.equal((await peer.play(url)).status, 201);
        await server.until('packets', () => peer.packets > 0, PATIENCE_MS);
        if (way === 'delete') assert.equal(await peer.delete(), 200);
        if (way === 'vanish') await silence(peer);
        return way;
      case 'publish': {
        const name = `pub${index}`;
        const published = await peer.publish(server.http(`/live/${name}/whip`), RECORDING);
        assert.equal(published.status, 201, published.text);
        await server.until('the connection', () => peer.isConnected, PATIENCE_MS);
        peer.send(RECORDING);
        const { hub } = server.application.context;
        await server.until(
          'the stream',
          () => (hub.find(`live/${name}`)?.tracks.length ?? 0) > 0,
          PATIENCE_MS,
        );
        if (index % 2 === 0) assert.equal(await peer.delete(), 200);
        return way;
      }
      case 'never': {
        // An answer that nothing follows: the caller's checks never come.
        await silence(peer);
        assert.equal((await peer.play(url)).status, 201);
        return way;
      }
      case 'impatient': {
        const gone = new AbortController();
        const asked = fetch(server.http('/patient/nothing/whep'), {
          method: 'POST',
          headers: { 'Content-Type': 'application/sdp' },
          body: OFFER,
          signal: gone.signal,
        }).catch(() => null);
        setTimeout(() => gone.abort(), 20 + (index % 5) * 20);
        assert.equal(await asked, null);
        return way;
      }
      default: {
        const refused = await peer.play(server.http('/live/nothing/whep'));
        assert.ok(refused.status >= 400, `${refused.status}`);
        return way;
      }
    }
  } finally {
    peer.close();
  }
}

/** Its port is closed before it can say goodbye. */
async function silence(peer: RtcTestPeer): Promise<void> {
  const { host } = peer as unknown as { host: { callPorts: Map<number, { close(): void }> } };
  host.callPorts.get(OUR_PEER)!.close();
  await new Promise((done) => setImmediate(done));
}

const OFFER = [
  'v=0',
  'o=- 1 0 IN IP4 0.0.0.0',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'c=IN IP4 0.0.0.0',
  'a=mid:0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  `a=fingerprint:sha-256 ${new Array<string>(32).fill('AB').join(':')}`,
  'a=setup:actpass',
  'a=recvonly',
  'a=rtcp-mux',
  'a=rtpmap:96 H264/90000',
  '',
].join('\r\n');
