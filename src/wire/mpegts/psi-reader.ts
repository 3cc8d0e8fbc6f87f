/**
 * Program specific information, received: sections out of packets, program association and program map tables
 * (ISO/IEC 13818-1 2.4.4). A section counts when its CRC is right. Of several programs one is followed: the first in
 * the association table, until that table names it no more.
 * Leaves out: network and service information, conditional access, tables that are announced for later.
 */
import { crc32Mpeg } from '../../util/crc32.ts';

const TABLE_ASSOCIATION = 0;
const TABLE_MAP = 2;
const SECTION_HEAD_BYTES = 3;
const CRC_BYTES = 4;
/** Up to and with the length field of a section; sections of these two tables are never longer (2.4.4.4). */
const MAX_SECTION_BYTES = SECTION_HEAD_BYTES + 1021;
/** From the table id to the section numbers. */
const TABLE_HEAD_BYTES = 8;
const MAX_STREAMS = 32;
const FIRST_FREE_PID = 0x10;
const NULL_PID = 0x1fff;

/** One line of a program map. */
export interface TsStream {
  readonly pid: number;
  readonly streamType: number;
  /** Descriptors one behind the other, tag and length included. */
  readonly descriptors: Uint8Array;
}

export interface TsProgram {
  readonly number: number;
  readonly mapPid: number;
  readonly streams: readonly TsStream[];
}

/** Puts the sections of one PID together. */
class SectionReader {
  private readonly buffer = new Uint8Array(MAX_SECTION_BYTES);
  private used = 0;
  private isOpen = false;
  private continuity = -1;

  /**
   * Payload of one packet. Returns the section that it completes, valid until the next call, or null; of several
   * sections in one packet only the last that is complete is told, since tables that count have a packet of their own.
   */
  packet(
    bytes: Uint8Array,
    start: number,
    end: number,
    isUnitStart: boolean,
    continuity: number,
  ): Uint8Array | null {
    const isRepeated = continuity === this.continuity;
    const isNext = continuity === ((this.continuity + 1) & 15);
    this.continuity = continuity;
    if (isRepeated && !isUnitStart) return null;
    if (!isNext && !isUnitStart) this.isOpen = false;
    let at = start;
    let found: Uint8Array | null = null;
    if (isUnitStart) {
      const pointer = at < end ? bytes[at]! : 0;
      at++;
      if (this.isOpen && isNext) found = this.append(bytes, at, Math.min(at + pointer, end));
      at += pointer;
      // The next section must not cover this one before its reader has seen it; tables come again.
      this.isOpen = found === null;
      this.used = 0;
      if (found !== null) return found;
    }
    return this.isOpen ? this.append(bytes, at, end) : null;
  }

  private append(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
    const { buffer } = this;
    const taken = Math.max(0, Math.min(end - start, MAX_SECTION_BYTES - this.used));
    for (let i = 0; i < taken; i++) buffer[this.used + i] = bytes[start + i]!;
    this.used += taken;
    if (this.used < SECTION_HEAD_BYTES) return null;
    const total = SECTION_HEAD_BYTES + (((buffer[1]! & 15) << 8) | buffer[2]!);
    if (total > MAX_SECTION_BYTES) {
      this.isOpen = false;
      return null;
    }
    if (this.used < total) return null;
    this.isOpen = false;
    return buffer.subarray(0, total);
  }
}

/** Follows one program of a transport stream. */
export class ProgramFollower {
  /** Sections whose CRC is wrong. */
  badSections = 0;
  /** PID of the program map; -1 before the association table came. */
  mapPid = -1;
  /** Programs that the association table names. */
  programCount = 0;
  private programNumber = -1;
  /** Number of the association section that named the program. */
  private namedIn = -1;
  /** CRC of the map that is in force. */
  private mapCrc = -1;
  private readonly association = new SectionReader();
  private map = new SectionReader();

  /** Goes on with a program that is known. */
  resume(program: TsProgram): void {
    this.mapPid = program.mapPid;
    this.programNumber = program.number;
    this.namedIn = 0;
  }

  /** A packet of PID 0. */
  associationPacket(
    bytes: Uint8Array,
    start: number,
    end: number,
    isUnitStart: boolean,
    continuity: number,
  ): void {
    const section = this.association.packet(bytes, start, end, isUnitStart, continuity);
    if (section === null || !this.isGood(section, TABLE_ASSOCIATION)) return;
    const sectionNumber = section[6]!;
    let firstNumber = -1;
    let firstPid = -1;
    let count = 0;
    for (let at = TABLE_HEAD_BYTES; at + 4 <= section.length - CRC_BYTES; at += 4) {
      const number = (section[at]! << 8) | section[at + 1]!;
      const pid = ((section[at + 2]! & 0x1f) << 8) | section[at + 3]!;
      // Program 0 is the network information table.
      if (number === 0 || pid < FIRST_FREE_PID || pid === NULL_PID) continue;
      count++;
      if (number === this.programNumber && pid === this.mapPid) {
        this.namedIn = sectionNumber;
        return;
      }
      if (firstNumber < 0) {
        firstNumber = number;
        firstPid = pid;
      }
    }
    this.programCount = Math.max(this.programCount, count);
    const isNamedElsewhere = this.programNumber >= 0 && this.namedIn !== sectionNumber;
    if (firstNumber < 0 || isNamedElsewhere) return;
    this.programNumber = firstNumber;
    this.mapPid = firstPid;
    this.namedIn = sectionNumber;
    this.mapCrc = -1;
    this.map = new SectionReader();
  }

  /** A packet of the map's PID. Returns the program when its map is new. */
  mapPacket(
    bytes: Uint8Array,
    start: number,
    end: number,
    isUnitStart: boolean,
    continuity: number,
  ): TsProgram | null {
    const section = this.map.packet(bytes, start, end, isUnitStart, continuity);
    if (section === null || section.length < TABLE_HEAD_BYTES + CRC_BYTES + 4) return null;
    const crcAt = section.length - CRC_BYTES;
    const crc =
      ((section[crcAt]! << 24) |
        (section[crcAt + 1]! << 16) |
        (section[crcAt + 2]! << 8) |
        section[crcAt + 3]!) >>>
      0;
    // Maps are repeated many times a second.
    if (crc === this.mapCrc || !this.isGood(section, TABLE_MAP)) return null;
    if (((section[3]! << 8) | section[4]!) !== this.programNumber) return null;
    this.mapCrc = crc;
    return { number: this.programNumber, mapPid: this.mapPid, streams: readStreams(section, this.mapPid) };
  }

  private isGood(section: Uint8Array, tableId: number): boolean {
    if (section.length < TABLE_HEAD_BYTES + CRC_BYTES || section[0] !== tableId) return false;
    // Sections in force only.
    if ((section[5]! & 1) === 0) return false;
    if (crc32Mpeg(section) === 0) return true;
    this.badSections++;
    return false;
  }
}

function readStreams(section: Uint8Array, mapPid: number): TsStream[] {
  const end = section.length - CRC_BYTES;
  const streams: TsStream[] = [];
  let at = TABLE_HEAD_BYTES + 4 + (((section[10]! & 15) << 8) | section[11]!);
  while (at + 5 <= end && streams.length < MAX_STREAMS) {
    const streamType = section[at]!;
    const pid = ((section[at + 1]! & 0x1f) << 8) | section[at + 2]!;
    const bytes = ((section[at + 3]! & 15) << 8) | section[at + 4]!;
    at += 5;
    const descriptors = Uint8Array.from(section.subarray(at, Math.min(at + bytes, end)));
    at += bytes;
    const isUsable = pid >= FIRST_FREE_PID && pid !== NULL_PID && pid !== mapPid;
    if (isUsable && !streams.some((other) => other.pid === pid))
      streams.push({ pid, streamType, descriptors });
  }
  return streams;
}
