/**
 * Readers for FLV over HTTP and over WebSocket: response head, chunked transfer coding, WebSocket frames and
 * FLV tags, each in pieces of any size. Like the RTMP reader they keep only the beginning of a tag.
 * References: FLV 10.1 annex E, RFC 9112 section 7.1, RFC 6455 section 5.2.
 */

const KEPT_BYTES = 256;
const MAX_HEAD_BYTES = 16 * 1024;

/** Receives the type, the length in bytes and the kept beginning of a tag's data; the buffer is reused. */
export type TagHandler = (type: number, length: number, head: Buffer) => void;

export interface ByteSink {
  feed(bytes: Buffer, from: number, to: number): void;
}

/** FLV header and tags. */
export class FlvReader implements ByteSink {
  private readonly handler: TagHandler;
  private readonly header = Buffer.allocUnsafe(13);
  private headerFill = 0;
  private headerNeed = 13;
  private started: boolean = false;
  private type = 0;
  private length = 0;
  private received = 0;
  private inTag: boolean = false;
  private readonly head = Buffer.allocUnsafe(KEPT_BYTES);

  constructor(handler: TagHandler) {
    this.handler = handler;
  }

  feed(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      if (!this.inTag) {
        const take = Math.min(this.headerNeed - this.headerFill, to - at);
        bytes.copy(this.header, this.headerFill, at, at + take);
        this.headerFill += take;
        at += take;
        if (this.headerFill === this.headerNeed) this.beginTag();
        continue;
      }
      // A tag's data is followed by 4 bytes that repeat its size; they are passed over with it.
      const take = Math.min(this.length + 4 - this.received, to - at);
      if (this.received < KEPT_BYTES) bytes.copy(this.head, this.received, at, at + take);
      this.received += take;
      at += take;
      if (this.received === this.length + 4) {
        this.inTag = false;
        this.handler(this.type, this.length, this.head.subarray(0, Math.min(this.length, KEPT_BYTES)));
      }
    }
  }

  private beginTag(): void {
    this.headerFill = 0;
    if (!this.started) {
      if (this.header.toString('latin1', 0, 3) !== 'FLV') throw new Error('the body does not start with FLV');
      this.started = true;
      this.headerNeed = 11;
      return;
    }
    this.type = this.header[0]! & 0x1f;
    this.length = this.header.readUIntBE(1, 3);
    this.received = 0;
    this.inTag = true;
  }
}

/** The head of an HTTP response, then its body, with or without chunked coding, into `body`. */
export class HttpResponseReader implements ByteSink {
  private readonly body: ByteSink;
  private readonly wantedStatus: number;
  private headText = '';
  private headDone: boolean = false;
  private chunked: boolean = false;
  private left = 0;
  private line = '';
  private skip = 0;

  constructor(wantedStatus: number, body: ByteSink) {
    this.wantedStatus = wantedStatus;
    this.body = body;
  }

  feed(bytes: Buffer, from: number, to: number): void {
    let at = from;
    if (!this.headDone) {
      const before = this.headText.length;
      this.headText += bytes.toString('latin1', from, to);
      const end = this.headText.indexOf('\r\n\r\n');
      if (end < 0) {
        if (this.headText.length > MAX_HEAD_BYTES) throw new Error('the response head is too long');
        return;
      }
      at = from + end + 4 - before;
      const status = Number(this.headText.slice(9, 12));
      if (status !== this.wantedStatus) throw new Error(`HTTP status ${status}`);
      this.chunked = /\r\ntransfer-encoding:\s*chunked/i.test(this.headText.slice(0, end));
      this.headText = '';
      this.headDone = true;
    }
    if (!this.chunked) {
      if (at < to) this.body.feed(bytes, at, to);
      return;
    }
    while (at < to) {
      if (this.left > 0) {
        const take = Math.min(this.left, to - at);
        this.body.feed(bytes, at, at + take);
        this.left -= take;
        at += take;
        if (this.left === 0) this.skip = 2;
      } else if (this.skip > 0) {
        this.skip -= 1;
        at += 1;
      } else {
        const byte = bytes[at]!;
        at += 1;
        if (byte === 10) {
          this.left = Number.parseInt(this.line, 16);
          this.line = '';
          if (!(this.left > 0)) throw new Error('the body ended');
        } else {
          this.line += String.fromCharCode(byte);
        }
      }
    }
  }
}

/** WebSocket frames from a server (never masked); the data of binary frames goes into `body`. */
export class WebSocketReader implements ByteSink {
  private readonly body: ByteSink;
  private readonly header = Buffer.allocUnsafe(10);
  private headerFill = 0;
  private headerNeed = 2;
  private left = 0;
  private isData: boolean = false;

  constructor(body: ByteSink) {
    this.body = body;
  }

  feed(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      if (this.left > 0) {
        const take = Math.min(this.left, to - at);
        if (this.isData) this.body.feed(bytes, at, at + take);
        this.left -= take;
        at += take;
        continue;
      }
      this.header[this.headerFill] = bytes[at]!;
      this.headerFill += 1;
      at += 1;
      if (this.headerFill < this.headerNeed) continue;
      const size = this.header[1]! & 0x7f;
      this.headerNeed = size === 126 ? 4 : size === 127 ? 10 : 2;
      if (this.headerFill < this.headerNeed) continue;
      const opcode = this.header[0]! & 15;
      if (opcode === 8) throw new Error('the server closed the WebSocket');
      this.isData = opcode <= 2;
      this.left =
        size === 126
          ? this.header.readUInt16BE(2)
          : size === 127
            ? Number(this.header.readBigUInt64BE(2))
            : size;
      this.headerFill = 0;
      this.headerNeed = 2;
    }
  }
}
