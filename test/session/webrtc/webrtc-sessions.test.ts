/** Publishers and players over WebRTC with a thread that the test plays: beginnings, refusals, layers, key frames, ends. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { FRAME_KEY } from '../../../src/media/frame.ts';
import type { PeerSession } from '../../../src/protocol/webrtc/peer-session.ts';
import { parseFragment } from '../../../src/rtc/negotiation/fragment.ts';
import { ProtocolError, RejectedError } from '../../../src/util/errors.ts';
import { opusRecording } from '../../support/opus-recording.ts';
import { StreamWitness } from '../../support/publish-body.ts';
import { WebrtcRig } from './webrtc-rig.ts';

const recording = opusRecording(2);
/** As `makeOffer` numbers them. */
const TYPES = [96, 111];

const rejected = (reason: string) => (error: unknown) => {
  assert.ok(error instanceof RejectedError, String(error));
  assert.equal(error.reason, reason);
  return true;
};

describe('WebRTC sessions', () => {
  let rig: WebrtcRig;

  beforeEach(async () => {
    rig = await WebrtcRig.open('<application name="live"><publish grace="0"/></application>');
  });
  afterEach(async () => {
    for (const session of rig.sessions.all()) session.kick('the test is over');
    await rig.assertEmpty();
  });

  async function publishing(name: string) {
    const publisher = rig.publisher(name, rig.sendOffer(recording));
    const sdp = await publisher.begin();
    const peer = rig.lastPeer;
    rig.thread.say({ type: 'connected', peer, remote: 'udp 192.0.2.1:6000' });
    return { publisher, sdp, peer };
  }

  /** Ended once, and whatever comes after means nothing. */
  function assertOver(session: PeerSession): void {
    assert.equal(session.ended, true);
    assert.equal(rig.over.filter((one) => one === session).length, 1);
    session.finish('again');
    session.kick('again');
    session.onClosed('again');
    assert.equal(rig.over.filter((one) => one === session).length, 1);
    assert.equal(rig.sessions.get(session.id), undefined);
  }

  describe('publishers', () => {
    test('packets become the frames that were sent', async () => {
      const witness = new StreamWitness(rig.test.hub, 'live', 'cam');
      const { publisher, sdp, peer } = await publishing('cam');
      assert.match(sdp, /a=recvonly/);
      assert.equal(rig.thread.of('open')[0]!.feed, -1);
      rig.arrive(peer, rig.packets(recording, TYPES));
      await rig.pass(1);
      publisher.finish('the end');
      witness.assertWhole(recording);
      assert.equal(rig.thread.of('close').at(-1)?.peer, peer);
      assertOver(publisher);
      assert.equal(rig.logged('webrtc.publish-stop')[0]?.fields['reason'], 'the end');
    });

    test('refusals leave nothing', async () => {
      const offer = rig.sendOffer(recording);
      const { publisher } = await publishing('cam');
      await assert.rejects(rig.publisher('cam', offer).begin(), rejected('busy'));
      await assert.rejects(rig.publisher('x', offer, { app: 'other' }).begin(), rejected('denied'));
      await assert.rejects(rig.publisher('x', offer, { via: ['a', 'me'] }).begin(), rejected('loop'));
      await assert.rejects(
        rig.publisher('x', 'v=0').begin(),
        (error: unknown) => error instanceof ProtocolError,
      );
      await assert.rejects(
        rig.publisher('x', rig.offer({ direction: 'play' })).begin(),
        rejected('bad-request'),
      );
      await assert.rejects(
        rig.publisher('x', offer, { isGone: () => true }).begin(),
        rejected('bad-request'),
      );
      assert.equal(rig.sessions.size, 1);
      assert.equal(rig.over.length, 6);
      assert.equal(rig.thread.of('open').length, 1);
      publisher.kick('the end');
    });

    test('there are no more than the limit', async () => {
      for (const name of ['a', 'b', 'c']) await publishing(name);
      await assert.rejects(rig.publisher('d', rig.sendOffer(recording)).begin(), rejected('limit'));
    });

    test('key frames: when it is connected, when the last one is old, when a player needs one', async () => {
      const { publisher, peer } = await publishing('cam');
      const asked = () => rig.thread.of('key').length;
      assert.equal(asked(), 1);
      const pictures = rig.packets(recording, TYPES).filter(({ media }) => media === 0);
      rig.arrive(peer, pictures.slice(0, 3));
      await rig.pass(1);
      assert.equal(asked(), 1);
      // None came for two seconds, and it is asked once a second from then on.
      await rig.pass(1.5);
      assert.equal(asked(), 2);
      await rig.pass(1);
      assert.equal(asked(), 3);
      assert.deepEqual(
        rig.thread.of('key').map(({ media, layer }) => [media, layer]),
        [
          [0, 0],
          [0, 0],
          [0, 0],
        ],
      );
      const owner = rig.test.hub.publisherOf(rig.test.hub.find('live/cam')!);
      owner?.requestKeyFrame?.();
      assert.equal(asked(), 4);
      publisher.kick('the end');
    });

    test('one that sends nothing, and one that falls silent', async () => {
      const { publisher: mute } = await publishing('mute');
      const { publisher, peer } = await publishing('cam');
      rig.arrive(peer, rig.packets(recording, TYPES).slice(0, 20));
      await rig.pass(9);
      assert.equal(publisher.ended, false);
      await rig.pass(2);
      assertOver(publisher);
      assert.match(String(rig.logged('webrtc.publish-stop')[0]?.fields['reason']), /no media for 10 s/);
      await rig.pass(10);
      assertOver(mute);
      assert.match(String(rig.logged('webrtc.publish-stop')[1]?.fields['reason']), /within 20 s/);
    });

    test('a goodbye of RTCP, the end of the connection, the end of the thread', async () => {
      const { publisher, peer } = await publishing('cam');
      const packets = rig.packets(recording, TYPES).slice(0, 10);
      rig.arrive(peer, packets);
      for (const media of [0, 1]) {
        const one = packets.find((packet) => packet.media === media)!;
        const bye = Buffer.from([0x81, 203, 0, 1, ...one.bytes.subarray(8, 12)]);
        const copy = new Uint8Array(bye).buffer as ArrayBuffer;
        const fields = Float64Array.of(media, 0, 1, 0, bye.length, rig.test.clock.nowUs());
        rig.thread.say({ type: 'media', peer, bytes: copy, packets: fields });
      }
      await rig.pass(1);
      assertOver(publisher);
      const { publisher: second, peer: secondPeer } = await publishing('cam');
      rig.thread.say({ type: 'closed', peer: secondPeer, reason: 'the peer left' });
      assertOver(second);
      const { publisher: third } = await publishing('cam');
      rig.thread.end('out of memory');
      assertOver(third);
      assert.equal(rig.threads.length, 2, 'another thread was started');
    });

    test('another takes the name', async () => {
      const other = await WebrtcRig.open(
        '<application name="live"><publish grace="0" busy="takeover"/></application>',
      );
      other.test.rules = { ...other.test.rules, busy: 'takeover' };
      const first = other.publisher('cam', other.sendOffer(recording));
      await first.begin();
      const second = other.publisher('cam', other.sendOffer(recording));
      await second.begin();
      assert.equal(first.ended, true);
      assert.equal(second.ended, false);
      second.kick('the end');
      await other.assertEmpty();
    });

    test('candidates and a new start of ICE go to the thread', async () => {
      const { publisher, peer } = await publishing('cam');
      const before = publisher.etag;
      const line = 'candidate:1 1 udp 1 10.0.0.1 9 typ host';
      const later = parseFragment(`m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=${line}\r\n`);
      assert.equal(publisher.takeFragment(later), '');
      assert.deepEqual(rig.thread.of('candidates'), [{ type: 'candidates', peer, lines: [line] }]);
      assert.equal(publisher.etag, before);
      const anew = parseFragment('a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n');
      const body = publisher.takeFragment(anew);
      const [restart] = rig.thread.of('restart');
      assert.equal(restart?.remoteUfrag, 'abcd');
      assert.ok(body.includes(`a=ice-ufrag:${restart?.ufrag}\r\n`), body);
      assert.equal(publisher.etag, `"${restart?.ufrag}"`);
      // The same fragment again is no new start.
      assert.equal(publisher.takeFragment(anew), '');
      publisher.kick('the end');
    });

    describe('layers', () => {
      const offer = () =>
        rig
          .sendOffer(recording)
          .replace(
            'a=sendonly\r\n',
            'a=sendonly\r\na=extmap:9 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send h;f\r\n',
          );
      const begin = async () => {
        const publisher = rig.publisher('cam', offer());
        const sdp = await publisher.begin();
        assert.match(sdp, /a=simulcast:recv h;f/);
        return { publisher, peer: rig.lastPeer };
      };

      test('are streams of their own, with the sound', async () => {
        const best = new StreamWitness(rig.test.hub, 'live', 'cam');
        const lower = new StreamWitness(rig.test.hub, 'live', 'cam~h');
        const { publisher, peer } = await begin();
        const packets = rig.packets(recording, TYPES);
        rig.arrive(peer, packets.filter(({ media }) => media === 0).slice(0, 1), () => 1);
        for (const packet of packets) {
          rig.arrive(peer, [packet]);
          if (packet.media === 0) rig.arrive(peer, [packet], () => 1);
        }
        await rig.pass(1);
        assert.deepEqual(publisher.details()['layers'], ['live/cam', 'live/cam~h']);
        rig.test.hub.publisherOf(rig.test.hub.find('live/cam~h')!)?.requestKeyFrame?.();
        assert.equal(rig.thread.of('key').at(-1)?.layer, 1);
        publisher.finish('the end');
        for (const witness of [best, lower]) {
          assert.ok(witness.ofKind('video').length > 40, `${witness.ofKind('video').length} pictures`);
          assert.ok(witness.ofKind('audio').length > 80, `${witness.ofKind('audio').length} of sound`);
          assert.ok((witness.ofKind('video')[0]!.flags & FRAME_KEY) !== 0);
        }
      });

      test('one whose name is taken is left out; one that is taken away ends alone', async () => {
        const { hub } = rig.test;
        const { publisher: holder } = await publishing('cam~h');
        const { publisher, peer } = await begin();
        const pictures = rig.packets(recording, TYPES).filter(({ media }) => media === 0);
        rig.arrive(peer, pictures.slice(0, 4), () => 1);
        assert.equal(rig.logged('webrtc.layer-refused').length, 1);
        assert.deepEqual(publisher.details()['layers'], ['live/cam']);
        assert.equal(hub.publisherOf(hub.find('live/cam~h')!)?.id, holder.id);
        publisher.kick('the end');
        holder.kick('the end');
      });

      test('by policy the best one alone is used', async () => {
        const other = await WebrtcRig.open(
          '<application name="live"><publish grace="0"/><webrtc simulcast="best"/></application>',
        );
        const publisher = other.publisher('cam', offer());
        await publisher.begin();
        const pictures = other.packets(recording, TYPES).filter(({ media }) => media === 0);
        other.arrive(other.lastPeer, pictures.slice(0, 4), () => 1);
        assert.deepEqual(publisher.details()['layers'], ['live/cam']);
        assert.equal(other.test.hub.find('live/cam~h'), undefined);
        publisher.kick('the end');
        await other.assertEmpty();
      });
    });

    test('the codecs that the policy and the address want', async () => {
      const other = await WebrtcRig.open(
        '<application name="live"><publish grace="0"/><webrtc codecs="vp8"/></application>',
      );
      // What a player can take, sent: all codecs.
      const all = other.offer({ direction: 'play' }).replaceAll('a=recvonly', 'a=sendonly');
      for (const [codecs, expected] of [
        [[], 'vp8'],
        [['av1'], 'av1'],
        [['speex'], 'vp8'],
      ] as const) {
        const publisher = other.publisher('cam', all, { codecs });
        await publisher.begin();
        const [video] = other.thread.of('open').at(-1)!.description.medias;
        assert.equal(video?.codec, expected);
        publisher.kick('the end');
      }
      await other.assertEmpty();
    });
  });

  describe('players', () => {
    test('are told that nobody publishes, or wait as the policy says', async () => {
      await assert.rejects(rig.player('cam').begin(), rejected('not-found'));
      assert.equal(rig.over.length, 1);
      const patient = await WebrtcRig.open(
        '<application name="live"><publish grace="0"/><play wait="5s"/></application>',
      );
      const waiting = patient.player('cam').begin();
      const leaving = patient.player('cam');
      const left = assert.rejects(leaving.begin(), rejected('not-found'));
      await patient.test.settle();
      leaving.cancel();
      await left;
      const publisher = patient.publisher('cam', patient.sendOffer(recording));
      await publisher.begin();
      patient.arrive(patient.lastPeer, patient.packets(recording, TYPES).slice(0, 60));
      await patient.pass(1);
      assert.match(await waiting, /a=sendonly/);
      const opened = patient.thread.of('open').at(-1)!;
      const feed = patient.thread.of('feed').at(-1)!;
      assert.equal(opened.feed, feed.feed);
      assert.deepEqual(feed.clockRates, [90_000, 48_000]);
      for (const session of patient.sessions.all()) session.kick('the end');
      await patient.assertEmpty();
    });

    async function playing() {
      const { publisher, peer } = await publishing('cam');
      rig.arrive(peer, rig.packets(recording, TYPES).slice(0, 60));
      await rig.pass(0.5);
      const player = rig.player('cam');
      const beginning = player.begin();
      await rig.pass(1.5);
      const sdp = await beginning;
      return { publisher, peer, player, playerPeer: rig.lastPeer, sdp };
    }

    test('get what is held of the stream, and one feed for all of them', async () => {
      const { player } = await playing();
      const bytes = rig.thread.of('bytes');
      assert.ok(bytes.length > 0);
      // The thread knows the tracks before the first bytes of them.
      const { heard } = rig.thread;
      const known = heard.findIndex((one) => one.type === 'feed' && one.clockRates.length === 2);
      assert.ok(known >= 0 && known < heard.findIndex(({ type }) => type === 'bytes'));
      const keys = rig.thread.of('feed-keys');
      assert.deepEqual(
        keys.map(({ canRequest }) => canRequest),
        [true],
      );
      const feeds = new Set(rig.thread.of('feed').map(({ feed }) => feed)).size;
      const second = rig.player('cam');
      const beginning = second.begin();
      await rig.pass(1.5);
      await beginning;
      assert.equal(new Set(rig.thread.of('feed').map(({ feed }) => feed)).size, feeds);
      player.kick('the end');
      assert.equal(rig.thread.of('feed-end').length, 0);
      second.kick('the end');
      assert.equal(rig.thread.of('feed-end').length, 1);
      assertOver(player);
    });

    test('a picture that a player asks for is asked of the publisher', async () => {
      const { peer } = await playing();
      const before = rig.thread.of('key').length;
      rig.thread.say({ type: 'key-needed', feed: rig.thread.of('feed').at(-1)!.feed });
      const keys = rig.thread.of('key');
      assert.equal(keys.length, before + 1);
      assert.equal(keys.at(-1)?.peer, peer);
    });

    test('show what the thread counts', async () => {
      const { player, playerPeer } = await playing();
      rig.thread.say({
        type: 'statistics',
        peers: [
          {
            peer: playerPeer,
            statistics: {
              isConnected: true,
              profile: 'AEAD_AES_128_GCM',
              remote: 'udp 192.0.2.1:6000',
              refused: 0,
              receive: null,
              send: {
                packets: 10,
                bytes: 5000,
                resent: 2,
                nacks: 1,
                pictureRequests: 1,
                replays: 0,
                framesSkipped: 3,
                lossShare: 0.25,
                lost: 4,
                jitterUs: 1500,
                roundTripUs: 20_500,
                estimateBps: 1_000_000,
                lagUs: 0,
                isHeldBack: false,
                layer: -1,
              },
            },
          },
        ],
      });
      assert.equal(player.bytesOut(), 5000);
      assert.equal(player.dropped(), 3);
      const details = player.details();
      assert.equal(details['rtt_ms'], 20.5);
      assert.equal(details['loss'], 0.25);
      assert.equal(details['srtp'], 'AEAD_AES_128_GCM');
      assert.deepEqual(details['codecs'], ['H264', 'opus']);
    });

    test('stay while a publisher comes back, whose tracks appear one after the other', async () => {
      rig.test.rules = { ...rig.test.rules, graceMs: 5000 };
      const { publisher, player } = await playing();
      publisher.finish('it broke off');
      const feeds = () => rig.thread.of('feed').filter(({ clockRates }) => clockRates.length > 0);
      const [known] = feeds();
      const { publisher: again, peer } = await publishing('cam');
      const packets = rig.packets(recording, TYPES);
      rig.arrive(peer, packets.filter(({ media }) => media === 1).slice(0, 5));
      await rig.pass(0.5);
      // Sound alone would be on the channel of the picture: the thread hears nothing of it.
      assert.equal(feeds().length, 1);
      rig.arrive(peer, packets.slice(0, 60));
      await rig.pass(0.5);
      assert.deepEqual(
        feeds().map(({ clockRates }) => clockRates),
        [known!.clockRates, known!.clockRates],
      );
      assert.ok(feeds()[1]!.generation! > known!.generation!);
      assert.equal(player.ended, false);
      again.kick('the end');
      player.kick('the end');
    });

    test('one that waits for its tracks while the thread ends is refused', async () => {
      rig.test.rules = { ...rig.test.rules, graceMs: 5000 };
      const { publisher, peer } = await publishing('cam');
      // Its sound is waited for.
      const pictures = rig.packets(recording, TYPES).filter(({ media }) => media === 0);
      rig.arrive(peer, pictures.slice(0, 4));
      const player = rig.player('cam');
      const refused = assert.rejects(player.begin(), rejected('limit'));
      await rig.test.settle();
      rig.thread.end('out of memory');
      assert.equal(publisher.ended, true);
      await refused;
      assertOver(player);
      await rig.pass(10);
    });

    test('end with the stream, by a kick, and when the peer leaves', async () => {
      const { publisher, player, playerPeer } = await playing();
      publisher.finish('the end');
      await rig.pass(1);
      assertOver(player);
      assert.equal(rig.thread.of('close').at(-1)?.peer, playerPeer);
      const again = await playing();
      again.player.kick('somebody ended it');
      assertOver(again.player);
      assert.equal(rig.logged('webrtc.play-stop').at(-1)?.fields['reason'], 'somebody ended it');
      again.publisher.finish('the end');
      const third = await playing();
      rig.thread.say({ type: 'closed', peer: third.playerPeer, reason: 'the peer is gone' });
      assertOver(third.player);
      assert.equal(rig.thread.of('close').filter(({ peer }) => peer === third.playerPeer).length, 0);
    });
  });
});
