/**
 * What the bodies of audio and video tags have in common in enhanced RTMP v2 ("ExAudioTagHeader", "ExVideoTagHeader"):
 * modifiers (ModEx), the FourCC, and several tracks in one body (Multitrack). VideoTag and AudioTag build on it.
 * One object per publisher is used for all its tags; `advance` moves it from one track's packet to the next, so that
 * nothing is allocated per tag.
 */
import type { CodecId } from '../../codec/codec-id.ts';
import { ProtocolError } from '../../util/errors.ts';

/** Packet types of both kinds; legacy AVC and AAC tags use the same numbers. */
export const PACKET_SEQUENCE_START = 0;
export const PACKET_CODED_FRAMES = 1;
export const PACKET_SEQUENCE_END = 2;
const PACKET_MOD_EX = 7;

/** Multitrack types; 1, many tracks of one codec, is what remains. */
export const ONE_TRACK = 0;
const MANY_TRACKS_MANY_CODECS = 2;
const NOT_MULTITRACK = -1;

const MOD_EX_TIMESTAMP_OFFSET_NANO = 0;
const MAX_NANO_OFFSET = 999_999;

const EMPTY = new Uint8Array(0);

export abstract class MediaTag {
  /** The tag body; the packet's payload is its bytes from `start` to `end`. */
  body: Uint8Array;
  start: number;
  end: number;
  /** PACKET_SEQUENCE_START and so on. */
  packetType: number;
  codec: CodecId;
  /** How the wire names the codec: a legacy id (below 16) or a FourCC. */
  codecTag: number;
  /** 0 is the default track. */
  trackId: number;
  /** Nanoseconds, below a millisecond, to add to the message's time. */
  nanoOffset: number;
  /** A packet waits to be read by `advance`. */
  protected pending: boolean;
  private position: number;
  private multitrack: number;
  private readonly errorCode: string;

  constructor(errorCode: string, codec: CodecId) {
    this.body = EMPTY;
    this.start = 0;
    this.end = 0;
    this.packetType = PACKET_SEQUENCE_START;
    this.codec = codec;
    this.codecTag = 0;
    this.trackId = 0;
    this.nanoOffset = 0;
    this.pending = false;
    this.position = 0;
    this.multitrack = NOT_MULTITRACK;
    this.errorCode = errorCode;
  }

  /** Moves to the next packet of the body; false behind the last. Throws ProtocolError. */
  advance(): boolean {
    if (!this.pending) return false;
    this.pending = false;
    if (this.multitrack !== NOT_MULTITRACK) this.readTrackHeader();
    return true;
  }

  protected resetTo(body: Uint8Array): void {
    this.body = body;
    this.start = 0;
    this.end = body.length;
    this.trackId = 0;
    this.nanoOffset = 0;
    this.pending = false;
    this.position = 0;
    this.multitrack = NOT_MULTITRACK;
  }

  /** Sets `codec` to what a FourCC names. */
  protected abstract setFourCc(fourCc: number): void;

  /** Called with `start` at the data of a packet; moves it behind what stands before the codec's own bytes. */
  protected abstract readPacketHeader(): void;

  /** Reads ModEx prefixes behind the first byte; `packetType` is then the one that they modify. */
  protected readModifiers(firstPacketType: number): void {
    this.packetType = firstPacketType;
    this.position = 1;
    while (this.packetType === PACKET_MOD_EX) {
      let size = this.u8() + 1;
      if (size === 256) size = this.u16() + 1;
      const data = this.take(size);
      const next = this.u8();
      if (next >> 4 === MOD_EX_TIMESTAMP_OFFSET_NANO && size >= 3) this.nanoOffset = this.nanoOffsetAt(data);
      this.packetType = next & 15;
    }
  }

  /** Reads what is between the modifiers and the first packet. */
  protected readCodec(multitrackPacketType: number): void {
    this.pending = true;
    if (this.packetType !== multitrackPacketType) {
      this.setFourCc(this.u32());
      this.start = this.position;
      this.readPacketHeader();
      return;
    }
    const byte = this.u8();
    this.multitrack = byte >> 4;
    this.packetType = byte & 15;
    if (this.multitrack > MANY_TRACKS_MANY_CODECS) throw this.broken('multitrack type', this.multitrack);
    if (this.packetType === multitrackPacketType || this.packetType === PACKET_MOD_EX)
      throw this.broken('packet type in multitrack', this.packetType);
    if (this.multitrack !== MANY_TRACKS_MANY_CODECS) this.setFourCc(this.u32());
  }

  private readTrackHeader(): void {
    if (this.multitrack === MANY_TRACKS_MANY_CODECS) this.setFourCc(this.u32());
    this.trackId = this.u8();
    this.end = this.body.length;
    if (this.multitrack !== ONE_TRACK) {
      const size = this.u24();
      this.end = this.take(size) + size;
      this.pending = this.end < this.body.length;
      this.start = this.end - size;
    } else {
      this.start = this.position;
    }
    this.readPacketHeader();
  }

  /** Reads a big-endian number of three bytes with sign at `start` and moves `start` behind it. */
  protected takeSigned24(): number {
    const { body, start } = this;
    if (this.end - start < 3) throw this.broken('no composition time, bytes left', this.end - start);
    this.start = start + 3;
    return ((body[start]! << 24) | (body[start + 1]! << 16) | (body[start + 2]! << 8)) >> 8;
  }

  protected broken(what: string, value: number): ProtocolError {
    return new ProtocolError(this.errorCode, `${what} ${value}`);
  }

  private nanoOffsetAt(at: number): number {
    const { body } = this;
    return Math.min((body[at]! << 16) | (body[at + 1]! << 8) | body[at + 2]!, MAX_NANO_OFFSET);
  }

  private take(count: number): number {
    const at = this.position;
    if (this.body.length - at < count) throw this.broken('body cut off at byte', at);
    this.position = at + count;
    return at;
  }

  private u8(): number {
    return this.body[this.take(1)]!;
  }

  private u16(): number {
    const at = this.take(2);
    return (this.body[at]! << 8) | this.body[at + 1]!;
  }

  private u24(): number {
    const at = this.take(3);
    return (this.body[at]! << 16) | (this.body[at + 1]! << 8) | this.body[at + 2]!;
  }

  private u32(): number {
    return this.u16() * 65_536 + this.u16();
  }
}
