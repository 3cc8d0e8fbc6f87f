/** Lengths of AV1, least significant 7 bits first: AV1 specification 4.10.5. Values of at most 32 bits. */

/** Bytes that `writeLeb128` needs for a value. */
export function leb128Bytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/** Writes a value at `at`; returns the offset behind it. */
export function writeLeb128(target: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) target[to++] = (rest & 0x7f) | 0x80;
  target[to++] = rest;
  return to;
}
