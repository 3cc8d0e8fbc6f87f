/**
 * Puts handshake messages together and in order (RFC 6347 section 4.2.3 and 4.2.6). A message is handed out once, whole,
 * with the header of an unfragmented one, in own memory. Fragments may come in any order, overlap and repeat.
 */
import { ProtocolError } from '../util/errors.ts';
import {
  DTLS_HANDSHAKE_HEADER_BYTES,
  type DtlsHandshakeFragment,
  writeHandshakeHeader,
} from '../wire/dtls/handshake-header.ts';

/** Chains of certificates have at most a few kilobytes. */
const MAX_MESSAGE_BYTES = 32 * 1024;
/** All messages of a connection that are not handed out yet. */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** The longest flight has five messages. */
const WINDOW_MESSAGES = 8;
/** Gaps within a message: 32 KiB in datagrams of 1200 bytes are 28 pieces. */
const MAX_PIECES = 64;

class Assembly {
  readonly type: number;
  readonly epoch: number;
  readonly message: Buffer;
  /** Begin and end of each piece that is there, ascending, without touching each other. */
  private readonly pieces: number[];

  constructor(fragment: DtlsHandshakeFragment, epoch: number) {
    this.type = fragment.type;
    this.epoch = epoch;
    this.message = Buffer.allocUnsafe(DTLS_HANDSHAKE_HEADER_BYTES + fragment.length);
    writeHandshakeHeader(
      this.message,
      0,
      fragment.type,
      fragment.length,
      fragment.sequence,
      0,
      fragment.length,
    );
    this.pieces = [];
  }

  get length(): number {
    return this.message.length - DTLS_HANDSHAKE_HEADER_BYTES;
  }

  get isWhole(): boolean {
    return this.length === 0 || (this.pieces[0] === 0 && this.pieces[1] === this.length);
  }

  /** Bytes that are there already stay as they are. */
  add(fragment: DtlsHandshakeFragment, bytes: Uint8Array): void {
    const { pieces } = this;
    const from = fragment.offset;
    const to = from + fragment.end - fragment.start;
    if (from === to) return;
    let first = 0;
    while (first < pieces.length && pieces[first + 1]! < from) first += 2;
    let last = first;
    let low = from;
    let high = to;
    let copied = from;
    while (last < pieces.length && pieces[last]! <= to) {
      this.copy(fragment, bytes, copied, pieces[last]!);
      copied = Math.max(copied, pieces[last + 1]!);
      low = Math.min(low, pieces[last]!);
      high = Math.max(high, pieces[last + 1]!);
      last += 2;
    }
    if (last === first && pieces.length >= 2 * MAX_PIECES) return;
    this.copy(fragment, bytes, copied, to);
    pieces.splice(first, last - first, low, high);
  }

  private copy(fragment: DtlsHandshakeFragment, bytes: Uint8Array, from: number, to: number): void {
    if (from >= to) return;
    const start = fragment.start - fragment.offset;
    this.message.set(bytes.subarray(start + from, start + to), DTLS_HANDSHAKE_HEADER_BYTES + from);
  }
}

export class FragmentBuffer {
  /** Of the message that is handed out next. */
  nextSequence: number;
  private readonly slots: (Assembly | null)[];
  private bufferedBytes: number;

  constructor() {
    this.nextSequence = 0;
    this.slots = new Array<Assembly | null>(WINDOW_MESSAGES).fill(null);
    this.bufferedBytes = 0;
  }

  /** False: not kept. Throws ProtocolError `dtls.message-too-big`. */
  add(fragment: DtlsHandshakeFragment, epoch: number, bytes: Uint8Array): boolean {
    const ahead = fragment.sequence - this.nextSequence;
    if (ahead < 0 || ahead >= WINDOW_MESSAGES) return false;
    if (fragment.length > MAX_MESSAGE_BYTES)
      throw new ProtocolError('dtls.message-too-big', `${fragment.length} bytes`);
    const at = fragment.sequence % WINDOW_MESSAGES;
    let slot = this.slots[at]!;
    if (slot === null) {
      if (this.bufferedBytes + fragment.length > MAX_BUFFERED_BYTES) return false;
      slot = new Assembly(fragment, epoch);
      this.slots[at] = slot;
      this.bufferedBytes += fragment.length;
    } else if (slot.type !== fragment.type || slot.length !== fragment.length || slot.epoch !== epoch)
      return false;
    slot.add(fragment, bytes);
    return true;
  }

  /** Epoch of the message that `take` would return now; -1 when it is not whole yet. */
  get readyEpoch(): number {
    const slot = this.slots[this.nextSequence % WINDOW_MESSAGES]!;
    return slot?.isWhole === true ? slot.epoch : -1;
  }

  /** The next message, for which `readyEpoch` was not -1. */
  take(): Buffer {
    const at = this.nextSequence % WINDOW_MESSAGES;
    const { length, message } = this.slots[at]!;
    this.slots[at] = null;
    this.bufferedBytes -= length;
    this.nextSequence++;
    return message;
  }

  /** Forgets messages that are not handed out. */
  clear(): void {
    this.slots.fill(null);
    this.bufferedBytes = 0;
  }
}
