/** What the tests of the payload formats of sound share: recorded packets, and collectors for both directions. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CodecConfig } from '../../../../src/codec/codec-config.ts';
import { FRAME_KEY } from '../../../../src/media/frame.ts';
import type {
  RtpDepacketizer,
  RtpMapping,
  RtpPayloadFormat,
  RtpPayloadTarget,
  RtpUnitOutput,
} from '../../../../src/wire/rtp/payload-format.ts';

const RTP_HEADER_BYTES = 12;

export interface SentPacket {
  readonly payload: Buffer;
  readonly marker: boolean;
  readonly timestamp: number;
}

export interface Vector {
  readonly mapping: RtpMapping;
  readonly packets: readonly SentPacket[];
  /** `size:md5` of the frames of the source. */
  readonly frames: readonly string[];
  readonly raw: Buffer;
}

interface VectorFile {
  readonly mapping: Omit<RtpMapping, 'fmtp'> & { readonly fmtp: Record<string, string> };
  readonly packets: readonly string[];
  readonly frames?: readonly string[];
  readonly raw?: string;
}

export function readVector(name: string): unknown {
  const url = new URL(`../../../vectors/rtp/audio/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

export function loadVector(name: string): Vector {
  const file = readVector(name) as VectorFile;
  const packets = file.packets.map((hex): SentPacket => {
    const bytes = Buffer.from(hex, 'hex');
    return {
      payload: bytes.subarray(RTP_HEADER_BYTES),
      marker: bytes[1]! >> 7 === 1,
      timestamp: bytes.readUInt32BE(4),
    };
  });
  const mapping = { ...file.mapping, fmtp: new Map(Object.entries(file.mapping.fmtp)) };
  return { mapping, packets, frames: file.frames ?? [], raw: Buffer.from(file.raw ?? '', 'hex') };
}

export function digest(bytes: Uint8Array): string {
  return `${bytes.length}:${createHash('md5').update(bytes).digest('hex')}`;
}

export function mappingOf(
  encodingName: string,
  clockRate: number,
  channels = 0,
  fmtp: Record<string, string> = {},
): RtpMapping {
  return { payloadType: 96, encodingName, clockRate, channels, fmtp: new Map(Object.entries(fmtp)) };
}

class CollectedPackets implements RtpPayloadTarget {
  bytes: Uint8Array = new Uint8Array(0);
  private readonly parts: { bytes: Uint8Array; marker: boolean; offset: number }[] = [];

  begin(size: number, marker: boolean, timestampOffset: number): number {
    // Room around the packet shows who writes beside it.
    this.bytes = new Uint8Array(size + 8).fill(0xee);
    this.parts.push({ bytes: this.bytes, marker, offset: timestampOffset });
    return 4;
  }

  packets(timestamp: number): SentPacket[] {
    return this.parts.map(({ bytes, marker, offset }) => {
      const around = [...bytes.subarray(0, 4), ...bytes.subarray(bytes.length - 4)];
      if (around.some((byte) => byte !== 0xee)) throw new Error('written beside the packet');
      return { payload: Buffer.from(bytes.subarray(4, -4)), marker, timestamp: timestamp + offset };
    });
  }
}

export interface Unit {
  readonly payload: Buffer;
  readonly timestamp: number;
}

class CollectedUnits implements RtpUnitOutput {
  readonly units: Unit[] = [];

  unit(payload: Uint8Array, timestamp: number): void {
    this.units.push({ payload: Buffer.from(payload), timestamp });
  }
}

export function packetize(
  format: RtpPayloadFormat,
  config: CodecConfig,
  payload: Uint8Array,
  maxPayload: number,
): SentPacket[] {
  const target = new CollectedPackets();
  const before = digest(payload);
  format.packetizer(config, maxPayload).packetize(payload, FRAME_KEY, config, target);
  if (digest(payload) !== before) throw new Error('the input was modified');
  return target.packets(1000);
}

/** Pushes packets, with a loss before those whose predecessor is left out; returns what came out. */
export function push(
  depacketizer: RtpDepacketizer,
  packets: readonly SentPacket[],
  lost: readonly number[] = [],
): Unit[] {
  const output = new CollectedUnits();
  packets.forEach(({ payload, timestamp, marker }, index) => {
    if (lost.includes(index)) return;
    const before = digest(payload);
    depacketizer.push(payload, timestamp, marker, lost.includes(index - 1), output);
    if (digest(payload) !== before) throw new Error('the input was modified');
  });
  depacketizer.flush(output);
  return output.units;
}
