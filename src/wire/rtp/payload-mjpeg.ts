/**
 * Motion JPEG over RTP: RFC 2435. Only scan, size and quantization tables travel; a whole JPEG picture is built from
 * them with the typical Huffman tables. Sends 4:2:0 and 4:2:2 baseline pictures with their tables in band (Q 255);
 * others cannot be sent, and `reasonNotSent` tells why. Received fields of interlaced video are pictures of their own.
 * Left out: dynamic types (128 and more), pictures of more than 2040 pixels a side unless a=fmtp tells width and
 * height.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import {
  buildJpegHeader,
  countQuantTables,
  JPEG_420,
  JpegPicture,
  type QuantTables,
} from './jpeg-picture.ts';
import { QUANT_VALUES, quantTablesOf } from './jpeg-tables.ts';
import { checkMaxPayload } from './nal-packetizer.ts';
import { fmtpNumber } from './payload-fmtp.ts';
import type {
  RtpDepacketizer,
  RtpDescription,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { UnitDepacketizer } from './unit-depacketizer.ts';

const CLOCK_RATE = 90_000;
/** RFC 3551 table 5. */
const STATIC_PAYLOAD_TYPE = 26;
const MAIN_HEADER_BYTES = 8;
const RESTART_HEADER_BYTES = 4;
const QUANT_HEADER_BYTES = 4;
/** Types from here on have restart markers; from twice that on they are dynamic. */
const RESTART_TYPE = 64;
const DYNAMIC_TYPE = 128;
/** Factors up to here name computed tables; from FIRST_IN_BAND on tables travel; the last one's may change at any time. */
const LAST_COMPUTED_Q = 99;
const FIRST_IN_BAND_Q = 128;
const CHANGING_Q = 255;
const MAX_OFFSET = 0xff_ffff;
const NO_BYTES = new Uint8Array(0);
const MAX_SIDE = 65_535;

/** Open from the first packet of a picture on. */
class MjpegDepacketizer extends UnitDepacketizer {
  /** Of pictures that are too big for the header. */
  private readonly toldWidth: number;
  private readonly toldHeight: number;
  /** By quality factor. */
  private readonly tables: (QuantTables | null)[];
  /** Bytes of the scan that came. */
  private received: number;
  /** The header of the last picture, for the next, and what it was made of. */
  private header: Uint8Array;
  private headerTables: QuantTables | null;
  private headerType: number;
  private headerSize: number;
  private headerRestart: number;

  constructor(toldWidth: number, toldHeight: number) {
    super();
    this.toldWidth = toldWidth;
    this.toldHeight = toldHeight;
    this.tables = new Array<QuantTables | null>(256).fill(null);
    this.received = 0;
    this.header = NO_BYTES;
    this.headerTables = null;
    this.headerType = -1;
    this.headerSize = -1;
    this.headerRestart = -1;
  }

  override flush(output: RtpUnitOutput): void {
    const { unit } = this;
    if (this.isOpen) {
      // Some send the end marker with the scan.
      const isEnded = unit.bytes[unit.used - 2] === 0xff && unit.bytes[unit.used - 1] === 0xd9;
      const at = isEnded ? 0 : unit.take(2);
      if (at > 0) {
        unit.bytes[at] = 0xff;
        unit.bytes[at + 1] = 0xd9;
      }
      output.unit(unit.view(), this.timestamp, this.isDamaged);
    }
    this.drop();
  }

  protected override piece(payload: Uint8Array, output: RtpUnitOutput): void {
    if (payload.length < MAIN_HEADER_BYTES) {
      this.countDamage();
      return;
    }
    const offset = (payload[1]! << 16) | (payload[2]! << 8) | payload[3]!;
    const type = payload[4]!;
    let at = MAIN_HEADER_BYTES + (type >= RESTART_TYPE ? RESTART_HEADER_BYTES : 0);
    if (type >= DYNAMIC_TYPE || type % RESTART_TYPE > JPEG_420 || at > payload.length) {
      this.countDamage();
      return;
    }
    if (offset === 0) {
      this.flush(output);
      at = this.begin(payload, at);
      if (at < 0) {
        this.countDamage();
        return;
      }
    }
    // Without its beginning there is no header, and behind a gap nothing has a place.
    if (!this.isOpen || offset !== this.received) {
      this.countDamage();
      return;
    }
    if (!this.unit.append(payload, at, payload.length)) {
      this.drop();
      this.countDamage();
      return;
    }
    this.received += payload.length - at;
  }

  /** Begins a picture; returns where its scan begins in the packet, -1 when its header makes no sense. */
  private begin(payload: Uint8Array, from: number): number {
    const type = payload[4]!;
    const quality = payload[5]!;
    let at = from;
    if (quality >= FIRST_IN_BAND_Q) {
      at = this.readTables(payload, from, quality);
      if (at < 0) return -1;
    } else if (quality > 0 && quality <= LAST_COMPUTED_Q) {
      this.tables[quality] ??= { precision: 0, values: quantTablesOf(quality) };
    }
    const tables = this.tables[quality]!;
    const width = payload[6]! * 8 || this.toldWidth;
    const height = payload[7]! * 8 || this.toldHeight;
    if (tables === null || width === 0 || height === 0) return -1;
    const restart = type < RESTART_TYPE ? 0 : (payload[from - 4]! << 8) | payload[from - 3]!;
    this.useHeader(type % RESTART_TYPE, width, height, restart, tables);
    this.isOpen = true;
    this.unit.append(this.header, 0, this.header.length);
    return at;
  }

  /** Keeps the tables in band; returns what is behind them, -1 when they are cut. */
  private readTables(payload: Uint8Array, from: number, quality: number): number {
    if (from + QUANT_HEADER_BYTES > payload.length) return -1;
    const precision = payload[from + 1]!;
    const length = (payload[from + 2]! << 8) | payload[from + 3]!;
    const start = from + QUANT_HEADER_BYTES;
    const end = start + length;
    if (end > payload.length) return -1;
    const known = this.tables[quality]!;
    if (length === 0) return known === null || quality === CHANGING_Q ? -1 : end;
    if (known !== null && known.precision === precision && isSame(known.values, payload, start, end))
      return end;
    const tables = { precision, values: payload.slice(start, end) };
    if (countQuantTables(tables) === 0) return -1;
    this.tables[quality] = tables;
    return end;
  }

  private useHeader(type: number, width: number, height: number, restart: number, tables: QuantTables): void {
    const size = width * (MAX_SIDE + 1) + height;
    if (
      this.headerTables === tables &&
      this.headerType === type &&
      this.headerSize === size &&
      this.headerRestart === restart
    ) {
      return;
    }
    this.headerTables = tables;
    this.headerType = type;
    this.headerSize = size;
    this.headerRestart = restart;
    this.header = buildJpegHeader(type, width, height, restart, tables);
  }

  private drop(): void {
    this.unit.used = 0;
    this.received = 0;
    this.isOpen = false;
    this.isDamaged = false;
  }
}

function isSame(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}

class MjpegPacketizer implements RtpPacketizer {
  /** Of the last picture; '' = it was sent. */
  reasonNotSent: string;
  private readonly maxPayload: number;
  private readonly picture: JpegPicture;

  constructor(maxPayload: number) {
    this.reasonNotSent = '';
    this.maxPayload = checkMaxPayload(maxPayload);
    this.picture = new JpegPicture();
  }

  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { picture } = this;
    this.reasonNotSent = picture.parse(payload);
    if (this.reasonNotSent !== '') return;
    const { scanStart, scanEnd, restartInterval } = picture;
    if (scanEnd - scanStart > MAX_OFFSET) {
      this.reasonNotSent = `a scan of ${scanEnd - scanStart} bytes`;
      return;
    }
    const headBytes = MAIN_HEADER_BYTES + (restartInterval > 0 ? RESTART_HEADER_BYTES : 0);
    for (let from = scanStart; from < scanEnd; ) {
      const quantBytes = from === scanStart ? QUANT_HEADER_BYTES + 2 * QUANT_VALUES : 0;
      const count = Math.min(this.maxPayload - headBytes - quantBytes, scanEnd - from);
      let to = target.begin(headBytes + quantBytes + count, from + count === scanEnd, 0);
      to = this.writeHeader(target.bytes, to, from - scanStart);
      if (quantBytes > 0) to = this.writeTables(payload, target.bytes, to);
      target.bytes.set(payload.subarray(from, from + count), to);
      from += count;
    }
  }

  private writeHeader(target: Uint8Array, at: number, offset: number): number {
    const { type, width, height, restartInterval } = this.picture;
    target[at] = 0;
    target[at + 1] = offset >>> 16;
    target[at + 2] = offset >>> 8;
    target[at + 3] = offset;
    target[at + 4] = restartInterval > 0 ? type + RESTART_TYPE : type;
    target[at + 5] = CHANGING_Q;
    target[at + 6] = (width + 7) >> 3;
    target[at + 7] = (height + 7) >> 3;
    if (restartInterval === 0) return at + MAIN_HEADER_BYTES;
    target[at + 8] = restartInterval >>> 8;
    target[at + 9] = restartInterval;
    // First and last bit and all ones: packets do not end at restart markers, only the whole picture can be decoded.
    target[at + 10] = 0xff;
    target[at + 11] = 0xff;
    return at + MAIN_HEADER_BYTES + RESTART_HEADER_BYTES;
  }

  private writeTables(payload: Uint8Array, target: Uint8Array, at: number): number {
    const { lumaQuant, chromaQuant } = this.picture;
    const size = 2 * QUANT_VALUES;
    target[at] = 0;
    target[at + 1] = 0;
    target[at + 2] = size >> 8;
    target[at + 3] = size;
    target.set(payload.subarray(lumaQuant, lumaQuant + QUANT_VALUES), at + 4);
    target.set(payload.subarray(chromaQuant, chromaQuant + QUANT_VALUES), at + 4 + QUANT_VALUES);
    return at + 4 + size;
  }
}

export const MJPEG_PAYLOAD: RtpPayloadFormat = {
  codec: 'mjpeg',
  encodingNames: ['JPEG'],

  describe(_config: CodecConfig): RtpDescription {
    const encodingName = 'JPEG';
    return { payloadType: STATIC_PAYLOAD_TYPE, encodingName, clockRate: CLOCK_RATE, channels: 0, fmtp: '' };
  },

  packetizer(_config: CodecConfig, maxPayload: number): RtpPacketizer {
    return new MjpegPacketizer(maxPayload);
  },

  config(_mapping: RtpMapping): CodecConfig | null {
    return null;
  },

  depacketizer(mapping: RtpMapping): RtpDepacketizer {
    const width = Math.min(MAX_SIDE, fmtpNumber(mapping, 'width', 0));
    const height = Math.min(MAX_SIDE, fmtpNumber(mapping, 'height', 0));
    return new MjpegDepacketizer(width, height);
  },
};
