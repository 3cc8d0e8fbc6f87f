/**
 * G.711 over RTP: RFC 3551 section 4.5.14. The payload types 0 and 8 mean 8 kHz and one channel; other rates and
 * counts, which some cameras have, are told by the mapping.
 */
import { type CodecConfig, makeCodecConfig } from '../../codec/codec-config.ts';
import { G711_SAMPLE_RATE } from '../../codec/g711.ts';
import { soundOf } from './payload-fmtp.ts';
import type { RtpPayloadFormat } from './payload-format.ts';
import { SampleDepacketizer, SamplePacketizer } from './payload-samples.ts';

const NO_RECORD = new Uint8Array(0);

export const PCMA_PAYLOAD: RtpPayloadFormat = g711('g711a', 'PCMA', 8);
export const PCMU_PAYLOAD: RtpPayloadFormat = g711('g711u', 'PCMU', 0);

function g711(codec: 'g711a' | 'g711u', encodingName: string, staticType: number): RtpPayloadFormat {
  return {
    codec,
    encodingNames: [encodingName],
    describe: (config) => {
      const { sampleRate: clockRate, channels } = config;
      if (clockRate === 0 || channels === 0) return null;
      const isUsual = clockRate === G711_SAMPLE_RATE && channels === 1;
      const payloadType = isUsual ? staticType : -1;
      return { payloadType, encodingName, clockRate, channels: channels === 1 ? 0 : channels, fmtp: '' };
    },
    packetizer: ({ channels, sampleRate }: CodecConfig, maxPayload) =>
      new SamplePacketizer(Math.max(1, channels), 1, sampleRate, maxPayload),
    config: (mapping) => makeCodecConfig(codec, NO_RECORD, '', soundOf(mapping)),
    depacketizer: (mapping) => new SampleDepacketizer(soundOf(mapping).channels),
  };
}
