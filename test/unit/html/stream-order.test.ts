/** Search, order and sums of the list, and what the address of the player page asks for. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Stream {
  readonly url: string;
  readonly app: string;
  readonly name: string;
  readonly state: string;
  readonly clients: number;
  readonly live_ms: number;
  readonly on_demand: boolean;
  readonly kbps: { readonly recv_30s: number; readonly send_30s: number };
  readonly source: { readonly protocol: string; readonly remote: string } | null;
  readonly tracks: readonly { readonly label: string }[];
}
interface Order {
  isTestChannel(stream: Stream, server: { demo: string | null } | null): boolean;
  isConversion(stream: Stream): boolean;
  layoutFor(chosen: string, count: number): string;
  arrange(streams: readonly Stream[], search: string, sort: string): Stream[];
  totals(all: readonly Stream[], live: readonly Stream[]): Record<string, number>;
}
const order = await loadPageModule<Order>('js/stream-order.js');

function stream(name: string, clients: number, liveMs: number, rate: number, label = 'H.264'): Stream {
  return {
    ...{ url: `/live/${name}`, app: 'live', name, state: 'live', clients, live_ms: liveMs, on_demand: false },
    kbps: { recv_30s: rate, send_30s: rate * clients },
    source: { protocol: 'rtmp', remote: `10.0.0.${clients}:1` },
    tracks: [{ label }],
  };
}
const streams = [stream('cam10', 1, 30, 5), stream('cam2', 7, 10, 9, 'H.265'), stream('Yard', 7, 20, 1)];
const names = (found: readonly Stream[]) => found.map((entry) => entry.name).join(' ');

test('list: what the server converts for players is no stream of its own', () => {
  const cam = stream('cam', 1, 30, 5);
  assert.equal(order.isConversion(cam), false);
  assert.equal(order.isConversion({ ...cam, source: null }), false);
  assert.equal(order.isConversion({ ...cam, source: { protocol: 'transcode', remote: '' } }), true);
});

test('list: orders, with the name as the second criterion', () => {
  assert.equal(names(order.arrange(streams, '', 'name')), 'cam2 cam10 Yard');
  assert.equal(names(order.arrange(streams, '', 'viewers')), 'cam2 Yard cam10');
  assert.equal(names(order.arrange(streams, '', 'newest')), 'cam10 Yard cam2');
  assert.equal(names(order.arrange(streams, '', 'bitrate')), 'cam2 cam10 Yard');
});

test('list: every word of a search must occur, in name, codec or publisher', () => {
  assert.equal(names(order.arrange(streams, 'CAM', 'name')), 'cam2 cam10');
  assert.equal(names(order.arrange(streams, 'cam h.265', 'name')), 'cam2');
  assert.equal(names(order.arrange(streams, '10.0.0.1', 'name')), 'cam10');
  assert.equal(names(order.arrange(streams, 'nothing', 'name')), '');
  assert.equal(order.arrange([{ ...streams[0]!, source: null }], 'rtmp', 'name').length, 0);
});

test('list: many streams are rows unless the person chose', () => {
  assert.equal(order.layoutFor('', 12), 'cards');
  assert.equal(order.layoutFor('', 13), 'rows');
  assert.equal(order.layoutFor('cards', 200), 'cards');
});

test('list: sums, and the test channel apart', () => {
  const demo = { ...stream('demo', 2, 0, 100), on_demand: true };
  assert.equal(order.isTestChannel(demo, { demo: 'live/demo' }), true);
  assert.equal(order.isTestChannel(demo, { demo: null }), false);
  assert.equal(order.isTestChannel({ ...demo, on_demand: false }, { demo: 'live/demo' }), false);
  const lost = { ...stream('lost', 1, 0, 0), state: 'lingering' };
  const live = [...streams, lost];
  const sums = order.totals([...live, demo], live);
  assert.deepEqual(sums, { liveCount: 3, viewers: 18, inKbps: 15, outKbps: 275 });
});

interface PlayerAddress {
  fromLocation(query: URLSearchParams, framed: boolean): Record<string, unknown>;
}
const { fromLocation } = await loadPageModule<PlayerAddress>('js/player-address.js');

test('player address: what is asked for, and what is handed on', () => {
  const plain = fromLocation(new URLSearchParams('app=a&stream=b&token=x%26y&way=hls&lang=zh'), false);
  const expected = {
    app: 'a',
    name: 'b',
    way: 'hls',
    autostart: true,
    muted: false,
    extra: 'token=x%26y',
    framed: false,
    file: null,
  };
  assert.deepEqual(plain, expected);
  const started = (query: string, framed: boolean) =>
    fromLocation(new URLSearchParams(query), framed)['autostart'];
  assert.equal(started('', true), false);
  assert.equal(started('autostart=1', true), true);
  assert.equal(started('autostart=0', false), false);
  assert.equal(fromLocation(new URLSearchParams('muted=1'), true)['muted'], true);
});
