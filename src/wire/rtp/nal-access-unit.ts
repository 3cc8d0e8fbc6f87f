/**
 * Puts NAL units from packets together to access units, for H.264 (RFC 6184) and H.265 (RFC 7798) alike: the canonical
 * payload grows in one buffer, each NAL unit behind its 4-byte length. Here is what both codecs know of cameras:
 *
 * - An access unit ends with the marker, with the next timestamp where the marker is missing, and with a delimiter.
 * - Parameter sets behind a slice are of the next picture; where more slices of the same one follow they are left
 *   out: GStreamer (config-interval=-1) repeats them before every slice of an IDR picture.
 * - NAL units without a slice are no access unit, whatever the marker says: they wait for the next picture. Some
 *   cameras mark parameter sets, or give them the time of the picture before.
 * - Some mark every slice. The first slice that goes on with a picture already given tells; from then on only the
 *   time counts.
 * - Some put a whole Annex B stream into one NAL unit. Parameter sets are searched for start codes; after the first
 *   find everything is.
 * - A fragmented NAL unit whose end is not marked is whole all the same if no packet is missing.
 */
import { ANNEX_B, NalCursor } from '../../codec/nal-unit.ts';
import type { RtpUnitOutput } from './payload-format.ts';
import { MAX_UNIT_BYTES, UnitBuffer } from './unit-buffer.ts';

/** NAL units of one access unit: a picture with a slice in every macroblock row of 8K stays below. */
export const MAX_NALS_PER_UNIT = 600;
const LENGTH_BYTES = 4;
/** No RTP time. */
const NO_TIMESTAMP = -1;

/** What differs between the codecs. `bytes[start]` is the first header byte. */
export interface NalRules {
  readonly headerBytes: number;
  isDropped(header: number): boolean;
  isSlice(header: number): boolean;
  isParameterSet(header: number): boolean;
  /** Access unit delimiter: no slice of the same access unit is before it. */
  isDelimiter(header: number): boolean;
  /** A type that stands for a NAL unit of the codec and not for a packet of several. */
  isValid(bytes: Uint8Array, start: number): boolean;
  /** Looked into for start codes from the beginning: what no NAL unit is, and what cameras join others to. */
  mayHideStartCodes(bytes: Uint8Array, start: number): boolean;
}

export class NalAccessUnit {
  /** Pieces that made no sense. */
  damaged: number;
  private readonly rules: NalRules;
  private readonly buffer: UnitBuffer;
  private readonly cursor: NalCursor;
  private annexB: Uint8Array;
  private timestamp: number;
  private nals: number;
  private slices: number;
  /** Where the parameter sets behind the last slice begin, which may be of the next picture; -1 = there are none. */
  private tailStart: number;
  private tailNals: number;
  /** Offset of the length of the NAL unit that comes in fragments; -1 = none does. */
  private fragmentStart: number;
  private isDamaged: boolean;
  /** Packets before the present unit were lost; whether they were of it, its first slice tells. */
  private isHeadUncertain: boolean;
  /** A limit was reached: what comes is dropped until the unit ends. */
  private isOverflown: boolean;
  private hasSeenStartCodes: boolean;
  private isMarkerTrusted: boolean;
  /** Of the last unit that a marker ended. */
  private markedTimestamp: number;

  constructor(rules: NalRules) {
    this.damaged = 0;
    this.rules = rules;
    this.buffer = new UnitBuffer(MAX_UNIT_BYTES);
    this.cursor = new NalCursor();
    this.annexB = this.buffer.bytes.subarray(0, 0);
    this.timestamp = NO_TIMESTAMP;
    this.nals = 0;
    this.slices = 0;
    this.tailStart = -1;
    this.tailNals = 0;
    this.fragmentStart = -1;
    this.isDamaged = false;
    this.isHeadUncertain = false;
    this.isOverflown = false;
    this.hasSeenStartCodes = false;
    this.isMarkerTrusted = true;
    this.markedTimestamp = NO_TIMESTAMP;
  }

  /** Before the NAL units of a packet. */
  beginPacket(timestamp: number, isAfterLoss: boolean, output: RtpUnitOutput): void {
    if (isAfterLoss) this.dropFragment();
    if (isAfterLoss && this.slices > 0) this.isDamaged = true;
    if (timestamp !== this.timestamp) {
      this.finish(output);
      this.timestamp = timestamp;
    }
    if (isAfterLoss && this.slices === 0) this.isHeadUncertain = true;
  }

  /** Behind them. */
  endPacket(marker: boolean, output: RtpUnitOutput): void {
    if (!marker) return;
    this.markedTimestamp = this.timestamp;
    this.closeFragment(output);
    if (this.isMarkerTrusted) this.finish(output);
  }

  /** A piece of a packet that cannot be read. */
  countDamage(): void {
    this.damaged++;
    this.isDamaged = true;
  }

  /** A whole NAL unit. */
  nal(bytes: Uint8Array, start: number, end: number, output: RtpUnitOutput): void {
    this.closeFragment(output);
    if (this.hidesStartCodes(bytes, start, end)) this.addAnnexB(bytes, start, end, output);
    else this.add(bytes, start, end, output);
  }

  /** The first header byte of a NAL unit that comes in fragments; `second` is ignored where the codec has only one. */
  beginFragments(header: number, second: number, output: RtpUnitOutput): void {
    this.closeFragment(output);
    if (this.isOverflown) return;
    const { buffer } = this;
    const at = buffer.take(LENGTH_BYTES + this.rules.headerBytes);
    if (at < 0) {
      this.overflow();
      return;
    }
    buffer.bytes[at + LENGTH_BYTES] = header;
    if (this.rules.headerBytes === 2) buffer.bytes[at + LENGTH_BYTES + 1] = second;
    this.fragmentStart = at;
  }

  fragment(bytes: Uint8Array, start: number, end: number): void {
    if (this.isOverflown) return;
    if (this.fragmentStart < 0) this.countDamage();
    else if (!this.buffer.append(bytes, start, end)) this.overflow();
  }

  /** The NAL unit that came in fragments is whole. */
  closeFragment(output: RtpUnitOutput): void {
    const start = this.fragmentStart;
    if (start < 0) return;
    const { buffer } = this;
    const { bytes, used } = buffer;
    const first = start + LENGTH_BYTES;
    this.fragmentStart = -1;
    if (this.hidesStartCodes(bytes, first, used)) {
      buffer.used = start;
      this.addAnnexB(bytes, first, used, output);
      return;
    }
    const end = this.endOf(bytes, first, used);
    buffer.used = end;
    if (this.accepts(bytes, first, end, start)) {
      writeLength(bytes, start, end - first);
      this.settleTail(start, output);
    } else if (!this.isOverflown) buffer.used = start;
  }

  /** Gives the access unit when it has a picture; what is without one stays for the next. */
  finish(output: RtpUnitOutput): void {
    this.closeFragment(output);
    if (this.slices > 0) {
      if (this.tailStart < 0) {
        this.tailStart = this.buffer.used;
        this.tailNals = 0;
      }
      this.giveBeforeTail(output);
      this.slices = 0;
    }
    this.isDamaged = false;
    this.isOverflown = false;
  }

  /** Gives all up to the tail, which becomes the beginning of the next access unit. */
  private giveBeforeTail(output: RtpUnitOutput): void {
    const { buffer, tailStart } = this;
    output.unit(buffer.bytes.subarray(0, tailStart), this.timestamp, this.isDamaged);
    buffer.bytes.copyWithin(0, tailStart, buffer.used);
    buffer.used -= tailStart;
    this.nals = this.tailNals;
    this.slices = 1;
    this.tailStart = -1;
    this.isDamaged = false;
  }

  /** After a NAL unit was taken at `position`: a slice tells whose the parameter sets of the tail are. */
  private settleTail(position: number, output: RtpUnitOutput): void {
    const { buffer, rules, tailStart } = this;
    const start = position + LENGTH_BYTES;
    if (tailStart < 0 || !rules.isSlice(buffer.bytes[start]!)) return;
    if ((buffer.bytes[start + rules.headerBytes]! & 0x80) !== 0) {
      this.giveBeforeTail(output);
      return;
    }
    // Within a picture they are repetitions, and decoders would take them for the beginning of the next.
    buffer.bytes.copyWithin(tailStart, position, buffer.used);
    buffer.used -= position - tailStart;
    this.nals -= this.tailNals - 1;
    this.tailStart = -1;
  }

  /** A NAL unit never ends in a zero byte, but FFmpeg sends zeros of the start code behind it. */
  private endOf(bytes: Uint8Array, start: number, paddedEnd: number): number {
    const least = start + this.rules.headerBytes;
    let end = paddedEnd;
    while (end > least && bytes[end - 1] === 0) end--;
    return end;
  }

  private add(bytes: Uint8Array, start: number, paddedEnd: number, output: RtpUnitOutput): void {
    const end = this.endOf(bytes, start, paddedEnd);
    if (this.slices > 0 && this.rules.isDelimiter(bytes[start]!)) this.finish(output);
    const { buffer } = this;
    if (!this.accepts(bytes, start, end, buffer.used)) return;
    const at = buffer.take(LENGTH_BYTES);
    if (at < 0 || !buffer.append(bytes, start, end)) {
      this.overflow();
      return;
    }
    writeLength(buffer.bytes, at, end - start);
    this.settleTail(at, output);
  }

  /** Whether a NAL unit goes into the access unit, with its length at `position`; counts it if so. */
  private accepts(bytes: Uint8Array, start: number, end: number, position: number): boolean {
    const { rules } = this;
    const header = bytes[start]!;
    const firstOfPayload = start + rules.headerBytes;
    if (this.isOverflown || rules.isDropped(header)) return false;
    const isSlice = rules.isSlice(header);
    // The end of a sequence is a header alone.
    const isTooShort = isSlice ? end <= firstOfPayload : end < firstOfPayload;
    if (isTooShort || !rules.isValid(bytes, start)) {
      this.countDamage();
      return false;
    }
    if (this.nals === MAX_NALS_PER_UNIT) {
      this.overflow();
      return false;
    }
    this.nals++;
    if (this.tailStart < 0 && this.slices > 0 && rules.isParameterSet(header)) {
      this.tailStart = position;
      this.tailNals = 0;
    }
    this.tailNals++;
    // first_mb_in_slice 0 and first_slice_segment_in_pic_flag are both a set bit behind the header.
    if (isSlice && this.slices++ === 0 && (bytes[firstOfPayload]! & 0x80) === 0) {
      this.countMissingHead();
    }
    if (this.slices > 0) this.isHeadUncertain = false;
    return true;
  }

  /** The first slice that came is not the first of its picture. */
  private countMissingHead(): void {
    this.isDamaged = true;
    if (this.isHeadUncertain || this.timestamp !== this.markedTimestamp) return;
    this.damaged++;
    this.isMarkerTrusted = false;
  }

  private hidesStartCodes(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.hasSeenStartCodes && !this.rules.mayHideStartCodes(bytes, start)) return false;
    return end > start && !this.cursor.reset(bytes.subarray(start, end), ANNEX_B).damaged;
  }

  /** Rare: copies what has start codes inside and takes it apart. */
  private addAnnexB(bytes: Uint8Array, start: number, end: number, output: RtpUnitOutput): void {
    this.hasSeenStartCodes = true;
    const size = end - start + 3;
    if (this.annexB.length < size) this.annexB = new Uint8Array(size * 2);
    const copy = this.annexB;
    // What stands before the first start code is a NAL unit too.
    copy[0] = 0;
    copy[1] = 0;
    copy[2] = 1;
    copy.set(bytes.subarray(start, end), 3);
    const cursor = this.cursor.reset(copy.subarray(0, size), ANNEX_B);
    while (cursor.advance()) this.add(copy, cursor.start, cursor.end, output);
  }

  private dropFragment(): void {
    if (this.fragmentStart < 0) return;
    this.buffer.used = this.fragmentStart;
    this.fragmentStart = -1;
    this.countDamage();
  }

  private overflow(): void {
    this.countDamage();
    this.buffer.used = 0;
    this.fragmentStart = -1;
    this.nals = 0;
    this.slices = 0;
    this.tailStart = -1;
    this.isOverflown = true;
  }
}

function writeLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length >>> 24;
  bytes[at + 1] = length >>> 16;
  bytes[at + 2] = length >>> 8;
  bytes[at + 3] = length;
}
