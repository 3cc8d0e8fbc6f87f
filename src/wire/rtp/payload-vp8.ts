/**
 * VP8 over RTP: RFC 7741. Sends a picture id of 15 bits and no layers; reads every form of the payload descriptor.
 * Partitions need no telling apart: their packets in order are the frame.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { VIDEO_DISPOSABLE } from '../../codec/video-flags.ts';
import type {
  RtpDepacketizer,
  RtpDescription,
  RtpMapping,
  RtpPacketizer,
  RtpPayloadFormat,
  RtpUnitOutput,
} from './payload-format.ts';
import { LONG_PICTURE_ID, PicturePacketizer } from './picture-packetizer.ts';
import { UnitDepacketizer } from './unit-depacketizer.ts';

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
const SENT_DESCRIPTOR_BYTES = 4;

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

/** Open from the first packet of a frame on. */
class Vp8Depacketizer extends UnitDepacketizer {
  override flush(output: RtpUnitOutput): void {
    if (this.isOpen) output.unit(this.unit.view(), this.timestamp, this.isDamaged);
    this.drop();
  }

  protected override piece(payload: Uint8Array, output: RtpUnitOutput): void {
    const from = descriptorBytes(payload);
    if (from < 0) {
      this.countDamage();
      return;
    }
    const head = payload[0]!;
    if ((head & PARTITION_START) !== 0 && (head & PARTITION_ID) === 0) {
      this.flush(output);
      this.isOpen = true;
    }
    // Without its first packet nothing of a frame can be decoded.
    if (!this.isOpen) this.countDamage();
    else if (!this.unit.append(payload, from, payload.length)) {
      this.countDamage();
      this.drop();
    }
  }

  private drop(): void {
    this.unit.used = 0;
    this.isOpen = false;
    this.isDamaged = false;
  }
}

class Vp8Packetizer extends PicturePacketizer {
  constructor(maxPayload: number) {
    super(maxPayload, SENT_DESCRIPTOR_BYTES);
  }

  protected override writeDescriptor(target: Uint8Array, at: number, flags: number, isStart: boolean): void {
    const reference = (flags & VIDEO_DISPOSABLE) !== 0 ? NON_REFERENCE : 0;
    target[at] = EXTENDED | reference | (isStart ? PARTITION_START : 0);
    target[at + 1] = HAS_PICTURE_ID;
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
