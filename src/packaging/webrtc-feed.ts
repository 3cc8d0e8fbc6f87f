/**
 * Frames to the RTP packets that all WebRTC players share: the feed `rtp` with packets that fit any path, sound as Opus
 * or G.711, and a mark before the packets of each frame, by which a thread that gets the bytes alone knows where
 * frames begin, which of them are key frames, and their times. The memory is shared between threads.
 * WebRTC has no decode times, and its decoders refuse pictures that are shown before one that they have had: those
 * (B-frames) are left out. Where other pictures need one of them (pyramids), decoders fill the gap in frame_num; encoders
 * hardly ever refer to them outside of their own group.
 */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import type { ByteTarget } from '../util/slab.ts';
import { PAYLOAD_FORMATS } from '../wire/rtp/payload-formats.ts';
import { rtpFeedFormat } from './rtp-feed.ts';
import { WEBRTC_SOUND } from './sound-needs.ts';
import { FRAME_MARK_BYTES, FRAME_MARK_CHANNEL } from './webrtc-frame-mark.ts';

/** Of the RTP packet; with SRTP, UDP and IPv6 it stays below 1280 bytes. */
export const WEBRTC_PACKET_BYTES = 1180;
const MARK_BODY_BYTES = FRAME_MARK_BYTES - 4;
const MARK = 0x24;

const CODECS = new Set(['h264', 'h265', 'vp8', 'vp9', 'av1', 'opus', 'g711a', 'g711u', 'g722']);
export const WEBRTC_PAYLOAD_FORMATS = PAYLOAD_FORMATS.filter(({ codec }) => CODECS.has(codec));

const rtp = rtpFeedFormat({ maxPacketBytes: WEBRTC_PACKET_BYTES, formats: WEBRTC_PAYLOAD_FORMATS });

export const webrtcFormat: FeedFormat = {
  name: 'webrtc',
  sound: WEBRTC_SOUND,
  isShared: true,
  open: (source) => new WebrtcFeedEncoder(source, rtp.open(source)),
};

/** Leaves room for the mark before what the encoder of packets reserves. */
class MarkedTarget implements ByteTarget {
  private target: ByteTarget | null = null;
  flags = 0;
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
    const { slab } = target;
    slab[at] = MARK;
    slab[at + 1] = FRAME_MARK_CHANNEL;
    slab.writeUInt16BE(MARK_BODY_BYTES, at + 2);
    slab.writeUInt32BE(this.flags << 24, at + 4);
    slab.writeDoubleBE(this.dts, at + 8);
    return at + FRAME_MARK_BYTES;
  }
}

/** Pictures that an encoder of this feed left out because they are shown before those that were decoded earlier. */
export function pictureFramesLeftOut(encoder: FeedEncoder): number {
  return encoder instanceof WebrtcFeedEncoder ? encoder.framesLeftOut : 0;
}

class WebrtcFeedEncoder implements FeedEncoder {
  framesLeftOut = 0;
  private readonly source: FeedSource;
  private readonly packets: FeedEncoder;
  private readonly marked = new MarkedTarget();
  private lastVideoPts = Number.NEGATIVE_INFINITY;

  constructor(source: FeedSource, packets: FeedEncoder) {
    this.source = source;
    this.packets = packets;
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    const isVideo = this.isVideo(frame.trackId);
    if (isVideo) {
      if ((frame.flags & FRAME_KEY) !== 0) this.lastVideoPts = Number.NEGATIVE_INFINITY;
      if (frame.pts < this.lastVideoPts) {
        this.framesLeftOut++;
        return false;
      }
      this.lastVideoPts = Math.max(this.lastVideoPts, frame.pts);
    }
    return this.packets.encode(frame, this.marked.use(target, frame, isVideo));
  }

  private isVideo(trackId: number): boolean {
    const { tracks } = this.source;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.id === trackId) return tracks[i]!.kind === 'video';
    return false;
  }

  prologue(dts: number): Uint8Array {
    return this.packets.prologue(dts);
  }

  tracksChanged(dts: number): Uint8Array {
    return this.packets.tracksChanged(dts);
  }

  epilogue(dts: number): Uint8Array {
    return this.packets.epilogue(dts);
  }

  leftOut(): readonly LeftOut[] {
    return this.packets.leftOut();
  }
}
