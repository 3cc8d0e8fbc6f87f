/**
 * FLV files: tags with their places, and the way back into the file behind a damaged part, which the reader of live
 * streams (wire/flv/tag-reader.ts) has no use for (Adobe FLV 10.1, annex E.2 to E.4.1).
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Track } from '../media/track.ts';
import { FlvIngest, type FlvIngestOutput } from '../packaging/flv-ingest.ts';
import { ProtocolError } from '../util/errors.ts';
import { MODULUS_32, serialDifference } from '../util/serial-number.ts';
import {
  FILE_HEADER_BYTES,
  TAG_AUDIO,
  TAG_HEADER_BYTES,
  TAG_SCRIPT,
  TAG_TRAILER_BYTES,
  TAG_VIDEO,
} from '../wire/flv/tag-header.ts';
import type { Checkpoint, Demuxer, DemuxerSink } from './demuxer.ts';

/** A larger tag is damage: a key frame of any real encoder fits several times. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_FILE_HEADER_BYTES = 1024;
/** Script data of AMF3 in F4V streams. */
const TAG_SCRIPT_AMF3 = 15;
/** Decoder configurations that are kept for readers that begin in the middle. */
const MAX_PRIMERS = 1024;
const MAX_PRIMER_BYTES = 64 * 1024;

/** A tag that brought a decoder configuration. */
interface Primer {
  readonly type: number;
  readonly body: Uint8Array;
}

export function flvDemuxer(sink: DemuxerSink): Demuxer {
  // Files of sound alone may have no decoder configuration at all.
  sink.checkpoint(0, new FlvCheckpoint([], 0));
  return new FlvDemuxer(sink, 0, Number.NaN, []);
}

class FlvDemuxer implements Demuxer, FlvIngestOutput {
  private readonly sink: DemuxerSink;
  private readonly ingest = new FlvIngest(this);
  private readonly primers: Primer[];
  private buffer: Buffer = Buffer.alloc(0);
  private start = 0;
  private end = 0;
  /** Place of `buffer[start]` in the file. */
  private position: number;
  private isInHeader: boolean;
  /** Looking for the next tag behind damage. */
  private isLost = false;
  private isFinishing = false;
  private lastMs: number;
  private tagPosition = 0;
  private hasNewTrack = false;
  private hasFrame = false;
  private isPriming = false;
  private skippedBytes = 0;
  private badTags = 0;
  private isCut = false;

  constructor(sink: DemuxerSink, position: number, nearMs: number, primers: readonly Primer[]) {
    this.sink = sink;
    this.position = position;
    this.lastMs = nearMs;
    this.isInHeader = position === 0;
    this.primers = [...primers];
    this.isPriming = true;
    for (const { type, body } of primers) this.ingest.tag(type, 0, body);
    this.isPriming = false;
  }

  push(bytes: Uint8Array): void {
    const kept = this.end - this.start;
    const needed = kept + bytes.length;
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
      grown.set(this.buffer.subarray(this.start, this.end));
      this.buffer = grown;
    } else this.buffer.copyWithin(0, this.start, this.end);
    this.start = 0;
    this.buffer.set(bytes, kept);
    this.end = needed;
    this.run();
  }

  finish(): void {
    this.isFinishing = true;
    this.run();
    if (this.end > this.start) this.isCut = true;
  }

  private run(): void {
    while (this.end > this.start) {
      const used = this.isInHeader ? this.fileHeader() : this.isLost ? this.findTag() : this.tag();
      if (used === 0) return;
      this.start += used;
      this.position += used;
    }
  }

  private fileHeader(): number {
    if (this.end - this.start < FILE_HEADER_BYTES) return 0;
    const size = this.buffer.readUInt32BE(this.start + 5);
    const isGood = size >= FILE_HEADER_BYTES && size <= MAX_FILE_HEADER_BYTES;
    const bytes = (isGood ? size : FILE_HEADER_BYTES) + TAG_TRAILER_BYTES;
    if (this.end - this.start < bytes) return 0;
    this.isInHeader = false;
    return bytes;
  }

  /** Bytes of the tag that was taken; 0 = more are needed. */
  private tag(): number {
    const { buffer, start } = this;
    const available = this.end - start;
    if (available < TAG_HEADER_BYTES) return 0;
    const bodyBytes = buffer.readUIntBE(start + 1, 3);
    if (!isTagType(buffer[start]!) || bodyBytes > MAX_BODY_BYTES) return this.lose();
    const whole = TAG_HEADER_BYTES + bodyBytes + TAG_TRAILER_BYTES;
    const lookahead = whole + TAG_HEADER_BYTES;
    if (available < lookahead && !this.isFinishing) return 0;
    // The last tag of a file that was cut off may lack its PreviousTagSize.
    if (available < whole - TAG_TRAILER_BYTES) return this.isFinishing ? this.lose() : 0;
    if (!this.isConfirmed(start, bodyBytes, available)) return this.lose();
    this.take(start, bodyBytes);
    return Math.min(whole, available);
  }

  /** What follows fits to the size of the tag: its PreviousTagSize, or the header of the next. */
  private isConfirmed(at: number, bodyBytes: number, available: number): boolean {
    const { buffer } = this;
    const trailer = TAG_HEADER_BYTES + bodyBytes;
    if (available < trailer + TAG_TRAILER_BYTES) return true;
    if (buffer.readUInt32BE(at + trailer) === trailer) return true;
    const next = at + trailer + TAG_TRAILER_BYTES;
    if (this.end - next < TAG_HEADER_BYTES) return true;
    return (
      isTagType(buffer[next]!) &&
      buffer.readUIntBE(next + 1, 3) <= MAX_BODY_BYTES &&
      buffer.readUIntBE(next + 8, 3) === 0
    );
  }

  private lose(): number {
    this.isLost = true;
    return this.skip(1);
  }

  /** Skips to the next place that looks like a tag with the right PreviousTagSize behind it. */
  private findTag(): number {
    const { buffer, start, end } = this;
    for (let at = start; at < end; at++) {
      if (end - at < TAG_HEADER_BYTES) {
        if (!this.isFinishing) return this.skip(at - start);
        break;
      }
      if (!isTagType(buffer[at]!) || buffer.readUIntBE(at + 8, 3) !== 0) continue;
      const bodyBytes = buffer.readUIntBE(at + 1, 3);
      if (bodyBytes === 0 || bodyBytes > MAX_BODY_BYTES) continue;
      const trailer = at + TAG_HEADER_BYTES + bodyBytes;
      if (end - trailer < TAG_TRAILER_BYTES) {
        if (!this.isFinishing) return this.skip(at - start);
        continue;
      }
      if (buffer.readUInt32BE(trailer) !== TAG_HEADER_BYTES + bodyBytes) continue;
      this.isLost = false;
      return at > start ? this.skip(at - start) : this.tag();
    }
    if (this.isFinishing) return this.giveUp();
    return this.skip(end - start);
  }

  /** No tag follows: what the file ends with is the beginning of one. */
  private giveUp(): number {
    this.isCut = true;
    return this.end - this.start;
  }

  private skip(bytes: number): number {
    this.skippedBytes += bytes;
    return bytes;
  }

  private take(at: number, bodyBytes: number): void {
    const { buffer } = this;
    const type = buffer[at]!;
    const clock = buffer.readUIntBE(at + 4, 3) + buffer[at + 7]! * 0x100_0000;
    const body = buffer.subarray(at + TAG_HEADER_BYTES, at + TAG_HEADER_BYTES + bodyBytes);
    if (bodyBytes === 0) return;
    const timeMs = this.unwrap(clock);
    this.tagPosition = this.position;
    this.hasNewTrack = false;
    this.hasFrame = false;
    try {
      this.ingest.tag(type, timeMs, body);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.badTags++;
    }
    if (this.hasNewTrack) this.remember(type, body);
  }

  private unwrap(clock: number): number {
    const last = this.lastMs;
    const timeMs = Number.isNaN(last) ? clock : last + serialDifference(clock, last, MODULUS_32);
    // A single wild stamp must not move the window in which all others are understood.
    if (Number.isNaN(last) || Math.abs(timeMs - last) < MODULUS_32 / 4) this.lastMs = timeMs;
    return timeMs;
  }

  /** Frames that bring their own config tell it again wherever one begins. */
  private remember(type: number, body: Uint8Array): void {
    if (this.hasFrame || this.primers.length === MAX_PRIMERS || body.length > MAX_PRIMER_BYTES) return;
    this.primers.push({ type, body: Uint8Array.from(body) });
    this.sink.checkpoint(this.tagPosition, new FlvCheckpoint(this.primers, this.primers.length));
  }

  setTrack(track: Track): void {
    if (this.isPriming) return;
    this.hasNewTrack = true;
    this.sink.setTrack(track);
  }

  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    this.hasFrame = true;
    this.sink.frame(trackId, flags, dtsMs, ptsMs, durationUs, payload, config, this.tagPosition);
  }

  metadata(): void {
    // What it says is what its writer believed; the tags tell.
  }

  damage(): string {
    const parts: string[] = [];
    if (this.skippedBytes > 0) parts.push(`${this.skippedBytes} bytes are no tags`);
    const frames = this.badTags + this.ingest.damagedFrames;
    if (frames > 0) parts.push(`${frames} frames are broken`);
    if (this.ingest.framesWithoutConfig > 0)
      parts.push(`nothing tells how to decode ${this.ingest.framesWithoutConfig} frames`);
    if (this.isCut) parts.push('the file was cut off');
    return parts.length === 0 ? '' : `This FLV file is damaged: ${parts.join(', ')}.`;
  }

  leftOut(): readonly string[] {
    return this.ingest.packetsBeyondTracks === 0 ? [] : ['The file has more tracks than Sluice keeps.'];
  }
}

class FlvCheckpoint implements Checkpoint {
  private readonly primers: readonly Primer[];
  private readonly count: number;

  constructor(primers: readonly Primer[], count: number) {
    this.primers = primers;
    this.count = count;
  }

  open(sink: DemuxerSink, position: number, nearMs: number): Demuxer {
    return new FlvDemuxer(sink, position, nearMs, this.primers.slice(0, this.count));
  }
}

function isTagType(type: number): boolean {
  return type === TAG_VIDEO || type === TAG_AUDIO || type === TAG_SCRIPT || type === TAG_SCRIPT_AMF3;
}
