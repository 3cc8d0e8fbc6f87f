/**
 * Cuts access units into packets, for H.264 (RFC 6184 sections 5.6 to 5.8) and H.265 (RFC 7798 sections 4.4.1 to
 * 4.4.3) alike: NAL units that fit together share an aggregation packet, too big ones are fragmented, and a key frame
 * that has no parameter sets of its own gets those of its config, since a player knows only the SDP of its beginning.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { VIDEO_IN_BAND_CONFIG, VIDEO_KEY } from '../../codec/video-flags.ts';
import { InvariantError } from '../../util/errors.ts';
import type { RtpPacketizer, RtpPayloadTarget } from './payload-format.ts';

/** Smallest packet payload that any of the video formats can be cut into. */
const MIN_MAX_PAYLOAD = 64;
/** NAL units of one aggregation packet; a packet of more is begun anew. */
const MAX_AGGREGATED = 32;
const LENGTH_BYTES = 4;
const NO_SETS = new Uint8Array(0);

/** Throws InvariantError for a packet size that no payload fits into. */
export function checkMaxPayload(maxPayload: number): number {
  if (maxPayload < MIN_MAX_PAYLOAD) throw new InvariantError(`packets of ${maxPayload} bytes`);
  return maxPayload;
}

export abstract class NalPacketizer implements RtpPacketizer {
  private readonly maxPayload: number;
  private readonly headerBytes: number;
  private config: CodecConfig | null;
  /** Parameter sets of `config`, each behind its length. */
  private sets: Uint8Array;
  /** NAL units that wait for company: where they are, negative (with all bits turned) = in `sets`. */
  private readonly waitingStart: Int32Array;
  private readonly waitingSize: Int32Array;
  private waiting: number;
  /** Of the aggregation packet of all that wait. */
  private waitingBytes: number;

  protected constructor(maxPayload: number, headerBytes: number) {
    this.maxPayload = checkMaxPayload(maxPayload);
    this.headerBytes = headerBytes;
    this.config = null;
    this.sets = NO_SETS;
    this.waitingStart = new Int32Array(MAX_AGGREGATED);
    this.waitingSize = new Int32Array(MAX_AGGREGATED);
    this.waiting = 0;
    this.waitingBytes = headerBytes;
  }

  /** The parameter sets of a config, each behind a 4-byte length; empty when it has none. */
  protected abstract setsOf(config: CodecConfig): Uint8Array;
  /** Writes headerBytes bytes; `header` and `second` are what `merge...` made of those of all NAL units in it. */
  protected abstract writeAggregationHeader(
    target: Uint8Array,
    at: number,
    header: number,
    second: number,
  ): void;
  /** What tells the header byte of an aggregation packet: of two NAL units, or of those so far and the next. */
  protected abstract mergeHeaders(header: number, next: number): number;
  /** The same for the second header byte, where the codec has one. */
  protected abstract mergeSeconds(second: number, next: number): number;
  /** Writes headerBytes + 1 bytes: payload header and fragment header without the bits of start (128) and end (64). */
  protected abstract writeFragmentHeader(
    target: Uint8Array,
    at: number,
    header: number,
    second: number,
    bits: number,
  ): void;

  packetize(payload: Uint8Array, flags: number, config: CodecConfig, target: RtpPayloadTarget): void {
    const last = lastNalStart(payload, this.headerBytes);
    if (last < 0) return;
    if ((flags & (VIDEO_KEY | VIDEO_IN_BAND_CONFIG)) === VIDEO_KEY) {
      if (this.config !== config) {
        this.config = config;
        this.sets = this.setsOf(config);
      }
      this.walk(this.sets, payload, -1, target);
    }
    this.walk(payload, payload, last, target);
    this.emitWaiting(payload, true, target);
  }

  /** `last`: start of the NAL unit that ends the frame. */
  private walk(bytes: Uint8Array, payload: Uint8Array, last: number, target: RtpPayloadTarget): void {
    const { maxPayload } = this;
    const isSet = bytes === this.sets;
    for (let at = 0; at + LENGTH_BYTES <= bytes.length; ) {
      const size = readLength(bytes, at);
      const start = at + LENGTH_BYTES;
      if (size > bytes.length - start) return;
      at = start + size;
      if (size < this.headerBytes) continue;
      if (this.waiting === MAX_AGGREGATED || this.waitingBytes + 2 + size > maxPayload) {
        this.emitWaiting(payload, false, target);
      }
      if (size > maxPayload) this.emitFragments(bytes, start, size, start === last, target);
      else {
        this.waitingStart[this.waiting] = isSet ? ~start : start;
        this.waitingSize[this.waiting++] = size;
        this.waitingBytes += 2 + size;
      }
    }
  }

  private emitWaiting(payload: Uint8Array, marker: boolean, target: RtpPayloadTarget): void {
    const { waiting, waitingStart, waitingSize } = this;
    if (waiting === 0) return;
    const isSingle = waiting === 1;
    let to = target.begin(isSingle ? waitingSize[0]! : this.waitingBytes, marker, 0);
    const headerAt = to;
    let header = 0;
    let second = 0;
    if (!isSingle) to += this.headerBytes;
    for (let i = 0; i < waiting; i++) {
      const position = waitingStart[i]!;
      const bytes = position < 0 ? this.sets : payload;
      const start = position < 0 ? ~position : position;
      const size = waitingSize[i]!;
      header = i === 0 ? bytes[start]! : this.mergeHeaders(header, bytes[start]!);
      second = i === 0 ? bytes[start + 1]! : this.mergeSeconds(second, bytes[start + 1]!);
      if (!isSingle) {
        target.bytes[to] = size >>> 8;
        target.bytes[to + 1] = size;
        to += 2;
      }
      target.bytes.set(bytes.subarray(start, start + size), to);
      to += size;
    }
    if (!isSingle) this.writeAggregationHeader(target.bytes, headerAt, header, second);
    this.waiting = 0;
    this.waitingBytes = this.headerBytes;
  }

  private emitFragments(
    bytes: Uint8Array,
    start: number,
    size: number,
    marker: boolean,
    target: RtpPayloadTarget,
  ): void {
    const { headerBytes } = this;
    const head = headerBytes + 1;
    const room = this.maxPayload - head;
    const end = start + size;
    for (let from = start + headerBytes; from < end; ) {
      const count = Math.min(room, end - from);
      const isEnd = from + count === end;
      const bits = (from === start + headerBytes ? 0x80 : 0) | (isEnd ? 0x40 : 0);
      const to = target.begin(head + count, marker && isEnd, 0);
      this.writeFragmentHeader(target.bytes, to, bytes[start]!, bytes[start + 1]!, bits);
      target.bytes.set(bytes.subarray(from, from + count), to + head);
      from += count;
    }
  }
}

/** NAL units, each behind its 4-byte length. */
export function joinNals(lists: readonly (readonly Uint8Array[])[]): Uint8Array {
  let size = 0;
  for (const nals of lists) for (const nal of nals) size += LENGTH_BYTES + nal.length;
  const joined = new Uint8Array(size);
  let at = 0;
  for (const nals of lists) {
    for (const nal of nals) {
      joined[at + 2] = nal.length >>> 8;
      joined[at + 3] = nal.length;
      joined.set(nal, at + LENGTH_BYTES);
      at += LENGTH_BYTES + nal.length;
    }
  }
  return joined;
}

function readLength(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Where the last NAL unit that is sent begins; -1 when there is none. */
function lastNalStart(bytes: Uint8Array, headerBytes: number): number {
  let last = -1;
  for (let at = 0; at + LENGTH_BYTES <= bytes.length; ) {
    const size = readLength(bytes, at);
    const start = at + LENGTH_BYTES;
    if (size > bytes.length - start) break;
    if (size >= headerBytes) last = start;
    at = start + size;
  }
  return last;
}
