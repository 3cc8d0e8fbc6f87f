/**
 * The shared RTP bytes of a stream as SRTP of one player (RFC 3711): every packet is sealed with the player's own keys,
 * as a datagram or inside the connection. The shared bytes stay as they are.
 */
import type { Sink } from '../../media/sink.ts';
import { sealFrames } from '../../wire/rtsp/sealed-frames.ts';
import type { SrtpSender } from '../../wire/srtp/srtp-sender.ts';
import type { DatagramPair } from './rtsp-datagrams.ts';

const PREFIX_BYTES = 4;
const SLAB_BYTES = 256 * 1024;

/** Sealed datagrams of all players lie one behind the other; memory is never used twice, since sockets may keep it. */
let slab = Buffer.allocUnsafeSlow(0);
let used = 0;

function makeRoom(bytes: number): void {
  if (slab.length - used >= bytes) return;
  slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
  used = 0;
}

/** How a track of a player goes. */
export interface SecureTrack {
  readonly pair: DatagramPair;
  /** Null = as RTP/AVP. */
  readonly srtp: SrtpSender | null;
}

export class SecureDatagramSink implements Sink {
  /** By position of the track; null = not set up. */
  private readonly tracks: readonly (SecureTrack | null)[];
  private readonly onEnd: (reason: string) => void;

  constructor(tracks: readonly (SecureTrack | null)[], onEnd: (reason: string) => void) {
    this.tracks = tracks;
    this.onEnd = onEnd;
  }

  writable(): boolean {
    for (const track of this.tracks) if (track !== null && !track.pair.writable()) return false;
    return true;
  }

  write(bytes: Uint8Array): void {
    const { tracks } = this;
    for (let at = 0; at + PREFIX_BYTES <= bytes.length; ) {
      const channel = bytes[at + 1]!;
      const start = at + PREFIX_BYTES;
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

function sealed(srtp: SrtpSender, packet: Uint8Array, isRtcp: boolean): Buffer | null {
  makeRoom(packet.length + srtp.rtpOverhead + srtp.rtcpOverhead);
  const at = used;
  const length = isRtcp ? srtp.protectRtcp(packet, slab, at) : srtp.protect(packet, slab, at);
  if (length < 0) return null;
  used += length;
  return slab.subarray(at, at + length);
}

/** Sealed packets inside the connection, behind `$`, channel and length. */
export class SecureChannelSink implements Sink {
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
    const sealedBytes = sealFrames(bytes, this.channels, this.senders);
    if (sealedBytes.length > 0) this.target.write(sealedBytes);
  }

  end(reason: string): void {
    this.target.end(reason);
  }
}
