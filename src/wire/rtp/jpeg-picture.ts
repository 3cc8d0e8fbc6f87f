/**
 * JPEG pictures as RTP carries them (RFC 2435): `JpegPicture` finds in a whole picture what travels and tells why one
 * cannot, `buildJpegHeader` makes all that stands before the scan. Markers and segments: ITU-T T.81 section B.2.
 */
import { HUFFMAN_TABLES, QUANT_VALUES } from './jpeg-tables.ts';

/** RFC 2435 section 4.1: 4:2:2, and 4:2:0. */
export const JPEG_422 = 0;
export const JPEG_420 = 1;
/** Width and height travel in blocks of 8 pixels in one byte. */
const MAX_PIXELS = 255 * 8;

const SOI = 0xd8;
const EOI = 0xd9;
const APP0 = 0xe0;
const DQT = 0xdb;
const DRI = 0xdd;
const SOF0 = 0xc0;
const DHT = 0xc4;
const SOS = 0xda;
const MAX_SEGMENTS = 64;
const MAX_QUANT_TABLES = 4;
const COMPONENTS = 3;

/** Where the parts of one picture lie; `parse` fills it. Per frame: reads by index and allocates nothing. */
export class JpegPicture {
  width: number;
  height: number;
  /** JPEG_422 or JPEG_420. */
  type: number;
  /** MCUs between restart markers; 0 = there are none. */
  restartInterval: number;
  /** Offsets of the 64 values of each. */
  lumaQuant: number;
  chromaQuant: number;
  /** The entropy-coded data. */
  scanStart: number;
  scanEnd: number;
  /** Offsets of the quantization tables by their id; 0 = not seen. */
  private readonly quantTables: Int32Array;
  private lumaId: number;
  private chromaId: number;

  constructor() {
    this.width = 0;
    this.height = 0;
    this.type = 0;
    this.restartInterval = 0;
    this.lumaQuant = 0;
    this.chromaQuant = 0;
    this.scanStart = 0;
    this.scanEnd = 0;
    this.quantTables = new Int32Array(MAX_QUANT_TABLES);
    this.lumaId = 0;
    this.chromaId = 0;
  }

  /** '' when the picture can be sent, else why not: a phrase for a person. */
  parse(bytes: Uint8Array): string {
    this.quantTables.fill(0);
    this.restartInterval = 0;
    this.width = 0;
    if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== SOI) return 'not a JPEG picture';
    let at = 2;
    for (let i = 0; i < MAX_SEGMENTS && at + 4 <= bytes.length; i++) {
      if (bytes[at] !== 0xff) break;
      const marker = bytes[at + 1]!;
      if (marker === 0xff) {
        at++;
        continue;
      }
      const start = at + 4;
      const end = at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
      if (end < start || end > bytes.length) break;
      const reason = this.segment(bytes, marker, start, end);
      if (reason !== '') return reason;
      if (marker === SOS) return this.endAt(bytes, end);
      at = end;
    }
    return 'a damaged JPEG header';
  }

  private segment(bytes: Uint8Array, marker: number, start: number, end: number): string {
    switch (marker) {
      case DQT:
        return this.quantization(bytes, start, end);
      case SOF0:
        return this.frame(bytes, start, end);
      case DHT:
        return hasTypicalTables(bytes, start, end) ? '' : 'Huffman tables other than the typical ones';
      case DRI:
        if (end - start >= 2) this.restartInterval = (bytes[start]! << 8) | bytes[start + 1]!;
        return '';
      case SOS:
        return this.scan(bytes, start, end);
      default:
        // All other SOF markers: extended, progressive, lossless, arithmetic.
        return marker > SOF0 && marker < 0xd0 && marker !== 0xc8 ? 'not baseline JPEG' : '';
    }
  }

  private quantization(bytes: Uint8Array, start: number, end: number): string {
    for (let at = start; at < end; at += 1 + QUANT_VALUES) {
      const head = bytes[at]!;
      if (head >> 4 !== 0) return 'quantization tables of 16 bits';
      if (head >= MAX_QUANT_TABLES || at + 1 + QUANT_VALUES > end) return 'a damaged quantization table';
      this.quantTables[head] = at + 1;
    }
    return '';
  }

  private frame(bytes: Uint8Array, start: number, end: number): string {
    if (end - start < 6 + COMPONENTS * 3 || bytes[start] !== 8) return 'not 8 bits per sample';
    this.height = (bytes[start + 1]! << 8) | bytes[start + 2]!;
    this.width = (bytes[start + 3]! << 8) | bytes[start + 4]!;
    if (bytes[start + 5] !== COMPONENTS) return 'not three colour components';
    if (this.width === 0 || this.height === 0) return 'a picture without size';
    if (this.width > MAX_PIXELS || this.height > MAX_PIXELS) return `more than ${MAX_PIXELS} pixels a side`;
    const sampling = bytes[start + 7]!;
    const isChromaPlain = bytes[start + 10] === 0x11 && bytes[start + 13] === 0x11;
    if (!isChromaPlain || (sampling !== 0x21 && sampling !== 0x22)) return 'neither 4:2:0 nor 4:2:2';
    this.type = sampling === 0x21 ? JPEG_422 : JPEG_420;
    this.lumaId = bytes[start + 8]!;
    this.chromaId = bytes[start + 11]!;
    return this.chromaId === bytes[start + 14] ? '' : 'three quantization tables';
  }

  private scan(bytes: Uint8Array, start: number, end: number): string {
    if (this.width === 0) return 'a scan before the frame header';
    if (end - start < 1 + COMPONENTS * 2 || bytes[start] !== COMPONENTS) return 'several scans';
    const areTablesUsual = bytes[start + 2] === 0 && bytes[start + 4] === 0x11 && bytes[start + 6] === 0x11;
    if (!areTablesUsual) return 'Huffman tables in an unusual order';
    this.lumaQuant = this.quantTables[this.lumaId & (MAX_QUANT_TABLES - 1)]!;
    this.chromaQuant = this.quantTables[this.chromaId & (MAX_QUANT_TABLES - 1)]!;
    return this.lumaQuant === 0 || this.chromaQuant === 0 ? 'a quantization table is missing' : '';
  }

  /** The scan goes on to the end marker; encoders of hardware fill up behind it. */
  private endAt(bytes: Uint8Array, start: number): string {
    this.scanStart = start;
    let end = bytes.length - 2;
    while (end >= start && (bytes[end] !== 0xff || bytes[end + 1] !== EOI)) end--;
    this.scanEnd = end >= start ? end : bytes.length;
    return this.scanEnd > start ? '' : 'an empty scan';
  }
}

/** Whether all tables of a DHT segment are those that a receiver assumes. */
function hasTypicalTables(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const table = HUFFMAN_TABLES.find((known) => known[0] === bytes[at]);
    if (table === undefined || table.length > end - at) return false;
    for (let i = 1; i < table.length; i++) if (table[i] !== bytes[at + i]) return false;
    at += table.length;
  }
  return true;
}

/** Quantization tables as they travel. */
export interface QuantTables {
  /** Bit i set: table i has values of 16 bits. */
  readonly precision: number;
  /** All tables in a row, in zigzag order. */
  readonly values: Uint8Array;
}

/** Tables that a receiver uses: luma and chroma. */
const USED_TABLES = 2;

/** How many of the first two tables are there whole: 0, 1 or 2. */
export function countQuantTables(tables: QuantTables): number {
  let at = 0;
  for (let i = 0; i < USED_TABLES; i++) {
    at += tableBytes(tables.precision, i);
    if (at > tables.values.length) return i;
  }
  return USED_TABLES;
}

function tableBytes(precision: number, index: number): number {
  return ((precision >> index) & 1) === 0 ? QUANT_VALUES : 2 * QUANT_VALUES;
}

/**
 * All from SOI to the scan: JFIF, quantization tables (the first one for everything when there is only one), restart
 * interval if not 0, frame header, Huffman tables, scan header.
 */
export function buildJpegHeader(
  type: number,
  width: number,
  height: number,
  restartInterval: number,
  tables: QuantTables,
): Uint8Array {
  const quantCount = countQuantTables(tables);
  const header: number[] = [0xff, SOI];
  // Version 1.1, no unit, pixels as high as wide, no thumbnail.
  addSegment(header, APP0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
  let from = 0;
  for (let i = 0; i < quantCount; i++) {
    const size = tableBytes(tables.precision, i);
    const isWide = size > QUANT_VALUES;
    addSegment(header, DQT, [(isWide ? 0x10 : 0) | i, ...tables.values.subarray(from, from + size)]);
    from += size;
  }
  if (restartInterval > 0) addSegment(header, DRI, [restartInterval >> 8, restartInterval & 0xff]);
  const sampling = type === JPEG_422 ? 0x21 : 0x22;
  const size = [height >> 8, height & 0xff, width >> 8, width & 0xff];
  const chromaId = quantCount - 1;
  const chroma = [2, 0x11, chromaId, 3, 0x11, chromaId];
  addSegment(header, SOF0, [8, ...size, COMPONENTS, 1, sampling, 0, ...chroma]);
  for (const table of HUFFMAN_TABLES) addSegment(header, DHT, table);
  addSegment(header, SOS, [COMPONENTS, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
  return Uint8Array.from(header);
}

function addSegment(header: number[], marker: number, content: ArrayLike<number>): void {
  const length = content.length + 2;
  header.push(0xff, marker, length >> 8, length & 0xff, ...Array.from(content));
}
