/** Small parts of protected packets. */

/** Roll-over counter of RTP, E flag and index of RTCP. */
export const WORD_BYTES = 4;

/** Whether the bytes before `end` are these. */
export function endsWith(bytes: Uint8Array, end: number, expected: Uint8Array): boolean {
  const start = end - expected.length;
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}
