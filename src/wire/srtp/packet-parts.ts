/** Small parts of protected packets. */

/** Roll-over counter of RTP, E flag and index of RTCP. */
export const WORD_BYTES = 4;

export function writeWord(target: Uint8Array, at: number, word: number): void {
  target[at] = word >>> 24;
  target[at + 1] = word >>> 16;
  target[at + 2] = word >>> 8;
  target[at + 3] = word;
}

export function readWord(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Whether the bytes before `end` are these. */
export function endsWith(bytes: Uint8Array, end: number, expected: Uint8Array): boolean {
  const start = end - expected.length;
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}
