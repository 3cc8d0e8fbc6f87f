/**
 * PES packets of one PID out of transport packets: ISO/IEC 13818-1 2.4.3.6 and 2.4.3.7. A picture that its sender cut
 * into several PES packets comes out in one piece. Leaves out: every optional field but the two timestamps.
 */

const FIRST_BUFFER_BYTES = 4096;
/** A buffer that grew larger than this is given back after its packet. */
const KEPT_BUFFER_BYTES = 256 * 1024;
const PREFIX_BYTES = 6;
const FIXED_BYTES = 9;
/** A video packet nearly as long as the length field can say is probably continued in the next one. */
const LONG_PES_BYTES = 0xf000;
const NO_TIME = -1;

/** One PES packet; valid during the call that hands it over. */
export class PesPacket {
  pid = 0;
  /** 33-bit values of the 90 kHz clock; -1 = the packet has none. `dts` equals `pts` where it was left out. */
  pts = NO_TIME;
  dts = NO_TIME;
  payload: Uint8Array = new Uint8Array(0);
  /** Where in the stream its first transport packet begins, bytes. */
  position = 0;
  /** Transport packets are missing in it. */
  isDamaged = false;
  /** Transport packets were missing since the last one that began: others may have been lost whole. */
  isAfterLoss = false;
}

export class PesReader {
  readonly pid: number;
  /** Times that transport packets were missing. */
  continuityErrors = 0;
  /** PES packets dropped because of their size. */
  tooLarge = 0;
  /** A larger packet is dropped. */
  readonly maxBytes: number;
  private readonly packet: PesPacket;
  private readonly onPacket: (packet: PesPacket) => void;
  private buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  private used = 0;
  private isOpen = false;
  /** Bytes of the packet with its headers; 0 = open end, or not known yet. */
  private total = 0;
  /** Where the payload begins; 0 = the header is not complete yet. */
  private payloadAt = 0;
  private pts = NO_TIME;
  private dts = NO_TIME;
  private position = 0;
  private isDamaged = false;
  private isAfterLoss = false;
  private isLossDue = false;
  private mayContinue = false;
  private continuity = -1;
  private repeats = 0;

  /** `packet` is the object to hand over; readers of one stream share it. */
  constructor(pid: number, maxBytes: number, packet: PesPacket, onPacket: (packet: PesPacket) => void) {
    this.pid = pid;
    this.maxBytes = maxBytes;
    this.packet = packet;
    this.onPacket = onPacket;
  }

  /** Payload of one transport packet, `bytes[start, end)`; `isJump`: the counter may jump here. Hot path. */
  take(
    bytes: Uint8Array,
    start: number,
    end: number,
    isUnitStart: boolean,
    continuity: number,
    isJump: boolean,
    position: number,
  ): void {
    if (this.continuity >= 0 && !isJump) {
      if (continuity === this.continuity && this.repeats === 0) {
        // 2.4.3.3 allows to send a packet twice.
        this.repeats = 1;
        return;
      }
      if (continuity !== ((this.continuity + 1) & 15)) {
        this.continuityErrors++;
        this.isDamaged = true;
        this.isLossDue = true;
      }
    }
    this.repeats = 0;
    this.continuity = continuity;
    if (isUnitStart) {
      if (this.isOpen && this.isContinuation(bytes, start, end)) {
        const header = start + FIXED_BYTES + bytes[start + 8]!;
        const length = (bytes[start + 4]! << 8) | bytes[start + 5]!;
        this.total = length === 0 ? 0 : this.used + length + PREFIX_BYTES - (header - start);
        this.mayContinue = length === 0 || length >= LONG_PES_BYTES;
        this.append(bytes, header, end);
        return;
      }
      this.flush(false);
      this.isOpen = true;
      this.used = 0;
      this.total = 0;
      this.payloadAt = 0;
      this.position = position;
      this.isDamaged = false;
      this.isAfterLoss = this.isLossDue;
      this.isLossDue = false;
    }
    if (this.isOpen) this.append(bytes, start, end);
  }

  /** A packet without a time whose payload does not begin with a start code goes on with the picture before it. */
  private isContinuation(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.mayContinue || end - start < FIXED_BYTES) return false;
    const payload = start + FIXED_BYTES + bytes[start + 8]!;
    if ((bytes[start + 7]! & 0x80) !== 0 || end - payload < 4) return false;
    if (bytes[start] !== 0 || bytes[start + 1] !== 0 || bytes[start + 2] !== 1) return false;
    const hasStartCode =
      bytes[payload] === 0 &&
      bytes[payload + 1] === 0 &&
      (bytes[payload + 2] === 1 || (bytes[payload + 2] === 0 && bytes[payload + 3] === 1));
    return !hasStartCode;
  }

  private append(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start;
    if (count <= 0) return;
    if (this.used + count > this.maxBytes) {
      this.tooLarge++;
      this.drop();
      return;
    }
    if (this.used + count > this.buffer.length) this.grow(this.used + count);
    this.buffer.set(bytes.subarray(start, end), this.used);
    this.used += count;
    if (this.payloadAt === 0 && !this.readHeader()) return;
    if (this.total > 0 && this.used >= this.total && !this.mayContinue) this.flush(false);
  }

  private grow(bytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(this.buffer.length * 2, this.maxBytes)));
    grown.set(this.buffer.subarray(0, this.used));
    this.buffer = grown;
  }

  /** False while the header is not complete, and when there is none. */
  private readHeader(): boolean {
    const { buffer } = this;
    if (this.used < FIXED_BYTES) return false;
    const streamId = buffer[3]!;
    const isPes = buffer[0] === 0 && buffer[1] === 0 && buffer[2] === 1 && hasTimes(streamId);
    if (!isPes || (buffer[6]! & 0xc0) !== 0x80) {
      this.drop();
      return false;
    }
    const payloadAt = FIXED_BYTES + buffer[8]!;
    if (this.used < payloadAt) return false;
    const length = (buffer[4]! << 8) | buffer[5]!;
    this.payloadAt = payloadAt;
    this.total = length === 0 ? 0 : Math.max(payloadAt, PREFIX_BYTES + length);
    this.mayContinue = (streamId & 0xf0) === 0xe0 && (length === 0 || length >= LONG_PES_BYTES);
    const flags = buffer[7]! >> 6;
    const headerBytes = buffer[8]!;
    this.pts = flags >= 2 && headerBytes >= 5 ? readTime(buffer, FIXED_BYTES) : NO_TIME;
    this.dts = flags === 3 && headerBytes >= 10 ? readTime(buffer, FIXED_BYTES + 5) : this.pts;
    return true;
  }

  /** Hands over what is there. `isEnd`: nothing follows, so a packet that is not complete is dropped. */
  flush(isEnd: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const end = this.total > 0 ? Math.min(this.total, this.used) : this.used;
    const isShort = this.total > 0 && this.used < this.total;
    if (this.payloadAt > 0 && end > this.payloadAt && !(isEnd && isShort)) {
      const { packet } = this;
      packet.pid = this.pid;
      packet.pts = this.pts;
      packet.dts = this.dts;
      packet.position = this.position;
      packet.isDamaged = this.isDamaged || isShort;
      packet.isAfterLoss = this.isAfterLoss;
      packet.payload = this.buffer.subarray(this.payloadAt, end);
      this.onPacket(packet);
    }
    if (this.buffer.length > KEPT_BUFFER_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  }

  private drop(): void {
    this.isOpen = false;
    if (this.buffer.length > KEPT_BUFFER_BYTES) this.buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  }
}

/** Stream ids whose packets have the header with timestamps (table 2-21): video, audio, private stream 1, extended. */
function hasTimes(streamId: number): boolean {
  return (
    (streamId >= 0xc0 && streamId <= 0xef) || streamId === 0xbd || streamId === 0xfd || streamId === 0xfa
  );
}

/** 3, 15 and 15 bits, each followed by a marker bit. */
function readTime(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! >> 1) & 7;
  const middle = (bytes[at + 1]! << 7) | (bytes[at + 2]! >> 1);
  const low = (bytes[at + 3]! << 7) | (bytes[at + 4]! >> 1);
  return high * 0x4000_0000 + middle * 0x8000 + low;
}
