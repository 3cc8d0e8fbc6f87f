/**
 * What a datagram of a WebRTC port is, by its first byte (RFC 7983 section 7): STUN, DTLS, or RTP and RTCP, which
 * `wire/rtp` tells apart (RFC 5761). ZRTP (16 to 19) and TURN channels (64 to 79) are none of these.
 */

/** First byte 0 to 3, and long enough for a header of STUN. */
export function isStun(bytes: Uint8Array): boolean {
  return bytes.length >= 20 && bytes[0]! <= 3;
}

/** First byte 20 to 63, and long enough for a header of a DTLS record. */
export function isDtls(bytes: Uint8Array): boolean {
  return bytes.length >= 13 && bytes[0]! >= 20 && bytes[0]! <= 63;
}

/** RTP or RTCP, ciphered or not: first byte 128 to 191, and long enough for the shorter header of the two. */
export function isRtp(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && bytes[0]! >> 6 === 2;
}
