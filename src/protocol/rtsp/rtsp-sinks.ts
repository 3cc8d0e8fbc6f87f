/**
 * Where the shared RTP bytes of a stream go: every write holds whole packets, each behind `$`, a channel byte and a
 * 16-bit length (RFC 2326 section 10.12), on channel 2n for RTP and 2n + 1 for RTCP of the n-th carried track. A player
 * with all tracks on these channels gets them as they are; the sinks here are for the others.
 */
import type { Sink } from '../../media/sink.ts';
import type { DatagramPair } from './rtsp-datagrams.ts';

/** In front of every packet. */
const PREFIX_BYTES = 4;
/** What a start may hold back until the answer to PLAY is written. */
const MAX_HELD_BYTES = 512 * 1024;

/** Tracks left out and other channel numbers: a copy per player. */
export class ChannelSink implements Sink {
  private readonly target: Sink;
  /** By channel of the feed: the player's, or -1. */
  private readonly channels: Int16Array;

  constructor(target: Sink, channels: Int16Array) {
    this.target = target;
    this.channels = channels;
  }

  writable(): boolean {
    return this.target.writable();
  }

  write(bytes: Uint8Array): void {
    const { channels } = this;
    const copy = Buffer.allocUnsafe(bytes.length);
    let used = 0;
    for (let at = 0; at + PREFIX_BYTES <= bytes.length; ) {
      const end = at + PREFIX_BYTES + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
      const channel = channels[bytes[at + 1]!]!;
      if (channel >= 0) {
        copy.set(bytes.subarray(at, end), used);
        copy[used + 1] = channel;
        used += end - at;
      }
      at = end;
    }
    if (used > 0) this.target.write(copy.subarray(0, used));
  }

  end(reason: string): void {
    this.target.end(reason);
  }
}

/** One datagram per packet: views of the shared bytes. */
export class DatagramSink implements Sink {
  /** By position of the track; null = not set up. */
  private readonly pairs: readonly (DatagramPair | null)[];
  private readonly onEnd: (reason: string) => void;

  constructor(pairs: readonly (DatagramPair | null)[], onEnd: (reason: string) => void) {
    this.pairs = pairs;
    this.onEnd = onEnd;
  }

  writable(): boolean {
    for (const pair of this.pairs) if (pair !== null && !pair.writable()) return false;
    return true;
  }

  write(bytes: Uint8Array): void {
    const { pairs } = this;
    for (let at = 0; at + PREFIX_BYTES <= bytes.length; ) {
      const channel = bytes[at + 1]!;
      const start = at + PREFIX_BYTES;
      at = start + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
      const pair = pairs[channel >> 1];
      if (pair === undefined || pair === null) continue;
      const packet = bytes.subarray(start, at);
      if ((channel & 1) === 0) pair.sendRtp(packet);
      else pair.sendRtcp(packet);
    }
  }

  end(reason: string): void {
    this.onEnd(reason);
  }
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
