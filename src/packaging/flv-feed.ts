/** Frames to FLV tags (Adobe FLV 10.1 annex E) for HTTP-FLV, and for WS-FLV with one tag per WebSocket message. */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { ByteTarget } from '../util/slab.ts';
import {
  FILE_HEADER_BYTES,
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
import { CarriedTracks } from './carried-tracks.ts';
import { FlvTagBuilder } from './flv-tag-builder.ts';
import { FLV_SOUND } from './sound-needs.ts';
import { webSocketFormat } from './websocket-feed.ts';

/** The F of FLV; no tag has this type. */
const FILE_HEADER_FIRST_BYTE = 0x46;
const NOTHING = new Uint8Array(0);

export const flvFormat: FeedFormat = {
  name: 'flv',
  sound: FLV_SOUND,
  open: (source) => new FlvFeedEncoder(source),
};
export const wsFlvFormat: FeedFormat = webSocketFormat(flvFormat, pieceEnd);

class FlvFeedEncoder implements FeedEncoder {
  private readonly source: FeedSource;
  private readonly builder = new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: null });
  private readonly tracks: CarriedTracks;

  constructor(source: FeedSource) {
    this.source = source;
    this.tracks = new CarriedTracks(source, (track) => this.builder.reasonNotCarried(track));
  }

  prologue(dts: number): Uint8Array {
    const has = (kind: string) => this.tracks.all().some((track) => track.kind === kind);
    return Buffer.concat([serializeFileHeader(has('audio'), has('video')), this.headerTags(dts)]);
  }

  tracksChanged(dts: number): Uint8Array {
    return this.headerTags(dts);
  }

  epilogue(): Uint8Array {
    return NOTHING;
  }

  leftOut(): readonly LeftOut[] {
    return this.tracks.leftOut();
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    const track = this.tracks.find(frame.trackId);
    if (track === undefined) return false;
    const { builder } = this;
    const headBytes = builder.writeHead(frame, track);
    const bodyBytes = headBytes + frame.payload.length;
    let at = target.reserve(TAG_HEADER_BYTES + bodyBytes + TAG_TRAILER_BYTES, frame.arrival);
    const { slab } = target;
    const typeId = track.kind === 'video' ? TAG_VIDEO : track.kind === 'audio' ? TAG_AUDIO : TAG_SCRIPT;
    at = writeTagHeader(slab, at, typeId, bodyBytes, toMilliseconds(frame.dts));
    const { head } = builder;
    for (let i = 0; i < headBytes; i++) slab[at + i] = head[i]!;
    slab.set(frame.payload, at + headBytes);
    writeTagTrailer(slab, at + bodyBytes, bodyBytes);
    return true;
  }

  private headerTags(dts: number): Buffer {
    const tracks = this.tracks.all();
    // Metadata carry time 0: FFmpeg takes later ones for a subtitle track.
    const parts: Uint8Array[] = [
      serializeTag(TAG_SCRIPT, 0, this.builder.metadata(tracks, this.source.metadata)),
    ];
    for (const track of tracks) {
      const header = this.builder.sequenceHeader(track);
      if (header !== null) parts.push(serializeTag(header.typeId, toMilliseconds(dts), header.bytes));
    }
    return Buffer.concat(parts);
  }
}

/** Where the file header or the tag at `at` ends, with the size that follows it. */
function pieceEnd(bytes: Uint8Array, at: number): number {
  if (at === 0 && bytes[0] === FILE_HEADER_FIRST_BYTE) return FILE_HEADER_BYTES + TAG_TRAILER_BYTES;
  const bodyBytes = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return at + TAG_HEADER_BYTES + bodyBytes + TAG_TRAILER_BYTES;
}

/** Stream time on FLV's 32-bit millisecond clock. */
function toMilliseconds(us: number): number {
  return Math.round(us / 1000) >>> 0;
}
