/**
 * An SPS for a stream whose pictures that are out of order were left out: gaps in frame_num are allowed (ITU-T H.264
 * 7.4.3: what refers to nothing that is missing stays decodable), and decoders need not wait for pictures that come
 * later (E.2.1 max_num_reorder_frames 0), where the SPS tells that.
 */
import { BitReader, removeEmulationPrevention } from '../util/bit-reader.ts';
import { parseAvcConfig, serializeAvcConfig } from './avc-config.ts';
import { type CodecConfig, makeCodecConfig } from './codec-config.ts';
import { parseH264Sps } from './h264-sps.ts';

/** `sps` with its header byte; so is what is returned. Throws ProtocolError. */
export function inOrderSps(sps: Uint8Array): Uint8Array {
  const { gapsBit, reorderBit } = parseH264Sps(sps).slices;
  const raw = removeEmulationPrevention(sps, 1);
  const bits = new BitReader(raw, 'codec.bad-h264-sps');
  const found: number[] = [];
  const copy = (to: number): void => {
    while (raw.length * 8 - bits.remaining < to) found.push(bits.bits(1));
  };
  copy(gapsBit);
  bits.skip(1);
  found.push(1);
  if (reorderBit >= 0) {
    copy(reorderBit);
    bits.ue();
    found.push(1);
  }
  copy(raw.length * 8);
  // What is behind the stop bit only fills the last byte.
  found.length = found.lastIndexOf(1) + 1;
  return escaped(sps[0]!, found); // parsed above, so there is a header
}

/** The same stream without its pictures that are out of order. Throws ProtocolError. */
export function inOrderConfig(config: CodecConfig): CodecConfig {
  const avc = parseAvcConfig(config.record);
  const record = serializeAvcConfig({ ...avc, sps: avc.sps.map(inOrderSps) });
  return makeCodecConfig(config.codec, record, config.mime, config, config.flvHeader);
}

/** With the bytes of 7.3.1 that keep start codes out. */
function escaped(header: number, bits: readonly number[]): Uint8Array {
  const bytes: number[] = [header];
  let zeros = 0;
  for (let at = 0; at < bits.length; at += 8) {
    let byte = 0;
    for (let i = 0; i < 8; i++) byte = (byte << 1) | (bits[at + i] ?? 0);
    if (zeros >= 2 && byte <= 3) {
      bytes.push(3);
      zeros = 0;
    }
    bytes.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Uint8Array.from(bytes);
}
