/**
 * Where the shared RTP bytes of a stream go: every write holds whole packets, each behind `$`, a channel byte and a
 * 16-bit length (RFC 2326 section 10.12), on channel 2n for RTP and 2n + 1 for RTCP of the n-th carried track. A player
 * with all tracks on these channels gets them as they are; the sinks here are for the others. Packets of SRTP (RFC 3711)
 * are sealed with the player's own keys; the shared bytes stay as they are.
 */
import type { Sink } from '../../media/sink.ts';
import { INTERLEAVED_HEADER_BYTES } from '../../wire/rtsp/interleaved-frame.ts';
import { sealFrames } from '../../wire/rtsp/sealed-frames.ts';
import type { SrtpSender } from '../../wire/srtp/srtp-sender.ts';
import type { DatagramPair } from './rtsp-datagrams.ts';

/** What a start may hold back until the answer to PLAY is written. */
const MAX_HELD_BYTES = 512 * 1024;
const SLAB_BYTES = 256 * 1024;

/** Sealed datagrams of all players lie one behind the other; memory is never used twice, since sockets may keep it. */
let slab = Buffer.allocUnsafeSlow(0);
let used = 0;

function makeRoom(bytes: number): void {
  if (slab.length - used >= bytes) return;
  slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
  used = 0;
}

/** Tracks left out, other channel numbers, SRTP: a copy per player. */
export class ChannelSink implements Sink {
  private readonly target: Sink;
  /** By channel of the feed: the player's, or -1. */
  private readonly channels: Int16Array;
  /** By position of the track; null = as RTP/AVP. */
  private readonly senders: readonly (SrtpSender | null)[];

  constructor(target: Sink, channels: Int16Array, senders: readonly (SrtpSender | null)[]) {
    this.target = target;
    this.channels = channels;
    this.senders = senders;
  }

  writable(): boolean {
    return this.target.writable();
  }

  write(bytes: Uint8Array): void {
    const copy = sealFrames(bytes, this.channels, this.senders);
    if (copy.length > 0) this.target.write(copy);
  }

  end(reason: string): void {
    this.target.end(reason);
  }
}

/** How the datagrams of a track go. */
export interface DatagramTrack {
  readonly pair: DatagramPair;
  /** Null = as RTP/AVP. */
  readonly srtp: SrtpSender | null;
}

/** One datagram per packet: views of the shared bytes, or sealed. */
export class DatagramSink implements Sink {
  /** By position of the track; null = not set up. */
  private readonly tracks: readonly (DatagramTrack | null)[];
  private readonly onEnd: (reason: string) => void;

  constructor(tracks: readonly (DatagramTrack | null)[], onEnd: (reason: string) => void) {
    this.tracks = tracks;
    this.onEnd = onEnd;
  }

  writable(): boolean {
    for (const track of this.tracks) if (track !== null && !track.pair.writable()) return false;
    return true;
  }

  write(bytes: Uint8Array): void {
    const { tracks } = this;
    for (let at = 0; at + INTERLEAVED_HEADER_BYTES <= bytes.length; ) {
      const channel = bytes[at + 1]!;
      const start = at + INTERLEAVED_HEADER_BYTES;
      at = start + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
      const track = tracks[channel >> 1];
      if (track === undefined || track === null) continue;
      const isRtcp = (channel & 1) !== 0;
      const packet = bytes.subarray(start, at);
      const sent = track.srtp === null ? packet : sealed(track.srtp, packet, isRtcp);
      if (sent === null) continue;
      if (isRtcp) track.pair.sendRtcp(sent);
      else track.pair.sendRtp(sent);
    }
  }

  end(reason: string): void {
    this.onEnd(reason);
  }
}

/** Null when the packet cannot be sealed: the key is used up. */
function sealed(srtp: SrtpSender, packet: Uint8Array, isRtcp: boolean): Buffer | null {
  makeRoom(packet.length + srtp.rtpOverhead + srtp.rtcpOverhead);
  const at = used;
  const length = isRtcp ? srtp.protectRtcp(packet, slab, at) : srtp.protect(packet, slab, at);
  if (length < 0) return null;
  used += length;
  return slab.subarray(at, at + length);
}

/** Whether the packets that are made now are those that the player was told of. */
export interface TrackGuard {
  /** Asked before every write. */
  allows(): boolean;
}

/**
 * In front of a player's sink. Holds back what a subscription writes when it begins, so that the answer to PLAY, which
 * tells the first packets, goes out before them; and drops what the player's description does not fit.
 */
export class HeldSink implements Sink {
  private target: Sink;
  private readonly guard: TrackGuard;
  private held: Uint8Array[] | null = [];
  private heldBytes = 0;

  constructor(target: Sink, guard: TrackGuard) {
    this.target = target;
    this.guard = guard;
  }

  /** What follows goes another way. */
  redirect(target: Sink): void {
    this.target = target;
  }

  writable(): boolean {
    return this.held === null ? this.target.writable() : this.heldBytes < MAX_HELD_BYTES;
  }

  write(bytes: Uint8Array): void {
    if (this.held === null) {
      if (this.guard.allows()) this.target.write(bytes);
      return;
    }
    this.held.push(bytes);
    this.heldBytes += bytes.length;
  }

  end(reason: string): void {
    this.target.end(reason);
  }

  /** Before a subscription begins again. */
  hold(): void {
    this.held ??= [];
    this.heldBytes = 0;
  }

  release(): void {
    const { held } = this;
    this.held = null;
    for (const bytes of held ?? []) this.target.write(bytes);
  }
}
