/**
 * Control packets without a handshake (draft-sharabayko-srt-01 sections 3.2.3 to 3.2.9): acknowledgements, loss
 * reports, keep-alives, drop requests. Writers give whole datagrams. Readers take an SrtPacket, return false for what
 * is too short.
 */
import { encodeLossRanges } from './loss-list.ts';
import {
  readU32,
  SRT_CONTROL,
  SRT_HEADER_BYTES,
  type SrtPacket,
  writeControlHeader,
  writeU32,
} from './srt-packet.ts';

/** An ACK that tells the position alone. */
const LIGHT_ACK_BYTES = 4;
/** Older peers leave out the rates. */
const SMALL_ACK_BYTES = 16;
const FULL_ACK_BYTES = 28;
/** libsrt puts one empty word behind packets without content; firewalls have seen nothing else. */
const PADDING_BYTES = 4;

/** Zero fields were not told. */
export class SrtAck {
  /** First packet that is still missing. */
  sequence: number;
  rttUs: number;
  rttVarianceUs: number;
  /** Free places in the receive buffer, in packets. */
  bufferPackets: number;
  packetsPerSecond: number;
  /** Of the link, packets a second. */
  linkCapacity: number;
  bytesPerSecond: number;
  /** The peer wants no ACKACK for these. */
  isLight: boolean;

  constructor() {
    this.sequence = 0;
    this.rttUs = 0;
    this.rttVarianceUs = 0;
    this.bufferPackets = 0;
    this.packetsPerSecond = 0;
    this.linkCapacity = 0;
    this.bytesPerSecond = 0;
    this.isLight = false;
  }

  read(packet: SrtPacket): boolean {
    const { bytes } = packet;
    const count = bytes.length - SRT_HEADER_BYTES;
    if (count < LIGHT_ACK_BYTES) return false;
    this.sequence = readU32(bytes, 16) & 0x7fff_ffff;
    this.isLight = count < SMALL_ACK_BYTES;
    this.rttUs = this.isLight ? 0 : readU32(bytes, 20);
    this.rttVarianceUs = this.isLight ? 0 : readU32(bytes, 24);
    this.bufferPackets = this.isLight ? 0 : readU32(bytes, 28);
    this.packetsPerSecond = count >= 24 ? readU32(bytes, 32) : 0;
    this.linkCapacity = count >= 24 ? readU32(bytes, 36) : 0;
    this.bytesPerSecond = count >= FULL_ACK_BYTES ? readU32(bytes, 40) : 0;
    return true;
  }
}

/** `ackNumber` counts from 1 and comes back in the ACKACK. */
export function writeAck(ackNumber: number, ack: SrtAck, timestamp: number, destination: number): Buffer {
  const bytes = controlPacket(SRT_CONTROL.ack, ackNumber, timestamp, destination, FULL_ACK_BYTES);
  writeU32(bytes, 16, ack.sequence);
  writeU32(bytes, 20, ack.rttUs);
  writeU32(bytes, 24, ack.rttVarianceUs);
  writeU32(bytes, 28, ack.bufferPackets);
  writeU32(bytes, 32, ack.packetsPerSecond);
  writeU32(bytes, 36, ack.linkCapacity);
  writeU32(bytes, 40, ack.bytesPerSecond);
  return bytes;
}

export function writeLightAck(sequence: number, timestamp: number, destination: number): Buffer {
  const bytes = controlPacket(SRT_CONTROL.ack, 0, timestamp, destination, LIGHT_ACK_BYTES);
  writeU32(bytes, 16, sequence);
  return bytes;
}

export function writeAckAck(ackNumber: number, timestamp: number, destination: number): Buffer {
  return controlPacket(SRT_CONTROL.ackAck, ackNumber, timestamp, destination, PADDING_BYTES);
}

export function writeKeepAlive(timestamp: number, destination: number): Buffer {
  return controlPacket(SRT_CONTROL.keepAlive, 0, timestamp, destination, PADDING_BYTES);
}

export function writeShutdown(timestamp: number, destination: number): Buffer {
  return controlPacket(SRT_CONTROL.shutdown, 0, timestamp, destination, PADDING_BYTES);
}

/** `ranges` are pairs of first and last; see loss-list.ts. */
export function writeNak(ranges: readonly number[], timestamp: number, destination: number): Buffer {
  const list = encodeLossRanges(ranges);
  const bytes = controlPacket(SRT_CONTROL.nak, 0, timestamp, destination, list.length);
  bytes.set(list, SRT_HEADER_BYTES);
  return bytes;
}

/** What we no longer have; `message` 0 when it is not known. */
export function writeDropRequest(
  message: number,
  first: number,
  last: number,
  timestamp: number,
  destination: number,
): Buffer {
  const bytes = controlPacket(SRT_CONTROL.dropRequest, message, timestamp, destination, 8);
  writeU32(bytes, 16, first);
  writeU32(bytes, 20, last);
  return bytes;
}

/** First and last sequence of a drop request, or null. The message number is `packet.info`. */
export function readDropRequest(packet: SrtPacket): { first: number; last: number } | null {
  if (packet.bytes.length < SRT_HEADER_BYTES + 8) return null;
  return { first: readU32(packet.bytes, 16) & 0x7fff_ffff, last: readU32(packet.bytes, 20) & 0x7fff_ffff };
}

/** Key material that goes on its own after the handshake: `subtype` is SRT_EXTENSION_KEY_*. */
export function writeExtension(
  subtype: number,
  content: Uint8Array,
  timestamp: number,
  destination: number,
): Buffer {
  const bytes = Buffer.alloc(SRT_HEADER_BYTES + content.length);
  writeControlHeader(bytes, SRT_CONTROL.extension, subtype, 0, timestamp, destination);
  bytes.set(content, SRT_HEADER_BYTES);
  return bytes;
}

function controlPacket(
  type: number,
  info: number,
  timestamp: number,
  destination: number,
  content: number,
): Buffer {
  const bytes = Buffer.alloc(SRT_HEADER_BYTES + content);
  writeControlHeader(bytes, type, 0, info, timestamp, destination);
  return bytes;
}
