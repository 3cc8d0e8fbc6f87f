/** How long the part of a packet is that SRTP leaves readable. */

const FIXED_BYTES = 12;
const VERSION = 2;
/** First header of RTCP and SSRC of the sender: what SRTCP leaves readable (RFC 3711 section 3.4). */
export const RTCP_CLEAR_BYTES = 8;

/** Fixed header, CSRC list and header extension (RFC 3711 section 3.1); -1 = no RTP, or it ends before. */
export function rtpHeaderLength(packet: Uint8Array): number {
  const { length } = packet;
  if (length < FIXED_BYTES) return -1;
  const first = packet[0]!;
  if (first >> 6 !== VERSION) return -1;
  const extensionAt = FIXED_BYTES + (first & 15) * 4;
  if ((first & 0x10) === 0) return extensionAt <= length ? extensionAt : -1;
  if (extensionAt + 4 > length) return -1;
  const end = extensionAt + 4 + ((packet[extensionAt + 2]! << 8) | packet[extensionAt + 3]!) * 4;
  return end <= length ? end : -1;
}

export function isRtcpLike(packet: Uint8Array): boolean {
  return packet.length >= RTCP_CLEAR_BYTES && packet[0]! >> 6 === VERSION;
}
