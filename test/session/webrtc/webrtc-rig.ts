/** Publishers and players over WebRTC whose thread is played by the test, on a clock that moves by hand. */
import assert from 'node:assert/strict';
import { Admission } from '../../../src/access/admission.ts';
import { SessionRegistry } from '../../../src/access/session-registry.ts';
import { loadConfiguration } from '../../../src/config/configuration.ts';
import { makeSelfSignedCertificate } from '../../../src/crypto/self-signed-certificate.ts';
import { makeIceCredentials } from '../../../src/ice/credentials.ts';
import { rtpTracksOf } from '../../../src/packaging/rtp-feed-tracks.ts';
import { WEBRTC_PAYLOAD_FORMATS, webrtcFormat } from '../../../src/packaging/webrtc-feed.ts';
import { FRAME_MARK_CHANNEL } from '../../../src/packaging/webrtc-frame-mark.ts';
import type { PublishedSize } from '../../../src/protocol/webrtc/layer-feeds.ts';
import type { PeerRequest, PeerSession } from '../../../src/protocol/webrtc/peer-session.ts';
import { WhepPlayer } from '../../../src/protocol/webrtc/whep-player.ts';
import { WhipPublisher } from '../../../src/protocol/webrtc/whip-publisher.ts';
import { type CallRequest, makeOffer } from '../../../src/rtc/negotiation/call.ts';
import { type FromRtcThread, PACKET_FIELDS, type ToRtcThread } from '../../../src/rtc/rtc-messages.ts';
import { RtcPool } from '../../../src/rtc/rtc-pool.ts';
import type { ModuleContext } from '../../../src/runtime/module.ts';
import { VideoConversions } from '../../../src/runtime/video-conversions.ts';
import type { StartWorker } from '../../../src/runtime/worker-thread.ts';
import { LogHub, type LogLine } from '../../../src/util/log.ts';
import { encodeAll, openEncoder, type Recording } from '../../support/feed-frames.ts';
import { TestHub } from '../../support/test-hub.ts';

const FINGERPRINT = { algorithm: 'sha-256', value: Array(32).fill('AB').join(':') } as const;
const HEADER_BYTES = 4;

type WorkerOptions = Parameters<StartWorker>[1];

/** What a session posts to its thread, and what the test lets the thread say. */
class PlayedThread {
  readonly heard: ToRtcThread[] = [];
  stopped = false;
  private readonly options: WorkerOptions;

  constructor(options: WorkerOptions) {
    this.options = options;
  }

  say(message: FromRtcThread): void {
    this.options.onMessage(message);
  }

  end(reason: string): void {
    this.options.onEnd(reason);
  }

  of<T extends ToRtcThread['type']>(type: T): (ToRtcThread & { type: T })[] {
    return this.heard.filter((message): message is ToRtcThread & { type: T } => message.type === type);
  }
}

/** A packet of a recording. */
export interface MadePacket {
  /** Place of its track among those that WebRTC carries. */
  readonly media: number;
  readonly bytes: Buffer;
  readonly dtsUs: number;
}

export class WebrtcRig {
  readonly test: TestHub;
  readonly sessions = new SessionRegistry();
  readonly lines: LogLine[] = [];
  readonly over: PeerSession[] = [];
  readonly threads: PlayedThread[] = [];
  readonly context: ModuleContext;
  readonly pool: RtcPool;
  readonly sizes = new Map<string, readonly PublishedSize[]>();
  isGone = false;

  private constructor(policy: string) {
    const gop = { cache: true, frames: 1000, bytes: 10_000_000, us: 30_000_000 };
    this.test = new TestHub({ gop, graceMs: 0 });
    const { hub, clock, tick, faults } = this.test;
    clock.advanceMs(1000);
    const configuration = loadConfiguration({
      configText: '',
      configName: '',
      policyText: `<policy>${policy}</policy>`,
      policyName: 'policy.xml',
    });
    this.context = {
      serverId: 'me',
      hub,
      clock,
      tick,
      sessions: this.sessions,
      admission: new Admission({ isAppAllowed: (_host, app) => app === 'live', allowHint: () => 'nowhere' }),
      configuration: () => configuration,
      videoConversions: new VideoConversions(),
      log: new LogHub('debug', (line) => this.lines.push(line)).logger(),
      onFault: (error: unknown) => faults.push(error),
    } as unknown as ModuleContext;
    this.pool = new RtcPool({
      startWorker: (_name, options) => {
        const thread = new PlayedThread(options);
        this.threads.push(thread);
        setImmediate(() => thread.say({ type: 'listening', port: 8000, hasTcp: true }));
        return {
          post: (message) => void thread.heard.push(message as ToRtcThread),
          stop: () => {
            thread.stopped = true;
          },
        };
      },
      hub,
      threads: 1,
      hosts: [],
      port: 8000,
      tcp: true,
      certificate: makeSelfSignedCertificate('test', [], Date.now()),
      maxConnections: 3,
      onTrouble: () => undefined,
      onGrown: () => undefined,
      onEnd: () => undefined,
    });
  }

  static async open(policy = ''): Promise<WebrtcRig> {
    const rig = new WebrtcRig(policy);
    await rig.pool.start();
    return rig;
  }

  get thread(): PlayedThread {
    return this.threads[0]!;
  }

  offer(request: CallRequest): string {
    return makeOffer(request, {
      ice: makeIceCredentials(),
      fingerprint: FINGERPRINT,
      candidates: [],
      isLite: false,
      sessionId: '1',
      cname: 'test',
    }).sdp;
  }

  sendOffer(recording: Recording): string {
    return this.offer({
      direction: 'publish',
      tracks: rtpTracksOf(recording.tracks, WEBRTC_PAYLOAD_FORMATS),
    });
  }

  private request(stream: string, offer: string, more: Partial<PeerRequest>): PeerRequest {
    return {
      app: 'live',
      stream,
      query: '',
      host: '',
      remote: '192.0.2.1:5000',
      url: `/live/${stream}/whip`,
      pageUrl: '',
      userAgent: 'test',
      via: [],
      offer,
      isGone: () => this.isGone,
      codecs: [],
      layer: '',
      local: () => ({ candidates: [], fingerprint: FINGERPRINT }),
      ...more,
    };
  }

  private get services() {
    const { context, pool } = this;
    return {
      context,
      pool,
      sizes: this.sizes,
      onOver: (session: PeerSession) => void this.over.push(session),
    };
  }

  publisher(stream: string, offer: string, more: Partial<PeerRequest> = {}): WhipPublisher {
    return new WhipPublisher(this.services, this.request(stream, offer, more));
  }

  player(stream: string, more: Partial<PeerRequest> = {}): WhepPlayer {
    return new WhepPlayer(this.services, this.request(stream, this.offer({ direction: 'play' }), more));
  }

  /** Number of the connection that was opened last. */
  get lastPeer(): number {
    return this.thread.of('open').at(-1)!.peer;
  }

  /** Packets of a recording with these payload types. */
  packets(recording: Recording, payloadTypes: readonly number[]): MadePacket[] {
    const pieces = encodeAll(openEncoder(webrtcFormat, recording), recording.frames);
    return pieces.flatMap((piece, index) => {
      const made: MadePacket[] = [];
      for (let at = 0; at < piece.length; ) {
        const channel = piece[at + 1]!;
        const end = at + HEADER_BYTES + piece.readUInt16BE(at + 2);
        if (channel !== FRAME_MARK_CHANNEL && channel % 2 === 0) {
          const bytes = Buffer.from(piece.subarray(at + HEADER_BYTES, end));
          bytes[1] = (bytes[1]! & 0x80) | payloadTypes[channel / 2]!;
          made.push({ media: channel / 2, bytes, dtsUs: recording.frames[index]!.dts });
        }
        at = end;
      }
      return made;
    });
  }

  /** Packets of a layer arrive at a connection. */
  arrive(
    peer: number,
    packets: readonly MadePacket[],
    layerOf: (packet: MadePacket) => number = () => 0,
  ): void {
    for (const packet of packets) {
      const nowUs = this.test.clock.nowUs();
      const { bytes, media } = packet;
      const fields = Float64Array.of(media, layerOf(packet), 0, 0, bytes.length, nowUs);
      assert.equal(fields.length, PACKET_FIELDS);
      const copy = new Uint8Array(bytes).buffer as ArrayBuffer;
      this.thread.say({ type: 'media', peer, bytes: copy, packets: fields });
    }
  }

  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds * 10; i++) this.test.advanceMs(100);
    await this.test.settle();
  }

  logged(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Nothing of anybody is left. */
  async assertEmpty(): Promise<void> {
    await this.pass(30);
    assert.equal(this.sessions.size, 0, 'sessions');
    assert.equal(this.test.hub.streams().length, 0, 'streams');
    assert.equal(this.pool.connectionCount, 0, 'connections');
    const feeds = new Set(this.thread.of('feed').map(({ feed }) => feed));
    for (const { feed } of this.thread.of('feed-end')) feeds.delete(feed);
    assert.equal(feeds.size, 0, 'feeds');
    assert.equal(this.sizes.size, 0, 'layers');
    assert.deepEqual(this.test.faults, []);
  }
}
