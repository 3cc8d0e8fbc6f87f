/**
 * Transport stream packets: ISO/IEC 13818-1 2.4.3.2 (header) and 2.4.3.4 (adaptation field), written only.
 *
 * A PES packet is first laid out in one piece at the end of the room that its transport packets will take, then moved
 * forward packet by packet. The move never overtakes itself, because in front of every piece there is still room for
 * the headers of all that follow. So a PES packet costs two copies and not one allocation.
 *
 * Leaves out: scrambling, splicing points, private data and extensions of the adaptation field.
 */

export const TS_PACKET_BYTES = 188;
const SYNC_BYTE = 0x47;
const HEADER_BYTES = 4;
/** What a packet holds beside its header: adaptation field and payload. */
const BODY_BYTES = TS_PACKET_BYTES - HEADER_BYTES;

const PAYLOAD_START = 0x40;
const HAS_PAYLOAD = 0x10;
const HAS_ADAPTATION = 0x20;

/** Flags of the adaptation field, as they stand on the wire. */
export const ADAPTATION_DISCONTINUITY = 0x80;
export const ADAPTATION_RANDOM_ACCESS = 0x40;
export const ADAPTATION_PCR = 0x10;

/** Length byte, flags, and the clock reference when the flags say so; 0 when there are no flags. */
function adaptationBytes(flags: number): number {
  if (flags === 0) return 0;
  return (flags & ADAPTATION_PCR) === 0 ? 2 : 8;
}

/** Transport packets that `payloadBytes` take when the first packet's adaptation field has `flags`. */
export function tsPacketCount(payloadBytes: number, flags: number): number {
  return Math.ceil((payloadBytes + adaptationBytes(flags)) / BODY_BYTES);
}

/**
 * Cuts `target[end - payloadBytes, end)` into transport packets that fill `target[at, end)` exactly; `end - at` must be
 * `tsPacketCount` packets. The first packet starts a payload unit and has an adaptation field with `flags` and
 * `pcrTicks` (90 kHz); what is left over is stuffing in the last packet. Returns the next continuity counter.
 */
export function spreadPayload(
  target: Uint8Array,
  at: number,
  end: number,
  payloadBytes: number,
  pid: number,
  continuity: number,
  flags: number,
  pcrTicks: number,
): number {
  let counter = continuity;
  let from = end - payloadBytes;
  for (let packet = at; packet < end; packet += TS_PACKET_BYTES) {
    const isFirst = packet === at;
    const left = end - from;
    const wanted = isFirst ? adaptationBytes(flags) : 0;
    const pieceBytes = Math.min(left, BODY_BYTES - wanted);
    const fieldBytes = BODY_BYTES - pieceBytes;
    target.copyWithin(packet + HEADER_BYTES + fieldBytes, from, from + pieceBytes);
    writeHeader(target, packet, pid, isFirst, HAS_PAYLOAD | (fieldBytes > 0 ? HAS_ADAPTATION : 0) | counter);
    if (fieldBytes > 0) writeAdaptation(target, packet, fieldBytes, isFirst ? flags : 0, pcrTicks);
    from += pieceBytes;
    counter = (counter + 1) & 15;
  }
  return counter;
}

/**
 * A packet without payload that only carries the clock. Its continuity counter is that of the packet before on this
 * PID: it does not count (2.4.3.3).
 */
export function writePcrPacket(
  target: Uint8Array,
  at: number,
  pid: number,
  nextContinuity: number,
  flags: number,
  pcrTicks: number,
): number {
  writeHeader(target, at, pid, false, HAS_ADAPTATION | ((nextContinuity + 15) & 15));
  writeAdaptation(target, at, BODY_BYTES, flags | ADAPTATION_PCR, pcrTicks);
  return at + TS_PACKET_BYTES;
}

/** Four header bytes; `control` is the last: adaptation field control and continuity counter. */
function writeHeader(
  target: Uint8Array,
  at: number,
  pid: number,
  isUnitStart: boolean,
  control: number,
): void {
  target[at] = SYNC_BYTE;
  target[at + 1] = (isUnitStart ? PAYLOAD_START : 0) | (pid >> 8);
  target[at + 2] = pid;
  target[at + 3] = control;
}

function writeAdaptation(
  target: Uint8Array,
  packet: number,
  fieldBytes: number,
  flags: number,
  pcrTicks: number,
): void {
  const at = packet + HEADER_BYTES;
  target[at] = fieldBytes - 1;
  if (fieldBytes === 1) return;
  target[at + 1] = flags;
  let stuffing = at + 2;
  if ((flags & ADAPTATION_PCR) !== 0) {
    writeClockReference(target, stuffing, pcrTicks);
    stuffing += 6;
  }
  target.fill(0xff, stuffing, at + fieldBytes);
}

/** 33 bits of 90 kHz, six reserved bits, nine bits of 27 MHz that are always 0 here. */
function writeClockReference(target: Uint8Array, at: number, ticks: number): void {
  const high = Math.floor(ticks / 2);
  target[at] = high >>> 24;
  target[at + 1] = high >>> 16;
  target[at + 2] = high >>> 8;
  target[at + 3] = high;
  target[at + 4] = ((ticks & 1) << 7) | 0x7e;
  target[at + 5] = 0;
}

/**
 * A program specific information section as ready packets (2.4.4.1): pointer field in the first, stuffing of 0xff
 * behind the section. Continuity counters are 0, to be set when the packets are written.
 */
export function sectionPackets(section: Uint8Array, pid: number): Buffer {
  const count = Math.ceil((section.length + 1) / BODY_BYTES);
  const packets = Buffer.alloc(count * TS_PACKET_BYTES, 0xff);
  let from = 0;
  for (let i = 0; i < count; i++) {
    const packet = i * TS_PACKET_BYTES;
    writeHeader(packets, packet, pid, i === 0, HAS_PAYLOAD);
    const pointerBytes = i === 0 ? 1 : 0;
    if (i === 0) packets[packet + HEADER_BYTES] = 0;
    const piece = section.subarray(from, from + BODY_BYTES - pointerBytes);
    packets.set(piece, packet + HEADER_BYTES + pointerBytes);
    from += piece.length;
  }
  return packets;
}

/** Copies ready packets of one PID and numbers them. Returns the next continuity counter. */
export function writeSectionPackets(
  packets: Uint8Array,
  target: Uint8Array,
  at: number,
  continuity: number,
): number {
  let counter = continuity;
  target.set(packets, at);
  for (let packet = at; packet < at + packets.length; packet += TS_PACKET_BYTES) {
    target[packet + 3] = HAS_PAYLOAD | counter;
    counter = (counter + 1) & 15;
  }
  return counter;
}
