/**
 * AV1 over RTP: "RTP Payload Format For AV1" 1.0 of the Alliance for Open Media, sections 4.2 to 4.5. OBU elements
 * with and without size fields are read; sent are OBUs without, as section 5 asks for. Temporal delimiters and tile
 * lists never travel. Left out: the dependency descriptor (a header extension) and choosing layers of a scalable
 * stream.
 */
import { av1TemporalUnitSize, writeAv1TemporalUnit } from '../../codec/av1.ts';
import { parseAv1Config } from '../../codec/av1-config.ts';
import type { CodecConfig } from '../../codec/codec-config.ts';
import { leb128Bytes, writeLeb128 } from '../../codec/leb128.ts';
import { VIDEO_KEY } from '../../codec/video-flags.ts';
import { checkMaxPayload } from './nal-packetizer.ts';
import type {
  RtpDepacketizer,
  RtpDescription,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { MAX_UNIT_BYTES, UnitBuffer } from './unit-buffer.ts';
import { UnitDepacketizer } from './unit-depacketizer.ts';

const CLOCK_RATE = 90_000;
/** Bits of the aggregation header: first element goes on, last will go on, new coded video sequence. */
const CONTINUES = 0x80;
const WILL_CONTINUE = 0x40;
const NEW_SEQUENCE = 0x08;
const OBU_TEMPORAL_DELIMITER = 2;
const OBU_TILE_LIST = 8;
const OBU_PADDING = 15;
/** The forbidden bit and the reserved one. */
const OBU_RESERVED_BITS = 0x81;
const OBU_HAS_SIZE = 2;
const OBU_HAS_EXTENSION = 4;
/** leb128 of 32 bits. */
const MAX_LEB128_BYTES = 5;
/** OBUs of one temporal unit: 64 tile groups in each of several layers stay below. */
const MAX_OBUS_PER_UNIT = 600;

/** Open while the last element of the last packet goes on in the next. */
class Av1Depacketizer extends UnitDepacketizer {
  /** An OBU that comes in pieces, as it came. */
  private readonly pieces: UnitBuffer;
  private obus: number;
  private isOverflown: boolean;
  /** Where `leb128` ended. */
  private next: number;

  constructor() {
    super();
    this.pieces = new UnitBuffer(MAX_UNIT_BYTES);
    this.obus = 0;
    this.isOverflown = false;
    this.next = 0;
  }

  override flush(output: RtpUnitOutput): void {
    this.dropOpen();
    if (this.unit.used > 0) output.unit(this.unit.view(), this.timestamp, this.isDamaged);
    this.unit.used = 0;
    this.obus = 0;
    this.isDamaged = false;
    this.isOverflown = false;
  }

  /** A whole unit begins with an OBU that is no continuation: what was lost before it is another's. */
  protected override lose(): void {
    this.dropOpen();
    if (this.unit.used > 0) super.lose();
  }

  protected override piece(payload: Uint8Array): void {
    const head = payload[0]!;
    const count = (head >> 4) & 3;
    let isContinued = (head & CONTINUES) !== 0;
    if (!isContinued) this.dropOpen();
    let at = 1;
    for (let i = 1; at < payload.length; i++) {
      let end = payload.length;
      if (i !== count) {
        const size = this.leb128(payload, at);
        at = this.next;
        if (size < 0 || size > payload.length - at) {
          this.breakOff();
          return;
        }
        end = at + size;
      }
      const willContinue = end === payload.length && (head & WILL_CONTINUE) !== 0;
      if (i === count && !isContinued && !willContinue) at = this.behindLength(payload, at);
      if (isContinued || willContinue) this.element(payload, at, end, isContinued, willContinue);
      else this.obu(payload, at, end);
      isContinued = false;
      at = end;
      if (i === count) return;
    }
  }

  /**
   * FFmpeg 8.1 writes a length before the last element too, where the OBU before it filled a packet and another one
   * follows. Returns where the element begins: behind a length that is exactly that of the rest, where no OBU begins.
   */
  private behindLength(bytes: Uint8Array, start: number): number {
    if (start === bytes.length || this.beginsObu(bytes, start)) return start;
    const size = this.leb128(bytes, start);
    return size > 0 && size === bytes.length - this.next ? this.next : start;
  }

  private beginsObu(bytes: Uint8Array, start: number): boolean {
    const header = bytes[start]!;
    const type = (header >> 3) & 15;
    const isKnown = (type > 0 && type <= OBU_TILE_LIST) || type === OBU_PADDING;
    if (!isKnown || (header & OBU_RESERVED_BITS) !== 0) return false;
    return (header & OBU_HAS_SIZE) === 0 || av1TemporalUnitSize(bytes.subarray(start)) >= 0;
  }

  private element(
    bytes: Uint8Array,
    start: number,
    end: number,
    isContinued: boolean,
    willContinue: boolean,
  ): void {
    if (this.isOverflown) return;
    if (isContinued !== this.isOpen) {
      this.breakOff();
      return;
    }
    if (!this.pieces.append(bytes, start, end)) {
      this.overflow();
      return;
    }
    this.isOpen = willContinue;
    if (willContinue) return;
    this.obu(this.pieces.bytes, 0, this.pieces.used);
    this.pieces.used = 0;
  }

  /** A whole element. Some senders leave the size fields in, or several OBUs with sizes in one element. */
  private obu(bytes: Uint8Array, start: number, end: number): void {
    if (start === end || this.isOverflown) return;
    if (++this.obus > MAX_OBUS_PER_UNIT) {
      this.overflow();
      return;
    }
    const header = bytes[start]!;
    const type = (header >> 3) & 15;
    const headerBytes = (header & OBU_HAS_EXTENSION) !== 0 ? 2 : 1;
    if ((header & 0x80) !== 0 || end - start < headerBytes) {
      this.countDamage();
      return;
    }
    if ((header & OBU_HAS_SIZE) !== 0) {
      this.sizedObus(bytes.subarray(start, end));
      return;
    }
    if (type === OBU_TEMPORAL_DELIMITER || type === OBU_TILE_LIST) return;
    const { unit } = this;
    const size = end - start - headerBytes;
    let to = unit.take(headerBytes + leb128Bytes(size) + size);
    if (to < 0) {
      this.overflow();
      return;
    }
    unit.bytes[to++] = header | OBU_HAS_SIZE;
    if (headerBytes === 2) unit.bytes[to++] = bytes[start + 1]!;
    to = writeLeb128(unit.bytes, to, size);
    unit.bytes.set(bytes.subarray(end - size, end), to);
  }

  private sizedObus(bytes: Uint8Array): void {
    const size = av1TemporalUnitSize(bytes);
    if (size < 0) {
      this.countDamage();
      return;
    }
    const to = this.unit.take(size);
    if (to < 0) {
      this.overflow();
      return;
    }
    writeAv1TemporalUnit(bytes, this.unit.bytes, to);
  }

  /** The value at `at`, and `next` behind it; -1 = there is none. */
  private leb128(bytes: Uint8Array, at: number): number {
    let value = 0;
    this.next = at;
    for (let i = 0; i < MAX_LEB128_BYTES && at + i < bytes.length; i++) {
      const byte = bytes[at + i]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if ((byte & 0x80) !== 0) continue;
      this.next = at + i + 1;
      return value;
    }
    return -1;
  }

  private breakOff(): void {
    this.countDamage();
    this.isOpen = false;
    this.pieces.used = 0;
  }

  private dropOpen(): void {
    if (this.isOpen) this.breakOff();
  }

  private overflow(): void {
    this.breakOff();
    this.unit.used = 0;
    this.isOverflown = true;
  }
}

/** Elements of one packet: more would need length fields for all, and there is nearly always one frame in a unit. */
const MAX_ELEMENTS = 3;
/** A packet's rest that is smaller is left empty, so that no OBU begins with next to nothing. */
const LEAST_PIECE = 16;

class Av1Packetizer implements RtpPacketizer {
  private readonly room: number;
  /** Of the OBU at the cursor: where it starts, bytes of its header, where what is behind its size field starts, its end. */
  private start: number;
  private headerBytes: number;
  private bodyStart: number;
  private end: number;
  /** Bytes of the OBU without its size field, and how many of them were sent. */
  private size: number;
  private sent: number;
  /** Where the elements of the packet in the making come from: start, headerBytes, bodyStart, skip and count of each. */
  private readonly plan: Int32Array;

  constructor(maxPayload: number) {
    this.room = checkMaxPayload(maxPayload) - 1;
    this.start = 0;
    this.headerBytes = 0;
    this.bodyStart = 0;
    this.end = 0;
    this.size = 0;
    this.sent = 0;
    this.plan = new Int32Array(MAX_ELEMENTS * PLAN_FIELDS);
  }

  packetize(payload: Uint8Array, flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    this.end = 0;
    let head = (flags & VIDEO_KEY) !== 0 ? NEW_SEQUENCE : 0;
    for (let hasMore = this.nextObu(payload); hasMore; ) {
      const isContinued = this.sent > 0;
      let elements = 0;
      let used = 0;
      let isFull = false;
      while (hasMore && !isFull) {
        const left = this.room - used;
        const rest = this.size - this.sent;
        const count = Math.min(rest, left);
        this.note(elements++, count);
        used += count;
        if (count < rest) {
          this.sent += count;
          break;
        }
        hasMore = this.nextObu(payload);
        const lengthBytes = leb128Bytes(count);
        isFull = elements === MAX_ELEMENTS || this.room - used - lengthBytes < LEAST_PIECE;
        if (hasMore && !isFull) used += lengthBytes;
      }
      const willContinue = this.sent > 0;
      head |= (isContinued ? CONTINUES : 0) | (willContinue ? WILL_CONTINUE : 0) | (elements << 4);
      this.write(payload, head, elements, 1 + used, !hasMore, target);
      head = 0;
    }
  }

  private note(element: number, count: number): void {
    const { plan } = this;
    const at = element * PLAN_FIELDS;
    plan[at] = this.start;
    plan[at + 1] = this.headerBytes;
    plan[at + 2] = this.bodyStart;
    plan[at + 3] = this.sent;
    plan[at + 4] = count;
  }

  private write(
    payload: Uint8Array,
    head: number,
    elements: number,
    size: number,
    marker: boolean,
    target: RtpPayloadTarget,
  ): void {
    let to = target.begin(size, marker, 0);
    const { bytes } = target;
    bytes[to++] = head;
    for (let i = 0; i < elements; i++) {
      const at = i * PLAN_FIELDS;
      const start = this.plan[at]!;
      const headerBytes = this.plan[at + 1]!;
      const bodyStart = this.plan[at + 2]!;
      const skip = this.plan[at + 3]!;
      const count = this.plan[at + 4]!;
      if (i + 1 < elements) to = writeLeb128(bytes, to, count);
      let done = 0;
      for (; skip + done < headerBytes && done < count; done++) {
        const byte = payload[start + skip + done]!;
        bytes[to++] = skip + done === 0 ? byte & ~OBU_HAS_SIZE : byte;
      }
      const from = bodyStart + skip + done - headerBytes;
      bytes.set(payload.subarray(from, from + count - done), to);
      to += count - done;
    }
  }

  /** Moves the cursor to the next OBU that travels; false at the end, and where the bytes make no sense. */
  private nextObu(bytes: Uint8Array): boolean {
    this.sent = 0;
    while (this.end < bytes.length) {
      const start = this.end;
      const header = bytes[start]!;
      const type = (header >> 3) & 15;
      const headerBytes = (header & OBU_HAS_EXTENSION) !== 0 ? 2 : 1;
      if ((header & OBU_HAS_SIZE) === 0) return false;
      let at = start + headerBytes;
      let size = 0;
      for (let i = 0; ; i++, at++) {
        if (i === MAX_LEB128_BYTES || at >= bytes.length) return false;
        size += (bytes[at]! & 0x7f) * 2 ** (7 * i);
        if ((bytes[at]! & 0x80) === 0) break;
      }
      at++;
      if (size > bytes.length - at) return false;
      this.start = start;
      this.headerBytes = headerBytes;
      this.bodyStart = at;
      this.end = at + size;
      this.size = headerBytes + size;
      if (type !== OBU_TEMPORAL_DELIMITER && type !== OBU_TILE_LIST) return true;
    }
    return false;
  }
}

const PLAN_FIELDS = 5;

export const AV1_PAYLOAD: RtpPayloadFormat = {
  codec: 'av1',
  encodingNames: ['AV1'],

  describe(config: CodecConfig): RtpDescription {
    let fmtp = '';
    if (config.record.length > 0) {
      const { profile, levelIndex, highTier } = parseAv1Config(config.record);
      fmtp = `profile=${profile}; level-idx=${levelIndex}; tier=${highTier ? 1 : 0}`;
    }
    return { payloadType: -1, encodingName: 'AV1', clockRate: CLOCK_RATE, channels: 0, fmtp };
  },

  packetizer(_config: CodecConfig, maxPayload: number): RtpPacketizer {
    return new Av1Packetizer(maxPayload);
  },

  /** SDP tells profile and level only; the sequence header comes in band. */
  config(_mapping: RtpMapping): CodecConfig | null {
    return null;
  },

  depacketizer(_mapping: RtpMapping): RtpDepacketizer {
    return new Av1Depacketizer();
  },
};
