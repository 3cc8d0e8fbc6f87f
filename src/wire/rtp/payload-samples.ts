/**
 * Sound without frames (RFC 3551 section 4.3, sample-based encodings, and G.726, whose codes are packed): a packet holds any
 * number of samples. Sent in packets of 20 ms, or up to 40 ms where that saves one.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import type { RtpDepacketizer, RtpPacketizer, RtpPayloadTarget, RtpUnitOutput } from './payload-format.ts';

const USUAL_SECONDS = 0.02;
const LONGEST_SECONDS = 0.04;

export class SamplePacketizer implements RtpPacketizer {
  private readonly unitBytes: number;
  private readonly unitTicks: number;
  private readonly usualBytes: number;
  private readonly longestBytes: number;

  /** `unitBytes` are never separated and last `unitTicks` of `clockRate`. */
  constructor(unitBytes: number, unitTicks: number, clockRate: number, maxPayload: number) {
    const units = (seconds: number) =>
      Math.max(
        1,
        Math.min(Math.floor((clockRate * seconds) / unitTicks), Math.floor(maxPayload / unitBytes)),
      );
    this.unitBytes = unitBytes;
    this.unitTicks = unitTicks;
    this.usualBytes = units(USUAL_SECONDS) * unitBytes;
    this.longestBytes = units(LONGEST_SECONDS) * unitBytes;
  }

  packetize(payload: Uint8Array, _flags: number, _config: CodecConfig, target: RtpPayloadTarget): void {
    const { unitBytes } = this;
    const whole = payload.length - (payload.length % unitBytes);
    let at = 0;
    while (at < whole) {
      const rest = whole - at;
      const size = rest <= this.longestBytes ? rest : this.usualBytes;
      // The marker means the end of a silence that was not sent (RFC 3551 section 4.1).
      const to = target.begin(size, false, (at / unitBytes) * this.unitTicks);
      target.bytes.set(size === payload.length ? payload : payload.subarray(at, at + size), to);
      at += size;
    }
  }
}

/** Whole samples as they come; what a loss took is not missed by the decoder. */
export class SampleDepacketizer implements RtpDepacketizer {
  damaged: number;
  private readonly unitBytes: number;

  /** `unitBytes`: one sample of every channel. */
  constructor(unitBytes: number) {
    this.damaged = 0;
    this.unitBytes = unitBytes;
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    _marker: boolean,
    _isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const excess = payload.length % this.unitBytes;
    if (excess > 0 || payload.length === 0) this.damaged++;
    const whole = payload.length - excess;
    if (whole > 0) output.unit(excess === 0 ? payload : payload.subarray(0, whole), timestamp, false);
  }

  flush(): void {
    // No sample waits for another.
  }
}
