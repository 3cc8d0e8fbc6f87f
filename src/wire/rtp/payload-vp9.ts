/**
 * VP9 over RTP: RFC 9628. Sends the non-flexible mode with a picture id of 15 bits and no layers; reads both modes,
 * layer indices and scalability structures. The spatial layers of one picture become one superframe with an index
 * (VP9 bitstream specification, Annex B), which is how decoders take them. Left out: choosing layers.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { VIDEO_KEY } from '../../codec/video-flags.ts';
import { parseVpConfig } from '../../codec/vp9.ts';
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
/** Descriptor bits of section 4.2. */
const HAS_PICTURE_ID = 0x80;
const INTER_PREDICTED = 0x40;
const HAS_LAYERS = 0x20;
const FLEXIBLE = 0x10;
const FRAME_START = 0x08;
const FRAME_END = 0x04;
const HAS_STRUCTURE = 0x02;
const MAX_REFERENCES = 3;
const SENT_DESCRIPTOR_BYTES = 3;
/** An index counts at most this many frames. */
const MAX_LAYERS = 8;
const SUPERFRAME_MARKER = 0xc0;

/** Where the byte of layer indices is, if there is one; -1 when the descriptor is cut before. */
function behindPictureId(payload: Uint8Array): number {
  if ((payload[0]! & HAS_PICTURE_ID) === 0) return 1;
  if (payload.length < 2) return -1;
  return (payload[1]! & LONG_PICTURE_ID) !== 0 ? 3 : 2;
}

/** Where the frame's bytes begin behind the payload descriptor; -1 when it is cut or makes no sense. */
function descriptorBytes(payload: Uint8Array): number {
  const head = payload[0]!;
  const { length } = payload;
  let at = behindPictureId(payload);
  if (at < 0) return -1;
  if ((head & HAS_LAYERS) !== 0) at += (head & FLEXIBLE) !== 0 ? 1 : 2;
  if ((head & (FLEXIBLE | INTER_PREDICTED)) === (FLEXIBLE | INTER_PREDICTED)) {
    for (let i = 0; ; i++) {
      if (i === MAX_REFERENCES || at >= length) return -1;
      // The lowest bit says that one more follows.
      if ((payload[at++]! & 1) === 0) break;
    }
  }
  if ((head & HAS_STRUCTURE) !== 0) {
    if (at >= length) return -1;
    at = behindStructure(payload, at);
  }
  return at > 0 && at < length ? at : -1;
}

/** Behind the scalability structure (section 4.2.1) that starts at `from`; -1 when it is cut. */
function behindStructure(payload: Uint8Array, from: number): number {
  const head = payload[from]!;
  let at = from + 1;
  if ((head & 0x10) !== 0) at += ((head >> 5) + 1) * 4;
  if ((head & 0x08) === 0) return at;
  if (at >= payload.length) return -1;
  const pictures = payload[at++]!;
  for (let i = 0; i < pictures; i++) {
    if (at >= payload.length) return -1;
    at += 1 + ((payload[at]! >> 2) & 3);
  }
  return at;
}

/** Whether a packet, whose descriptor is not cut, is of a layer that needs another one below it. */
function isUpperLayer(payload: Uint8Array): boolean {
  return (payload[0]! & HAS_LAYERS) !== 0 && ((payload[behindPictureId(payload)]! >> 1) & 7) > 0;
}

/** Open while the last layer's frame has begun and has not ended. */
class Vp9Depacketizer extends UnitDepacketizer {
  /** Where the frames of the layers begin. */
  private readonly layerStarts: Int32Array;
  private layers: number;

  constructor() {
    super();
    this.layerStarts = new Int32Array(MAX_LAYERS);
    this.layers = 0;
  }

  override flush(output: RtpUnitOutput): void {
    if (this.layers > 1) this.writeIndex();
    if (this.layers > 0) output.unit(this.unit.view(), this.timestamp, this.isDamaged);
    this.drop();
  }

  protected override lose(): void {
    this.isOpen = false;
    super.lose();
  }

  protected override piece(payload: Uint8Array): void {
    const from = descriptorBytes(payload);
    if (from < 0) {
      this.countDamage();
      return;
    }
    const head = payload[0]!;
    if ((head & FRAME_START) !== 0) {
      if (this.layers === MAX_LAYERS) {
        this.countDamage();
        return;
      }
      // Where the lowest layer begins, what was lost before is of another picture.
      if (this.layers === 0 && !isUpperLayer(payload)) this.isDamaged = false;
      this.layerStarts[this.layers++] = this.unit.used;
      this.isOpen = true;
    }
    if (!this.isOpen) {
      this.countDamage();
      return;
    }
    if (!this.unit.append(payload, from, payload.length)) {
      this.countDamage();
      this.drop();
    } else if ((head & FRAME_END) !== 0) this.isOpen = false;
  }

  private writeIndex(): void {
    const { layers, layerStarts, unit } = this;
    let end = unit.used;
    let largest = 0;
    for (let i = layers - 1; i >= 0; i--) {
      largest = Math.max(largest, end - layerStarts[i]!);
      end = layerStarts[i]!;
    }
    let sizeBytes = 1;
    for (let rest = largest >> 8; rest > 0; rest >>= 8) sizeBytes++;
    end = unit.used;
    let to = unit.take(2 + layers * sizeBytes);
    if (to < 0) {
      this.countDamage();
      return;
    }
    const { bytes } = unit;
    const marker = SUPERFRAME_MARKER | ((sizeBytes - 1) << 3) | (layers - 1);
    bytes[to++] = marker;
    for (let i = 0; i < layers; i++) {
      const size = (i + 1 < layers ? layerStarts[i + 1]! : end) - layerStarts[i]!;
      for (let j = 0; j < sizeBytes; j++) bytes[to++] = size >> (8 * j);
    }
    bytes[to] = marker;
  }

  private drop(): void {
    this.unit.used = 0;
    this.layers = 0;
    this.isOpen = false;
    this.isDamaged = false;
  }
}

class Vp9Packetizer extends PicturePacketizer {
  constructor(maxPayload: number) {
    super(maxPayload, SENT_DESCRIPTOR_BYTES);
  }

  protected override writeDescriptor(
    target: Uint8Array,
    at: number,
    flags: number,
    isStart: boolean,
    isEnd: boolean,
  ): void {
    const kind = HAS_PICTURE_ID | ((flags & VIDEO_KEY) !== 0 ? 0 : INTER_PREDICTED);
    target[at] = kind | (isStart ? FRAME_START : 0) | (isEnd ? FRAME_END : 0);
  }
}

export const VP9_PAYLOAD: RtpPayloadFormat = {
  codec: 'vp9',
  encodingNames: ['VP9'],

  describe(config: CodecConfig): RtpDescription {
    const fmtp = config.record.length > 0 ? `profile-id=${parseVpConfig(config.record).profile}` : '';
    return { payloadType: -1, encodingName: 'VP9', clockRate: CLOCK_RATE, channels: 0, fmtp };
  },

  packetizer(_config: CodecConfig, maxPayload: number): RtpPacketizer {
    return new Vp9Packetizer(maxPayload);
  },

  /** The first key frame tells size and form. */
  config(_mapping: RtpMapping): CodecConfig | null {
    return null;
  },

  depacketizer(_mapping: RtpMapping): RtpDepacketizer {
    return new Vp9Depacketizer();
  },
};
