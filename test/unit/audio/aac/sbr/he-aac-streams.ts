/** HE-AAC streams for tests: clips of test/vectors/he-aac, and the same cores with other SBR payloads. */
import { readFileSync } from 'node:fs';
import { AacDecoder } from '../../../../../src/audio/aac/aac-decoder.ts';
import { SbrDecoder } from '../../../../../src/audio/aac/sbr/sbr-decoder.ts';
import { BitWriter } from './sbr-writer.ts';

const RATES = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000];

export interface Stream {
  /** AudioSpecificConfig of the core alone. */
  readonly config: Uint8Array;
  readonly coreRate: number;
  readonly channels: 1 | 2;
  readonly packets: readonly Uint8Array[];
}

interface Payload {
  readonly bytes: Uint8Array;
  readonly startBit: number;
  readonly bitCount: number;
  readonly hasCrc: boolean;
}

/** The access units of an ADTS clip. */
export function readClip(name: string): Stream {
  const bytes = readFileSync(new URL(`../../../../vectors/he-aac/${name}.aac`, import.meta.url));
  const packets: Uint8Array[] = [];
  let rate = 0;
  let channels = 0;
  for (let at = 0; at + 7 <= bytes.length; ) {
    const length = ((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
    rate = (bytes[at + 2]! >> 2) & 15;
    channels = ((bytes[at + 2]! & 1) << 2) | (bytes[at + 3]! >> 6);
    packets.push(Uint8Array.from(bytes.subarray(at + 7, at + length)));
    at += length;
  }
  const config = Uint8Array.of((2 << 3) | (rate >> 1), ((rate & 1) << 7) | (channels << 3));
  return { config, coreRate: RATES[rate]!, channels: channels as 1 | 2, packets };
}

/** Where the SBR payload of each packet lies, as the core decoder finds it. */
export function payloadsOf(stream: Stream): Payload[] {
  const found: Payload[] = [];
  const original = SbrDecoder.prototype.read;
  try {
    let bytes: Uint8Array = stream.packets[0]!;
    SbrDecoder.prototype.read = (_bytes, startBit, bitCount, hasCrc) => {
      found.push({ bytes, startBit, bitCount, hasCrc });
    };
    const decoder = new AacDecoder(stream.config);
    for (const packet of stream.packets) {
      bytes = packet;
      decoder.decode(packet);
    }
  } finally {
    SbrDecoder.prototype.read = original;
  }
  return found;
}

/** The stream with other SBR payloads: what stood behind the extension type is replaced. */
export function withPayloads(stream: Stream, next: (index: number) => BitWriter, type = 13): Stream {
  const payloads = payloadsOf(stream);
  const packets = payloads.map(({ bytes, startBit, bitCount }, index) => {
    // Before the payload: 3 bits of element, 4 or 12 of size, 4 of type.
    const headBits = startBit - 4 - ((bitCount + 4) / 8 < 15 ? 4 : 12) - 3;
    const out = new BitWriter();
    for (let i = 0; i < headBits; i++) out.put((bytes[i >> 3]! >> (7 - (i & 7))) & 1, 1);
    const payload = new BitWriter().put(type, 4).append(next(index));
    const size = (payload.bits.length + 7) >> 3;
    if (size > 269) throw new Error(`a payload of ${size} bytes fits no fill element`);
    out.put(6, 3).put(Math.min(size, 15), 4);
    if (size >= 15) out.put(size - 14, 8);
    out
      .append(payload)
      .put(0, size * 8 - payload.bits.length)
      .put(7, 3);
    return out.bytes();
  });
  return { ...stream, packets };
}

/** The payload of a packet as a list of bits. */
export function bitsOf({ bytes, startBit, bitCount }: Payload): BitWriter {
  const out = new BitWriter();
  for (let i = startBit; i < startBit + bitCount; i++) out.put((bytes[i >> 3]! >> (7 - (i & 7))) & 1, 1);
  return out;
}
