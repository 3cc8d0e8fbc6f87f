/**
 * Frames to FLV tags for HTTP-FLV and, with a WebSocket header in front of every tag (RFC 6455 section 5.2, binary,
 * unmasked, unfragmented), for WS-FLV. Both are made once and shared by all players.
 */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { SlabWriter } from '../util/slab.ts';
import {
  serializeFileHeader,
  TAG_AUDIO,
  TAG_HEADER_BYTES,
  TAG_SCRIPT,
  TAG_TRAILER_BYTES,
  TAG_VIDEO,
  writeTagHeader,
  writeTagTrailer,
} from '../wire/flv/tag-header.ts';
import { serializeTag } from '../wire/flv/tag-writer.ts';
import { FlvTagBuilder } from './flv-tag-builder.ts';

const MAX_TRACKS = 64;
const NOTHING = new Uint8Array(0);

export const flvFormat: FeedFormat = { name: 'flv', open: (source) => new FlvFeedEncoder(source, false) };
export const wsFlvFormat: FeedFormat = { name: 'ws-flv', open: (source) => new FlvFeedEncoder(source, true) };

class FlvFeedEncoder implements FeedEncoder {
  private readonly source: FeedSource;
  private readonly webSocket: boolean;
  private readonly builder = new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: null });
  private readonly carried: (Track | undefined)[] = new Array<Track | undefined>(MAX_TRACKS).fill(undefined);
  private knownTracks: readonly Track[] | null = null;

  constructor(source: FeedSource, webSocket: boolean) {
    this.source = source;
    this.webSocket = webSocket;
  }

  prologue(dts: number): Uint8Array {
    const has = (kind: string) =>
      this.source.tracks.some((track) => track.kind === kind && this.builder.canCarry(track));
    return Buffer.concat([this.wrap(serializeFileHeader(has('audio'), has('video'))), this.headerTags(dts)]);
  }

  tracksChanged(dts: number): Uint8Array {
    this.refreshTracks();
    return this.headerTags(dts);
  }

  epilogue(): Uint8Array {
    return NOTHING;
  }

  leftOut(): readonly LeftOut[] {
    return this.source.tracks
      .filter((track) => !this.builder.canCarry(track))
      .map((track) => ({ track, reason: this.builder.reasonNotCarried(track) }));
  }

  encode(frame: Frame, slab: SlabWriter): boolean {
    if (this.knownTracks !== this.source.tracks) this.refreshTracks();
    const track = this.carried[frame.trackId % MAX_TRACKS];
    if (track === undefined) return false;
    const { builder } = this;
    const headBytes = builder.writeHead(frame, track);
    const bodyBytes = headBytes + frame.payload.length;
    const tagBytes = TAG_HEADER_BYTES + bodyBytes + TAG_TRAILER_BYTES;
    const wrapBytes = this.webSocket ? webSocketHeaderBytes(tagBytes) : 0;
    let at = slab.reserve(wrapBytes + tagBytes, frame.arrival);
    const target = slab.slab;
    if (this.webSocket) at = writeWebSocketHeader(target, at, tagBytes);
    const typeId = track.kind === 'video' ? TAG_VIDEO : track.kind === 'audio' ? TAG_AUDIO : TAG_SCRIPT;
    at = writeTagHeader(target, at, typeId, bodyBytes, toMilliseconds(frame.dts));
    const { head } = builder;
    for (let i = 0; i < headBytes; i++) target[at + i] = head[i]!;
    target.set(frame.payload, at + headBytes);
    writeTagTrailer(target, at + bodyBytes, bodyBytes);
    return true;
  }

  private refreshTracks(): void {
    this.knownTracks = this.source.tracks;
    this.carried.fill(undefined);
    for (const track of this.source.tracks) {
      if (this.builder.canCarry(track)) this.carried[track.id % MAX_TRACKS] = track;
    }
  }

  private headerTags(dts: number): Uint8Array {
    const tracks = this.source.tracks.filter((track) => this.builder.canCarry(track));
    // Metadata carry time 0: FFmpeg takes later ones for a subtitle track.
    const parts = [
      this.wrap(serializeTag(TAG_SCRIPT, 0, this.builder.metadata(tracks, this.source.metadata))),
    ];
    for (const track of tracks) {
      const header = this.builder.sequenceHeader(track);
      if (header !== null)
        parts.push(this.wrap(serializeTag(header.typeId, toMilliseconds(dts), header.bytes)));
    }
    return Buffer.concat(parts);
  }

  private wrap(bytes: Uint8Array): Uint8Array {
    if (!this.webSocket) return bytes;
    const headerBytes = webSocketHeaderBytes(bytes.length);
    const wrapped = Buffer.allocUnsafe(headerBytes + bytes.length);
    writeWebSocketHeader(wrapped, 0, bytes.length);
    wrapped.set(bytes, headerBytes);
    return wrapped;
  }
}

function webSocketHeaderBytes(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 0x10000 ? 4 : 10;
}

function writeWebSocketHeader(target: Uint8Array, at: number, payloadBytes: number): number {
  target[at] = 0x82;
  if (payloadBytes < 126) {
    target[at + 1] = payloadBytes;
    return at + 2;
  }
  if (payloadBytes < 0x10000) {
    target[at + 1] = 126;
    target[at + 2] = payloadBytes >>> 8;
    target[at + 3] = payloadBytes;
    return at + 4;
  }
  target[at + 1] = 127;
  target.fill(0, at + 2, at + 6);
  target[at + 6] = payloadBytes >>> 24;
  target[at + 7] = payloadBytes >>> 16;
  target[at + 8] = payloadBytes >>> 8;
  target[at + 9] = payloadBytes;
  return at + 10;
}

/** Stream time on FLV's 32-bit millisecond clock. */
function toMilliseconds(us: number): number {
  return Math.round(us / 1000) >>> 0;
}
