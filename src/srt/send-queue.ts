/**
 * Packets of one player between `push` and their acknowledgement: payloads are views that all players share, only the
 * 16-byte header is our own. A ring of slots that grows up to its bound; packets are counted from 0 (position), the
 * ring knows nothing of sequence numbers.
 */
import { SRT_HEADER_BYTES } from '../wire/srt/srt-packet.ts';
import type { PacketKey } from './packet-key.ts';

const FIRST_SLOTS = 64;
const NEVER = -1;

export class SendQueue {
  /** Oldest packet that is kept, and the position after the newest. */
  first: number;
  end: number;
  bytes: number;
  /** Packets marked lost that are not sent again yet. */
  lost: number;
  private readonly maxPackets: number;
  private readonly maxBytes: number;
  private mask: number;
  private payloads: (Uint8Array | null)[];
  private keys: (PacketKey | null)[];
  /** Views of one piece of memory, made once. */
  private headers: Buffer[];
  private pushedUs: Float64Array;
  private repeatedUs: Float64Array;
  private marks: Uint8Array;
  /** No packet before it is marked lost. */
  private lossScan: number;

  constructor(maxPackets: number, maxBytes: number) {
    this.first = 0;
    this.end = 0;
    this.bytes = 0;
    this.lost = 0;
    this.maxPackets = maxPackets;
    this.maxBytes = maxBytes;
    this.mask = FIRST_SLOTS - 1;
    this.payloads = new Array<Uint8Array | null>(FIRST_SLOTS).fill(null);
    this.keys = new Array<PacketKey | null>(FIRST_SLOTS).fill(null);
    this.headers = headerViews(FIRST_SLOTS);
    this.pushedUs = new Float64Array(FIRST_SLOTS);
    this.repeatedUs = new Float64Array(FIRST_SLOTS);
    this.marks = new Uint8Array(FIRST_SLOTS);
    this.lossScan = 0;
  }

  get length(): number {
    return this.end - this.first;
  }

  hasRoom(bytes: number): boolean {
    return this.length < this.maxPackets && this.bytes + bytes <= this.maxBytes;
  }

  push(payload: Uint8Array, nowUs: number): number {
    if (this.length > this.mask) this.grow();
    const slot = this.end & this.mask;
    this.payloads[slot] = payload;
    this.keys[slot] = null;
    this.pushedUs[slot] = nowUs;
    this.repeatedUs[slot] = NEVER;
    this.marks[slot] = 0;
    this.bytes += payload.length;
    return this.end++;
  }

  payload(position: number): Uint8Array {
    return this.payloads[position & this.mask]!;
  }

  header(position: number): Buffer {
    return this.headers[position & this.mask]!;
  }

  key(position: number): PacketKey | null {
    return this.keys[position & this.mask]!;
  }

  setKey(position: number, key: PacketKey | null): void {
    this.keys[position & this.mask] = key;
  }

  pushedAt(position: number): number {
    return this.pushedUs[position & this.mask]!;
  }

  /** When it was sent again the last time; -1 never. */
  repeatedAt(position: number): number {
    return this.repeatedUs[position & this.mask]!;
  }

  setRepeated(position: number, nowUs: number): void {
    this.repeatedUs[position & this.mask] = nowUs;
  }

  /** True when it was not marked before. */
  markLost(position: number): boolean {
    const slot = position & this.mask;
    if (this.marks[slot] === 1) return false;
    this.marks[slot] = 1;
    this.lost++;
    if (position < this.lossScan) this.lossScan = position;
    return true;
  }

  /** Oldest packet that is marked, its mark taken off; -1 when there is none. */
  takeLost(): number {
    if (this.lost === 0) return -1;
    let at = Math.max(this.lossScan, this.first);
    while (this.marks[at & this.mask] === 0) at++;
    this.marks[at & this.mask] = 0;
    this.lost--;
    this.lossScan = at + 1;
    return at;
  }

  /** Forgets what lies before `position`. Returns the bytes of it. */
  release(position: number): number {
    const before = this.bytes;
    while (this.first < position) {
      const slot = this.first & this.mask;
      this.bytes -= this.payloads[slot]!.length;
      this.payloads[slot] = null;
      this.keys[slot] = null;
      if (this.marks[slot] === 1) {
        this.marks[slot] = 0;
        this.lost--;
      }
      this.first++;
    }
    return before - this.bytes;
  }

  private grow(): void {
    const count = (this.mask + 1) * 2;
    const mask = count - 1;
    const payloads = new Array<Uint8Array | null>(count).fill(null);
    const keys = new Array<PacketKey | null>(count).fill(null);
    // Headers on their way into the kernel keep the old memory alive.
    const headers = headerViews(count);
    const pushedUs = new Float64Array(count);
    const repeatedUs = new Float64Array(count);
    const marks = new Uint8Array(count);
    for (let position = this.first; position < this.end; position++) {
      const from = position & this.mask;
      const to = position & mask;
      payloads[to] = this.payloads[from]!;
      keys[to] = this.keys[from]!;
      this.header(position).copy(headers[to]!);
      pushedUs[to] = this.pushedUs[from]!;
      repeatedUs[to] = this.repeatedUs[from]!;
      marks[to] = this.marks[from]!;
    }
    this.mask = mask;
    this.payloads = payloads;
    this.keys = keys;
    this.headers = headers;
    this.pushedUs = pushedUs;
    this.repeatedUs = repeatedUs;
    this.marks = marks;
  }
}

function headerViews(count: number): Buffer[] {
  const memory = Buffer.alloc(count * SRT_HEADER_BYTES);
  return Array.from({ length: count }, (_, slot) =>
    memory.subarray(slot * SRT_HEADER_BYTES, (slot + 1) * SRT_HEADER_BYTES),
  );
}
