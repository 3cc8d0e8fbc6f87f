/**
 * LATM, the other wrapping of AAC: StreamMuxConfig, AudioMuxElement and the LOAS frames of AudioSyncStream()
 * (ISO/IEC 14496-3 1.7.2 and 1.7.3). MPEG-TS carries LOAS (stream type 0x11), RTP carries AudioMuxElements (RFC 6416).
 * Reads what is sent in practice: one program of one layer. Leaves out: several programs or layers, streams of
 * different framing, CELP and HVXC, the audio multiplex of version 1A, the other two LOAS forms.
 */
import { BitReader } from '../util/bit-reader.ts';
import { ProtocolError } from '../util/errors.ts';
import { type AudioSpecificConfig, audioSpecificConfigBits, parseAudioSpecificConfig } from './aac.ts';

/** Sync word of 11 bits and a length of 13. */
export const LOAS_HEADER_BYTES = 3;
const LOAS_SYNC = 0x2b7;
const BAD_CONFIG = 'codec.bad-latm-config';
const MAX_SUBFRAMES = 64;
/** Longest AudioSpecificConfig looked for: one with a program config element and its comment. */
const MAX_CONFIG_BYTES = 512;
/** The shortest form of what follows a config: frame length type and buffer fullness. */
const MIN_TAIL_BITS = 11;
/** Longest element of which a bit-shifted copy is made; LOAS knows no longer one. */
const MAX_SHIFTED_BYTES = 0x2000;
const NO_BYTES = new Uint8Array(0);

/** Bytes of the LOAS frame at `at`, with its header; 0 when there is none or its header is cut off. */
export function loasFrameSize(bytes: Uint8Array, at = 0): number {
  if (at + LOAS_HEADER_BYTES > bytes.length) return 0;
  const head = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
  return head >>> 13 === LOAS_SYNC ? LOAS_HEADER_BYTES + (head & 0x1fff) : 0;
}

/**
 * Unpacks AudioMuxElements to raw AAC frames. For LOAS: `loasFrameSize` finds a frame, then
 * `read(bytes, at + LOAS_HEADER_BYTES, at + size)`; `record` is the AudioSpecificConfig of what `read` found.
 */
export class LatmReader {
  /** AudioSpecificConfig, own copy: the same array until it changes; null = none came yet. */
  record: Uint8Array | null;
  /** What `record` says. */
  config: AudioSpecificConfig | null;
  /** Frames that the last `read` found. */
  count: number;
  /** A sentence that says why the stream cannot be used; '' = nothing is known against it. */
  reason: string;
  private readonly hasConfigInBand: boolean;
  private subframes: number;
  /** Bytes of every frame; 0 = each tells its own. */
  private fixedBytes: number;
  private source: Uint8Array;
  private readonly starts: Int32Array;
  private readonly ends: Int32Array;
  private scratch: Uint8Array;

  /** `hasConfigInBand`: elements begin with useSameStreamMux, as in LOAS; otherwise `setConfig` must be called. */
  constructor(hasConfigInBand: boolean) {
    this.record = null;
    this.config = null;
    this.count = 0;
    this.reason = '';
    this.hasConfigInBand = hasConfigInBand;
    this.subframes = 0;
    this.fixedBytes = 0;
    this.source = NO_BYTES;
    this.starts = new Int32Array(MAX_SUBFRAMES);
    this.ends = new Int32Array(MAX_SUBFRAMES);
    this.scratch = NO_BYTES;
  }

  /** A StreamMuxConfig that came another way. Throws ProtocolError when it makes no sense or is not supported. */
  setConfig(bytes: Uint8Array): void {
    this.readConfig(new BitReader(bytes, BAD_CONFIG), bytes, 0);
  }

  /**
   * Hot path; never throws. One AudioMuxElement; false when it makes no sense or no config came yet, `count` is then
   * 0. Reads `bytes`, which must not change as long as `frame` is asked for.
   */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.count = 0;
    let bit = start * 8;
    if (this.hasConfigInBand) {
      if (start >= end) return false;
      bit++;
      if (bytes[start]! < 0x80) bit = this.readConfigInBand(bytes, start, end);
      if (bit < 0) return false;
    }
    if (this.record === null) return false;
    if ((bit & 7) === 0) return this.findFrames(bytes, bit >>> 3, end);
    if (end - start > MAX_SHIFTED_BYTES) return false;
    const shifted = this.shift(bytes, bit, end);
    return this.findFrames(this.scratch, 0, shifted);
  }

  /** Frame `index` below `count` of the last `read`: a view that is valid until the next one. */
  frame(index: number): Uint8Array {
    return this.source.subarray(this.starts[index], this.ends[index]);
  }

  private findFrames(source: Uint8Array, start: number, end: number): boolean {
    let at = start;
    for (let i = 0; i < this.subframes; i++) {
      let size = this.fixedBytes;
      if (size === 0) {
        let step = 255;
        while (step === 255) {
          if (at >= end) return false;
          step = source[at++]!;
          size += step;
        }
      }
      if (size > end - at) return false;
      this.starts[i] = at;
      at += size;
      this.ends[i] = at;
    }
    this.source = source;
    this.count = this.subframes;
    return true;
  }

  /** Copies what begins at a bit to the start of the scratch buffer; returns its whole bytes. */
  private shift(bytes: Uint8Array, bit: number, end: number): number {
    const offset = bit & 7;
    const first = bit >>> 3;
    const count = end - first - 1;
    if (this.scratch.length < count) this.scratch = new Uint8Array(Math.min(MAX_SHIFTED_BYTES, count * 2));
    const { scratch } = this;
    for (let i = 0; i < count; i++) {
      scratch[i] = (bytes[first + i]! << offset) | (bytes[first + i + 1]! >>> (8 - offset));
    }
    return count;
  }

  /** Returns the bit behind the config, or -1. */
  private readConfigInBand(bytes: Uint8Array, start: number, end: number): number {
    const bits = new BitReader(bytes, BAD_CONFIG, start, end);
    bits.skip(1);
    try {
      this.readConfig(bits, bytes.subarray(start, end), 1);
      return end * 8 - bits.remaining;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return -1;
    }
  }

  /** `bits` stands `skipped` bits behind the start of `bytes`. */
  private readConfig(bits: BitReader, bytes: Uint8Array, skipped: number): void {
    const total = bits.remaining + skipped;
    const version = bits.bits(1);
    if (version === 1) {
      if (bits.flag()) this.refuse('the audio multiplex version 1A');
      readValue(bits); // taraBufferFullness
    }
    const isSameFraming = bits.flag();
    const subframes = bits.bits(6) + 1;
    const programs = bits.bits(4) + 1;
    const layers = bits.bits(3) + 1;
    if (!isSameFraming || programs > 1 || layers > 1) this.refuse('several programs or layers');
    const configBits = version === 1 ? readValue(bits) : this.configBits(bytes, total - bits.remaining);
    const record = copyBits(bits, configBits);
    const config = parseAudioSpecificConfig(record);
    // GStreamer 1.22 ends a config that comes out of band here; what follows is then as usual.
    const isCut = skipped === 0 && isPadding(bytes, total - bits.remaining);
    if (isCut) bits.skip(bits.remaining);
    const lengthType = isCut ? 0 : bits.bits(3);
    if (lengthType > 1) this.refuse('CELP or HVXC');
    let fixedBytes = 0;
    if (lengthType === 1) fixedBytes = bits.bits(9) + 20;
    else if (!isCut) bits.skip(8); // latmBufferFullness
    if (!isCut) skipRest(bits, version);
    this.subframes = subframes;
    this.fixedBytes = fixedBytes;
    this.reason = '';
    if (this.record !== null && Buffer.compare(this.record, record) === 0) return;
    this.record = record;
    this.config = config;
  }

  /** Bits of the AudioSpecificConfig at a bit of `bytes`: version 0 does not tell its length. */
  private configBits(bytes: Uint8Array, at: number): number {
    const ahead = new BitReader(bytes, BAD_CONFIG);
    ahead.skip(at);
    const count = audioSpecificConfigBits(copyBits(ahead, Math.min(ahead.remaining, MAX_CONFIG_BYTES * 8)));
    if (count < 0) this.refuse('a codec other than AAC');
    return count;
  }

  private refuse(what: string): never {
    this.reason = `Sluice does not use LATM with ${what}.`;
    throw new ProtocolError('codec.latm-not-supported', what);
  }
}

/** Whether nothing but zeros follows, too few to say anything. */
function isPadding(bytes: Uint8Array, at: number): boolean {
  const ahead = new BitReader(bytes, BAD_CONFIG);
  ahead.skip(at);
  return ahead.remaining < MIN_TAIL_BITS && ahead.bits(ahead.remaining) === 0;
}

/** How much other data follows the frames, of which nothing is used, and the checksum. */
function skipRest(bits: BitReader, version: number): void {
  if (bits.flag()) {
    if (version === 1) readValue(bits);
    else for (let goesOn = true; goesOn; bits.skip(8)) goesOn = bits.flag();
  }
  if (bits.flag()) bits.skip(8);
}

/** LatmGetValue(): one to four bytes. */
function readValue(bits: BitReader): number {
  const count = bits.bits(2) + 1;
  return bits.bits(8 * count);
}

function copyBits(bits: BitReader, count: number): Uint8Array {
  if (count > MAX_CONFIG_BYTES * 8) throw new ProtocolError(BAD_CONFIG, `config of ${count} bits`);
  const copy = new Uint8Array((count + 7) >>> 3);
  for (let i = 0; i < copy.length; i++) {
    const take = Math.min(8, count - i * 8);
    copy[i] = bits.bits(take) << (8 - take);
  }
  return copy;
}
