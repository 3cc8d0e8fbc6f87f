/**
 * VP8 over RTP: RFC 7741. Sends a picture id of 15 bits and no layers; reads every form of the payload descriptor.
 * Partitions need no telling apart: their packets in order are the frame.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { VIDEO_DISPOSABLE } from '../../codec/video-flags.ts';
import { checkMaxPayload } from './nal-packetizer.ts';
import type {
  RtpDepacketizer,
  RtpDescription,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from './payload-format.ts';
import { UnitBuffer } from './unit-buffer.ts';

const CLOCK_RATE = 90_000;
/** Descriptor bits of section 4.2: extended, non-reference frame, start of a partition. */
const EXTENDED = 0x80;
const NON_REFERENCE = 0x20;
const PARTITION_START = 0x10;
const PARTITION_ID = 0x07;
/** Bits of the extension: picture id, TL0PICIDX, and the byte of layer and key frame index for either of two. */
const HAS_PICTURE_ID = 0x80;
const HAS_TL0 = 0x40;
const HAS_LAYER_OR_KEY = 0x30;
/** A picture id has 15 bits. */
const LONG_PICTURE_ID = 0x80;
const SENT_DESCRIPTOR_BYTES = 4;
const NO_TIMESTAMP = -1;

/** Where the frame's bytes begin behind the payload descriptor; -1 when it is cut. */
function descriptorBytes(payload: Uint8Array): number {
  let at = 1;
  if ((payload[0]! & EXTENDED) !== 0) {
    if (payload.length < 2) return -1;
    const extension = payload[1]!;
    at = 2;
    if ((extension & HAS_PICTURE_ID) !== 0) {
      if (at >= payload.length) return -1;
      at += (payload[at]! & LONG_PICTURE_ID) !== 0 ? 2 : 1;
    }
    if ((extension & HAS_TL0) !== 0) at++;
    if ((extension & HAS_LAYER_OR_KEY) !== 0) at++;
  }
  return at < payload.length ? at : -1;
}

class Vp8Depacketizer implements RtpDepacketizer {
  damaged: number;
  private readonly unit: UnitBuffer;
  private timestamp: number;
  private isDamaged: boolean;
  /** The first packet of the frame came. */
  private isOpen: boolean;

  constructor() {
    this.damaged = 0;
    this.unit = new UnitBuffer();
    this.timestamp = NO_TIMESTAMP;
    this.isDamaged = false;
    this.isOpen = false;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    if (isAfterLoss) this.isDamaged = true;
    if (timestamp !== this.timestamp) {
      this.flush(output);
      this.timestamp = timestamp;
    }
    if (payload.length > 0) this.piece(payload, output);
    if (marker) this.flush(output);
  }

  flush(output: RtpUnitOutput): void {
    if (this.isOpen) output.unit(this.unit.view(), this.timestamp, this.isDamaged);
    this.drop();
  }

  private piece(payload: Uint8Array, output: RtpUnitOutput): void {
    const from = descriptorBytes(payload);
    if (from < 0) {
      this.damaged++;
      this.isDamaged = true;
      return;
    }
    const head = payload[0]!;
    if ((head & PARTITION_START) !== 0 && (head & PARTITION_ID) === 0) {
      this.flush(output);
      this.isOpen = true;
    }
    // Without its first packet nothing of a frame can be decoded.
    if (!this.isOpen) this.damaged++;
    else if (!this.unit.append(payload, from, payload.length)) {
      this.damaged++;
      this.drop();
    }
  }

  private drop(): void {
    this.unit.used = 0;
    this.isOpen = false;
    this.isDamaged = false;
  }
}

class Vp8Packetizer implements RtpPacketizer {
  private readonly room: number;
  private pictureId: number;

  constructor(maxPayload: number) {
    this.room = checkMaxPayload(maxPayload) - SENT_DESCRIPTOR_BYTES;
    this.pictureId = 0;
  }

  packetize(payload: Uint8Array, flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { room, pictureId } = this;
    const reference = (flags & VIDEO_DISPOSABLE) !== 0 ? NON_REFERENCE : 0;
    for (let from = 0; from < payload.length; ) {
      const count = Math.min(room, payload.length - from);
      const to = target.begin(SENT_DESCRIPTOR_BYTES + count, from + count === payload.length, 0);
      const { bytes } = target;
      bytes[to] = EXTENDED | reference | (from === 0 ? PARTITION_START : 0);
      bytes[to + 1] = HAS_PICTURE_ID;
      bytes[to + 2] = LONG_PICTURE_ID | (pictureId >> 8);
      bytes[to + 3] = pictureId;
      bytes.set(payload.subarray(from, from + count), to + SENT_DESCRIPTOR_BYTES);
      from += count;
    }
    this.pictureId = (pictureId + 1) & 0x7fff;
  }
}

export const VP8_PAYLOAD: RtpPayloadFormat = {
  codec: 'vp8',
  encodingNames: ['VP8'],

  describe(_config: CodecConfig): RtpDescription {
    return { payloadType: -1, encodingName: 'VP8', clockRate: CLOCK_RATE, channels: 0, fmtp: '' };
  },

  packetizer(_config: CodecConfig, maxPayload: number): RtpPacketizer {
    return new Vp8Packetizer(maxPayload);
  },

  /** The first key frame tells the size. */
  config(_mapping: RtpMapping): CodecConfig | null {
    return null;
  },

  depacketizer(_mapping: RtpMapping): RtpDepacketizer {
    return new Vp8Depacketizer();
  },
};
