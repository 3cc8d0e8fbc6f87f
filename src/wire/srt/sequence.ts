/**
 * Packet sequence numbers have 31 bits, message numbers 26; both run in a circle (draft-sharabayko-srt-01 sections
 * 3.1, 4.6). Message number 0 is never used for data.
 */
import { MODULUS_31, serialDifference } from '../../util/serial-number.ts';

export const SRT_SEQUENCE_MAX = 0x7fff_ffff;
const SRT_MESSAGE_MAX = 0x03ff_ffff;

/** How far `a` lies behind `b` (positive) or before it, the short way round. */
export function sequenceDistance(a: number, b: number): number {
  return serialDifference(a, b, MODULUS_31);
}

export function sequenceAdd(sequence: number, count: number): number {
  return (sequence + count) & SRT_SEQUENCE_MAX;
}

export function nextMessage(message: number): number {
  return message === SRT_MESSAGE_MAX ? 1 : message + 1;
}
