/** The header of handshake messages and of their fragments (RFC 6347 section 4.2.2): 12 bytes. */

export const DTLS_HANDSHAKE_HEADER_BYTES = 12;

/** One object for all fragments of a connection: `parse` fills it. */
export class DtlsHandshakeFragment {
  type: number;
  /** Of the whole message without header. */
  length: number;
  sequence: number;
  /** Where the fragment lies in the message. */
  offset: number;
  /** Its bytes in the bytes that were parsed. */
  start: number;
  end: number;

  constructor() {
    this.type = 0;
    this.length = 0;
    this.sequence = 0;
    this.offset = 0;
    this.start = 0;
    this.end = 0;
  }

  /** Reads the fragment at `at`, before `limit`. Returns the position behind it, -1 when it is impossible. */
  parse(bytes: Uint8Array, at: number, limit: number): number {
    if (limit - at < DTLS_HANDSHAKE_HEADER_BYTES) return -1;
    this.type = bytes[at]!;
    this.length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    this.sequence = (bytes[at + 4]! << 8) | bytes[at + 5]!;
    this.offset = (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
    const fragmentLength = (bytes[at + 9]! << 16) | (bytes[at + 10]! << 8) | bytes[at + 11]!;
    this.start = at + DTLS_HANDSHAKE_HEADER_BYTES;
    this.end = this.start + fragmentLength;
    if (this.end > limit || this.offset + fragmentLength > this.length) return -1;
    return this.end;
  }
}

export function writeHandshakeHeader(
  into: Uint8Array,
  at: number,
  type: number,
  length: number,
  sequence: number,
  offset: number,
  fragmentLength: number,
): void {
  into[at] = type;
  into[at + 1] = length >>> 16;
  into[at + 2] = length >>> 8;
  into[at + 3] = length;
  into[at + 4] = sequence >>> 8;
  into[at + 5] = sequence;
  into[at + 6] = offset >>> 16;
  into[at + 7] = offset >>> 8;
  into[at + 8] = offset;
  into[at + 9] = fragmentLength >>> 16;
  into[at + 10] = fragmentLength >>> 8;
  into[at + 11] = fragmentLength;
}

/** A whole message in one piece, as the transcript hashes it (RFC 6347 section 4.2.6). */
export function handshakeMessage(type: number, sequence: number, body: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(DTLS_HANDSHAKE_HEADER_BYTES + body.length);
  writeHandshakeHeader(message, 0, type, body.length, sequence, 0, body.length);
  message.set(body, DTLS_HANDSHAKE_HEADER_BYTES);
  return message;
}
