/**
 * Pulling a stream from another server: `openPull` gives tracks and frames of an rtmp(s)://, rtsp(s):// or http(s)://
 * URL, of MPEG-TS at srt://, udp://, rtp:// or tcp://, or of WHEP at whep(s):// and webrtc://, until it ends. What comes over HTTP is known by its first bytes: FLV,
 * MPEG-TS, fragmented MP4 or an HLS playlist. Every wait has a limit; opening again is the caller's business. Left out:
 * DASH.
 */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { RtcCallsHolder } from '../rtc/rtc-calls.ts';
import { RejectedError } from '../util/errors.ts';
import type { AmfValue } from '../wire/amf/amf-value.ts';
import { TsPull } from './mpegts/ts-pull.ts';
import { HttpPull } from './pull-http.ts';
import { RtmpPull } from './pull-rtmp.ts';
import { RtspPull } from './rtsp/rtsp-pull.ts';
import { SrtPull } from './srt/srt-pull.ts';
import { namesRole } from './webrtc/call-address.ts';
import { WebrtcPull } from './webrtc/webrtc-pull.ts';

/** How a pull ended, with a sentence for a person that begins in lower case. */
export interface PullEnd {
  /** `over`: the source says so. `failed`: it could not be opened. `broken`: it broke off in the middle. */
  readonly kind: 'over' | 'failed' | 'broken';
  readonly reason: string;
}

export interface PullHandlers {
  /** All tracks from now on; called before the first frame and at every change. */
  onTracks(tracks: readonly Track[]): void;
  /** Times are the source's own, microseconds, unwrapped and otherwise as they came. */
  onFrame(frame: Frame): void;
  /** What the source says of itself (onMetaData). */
  onMetadata?(values: AmfValue): void;
  /** The source is a Sluice server: by which servers the stream came to it, and itself. Before the first frame. */
  onVia?(via: readonly string[]): void;
  /** Called once, unless `close` was called before. */
  onEnd(end: PullEnd): void;
}

export interface PullOptions {
  /** Whether certificates must be ones that this machine trusts. */
  readonly verifies: boolean;
  /** Until media may come: connecting, handshakes, redirects, the answer. Milliseconds. */
  readonly connectMs: number;
  /** Without a byte for this long the source is taken for dead. Milliseconds. */
  readonly silenceMs: number;
  /** How media of RTSP come; not given: auto, UDP and then TCP. */
  readonly transport?: 'auto' | 'tcp' | 'udp' | 'multicast';
  readonly userAgent: string;
  /** What a Sluice server is told of who asks (runtime/stream-loop.ts); not given: nothing. */
  readonly via?: readonly string[];
  /** Threads for WebRTC; not given: it cannot be pulled here. */
  readonly rtcCalls?: RtcCallsHolder;
  /** Monotonic microseconds, for the arrival of frames. */
  readonly nowUs: () => number;
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  readonly onFault: (error: unknown) => void;
}

/** What a pull shows of what comes, as the API names it: `packets`, `packets_lost`, `jitter_ms`, `transport`, ... */
export type PullDetails = Readonly<Record<string, string | number>>;

export interface Pull {
  /** Bytes that came. */
  readonly bytesReceived: number;
  /** The protocol that brings the media, where it has a say in what they are; not given: nothing special. */
  readonly carrier?: string;
  /** Asks the source for a key frame; not there: it cannot be asked. */
  requestKeyFrame?(): void;
  /** While it is open; where nothing is known that bytes do not tell, it is left out. */
  details?(): PullDetails;
  /** Stops reading; the source is held up by TCP and is not taken for dead. */
  pause(): void;
  resume(): void;
  /** `onEnd` is not called. May be called twice. */
  close(): void;
}

/** Whether the text is an address that `openPull` understands, rather than the name of a file. */
export function isPullUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** Throws RejectedError for an address that is none, or of a kind that cannot be pulled. */
export function openPull(url: string, handlers: PullHandlers, options: PullOptions): Pull {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(url)?.[1]?.toLowerCase() ?? '';
  switch (scheme) {
    case 'rtmp':
    case 'rtmps':
      return new RtmpPull(url, handlers, options);
    case 'rtsp':
    case 'rtsps':
      return new RtspPull(url, handlers, options);
    case 'http':
    case 'https':
      return namesRole(url, 'play')
        ? new WebrtcPull(url, handlers, options)
        : new HttpPull(url, handlers, options);
    case 'whep':
    case 'wheps':
    case 'webrtc':
      return new WebrtcPull(url, handlers, options);
    case 'udp':
    case 'rtp':
    case 'tcp':
    case 'unix':
    case 'udp+mpegts':
    case 'rtp+mpegts':
    case 'tcp+mpegts':
    case 'unix+mpegts':
      return new TsPull(url, handlers, options);
    case 'srt':
      return new SrtPull(url, handlers, options);
    case '':
      throw new RejectedError('bad-request', `"${url}" is no URL.`);
    default:
      throw new RejectedError(
        'unsupported',
        `Nothing here can play ${scheme}:// URLs; rtmp, rtsp, http, whep (each also with TLS), webrtc, srt, udp, rtp and tcp can be pulled.`,
      );
  }
}
