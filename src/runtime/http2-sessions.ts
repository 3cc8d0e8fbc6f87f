/**
 * HTTP/2 (RFC 9113) beside HTTP/1.1 on the TLS port: what a peer is allowed, who is idle, who floods, how sessions end.
 * The frames are Node's business; streams of a session reach the routes as requests, like those of HTTP/1.1. Leaves out
 * server push, HTTP/2 without TLS, and WebSocket over HTTP/2 (RFC 8441): browsers open an HTTP/1.1 connection for it.
 */
import {
  constants,
  Http2ServerResponse,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../util/log.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

/** Requests of one session at a time. A browser needs a dozen; a proxy in front may carry many viewers in one. */
const MAX_STREAMS = 128;
const MAX_HEADER_PAIRS = 100;
/** Streams that a peer opens beyond MAX_STREAMS, and frames that break the rules, before its session ends. */
const MAX_REJECTED_STREAMS = 100;
const MAX_INVALID_FRAMES = 100;
/** Bytes that wait for one peer before its further requests are refused: a few large segments. */
const MAX_WAITING_MIB = 64;
/** Body bytes that a peer may send ahead of who reads them: in one request, in all of a session. */
const REQUEST_WINDOW_BYTES = 256 * 1024;
const SESSION_WINDOW_BYTES = 1024 * 1024;

/** What a peer may do between two calls of `check`. A player that seeks cancels a handful of requests. */
const MAX_RESETS = 200;
const MAX_SETTINGS = 20;
const MAX_PINGS = 50;

/** A peer that was told to go has this long to close its side. */
const LEAVE_MS = 5000;

/** HTTP/2 part of the options of `createSecureServer`. */
export function http2Options(maxHeaderBytes: number): SecureServerOptions {
  return {
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      maxHeaderListSize: maxHeaderBytes,
      initialWindowSize: REQUEST_WINDOW_BYTES,
      enableConnectProtocol: false,
    },
    maxHeaderListPairs: MAX_HEADER_PAIRS,
    maxSessionMemory: MAX_WAITING_MIB,
    maxSessionRejectedStreams: MAX_REJECTED_STREAMS,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    Http2ServerResponse: BreakableResponse as typeof Http2ServerResponse,
  };
}

/**
 * True when a Node release (`20.11.0`) may be shown to HTTP/2 peers. Before 20.12.1 two frames and a closed connection
 * can end the whole process (CVE-2024-27983), and header blocks without end are not bounded (CVE-2024-28182).
 */
export function hasSoundHttp2(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 20 && major !== 21) return major > 21;
  const needed = major === 20 ? 12_001 : 7002;
  return minor * 1000 + patch >= needed;
}

/**
 * Node's own `destroy` resets the stream with NO_ERROR, which browsers take for the proper end of the body. Whoever
 * destroys an answer in the middle means that it is broken, and HTTP/1.1 peers see it so.
 */
class BreakableResponse extends Http2ServerResponse {
  override destroy(error?: Error): this {
    if (!this.writableEnded && !this.stream.destroyed) this.stream.close(NGHTTP2_INTERNAL_ERROR);
    return super.destroy(error);
  }
}

interface Peer {
  readonly session: ServerHttp2Session;
  readonly socket: TLSSocket;
  readonly remote: string;
  requests: number;
  /** The peer's first SETTINGS came, which every client sends at once. */
  isReady: boolean;
  /** When it began, became idle, or was told to go. */
  sinceMs: number;
  isLeaving: boolean;
  resets: number;
  settings: number;
  pings: number;
}

export interface Http2SessionsOptions {
  /** From the TLS handshake to the first SETTINGS. */
  readonly handshakeMs: number;
  /** Without any request. */
  readonly idleMs: number;
  readonly log: Logger;
  readonly nowMs: () => number;
}

export class Http2Sessions {
  private readonly options: Http2SessionsOptions;
  private readonly peers = new Set<Peer>();
  private isClosing = false;

  constructor(options: Http2SessionsOptions) {
    this.options = options;
  }

  get size(): number {
    return this.peers.size;
  }

  /** Takes a session over with the socket below it, which a session itself does not let anybody destroy. */
  add(session: ServerHttp2Session, socket: TLSSocket): void {
    const peer: Peer = {
      session,
      socket,
      remote: socket.remoteAddress ?? '',
      requests: 0,
      isReady: false,
      sinceMs: this.options.nowMs(),
      isLeaving: false,
      resets: 0,
      settings: 0,
      pings: 0,
    };
    this.peers.add(peer);
    // After a graceful end the session is gone before its socket.
    socket.once('close', () => this.peers.delete(peer));
    session.on('stream', (stream) => this.onStream(peer, stream));
    session.on('remoteSettings', () => {
      peer.isReady = true;
      if (++peer.settings > MAX_SETTINGS) this.expel(peer, 'too many SETTINGS frames');
    });
    session.on('ping', () => {
      if (++peer.pings > MAX_PINGS) this.expel(peer, 'too many PING frames');
    });
    session.setLocalWindowSize(SESSION_WINDOW_BYTES);
    if (this.isClosing) this.leave(peer);
  }

  private onStream(peer: Peer, stream: ServerHttp2Stream): void {
    peer.requests++;
    stream.once('close', () => {
      if (--peer.requests === 0 && !peer.isLeaving) peer.sinceMs = this.options.nowMs();
      if (stream.rstCode !== NGHTTP2_NO_ERROR && ++peer.resets > MAX_RESETS)
        this.expel(peer, 'too many requests were cancelled');
    });
  }

  /** To be called every few seconds: ends who is idle or never said anything, and begins a new count of frames. */
  check(): void {
    const { handshakeMs, idleMs, nowMs } = this.options;
    const now = nowMs();
    for (const peer of this.peers) {
      peer.resets = 0;
      peer.settings = 0;
      peer.pings = 0;
      if (peer.requests > 0) continue;
      const ageMs = now - peer.sinceMs;
      if (peer.isLeaving) {
        if (ageMs > LEAVE_MS) peer.socket.destroy();
      } else if (!peer.isReady && ageMs > handshakeMs) peer.socket.destroy();
      else if (ageMs > idleMs) this.leave(peer);
    }
  }

  /** GOAWAY: requests that run may end, no new ones begin; then the connection closes. */
  private leave(peer: Peer): void {
    if (peer.isLeaving) return;
    peer.isLeaving = true;
    peer.sinceMs = this.options.nowMs();
    peer.session.close();
  }

  private expel(peer: Peer, cause: string): void {
    if (peer.session.destroyed) return;
    this.options.log.counted('http2.flood', { remote: peer.remote, cause });
    // `destroy` forgets a code that comes without an error.
    peer.session.goaway(NGHTTP2_ENHANCE_YOUR_CALM);
    peer.session.destroy();
    // The GOAWAY has a moment; `check` does the rest for a peer that keeps its side open.
    peer.isLeaving = true;
    peer.requests = 0;
    peer.sinceMs = this.options.nowMs();
  }

  /** Lets running requests end; sessions that still begin are sent away. */
  close(): void {
    this.isClosing = true;
    for (const peer of this.peers) this.leave(peer);
  }

  /** Cuts what is left. */
  destroy(): void {
    for (const peer of this.peers) peer.socket.destroy();
  }
}
