/**
 * RTCP: sender and receiver reports, source descriptions, goodbyes (RFC 3550 section 6), generic NACK and PLI
 * (RFC 4585 section 6), FIR (RFC 5104 section 4.3.1). Both ways, whole compound packets.
 * Leaves out APP, extended reports (RFC 3611), and of SDES all but CNAME; they are skipped.
 */
import { ByteWriter } from '../../util/byte-writer.ts';

const TYPE_SR = 200;
const TYPE_RR = 201;
const TYPE_SDES = 202;
const TYPE_BYE = 203;
const TYPE_TRANSPORT_FEEDBACK = 205;
const TYPE_PAYLOAD_FEEDBACK = 206;
const FEEDBACK_NACK = 1;
const FEEDBACK_PLI = 1;
const FEEDBACK_FIR = 4;
const SDES_CNAME = 1;
const REPORT_BYTES = 24;
/** What a count field of five bits can say. */
const MAX_COUNT = 31;
/** A datagram of any size holds no more that are meant honestly. */
const MAX_PACKETS = 64;
/** Sequence numbers of one NACK; more are asked for again. */
const MAX_NACKED = 1024;
const MAX_TEXT_BYTES = 255;

/** RFC 3550 section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: number;
  /** Of the packets since the last report, in 1/256. */
  readonly fractionLost: number;
  /** Signed: duplicates make it negative. */
  readonly lost: number;
  /** Highest sequence number with the count of its wraps above it. */
  readonly highestSequence: number;
  /** In ticks of the payload's clock. */
  readonly jitter: number;
  /** The middle 32 bits of the last sender report's NTP time; 0 = there was none. */
  readonly lastSr: number;
  /** 1/65536 s since it came. */
  readonly delaySinceLastSr: number;
}

export interface SenderReport {
  readonly type: 'sr';
  readonly ssrc: number;
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  readonly rtpTime: number;
  readonly packets: number;
  readonly octets: number;
  readonly reports: readonly ReportBlock[];
}

interface ReceiverReport {
  readonly type: 'rr';
  readonly ssrc: number;
  readonly reports: readonly ReportBlock[];
}

interface SourceDescription {
  readonly type: 'sdes';
  readonly ssrc: number;
  readonly cname: string;
}

interface Goodbye {
  readonly type: 'bye';
  readonly ssrcs: readonly number[];
  readonly reason: string;
}

interface Nack {
  readonly type: 'nack';
  readonly ssrc: number;
  readonly mediaSsrc: number;
  readonly sequences: readonly number[];
}

interface PictureLoss {
  readonly type: 'pli';
  readonly ssrc: number;
  readonly mediaSsrc: number;
}

interface FullIntraRequest {
  readonly type: 'fir';
  readonly ssrc: number;
  readonly mediaSsrc: number;
  /** Counts the requests, so that a repetition is known. */
  readonly sequence: number;
}

export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | Nack
  | PictureLoss
  | FullIntraRequest;

/** The packets of a compound packet that make sense, up to the first whose length does not. Never throws. */
export function parseRtcp(bytes: Uint8Array): RtcpPacket[] {
  const found: RtcpPacket[] = [];
  for (let at = 0; at + 4 <= bytes.length && found.length < MAX_PACKETS; ) {
    if (bytes[at]! >> 6 !== 2) break;
    const end = at + 4 + u16(bytes, at + 2) * 4;
    if (end > bytes.length) break;
    const padding = (bytes[at]! & 0x20) === 0 ? 0 : bytes[end - 1]!;
    if (end - padding >= at + 4) parseOne(bytes, at, end - padding, found);
    at = end;
  }
  return found;
}

function parseOne(bytes: Uint8Array, at: number, end: number, found: RtcpPacket[]): void {
  const count = bytes[at]! & MAX_COUNT;
  switch (bytes[at + 1]) {
    case TYPE_SR:
      if (end - at < 28) return;
      found.push({
        type: 'sr',
        ssrc: u32(bytes, at + 4),
        ntpSeconds: u32(bytes, at + 8),
        ntpFraction: u32(bytes, at + 12),
        rtpTime: u32(bytes, at + 16),
        packets: u32(bytes, at + 20),
        octets: u32(bytes, at + 24),
        reports: reportBlocks(bytes, at + 28, end, count),
      });
      return;
    case TYPE_RR:
      if (end - at < 8) return;
      found.push({
        type: 'rr',
        ssrc: u32(bytes, at + 4),
        reports: reportBlocks(bytes, at + 8, end, count),
      });
      return;
    case TYPE_SDES:
      parseDescriptions(bytes, at + 4, end, count, found);
      return;
    case TYPE_BYE:
      found.push(goodbye(bytes, at + 4, end, count));
      return;
    case TYPE_TRANSPORT_FEEDBACK:
      if (count === FEEDBACK_NACK && end - at >= 16) found.push(nack(bytes, at, end));
      return;
    case TYPE_PAYLOAD_FEEDBACK:
      if (end - at >= 12) parsePayloadFeedback(bytes, at, end, count, found);
      return;
    default:
  }
}

function reportBlocks(bytes: Uint8Array, start: number, end: number, count: number): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  for (let at = start; blocks.length < count && at + REPORT_BYTES <= end; at += REPORT_BYTES) {
    blocks.push({
      ssrc: u32(bytes, at),
      fractionLost: bytes[at + 4]!,
      lost: (u32(bytes, at + 4) << 8) >> 8,
      highestSequence: u32(bytes, at + 8),
      jitter: u32(bytes, at + 12),
      lastSr: u32(bytes, at + 16),
      delaySinceLastSr: u32(bytes, at + 20),
    });
  }
  return blocks;
}

function parseDescriptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  found: RtcpPacket[],
): void {
  let at = start;
  for (let chunk = 0; chunk < count && at + 4 <= end; chunk++) {
    const ssrc = u32(bytes, at);
    at += 4;
    while (at + 2 <= end && bytes[at] !== 0) {
      const textEnd = at + 2 + bytes[at + 1]!;
      if (textEnd > end) return;
      if (bytes[at] === SDES_CNAME)
        found.push({ type: 'sdes', ssrc, cname: utf8(bytes.subarray(at + 2, textEnd)) });
      at = textEnd;
    }
    // At least one zero byte, up to the next word; chunks are counted from the packet's start, which is a word.
    at += 4 - ((at - start) & 3);
  }
}

function goodbye(bytes: Uint8Array, start: number, end: number, count: number): Goodbye {
  const ssrcs: number[] = [];
  let at = start;
  for (; ssrcs.length < count && at + 4 <= end; at += 4) ssrcs.push(u32(bytes, at));
  const hasReason = at < end && at + 1 + bytes[at]! <= end;
  return { type: 'bye', ssrcs, reason: hasReason ? utf8(bytes.subarray(at + 1, at + 1 + bytes[at]!)) : '' };
}

function nack(bytes: Uint8Array, at: number, end: number): Nack {
  const sequences: number[] = [];
  for (let entry = at + 12; entry + 4 <= end && sequences.length < MAX_NACKED; entry += 4) {
    const first = u16(bytes, entry);
    const following = u16(bytes, entry + 2);
    sequences.push(first);
    for (let bit = 0; bit < 16; bit++) {
      if (((following >> bit) & 1) !== 0) sequences.push((first + bit + 1) & 0xffff);
    }
  }
  return { type: 'nack', ssrc: u32(bytes, at + 4), mediaSsrc: u32(bytes, at + 8), sequences };
}

function parsePayloadFeedback(
  bytes: Uint8Array,
  at: number,
  end: number,
  format: number,
  found: RtcpPacket[],
): void {
  const ssrc = u32(bytes, at + 4);
  if (format === FEEDBACK_PLI) found.push({ type: 'pli', ssrc, mediaSsrc: u32(bytes, at + 8) });
  if (format !== FEEDBACK_FIR) return;
  for (let entry = at + 12; entry + 8 <= end && found.length < MAX_PACKETS; entry += 8) {
    found.push({ type: 'fir', ssrc, mediaSsrc: u32(bytes, entry), sequence: bytes[entry + 4]! });
  }
}

/** One compound packet of these, in this order; a report must stand first (RFC 3550 section 6.1). */
export function serializeRtcp(packets: readonly RtcpPacket[]): Buffer {
  const writer = new ByteWriter(128);
  for (const packet of packets) writeOne(writer, packet);
  return writer.finish();
}

function writeOne(writer: ByteWriter, packet: RtcpPacket): void {
  switch (packet.type) {
    case 'sr': {
      const reports = packet.reports.slice(0, MAX_COUNT);
      writeHead(writer, TYPE_SR, reports.length, 24 + reports.length * REPORT_BYTES);
      writer.u32(packet.ssrc).u32(packet.ntpSeconds).u32(packet.ntpFraction).u32(packet.rtpTime);
      writer.u32(packet.packets).u32(packet.octets);
      for (const report of reports) writeReport(writer, report);
      return;
    }
    case 'rr': {
      const reports = packet.reports.slice(0, MAX_COUNT);
      writeHead(writer, TYPE_RR, reports.length, 4 + reports.length * REPORT_BYTES);
      writer.u32(packet.ssrc);
      for (const report of reports) writeReport(writer, report);
      return;
    }
    case 'sdes': {
      const text = shortText(packet.cname);
      const bytes = 4 + 2 + text.length;
      const padding = 4 - (bytes & 3);
      writeHead(writer, TYPE_SDES, 1, bytes + padding);
      writer.u32(packet.ssrc).u8(SDES_CNAME).u8(text.length).bytes(text);
      for (let i = 0; i < padding; i++) writer.u8(0);
      return;
    }
    case 'bye':
      writeGoodbye(writer, packet);
      return;
    case 'nack': {
      const entries = nackEntries(packet.sequences);
      writeHead(writer, TYPE_TRANSPORT_FEEDBACK, FEEDBACK_NACK, 8 + entries.length * 4);
      writer.u32(packet.ssrc).u32(packet.mediaSsrc);
      for (const entry of entries) writer.u32(entry);
      return;
    }
    case 'pli':
      writeHead(writer, TYPE_PAYLOAD_FEEDBACK, FEEDBACK_PLI, 8);
      writer.u32(packet.ssrc).u32(packet.mediaSsrc);
      return;
    case 'fir':
      writeHead(writer, TYPE_PAYLOAD_FEEDBACK, FEEDBACK_FIR, 16);
      // The media source of the common head is unused (RFC 5104 section 4.3.1.2).
      writer.u32(packet.ssrc).u32(0).u32(packet.mediaSsrc).u8(packet.sequence).u24(0);
  }
}

function writeGoodbye(writer: ByteWriter, packet: Goodbye): void {
  const ssrcs = packet.ssrcs.slice(0, MAX_COUNT);
  const text = shortText(packet.reason);
  const bytes = ssrcs.length * 4 + (text.length === 0 ? 0 : 1 + text.length);
  const padding = (4 - (bytes & 3)) & 3;
  writeHead(writer, TYPE_BYE, ssrcs.length, bytes + padding);
  for (const ssrc of ssrcs) writer.u32(ssrc);
  if (text.length === 0) return;
  writer.u8(text.length).bytes(text);
  for (let i = 0; i < padding; i++) writer.u8(0);
}

/** First sequence number and the mask of the sixteen behind it, for numbers in rising order (RFC 4585 section 6.2.1). */
function nackEntries(sequences: readonly number[]): number[] {
  const entries: number[] = [];
  let first = -1;
  let mask = 0;
  for (const sequence of sequences.slice(0, MAX_NACKED)) {
    const behind = (sequence - first - 1) & 0xffff;
    if (first >= 0 && behind < 16) {
      mask |= 1 << behind;
      continue;
    }
    if (first >= 0) entries.push(first * 0x1_0000 + mask);
    first = sequence;
    mask = 0;
  }
  if (first >= 0) entries.push(first * 0x1_0000 + mask);
  return entries;
}

/** `bytes` are those behind the head, a multiple of four. */
function writeHead(writer: ByteWriter, type: number, count: number, bytes: number): void {
  writer
    .u8(0x80 | count)
    .u8(type)
    .u16(bytes / 4);
}

function writeReport(writer: ByteWriter, report: ReportBlock): void {
  writer.u32(report.ssrc).u8(report.fractionLost).u24(report.lost).u32(report.highestSequence);
  writer.u32(report.jitter).u32(report.lastSr).u32(report.delaySinceLastSr);
}

function shortText(text: string): Uint8Array {
  return Buffer.from(text).subarray(0, MAX_TEXT_BYTES);
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
