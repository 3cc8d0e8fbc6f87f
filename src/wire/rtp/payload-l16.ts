/**
 * Uncompressed sound over RTP: L16 (RFC 3551 section 4.5.11, the canonical form), and L8 (section 4.5.10, with an
 * offset of 128) and L24 (RFC 3190 section 4), which become 16 bits: no player of ours takes more.
 */
import { makeCodecConfig } from '../../codec/codec-config.ts';
import { soundOf } from './payload-fmtp.ts';
import type { RtpDepacketizer, RtpPayloadFormat, RtpUnitOutput } from './payload-format.ts';
import { SampleDepacketizer, SamplePacketizer } from './payload-samples.ts';

const CD_RATE = 44_100;
const STATIC_TYPE_STEREO = 10;
const STATIC_TYPE_MONO = 11;
const SAMPLE_BYTES = 2;
const NO_RECORD = new Uint8Array(0);

export const L16_PAYLOAD: RtpPayloadFormat = {
  codec: 'l16',
  encodingNames: ['L16', 'L8', 'L24'],
  describe: ({ sampleRate: clockRate, channels }) => {
    if (clockRate === 0 || channels === 0) return null;
    const fixed = channels === 1 ? STATIC_TYPE_MONO : channels === 2 ? STATIC_TYPE_STEREO : -1;
    const payloadType = clockRate === CD_RATE ? fixed : -1;
    return { payloadType, encodingName: 'L16', clockRate, channels, fmtp: '' };
  },
  packetizer: ({ channels, sampleRate }, maxPayload) =>
    new SamplePacketizer(SAMPLE_BYTES * Math.max(1, channels), 1, sampleRate, maxPayload),
  config: (mapping) => makeCodecConfig('l16', NO_RECORD, '', soundOf(mapping)),
  depacketizer: (mapping) => {
    const { channels } = soundOf(mapping);
    if (mapping.encodingName === 'L8') return new ConvertingDepacketizer(1, channels);
    if (mapping.encodingName === 'L24') return new ConvertingDepacketizer(3, channels);
    return new SampleDepacketizer(SAMPLE_BYTES * channels);
  },
};

class ConvertingDepacketizer implements RtpDepacketizer {
  damaged: number;
  /** 1 or 3. */
  private readonly sampleBytes: number;
  private readonly channels: number;
  private scratch: Uint8Array;

  constructor(sampleBytes: number, channels: number) {
    this.damaged = 0;
    this.sampleBytes = sampleBytes;
    this.channels = channels;
    this.scratch = new Uint8Array(0);
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    _marker: boolean,
    _isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    const { sampleBytes } = this;
    const unitBytes = sampleBytes * this.channels;
    const whole = payload.length - (payload.length % unitBytes);
    if (whole !== payload.length || whole === 0) this.damaged++;
    const size = (whole / sampleBytes) * SAMPLE_BYTES;
    if (size === 0) return;
    // A payload is at most 64 KiB long.
    if (this.scratch.length < size) this.scratch = new Uint8Array(size);
    const { scratch } = this;
    for (let from = 0, to = 0; from < whole; from += sampleBytes, to += SAMPLE_BYTES) {
      if (sampleBytes === 1) {
        scratch[to] = payload[from]! ^ 0x80;
        scratch[to + 1] = 0;
      } else {
        scratch[to] = payload[from]!;
        scratch[to + 1] = payload[from + 1]!;
      }
    }
    output.unit(scratch.subarray(0, size), timestamp, false);
  }

  flush(): void {
    // No sample waits for another.
  }
}
