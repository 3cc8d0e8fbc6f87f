/** Builds chunks byte by byte, so that tests do not lean on the writer they test. */

export interface HeaderFields {
  readonly time?: number;
  readonly length?: number;
  readonly type?: number;
  readonly stream?: number;
  /** Written behind the header. */
  readonly extension?: number;
}

export function u32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

export function basicHeader(format: number, id: number): number[] {
  if (id < 64) return [(format << 6) | id];
  if (id < 320) return [format << 6, id - 64];
  return [(format << 6) | 1, (id - 64) & 255, (id - 64) >> 8];
}

export function chunk(
  format: number,
  id: number,
  fields: HeaderFields,
  payload: readonly number[] = [],
): Buffer {
  const bytes = basicHeader(format, id);
  if (format < 3) bytes.push(...u32(fields.time ?? 0).slice(1));
  if (format < 2) bytes.push(...u32(fields.length ?? payload.length).slice(1), fields.type ?? 9);
  if (format === 0) bytes.push(...u32(fields.stream ?? 1).reverse());
  if (fields.extension !== undefined) bytes.push(...u32(fields.extension));
  return Buffer.from([...bytes, ...payload]);
}

export function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (from + i) & 255);
}

/** Deterministic random numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

/** The three ways of feeding: whole, byte by byte, cut at random. */
export function feedings(bytes: Uint8Array, seed = 1): [string, Uint8Array[]][] {
  const single: Uint8Array[] = [];
  for (let i = 0; i < bytes.length; i++) single.push(bytes.subarray(i, i + 1));
  const random = seededRandom(seed);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + Math.floor(random() ** 3 * 900);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [
    ['whole', [bytes]],
    ['byte by byte', single],
    ['cut at random', pieces],
  ];
}
