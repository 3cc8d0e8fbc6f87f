/** Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 section 2.2): one RTCP packet, both ways. */

const TYPE_PAYLOAD_FEEDBACK = 206;
const FORMAT = 15;
const MAGIC = 0x52454d42;
const HEADER_BYTES = 20;
const MAX_MANTISSA = 0x3ffff;

/** Bits per second; -1 for what is no REMB. `bytes`: one RTCP packet. */
export function parseRemb(bytes: Uint8Array): number {
  if (bytes.length < HEADER_BYTES || (bytes[0]! & 31) !== FORMAT || bytes[1] !== TYPE_PAYLOAD_FEEDBACK)
    return -1;
  const magic = ((bytes[12]! << 24) | (bytes[13]! << 16) | (bytes[14]! << 8) | bytes[15]!) >>> 0;
  if (magic !== MAGIC) return -1;
  const exponent = bytes[17]! >> 2;
  const mantissa = ((bytes[17]! & 3) << 16) | (bytes[18]! << 8) | bytes[19]!;
  return mantissa * 2 ** exponent;
}

export function serializeRemb(ssrc: number, bitrateBps: number, mediaSsrcs: readonly number[]): Buffer {
  let exponent = 0;
  let mantissa = Math.max(0, Math.floor(bitrateBps));
  while (mantissa > MAX_MANTISSA) {
    mantissa = Math.floor(mantissa / 2);
    exponent++;
  }
  const bytes = Buffer.alloc(HEADER_BYTES + mediaSsrcs.length * 4);
  bytes[0] = 0x80 | FORMAT;
  bytes[1] = TYPE_PAYLOAD_FEEDBACK;
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2);
  bytes.writeUInt32BE(ssrc, 4);
  bytes.writeUInt32BE(MAGIC, 12);
  bytes[16] = mediaSsrcs.length;
  bytes[17] = (exponent << 2) | (mantissa >>> 16);
  bytes.writeUInt16BE(mantissa & 0xffff, 18);
  let at = HEADER_BYTES;
  for (const media of mediaSsrcs) at = bytes.writeUInt32BE(media, at);
  return bytes;
}
