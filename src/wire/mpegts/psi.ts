/**
 * Program specific information: program association and program map sections, ISO/IEC 13818-1 2.4.4.3 and 2.4.4.8,
 * for a transport stream of one program. Built when the tracks change, not per frame.
 * Leaves out: network and service information, sections of more than one part.
 */
import { ByteWriter } from '../../util/byte-writer.ts';
import { crc32Mpeg } from '../../util/crc32.ts';
import { InvariantError } from '../../util/errors.ts';

export const PAT_PID = 0;
export const PMT_PID = 0x1000;

const TABLE_PROGRAM_ASSOCIATION = 0;
const TABLE_PROGRAM_MAP = 2;
const TRANSPORT_STREAM_ID = 1;
const PROGRAM_NUMBER = 1;
/** Largest value of the length field; it counts what follows it. */
const MAX_SECTION_LENGTH = 1021;
/** Bytes of a section up to and with its length field. */
const SECTION_HEAD_BYTES = 3;
const CRC_BYTES = 4;

/** One line of the program map. */
export interface ProgramMapEntry {
  readonly streamType: number;
  readonly pid: number;
  /** Descriptors one behind the other, tag and length included. */
  readonly descriptors: Uint8Array;
}

/** The program association section: one program with its map on PMT_PID. */
export function buildProgramAssociation(): Uint8Array {
  const body = new ByteWriter(16);
  body.u16(PROGRAM_NUMBER).u16(0xe000 | PMT_PID);
  return buildSection(TABLE_PROGRAM_ASSOCIATION, TRANSPORT_STREAM_ID, 0, body.finish());
}

/** The program map section. `version` is 0 to 31; `pcrPid` 0x1fff says that there is no clock. */
export function buildProgramMap(
  version: number,
  pcrPid: number,
  entries: readonly ProgramMapEntry[],
): Uint8Array {
  const body = new ByteWriter();
  body.u16(0xe000 | pcrPid).u16(0xf000);
  for (const entry of entries) {
    body.u8(entry.streamType).u16(0xe000 | entry.pid);
    body.u16(0xf000 | entry.descriptors.length).bytes(entry.descriptors);
  }
  return buildSection(TABLE_PROGRAM_MAP, PROGRAM_NUMBER, version, body.finish());
}

function buildSection(tableId: number, idExtension: number, version: number, body: Uint8Array): Uint8Array {
  const length = 5 + body.length + CRC_BYTES;
  if (length > MAX_SECTION_LENGTH) throw new InvariantError(`section of ${length} bytes`);
  const section = new ByteWriter(SECTION_HEAD_BYTES + length);
  // Syntax indicator, a zero, two reserved bits; then version with current_next, section 0 of 0.
  section.u8(tableId).u16(0xb000 | length);
  section
    .u16(idExtension)
    .u8(0xc1 | (version << 1))
    .u8(0)
    .u8(0);
  section.bytes(body);
  section.u32(crc32Mpeg(section.finish()));
  return section.finish();
}
