/**
 * Old ways to begin in the middle of a file: FLV with `?start=BYTE` (as the flv modules of web servers have it) or
 * `?starttime=SECONDS`, MP4 with `?start=SECONDS&end=SECONDS`. What is sent begins at the access point at or before.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { MediaFile } from '../../media-file/media-file.ts';
import type { VodLibrary } from '../../media-file/vod-library.ts';
import { pointBefore } from '../../media-file/vod-plan.ts';
import { FlvTagBuilder } from '../../packaging/flv-tag-builder.ts';
import { type FileReaders, isGone, untilDrained } from '../../runtime/file-response.ts';
import type { HttpRequest } from '../../runtime/http-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import { serializeFileHeader, TAG_SCRIPT } from '../../wire/flv/tag-header.ts';
import { serializeTag } from '../../wire/flv/tag-writer.ts';

const PIECE_BYTES = 128 * 1024;

/** File header, metadata and decoder configurations, then the bytes of the file from an access point on. */
export async function sendFlvFrom(
  request: HttpRequest,
  library: VodLibrary,
  readers: FileReaders,
  path: string,
  onSent: (bytes: number) => void,
): Promise<void> {
  const startByte = numberOf(request, 'start');
  const startTime = numberOf(request, 'starttime');
  const { head, position } = await library.use(path, async (file) => {
    if (file.format !== 'flv') throw new RejectedError('unsupported', 'This file is not FLV.');
    const { points } = file;
    if (points.length === 0) throw new RejectedError('unsupported', 'This file has no place to start from.');
    const index = Number.isNaN(startTime)
      ? lastAtOrBefore(points, startByte)
      : pointBefore(points, startTime * 1_000_000);
    const point = points[index]!; // there is at least one
    return { head: flvHead(file, point.timeUs), position: point.position };
  });
  const { size } = await stat(path);
  request.response.writeHead(200, {
    'Content-Type': 'video/x-flv',
    'Content-Length': head.length + Math.max(0, size - position),
    'Cache-Control': 'no-cache',
    'X-Content-Type-Options': 'nosniff',
  });
  if (request.method === 'HEAD') {
    request.response.end();
    return;
  }
  readers.enter(path);
  try {
    const rest = createReadStream(path, { start: position, end: size - 1, highWaterMark: PIECE_BYTES });
    await sendPieces(request.response, joined(head, rest), onSent);
  } finally {
    readers.leave(path);
  }
}

/** The part as a fragmented MP4 whose times begin at 0. */
export async function sendMp4Part(
  request: HttpRequest,
  library: VodLibrary,
  path: string,
  onSent: (bytes: number) => void,
): Promise<void> {
  const startUs = (numberOf(request, 'start') || 0) * 1_000_000;
  const end = numberOf(request, 'end');
  const endUs = Number.isNaN(end) ? Number.POSITIVE_INFINITY : end * 1_000_000;
  if (endUs <= startUs) throw new RejectedError('bad-request', 'end must be behind start.');
  const timeline = await library.timeline([{ path, startMs: 0 }]);
  const pieces = timeline.clip(startUs, endUs);
  // The first piece shows whether it works at all, while there is still a status to choose.
  const first = await pieces.next();
  request.response.writeHead(200, {
    'Content-Type': 'video/mp4',
    'Cache-Control': 'no-cache',
    'X-Content-Type-Options': 'nosniff',
  });
  if (request.method === 'HEAD' || first.done === true) {
    await pieces.return();
    request.response.end();
    return;
  }
  await sendPieces(request.response, joined(first.value, pieces), onSent);
}

async function* joined(
  first: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  yield first;
  yield* rest;
}

/** Writes as fast as the peer takes it; stops when it leaves. */
async function sendPieces(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
): Promise<void> {
  let sent = 0;
  try {
    for await (const piece of pieces) {
      if (isGone(response)) return;
      sent += piece.length;
      if (!response.write(piece)) await untilDrained(response);
    }
    response.end();
  } finally {
    onSent(sent);
  }
}

function flvHead(file: MediaFile, timeUs: number): Buffer {
  const builder = new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: null });
  const tracks = file.tracks.filter((track) => builder.canCarry(track));
  const has = (kind: string) => tracks.some((track) => track.kind === kind);
  const timestampMs = Math.round(timeUs / 1000);
  const parts = [
    serializeFileHeader(has('audio'), has('video')),
    serializeTag(TAG_SCRIPT, 0, builder.metadata(tracks, null)),
  ];
  for (const track of tracks) {
    const header = builder.sequenceHeader(track);
    if (header !== null) parts.push(serializeTag(header.typeId, timestampMs, header.bytes));
  }
  return Buffer.concat(parts);
}

function lastAtOrBefore(points: MediaFile['points'], position: number): number {
  let found = 0;
  for (const [index, point] of points.entries()) {
    if (!(point.position <= position)) break;
    found = index;
  }
  return found;
}

/** NaN when it is not given. */
function numberOf(request: HttpRequest, name: string): number {
  const text = request.query.get(name);
  if (text === null || text === '') return Number.NaN;
  if (!/^\d{1,15}(\.\d{1,6})?$/.test(text))
    throw new RejectedError('bad-request', `${name}=${text} is not a number.`);
  return Number(text);
}
