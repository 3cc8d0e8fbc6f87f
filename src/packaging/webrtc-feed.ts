/**
 * Frames to the RTP packets that all WebRTC players share: the feed `rtp` with packets that fit any path, sound as Opus
 * or G.711, and a mark before the packets of each frame, by which a thread that gets the bytes alone knows where
 * frames begin, which of them are key frames, and their times. The memory is shared between threads.
 * WebRTC has no decode times, and its decoders refuse pictures that are shown before one that they have had: those
 * (B-frames) are left out where that harms no other picture. Where others refer to them they go out with a time behind the
 * one before: motion is not smooth then, but every picture is whole.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { inOrderConfig } from '../codec/h264-in-order-sps.ts';
import { reorderDepth } from '../media/dts-from-pts.ts';
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import { FRAME_KEY, Frame } from '../media/frame.ts';
import { InOrderPictures } from '../media/reordered-pictures.ts';
import type { Track } from '../media/track.ts';
import { InvariantError, ProtocolError } from '../util/errors.ts';
import type { ByteTarget } from '../util/slab.ts';
import { PAYLOAD_FORMATS } from '../wire/rtp/payload-formats.ts';
import { INTERLEAVED_HEADER_BYTES, writeInterleavedHeader } from '../wire/rtsp/interleaved-frame.ts';
import { rtpFeedFormat } from './rtp-feed.ts';
import { type RtpCarriedTrack, rtpTracksOf } from './rtp-feed-tracks.ts';
import { WEBRTC_SOUND } from './sound-needs.ts';
import { FRAME_MARK_BYTES, FRAME_MARK_CHANNEL } from './webrtc-frame-mark.ts';
import { OrderedSource } from './webrtc-tracks.ts';

/** Of the RTP packet; with SRTP, UDP and IPv6 it stays below 1280 bytes. */
export const WEBRTC_PACKET_BYTES = 1180;
const MARK_BODY_BYTES = FRAME_MARK_BYTES - INTERLEAVED_HEADER_BYTES;
/** One tick of the clock of video, rounded up. */
const TICK_US = 12;

const CODECS = new Set(['h264', 'h265', 'vp8', 'vp9', 'av1', 'opus', 'g711a', 'g711u', 'g722']);
export const WEBRTC_PAYLOAD_FORMATS = PAYLOAD_FORMATS.filter(({ codec }) => CODECS.has(codec));

const rtp = rtpFeedFormat({ maxPacketBytes: WEBRTC_PACKET_BYTES, formats: WEBRTC_PAYLOAD_FORMATS });

export const webrtcFormat: FeedFormat = {
  name: 'webrtc',
  sound: WEBRTC_SOUND,
  isShared: true,
  open: (source) => {
    const ordered = new OrderedSource(source);
    return new WebrtcFeedEncoder(ordered, rtp.open(ordered));
  },
};

/** Leaves room for the mark before what the encoder of packets reserves. */
class MarkedTarget implements ByteTarget {
  private target: ByteTarget | null = null;
  flags = 0;
  generation = 0;
  dts = 0;

  use(target: ByteTarget, frame: Frame, isVideo: boolean): this {
    this.target = target;
    this.flags = isVideo ? frame.flags & FRAME_KEY : 0;
    this.dts = frame.dts;
    return this;
  }

  get slab(): Buffer {
    return this.target!.slab;
  }

  reserve(bytes: number, nowUs: number): number {
    const target = this.target!;
    const at = target.reserve(bytes + FRAME_MARK_BYTES, nowUs);
    writeMark(target.slab, at, this.flags, this.generation, this.dts);
    return at + FRAME_MARK_BYTES;
  }
}

function writeMark(to: Buffer, at: number, flags: number, generation: number, dts: number): void {
  writeInterleavedHeader(to, at, FRAME_MARK_CHANNEL, MARK_BODY_BYTES);
  to[at + 4] = flags;
  to[at + 5] = 0;
  to.writeUInt16BE(generation, at + 6);
  to.writeDoubleBE(dts, at + 8);
}

/** What the latest frames of an encoder of this feed are: the tracks by channel, and the number of their generation. */
export interface WebrtcFeedTracks {
  readonly generation: number;
  readonly carried: readonly RtpCarriedTrack[];
}

export function webrtcFeedTracks(encoder: FeedEncoder): WebrtcFeedTracks {
  if (!(encoder instanceof WebrtcFeedEncoder)) throw new InvariantError('this is no feed of WebRTC');
  return encoder;
}

/** Pictures that an encoder of this feed left out because they are shown before those that were decoded earlier. */
export function pictureFramesLeftOut(encoder: FeedEncoder): number {
  return encoder instanceof WebrtcFeedEncoder ? encoder.framesLeftOut : 0;
}

class WebrtcFeedEncoder implements FeedEncoder {
  framesLeftOut = 0;
  generation = 0;
  carried: readonly RtpCarriedTrack[] = [];
  private known: readonly Track[] | null = null;
  private readonly source: FeedSource;
  private readonly packets: FeedEncoder;
  private readonly marked = new MarkedTarget();
  private readonly pictures = new InOrderPictures();
  private lastVideoPts = Number.NEGATIVE_INFINITY;
  /** Of the latest picture, and what players are told instead. */
  private config: CodecConfig | null = null;
  private sentConfig: CodecConfig | null = null;

  constructor(source: FeedSource, packets: FeedEncoder) {
    this.source = source;
    this.packets = packets;
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    const isVideo = this.isVideo(frame.trackId);
    if (isVideo && !this.pictures.admits(frame)) {
      this.framesLeftOut++;
      return false;
    }
    if (this.source.tracks !== this.known) this.takeTracks();
    const sent = isVideo ? this.inOrder(frame) : frame;
    return this.packets.encode(sent, this.marked.use(target, frame, isVideo));
  }

  /** The picture with a time behind the one before it, and parameter sets that make no decoder wait for earlier ones. */
  private inOrder(frame: Frame): Frame {
    const { flags, pts, config } = frame;
    const isLate = (flags & FRAME_KEY) === 0 && pts <= this.lastVideoPts;
    const shown = isLate ? this.lastVideoPts + TICK_US : pts;
    this.lastVideoPts = shown;
    if (config !== this.config) {
      this.config = config;
      this.sentConfig = configInOrder(config);
    }
    if (!isLate && this.sentConfig === config) return frame;
    return new Frame(
      frame.trackId,
      flags,
      frame.dts,
      shown,
      frame.duration,
      frame.payload,
      this.sentConfig!,
      frame.arrival,
      frame.captureTime,
    );
  }

  private takeTracks(): void {
    this.known = this.source.tracks;
    this.carried = rtpTracksOf(this.known, WEBRTC_PAYLOAD_FORMATS);
    this.generation = (this.generation + 1) & 0xffff;
    this.marked.generation = this.generation;
  }

  /** Reports alone, of the tracks as they are now. */
  private withMark(reports: Uint8Array, dts: number): Uint8Array {
    if (reports.length === 0) return reports;
    if (this.source.tracks !== this.known) this.takeTracks();
    const marked = Buffer.allocUnsafe(FRAME_MARK_BYTES + reports.length);
    writeMark(marked, 0, 0, this.generation, dts);
    marked.set(reports, FRAME_MARK_BYTES);
    return marked;
  }

  private isVideo(trackId: number): boolean {
    const { tracks } = this.source;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.id === trackId) return tracks[i]!.kind === 'video';
    return false;
  }

  prologue(dts: number): Uint8Array {
    return this.withMark(this.packets.prologue(dts), dts);
  }

  tracksChanged(dts: number): Uint8Array {
    return this.withMark(this.packets.tracksChanged(dts), dts);
  }

  epilogue(dts: number): Uint8Array {
    return this.withMark(this.packets.epilogue(dts), dts);
  }

  leftOut(): readonly LeftOut[] {
    return this.packets.leftOut();
  }
}

function configInOrder(config: CodecConfig): CodecConfig {
  if (config.codec !== 'h264' || reorderDepth(config) === 0) return config;
  try {
    return inOrderConfig(config);
  } catch (error) {
    // Parameter sets that cannot be read go out as they are.
    if (error instanceof ProtocolError) return config;
    throw error;
  }
}
