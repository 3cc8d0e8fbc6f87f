/** Packets inside an RTSP connection (RFC 2326 section 10.12): `$`, channel, length of 16 bits, packet. */
export const INTERLEAVED_MARK = 0x24;
/** In front of every packet. */
export const INTERLEAVED_HEADER_BYTES = 4;

export function writeInterleavedHeader(target: Uint8Array, at: number, channel: number, bytes: number): void {
  target[at] = INTERLEAVED_MARK;
  target[at + 1] = channel;
  target[at + 2] = bytes >>> 8;
  target[at + 3] = bytes;
}

/** A frame in its own memory. */
export function interleavedFrame(channel: number, packet: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(INTERLEAVED_HEADER_BYTES + packet.length);
  writeInterleavedHeader(frame, 0, channel, packet.length);
  frame.set(packet, INTERLEAVED_HEADER_BYTES);
  return frame;
}
