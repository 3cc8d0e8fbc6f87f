/** Transport packets by hand, for what no writer of ours would send. */

import { crc32Mpeg } from '../../../../src/util/crc32.ts';
import { buildProgramMap, type ProgramMapEntry } from '../../../../src/wire/mpegts/psi.ts';
import { sectionPackets } from '../../../../src/wire/mpegts/ts-packet.ts';

const BODY = 184;

/** One packet; what is left over is stuffing in the adaptation field. */
export function packet(
  pid: number,
  continuity: number,
  payload: Uint8Array,
  isUnitStart = false,
  adaptationFlags = 0,
): Buffer {
  const bytes = Buffer.alloc(188, 0xff);
  const field = BODY - payload.length;
  bytes[0] = 0x47;
  bytes.writeUInt16BE((isUnitStart ? 0x4000 : 0) | pid, 1);
  bytes[3] = (field > 0 ? 0x30 : 0x10) | (continuity & 15);
  if (field > 0) bytes[4] = field - 1;
  if (field > 1) bytes[5] = adaptationFlags;
  bytes.set(payload, 188 - payload.length);
  return bytes;
}

/** Sends payloads over one PID, with its counter. */
export class Sender {
  readonly pid: number;
  continuity = 0;

  constructor(pid: number) {
    this.pid = pid;
  }

  unit(bytes: Uint8Array): Buffer {
    const packets: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += BODY - 2) {
      const part = bytes.subarray(at, at + BODY - 2);
      packets.push(packet(this.pid, this.continuity++, part, at === 0));
    }
    return Buffer.concat(packets);
  }
}

function time(prefix: number, ticks: number): number[] {
  const middle = Math.floor(ticks / 2 ** 15) & 0x7fff;
  const low = ticks & 0x7fff;
  const high = Math.floor(ticks / 2 ** 30) & 7;
  return [
    (prefix << 4) | (high << 1) | 1,
    middle >> 7,
    ((middle << 1) | 1) & 255,
    low >> 7,
    ((low << 1) | 1) & 255,
  ];
}

export interface PesOptions {
  readonly streamId?: number;
  readonly pts?: number;
  readonly dts?: number;
  /** Write 0 as the length. */
  readonly isOpen?: boolean;
}

export function pes(payload: Uint8Array, options: PesOptions = {}): Buffer {
  const { streamId = 0xe0, pts, dts, isOpen = false } = options;
  const times =
    pts === undefined ? [] : dts === undefined ? time(2, pts) : [...time(3, pts), ...time(1, dts)];
  const flags = pts === undefined ? 0 : dts === undefined ? 0x80 : 0xc0;
  const length = isOpen ? 0 : 3 + times.length + payload.length;
  const head = [0, 0, 1, streamId, length >> 8, length & 255, 0x80, flags, times.length, ...times];
  return Buffer.concat([Buffer.from(head), payload]);
}

/** A program association section with any programs. */
export function association(
  programs: readonly (readonly [number: number, pid: number])[],
  version = 0,
): Buffer {
  const section = Buffer.alloc(8 + programs.length * 4 + 4);
  section.writeUInt16BE(0xb000 | (section.length - 3), 1);
  section.writeUInt16BE(1, 3);
  section[5] = 0xc1 | (version << 1);
  for (const [index, [number, pid]] of programs.entries()) {
    section.writeUInt16BE(number, 8 + index * 4);
    section.writeUInt16BE(0xe000 | pid, 10 + index * 4);
  }
  return sectionPackets(sealed(section), 0);
}

export function map(
  pid: number,
  entries: readonly ProgramMapEntry[],
  version = 0,
  programNumber = 1,
): Buffer {
  const section = Buffer.from(buildProgramMap(version, 0x1fff, entries));
  section.writeUInt16BE(programNumber, 3);
  return sectionPackets(sealed(section), pid);
}

function sealed(section: Buffer): Buffer {
  section.writeUInt32BE(crc32Mpeg(section, 0, section.length - 4), section.length - 4);
  return section;
}

export function line(streamType: number, pid: number, descriptors: readonly number[] = []): ProgramMapEntry {
  return { streamType, pid, descriptors: Uint8Array.from(descriptors) };
}
