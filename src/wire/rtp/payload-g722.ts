/**
 * G.722 over RTP: RFC 3551 section 4.5.2. The RTP clock is 8000 Hz by an old mistake of RFC 1890 although the sound
 * has 16000 samples a second; one byte holds two samples and lasts one tick.
 */
import { makeCodecConfig } from '../../codec/codec-config.ts';
import { G722_SAMPLE_RATE } from '../../codec/g722.ts';
import { soundOf } from './payload-fmtp.ts';
import type { RtpPayloadFormat } from './payload-format.ts';
import { SampleDepacketizer, SamplePacketizer } from './payload-samples.ts';

const STATIC_TYPE = 9;
const CLOCK_RATE = 8000;
const NO_RECORD = new Uint8Array(0);

export const G722_PAYLOAD: RtpPayloadFormat = {
  codec: 'g722',
  encodingNames: ['G722'],
  describe: ({ channels }) => ({
    payloadType: channels > 1 ? -1 : STATIC_TYPE,
    encodingName: 'G722',
    clockRate: CLOCK_RATE,
    channels: channels > 1 ? channels : 0,
    fmtp: '',
  }),
  packetizer: ({ channels }, maxPayload) =>
    new SamplePacketizer(Math.max(1, channels), 1, CLOCK_RATE, maxPayload),
  config: (mapping) => {
    const { channels } = soundOf(mapping);
    return makeCodecConfig('g722', NO_RECORD, '', { sampleRate: G722_SAMPLE_RATE, channels });
  },
  depacketizer: (mapping) => new SampleDepacketizer(soundOf(mapping).channels),
};
