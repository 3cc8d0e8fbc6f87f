/**
 * Frames to RTMP chunks that all players share: one chunk size, one message stream id, type 0 headers with absolute
 * stream time (RTMP specification 5.3.1). What differs between players (message stream id, enhanced codecs) is part
 * of the format's name, so that each variant is made once and only while somebody uses it.
 */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { ByteTarget } from '../util/slab.ts';
import { chunkedLength, serializeMessage, writeChunked } from '../wire/rtmp/chunk-writer.ts';
import { CarriedTracks } from './carried-tracks.ts';
import { FlvTagBuilder } from './flv-tag-builder.ts';
import { aacFor } from './sound-needs.ts';

const AUDIO_CHUNK_STREAM = 4;
const DATA_CHUNK_STREAM = 5;
const VIDEO_CHUNK_STREAM = 6;
const TYPE_AUDIO = 8;
const TYPE_VIDEO = 9;
const TYPE_DATA = 18;
const NOTHING = new Uint8Array(0);
/** The AMF0 string `@setDataFrame`. */
const SET_DATA_FRAME = Buffer.from('\x02\x00\x0d@setDataFrame', 'latin1');

export interface RtmpFormatOptions {
  readonly chunkSize: number;
  readonly messageStreamId: number;
  /** What the peer said it takes; null = everything by FourCC, an empty set = legacy codecs only. */
  readonly fourCcs: ReadonlySet<string> | null;
  readonly multitrack: boolean;
  /** We publish to a server, which wants metadata wrapped for keeping. */
  readonly publishes?: boolean;
}

export function rtmpFormat(options: RtmpFormatOptions): FeedFormat {
  const codecs = options.fourCcs === null ? '*' : [...options.fourCcs].sort().join(',');
  const { fourCcs, multitrack, messageStreamId, chunkSize, publishes } = options;
  const enhanced = fourCcs === null || fourCcs.size > 0;
  const builder = new FlvTagBuilder({ enhanced, multitrack, fourCcs });
  const carried = `${codecs}${multitrack ? ':multi' : ''}`;
  return {
    name: `rtmp:${messageStreamId}:${chunkSize}:${carried}${publishes ? ':publish' : ''}`,
    sound: aacFor(`rtmp:${carried}`, (track) => builder.canCarry(track)),
    open: (source) => new RtmpFeedEncoder(source, options, builder),
  };
}

class RtmpFeedEncoder implements FeedEncoder {
  private readonly source: FeedSource;
  private readonly options: RtmpFormatOptions;
  private readonly builder: FlvTagBuilder;
  private readonly tracks: CarriedTracks;

  constructor(source: FeedSource, options: RtmpFormatOptions, builder: FlvTagBuilder) {
    this.source = source;
    this.options = options;
    this.builder = builder;
    this.tracks = new CarriedTracks(source, (track) => builder.reasonNotCarried(track));
  }

  prologue(dts: number): Uint8Array {
    const timestamp = toMilliseconds(dts);
    const parts: Uint8Array[] = [this.dataMessage()];
    for (const track of this.tracks.all()) parts.push(this.headerMessage(track, timestamp));
    return Buffer.concat(parts);
  }

  tracksChanged(dts: number): Uint8Array {
    return this.prologue(dts);
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
    const { builder, options } = this;
    const timestamp = toMilliseconds(frame.dts);
    const headBytes = builder.writeHead(frame, track);
    const size = chunkedLength(headBytes + frame.payload.length, timestamp, options.chunkSize);
    const at = target.reserve(size, frame.arrival);
    const isVideo = track.kind === 'video';
    writeChunked(
      target.slab,
      at,
      isVideo ? VIDEO_CHUNK_STREAM : track.kind === 'audio' ? AUDIO_CHUNK_STREAM : DATA_CHUNK_STREAM,
      isVideo ? TYPE_VIDEO : track.kind === 'audio' ? TYPE_AUDIO : TYPE_DATA,
      options.messageStreamId,
      timestamp,
      builder.head,
      headBytes,
      frame.payload,
      options.chunkSize,
    );
    return true;
  }

  /** Metadata carry time 0: FFmpeg takes later ones for a subtitle track. */
  private dataMessage(): Uint8Array {
    const metadata = this.builder.metadata(this.tracks.all(), this.source.metadata);
    const { messageStreamId, chunkSize, publishes } = this.options;
    const body = publishes ? Buffer.concat([SET_DATA_FRAME, metadata]) : metadata;
    return serializeMessage(DATA_CHUNK_STREAM, TYPE_DATA, messageStreamId, 0, body, chunkSize);
  }

  private headerMessage(track: Track, timestamp: number): Uint8Array {
    const header = this.builder.sequenceHeader(track);
    if (header === null) return NOTHING;
    const chunkStream = header.typeId === TYPE_VIDEO ? VIDEO_CHUNK_STREAM : AUDIO_CHUNK_STREAM;
    const { messageStreamId, chunkSize } = this.options;
    return serializeMessage(chunkStream, header.typeId, messageStreamId, timestamp, header.bytes, chunkSize);
  }
}

/** Stream time on RTMP's 32-bit millisecond clock. */
function toMilliseconds(us: number): number {
  return Math.round(us / 1000) >>> 0;
}
