/**
 * Frames as publishers send them to the canonical payloads of src/codec/README.md, for FlvIngest. One buffer is reused
 * for the frames that must be rewritten; the others are passed on as they are.
 */
import type { CodecId } from '../codec/codec-id.ts';
import { NalCursor } from '../codec/nal-unit.ts';
import { canonicalVideoSize, videoFraming, writeCanonicalVideo } from '../codec/video-payload.ts';
import { FRAMING_UNKNOWN, type IngestTrack } from './flv-ingest-track.ts';

const NAL_LENGTH_BYTES = 4;
const OBU_TEMPORAL_DELIMITER = 2;
/** Slices have the types 1 to 5 in H.264 (0 is reserved) and 0 to 31 in H.265. */
const LAST_H264_SLICE = 5;
const LAST_H265_SLICE = 31;
const ADTS_HEADER_BYTES = 7;
const ADTS_CRC_BYTES = 2;

const cursor = new NalCursor();

export class CanonicalFrames {
  /** Made when it is needed, which most publishers never do; twice as large as the largest frame at most. */
  private scratch = new Uint8Array(0);

  /** The canonical form, valid until the next call; null when the frame is damaged. May be `received` itself. */
  video(track: IngestTrack, received: Uint8Array): Uint8Array | null {
    const { codec } = track;
    // Which framing a publisher uses is found once; only a frame that does not fit makes us look again.
    if (track.framing === FRAMING_UNKNOWN) track.framing = detectFraming(track, received);
    let size = canonicalVideoSize(codec, received, track.framing);
    if (size < 0) {
      track.framing = detectFraming(track, received);
      size = canonicalVideoSize(codec, received, track.framing);
      if (size < 0) return null;
    }
    if (size === received.length && isCanonical(codec, received, track.framing)) return received;
    if (size > this.scratch.length) this.scratch = new Uint8Array(size * 2);
    const end = writeCanonicalVideo(codec, received, track.framing, this.scratch, 0);
    return this.scratch.subarray(0, end);
  }
}

/** A frame that fits nothing leaves the framing as the record tells it. */
function detectFraming(track: IngestTrack, received: Uint8Array): number {
  const framing = videoFraming(track.codec, received, track.lengthSize);
  return framing < 0 ? track.lengthSize : framing;
}

/** For a frame whose canonical form has the same size. */
function isCanonical(codec: CodecId, received: Uint8Array, framing: number): boolean {
  if (codec === 'h264' || codec === 'h265') return framing === NAL_LENGTH_BYTES;
  // A size field may have come for the temporal delimiter that went.
  return codec !== 'av1' || ((received[0]! >> 3) & 15) !== OBU_TEMPORAL_DELIMITER;
}

/** Whether a canonical frame of H.264 or H.265 holds a slice, and not parameter sets or SEI alone. */
export function hasPicture(codec: CodecId, payload: Uint8Array): boolean {
  cursor.reset(payload, NAL_LENGTH_BYTES);
  while (cursor.advance()) {
    const header = payload[cursor.start]!;
    const isSlice =
      codec === 'h264' ? (header & 0x1f) <= LAST_H264_SLICE : ((header >> 1) & 0x3f) <= LAST_H265_SLICE;
    if (isSlice) return true;
  }
  return false;
}

/**
 * Bytes of an ADTS header in front of an AAC frame, which has no place in FLV but is sent by some encoders; 0 when
 * there is none. A raw frame does not begin with twelve set bits: its first element would be the end mark.
 */
export function adtsHeaderBytes(body: Uint8Array, start: number, end: number): number {
  if (end - start < ADTS_HEADER_BYTES || body[start] !== 0xff || (body[start + 1]! & 0xf6) !== 0xf0) return 0;
  const bytes = ADTS_HEADER_BYTES + ((body[start + 1]! & 1) === 0 ? ADTS_CRC_BYTES : 0);
  return end - start > bytes ? bytes : 0;
}
