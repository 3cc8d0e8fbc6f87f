/**
 * Write-once memory for media bytes. A slab is filled from its start and never reused; the garbage collector frees
 * it when no frame or chunk refers to it. There is no manual count and no way to overwrite bytes that a socket
 * still has to send.
 *
 * Every stream and feed has its own writer, and a slab is about one second of its own data. (One shared writer
 * would let a stream with a long GOP pin the slabs of all its neighbours.)
 */

/** For the frames of a stream: a thousand quiet publishers must not cost a gigabyte. */
const MIN_SLAB_BYTES = 16 * 1024;
const MAX_SLAB_BYTES = 1024 * 1024;

/** Where an encoder puts its bytes: a SlabWriter, or what writes a header of its own in front. */
export interface ByteTarget {
  /** Makes room for `bytes` in one piece and returns its offset in `slab`, which may be a new one. */
  reserve(bytes: number, nowUs: number): number;
  readonly slab: Buffer;
}

export class SlabWriter implements ByteTarget {
  /** The slab being filled. Chunks that lie next to each other in one slab can be sent as one view. */
  slab: Buffer;
  used = 0;
  private slabStartedUs = 0;
  /** Other threads read it. */
  private readonly isShared: boolean;
  private readonly minSlabBytes: number;
  private nextSlabBytes: number;

  /** A writer whose bytes are sent wants large slabs: where one ends, a flush needs a second write. */
  constructor(minSlabBytes = MIN_SLAB_BYTES, isShared = false) {
    this.isShared = isShared;
    this.minSlabBytes = minSlabBytes;
    this.nextSlabBytes = minSlabBytes;
    this.slab = EMPTY_SLAB;
  }

  /** Makes room for `bytes` in one piece and returns its offset in `slab`; the caller then writes there. */
  reserve(bytes: number, nowUs: number): number {
    if (this.slab.length - this.used < bytes) this.renew(bytes, nowUs);
    const at = this.used;
    this.used = at + bytes;
    return at;
  }

  /** Copies `bytes` into the slab and returns the view of the copy. */
  copy(bytes: Uint8Array, nowUs: number): Buffer {
    const at = this.reserve(bytes.length, nowUs);
    this.slab.set(bytes, at);
    return this.slab.subarray(at, at + bytes.length);
  }

  private renew(bytes: number, nowUs: number): void {
    if (this.slab !== EMPTY_SLAB) {
      // A slab that lasted less than half a second is too small, one that lasted more than two too large.
      const lastedUs = nowUs - this.slabStartedUs;
      if (lastedUs < 500_000) this.nextSlabBytes = Math.min(this.nextSlabBytes * 2, MAX_SLAB_BYTES);
      else if (lastedUs > 2_000_000) this.nextSlabBytes = Math.max(this.nextSlabBytes / 2, this.minSlabBytes);
    }
    this.slabStartedUs = nowUs;
    // allocUnsafeSlow: its own memory, not a view into the pool that Node shares with everything else.
    const size = Math.max(bytes, this.nextSlabBytes);
    this.slab = this.isShared ? Buffer.from(new SharedArrayBuffer(size)) : Buffer.allocUnsafeSlow(size);
    this.used = 0;
  }
}

const EMPTY_SLAB = Buffer.alloc(0);
