/** RTP in tests: packets by hand, interleaved bytes taken apart, and a payload format of two lines. */
import { configFromRecord } from '../../src/codec/describe-config.ts';
import type { RtpMapping, RtpPayloadFormat } from '../../src/wire/rtp/payload-format.ts';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/wire/rtp/rtp-packet.ts';

export interface PacketFields {
  readonly type?: number;
  readonly marker?: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc?: number;
  readonly payload: Uint8Array;
}

export function rtpPacket(fields: PacketFields): Buffer {
  const { type = 96, marker = false, sequence, timestamp, ssrc = 1, payload } = fields;
  const bytes = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
  writeRtpHeader(bytes, 0, type, marker, sequence & 0xffff, timestamp >>> 0, ssrc);
  bytes.set(payload, RTP_HEADER_BYTES);
  return bytes;
}

export interface Interleaved {
  readonly channel: number;
  readonly packet: Buffer;
}

/** Throws when the bytes are not `$` frames from begin to end. */
export function interleavedPackets(bytes: Uint8Array): Interleaved[] {
  const data = Buffer.from(bytes);
  const packets: Interleaved[] = [];
  for (let at = 0; at < data.length; ) {
    if (data[at] !== 0x24 || at + 4 > data.length) throw new Error(`no interleaved packet at ${at}`);
    const end = at + 4 + data.readUInt16BE(at + 2);
    if (end > data.length) throw new Error(`the packet at ${at} is cut`);
    packets.push({ channel: data[at + 1]!, packet: data.subarray(at + 4, end) });
    at = end;
  }
  return packets;
}

/** G.711 as RFC 3551 has it: every packet is a frame, a sample is a byte. */
export const toySound: RtpPayloadFormat = {
  codec: 'g711u',
  encodingNames: ['PCMU'],
  describe: ({ channels }) => ({
    payloadType: channels === 1 ? 0 : -1,
    encodingName: 'PCMU',
    clockRate: 8000,
    channels: channels === 1 ? 0 : channels,
    fmtp: '',
  }),
  packetizer: (_config, maxPayload) => ({
    packetize(payload, _flags, _config, target): void {
      for (let at = 0; at < payload.length; at += maxPayload) {
        const part = payload.subarray(at, at + maxPayload);
        const to = target.begin(part.length, false, at);
        target.bytes.set(part, to);
      }
    },
  }),
  config: () => configFromRecord('g711u', new Uint8Array(0)),
  depacketizer: () => ({
    damaged: 0,
    push(payload, timestamp, _marker, _isAfterLoss, output): void {
      output.unit(payload, timestamp, false);
    },
    flush(): void {},
  }),
};

export function mapping(
  payloadType: number,
  encodingName: string,
  clockRate: number,
  fmtp: Readonly<Record<string, string>> = {},
): RtpMapping {
  return { payloadType, encodingName, clockRate, channels: 0, fmtp: new Map(Object.entries(fmtp)) };
}
