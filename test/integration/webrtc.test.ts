/** WHIP and WHEP against the whole server with its own thread, by a client of our own in this process. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FRAME_KEY } from '../../src/media/frame.ts';
import { opusRecording } from '../support/opus-recording.ts';
import { StreamWitness } from '../support/publish-body.ts';
import { RtcTestPeer } from '../support/rtc-test-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const RECORDING = opusRecording(2);
const ENOUGH_FRAMES = 100;

describe('WebRTC', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start({
      webrtc: `<ice-servers>stun:stun.example.org:3478</ice-servers>
        <ice-servers>turn:me:secret@turn.example.org?transport=udp</ice-servers>`,
      policy: '<application name="live"><publish grace="300ms"/></application>',
    });
  });
  after(async () => {
    await server.close();
  });

  const session = (role: 'publisher' | 'player') =>
    server.application.context.sessions.all().find((one) => one.protocol === 'webrtc' && one.role === role);

  test('what is published by WHIP is played by WHEP', async () => {
    const publisher = await RtcTestPeer.open();
    const player = await RtcTestPeer.open();
    try {
      const witness = new StreamWitness(server.application.context.hub, 'live', 'cam');
      const published = await publisher.publish(server.http('/live/cam/whip'), RECORDING);
      assert.equal(published.status, 201, published.text);
      assert.match(published.headers.get('location') ?? '', /^\/live\/cam\/whip\/[0-9a-z]{26}$/);
      assert.equal(published.headers.get('content-type'), 'application/sdp');
      assert.equal(published.headers.get('accept-patch'), 'application/trickle-ice-sdpfrag');
      assert.equal(
        published.headers.get('link'),
        '<stun:stun.example.org:3478>; rel="ice-server", <turn:turn.example.org?transport=udp>; rel="ice-server"; username="me"; credential="secret"; credential-type="password"',
      );
      await until('the connection of the publisher', () => publisher.isConnected);
      let isSent = false;
      publisher.send(RECORDING, () => {
        isSent = true;
      });
      await until('the tracks', () => witness.tracks.length === 2);
      const played = await player.play(server.http('/live/cam/whep'));
      assert.equal(played.status, 201, played.text);
      await until('the connection of the player', () => player.isConnected);
      await until('all frames', () => isSent);
      await until('frames at the player', () => player.received.frames.length > ENOUGH_FRAMES);

      const detail = session('publisher')!.details!();
      assert.equal(detail['connected'], 'true');
      assert.match(String(detail['way']), /^(udp 127\.0\.0\.1:\d+)?$/);
      await until('the last packets', () => witness.frames.length >= RECORDING.frames.length - 2);
      witness.assertWhole(
        {
          ...RECORDING,
          frames: RECORDING.frames.slice(0, witness.frames.length),
        },
        0,
      );
      const pictures = player.received.frames.filter(({ config }) => config.codec === 'h264');
      const sound = player.received.frames.filter(({ config }) => config.codec === 'opus');
      assert.ok((pictures[0]!.flags & FRAME_KEY) !== 0, 'the first picture is a key frame');
      assert.ok(sound.length > 20, `${sound.length} packets of sound`);
      assert.equal(await player.delete(), 200);
      assert.equal(await player.delete(), 404);
      await until('the end of the player', () => player.closed !== '');
      assert.equal(await publisher.delete(), 200);
      await until('the end of the publisher', () => publisher.closed !== '');
      witness.detach();
      assert.equal(session('publisher'), undefined);
      const [stop] = server.logged('webrtc.publish-stop');
      assert.equal(stop?.fields['reason'], 'the peer ended it');
    } finally {
      publisher.close();
      player.close();
    }
  });
});
