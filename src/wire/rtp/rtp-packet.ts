/**
 * RTP packets (RFC 3550 section 5.1) with header extensions (section 5.3.1, RFC 8285) and their telling apart from
 * RTCP on one port (RFC 5761 section 4). Reads by index: one RtpPacket object is reused for all packets.
 * Leaves out what a payload means (payload-*.ts) and CSRC lists on the way out: we mix nothing.
 */

/** Of a packet without CSRC list and extension, which is what we write. */
export const RTP_HEADER_BYTES = 12;
/** `extensionProfile` of a packet that has none. */
export const NO_EXTENSION = -1;

const VERSION = 2;
/** RFC 8285 section 4.2. */
const ONE_BYTE_PROFILE = 0xbede;
/** RFC 8285 section 4.3: the lowest four bits are free. */
const TWO_BYTE_PROFILE = 0x1000;
const NO_BYTES = new Uint8Array(0);

/** Where the parts of one packet lie; `parse` fills it. */
export class RtpPacket {
  bytes: Uint8Array;
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  ssrc: number;
  csrcCount: number;
  /** The 16 bits that tell the form of the extension, NO_EXTENSION when there is none. */
  extensionProfile: number;
  extensionStart: number;
  extensionEnd: number;
  payloadStart: number;
  /** Padding is behind it. */
  payloadEnd: number;

  constructor() {
    this.bytes = NO_BYTES;
    this.payloadType = 0;
    this.marker = false;
    this.sequence = 0;
    this.timestamp = 0;
    this.ssrc = 0;
    this.csrcCount = 0;
    this.extensionProfile = NO_EXTENSION;
    this.extensionStart = 0;
    this.extensionEnd = 0;
    this.payloadStart = 0;
    this.payloadEnd = 0;
  }

  /** False for what is no RTP packet; the fields mean nothing then. An empty payload is one (keep-alives). */
  parse(bytes: Uint8Array): boolean {
    const { length } = bytes;
    if (length < RTP_HEADER_BYTES) return false;
    const first = bytes[0]!;
    if (first >> 6 !== VERSION) return false;
    this.bytes = bytes;
    this.csrcCount = first & 15;
    this.marker = (bytes[1]! & 0x80) !== 0;
    this.payloadType = bytes[1]! & 0x7f;
    this.sequence = (bytes[2]! << 8) | bytes[3]!;
    this.timestamp = u32(bytes, 4);
    this.ssrc = u32(bytes, 8);
    let at = RTP_HEADER_BYTES + this.csrcCount * 4;
    this.extensionProfile = NO_EXTENSION;
    this.extensionStart = at;
    this.extensionEnd = at;
    if ((first & 0x10) !== 0) {
      if (at + 4 > length) return false;
      this.extensionProfile = (bytes[at]! << 8) | bytes[at + 1]!;
      this.extensionStart = at + 4;
      at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!) * 4;
      this.extensionEnd = at;
    }
    // The last byte counts the padding, itself included.
    const padding = (first & 0x20) === 0 ? 0 : bytes[length - 1]!;
    if ((first & 0x20) !== 0 && padding === 0) return false;
    this.payloadStart = at;
    this.payloadEnd = length - padding;
    return at <= this.payloadEnd;
  }
}

/** Walks the elements of a packet's extension: `while (cursor.advance()) use(cursor.id, cursor.start, cursor.end)`. */
export class RtpExtensionCursor {
  /** 1 to 14 in the form with one byte, 1 to 255 in the one with two. */
  id: number;
  /** Of the element's data in the packet's bytes. */
  start: number;
  end: number;
  private bytes: Uint8Array;
  private headBytes: number;
  private next: number;
  private limit: number;

  constructor() {
    this.id = 0;
    this.start = 0;
    this.end = 0;
    this.bytes = NO_BYTES;
    this.headBytes = 0;
    this.next = 0;
    this.limit = 0;
  }

  /** An extension of another form than RFC 8285's has no elements. */
  reset(packet: RtpPacket): this {
    const { extensionProfile } = packet;
    this.bytes = packet.bytes;
    this.headBytes =
      extensionProfile === ONE_BYTE_PROFILE ? 1 : (extensionProfile & 0xfff0) === TWO_BYTE_PROFILE ? 2 : 0;
    this.next = packet.extensionStart;
    this.limit = this.headBytes === 0 ? packet.extensionStart : packet.extensionEnd;
    return this;
  }

  /** False at the end, and where an element runs over it. */
  advance(): boolean {
    const { bytes, headBytes } = this;
    while (this.next < this.limit && bytes[this.next] === 0) this.next++;
    const start = this.next + headBytes;
    if (this.next >= this.limit || start > this.limit) return this.stop();
    const head = bytes[this.next]!;
    if (headBytes === 1 && head >> 4 === 15) return this.stop();
    this.id = headBytes === 1 ? head >> 4 : head;
    this.start = start;
    this.end = start + (headBytes === 1 ? (head & 15) + 1 : bytes[start - 1]!);
    this.next = this.end;
    return this.end <= this.limit ? true : this.stop();
  }

  private stop(): boolean {
    this.next = this.limit;
    this.headBytes = 1;
    return false;
  }
}

/** Writes a header of RTP_HEADER_BYTES; returns the offset behind it. */
export function writeRtpHeader(
  target: Uint8Array,
  at: number,
  payloadType: number,
  marker: boolean,
  sequence: number,
  timestamp: number,
  ssrc: number,
): number {
  target[at] = VERSION << 6;
  target[at + 1] = marker ? payloadType | 0x80 : payloadType;
  target[at + 2] = sequence >>> 8;
  target[at + 3] = sequence;
  target[at + 4] = timestamp >>> 24;
  target[at + 5] = timestamp >>> 16;
  target[at + 6] = timestamp >>> 8;
  target[at + 7] = timestamp;
  target[at + 8] = ssrc >>> 24;
  target[at + 9] = ssrc >>> 16;
  target[at + 10] = ssrc >>> 8;
  target[at + 11] = ssrc;
  return at + RTP_HEADER_BYTES;
}

/** Whether a datagram of a port that carries both is RTCP: packet types 192 to 223 (RFC 5761 section 4). */
export function isRtcp(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0]! >> 6 === VERSION && bytes[1]! >= 192 && bytes[1]! <= 223;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
