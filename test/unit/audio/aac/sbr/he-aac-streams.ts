/** SBR payloads of HE-AAC streams: where they lie, and the same cores with others. */
import { AacDecoder } from '../../../../../src/audio/aac/aac-decoder.ts';
import { SbrDecoder } from '../../../../../src/audio/aac/sbr/sbr-decoder.ts';
import type { AacClip } from '../../../../support/aac-clips.ts';
import { BitWriter } from '../../../../support/bit-writer.ts';

interface Payload {
  readonly bytes: Uint8Array;
  readonly startBit: number;
  readonly bitCount: number;
  readonly hasCrc: boolean;
}

/** Where the SBR payload of each packet lies, as the core decoder finds it. */
export function payloadsOf(stream: AacClip): Payload[] {
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
export function withPayloads(stream: AacClip, next: (index: number) => BitWriter, type = 13): AacClip {
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
