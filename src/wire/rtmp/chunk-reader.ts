/**
 * RTMP chunk stream to messages (RTMP 1.0 section 5.3), without I/O. Set Chunk Size and Abort are obeyed here and
 * not passed on; an Aggregate is passed on as the messages inside it.
 *
 * The common case, a whole message inside one chunk inside the received bytes, is passed on as a view of those
 * bytes. Anything else is put together in a buffer per chunk stream that grows with what has arrived, never with
 * what was announced.
 */
import { ProtocolError } from '../../util/errors.ts';
import { addSerial32 } from '../../util/serial-number.ts';
import { forEachAggregated } from './aggregate.ts';
import { MESSAGE_ABORT, MESSAGE_AGGREGATE, MESSAGE_SET_CHUNK_SIZE, RtmpMessage } from './message.ts';

export type { RtmpMessage };

interface ChunkReaderOptions {
  readonly maxMessageBytes: number;
  readonly maxChunkStreams: number;
  /** May throw (the session ends) and may call `stop`. Must not call `receive`. */
  readonly onMessage: (message: RtmpMessage) => void;
}

const NO_BYTES = new Uint8Array(0);
const DEFAULT_CHUNK_SIZE = 128;
/** Basic header 3, message header 11, extended timestamp 4. */
const MAX_HEADER_BYTES = 18;
const EXTENDED = 0xffffff;
const NEAR_STREAMS = 64;
const FIRST_BUFFER_BYTES = 512;
/** Up to this a buffer is made at once for the announced length, beyond it doubles with what arrives. */
const EAGER_BUFFER_BYTES = 65_536;
/** A larger buffer is given back after its message, so that one key frame does not cost memory for ever. */
const KEPT_BUFFER_BYTES = 65_536;
/** Below this a loop copies faster than a call. */
const LOOP_COPY_BYTES = 48;
const NEEDS_MORE = -1;

class ChunkStream {
  readonly id: number;
  timestamp: number;
  /** The last timestamp or delta that was sent: what a type 3 chunk adds and what an extension repeats. */
  step: number;
  extended: boolean;
  length: number;
  typeId: number;
  streamId: number;
  /** Payload bytes of the message under way. */
  received: number;
  buffer: Buffer | null;

  constructor(id: number) {
    this.id = id;
    this.timestamp = 0;
    this.step = 0;
    this.extended = false;
    this.length = 0;
    this.typeId = 0;
    this.streamId = 0;
    this.received = 0;
    this.buffer = null;
  }
}

export class ChunkReader {
  /** Of the peer, bytes. */
  chunkSize = DEFAULT_CHUNK_SIZE;
  stopped = false;
  private readonly maxMessageBytes: number;
  private readonly maxChunkStreams: number;
  private readonly onMessage: (message: RtmpMessage) => void;
  private readonly message = new RtmpMessage();
  private readonly near: (ChunkStream | null)[] = new Array(NEAR_STREAMS).fill(null);
  private readonly far = new Map<number, ChunkStream>();
  private streamCount = 0;
  /** Bytes of all buffers that are being filled or kept. */
  private heldBytes = 0;
  private current: ChunkStream | null = null;
  /** Payload bytes still to come of the chunk under way. */
  private chunkRemaining = 0;
  /** A header of which not all bytes have arrived. */
  private readonly fragment = Buffer.allocUnsafeSlow(MAX_HEADER_BYTES);
  private fragmentBytes = 0;

  constructor(options: ChunkReaderOptions) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.maxChunkStreams = options.maxChunkStreams;
    this.onMessage = options.onMessage;
  }

  /** Takes all the bytes. Throws ProtocolError; after that, and after `stop`, nothing more may come of it. */
  receive(bytes: Uint8Array): void {
    let at = 0;
    const end = bytes.length;
    while (this.fragmentBytes > 0 && at < end && !this.stopped) {
      this.fragment[this.fragmentBytes++] = bytes[at++]!;
      const held = this.fragmentBytes;
      this.fragmentBytes = 0;
      // What is still incomplete is put back; what turns out to be payload is used.
      this.process(this.fragment, 0, held);
    }
    if (at < end) this.process(bytes, at, end);
    // The object outlives this call: it must not keep the caller's memory alive.
    this.message.payload = NO_BYTES;
  }

  /** No further message is passed on, not even from bytes already received. */
  stop(): void {
    this.stopped = true;
  }

  private process(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.stopped) {
      if (this.chunkRemaining === 0) {
        const next = this.readHeader(bytes, at, end);
        if (next === NEEDS_MORE) {
          for (let i = at; i < end; i++) this.fragment[i - at] = bytes[i]!;
          this.fragmentBytes = end - at;
          return;
        }
        at = next;
      }
      at = this.takePayload(this.current!, bytes, at, end);
    }
  }

  /** Reads a chunk's headers into `current`; the position behind them, or NEEDS_MORE without having changed anything. */
  private readHeader(bytes: Uint8Array, start: number, end: number): number {
    const first = bytes[start]!;
    const format = first >> 6;
    let id = first & 63;
    let at = start + 1;
    if (id < 2) {
      const idBytes = id + 1;
      if (at + idBytes > end) return NEEDS_MORE;
      id = bytes[at]! + 64 + (idBytes === 2 ? bytes[at + 1]! * 256 : 0);
      at += idBytes;
    }
    const stream = this.find(id);
    if (format === 3) {
      if (stream === null) throw new ProtocolError('rtmp.no-previous-header', id);
      return this.readShortHeader(stream, bytes, at, end);
    }
    const headerBytes = 11 - format * 4;
    if (at + headerBytes > end) return NEEDS_MORE;
    let step = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const extended = step === EXTENDED;
    if (extended) {
      if (at + headerBytes + 4 > end) return NEEDS_MORE;
      step = readUint32(bytes, at + headerBytes);
    }
    return this.applyHeader(stream ?? this.add(id, format), format, step, extended, bytes, at);
  }

  /** A type 0, 1 or 2 header of which all bytes are there. */
  private applyHeader(
    stream: ChunkStream,
    format: number,
    step: number,
    extended: boolean,
    bytes: Uint8Array,
    at: number,
  ): number {
    if (format < 2) {
      const length = (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!;
      if (length > this.maxMessageBytes) throw new ProtocolError('rtmp.message-too-big', length);
      stream.length = length;
      stream.typeId = bytes[at + 6]!;
    }
    if (format === 0) {
      stream.streamId =
        (bytes[at + 7]! | (bytes[at + 8]! << 8) | (bytes[at + 9]! << 16) | (bytes[at + 10]! << 24)) >>> 0;
      stream.timestamp = step;
    } else stream.timestamp = addSerial32(stream.timestamp, step);
    stream.step = step;
    stream.extended = extended;
    // A full header in the middle of a message: the peer gave that message up.
    stream.received = 0;
    this.begin(stream);
    return at + 11 - format * 4 + (extended ? 4 : 0);
  }

  /**
   * Behind a type 3 basic header some peers repeat an extended timestamp and some do not (section 5.3.1.3 leaves it
   * open): the four bytes are taken as a repetition when they are the value expected there.
   */
  private readShortHeader(stream: ChunkStream, bytes: Uint8Array, at: number, end: number): number {
    const isNew = stream.received === 0;
    let next = at;
    if (stream.extended) {
      // After a delta, most repeat the delta and some put the message's time.
      const time = isNew ? addSerial32(stream.timestamp, stream.step) : stream.timestamp;
      let match = matchUint32(bytes, at, end, stream.step);
      if (match !== MATCH && time !== stream.step) {
        const other = matchUint32(bytes, at, end, time);
        if (other !== NO_MATCH) match = other;
      }
      if (match === MATCH_SO_FAR) return NEEDS_MORE;
      if (match === MATCH) next += 4;
    }
    if (isNew) stream.timestamp = addSerial32(stream.timestamp, stream.step);
    this.begin(stream);
    return next;
  }

  private begin(stream: ChunkStream): void {
    const missing = stream.length - stream.received;
    this.chunkRemaining = missing < this.chunkSize ? missing : this.chunkSize;
    this.current = stream;
  }

  private find(id: number): ChunkStream | null {
    if (id < NEAR_STREAMS) return this.near[id]!;
    return this.far.get(id) ?? null;
  }

  /** Type 1 may open a chunk stream (librtmp does so with its first control message); type 2 knows no length. */
  private add(id: number, format: number): ChunkStream {
    if (format === 2) throw new ProtocolError('rtmp.no-previous-header', id);
    if (this.streamCount >= this.maxChunkStreams) throw new ProtocolError('rtmp.too-many-chunk-streams', id);
    this.streamCount++;
    const stream = new ChunkStream(id);
    if (id < NEAR_STREAMS) this.near[id] = stream;
    else this.far.set(id, stream);
    return stream;
  }

  private takePayload(stream: ChunkStream, bytes: Uint8Array, at: number, end: number): number {
    const available = end - at;
    if (stream.received === 0 && this.chunkRemaining === stream.length && available >= stream.length) {
      this.chunkRemaining = 0;
      const next = at + stream.length;
      this.deliver(stream, bytes.subarray(at, next));
      return next;
    }
    if (available === 0) return at;
    const count = available < this.chunkRemaining ? available : this.chunkRemaining;
    const filled = stream.received + count;
    let buffer = stream.buffer;
    if (buffer === null || buffer.length < filled) buffer = this.grow(stream, filled);
    if (count < LOOP_COPY_BYTES) {
      for (let from = at, to = stream.received; to < filled; from++, to++) buffer[to] = bytes[from]!;
    } else buffer.set(bytes.subarray(at, at + count), stream.received);
    stream.received = filled;
    this.chunkRemaining -= count;
    if (filled === stream.length) {
      stream.received = 0;
      if (buffer.length > KEPT_BUFFER_BYTES) {
        stream.buffer = null;
        this.heldBytes -= buffer.length;
      }
      this.deliver(stream, buffer.subarray(0, filled));
    }
    return at + count;
  }

  private grow(stream: ChunkStream, needed: number): Buffer {
    const old = stream.buffer;
    let capacity = old === null ? FIRST_BUFFER_BYTES : old.length * 2;
    if (capacity < needed) capacity = needed;
    if (capacity < EAGER_BUFFER_BYTES && capacity < stream.length) {
      capacity = stream.length < EAGER_BUFFER_BYTES ? stream.length : EAGER_BUFFER_BYTES;
    }
    if (capacity > this.maxMessageBytes) capacity = this.maxMessageBytes;
    this.heldBytes += capacity - (old === null ? 0 : old.length);
    if (this.heldBytes > this.maxMessageBytes * 2 + this.maxChunkStreams * KEPT_BUFFER_BYTES) {
      throw new ProtocolError('rtmp.too-many-unfinished-messages', this.heldBytes);
    }
    const buffer = Buffer.allocUnsafeSlow(capacity);
    if (old !== null && stream.received > 0) buffer.set(old.subarray(0, stream.received));
    stream.buffer = buffer;
    return buffer;
  }

  private deliver(stream: ChunkStream, payload: Uint8Array): void {
    const message = this.message;
    message.typeId = stream.typeId;
    message.streamId = stream.streamId;
    message.timestamp = stream.timestamp;
    message.chunkStreamId = stream.id;
    message.payload = payload;
    if (stream.typeId === MESSAGE_SET_CHUNK_SIZE) this.setChunkSize(payload);
    else if (stream.typeId === MESSAGE_ABORT) this.abort(payload);
    else if (stream.typeId === MESSAGE_AGGREGATE) forEachAggregated(message, this, this.onMessage);
    else this.onMessage(message);
  }

  private setChunkSize(payload: Uint8Array): void {
    if (payload.length < 4) throw new ProtocolError('rtmp.bad-chunk-size', `${payload.length} bytes`);
    const size = readUint32(payload, 0);
    if (size < 1 || size > 0x7fffffff) throw new ProtocolError('rtmp.bad-chunk-size', size);
    // No message is longer, so a larger chunk makes no difference.
    this.chunkSize = size < this.maxMessageBytes ? size : this.maxMessageBytes;
  }

  private abort(payload: Uint8Array): void {
    if (payload.length < 4) throw new ProtocolError('rtmp.bad-abort', `${payload.length} bytes`);
    const stream = this.find(readUint32(payload, 0));
    if (stream !== null) stream.received = 0;
  }
}

const NO_MATCH = 0;
const MATCH_SO_FAR = 1;
const MATCH = 2;

/** Compares up to four big-endian bytes at `at` with a value; fewer may have arrived. */
function matchUint32(bytes: Uint8Array, at: number, end: number, value: number): number {
  for (let i = 0; i < 4; i++) {
    if (at + i >= end) return MATCH_SO_FAR;
    if (bytes[at + i] !== ((value >>> (24 - i * 8)) & 0xff)) return NO_MATCH;
  }
  return MATCH;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
