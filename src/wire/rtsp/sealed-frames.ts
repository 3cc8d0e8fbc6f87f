/**
 * Interleaved frames (RFC 2326 section 10.12) for one peer: on its channels, and as SRTP and SRTCP where it has these. A copy,
 * as what comes in is shared.
 */
import type { SrtpSender } from '../srtp/srtp-sender.ts';
import { INTERLEAVED_HEADER_BYTES, writeInterleavedHeader } from './interleaved-frame.ts';

/**
 * `bytes`: whole frames, channel 2n for RTP and 2n + 1 for RTCP of the n-th track. `channels`: by channel, the one to
 * write instead, -1 = leave out. `senders`: by track, null or none = as it is. A packet that cannot be sealed is left out.
 */
export function sealFrames(
  bytes: Uint8Array,
  channels: ArrayLike<number>,
  senders: readonly (SrtpSender | null)[],
): Buffer {
  const out = Buffer.allocUnsafe(roomFor(bytes, senders));
  let length = 0;
  for (let at = 0; at + INTERLEAVED_HEADER_BYTES <= bytes.length; ) {
    const from = bytes[at + 1]!;
    const start = at + INTERLEAVED_HEADER_BYTES;
    at = start + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
    const channel = channels[from]!;
    if (channel < 0) continue;
    const packetLength = put(
      bytes.subarray(start, at),
      from,
      senders,
      out,
      length + INTERLEAVED_HEADER_BYTES,
    );
    if (packetLength < 0) continue;
    writeInterleavedHeader(out, length, channel, packetLength);
    length += INTERLEAVED_HEADER_BYTES + packetLength;
  }
  return out.subarray(0, length);
}

function put(
  packet: Uint8Array,
  from: number,
  senders: readonly (SrtpSender | null)[],
  out: Buffer,
  at: number,
): number {
  const srtp = senders[from >> 1] ?? null;
  if (srtp !== null)
    return (from & 1) !== 0 ? srtp.protectRtcp(packet, out, at) : srtp.protect(packet, out, at);
  out.set(packet, at);
  return packet.length;
}

function roomFor(bytes: Uint8Array, senders: readonly (SrtpSender | null)[]): number {
  let room = bytes.length;
  if (senders.length === 0) return room;
  for (let at = 0; at + INTERLEAVED_HEADER_BYTES <= bytes.length; ) {
    const srtp = senders[bytes[at + 1]! >> 1] ?? null;
    if (srtp !== null) room += Math.max(srtp.rtpOverhead, srtp.rtcpOverhead);
    at += INTERLEAVED_HEADER_BYTES + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }
  return room;
}
