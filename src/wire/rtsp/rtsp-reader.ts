/**
 * Bytes of an RTSP connection as messages and interleaved frames (RFC 2326 sections 4 and 10.12), in whatever pieces
 * they come. An interleaved frame that lies in one piece is given as a view of it. Forgives bare LF, empty lines and
 * other bytes that are no text between messages (some cameras pad), blanks around names, folded lines, missing
 * reasons. The request that opens an HTTP tunnel ends with its header, whatever Content-Length says: what follows is
 * the tunnel's (see `rest`).
 */
import { ProtocolError } from '../../util/errors.ts';
import { INTERLEAVED_HEADER_BYTES, INTERLEAVED_MARK } from './interleaved-frame.ts';
import { RtspHeaders, type RtspRequest, type RtspResponse } from './rtsp-message.ts';

export interface RtspReaderOutput {
  request(request: RtspRequest): void;
  response(response: RtspResponse): void;
  /** The payload is valid during the call only. Hot path. */
  interleaved(channel: number, payload: Uint8Array): void;
}

export interface RtspReaderLimits {
  /** Start line and header fields of a message. */
  readonly maxHeaderBytes: number;
  readonly maxBodyBytes: number;
}

export const RTSP_LIMITS: RtspReaderLimits = { maxHeaderBytes: 16 * 1024, maxBodyBytes: 64 * 1024 };

const MAX_HEADER_FIELDS = 128;
/** Of bytes between messages that belong to none, since the last that did. */
const MAX_STRAY_BYTES = 4096;
const LF = 0x0a;
const CR = 0x0d;
const NO_BYTES = new Uint8Array(0);

export class RtspReader {
  /** Bytes between messages that belonged to none, line ends not counted. */
  strayBytes = 0;
  private readonly output: RtspReaderOutput;
  private readonly limits: RtspReaderLimits;
  /** Beginning of a frame or of a header that is not whole yet. */
  private held: Buffer = Buffer.alloc(0);
  private heldLength = 0;
  /** Up to where `held` was searched for the end of a header. */
  private searched = 0;
  /** Message whose body is being read. */
  private waiting: RtspRequest | RtspResponse | null = null;
  private bodyLength = 0;
  private strayInRow = 0;
  private stopped = false;
  private remainder: Uint8Array = NO_BYTES;

  constructor(output: RtspReaderOutput, limits: RtspReaderLimits = RTSP_LIMITS) {
    this.output = output;
    this.limits = limits;
  }

  /** Nothing more is delivered; may be called out of the output. */
  stop(): void {
    this.stopped = true;
  }

  /** After `stop` out of the output: a copy of the bytes that were received and not read. */
  get rest(): Uint8Array {
    return this.remainder;
  }

  /** Throws ProtocolError; nothing more may be received then. */
  receive(bytes: Uint8Array): void {
    if (this.stopped) return;
    let at = 0;
    while (at < bytes.length && !this.stopped) {
      if (this.waiting !== null) at = this.fillBody(bytes, at);
      else if (this.heldLength === 0) at = this.readFrom(bytes, at);
      else if (this.held[0] === INTERLEAVED_MARK) at = this.fillFrame(bytes, at);
      else at = this.fillHeader(bytes, at);
    }
    if (this.stopped && at < bytes.length) this.remainder = Buffer.from(bytes.subarray(at));
  }

  /** Reads what is whole; keeps the rest. Returns where it stopped. */
  private readFrom(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at < bytes.length && !this.stopped && this.waiting === null) {
      const first = bytes[at]!;
      if (first === INTERLEAVED_MARK) {
        const payload = at + INTERLEAVED_HEADER_BYTES;
        const end = payload <= bytes.length ? payload + ((bytes[at + 2]! << 8) | bytes[at + 3]!) : Infinity;
        if (end > bytes.length) return this.hold(bytes, at);
        this.strayInRow = 0;
        this.output.interleaved(bytes[at + 1]!, bytes.subarray(payload, end));
        at = end;
      } else if (!isLetter(first)) {
        this.skipStray(first);
        at++;
      } else {
        const end = headerEnd(bytes, at, bytes.length);
        if (end < 0) return this.hold(bytes, at);
        this.readHeader(bytes.subarray(at, end));
        at = end;
      }
    }
    return at;
  }

  private skipStray(byte: number): void {
    if (++this.strayInRow > MAX_STRAY_BYTES) throw new ProtocolError('rtsp.no-message', this.strayInRow);
    if (byte !== CR && byte !== LF) this.strayBytes++;
  }

  private hold(bytes: Uint8Array, at: number): number {
    this.searched = 0;
    this.append(bytes, at, bytes.length);
    this.checkHeldHeader();
    return bytes.length;
  }

  private append(bytes: Uint8Array, from: number, to: number): void {
    const length = this.heldLength + to - from;
    if (length > this.held.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, this.held.length * 2));
      larger.set(this.held.subarray(0, this.heldLength));
      this.held = larger;
    }
    this.held.set(bytes.subarray(from, to), this.heldLength);
    this.heldLength = length;
  }

  private fillFrame(bytes: Uint8Array, start: number): number {
    let at = start;
    if (this.heldLength < INTERLEAVED_HEADER_BYTES) {
      const end = Math.min(bytes.length, at + INTERLEAVED_HEADER_BYTES - this.heldLength);
      this.append(bytes, at, end);
      at = end;
      if (this.heldLength < INTERLEAVED_HEADER_BYTES) return at;
    }
    const size = INTERLEAVED_HEADER_BYTES + ((this.held[2]! << 8) | this.held[3]!);
    const end = Math.min(bytes.length, at + size - this.heldLength);
    this.append(bytes, at, end);
    if (this.heldLength === size) {
      this.heldLength = 0;
      this.strayInRow = 0;
      this.output.interleaved(this.held[1]!, this.held.subarray(INTERLEAVED_HEADER_BYTES, size));
    }
    return end;
  }

  /** Takes no more than the header needs, so that what follows is read where it lies. */
  private fillHeader(bytes: Uint8Array, start: number): number {
    const before = this.heldLength;
    this.append(bytes, start, Math.min(bytes.length, start + this.limits.maxHeaderBytes));
    const end = headerEnd(this.held, this.searched, this.heldLength);
    if (end < 0) {
      this.checkHeldHeader();
      return bytes.length;
    }
    this.heldLength = 0;
    this.readHeader(this.held.subarray(0, end));
    return start + end - before;
  }

  private checkHeldHeader(): void {
    if (this.held[0] === INTERLEAVED_MARK) return;
    if (this.heldLength > this.limits.maxHeaderBytes)
      throw new ProtocolError('rtsp.header-too-big', this.heldLength);
    // The end may be split: `LF CR` so far.
    this.searched = Math.max(0, this.heldLength - 3);
  }

  private readHeader(bytes: Uint8Array): void {
    if (bytes.length > this.limits.maxHeaderBytes)
      throw new ProtocolError('rtsp.header-too-big', bytes.length);
    this.strayInRow = 0;
    const message = parseHeader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    const length = message.version.startsWith('HTTP') ? 0 : contentLength(message.headers);
    if (length > this.limits.maxBodyBytes) throw new ProtocolError('rtsp.body-too-big', length);
    if (length === 0) {
      this.deliver(message);
      return;
    }
    this.bodyLength = 0;
    this.waiting = { ...message, body: Buffer.alloc(length) };
  }

  private fillBody(bytes: Uint8Array, start: number): number {
    const message = this.waiting!;
    const end = Math.min(bytes.length, start + message.body.length - this.bodyLength);
    message.body.set(bytes.subarray(start, end), this.bodyLength);
    this.bodyLength += end - start;
    if (this.bodyLength === message.body.length) {
      this.waiting = null;
      this.deliver(message);
    }
    return end;
  }

  private deliver(message: RtspRequest | RtspResponse): void {
    if (message.kind === 'request') this.output.request(message);
    else this.output.response(message);
  }
}

/** End of the empty line behind a header that begins at or before `from`, -1 = not there yet. */
function headerEnd(bytes: Uint8Array, from: number, to: number): number {
  for (let at = from; at < to; at++) {
    if (bytes[at] !== LF) continue;
    if (bytes[at + 1] === LF && at + 1 < to) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF && at + 2 < to) return at + 3;
  }
  return -1;
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

function parseHeader(text: string): RtspRequest | RtspResponse {
  const lines = text.split('\n');
  const headers = parseFields(lines);
  const start = lines[0]!.trim();
  const response = /^(RTSP\/\d{1,2}\.\d{1,2}|HTTP\/1\.[01])\s+(\d{3})(?:\s+(.*))?$/i.exec(start);
  if (response !== null) {
    const status = Number(response[2]);
    if (status < 100) throw new ProtocolError('rtsp.bad-status', status);
    const version = response[1]!.toUpperCase();
    return { kind: 'response', status, reason: response[3] ?? '', version, headers, body: NO_BYTES };
  }
  // A URL may hold blanks that its client did not encode.
  const request = /^([A-Z_]{1,32})\s+(\S|\S.*\S)\s+(RTSP\/\d{1,2}\.\d{1,2}|HTTP\/1\.[01])$/i.exec(start);
  if (request === null) throw new ProtocolError('rtsp.bad-start-line', JSON.stringify(start.slice(0, 16)));
  const version = request[3]!.toUpperCase();
  return {
    kind: 'request',
    method: request[1]!.toUpperCase(),
    uri: request[2]!,
    version,
    headers,
    body: NO_BYTES,
  };
}

function parseFields(lines: readonly string[]): RtspHeaders {
  const headers = new RtspHeaders();
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    if ((line[0] === ' ' || line[0] === '\t') && headers.count > 0) {
      const folded = line.trim();
      if (folded !== '') headers.values[headers.count - 1] += ` ${folded}`;
      continue;
    }
    const colon = line.indexOf(':');
    // Lines without a name are the noise of one firmware or another; nothing depends on them.
    if (colon < 1) continue;
    if (headers.count === MAX_HEADER_FIELDS) throw new ProtocolError('rtsp.too-many-headers', headers.count);
    headers.add(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return headers;
}

function contentLength(headers: RtspHeaders): number {
  const values = headers.all('Content-Length');
  if (values.length === 0 || values[0] === '') return 0;
  for (const value of values) {
    if (!/^\d{1,10}$/.test(value) || value !== values[0])
      throw new ProtocolError('rtsp.bad-content-length', value.slice(0, 32));
  }
  return Number(values[0]);
}
