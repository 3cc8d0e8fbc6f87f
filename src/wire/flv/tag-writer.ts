/** Whole FLV tags from bodies (Adobe FLV 10.1, annex E.4.1), for what is not on the hot path: headers and metadata. */
import { InvariantError } from '../../util/errors.ts';
import {
  MAX_TAG_BODY_BYTES,
  TAG_HEADER_BYTES,
  TAG_TRAILER_BYTES,
  writeTagHeader,
  writeTagTrailer,
} from './tag-header.ts';

/** Header, body and trailing size. `timestampMs` is taken modulo 2^32. */
export function serializeTag(type: number, timestampMs: number, body: Uint8Array): Buffer {
  if (body.length > MAX_TAG_BODY_BYTES) throw new InvariantError(`FLV tag body of ${body.length} bytes`);
  const tag = Buffer.allocUnsafe(TAG_HEADER_BYTES + body.length + TAG_TRAILER_BYTES);
  const at = writeTagHeader(tag, 0, type, body.length, timestampMs);
  tag.set(body, at);
  writeTagTrailer(tag, at + body.length, body.length);
  return tag;
}
