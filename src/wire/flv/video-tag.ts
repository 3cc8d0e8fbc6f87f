/**
 * Body of a video tag, which is also the payload of an RTMP video message: the legacy form (Adobe FLV 10.1, annex
 * E.4.3) and the extended one (enhanced RTMP v2, "ExVideoTagHeader" and "ExVideoTagBody").
 */
import {
  hasCompositionTime,
  VIDEO_ID_AVC,
  VIDEO_ID_HEVC,
  videoCodecOfFourCc,
  videoCodecOfId,
} from './four-cc.ts';
import { MediaTag, PACKET_CODED_FRAMES, PACKET_SEQUENCE_END } from './media-tag.ts';

/** Coded frames whose composition time is 0 and therefore not written. */
export const VIDEO_CODED_FRAMES_X = 3;
/** AMF0 with facts about the picture, such as `colorInfo`. */
const VIDEO_METADATA = 4;
export const VIDEO_MPEG2TS_SEQUENCE_START = 5;
export const VIDEO_MULTITRACK = 6;

export const FRAME_TYPE_KEY = 1;
export const FRAME_TYPE_INTER = 2;
/** Made by a server for seeking. */
const FRAME_TYPE_GENERATED_KEY = 4;
const FRAME_TYPE_COMMAND = 5;

const EX_HEADER_BIT = 0x80;
const AVC_HEAD_BYTES = 5;

/**
 * Cursor over the packets of a body: `for (tag.reset(body); tag.advance(); ) use(tag)`. Bodies without a packet
 * (empty, a command) give none. Legacy codecs other than H.264 and H.265 give their bytes behind the first one.
 */
export class VideoTag extends MediaTag {
  /** The encoder's word for random access. */
  isKey: boolean;
  /** Milliseconds from decoding to presentation. */
  compositionTimeMs: number;

  constructor() {
    super('flv.bad-video-tag', 'unknown-video');
    this.isKey = false;
    this.compositionTimeMs = 0;
  }

  /** Begins a body. Throws ProtocolError. */
  reset(body: Uint8Array): this {
    this.resetTo(body);
    this.compositionTimeMs = 0;
    if (body.length === 0) return this;
    const first = body[0]!;
    const frameType = (first >> 4) & 7;
    this.isKey = frameType === FRAME_TYPE_KEY || frameType === FRAME_TYPE_GENERATED_KEY;
    if ((first & EX_HEADER_BIT) !== 0) this.resetExtended(first & 15, frameType);
    else if (frameType !== FRAME_TYPE_COMMAND) this.resetLegacy(first & 15);
    return this;
  }

  private resetExtended(packetType: number, frameType: number): void {
    this.readModifiers(packetType);
    // A command has one byte and no codec, but FFmpeg marks metadata as a command too.
    if (frameType === FRAME_TYPE_COMMAND && this.packetType !== VIDEO_METADATA) return;
    this.readCodec(VIDEO_MULTITRACK);
  }

  private resetLegacy(id: number): void {
    const { body } = this;
    this.codecTag = id;
    this.codec = videoCodecOfId(id);
    if (id !== VIDEO_ID_AVC && id !== VIDEO_ID_HEVC) {
      this.packetType = PACKET_CODED_FRAMES;
      this.start = 1;
      this.pending = true;
      return;
    }
    // Encoders end a sequence with two bytes or with five, and some send bodies of one byte that mean nothing.
    if (body.length < AVC_HEAD_BYTES && body[1] !== PACKET_SEQUENCE_END) return;
    this.packetType = body[1]!;
    if (this.packetType > PACKET_SEQUENCE_END) throw this.broken('AVC packet type', this.packetType);
    this.start = 2;
    if (body.length >= AVC_HEAD_BYTES) this.compositionTimeMs = this.takeSigned24();
    this.pending = true;
  }

  protected override setFourCc(fourCc: number): void {
    this.codecTag = fourCc;
    this.codec = videoCodecOfFourCc(fourCc);
  }

  protected override readPacketHeader(): void {
    const hasTime = this.packetType === PACKET_CODED_FRAMES && hasCompositionTime(this.codecTag);
    this.compositionTimeMs = hasTime ? this.takeSigned24() : 0;
  }
}
