/**
 * A publisher that sends bytes without messages (an HTTP body, a WebSocket, a TCP connection, datagrams) as the hub and
 * the session registry see it: admission, the lease of the name, bytes to frames, first-packet and idle time, end.
 * Who owns the connection gives the bytes and is told when it is over.
 */
import type { LiveSession, SessionDetails, SessionRole } from '../access/session-registry.ts';
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Publication } from '../media/publication.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Track } from '../media/track.ts';
import type { FlvIngestOutput } from '../packaging/flv-ingest.ts';
import { type ContainerName, MediaIngest } from '../packaging/media-ingest.ts';
import { ProtocolError, RejectedError } from '../util/errors.ts';
import { randomId } from '../util/id.ts';
import type { Logger } from '../util/log.ts';
import type { Timeout } from '../util/tick-wheel.ts';
import type { ModuleContext } from './module.ts';
import { PublisherSilence } from './publisher-silence.ts';

const LOOK_EVERY_MS = 1000;

/** Where it comes from and what it wants to publish. */
export interface PublisherOrigin {
  readonly protocol: string;
  /** `address:port`. */
  readonly remote: string;
  /** Host that the publisher typed, or ''. */
  readonly host: string;
  readonly app: string;
  readonly stream: string;
  readonly query: string;
  readonly url: string;
  readonly pageUrl: string;
  readonly userAgent: string;
  /** What the address says the bytes are; null = any. */
  readonly format: ContainerName | null;
  /** It comes in datagrams, of which some may be lost. */
  readonly isLossy?: boolean;
  /** Ids of Sluice servers that the stream came through. */
  readonly via?: readonly string[];
  /** Beside what every publisher tells of itself. */
  readonly details?: () => SessionDetails;
}

/** Why a publisher is over; `reason` is a sentence for the peer and the log. */
export interface PublisherEnd {
  /**
   * `over`: its bytes came to their end. `left`: it is gone. `unsupported`, `broken`: what it sent. `silent`: it sent no
   * media for too long. `revoked`: another took the name, or the server stops. `kicked`: somebody ended it. `fault`: ours.
   */
  readonly kind: 'over' | 'left' | 'unsupported' | 'broken' | 'silent' | 'revoked' | 'kicked' | 'fault';
  readonly reason: string;
}

export class PublisherSession implements LiveSession, FlvIngestOutput {
  readonly id = randomId();
  readonly protocol: string;
  readonly role: SessionRole = 'publisher';
  readonly remote: string;
  readonly sinceMs = Date.now();
  streamText = '';
  readonly url: string;
  readonly tcUrl = '';
  readonly pageUrl: string;
  readonly userAgent: string;
  readonly log: Logger;
  /** Frames that came. */
  frames = 0;
  private readonly context: ModuleContext;
  private readonly origin: PublisherOrigin;
  private readonly onEnd: (end: PublisherEnd) => void;
  private readonly ingest: MediaIngest;
  private publication: Publication | null = null;
  private watching: Timeout | null = null;
  private received = 0;
  private silence: PublisherSilence | null = null;
  private hasEnded = false;

  /** `onEnd` is called once, also when the owner of the connection ends it. */
  constructor(context: ModuleContext, origin: PublisherOrigin, onEnd: (end: PublisherEnd) => void) {
    this.context = context;
    this.origin = origin;
    this.onEnd = onEnd;
    this.protocol = origin.protocol;
    this.remote = origin.remote;
    this.url = origin.url;
    this.pageUrl = origin.pageUrl;
    this.userAgent = origin.userAgent;
    this.log = context.log.child(this.id);
    this.ingest = new MediaIngest(this, origin.format, origin.isLossy);
  }

  get ended(): boolean {
    return this.hasEnded;
  }

  /** Asks for admission; throws RejectedError. */
  async admit(): Promise<StreamKey> {
    const { protocol, host, app, stream, query, remote } = this.origin;
    return await this.context.admission.check({
      action: 'publish',
      protocol,
      host,
      app,
      stream,
      query,
      remote,
      sessionId: this.id,
    });
  }

  /** Takes the name; throws RejectedError when it is busy. */
  begin(key: StreamKey): void {
    const { host } = this.origin;
    const { hub, sessions, tick, clock } = this.context;
    const { publish } = this.context.configuration().resolver.resolve(host, key.app, key.name);
    this.publication = hub.publish(key, {
      id: this.id,
      protocol: this.protocol,
      remote: this.remote,
      host,
      via: this.origin.via ?? [],
      revoke: (reason) => this.end({ kind: 'revoked', reason }),
    });
    this.streamText = key.text;
    this.silence = new PublisherSilence(clock.nowUs(), publish);
    sessions.add(this);
    this.watching = tick.every(LOOK_EVERY_MS, () => this.look());
    this.log.info(`${this.protocol}.publish-start`, {
      stream: key.text,
      remote: this.remote,
      agent: this.userAgent || undefined,
    });
  }

  /** Bytes of the publisher; valid during the call only. Never throws. Hot path. */
  receive(bytes: Uint8Array): void {
    if (this.hasEnded) return;
    this.received += bytes.length;
    try {
      this.ingest.push(bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The bytes came to their proper end. */
  finish(): void {
    if (this.hasEnded) return;
    try {
      const isWhole = this.ingest.finish();
      this.end(
        isWhole
          ? { kind: 'over', reason: 'the publisher ended the stream' }
          : { kind: 'over', reason: 'the publisher ended the stream in the middle of a frame' },
      );
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (error instanceof ProtocolError) {
      const { remote, streamText: stream } = this;
      this.log.counted(error.code, { remote, stream, cause: error.message });
      this.end({ kind: 'broken', reason: `What was sent cannot be read: ${error.message}.` });
    } else if (error instanceof RejectedError) {
      const { remote, streamText: stream } = this;
      this.log.counted(`${this.protocol}.${error.reason}`, { remote, stream, cause: error.message });
      this.end({ kind: 'unsupported', reason: error.message });
    } else {
      this.context.onFault(error);
      this.end({ kind: 'fault', reason: 'The server had an internal fault; its log says more.' });
    }
  }

  // FlvIngestOutput: what the reader of the bytes calls.

  setTrack(track: Track): void {
    this.publication?.setTrack(track);
  }

  metadata(values: unknown, promisesVideo: boolean): void {
    this.publication?.metadata(values, promisesVideo);
  }

  /** Hot path. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    const { publication } = this;
    if (publication === null) return;
    this.frames++;
    const nowUs = this.context.clock.nowUs();
    if (config.codec === 'data') this.silence?.onData(nowUs);
    else this.silence?.onMedia(nowUs);
    publication.write(trackId, flags, dtsMs, ptsMs, durationUs, payload, config);
  }

  private look(): void {
    const reason = this.silence?.overdue(this.context.clock.nowUs()) ?? '';
    if (reason === '') return;
    const { remote, streamText: stream } = this;
    this.log.counted(`${this.protocol}.publisher-silent`, { remote, stream, cause: reason });
    this.end({ kind: 'silent', reason });
  }

  /** Gives everything back. Idempotent. */
  end(end: PublisherEnd): void {
    if (this.hasEnded) return;
    if (end.kind === 'left' || end.kind === 'silent') this.takeRest();
    this.hasEnded = true;
    this.watching?.cancel();
    const { publication } = this;
    try {
      if (publication !== null) this.giveBack(publication, end.reason);
    } finally {
      this.onEnd(end);
    }
  }

  /** Of a publisher that goes without a word: the last frame may be there in full. */
  private takeRest(): void {
    try {
      this.ingest.finish();
    } catch (error) {
      if (!(error instanceof ProtocolError) && !(error instanceof RejectedError)) this.context.onFault(error);
    }
  }

  private giveBack(publication: Publication, reason: string): void {
    this.context.sessions.remove(this);
    const { continuityErrors, damaged, leftOut } = this.ingest.details();
    this.log.info(`${this.protocol}.publish-stop`, {
      stream: this.streamText,
      remote: this.remote,
      reason,
      seconds: Math.round((Date.now() - this.sinceMs) / 1000),
      in: this.received,
      frames: this.frames,
      'continuity-errors': continuityErrors || undefined,
      damaged: damaged || undefined,
      'left-out': leftOut.length === 0 ? undefined : leftOut.join(' '),
    });
    publication.end(reason);
  }

  kick(reason: string): void {
    this.end({ kind: 'kicked', reason });
  }

  bytesIn(): number {
    return this.received;
  }

  bytesOut(): number {
    return 0;
  }

  dropped(): number {
    return 0;
  }

  details(): SessionDetails {
    const { format, continuityErrors, dropped, damaged, skippedBytes, leftOut } = this.ingest.details();
    return {
      format,
      frames: this.frames,
      damaged,
      left_out: leftOut,
      ...(format === 'ts' ? { continuity_errors: continuityErrors, skipped_bytes: skippedBytes } : {}),
      ...(this.origin.isLossy === true ? { frames_dropped: dropped } : {}),
      ...this.origin.details?.(),
    };
  }
}
