/**
 * CRC-32 of MPEG-2 systems: ISO/IEC 13818-1 Annex A (polynomial 0x04C11DB7, most significant bit first, start value
 * of all ones, no final inversion). Not the CRC-32 of zip and PNG, which has the bits the other way round.
 */

const POLYNOMIAL = 0x04c11db7;
const TABLE = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i << 24;
    for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ POLYNOMIAL : value << 1;
    table[i] = value;
  }
  return table;
}

/** Unsigned CRC of `bytes[start, end)`. Over a whole section with its CRC field the result is 0. */
export function crc32Mpeg(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1;
  for (let i = start; i < end; i++) crc = (crc << 8) ^ TABLE[((crc >>> 24) ^ bytes[i]!) & 0xff]!;
  return crc >>> 0;
}
