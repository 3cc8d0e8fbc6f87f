/** Answers that send a segment, a part, or a segment that is still being made, as its parts come. */
import { readFile } from 'node:fs/promises';
import type { Segment } from '../packaging/segment.ts';
import { isGone, sendBytes, sendFile, untilDrained } from '../runtime/file-response.ts';
import type { HttpRequest } from '../runtime/http-listener.ts';
import type { SegmentOrigin } from './segment-origin.ts';
import type { SegmentedStream } from './segmented-stream.ts';

/** Names are never used twice, so whatever lies on the way may keep them. */
const CACHE_SEGMENT = 'public, max-age=3600, immutable';

export async function sendSegment(
  origin: SegmentOrigin,
  request: HttpRequest,
  stream: SegmentedStream,
  segment: Segment,
  type: string,
): Promise<void> {
  stream.touch();
  const options = {
    type,
    cacheControl: CACHE_SEGMENT,
    onSent: (bytes: number) => origin.viewers.onSegment(request, bytes),
  };
  if (!segment.isComplete) {
    await sendAsMade(origin, request, stream, segment, type);
    return;
  }
  const { keys } = stream;
  if (segment.file !== '' && keys === null) {
    await sendFile(request, segment.file, origin.readers, options);
    return;
  }
  const clear = segment.file === '' ? inOnePiece(segment) : await readFile(segment.file);
  const bytes = keys === null ? clear : keys.encrypt(segment, [clear]);
  sendBytes(
    request,
    [bytes],
    { etag: `"${segment.sequence}-${segment.sizeBytes}"`, modifiedMs: Number.NaN },
    options,
  );
}

/**
 * The bytes of a complete segment in memory as one view: each answer is then one write and not one for each part. Where
 * the parts do not lie side by side they are moved, once, and become views of the whole: nothing is kept twice.
 */
function inOnePiece(segment: Segment): Buffer {
  const first = segment.parts[0]?.bytes;
  if (first === undefined) return Buffer.alloc(0);
  const { buffer, byteOffset } = first;
  let end = byteOffset;
  for (const { bytes } of segment.parts) {
    if (bytes.buffer !== buffer || bytes.byteOffset !== end) return moveTogether(segment);
    end += bytes.length;
  }
  return Buffer.from(buffer, byteOffset, end - byteOffset);
}

function moveTogether(segment: Segment): Buffer {
  const whole = Buffer.concat(segment.parts.map((part) => part.bytes));
  let at = 0;
  // A new array: who sends the old one goes on with it.
  segment.parts = segment.parts.map((part) => {
    const bytes = whole.subarray(at, at + part.bytes.length);
    at += bytes.length;
    return { ...part, bytes };
  });
  return whole;
}

/** Chunk by chunk, as low-latency DASH has it: the answer ends with the segment. */
async function sendAsMade(
  origin: SegmentOrigin,
  request: HttpRequest,
  stream: SegmentedStream,
  segment: Segment,
  type: string,
): Promise<void> {
  const { response } = request;
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': CACHE_SEGMENT });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  const limitMs = stream.settings.durationMs * 4;
  // The array is replaced when the segment goes to disk; what was in it stays valid.
  const { parts } = segment;
  let next = 0;
  while (!isGone(response)) {
    for (; next < parts.length; next++) {
      const { bytes } = parts[next]!; // next is below the length
      origin.viewers.onSegment(request, bytes.length);
      if (!response.write(bytes)) await untilDrained(response);
    }
    if (segment.isComplete || stream.isOver) break;
    const seen = next;
    await stream.until(() => parts.length > seen || segment.isComplete, limitMs);
    if (parts.length === seen && !segment.isComplete) break;
  }
  response.end();
}
