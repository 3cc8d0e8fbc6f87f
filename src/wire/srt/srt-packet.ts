/**
 * The 16-byte header of SRT packets (draft-sharabayko-srt-01 section 3): data packets and control packets. Read by
 * index into one reused SrtPacket. What follows the header of a control packet: control.ts, handshake.ts,
 * key-material.ts, loss-list.ts.
 */

export const SRT_HEADER_BYTES = 16;
/** IPv4 and UDP headers, which libsrt counts into the MSS and into the bytes of its statistics. */
export const SRT_UDP_OVERHEAD = 28;
/** All headers of a data packet. */
export const SRT_PACKET_OVERHEAD = SRT_UDP_OVERHEAD + SRT_HEADER_BYTES;

export const SRT_CONTROL = {
  handshake: 0,
  keepAlive: 1,
  ack: 2,
  nak: 3,
  congestionWarning: 4,
  shutdown: 5,
  ackAck: 6,
  dropRequest: 7,
  peerError: 8,
  extension: 0x7fff,
} as const;
/** Subtypes of `extension`: messages of the handshake that may come later, too. */
export const SRT_EXTENSION_KEY_REQUEST = 3;
export const SRT_EXTENSION_KEY_RESPONSE = 4;

/** Which key ciphers a packet (field KK). */
export const SRT_KEY_NONE = 0;
export const SRT_KEY_EVEN = 1;
export const SRT_KEY_ODD = 2;

/** Field PP: all of a message in one packet; live streams know nothing else. */
const SRT_POSITION_SOLO = 3;
const RETRANSMITTED_BYTE = 0x04;

export class SrtPacket {
  bytes: Uint8Array;
  isControl: boolean;
  /** Of data packets. */
  sequence: number;
  inOrder: boolean;
  keySpec: number;
  retransmitted: boolean;
  message: number;
  /** Of control packets. */
  controlType: number;
  subtype: number;
  /** Second word of control packets: ACK number, message number of a drop request, error code. */
  info: number;
  /** Microseconds since the sender's start, modulo 2^32. */
  timestamp: number;
  destination: number;

  constructor() {
    this.bytes = new Uint8Array(0);
    this.isControl = false;
    this.sequence = 0;
    this.inOrder = false;
    this.keySpec = 0;
    this.retransmitted = false;
    this.message = 0;
    this.controlType = 0;
    this.subtype = 0;
    this.info = 0;
    this.timestamp = 0;
    this.destination = 0;
  }

  /** False for what is too short; the fields mean nothing then. */
  parse(bytes: Uint8Array): boolean {
    if (bytes.length < SRT_HEADER_BYTES) return false;
    this.bytes = bytes;
    const word = readU32(bytes, 4);
    this.isControl = (bytes[0]! & 0x80) !== 0;
    if (this.isControl) {
      this.controlType = ((bytes[0]! & 0x7f) << 8) | bytes[1]!;
      this.subtype = (bytes[2]! << 8) | bytes[3]!;
      this.info = word;
    } else {
      this.sequence = readU32(bytes, 0);
      this.inOrder = (word & 0x2000_0000) !== 0;
      this.keySpec = (word >>> 27) & 3;
      this.retransmitted = (word & 0x0400_0000) !== 0;
      this.message = word & 0x03ff_ffff;
    }
    this.timestamp = readU32(bytes, 8);
    this.destination = readU32(bytes, 12);
    return true;
  }
}

/** Destination socket id of a datagram without reading the rest; -1 when it is too short. 0 asks for a connection. */
export function srtDestination(datagram: Uint8Array): number {
  return datagram.length < SRT_HEADER_BYTES ? -1 : readU32(datagram, 12);
}

/** A message in one packet; the order flag stays off as in libsrt's live mode. */
export function writeDataHeader(
  into: Uint8Array,
  sequence: number,
  message: number,
  keySpec: number,
  timestamp: number,
  destination: number,
): void {
  writeU32(into, 0, sequence);
  writeU32(into, 4, (SRT_POSITION_SOLO << 30) | (keySpec << 27) | message);
  writeU32(into, 8, timestamp);
  writeU32(into, 12, destination);
}

export function markRetransmitted(header: Uint8Array): void {
  header[4] = header[4]! | RETRANSMITTED_BYTE;
}

export function clearRetransmitted(header: Uint8Array): void {
  header[4] = header[4]! & ~RETRANSMITTED_BYTE;
}

export function writeControlHeader(
  into: Uint8Array,
  controlType: number,
  subtype: number,
  info: number,
  timestamp: number,
  destination: number,
): void {
  into[0] = 0x80 | (controlType >>> 8);
  into[1] = controlType;
  into[2] = subtype >>> 8;
  into[3] = subtype;
  writeU32(into, 4, info);
  writeU32(into, 8, timestamp);
  writeU32(into, 12, destination);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Takes any integer modulo 2^32. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
