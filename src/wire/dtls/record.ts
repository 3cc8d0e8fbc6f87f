/** The record header (RFC 6347 section 4.1): 13 bytes; several records lie one after the other in a datagram. */

export const DTLS_RECORD_HEADER_BYTES = 13;
/** RFC 5246 section 6.2.1. */
export const MAX_DTLS_PLAINTEXT_BYTES = 16_384;
/** RFC 5246 section 6.2.3: a cipher adds at most 2048 bytes. */
const MAX_DTLS_FRAGMENT_BYTES = MAX_DTLS_PLAINTEXT_BYTES + 2048;
/** Sequence numbers have 48 bits; none is used twice. */
export const MAX_DTLS_SEQUENCE = 2 ** 48 - 1;

/** One object for all records of a connection: `parse` fills it. */
export class DtlsRecord {
  type: number;
  version: number;
  epoch: number;
  /** 48 bits. */
  sequence: number;
  /** The payload in the bytes that were parsed. */
  start: number;
  end: number;

  constructor() {
    this.type = 0;
    this.version = 0;
    this.epoch = 0;
    this.sequence = 0;
    this.start = 0;
    this.end = 0;
  }

  /** Reads the record that begins at `at`. Returns the position behind it, -1 when it is cut or too long. */
  parse(bytes: Uint8Array, at: number): number {
    if (bytes.length - at < DTLS_RECORD_HEADER_BYTES) return -1;
    const length = (bytes[at + 11]! << 8) | bytes[at + 12]!;
    const start = at + DTLS_RECORD_HEADER_BYTES;
    if (length > MAX_DTLS_FRAGMENT_BYTES || bytes.length - start < length) return -1;
    this.type = bytes[at]!;
    this.version = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    this.epoch = (bytes[at + 3]! << 8) | bytes[at + 4]!;
    const high = (bytes[at + 5]! << 8) | bytes[at + 6]!;
    const low =
      ((bytes[at + 7]! << 24) | (bytes[at + 8]! << 16) | (bytes[at + 9]! << 8) | bytes[at + 10]!) >>> 0;
    this.sequence = high * 0x1_0000_0000 + low;
    this.start = start;
    this.end = start + length;
    return this.end;
  }
}

/** Epoch and sequence number as the 64-bit number that headers, nonces and additional data carry. */
export function writeEpochAndSequence(into: Uint8Array, at: number, epoch: number, sequence: number): void {
  const high = Math.floor(sequence / 0x1_0000_0000);
  const low = sequence >>> 0;
  into[at] = epoch >>> 8;
  into[at + 1] = epoch;
  into[at + 2] = high >>> 8;
  into[at + 3] = high;
  into[at + 4] = low >>> 24;
  into[at + 5] = low >>> 16;
  into[at + 6] = low >>> 8;
  into[at + 7] = low;
}

export function writeRecordHeader(
  into: Uint8Array,
  at: number,
  type: number,
  version: number,
  epoch: number,
  sequence: number,
  length: number,
): void {
  into[at] = type;
  into[at + 1] = version >>> 8;
  into[at + 2] = version;
  writeEpochAndSequence(into, at + 3, epoch, sequence);
  into[at + 11] = length >>> 8;
  into[at + 12] = length;
}
