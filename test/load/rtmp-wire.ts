/**
 * The part of RTMP 1.0 that a load generator needs: AMF0 commands, a chunk writer and a chunk reader that
 * keeps only the beginning of each message. Deliberately independent of the server's own parser, so that a
 * mistake there cannot hide here. Left out: AMF3, aggregate messages, the complex handshake.
 */

export const MESSAGE_SET_CHUNK_SIZE = 1;
export const MESSAGE_ACKNOWLEDGEMENT = 3;
export const MESSAGE_USER_CONTROL = 4;
export const MESSAGE_WINDOW_SIZE = 5;
export const MESSAGE_AUDIO = 8;
export const MESSAGE_VIDEO = 9;
export const MESSAGE_DATA = 18;
export const MESSAGE_COMMAND = 20;

export const HANDSHAKE_BYTES = 1536;

/** Bytes of a message that the reader keeps: enough for every command reply and for the clock. */
const KEPT_BYTES = 1024;
const EXTENDED_TIMESTAMP = 0xffffff;

export type AmfValue = number | string | boolean | null | { readonly [key: string]: AmfValue };

/** Serializes values as AMF0 (AMF0 specification section 2). */
export function serializeAmf(values: readonly AmfValue[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) pushAmf(parts, value);
  return Buffer.concat(parts);
}

function pushAmf(parts: Buffer[], value: AmfValue): void {
  if (value === null) {
    parts.push(Buffer.of(5));
  } else if (typeof value === 'number') {
    const bytes = Buffer.alloc(9);
    bytes.writeDoubleBE(value, 1);
    parts.push(bytes);
  } else if (typeof value === 'boolean') {
    parts.push(Buffer.of(1, value ? 1 : 0));
  } else if (typeof value === 'string') {
    parts.push(Buffer.of(2), amfKey(value));
  } else {
    parts.push(Buffer.of(3));
    for (const [key, member] of Object.entries(value)) {
      parts.push(amfKey(key));
      pushAmf(parts, member);
    }
    parts.push(Buffer.of(0, 0, 9));
  }
}

function amfKey(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Name, transaction and whole bytes of a command; `undefined` when the bytes do not start like one. */
export interface Command {
  readonly name: string;
  readonly transaction: number;
  /** A number that follows `name, transaction, null`, which is where createStream puts the stream id. */
  readonly number: number | undefined;
  /** Value of the first `code` member, '' without one. */
  readonly code: string;
}

export function parseCommand(bytes: Buffer): Command | undefined {
  if (bytes.length < 12 || bytes[0] !== 2) return undefined;
  const end = 3 + bytes.readUInt16BE(1);
  if (bytes.length < end + 9 || bytes[end] !== 0) return undefined;
  const hasNumber = bytes.length >= end + 19 && bytes[end + 9] === 5 && bytes[end + 10] === 0;
  const key = bytes.indexOf('\0\x04code\x02', 0, 'latin1');
  const codeAt = key + 7;
  const hasCode = key >= 0 && bytes.length >= codeAt + 2;
  return {
    name: bytes.toString('latin1', 3, end),
    transaction: bytes.readDoubleBE(end + 1),
    number: hasNumber ? bytes.readDoubleBE(end + 11) : undefined,
    code: hasCode ? bytes.toString('latin1', codeAt + 2, codeAt + 2 + bytes.readUInt16BE(codeAt)) : '',
  };
}

/** One message as chunks with a type 0 header first and type 3 headers after it (RTMP 1.0 section 5.3.1). */
export function serializeMessage(
  chunkStream: number,
  type: number,
  streamId: number,
  timestampMs: number,
  payload: Buffer,
  chunkSize: number,
): Buffer {
  const extended = timestampMs >= EXTENDED_TIMESTAMP;
  const chunks = Math.max(1, Math.ceil(payload.length / chunkSize));
  const extra = extended ? 4 : 0;
  const out = Buffer.allocUnsafe(12 + extra + (chunks - 1) * (1 + extra) + payload.length);
  out[0] = chunkStream;
  out.writeUIntBE(extended ? EXTENDED_TIMESTAMP : timestampMs, 1, 3);
  out.writeUIntBE(payload.length, 4, 3);
  out[7] = type;
  out.writeUInt32LE(streamId, 8);
  let at = 12;
  if (extended) at = out.writeUInt32BE(timestampMs >>> 0, at);
  for (let from = 0; from < payload.length; from += chunkSize) {
    if (from > 0) {
      out[at] = 0xc0 | chunkStream;
      at += 1;
      if (extended) at = out.writeUInt32BE(timestampMs >>> 0, at);
    }
    at += payload.copy(out, at, from, Math.min(from + chunkSize, payload.length));
  }
  return out;
}

export function serializeCommand(
  chunkStream: number,
  streamId: number,
  chunkSize: number,
  ...values: readonly AmfValue[]
): Buffer {
  return serializeMessage(chunkStream, MESSAGE_COMMAND, streamId, 0, serializeAmf(values), chunkSize);
}

/** A protocol control message with one or more 32-bit values (section 5.4). */
export function serializeControl(type: number, ...values: readonly number[]): Buffer {
  const payload = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) payload.writeUInt32BE(value >>> 0, index * 4);
  return serializeMessage(2, type, 0, 0, payload, 128);
}

/** Set buffer length (3) or ping response (7) as a user control message (section 7.1.7). */
export function serializeUserControl(event: number, ...values: readonly number[]): Buffer {
  const payload = Buffer.alloc(2 + values.length * 4);
  payload.writeUInt16BE(event);
  for (const [index, value] of values.entries()) payload.writeUInt32BE(value >>> 0, 2 + index * 4);
  return serializeMessage(2, MESSAGE_USER_CONTROL, 0, 0, payload, 128);
}

class ChunkStream {
  type = 0;
  length = 0;
  received = 0;
  extended = false;
  readonly head: Buffer = Buffer.allocUnsafe(KEPT_BYTES);
}

/**
 * Receives the type, the length in bytes and the kept beginning of a whole message. The buffer is reused:
 * take what is needed before returning.
 */
export type MessageHandler = (type: number, length: number, head: Buffer) => void;

/** Cuts a byte sequence in pieces of any size into RTMP messages. */
export class ChunkReader {
  private readonly handler: MessageHandler;
  private readonly streams = new Map<number, ChunkStream>();
  private readonly header = Buffer.allocUnsafe(18);
  private headerFill = 0;
  private headerNeed = 1;
  private current: ChunkStream | undefined;
  private left = 0;
  private chunkSize = 128;

  constructor(handler: MessageHandler) {
    this.handler = handler;
  }

  feed(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      const stream = this.current;
      if (stream !== undefined) {
        const take = Math.min(this.left, to - at);
        if (stream.received < KEPT_BYTES) bytes.copy(stream.head, stream.received, at, at + take);
        stream.received += take;
        this.left -= take;
        at += take;
        if (this.left === 0) this.endChunk(stream);
      } else {
        this.header[this.headerFill] = bytes[at]!;
        this.headerFill += 1;
        at += 1;
        if (this.headerFill === this.headerNeed) this.growHeader();
      }
    }
  }

  /** Learns from the bytes so far how long the header is; starts the payload when it is complete. */
  private growHeader(): void {
    const first = this.header[0]!;
    const format = first >> 6;
    const short = first & 0x3f;
    const basic = short === 0 ? 2 : short === 1 ? 3 : 1;
    const fixed = basic + (format === 0 ? 11 : format === 1 ? 7 : format === 2 ? 3 : 0);
    if (this.headerFill < fixed) {
      this.headerNeed = fixed;
      return;
    }
    const id = basic === 1 ? short : basic === 2 ? this.header[1]! + 64 : this.header.readUInt16LE(1) + 64;
    let stream = this.streams.get(id);
    if (stream === undefined) {
      if (format === 3) throw new Error(`chunk stream ${id} starts with a type 3 header`);
      stream = new ChunkStream();
      this.streams.set(id, stream);
    }
    const field = format === 3 ? 0 : this.header.readUIntBE(basic, 3);
    const extended = format === 3 ? stream.extended : field === EXTENDED_TIMESTAMP;
    const need = extended ? fixed + 4 : fixed;
    if (this.headerFill < need) {
      this.headerNeed = need;
      return;
    }
    stream.extended = extended;
    if (format <= 1) {
      stream.length = this.header.readUIntBE(basic + 3, 3);
      stream.type = this.header[basic + 6]!;
    }
    this.headerFill = 0;
    this.headerNeed = 1;
    this.left = Math.min(this.chunkSize, stream.length - stream.received);
    if (this.left === 0) this.endChunk(stream);
    else this.current = stream;
  }

  private endChunk(stream: ChunkStream): void {
    this.current = undefined;
    if (stream.received < stream.length) return;
    stream.received = 0;
    const head = stream.head.subarray(0, Math.min(stream.length, KEPT_BYTES));
    if (stream.type === MESSAGE_SET_CHUNK_SIZE && stream.length === 4) this.chunkSize = head.readUInt32BE(0);
    this.handler(stream.type, stream.length, head);
  }
}
