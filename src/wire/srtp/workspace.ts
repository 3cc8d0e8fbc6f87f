/**
 * Where a packet is put together before it is hashed and ciphered: one piece of memory for all sessions of a thread,
 * since nothing of a packet stays after the call. In front of the packet lies a block for HMAC; the payload of every
 * packet then begins on a multiple of four, so that whole words can be combined.
 */

/** UDP carries no more, nor does a length of 16 bits in front of a packet. */
export const MAX_SRTP_PACKET_BYTES = 0xffff;
/** Of a block of SHA-1, which HMAC's inner key fills. */
export const PACKET_AT = 64;

/** Behind the packet: a trailing word, and the end of the last word of the key stream. */
const SLACK_BYTES = 32;

const memory = new ArrayBuffer(PACKET_AT + MAX_SRTP_PACKET_BYTES + 1 + SLACK_BYTES);
export const WORK = new Uint8Array(memory);
export const WORK_WORDS = new Int32Array(memory);

/** Packets up to this long have their views of the workspace made once. */
const CACHED_BYTES = 2048;
const views: (Uint8Array | undefined)[] = new Array<undefined>(CACHED_BYTES).fill(undefined);

/** Hot path. The workspace from its start to `end`. */
export function workUpTo(end: number): Uint8Array {
  if (end >= CACHED_BYTES) return WORK.subarray(0, end);
  let view = views[end];
  if (view === undefined) {
    view = WORK.subarray(0, end);
    views[end] = view;
  }
  return view;
}
