/**
 * Cuts the frames of VP8 (RFC 7741) and VP9 (RFC 9628) into packets: as many bytes as fit behind a payload descriptor of
 * fixed length, in which all packets of a frame have the same picture id of 15 bits.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { checkMaxPayload } from './nal-packetizer.ts';
import type { RtpPacketizer, RtpPayloadTarget } from './payload-format.ts';

/** Set in the first byte of a picture id that has 15 bits and not 7. */
export const LONG_PICTURE_ID = 0x80;

export abstract class PicturePacketizer implements RtpPacketizer {
  private readonly descriptorBytes: number;
  private readonly room: number;
  private pictureId: number;

  protected constructor(maxPayload: number, descriptorBytes: number) {
    this.descriptorBytes = descriptorBytes;
    this.room = checkMaxPayload(maxPayload) - descriptorBytes;
    this.pictureId = 0;
  }

  packetize(payload: Uint8Array, flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { descriptorBytes, room, pictureId } = this;
    for (let from = 0; from < payload.length; ) {
      const count = Math.min(room, payload.length - from);
      const isEnd = from + count === payload.length;
      const to = target.begin(descriptorBytes + count, isEnd, 0);
      const { bytes } = target;
      const behind = to + descriptorBytes;
      this.writeDescriptor(bytes, to, flags, from === 0, isEnd);
      bytes[behind - 2] = LONG_PICTURE_ID | (pictureId >> 8);
      bytes[behind - 1] = pictureId;
      bytes.set(payload.subarray(from, from + count), behind);
      from += count;
    }
    this.pictureId = (pictureId + 1) & 0x7fff;
  }

  /** Writes what stands before the picture id, which ends the descriptor. */
  protected abstract writeDescriptor(
    target: Uint8Array,
    at: number,
    flags: number,
    isStart: boolean,
    isEnd: boolean,
  ): void;
}
