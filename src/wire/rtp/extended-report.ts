/**
 * The round trip as a receiver of media learns it (RFC 3611): it tells its time (receiver reference time, section 4.4), and
 * the sender of the media says how long ago that came (DLRR, section 4.5). Leaves out all other blocks.
 */

const TYPE_EXTENDED = 207;
const BLOCK_REFERENCE_TIME = 4;
const BLOCK_DLRR = 5;
const HEADER_BYTES = 8;
const BLOCK_HEADER_BYTES = 4;
const DLRR_ITEM_BYTES = 12;
/** Both ends count 1/65536 s in 32 bits. */
const HZ = 65_536;
/** A reply to what was told longer ago than this was not made for it. */
const MAX_ROUND_TRIP_US = 30_000_000;

/** Any clock will do: it comes back to who told it. */
function ticksOf(nowUs: number): number {
  return Math.floor((nowUs * HZ) / 1_000_000) >>> 0;
}

/** One RTCP packet; `nowUs` is our monotonic time. */
export function serializeReferenceTime(ssrc: number, nowUs: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + BLOCK_HEADER_BYTES + 8);
  bytes[0] = 0x80;
  bytes[1] = TYPE_EXTENDED;
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(ssrc, 4);
  bytes[8] = BLOCK_REFERENCE_TIME;
  bytes.writeUInt16BE(2, 10);
  // Of the 64 bits of an NTP time the middle ones come back.
  const ticks = ticksOf(nowUs);
  bytes.writeUInt16BE(ticks >>> 16, 14);
  bytes.writeUInt16BE(ticks & 0xffff, 16);
  return bytes;
}

/** Microseconds, from a compound packet that replies to ours; NaN when it says nothing of that. */
export function roundTripOf(compound: Uint8Array, ssrc: number, nowUs: number): number {
  for (let at = 0; at + HEADER_BYTES <= compound.length; ) {
    const end = at + 4 + read16(compound, at + 2) * 4;
    if (end > compound.length) break;
    if (compound[at + 1] === TYPE_EXTENDED) {
      const found = fromBlocks(compound, at + HEADER_BYTES, end, ssrc, nowUs);
      if (!Number.isNaN(found)) return found;
    }
    at = end;
  }
  return Number.NaN;
}

function fromBlocks(bytes: Uint8Array, start: number, end: number, ssrc: number, nowUs: number): number {
  for (let at = start; at + BLOCK_HEADER_BYTES <= end; ) {
    const next = at + BLOCK_HEADER_BYTES + read16(bytes, at + 2) * 4;
    if (next > end) break;
    if (bytes[at] === BLOCK_DLRR)
      for (let item = at + BLOCK_HEADER_BYTES; item + DLRR_ITEM_BYTES <= next; item += DLRR_ITEM_BYTES)
        if (read32(bytes, item) === ssrc)
          return roundTrip(read32(bytes, item + 4), read32(bytes, item + 8), nowUs);
    at = next;
  }
  return Number.NaN;
}

function roundTrip(toldTicks: number, heldTicks: number, nowUs: number): number {
  // 0: it has heard nothing of us.
  if (toldTicks === 0) return Number.NaN;
  const us = ((ticksOf(nowUs) - toldTicks - heldTicks) | 0) * (1_000_000 / HZ);
  return us >= 0 && us < MAX_ROUND_TRIP_US ? us : Number.NaN;
}

function read16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function read32(bytes: Uint8Array, at: number): number {
  return ((read16(bytes, at) << 16) | read16(bytes, at + 2)) >>> 0;
}
