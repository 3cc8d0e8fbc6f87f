/**
 * What depacketizers of pictures have in common that put the pieces of one frame together in one buffer: all packets
 * of a frame have one timestamp, the last one has the marker, and where that is missing the next timestamp ends the
 * frame. H.264 and H.265, whose frames are put together from NAL units, have nal-depacketizer.ts.
 */
import type { RtpDepacketizer, RtpUnitOutput } from './payload-format.ts';
import { MAX_UNIT_BYTES, UnitBuffer } from './unit-buffer.ts';

const NO_TIMESTAMP = -1;

export abstract class UnitDepacketizer implements RtpDepacketizer {
  damaged: number;
  protected readonly unit: UnitBuffer;
  protected timestamp: number;
  protected isDamaged: boolean;
  /** Something has begun that goes on in the next packet; what, the codec says. */
  protected isOpen: boolean;

  constructor() {
    this.damaged = 0;
    this.unit = new UnitBuffer(MAX_UNIT_BYTES);
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
    if (isAfterLoss) this.lose();
    if (timestamp !== this.timestamp) {
      this.flush(output);
      this.timestamp = timestamp;
      // What is missing may be of the frame that ended, of the one that begins, or of both.
      if (isAfterLoss) this.lose();
    }
    if (payload.length > 0) this.piece(payload, output);
    if (marker) this.flush(output);
  }

  /** Gives the frame if there is one, and begins anew. */
  abstract flush(output: RtpUnitOutput): void;
  /** One payload that is not empty. */
  protected abstract piece(payload: Uint8Array, output: RtpUnitOutput): void;

  /** Packets are missing between what came and what comes next. */
  protected lose(): void {
    this.isDamaged = true;
  }

  /** A piece that makes no sense. */
  protected countDamage(): void {
    this.damaged++;
    this.isDamaged = true;
  }
}
