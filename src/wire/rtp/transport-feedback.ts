/**
 * Feedback of transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1): which
 * packets came, and when. Reading and writing of one RTCP packet. Leaves out: nothing of the format; writing uses status
 * vectors of two bits and runs of the same status.
 */

const TYPE_TRANSPORT_FEEDBACK = 205;
const FORMAT = 15;
const HEADER_BYTES = 20;
/** One feedback tells of no more. */
const MAX_FEEDBACK_PACKETS = 2048;
const REFERENCE_UNIT_US = 64_000;
const DELTA_UNIT_US = 250;
const NOT_RECEIVED = 0;
const SMALL_DELTA = 1;
const LARGE_DELTA = 2;
const MAX_RUN = 8191;
const VECTOR_SYMBOLS = 7;

/** What one feedback says. Arrays are reused by the next `parse`. */
export class TransportFeedback {
  ssrc = 0;
  mediaSsrc = 0;
  baseSequence = 0;
  /** Packets from `baseSequence` on. */
  count = 0;
  feedbackCount = 0;
  /** Arrival on the receiver's clock, microseconds; NaN = it did not come. */
  readonly arrivalUs = new Float64Array(MAX_FEEDBACK_PACKETS);
  private readonly status = new Uint8Array(MAX_FEEDBACK_PACKETS);

  /** One RTCP packet from its first byte to its last; false for what is none, or is cut off. */
  parse(bytes: Uint8Array): boolean {
    if (bytes.length < HEADER_BYTES || (bytes[0]! & 31) !== FORMAT || bytes[1] !== TYPE_TRANSPORT_FEEDBACK)
      return false;
    this.ssrc = u32(bytes, 4);
    this.mediaSsrc = u32(bytes, 8);
    this.baseSequence = u16(bytes, 12);
    this.count = u16(bytes, 14);
    this.feedbackCount = bytes[19]!;
    if (this.count === 0 || this.count > MAX_FEEDBACK_PACKETS) return false;
    // Signed 24 bits.
    const reference =
      (((bytes[16]! << 24) | (bytes[17]! << 16) | (bytes[18]! << 8)) >> 8) * REFERENCE_UNIT_US;
    const at = this.readStatus(bytes);
    return at >= 0 && this.readDeltas(bytes, at, reference);
  }

  private readStatus(bytes: Uint8Array): number {
    const { status, count } = this;
    let at = HEADER_BYTES;
    let filled = 0;
    while (filled < count) {
      if (at + 2 > bytes.length) return -1;
      const chunk = u16(bytes, at);
      at += 2;
      if ((chunk & 0x8000) === 0) {
        const run = Math.min(chunk & MAX_RUN, count - filled);
        if (run === 0) return -1;
        status.fill((chunk >> 13) & 3, filled, filled + run);
        filled += run;
        continue;
      }
      const isTwoBits = (chunk & 0x4000) !== 0;
      const symbols = isTwoBits ? VECTOR_SYMBOLS : 14;
      for (let i = 0; i < symbols && filled < count; i++)
        status[filled++] = isTwoBits ? (chunk >> (12 - 2 * i)) & 3 : (chunk >> (13 - i)) & 1;
    }
    return at;
  }

  private readDeltas(bytes: Uint8Array, start: number, reference: number): boolean {
    const { status, arrivalUs, count } = this;
    let at = start;
    let time = reference;
    for (let i = 0; i < count; i++) {
      if (status[i] === NOT_RECEIVED || status[i] === 3) {
        arrivalUs[i] = Number.NaN;
        continue;
      }
      const size = status[i] === SMALL_DELTA ? 1 : 2;
      if (at + size > bytes.length) return false;
      const delta = size === 1 ? bytes[at]! : (u16(bytes, at) << 16) >> 16;
      at += size;
      time += delta * DELTA_UNIT_US;
      arrivalUs[i] = time;
    }
    return true;
  }
}

/**
 * Packets from `base` on with their arrival in microseconds (NaN = did not come). Null when an arrival is too far from
 * the one before to be told (8 s): the caller splits there. The first must have come.
 */
export function serializeTransportFeedback(
  ssrc: number,
  mediaSsrc: number,
  base: number,
  arrivalsUs: readonly number[],
  feedbackCount: number,
): Buffer | null {
  const reference = Math.floor(arrivalsUs[0]! / REFERENCE_UNIT_US);
  const status: number[] = [];
  const deltas: number[] = [];
  let time = reference * REFERENCE_UNIT_US;
  for (const arrival of arrivalsUs) {
    if (Number.isNaN(arrival)) {
      status.push(NOT_RECEIVED);
      continue;
    }
    const delta = Math.round((arrival - time) / DELTA_UNIT_US);
    if (delta < -0x8000 || delta > 0x7fff) return null;
    time += delta * DELTA_UNIT_US;
    deltas.push(delta);
    status.push(delta >= 0 && delta <= 0xff ? SMALL_DELTA : LARGE_DELTA);
  }
  const chunks = statusChunks(status);
  let deltaBytes = 0;
  for (const delta of deltas) deltaBytes += delta >= 0 && delta <= 0xff ? 1 : 2;
  const length = HEADER_BYTES + chunks.length * 2 + deltaBytes;
  const padded = (length + 3) & ~3;
  const bytes = Buffer.alloc(padded);
  bytes[0] = 0x80 | FORMAT | (padded === length ? 0 : 0x20);
  bytes[1] = TYPE_TRANSPORT_FEEDBACK;
  bytes.writeUInt16BE(padded / 4 - 1, 2);
  bytes.writeUInt32BE(ssrc, 4);
  bytes.writeUInt32BE(mediaSsrc, 8);
  bytes.writeUInt16BE(base, 12);
  bytes.writeUInt16BE(arrivalsUs.length, 14);
  bytes.writeIntBE(((reference << 8) >> 8) | 0, 16, 3);
  bytes[19] = feedbackCount & 0xff;
  let at = HEADER_BYTES;
  for (const chunk of chunks) at = bytes.writeUInt16BE(chunk, at);
  for (const delta of deltas)
    at = delta >= 0 && delta <= 0xff ? bytes.writeUInt8(delta, at) : bytes.writeInt16BE(delta, at);
  if (padded !== length) bytes[padded - 1] = padded - length;
  return bytes;
}

function statusChunks(status: readonly number[]): number[] {
  const chunks: number[] = [];
  let at = 0;
  while (at < status.length) {
    let run = 1;
    while (at + run < status.length && status[at + run] === status[at] && run < MAX_RUN) run++;
    if (run >= VECTOR_SYMBOLS || at + run === status.length) {
      chunks.push((status[at]! << 13) | run);
      at += run;
      continue;
    }
    let chunk = 0xc000;
    for (let i = 0; i < VECTOR_SYMBOLS; i++) chunk |= (status[at + i] ?? 0) << (12 - 2 * i);
    chunks.push(chunk);
    at += VECTOR_SYMBOLS;
  }
  return chunks;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
