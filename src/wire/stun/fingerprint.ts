/**
 * The FINGERPRINT of STUN (RFC 8489 section 14.7): CRC-32 of ITU V.42, which is that of zip and PNG (least significant
 * bit first, all ones at both ends), exclusive-or with a constant. `util/crc32.ts` is the other CRC-32.
 */

const REVERSED_POLYNOMIAL = 0xedb88320;
const FINGERPRINT_XOR = 0x5354554e;
const TABLE = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++)
      value = (value & 1) === 1 ? (value >>> 1) ^ REVERSED_POLYNOMIAL : value >>> 1;
    table[i] = value;
  }
  return table;
}

/** CRC-32 of V.42 over `bytes[0, end)`, unsigned. */
export function crc32V42(bytes: Uint8Array, end = bytes.length): number {
  let crc = -1;
  for (let i = 0; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc >>> 0;
}

/** Value of the attribute for a message whose FINGERPRINT attribute begins at `end`. */
export function stunFingerprint(bytes: Uint8Array, end: number): number {
  return (crc32V42(bytes, end) ^ FINGERPRINT_XOR) >>> 0;
}
