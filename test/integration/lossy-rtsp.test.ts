/**
 * The whole server behind a network that loses, repeats and exchanges datagrams: publishers by RTSP/UDP and MPEG-TS/UDP,
 * and our own pull by RTSP/UDP. What is damaged reaches nobody, losses are counted, memory stays, and when the network
 * is well again everything comes.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FRAME_KEY, type Frame } from '../../src/media/frame.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import type { Track } from '../../src/media/track.ts';
import { rtpFeedFormat } from '../../src/packaging/rtp-feed.ts';
import { rtpTracksOf } from '../../src/packaging/rtp-feed-tracks.ts';
import { describeStream } from '../../src/protocol/rtsp/rtsp-description.ts';
import { encodeAll, openEncoder } from '../support/feed-frames.ts';
import { ask } from '../support/http-client.ts';
import { assertSound, type ComeFrame, essenceOf, withSlices } from '../support/lossy-media.ts';
import type { PathFaults } from '../support/lossy-path.ts';
import { LossyRtspProxy } from '../support/lossy-rtsp-proxy.ts';
import { bodyOf, demoRecording } from '../support/publish-body.ts';
import { Pulled } from '../support/pulled.ts';
import { interleavedPackets } from '../support/rtp-rig.ts';
import { DatagramPeer, RtspPeer } from '../support/rtsp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { UdpRelay } from '../support/udp-relay.ts';
import { until } from '../support/until.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const FAULTS: PathFaults = {
  loss: 0.05,
  reorder: 0.02,
  reorderMs: 15,
  duplicate: 0.01,
  delayMs: 5,
  jitterMs: 10,
};
const LOSS_FROM_MS = 500;
const LOSS_UNTIL_MS = 5500;
const SECONDS = 8;
/** What is on its way when the loss ends, what waits in buffers, and up to the next key frame. */
const RECOVERY_MS = 1200;
const KEY_EVERY = 12;
const DATAGRAM_BYTES = 1316;
/** Of media between two looks at the clock. */
const MAX_STEP_MS = 40;
const SLACK_BYTES = 12 * 1024 * 1024;

const recording = withSlices(demoRecording(SECONDS), KEY_EVERY);
const ofKind = (kind: 'video' | 'audio'): readonly Frame[] => {
  const ids = recording.tracks.filter((track) => track.kind === kind).map(({ id }) => id);
  return recording.frames.filter(({ trackId }) => ids.includes(trackId));
};

let server: TestServer;
const closing: (() => void)[] = [];

before(async () => {
  server = await TestServer.start({
    config: '<mpegts><ip>127.0.0.1</ip><port>0</port></mpegts>',
    policy: '<application name="live"><publish grace="0"/></application>',
  });
});

after(async () => {
  for (const close of closing.reverse()) close();
  await server.close();
});

/** What came of a stream; not the frames themselves, so that memory tells something. */
class FrameLog {
  readonly video: ComeFrame[] = [];
  readonly audio: ComeFrame[] = [];
  private tracks: readonly Track[] = [];

  static of(name: string): FrameLog {
    const log = new FrameLog();
    const consumer = {
      onTracks: (tracks: readonly Track[]) => log.onTracks(tracks),
      onFrame: (frame: Frame) => log.take(frame),
      onPause: () => undefined,
      onEnd: () => undefined,
    };
    closing.push(
      server.application.context.hub.consume(makeStreamKey('live', name), consumer, 20_000).detach,
    );
    return log;
  }

  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
  }

  take({ trackId, flags, dts, pts, payload }: Frame): void {
    const isVideo = this.tracks.find(({ id }) => id === trackId)?.kind === 'video';
    const isKey = (flags & FRAME_KEY) !== 0;
    const frame = { isKey, dts, pts, essence: essenceOf(payload, isVideo) };
    (isVideo ? this.video : this.audio).push(frame);
  }

  /** All that came is sound, some was lost, and from `wholeFromMs` of the clip on nothing is missing. */
  assertDegraded(label: string): void {
    for (const kind of ['video', 'audio'] as const) {
      const sent = ofKind(kind);
      const places = assertSound(sent, this[kind], kind === 'video', `${label} ${kind}`);
      assert.ok(places.length < sent.length - 5, `${label}: ${places.length} of ${sent.length} of ${kind}`);
      const inLoss = places.filter((place) => isBetween(sent[place]!, LOSS_FROM_MS, LOSS_UNTIL_MS)).length;
      assert.ok(inLoss > 5, `${label}: only ${inLoss} frames of ${kind} came during the loss`);
      const wellFromMs = LOSS_UNTIL_MS + RECOVERY_MS;
      const first = sent.findIndex(({ dts }) => dts / 1000 >= wellFromMs);
      // The last picture waits for the next one, and the sender ended.
      const expected = Array.from({ length: sent.length - first - 2 }, (_, index) => first + index);
      const tail = places.filter((place) => place >= first).slice(0, expected.length);
      assert.deepEqual(tail, expected, `${label}: ${kind} after the loss`);
    }
  }
}

function isBetween({ dts }: Frame, fromMs: number, untilMs: number): boolean {
  return dts / 1000 >= fromMs && dts / 1000 < untilMs;
}

interface Timed {
  readonly atMs: number;
  send(): void;
}

/** RTSP over UDP: the packets of the recording, when they are due. */
async function rtspPublisher(rtspPort: number, name: string): Promise<Timed[]> {
  const carried = rtpTracksOf(recording.tracks);
  const sdp = describeStream(
    { name, tool: 'test', localAddress: '127.0.0.1', sessionId: 1, keys: null },
    carried,
  );
  const peer = await RtspPeer.open(rtspPort);
  closing.push(() => peer.close());
  const url = `rtsp://127.0.0.1:${rtspPort}/live/${name}`;
  assert.equal((await peer.ask('ANNOUNCE', url, [], sdp)).status, 200);
  const ways: { socket: Socket; port: number }[] = [];
  for (const track of carried.keys()) {
    const [rtp, rtcp] = [await DatagramPeer.open(), await DatagramPeer.open()];
    closing.push(
      () => rtp.close(),
      () => rtcp.close(),
    );
    const field = `Transport: RTP/AVP;unicast;client_port=${rtp.port}-${rtcp.port};mode=record`;
    const answer = await peer.ask('SETUP', `${url}/trackID=${track}`, [field]);
    const port = Number(/server_port=(\d+)-/.exec(answer.headers.get('Transport'))?.[1]);
    ways.push({ socket: rtp.socket, port }, { socket: rtcp.socket, port: port + 1 });
  }
  assert.equal((await peer.ask('RECORD', url)).status, 200);
  const chunks = encodeAll(openEncoder(rtpFeedFormat({ maxPacketBytes: 600 }), recording), recording.frames);
  return chunks.flatMap((chunk, index) =>
    interleavedPackets(chunk).map(({ channel, packet }) => ({
      atMs: recording.frames[index]!.dts / 1000,
      send: () => ways[channel]!.socket.send(packet, ways[channel]!.port, '127.0.0.1'),
    })),
  );
}

/** Datagrams of a transport stream, spread over the time of the recording. */
function tsPublisher(port: number): Timed[] {
  const bytes = Buffer.concat(bodyOf('ts', recording));
  const socket = createSocket('udp4');
  closing.push(() => socket.close());
  const count = Math.ceil(bytes.length / DATAGRAM_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    atMs: (index / count) * SECONDS * 1000,
    send: () =>
      socket.send(bytes.subarray(index * DATAGRAM_BYTES, (index + 1) * DATAGRAM_BYTES), port, '127.0.0.1'),
  }));
}

async function detailsOf(protocol: string, name: string): Promise<Record<string, number>> {
  const { text } = await ask({ port: server.httpPort, path: '/api/v1/clients?count=100' });
  const { clients } = JSON.parse(text) as { clients: Record<string, unknown>[] };
  const found = clients.find((one) => one['protocol'] === protocol && String(one['url']).includes(name));
  assert.ok(found, `${protocol} ${name}: ${text}`);
  return found['details'] as Record<string, number>;
}

function memory(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test('5 % loss, 2 % reordered, 1 % twice: degrades, is counted, recovers', async () => {
  const { rtspPort } = server;
  const tsPort = server.application.context.endpoints.all().find(({ type }) => type === 'udp-ts')!.port;
  const [pushed, streamed, pulledLog] = [FrameLog.of('pushed'), FrameLog.of('livestream'), new FrameLog()];
  const throughPush = await LossyRtspProxy.open(rtspPort, 11);
  const throughPull = await LossyRtspProxy.open(rtspPort, 22);
  const throughTs = await UdpRelay.open(33);
  throughTs.setTarget(tsPort);
  closing.push(
    () => throughPush.close(),
    () => throughPull.close(),
    () => throughTs.close(),
  );
  const due = [
    ...(await rtspPublisher(throughPush.port, 'pushed')),
    ...(await rtspPublisher(rtspPort, 'clean')),
    ...tsPublisher(throughTs.frontPort),
  ].sort((a, b) => a.atMs - b.atMs);

  const pulled = new Pulled(`rtsp://127.0.0.1:${throughPull.port}/live/clean`, { transport: 'udp' });
  closing.push(() => pulled.pull.close());
  // Players of what is pushed through the loss get it by RTSP over TCP.
  const player = new Pulled(`rtsp://127.0.0.1:${rtspPort}/live/pushed`, { transport: 'tcp' });
  closing.push(() => player.pull.close());

  const setFaults = (faults: PathFaults) => {
    for (const path of [throughPush, throughPull, throughTs]) path.setFaults(faults);
  };
  // A busy machine slows the media down instead of sending them in one burst.
  let mediaMs = 0;
  let lastMs = performance.now();
  let next = 0;
  const step = (untilMs: number): void => {
    const nowMs = performance.now();
    mediaMs = Math.min(untilMs, mediaMs + Math.min(MAX_STEP_MS, nowMs - lastMs));
    lastMs = nowMs;
    while (next < due.length && due[next]!.atMs <= mediaMs) due[next++]!.send();
    for (const frame of pulled.frames.splice(0)) {
      pulledLog.onTracks(pulled.tracks);
      pulledLog.take(frame);
    }
  };
  const sendUntil = (untilMs: number) =>
    until(
      `${untilMs} ms of media`,
      () => {
        step(untilMs);
        return mediaMs >= untilMs;
      },
      40_000,
    );

  await sendUntil(LOSS_FROM_MS);
  setFaults(FAULTS);
  await sendUntil(LOSS_FROM_MS + 1500);
  const memoryBefore = memory();
  await sendUntil(LOSS_UNTIL_MS);
  const grown = memory() - memoryBefore;
  setFaults({});
  const [rtspDetails, tsDetails] = [await detailsOf('rtsp', 'pushed'), await detailsOf('udp-ts', '')];
  await sendUntil(SECONDS * 1000);
  const hasLast = (log: FrameLog) =>
    log.video.some(({ essence }) => essence === essenceOf(ofKind('video').at(-2)!.payload, true)) &&
    log.audio.some(({ essence }) => essence === essenceOf(ofKind('audio').at(-2)!.payload, false));
  const playerLog = new FrameLog();
  await until('the end of the media', () => {
    step(mediaMs);
    playerLog.onTracks(player.tracks);
    for (const frame of player.frames.splice(0)) playerLog.take(frame);
    return [pushed, streamed, pulledLog, playerLog].every(hasLast);
  });

  for (const [path, what] of [
    [throughPush.relays[0]!.toTarget, 'publisher'],
    [throughPull.relays[0]!.toPeer, 'pull'],
    [throughTs.toTarget, 'transport stream'],
  ] as const)
    assert.ok(path.lost > 5 && path.reordered > 1 && path.duplicated > 0, `${what}: ${JSON.stringify(path)}`);

  pushed.assertDegraded('pushed by RTSP');
  streamed.assertDegraded('pushed as MPEG-TS');
  pulledLog.assertDegraded('pulled by RTSP');

  playerLog.assertDegraded('played by RTSP');
  assert.ok(playerLog.video[0]!.isKey, 'a player begins with a key frame');

  // On a busy machine what was overtaken may come when it is not waited for any more.
  const lostOnTheWay = throughPush.relays.reduce(
    (sum, { toTarget }) => sum + toTarget.lost + toTarget.reordered,
    0,
  );
  assert.ok(rtspDetails['packets_lost']! > 10, JSON.stringify(rtspDetails));
  assert.ok(rtspDetails['packets_lost']! <= lostOnTheWay, JSON.stringify(rtspDetails));
  assert.ok(rtspDetails['frames_dropped']! > 10, JSON.stringify(rtspDetails));
  assert.ok(tsDetails['continuity_errors']! > 10, JSON.stringify(tsDetails));
  assert.ok(tsDetails['frames_dropped']! > 10, JSON.stringify(tsDetails));
  assert.ok(grown < SLACK_BYTES, `memory grew by ${(grown / 1_048_576).toFixed(1)} MiB`);
  assert.deepEqual([pulled.end, player.end, ...pulled.faults, ...player.faults], [null, null]);
});
