/**
 * Frames to FLV tags for HTTP-FLV and, with a WebSocket header in front of every tag (RFC 6455 section 5.2, binary,
 * unmasked, unfragmented), for WS-FLV. Both are made once and shared by all players.
 */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { SlabWriter } from '../util/slab.ts';
import { FlvTagBuilder } from './flv-tag-builder.ts';

const TAG_HEADER_BYTES = 11;
const TAG_TRAILER_BYTES = 4;
const TYPE_AUDIO = 8;
const TYPE_VIDEO = 9;
const TYPE_DATA = 18;
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
    const flags = (has('audio') ? 4 : 0) | (has('video') ? 1 : 0);
    const fileHeader = Buffer.from([0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]);
    return Buffer.concat([this.wrap(fileHeader), this.headerTags(dts)]);
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
    const typeId = track.kind === 'video' ? TYPE_VIDEO : track.kind === 'audio' ? TYPE_AUDIO : TYPE_DATA;
    at = writeTagHeader(target, at, typeId, bodyBytes, frame.dts);
    const { head } = builder;
    for (let i = 0; i < headBytes; i++) target[at + i] = head[i]!;
    target.set(frame.payload, at + headBytes);
    writeU32(target, at + bodyBytes, TAG_HEADER_BYTES + bodyBytes);
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
    const parts = [this.wrap(makeTag(TYPE_DATA, this.builder.metadata(tracks, this.source.metadata), 0))];
    for (const track of tracks) {
      const header = this.builder.sequenceHeader(track);
      if (header !== null) parts.push(this.wrap(makeTag(header.typeId, header.bytes, dts)));
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

function makeTag(typeId: number, body: Uint8Array, dts: number): Buffer {
  const tag = Buffer.allocUnsafe(TAG_HEADER_BYTES + body.length + TAG_TRAILER_BYTES);
  const at = writeTagHeader(tag, 0, typeId, body.length, dts);
  tag.set(body, at);
  writeU32(tag, at + body.length, TAG_HEADER_BYTES + body.length);
  return tag;
}

function writeTagHeader(
  target: Uint8Array,
  at: number,
  typeId: number,
  bodyBytes: number,
  dts: number,
): number {
  const timestamp = Math.round(dts / 1000) >>> 0;
  target[at] = typeId;
  target[at + 1] = bodyBytes >>> 16;
  target[at + 2] = bodyBytes >>> 8;
  target[at + 3] = bodyBytes;
  target[at + 4] = timestamp >>> 16;
  target[at + 5] = timestamp >>> 8;
  target[at + 6] = timestamp;
  target[at + 7] = timestamp >>> 24;
  target[at + 8] = 0;
  target[at + 9] = 0;
  target[at + 10] = 0;
  return at + TAG_HEADER_BYTES;
}

function writeU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
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
  writeU32(target, at + 2, 0);
  writeU32(target, at + 6, payloadBytes);
  return at + 10;
}
