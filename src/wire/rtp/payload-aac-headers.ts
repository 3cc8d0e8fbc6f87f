/**
 * The AU header section of MPEG4-GENERIC (RFC 3640 section 3.2.1 and 3.2.2): where the access units of a packet begin
 * and how long they are. The field widths are told by a=fmtp (section 4.1).
 */
import { ProtocolError } from '../../util/errors.ts';
import { fmtpNumber } from './payload-fmtp.ts';
import type { RtpMapping } from './payload-format.ts';

/** Most access units in a packet; 64 KiB hold more of the shortest ones, but nobody waits that long. */
const MAX_UNITS = 256;
const MAX_FIELD_BITS = 32;

interface ModeWidths {
  readonly size: number;
  readonly index: number;
}
const HIGH_BIT_RATE: ModeWidths = { size: 13, index: 3 };
const LOW_BIT_RATE: ModeWidths = { size: 6, index: 2 };

export class AuHeaders {
  /** Access units of the packet that was read last. */
  count: number;
  /** Bytes of each; 0 = not told. */
  readonly sizes: Int32Array;
  /** Where the first one begins. */
  dataStart: number;
  private readonly hasHeaders: boolean;
  private readonly sizeBits: number;
  private readonly constantSize: number;
  private readonly indexBits: number;
  private readonly indexDeltaBits: number;
  private readonly ctsDeltaBits: number;
  private readonly dtsDeltaBits: number;
  /** Random access flag and stream state. */
  private readonly stateBits: number;
  private readonly auxiliaryBits: number;

  /** Throws ProtocolError for what is not supported. */
  constructor(mapping: RtpMapping) {
    const mode = (mapping.fmtp.get('mode') ?? '').toLowerCase();
    if (mode.startsWith('celp')) {
      throw new ProtocolError('rtp.not-supported', `MPEG4-GENERIC of mode ${mode}: CELP, not AAC`);
    }
    if (fmtpNumber(mapping, 'maxdisplacement', 0) > 0) {
      throw new ProtocolError('rtp.not-supported', 'MPEG4-GENERIC with interleaved access units');
    }
    const constantSize = fmtpNumber(mapping, 'constantsize', 0);
    // Some cameras tell the mode alone, and some not even that; only the mode `generic` gives a meaning to no widths.
    const isGeneric = mode === 'generic' || constantSize > 0;
    const usual = mode === 'aac-lbr' ? LOW_BIT_RATE : isGeneric ? { size: 0, index: 0 } : HIGH_BIT_RATE;
    const width = (name: string, fallback: number) => {
      const bits = fmtpNumber(mapping, name, fallback);
      if (bits > MAX_FIELD_BITS) throw new ProtocolError('rtp.bad-mapping', `${name} ${bits}`);
      return bits;
    };
    this.count = 0;
    this.sizes = new Int32Array(MAX_UNITS);
    this.dataStart = 0;
    this.constantSize = constantSize;
    this.sizeBits = constantSize > 0 ? 0 : width('sizelength', usual.size);
    this.indexBits = width('indexlength', usual.index);
    this.indexDeltaBits = width('indexdeltalength', usual.index);
    this.ctsDeltaBits = width('ctsdeltalength', 0);
    this.dtsDeltaBits = width('dtsdeltalength', 0);
    const randomAccess = width('randomaccessindication', 0) > 0 ? 1 : 0;
    this.stateBits = randomAccess + width('streamstateindication', 0);
    this.auxiliaryBits = width('auxiliarydatasizelength', 0);
    const otherBits = this.indexBits + this.ctsDeltaBits + this.dtsDeltaBits + this.stateBits;
    this.hasHeaders = this.sizeBits + otherBits > 0;
  }

  /** Hot path. False when the packet has no headers that make sense; nothing is then told. */
  read(payload: Uint8Array): boolean {
    this.count = 0;
    this.dataStart = 0;
    if (this.hasHeaders && !this.readHeaders(payload)) return false;
    if (this.auxiliaryBits > 0 && !this.skipAuxiliary(payload)) return false;
    const rest = payload.length - this.dataStart;
    if (rest <= 0) return false;
    if (this.hasHeaders) return this.count === 1 || this.fits(rest);
    this.split(rest);
    return true;
  }

  private readHeaders(payload: Uint8Array): boolean {
    if (payload.length < 2) return false;
    const end = 16 + ((payload[0]! << 8) | payload[1]!);
    this.dataStart = (end + 7) >>> 3;
    if (end === 16 || this.dataStart >= payload.length) return false;
    let bit = 16;
    let count = 0;
    while (bit < end) {
      if (count === MAX_UNITS) return false;
      // The serial number of an access unit matters to interleaving only; some senders write nonsense there.
      const fixed = this.sizeBits + (count === 0 ? this.indexBits : this.indexDeltaBits);
      const after = this.skipTimes(payload, bit + fixed, end);
      if (after <= bit || after > end) return false;
      this.sizes[count++] = this.sizeBits === 0 ? this.constantSize : bitsAt(payload, bit, this.sizeBits);
      bit = after;
    }
    this.count = count;
    return true;
  }

  /** Composition and decoding times repeat what sound tells by its order. */
  private skipTimes(payload: Uint8Array, from: number, end: number): number {
    let bit = from;
    if (this.ctsDeltaBits > 0) {
      if (bit >= end) return -1;
      bit += 1 + (bitsAt(payload, bit, 1) === 1 ? this.ctsDeltaBits : 0);
    }
    if (this.dtsDeltaBits > 0) {
      if (bit >= end) return -1;
      bit += 1 + (bitsAt(payload, bit, 1) === 1 ? this.dtsDeltaBits : 0);
    }
    return bit + this.stateBits;
  }

  private skipAuxiliary(payload: Uint8Array): boolean {
    const sizeEnd = this.dataStart * 8 + this.auxiliaryBits;
    if (sizeEnd > payload.length * 8) return false;
    const size = bitsAt(payload, this.dataStart * 8, this.auxiliaryBits);
    this.dataStart = Math.floor((sizeEnd + size + 7) / 8);
    return true;
  }

  /** Several access units are in the packet as a whole (section 3.2.3). */
  private fits(rest: number): boolean {
    let sum = 0;
    for (let i = 0; i < this.count; i++) {
      const size = this.sizes[i]!;
      if (size <= 0) return false;
      sum += size;
    }
    return sum <= rest;
  }

  /** Without headers all access units have the constant size, or there is one. */
  private split(rest: number): void {
    const { constantSize } = this;
    const count = constantSize === 0 || constantSize >= rest ? 1 : Math.floor(rest / constantSize);
    this.count = Math.min(count, MAX_UNITS);
    this.sizes.fill(constantSize, 0, this.count);
  }
}

/** 1 to 32 bits; what is behind the end counts as 0. */
function bitsAt(bytes: Uint8Array, bit: number, count: number): number {
  let value = 0;
  for (let i = bit; i < bit + count; i++) value = value * 2 + (((bytes[i >>> 3] ?? 0) >>> (7 - (i & 7))) & 1);
  return value;
}
