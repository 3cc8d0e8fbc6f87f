/**
 * The timestamp of packed audio: the PRIV frame `com.apple.streaming.transportStreamTimestamp` of the ID3 tag that the
 * segment begins with (RFC 8216bis section 3.4, ID3v2.3 and 2.4). Other frames are skipped.
 */
const OWNER = 'com.apple.streaming.transportStreamTimestamp\0';
const HEADER_BYTES = 10;
const FOOTER_FLAG = 0x10;
const TIMESTAMP_BYTES = 8;
const TWO_32 = 0x1_0000_0000;

export interface PackedStart {
  /** 33-bit time of the 90 kHz clock; -1 = none. */
  readonly timestamp: number;
  /** Where the sound begins; 0 = there is no tag. */
  readonly audioAt: number;
}

/** Tags in a row are all skipped; the first timestamp counts. */
export function readId3Timestamp(bytes: Buffer): PackedStart {
  let timestamp = -1;
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length && bytes.toString('latin1', at, at + 3) === 'ID3') {
    const size = synchsafe(bytes, at + 6);
    const end = Math.min(at + HEADER_BYTES + size, bytes.length);
    if (timestamp < 0) timestamp = timestampIn(bytes, at + HEADER_BYTES, end, bytes[at + 3]! >= 4);
    at = Math.min(end + ((bytes[at + 5]! & FOOTER_FLAG) !== 0 ? HEADER_BYTES : 0), bytes.length);
  }
  return { timestamp, audioAt: at };
}

function timestampIn(bytes: Buffer, start: number, end: number, isSynchsafe: boolean): number {
  let at = start;
  while (at + HEADER_BYTES <= end && bytes[at] !== 0) {
    const size = isSynchsafe ? synchsafe(bytes, at + 4) : bytes.readUInt32BE(at + 4);
    const body = at + HEADER_BYTES;
    if (body + size > end) return -1;
    const isTimestamp =
      bytes.toString('latin1', at, at + 4) === 'PRIV' &&
      size === OWNER.length + TIMESTAMP_BYTES &&
      bytes.toString('latin1', body, body + OWNER.length) === OWNER;
    if (isTimestamp) {
      const value = body + OWNER.length;
      return (bytes[value + 3]! & 1) * TWO_32 + bytes.readUInt32BE(value + 4);
    }
    at = body + size;
  }
  return -1;
}

/** Seven bits a byte. */
function synchsafe(bytes: Buffer, at: number): number {
  return (
    ((bytes[at]! & 0x7f) << 21) |
    ((bytes[at + 1]! & 0x7f) << 14) |
    ((bytes[at + 2]! & 0x7f) << 7) |
    (bytes[at + 3]! & 0x7f)
  );
}
