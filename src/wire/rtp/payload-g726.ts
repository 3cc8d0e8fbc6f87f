/**
 * G.726 over RTP: RFC 3551 section 4.5.4. Codes of 2 to 5 bits, the first one in the low bits, as in the canonical
 * form; under the names with AAL2 (ITU-T I.366.2) the first one is in the high bits. RFC 3551 wants the octets of
 * eight codes together. One channel; some cameras pack their codes in the other order than they say.
 */
import { makeCodecConfig } from '../../codec/codec-config.ts';
import { G726_SAMPLE_RATE, g726BitsPerCode } from '../../codec/g726.ts';
import { ProtocolError } from '../../util/errors.ts';
import type { RtpDepacketizer, RtpMapping, RtpPayloadFormat, RtpUnitOutput } from './payload-format.ts';
import { SampleDepacketizer, SamplePacketizer } from './payload-samples.ts';

const NAMES: readonly string[] = ['G726-16', 'G726-24', 'G726-32', 'G726-40'];
const AAL2 = 'AAL2-';
const CODES_TOGETHER = 8;

export const G726_PAYLOAD: RtpPayloadFormat = {
  codec: 'g726',
  encodingNames: [...NAMES, ...NAMES.map((name) => AAL2 + name)],
  describe: (config) => ({
    payloadType: -1,
    encodingName: NAMES[g726BitsPerCode(config.record) - 2]!, // 2 to 5 bits
    clockRate: G726_SAMPLE_RATE,
    channels: 0,
    fmtp: '',
  }),
  packetizer: (config, maxPayload) =>
    new SamplePacketizer(g726BitsPerCode(config.record), CODES_TOGETHER, G726_SAMPLE_RATE, maxPayload),
  config: (mapping) => {
    const facts = { sampleRate: G726_SAMPLE_RATE, channels: 1 };
    return makeCodecConfig('g726', Uint8Array.of(bitsOf(mapping)), '', facts);
  },
  depacketizer: (mapping) =>
    mapping.encodingName.startsWith(AAL2)
      ? new Aal2Depacketizer(bitsOf(mapping))
      : // Fewer than eight codes at the end of a packet are common.
        new SampleDepacketizer(1),
};

function bitsOf(mapping: RtpMapping): number {
  const { encodingName, clockRate, channels } = mapping;
  if (clockRate !== G726_SAMPLE_RATE || channels > 1) {
    throw new ProtocolError('rtp.bad-mapping', `${encodingName}/${clockRate}/${channels}`);
  }
  return NAMES.indexOf(encodingName.replace(AAL2, '')) + 2;
}

/** Turns the order of the codes around. */
class Aal2Depacketizer implements RtpDepacketizer {
  damaged: number;
  private readonly codeBits: number;
  private scratch: Uint8Array;

  constructor(codeBits: number) {
    this.damaged = 0;
    this.codeBits = codeBits;
    this.scratch = new Uint8Array(0);
  }

  push(
    payload: Uint8Array,
    timestamp: number,
    _marker: boolean,
    _isAfterLoss: boolean,
    output: RtpUnitOutput,
  ): void {
    if (payload.length === 0) {
      this.damaged++;
      return;
    }
    // A payload is at most 64 KiB long.
    if (this.scratch.length < payload.length) this.scratch = new Uint8Array(payload.length);
    const size = this.turn(payload);
    if (size > 0) output.unit(this.scratch.subarray(0, size), timestamp, false);
  }

  private turn(payload: Uint8Array): number {
    const { codeBits, scratch } = this;
    const mask = (1 << codeBits) - 1;
    let read = 0;
    let readBits = 0;
    let written = 0;
    let writtenBits = 0;
    let at = 0;
    for (let i = 0; i < payload.length; i++) {
      read = ((read << 8) | payload[i]!) & 0xffff;
      readBits += 8;
      while (readBits >= codeBits) {
        readBits -= codeBits;
        written |= ((read >> readBits) & mask) << writtenBits;
        writtenBits += codeBits;
        if (writtenBits < 8) continue;
        scratch[at++] = written;
        written >>>= 8;
        writtenBits -= 8;
      }
    }
    return at;
  }

  flush(): void {
    // No code waits for another.
  }
}
