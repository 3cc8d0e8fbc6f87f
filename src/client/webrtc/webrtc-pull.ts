/**
 * A stream played from another server by WHEP. Lost packets are asked for by the thread; here packets become frames, and
 * a key frame is asked for where none comes by itself. WebRTC cannot be held up: while the reader pauses, what comes is
 * lost.
 */
import { RtpIngest } from '../../packaging/rtp-ingest.ts';
import { WEBRTC_PAYLOAD_FORMATS } from '../../packaging/webrtc-feed.ts';
import type { RtcDescription, RtcMedia } from '../../rtc/rtc-description.ts';
import { ingestMediaOf } from '../../rtc/rtc-ingest.ts';
import { PACKET_FIELDS } from '../../rtc/rtc-messages.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import type { Pull, PullDetails, PullEnd, PullHandlers, PullOptions } from '../pull.ts';
import { PulledFrames } from '../pulled-frames.ts';
import { SilenceGuard } from '../silence-guard.ts';
import { parseCallAddress } from './call-address.ts';
import { WebrtcCall } from './webrtc-call.ts';

const TICK_MS = 200;
/** Of reports that nobody sends: the thread reports. */
const NO_SSRC = 0;
/** Packets without a picture for so long: nothing but a key frame helps. Servers send one at once to who comes. */
const BLIND_US = 400_000;
const KEY_GAP_US = 1_000_000;

export class WebrtcPull implements Pull {
  readonly carrier = 'webrtc';
  bytesReceived = 0;
  private readonly shown: string;
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly silence: SilenceGuard;
  private readonly call: WebrtcCall;
  private ingest: RtpIngest | null = null;
  private medias: readonly RtcMedia[] = [];
  /** Place in the ingest by index of the m= section. */
  private readonly places: number[] = [];
  private ticking: { cancel(): void } | null = null;
  /** Arrival of the first packet of pictures since the last whole one; NaN = none has come since. */
  private blindSinceUs = Number.NaN;
  private keyAskedUs = Number.NEGATIVE_INFINITY;
  private keysAsked = 0;
  private hasFrames = false;
  private isPaused = false;
  private isEnded = false;

  /** Throws RejectedError for an address that is none, and where WebRTC does not run. */
  constructor(text: string, handlers: PullHandlers, options: PullOptions) {
    const address = parseCallAddress(text, 'play');
    // An address may hold a token in its query.
    this.shown = text.split('?')[0]!.replace(/\/\/[^/@]*@/, '//'); // split gives one at least
    if (address === null)
      throw new RejectedError(
        'bad-request',
        `"${this.shown}" is no address such as whep://host:8080/live/cam/whep or webrtc://host/live/cam.`,
      );
    const calls = options.rtcCalls?.current ?? null;
    if (calls === null)
      throw new RejectedError(
        'unsupported',
        options.rtcCalls === undefined
          ? 'WebRTC is pulled by a running server: give it a <stream> with this source.'
          : 'WebRTC does not run here (webrtc enable in config.xml), so nothing can be pulled by it.',
      );
    this.handlers = handlers;
    this.options = options;
    this.silence = new SilenceGuard(options, () =>
      this.end(
        this.hasFrames ? 'broken' : 'failed',
        `nothing has come from ${this.shown} for ${options.silenceMs / 1000} s`,
      ),
    );
    const { verifies, connectMs, userAgent, after, onFault } = options;
    this.call = new WebrtcCall(
      {
        calls,
        thread: calls.pool.pick(),
        address,
        request: { direction: 'play' },
        feed: -1,
        via: options.via ?? [],
        verifies,
        connectMs,
        userAgent,
        after,
        onFault,
      },
      {
        onVia: (via) => this.handlers.onVia?.(via),
        onAgreed: (description) => this.onAgreed(description),
        onConnected: () => this.onConnected(),
        onPackets: (bytes, packets) => this.onPackets(bytes, packets),
        onEnd: (reason, isOver) => this.onOver(reason, isOver),
      },
    );
  }

  private onAgreed({ medias }: RtcDescription): string {
    this.medias = medias;
    for (const [place, { index }] of medias.entries()) this.places[index] = place;
    const frames = new PulledFrames(
      {
        onTracks: (tracks) => this.handlers.onTracks(tracks),
        onFrame: (frame) => {
          this.hasFrames = true;
          // Tracks of pictures are the even ones.
          if ((frame.trackId & 1) === 0) this.blindSinceUs = Number.NaN;
          this.handlers.onFrame(frame);
        },
        onEnd: () => undefined,
      },
      this.options.nowUs,
    );
    this.ingest = new RtpIngest(frames, medias.map(ingestMediaOf), NO_SSRC, {
      formats: WEBRTC_PAYLOAD_FORMATS,
    });
    return '';
  }

  private onConnected(): void {
    if (!this.isPaused) this.silence.begin();
    this.tickLater();
  }

  private tickLater(): void {
    this.ticking = this.options.after(TICK_MS, () => {
      const nowUs = this.options.nowUs();
      this.guarded(() => this.ingest?.tick(nowUs));
      if (this.isEnded) return;
      if (nowUs - this.blindSinceUs > BLIND_US && nowUs - this.keyAskedUs > KEY_GAP_US)
        this.requestKeyFrame();
      this.tickLater();
    });
  }

  /** Hot path. */
  private onPackets(bytes: Uint8Array, packets: Float64Array): void {
    this.bytesReceived += bytes.length;
    this.silence.heard();
    if (this.isPaused) return;
    this.guarded(() => {
      for (let at = 0; at < packets.length && !this.isEnded; at += PACKET_FIELDS) {
        const packet = bytes.subarray(packets[at + 3], packets[at + 4]);
        this.receive(packets[at]!, packets[at + 2] === 1, packet, packets[at + 5]!);
      }
    });
    if (this.ingest?.hasLeft === true) this.onOver(`${this.shown} ended the stream`, true);
  }

  private receive(media: number, isRtcp: boolean, packet: Uint8Array, nowUs: number): void {
    const place = this.places[media];
    const { ingest } = this;
    if (place === undefined || ingest === null) return;
    if (isRtcp) {
      ingest.receiveRtcp(place, packet, nowUs);
      return;
    }
    if (Number.isNaN(this.blindSinceUs) && this.medias[place]!.kind === 'video') this.blindSinceUs = nowUs;
    ingest.receive(place, packet, nowUs);
  }

  private guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.options.onFault(error);
      this.end('broken', `what comes from ${this.shown} cannot be read: ${(error as Error).message}`);
    }
  }

  requestKeyFrame(): void {
    this.keyAskedUs = this.options.nowUs();
    this.keysAsked++;
    for (const { kind, index } of this.medias) if (kind === 'video') this.call.requestKey(index);
  }

  private onOver(reason: string, isOver: boolean): void {
    if (this.isEnded) return;
    this.guarded(() => this.ingest?.flush());
    const kind = this.hasFrames ? 'broken' : 'failed';
    this.end(isOver && this.hasFrames ? 'over' : kind, reason);
  }

  private end(kind: PullEnd['kind'], reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd({ kind, reason });
  }

  details(): PullDetails {
    const { ingest } = this;
    const { statistics } = this.call;
    let [damaged, dropped, jitterUs] = [0, 0, 0];
    for (let place = 0; ingest !== null && place < this.medias.length; place++) {
      const one = ingest.statistics(place);
      damaged += one.damaged;
      dropped += one.dropped;
      jitterUs = Math.max(jitterUs, one.jitterUs);
    }
    return {
      transport: 'webrtc',
      way: statistics?.remote ?? '',
      srtp: statistics?.profile ?? '',
      packets: statistics?.receive?.packets ?? 0,
      packets_lost: statistics?.receive?.lost ?? 0,
      packets_recovered: statistics?.receive?.recovered ?? 0,
      damaged,
      frames_dropped: dropped,
      jitter_ms: Math.round(jitterUs / 100) / 10,
      key_frames_asked: this.keysAsked + (statistics?.receive?.keyRequests ?? 0),
    };
  }

  pause(): void {
    this.isPaused = true;
    this.silence.stop();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    if (this.ingest === null || this.isEnded) return;
    this.silence.begin();
    // What came meanwhile is missing from the pictures.
    this.requestKeyFrame();
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.silence.stop();
    this.ticking?.cancel();
    this.call.close();
  }
}
