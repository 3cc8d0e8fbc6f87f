/**
 * Whether pictures of an H.264 stream that are shown in the order of decoding refer to pictures that are not (B-frames to
 * which others refer). Where they do not, all pictures that are out of order may be left out, and what is left is
 * exact: x264 with one reference frame or with a strict pyramid is of that kind, with more references it is not.
 * Follows the short-term references of ITU-T H.264 8.2.4 and 8.2.5; whatever else there is counts as a reference.
 */
import { ProtocolError } from '../util/errors.ts';
import { parseAvcConfig } from './avc-config.ts';
import type { CodecConfig } from './codec-config.ts';
import {
  type H264Pps,
  type H264SliceHeader,
  parseH264Pps,
  parseH264SliceHeader,
} from './h264-slice-header.ts';
import { type H264Sps, parseH264Sps } from './h264-sps.ts';
import { NalCursor } from './nal-unit.ts';

interface Reference {
  readonly frameNum: number;
  readonly isOutOfOrder: boolean;
}

const FIRST_SLICE = 1;
const SLICE_IDR = 5;
const NOTHING: readonly Reference[] = [];

export class H264References {
  private readonly cursor = new NalCursor();
  private sps: H264Sps | null = null;
  private ppsById: ReadonlyMap<number, H264Pps> = new Map();
  private references: readonly Reference[] = NOTHING;
  private lastFrameNum = -1;
  /** A picture since the last IDR was not understood, or is missing. */
  private isLost = true;

  /** The config of the pictures that follow. */
  configure(config: CodecConfig): void {
    this.sps = null;
    this.isLost = true;
    this.references = NOTHING;
    try {
      const { sps, pps } = parseAvcConfig(config.record);
      // Of several parameter sets for sequences slices tell by their picture parameter set which is meant.
      if (sps.length !== 1) return;
      this.sps = parseH264Sps(sps[0]!); // there is one
      this.ppsById = new Map(pps.map(parseH264Pps).map((one) => [one.id, one]));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  /**
   * The next picture in decoding order, canonical. True: it can be decoded without any picture that is out of order.
   * Of a picture that is itself out of order that does not count.
   */
  push(payload: Uint8Array, isOutOfOrder: boolean): boolean {
    try {
      return this.take(payload, isOutOfOrder);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.isLost = true;
      return isOutOfOrder;
    }
  }

  private take(payload: Uint8Array, isOutOfOrder: boolean): boolean {
    const { cursor, sps } = this;
    let first: H264SliceHeader | null = null;
    let isFree = true;
    cursor.reset(payload, 4);
    while (sps !== null && cursor.advance()) {
      const type = payload[cursor.start]! & 0x1f;
      if (type !== FIRST_SLICE && type !== SLICE_IDR) continue;
      const slice = parseH264SliceHeader(payload, cursor.start, cursor.end, sps, (id) =>
        this.ppsById.get(id),
      );
      if (first === null) this.begin(slice, sps);
      first ??= slice;
      if (!isOutOfOrder && !this.isFree(slice, sps)) isFree = false;
    }
    if (first?.isReference === true && sps !== null) this.mark(first, sps, isOutOfOrder);
    return isOutOfOrder || (first !== null && isFree);
  }

  private begin({ isIdr, frameNum }: H264SliceHeader, { slices }: H264Sps): void {
    const max = 2 ** slices.frameNumBits;
    if (isIdr) {
      this.references = NOTHING;
      this.isLost = false;
    } else if (frameNum !== this.lastFrameNum && frameNum !== (this.lastFrameNum + 1) % max)
      this.isLost = true;
  }

  private isFree(slice: H264SliceHeader, { slices }: H264Sps): boolean {
    if (slice.type === 'I') return true;
    if (slice.type === 'B' || this.isLost) return false;
    const max = 2 ** slices.frameNumBits;
    const list = [...this.references].sort((a, b) => wrapped(b, slice, max) - wrapped(a, slice, max));
    let predicted = slice.frameNum;
    let at = 0;
    for (const { op, value } of slice.changes) {
      if (op > 1) return false;
      predicted = (predicted + (op === 0 ? -1 : 1) * (value + 1) + 2 * max) % max;
      const wanted = list.findIndex(({ frameNum }) => frameNum === predicted);
      const found = list[wanted];
      if (found === undefined) return false;
      // Weights may name one picture several times (8.2.4.3.1): it moves forward, and is not lost for the next.
      list.splice(at, 0, found);
      const again = list.findIndex((one, i) => i > at && one === found);
      if (again >= 0) list.splice(again, 1);
      at++;
    }
    return list.slice(0, slice.references).every((one) => !one.isOutOfOrder);
  }

  private mark(slice: H264SliceHeader, { slices }: H264Sps, isOutOfOrder: boolean): void {
    const max = 2 ** slices.frameNumBits;
    let kept = [...this.references];
    let { frameNum } = slice;
    if (slice.marking === null) {
      while (kept.length >= Math.max(1, slices.maxRefFrames)) {
        const oldest = kept.reduce((a, b) => (wrapped(a, slice, max) < wrapped(b, slice, max) ? a : b));
        kept = kept.filter((one) => one !== oldest);
      }
    } else {
      for (const { op, value } of slice.marking) {
        const gone = (slice.frameNum - value - 1 + 2 * max) % max;
        kept = op === 5 ? [] : kept.filter((one) => one.frameNum !== gone);
        if (op === 5) frameNum = 0;
      }
    }
    this.references = [...kept, { frameNum, isOutOfOrder }].slice(-32);
    this.lastFrameNum = frameNum;
  }
}

/** FrameNumWrap of 8.2.4.1. */
function wrapped({ frameNum }: Reference, slice: H264SliceHeader, max: number): number {
  return frameNum > slice.frameNum ? frameNum - max : frameNum;
}
