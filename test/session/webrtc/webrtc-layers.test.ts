/** Players of a publisher that sends several sizes: which feeds they get, what they may want, layers that come and go. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { WhepPlayer } from '../../../src/protocol/webrtc/whep-player.ts';
import type { RtcLayers } from '../../../src/rtc/rtc-messages.ts';
import { RejectedError } from '../../../src/util/errors.ts';
import { opusRecording } from '../../support/opus-recording.ts';
import { type MadePacket, WebrtcRig } from './webrtc-rig.ts';

const recording = opusRecording(2);
/** As `makeOffer` numbers them. */
const TYPES = [96, 111];
const RIDS = ['f', 'h', 'q'];

describe('WebRTC players of simulcast', () => {
  let rig: WebrtcRig;
  let packets: MadePacket[];

  beforeEach(async () => {
    rig = await WebrtcRig.open('<application name="live"><publish grace="0"/></application>');
    packets = rig.packets(recording, TYPES).slice(0, 60);
  });
  afterEach(async () => {
    for (const session of rig.sessions.all()) session.kick('the test is over');
    await rig.assertEmpty();
  });

  /** `layers`: those of which packets have come; all have the sound. */
  async function publishing(layers: readonly number[], rids: readonly string[] = RIDS) {
    const lines = [
      'a=sendonly',
      'a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
      ...rids.map((rid) => `a=rid:${rid} send`),
      `a=simulcast:send ${rids.join(';')}`,
      '',
    ];
    const offer = rig.sendOffer(recording).replace('a=sendonly\r\n', lines.join('\r\n'));
    const publisher = rig.publisher('cam', offer);
    await publisher.begin();
    const peer = rig.lastPeer;
    arrive(peer, layers);
    await rig.pass(0.5);
    return { publisher, peer };
  }

  function arrive(peer: number, layers: readonly number[]): void {
    for (const packet of packets) {
      if (packet.media === 1) rig.arrive(peer, [packet]);
      else for (const layer of layers) rig.arrive(peer, [packet], () => layer);
    }
  }

  async function playing(layer = ''): Promise<WhepPlayer> {
    const player = rig.player('cam', { layer });
    const beginning = player.begin();
    await rig.pass(1.5);
    await beginning;
    return player;
  }

  const opened = () => rig.thread.of('open').at(-1)!;
  /** Streams of feeds, by what the thread was told of them first. */
  const feedsOf = ({ feeds }: RtcLayers) => feeds.map((feed) => (feed < 0 ? -1 : feeds.indexOf(feed)));

  test('all layers that there are go to the thread, the best first, and the best is the feed of the sound', async () => {
    await publishing([0, 1, 2]);
    const player = await playing();
    const { layers, feed } = opened();
    assert.ok(layers !== undefined);
    assert.equal(layers.wish, -1);
    assert.equal(layers.feeds[0], feed);
    assert.equal(new Set(layers.feeds).size, 3);
    assert.ok(layers.feeds.every((one) => rig.thread.of('bytes').some((bytes) => bytes.feed === one)));
    assert.deepEqual(player.layers?.names, RIDS);
  });

  for (const [layer, wish] of [
    ['auto', -1],
    ['high', 0],
    ['low', 2],
    ['h', 1],
  ] as const)
    test(`layer=${layer} is place ${wish}`, async () => {
      await publishing([0, 1, 2]);
      const player = await playing(layer);
      assert.equal(opened().layers?.wish, wish);
      assert.equal(player.layers?.wish, layer);
      assert.deepEqual(player.notes, []);
    });

  test('a layer that the publisher does not know is refused with those that it has', async () => {
    await publishing([0, 1, 2]);
    const player = rig.player('cam', { layer: 'x' });
    const refused = assert.rejects(player.begin(), (error: unknown) => {
      assert.ok(error instanceof RejectedError);
      assert.equal(error.reason, 'bad-request');
      assert.match(error.message, /no layer "x": it has f, h, q, and there are auto, high and low/);
      return true;
    });
    await rig.pass(1.5);
    await refused;
  });

  test('of a stream in one size it says nothing', async () => {
    const publisher = rig.publisher('cam', rig.sendOffer(recording));
    await publisher.begin();
    arrive(rig.lastPeer, [0]);
    await rig.pass(0.5);
    const player = await playing('low');
    assert.equal(opened().layers, undefined);
    assert.equal(player.layers, null);
    assert.match(player.notes.join(), /live\/cam comes in one size, so layer=low says nothing/);
    assert.equal(player.details()['layer'], undefined);
  });

  test('a wish while it plays goes to the thread once; what is no layer changes nothing', async () => {
    await publishing([0, 1, 2]);
    const player = await playing();
    const { peer, layers } = opened();
    player.layers?.want('h');
    player.layers?.want('h');
    assert.deepEqual(rig.thread.of('layers'), [{ type: 'layers', peer, layers: { ...layers, wish: 1 } }]);
    assert.throws(() => player.layers?.want('z'), RejectedError);
    assert.equal(player.layers?.wish, 'h');
    player.layers?.want('');
    assert.equal(player.layers?.wish, 'auto');
    assert.equal(rig.thread.of('layers').at(-1)?.layers.wish, -1);
  });

  test('layers that begin later, that end, and a publisher that comes back with others', async () => {
    rig.test.rules = { ...rig.test.rules, graceMs: 5000 };
    const { publisher, peer } = await publishing([0, 2]);
    const player = await playing('h');
    assert.deepEqual(feedsOf(opened().layers!), [0, -1, 2]);
    arrive(peer, [1]);
    await rig.pass(1);
    const latest = () => rig.thread.of('layers').at(-1)!.layers;
    assert.deepEqual(feedsOf(latest()), [0, 1, 2]);
    assert.equal(latest().wish, 1);
    publisher.finish('it broke off');
    await rig.pass(1);
    // What is left is the stream of the name, which waits for a publisher.
    assert.deepEqual(feedsOf(latest()), [0]);
    assert.deepEqual(player.layers?.names, []);
    const again = await publishing([0, 1], ['high', 'low']);
    await rig.pass(1);
    assert.equal(player.ended, false);
    assert.deepEqual(feedsOf(latest()), [0, 1]);
    assert.equal(latest().wish, -1, 'nothing is called h any more');
    again.publisher.kick('the end');
    player.kick('the end');
    await rig.pass(10);
  });

  test('where the largest size is not sent yet the picture of another one is offered; it may come later, and end', async () => {
    const { peer } = await publishing([2]);
    const player = await playing();
    const { description, layers } = opened();
    assert.deepEqual(
      description.medias.map(({ kind, feedTrack }) => [kind, feedTrack]),
      [
        ['video', 0],
        ['audio', 0],
      ],
    );
    assert.deepEqual(feedsOf(layers!), [-1, -1, 2]);
    const { feed } = opened();
    const told = () => rig.thread.of('feed').filter((one) => one.feed === feed);
    assert.deepEqual([told().at(-1)?.pictures, told().at(-1)?.clockRates], [0, [48_000]]);
    arrive(peer, [0]);
    await rig.pass(0.1);
    assert.equal(player.ended, false);
    assert.deepEqual([told().at(-1)?.pictures, told().at(-1)?.clockRates], [1, [90_000, 48_000]]);
    assert.deepEqual(feedsOf(rig.thread.of('layers').at(-1)!.layers), [0, -1, 2]);
    assert.deepEqual(player.layers?.names, ['f', 'q']);
  });

  test('a publisher that comes back with sound alone in its largest size: the player stays and sees another one', async () => {
    rig.test.rules = { ...rig.test.rules, graceMs: 5000 };
    const { publisher } = await publishing([0, 1, 2]);
    const player = await playing();
    publisher.finish('it broke off');
    await rig.pass(1);
    const again = await publishing([2]);
    await rig.pass(5);
    assert.equal(player.ended, false);
    assert.deepEqual(feedsOf(rig.thread.of('layers').at(-1)!.layers), [-1, -1, 2]);
    again.publisher.kick('the end');
    await rig.pass(10);
  });

  test('sound that does not come back ends the player, as it does without layers', async (t) => {
    rig.test.rules = { ...rig.test.rules, graceMs: 5000 };
    const { publisher } = await publishing([0, 1, 2]);
    const player = await playing();
    publisher.finish('it broke off');
    await rig.pass(1);
    const silent = rig.publisher('cam', rig.sendOffer({ ...recording, tracks: [recording.tracks[0]!] }));
    await silent.begin();
    rig.arrive(
      rig.lastPeer,
      packets.filter(({ media }) => media === 0),
    );
    // What was agreed on may still come.
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    await rig.pass(0.5);
    assert.equal(player.ended, false);
    t.mock.timers.tick(3000);
    await rig.pass(0.5);
    assert.equal(player.ended, true);
    silent.kick('the end');
    await rig.pass(10);
  });

  test('what the thread sends is shown by name, with the estimate', async () => {
    await publishing([0, 1, 2]);
    const player = await playing();
    const send = {
      packets: 10,
      bytes: 5000,
      resent: 0,
      nacks: 0,
      pictureRequests: 0,
      replays: 0,
      framesSkipped: 0,
      lossShare: 0,
      lost: 0,
      jitterUs: 0,
      roundTripUs: Number.NaN,
      estimateBps: 700_000,
      lagUs: 0,
      isHeldBack: true,
      layer: 1,
    };
    const statistics = { isConnected: true, profile: '', remote: '', refused: 0, receive: null, send };
    rig.thread.say({ type: 'statistics', peers: [{ peer: opened().peer, statistics }] });
    const details = player.details();
    assert.equal(details['layer'], 'h');
    assert.equal(details['layer_wanted'], 'auto');
    assert.deepEqual(details['layers'], RIDS);
    assert.equal(details['estimate'], 700_000);
    assert.equal(details['rtt_ms'], -1);
    assert.match(player.notes.join(), /carries less than the stream has/);
    const later = { ...statistics, send: { ...send, isHeldBack: false } };
    rig.thread.say({ type: 'statistics', peers: [{ peer: opened().peer, statistics: later }] });
    player.details();
    assert.deepEqual(player.notes, []);
  });
});
