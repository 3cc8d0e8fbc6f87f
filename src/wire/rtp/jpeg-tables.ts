/**
 * What RTP leaves out of a JPEG picture because both sides know it: the typical Huffman tables (ITU-T T.81 section
 * K.3), and the quantization tables of a quality factor (T.81 section K.1 scaled as RFC 2435 section 4.2 says).
 */

/** Values of one quantization table. */
export const QUANT_VALUES = 64;

/** Order in which the values of a table travel: index by row of each (T.81 figure A.6). */
const ZIGZAG = zigzag();

function zigzag(): Uint8Array {
  const order = new Uint8Array(QUANT_VALUES);
  let row = 0;
  let column = 0;
  for (let i = 0; i < QUANT_VALUES; i++) {
    order[i] = row * 8 + column;
    const isUpward = (row + column) % 2 === 0;
    if (isUpward) {
      if (column === 7) row++;
      else {
        column++;
        if (row > 0) row--;
      }
    } else if (row === 7) column++;
    else {
      row++;
      if (column > 0) column--;
    }
  }
  return order;
}

/** T.81 table K.1, by row. */
const LUMA = Uint8Array.from([
  ...[16, 11, 10, 16, 24, 40, 51, 61],
  ...[12, 12, 14, 19, 26, 58, 60, 55],
  ...[14, 13, 16, 24, 40, 57, 69, 56],
  ...[14, 17, 22, 29, 51, 87, 80, 62],
  ...[18, 22, 37, 56, 68, 109, 103, 77],
  ...[24, 35, 55, 64, 81, 104, 113, 92],
  ...[49, 64, 78, 87, 103, 121, 120, 101],
  ...[72, 92, 95, 98, 112, 100, 103, 99],
]);
/** T.81 table K.2: its upper left corner; all other values are 99. */
const CHROMA_CORNER = [
  [17, 18, 24, 47],
  [18, 21, 26, 66],
  [24, 26, 56, 99],
  [47, 66, 99, 99],
];
const CHROMA_REST = 99;

/** Luma and chroma table (128 values, zigzag order) of a quality factor from 1 to 99. */
export function quantTablesOf(quality: number): Uint8Array {
  const scale = quality < 50 ? Math.floor(5000 / quality) : 200 - quality * 2;
  const tables = new Uint8Array(2 * QUANT_VALUES);
  for (let i = 0; i < QUANT_VALUES; i++) {
    const at = ZIGZAG[i]!;
    tables[i] = scaled(LUMA[at]!, scale);
    tables[QUANT_VALUES + i] = scaled(CHROMA_CORNER[at >> 3]?.[at & 7] ?? CHROMA_REST, scale);
  }
  return tables;
}

function scaled(value: number, scale: number): number {
  return Math.min(255, Math.max(1, Math.floor((value * scale + 50) / 100)));
}

const DC_VALUES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/** The AC tables name run and size of a code in one byte each; written as hex, shortest codes first. */
const AC_LUMA_VALUES =
  '0102030004110512213141061351610722711432' +
  '8191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a' +
  '636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9ba' +
  'c2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa';
const AC_CHROMA_VALUES =
  '0001020311040521310612415107617113223281' +
  '08144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a' +
  '636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9ba' +
  'c2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa';

/** One Huffman table as it stands in a DHT segment: class and id, how many codes of 1 to 16 bits, their values. */
function huffmanTable(classAndId: number, counts: readonly number[], values: readonly number[]): Uint8Array {
  return Uint8Array.from([classAndId, ...counts, ...values]);
}

const AC_LUMA_COUNTS = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
const AC_CHROMA_COUNTS = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];

/** DC and AC of luma (id 0), DC and AC of chroma (id 1): T.81 tables K.3 to K.6. */
export const HUFFMAN_TABLES: readonly Uint8Array[] = [
  huffmanTable(0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], DC_VALUES),
  huffmanTable(0x10, AC_LUMA_COUNTS, [...Buffer.from(AC_LUMA_VALUES, 'hex')]),
  huffmanTable(0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], DC_VALUES),
  huffmanTable(0x11, AC_CHROMA_COUNTS, [...Buffer.from(AC_CHROMA_VALUES, 'hex')]),
];
