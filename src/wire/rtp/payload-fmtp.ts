/** Values of a=fmtp and a=rtpmap as the payload formats of sound read them. */
import { ProtocolError } from '../../util/errors.ts';
import type { RtpMapping } from './payload-format.ts';

/** Longest configuration in hexadecimal digits: an AudioSpecificConfig has 4 to 20, a StreamMuxConfig few more. */
const MAX_HEX_DIGITS = 2048;
const MAX_CHANNELS = 32;
const MAX_CLOCK_RATE = 768_000;

/** A whole number that is not negative, else `fallback`. */
export function fmtpNumber(mapping: RtpMapping, name: string, fallback: number): number {
  const text = mapping.fmtp.get(name);
  if (text === undefined || !/^\d{1,9}$/.test(text)) return fallback;
  return Number(text);
}

/** Hexadecimal digits as bytes, null when the parameter is missing or empty; some senders put it in quotes. */
export function fmtpBytes(mapping: RtpMapping, name: string): Uint8Array | null {
  const text = (mapping.fmtp.get(name) ?? '').replaceAll('"', '').trim();
  if (text === '') return null;
  if (text.length > MAX_HEX_DIGITS || text.length % 2 === 1 || !/^[\da-fA-F]+$/.test(text)) {
    throw new ProtocolError('rtp.bad-config', `${name} is not in hexadecimal digits`);
  }
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Channels of the mapping, 1 when it tells none. Throws ProtocolError for a rate or a count that makes no sense. */
export function soundOf(mapping: RtpMapping): { sampleRate: number; channels: number } {
  const { clockRate, channels, encodingName } = mapping;
  if (clockRate < 1 || clockRate > MAX_CLOCK_RATE || channels > MAX_CHANNELS) {
    throw new ProtocolError('rtp.bad-mapping', `${encodingName}/${clockRate}/${channels}`);
  }
  return { sampleRate: clockRate, channels: Math.max(1, channels) };
}
