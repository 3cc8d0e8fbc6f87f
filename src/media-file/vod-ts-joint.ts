/**
 * Makes a transport stream segment whose continuity counters begin at 0 and end at 15 on every PID (ISO/IEC 13818-1
 * 2.4.3.3), so that segments that were made independently of each other join as if one writer had written them. What is
 * missing to a multiple of sixteen packets is added: a packet gives bytes of its payload to packets of their own, and
 * the program tables are repeated at the end.
 */
import { TS_PACKET_BYTES } from '../wire/mpegts/ts-packet.ts';

const HEADER_BYTES = 4;
const BODY_BYTES = TS_PACKET_BYTES - HEADER_BYTES;
const PAYLOAD_START = 0x40;
const HAS_ADAPTATION = 0x20;
const HAS_PAYLOAD = 0x10;
const PIDS = 0x2000;
const COUNTERS = 16;
/** Below this are tables: they are repeated whole. */
const FIRST_MEDIA_PID = 0x20;
/** A PES header with both times must stay in one packet. */
const MIN_KEPT_BYTES = 20;

/** `segment`: whole packets as TsWriter wrote them, tables of one packet each. Returns what is to be sent instead. */
export function joinable(segment: Buffer, mapPid: number): Buffer {
  const count = new Uint32Array(PIDS);
  /** Where the packet lies that gives bytes away, plus one; 0 = none. */
  const donor = new Map<number, number>();
  for (let at = 0; at < segment.length; at += TS_PACKET_BYTES) {
    if ((segment[at + 3]! & HAS_PAYLOAD) === 0) continue;
    const pid = pidAt(segment, at);
    count[pid] = count[pid]! + 1;
    if (payloadBytesAt(segment, at) >= MIN_KEPT_BYTES + COUNTERS) donor.set(pid, at);
  }
  let added = 0;
  const missing = (pid: number) => (COUNTERS - (count[pid]! % COUNTERS)) % COUNTERS;
  const isTable = (pid: number) => pid < FIRST_MEDIA_PID || pid === mapPid;
  for (const pid of donor.keys()) added += missing(pid);
  const out = Buffer.allocUnsafe(segment.length + added * TS_PACKET_BYTES);
  let to = 0;
  for (let at = 0; at < segment.length; at += TS_PACKET_BYTES) {
    const pid = pidAt(segment, at);
    const gives = donor.get(pid) === at && !isTable(pid) ? missing(pid) : 0;
    to = gives === 0 ? copyPacket(segment, at, out, to) : splitPacket(segment, at, out, to, gives);
  }
  for (const [pid, at] of donor) {
    if (!isTable(pid)) continue;
    for (let i = missing(pid); i > 0; i--) to = copyPacket(segment, at, out, to);
  }
  renumber(out);
  return out;
}

function pidAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 1]! & 0x1f) << 8) | bytes[at + 2]!;
}

function payloadBytesAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 3]! & HAS_ADAPTATION) === 0 ? BODY_BYTES : BODY_BYTES - 1 - bytes[at + 4]!;
}

function copyPacket(from: Buffer, at: number, out: Buffer, to: number): number {
  from.copy(out, to, at, at + TS_PACKET_BYTES);
  return to + TS_PACKET_BYTES;
}

/** The packet keeps all but its last `gives` bytes, each of which gets a packet. */
function splitPacket(from: Buffer, at: number, out: Buffer, to: number, gives: number): number {
  const payloadBytes = payloadBytesAt(from, at);
  const payloadAt = at + TS_PACKET_BYTES - payloadBytes;
  const kept = payloadBytes - gives;
  const oldField = BODY_BYTES - payloadBytes;
  const newField = BODY_BYTES - kept;
  from.copy(out, to, at, payloadAt);
  out[to + 3] = out[to + 3]! | HAS_ADAPTATION;
  const fieldAt = to + HEADER_BYTES;
  // A field of one byte, the length, has no flags; now it is long enough to need them.
  if (oldField < 2) out[fieldAt + 1] = 0;
  out[fieldAt] = newField - 1;
  if (newField > 2) out.fill(0xff, fieldAt + Math.max(oldField, 2), fieldAt + newField);
  from.copy(out, fieldAt + newField, payloadAt, payloadAt + kept);
  let next = to + TS_PACKET_BYTES;
  for (let i = 0; i < gives; i++) {
    out[next] = from[at]!;
    out[next + 1] = from[at + 1]! & ~PAYLOAD_START;
    out[next + 2] = from[at + 2]!;
    out[next + 3] = HAS_ADAPTATION | HAS_PAYLOAD;
    out[next + HEADER_BYTES] = BODY_BYTES - 2;
    out[next + HEADER_BYTES + 1] = 0;
    out.fill(0xff, next + HEADER_BYTES + 2, next + TS_PACKET_BYTES - 1);
    out[next + TS_PACKET_BYTES - 1] = from[payloadAt + kept + i]!;
    next += TS_PACKET_BYTES;
  }
  return next;
}

function renumber(bytes: Buffer): void {
  const next = new Uint8Array(PIDS);
  for (let at = 0; at < bytes.length; at += TS_PACKET_BYTES) {
    const pid = pidAt(bytes, at);
    const hasPayload = (bytes[at + 3]! & HAS_PAYLOAD) !== 0;
    // A packet without payload repeats the number of the one before.
    const number = hasPayload ? next[pid]! : (next[pid]! + COUNTERS - 1) % COUNTERS;
    bytes[at + 3] = (bytes[at + 3]! & 0xf0) | number;
    if (hasPayload) next[pid] = (next[pid]! + 1) % COUNTERS;
  }
}
