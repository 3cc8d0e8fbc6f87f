/**
 * Packets on a TCP connection of ICE: two bytes of length before each (RFC 4571 section 2, RFC 6544 section 3).
 * STUN, DTLS, RTP and RTCP share the connection. Reading is incremental and bounded.
 */
import { ProtocolError } from '../../util/errors.ts';

const TCP_FRAME_HEADER_BYTES = 2;
/** Longest packet that a peer may send: a datagram over UDP would have at most 1500 bytes, DTLS flights some more. */
const MAX_TCP_FRAME_BYTES = 8192;

const NO_BYTES = Buffer.alloc(0);

export class TcpFrameReader {
  private readonly maxBytes: number;
  private readonly onPacket: (packet: Uint8Array) => void;
  /** Memory of the packet that is not complete, made when one is first torn apart. */
  private held: Buffer;
  /** How many of its bytes are there. */
  private filled: number;
  /** Its length; -1 while the length itself is not complete, then `first` may have its first byte. */
  private length: number;
  private first: number;

  /** `onPacket` gets views that are good within the call only. */
  constructor(onPacket: (packet: Uint8Array) => void, maxBytes = MAX_TCP_FRAME_BYTES) {
    this.maxBytes = maxBytes;
    this.onPacket = onPacket;
    this.held = NO_BYTES;
    this.filled = 0;
    this.length = -1;
    this.first = -1;
  }

  /** Bytes of the connection in their order. Throws a ProtocolError on a packet that is too long: close then. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.length < 0) {
        if (this.first < 0) {
          this.first = chunk[at]!;
          at++;
          continue;
        }
        this.length = (this.first << 8) | chunk[at]!;
        this.first = -1;
        at++;
        if (this.length > this.maxBytes) throw new ProtocolError('ice-tcp.packet-too-long', this.length);
        // An empty packet is allowed and says nothing.
        if (this.length === 0) this.length = -1;
        continue;
      }
      const available = chunk.length - at;
      if (this.filled === 0 && available >= this.length) {
        const packet = chunk.subarray(at, at + this.length);
        at += this.length;
        this.length = -1;
        this.onPacket(packet);
        continue;
      }
      at += this.hold(chunk, at, Math.min(available, this.length - this.filled));
    }
  }

  private hold(chunk: Uint8Array, at: number, count: number): number {
    if (this.held.length === 0) this.held = Buffer.allocUnsafe(this.maxBytes);
    this.held.set(chunk.subarray(at, at + count), this.filled);
    this.filled += count;
    if (this.filled === this.length) {
      const packet = this.held.subarray(0, this.length);
      this.filled = 0;
      this.length = -1;
      this.onPacket(packet);
    }
    return count;
  }
}

/** A packet of at most 65,535 bytes with its length before it, in new memory. */
export function frameForTcp(packet: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(TCP_FRAME_HEADER_BYTES + packet.length);
  writeTcpFrameLength(framed, 0, packet.length);
  framed.set(packet, TCP_FRAME_HEADER_BYTES);
  return framed;
}

/** For packets that are made right behind their length: no copy. */
export function writeTcpFrameLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length >>> 8;
  bytes[at + 1] = length;
}
