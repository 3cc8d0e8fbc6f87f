/**
 * What the depacketizers of H.264 (RFC 6184) and H.265 (RFC 7798) have in common: packets open and close an access unit
 * (nal-access-unit.ts), and aggregation packets hold NAL units behind lengths of 16 bits.
 */
import { NalAccessUnit, type NalRules } from './nal-access-unit.ts';
import type { RtpDepacketizer, RtpUnitOutput } from './payload-format.ts';

export abstract class NalDepacketizer implements RtpDepacketizer {
  protected readonly unit: NalAccessUnit;

  protected constructor(rules: NalRules) {
    this.unit = new NalAccessUnit(rules);
  }

  get damaged(): number {
    return this.unit.damaged;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    marker: boolean,
    isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { unit } = this;
    unit.beginPacket(timestamp, isAfterLoss, output);
    if (payload.length > 0) this.piece(payload, output);
    unit.endPacket(marker, output);
  }

  flush(output: RtpUnitOutput): void {
    this.unit.finish(output);
  }

  /** One payload that is not empty. */
  protected abstract piece(payload: Uint8Array, output: RtpUnitOutput): void;

  /** The NAL units of an aggregation packet from `from` on, with `gapBytes` between one and the length of the next. */
  protected aggregate(payload: Uint8Array, from: number, gapBytes: number, output: RtpUnitOutput): void {
    for (let at = from; at < payload.length; ) {
      if (at + 2 > payload.length) {
        this.unit.countDamage();
        return;
      }
      const size = (payload[at]! << 8) | payload[at + 1]!;
      at += 2;
      // Some fill the packet up with zeros.
      if (size === 0) return;
      if (size > payload.length - at) {
        this.unit.countDamage();
        return;
      }
      this.unit.nal(payload, at, at + size, output);
      at += size + gapBytes;
    }
  }
}
