/**
 * Messages to RTMP chunks (RTMP 1.0 section 5.3). Every message begins with a type 0 header and its absolute time,
 * because the bytes of media are shared by players that joined at different moments; the rest of a message is in
 * type 3 chunks, which repeat an extended timestamp. Header compression (types 1 and 2) is left out on purpose, and
 * so are chunk stream ids above 63, which nothing here needs.
 */
import { InvariantError } from '../../util/errors.ts';

const FULL_HEADER_BYTES = 12;
const EXTENDED = 0xffffff;
const EXTENDED_BYTES = 4;
const MAX_MESSAGE_BYTES = 0xffffff;
/** Below this a loop copies faster than a call. */
const LOOP_COPY_BYTES = 32;

/** A whole message as chunks, for commands and control. Ids: chunk stream 2 to 63; `timestamp` in ms, 32 bits. */
export function serializeMessage(
  chunkStreamId: number,
  typeId: number,
  streamId: number,
  timestamp: number,
  payload: Uint8Array,
  chunkSize: number,
): Buffer {
  if (chunkStreamId < 2 || chunkStreamId > 63) throw new InvariantError(`chunk stream id ${chunkStreamId}`);
  if (payload.length > MAX_MESSAGE_BYTES) throw new InvariantError(`RTMP message of ${payload.length} bytes`);
  const out = Buffer.allocUnsafe(chunkedLength(payload.length, timestamp, chunkSize));
  writeChunked(out, 0, chunkStreamId, typeId, streamId, timestamp, payload, 0, payload, chunkSize);
  return out;
}

/** Bytes that `writeChunked` will write for a payload (head and body together). */
export function chunkedLength(payloadBytes: number, timestamp: number, chunkSize: number): number {
  const extension = timestamp >= EXTENDED ? EXTENDED_BYTES : 0;
  const length = FULL_HEADER_BYTES + extension + payloadBytes;
  if (payloadBytes <= chunkSize) return length;
  return length + (Math.ceil(payloadBytes / chunkSize) - 1) * (1 + extension);
}

/**
 * Writes one message, its payload being the first `headBytes` of `head` and then all of `body`, and returns the
 * position behind it. The caller made room with `chunkedLength`; chunk stream ids 2 to 63, `timestamp` in ms, 32 bits.
 */
export function writeChunked(
  target: Uint8Array,
  at: number,
  chunkStreamId: number,
  typeId: number,
  streamId: number,
  timestamp: number,
  head: Uint8Array,
  headBytes: number,
  body: Uint8Array,
  chunkSize: number,
): number {
  const length = headBytes + body.length;
  const extended = timestamp >= EXTENDED;
  const time = extended ? EXTENDED : timestamp;
  target[at] = chunkStreamId;
  target[at + 1] = time >>> 16;
  target[at + 2] = time >>> 8;
  target[at + 3] = time;
  target[at + 4] = length >>> 16;
  target[at + 5] = length >>> 8;
  target[at + 6] = length;
  target[at + 7] = typeId;
  target[at + 8] = streamId;
  target[at + 9] = streamId >>> 8;
  target[at + 10] = streamId >>> 16;
  target[at + 11] = streamId >>> 24;
  let position = at + FULL_HEADER_BYTES;
  if (extended) position = writeUint32(target, position, timestamp);
  if (length <= chunkSize) {
    position = copy(target, position, head, 0, headBytes);
    target.set(body, position);
    return position + body.length;
  }
  return writeSplit(target, position, chunkStreamId, extended, timestamp, head, headBytes, body, chunkSize);
}

function writeSplit(
  target: Uint8Array,
  start: number,
  chunkStreamId: number,
  extended: boolean,
  timestamp: number,
  head: Uint8Array,
  headBytes: number,
  body: Uint8Array,
  chunkSize: number,
): number {
  const length = headBytes + body.length;
  let position = start;
  let done = 0;
  for (;;) {
    const chunkEnd = Math.min(done + chunkSize, length);
    if (done < headBytes) {
      const headEnd = Math.min(chunkEnd, headBytes);
      position = copy(target, position, head, done, headEnd);
      done = headEnd;
    }
    if (done < chunkEnd) {
      position = copy(target, position, body, done - headBytes, chunkEnd - headBytes);
      done = chunkEnd;
    }
    if (done === length) return position;
    target[position++] = 0xc0 | chunkStreamId;
    if (extended) position = writeUint32(target, position, timestamp);
  }
}

function copy(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): number {
  const count = to - from;
  if (count < LOOP_COPY_BYTES) for (let i = 0; i < count; i++) target[at + i] = source[from + i]!;
  else target.set(source.subarray(from, to), at);
  return at + count;
}

function writeUint32(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
  return at + 4;
}
