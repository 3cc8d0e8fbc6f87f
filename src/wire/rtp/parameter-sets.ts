/**
 * Parameter sets in SDP: the sprop- values of a=fmtp, NAL units in base64 with commas between them (RFC 6184 section
 * 8.1, RFC 7798 section 7.1).
 */
import { ANNEX_B, NalCursor, startsWithStartCode } from '../../codec/nal-unit.ts';

/** Of one value; encoders send two to four. */
const MAX_SETS = 32;
const MAX_VALUE_CHARACTERS = 65_536;

/** The NAL units of a value; what is empty or no base64 is left out. Some cameras put start codes before each. */
export function parseParameterSets(value: string | undefined): Uint8Array[] {
  if (value === undefined || value.length > MAX_VALUE_CHARACTERS) return [];
  const sets: Uint8Array[] = [];
  for (const text of value.split(',', MAX_SETS)) {
    const bytes = Buffer.from(text.trim(), 'base64');
    if (bytes.length === 0) continue;
    if (!startsWithStartCode(bytes)) {
      sets.push(bytes);
      continue;
    }
    const cursor = new NalCursor().reset(bytes, ANNEX_B);
    while (cursor.advance() && sets.length < MAX_SETS) sets.push(bytes.subarray(cursor.start, cursor.end));
  }
  return sets;
}

export function printParameterSets(sets: readonly Uint8Array[]): string {
  return sets.map((set) => Buffer.from(set).toString('base64')).join(',');
}
