/**
 * FLV bytes in pieces of any size to tags: files, HTTP-FLV pulls, POSTed streams (Adobe FLV 10.1, annex E.2 to E.4.1).
 * Nothing searches for a next tag: what is not FLV ends the stream with a ProtocolError. PreviousTagSize is not
 * checked, since many writers put 0 or their own idea of it there; neither is the stream id.
 */
import { ProtocolError } from '../../util/errors.ts';
import {
  FILE_HEADER_BYTES,
  TAG_AUDIO,
  TAG_HEADER_BYTES,
  TAG_SCRIPT,
  TAG_TRAILER_BYTES,
  TAG_VIDEO,
} from './tag-header.ts';

/** Default of `maxBodyBytes`: a key frame of any real encoder fits several times. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** DataOffset of the file header; version 1 says 9. */
const MAX_FILE_HEADER_BYTES = 1024;
/** The buffer for a tag begins with this much, and grows as bytes really come. */
const FIRST_BUFFER_BYTES = 16 * 1024;
/** A buffer that grew larger than this is given back after its tag. */
const KEPT_BUFFER_BYTES = 256 * 1024;

/** Script data of AMF3 in F4V streams. */
const TAG_SCRIPT_AMF3 = 15;
const TYPE_MASK = 0x1f;
const FILTER_BIT = 0x20;

const IN_FILE_HEADER = 0;
const IN_TAG_HEADER = 1;
const IN_BODY = 2;
const IN_SKIPPED = 3;

/** `timestampMs` is unsigned, 32 bits; `body` is valid during the call only. */
export type FlvTagHandler = (type: number, timestampMs: number, body: Uint8Array) => void;

export interface FlvTagReaderOptions {
  readonly maxBodyBytes?: number;
}

export class FlvTagReader {
  /** What the file header says; false before it was read. Many writers say more or less than comes. */
  hasAudio = false;
  hasVideo = false;
  private readonly onTag: FlvTagHandler;
  private readonly maxBodyBytes: number;
  private state = IN_FILE_HEADER;
  private readonly header = new Uint8Array(TAG_HEADER_BYTES);
  private headerFill = 0;
  private headerNeed = FILE_HEADER_BYTES;
  private type = 0;
  private timestampMs = 0;
  private bodyBytes = 0;
  private body: Buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  private bodyFill = 0;
  private skip = 0;

  constructor(onTag: FlvTagHandler, options: FlvTagReaderOptions = {}) {
    this.onTag = onTag;
    this.maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  }

  /** Takes the next bytes; calls the handler for every tag that they complete. Throws ProtocolError. */
  receive(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.state) {
        case IN_FILE_HEADER:
        case IN_TAG_HEADER:
          at = this.takeHeader(bytes, at);
          break;
        case IN_BODY:
          at = this.takeBody(bytes, at);
          break;
        default: {
          const skipped = Math.min(this.skip, bytes.length - at);
          this.skip -= skipped;
          at += skipped;
          if (this.skip === 0) this.expectHeader(IN_TAG_HEADER, TAG_HEADER_BYTES);
        }
      }
    }
  }

  /** Whether the stream may end here: the last tag is complete, with or without its PreviousTagSize. */
  get isComplete(): boolean {
    if (this.state === IN_TAG_HEADER) return this.headerFill === 0;
    return this.state === IN_SKIPPED && this.skip <= TAG_TRAILER_BYTES;
  }

  private expectHeader(state: number, bytes: number): void {
    this.state = state;
    this.headerFill = 0;
    this.headerNeed = bytes;
  }

  private expectSkipped(bytes: number): void {
    this.state = IN_SKIPPED;
    this.skip = bytes;
  }

  private takeHeader(bytes: Uint8Array, start: number): number {
    const { header, headerNeed } = this;
    let at = start;
    let fill = this.headerFill;
    while (fill < headerNeed && at < bytes.length) header[fill++] = bytes[at++]!;
    this.headerFill = fill;
    if (fill < headerNeed) return at;
    if (this.state === IN_FILE_HEADER) this.readFileHeader();
    else this.readTagHeader();
    return at;
  }

  private readFileHeader(): void {
    const { header } = this;
    if (header[0] !== 0x46 || header[1] !== 0x4c || header[2] !== 0x56)
      throw new ProtocolError('flv.no-signature');
    if (header[3] !== 1) throw new ProtocolError('flv.bad-version', header[3]!);
    this.hasAudio = (header[4]! & 4) !== 0;
    this.hasVideo = (header[4]! & 1) !== 0;
    const size = ((header[5]! << 24) | (header[6]! << 16) | (header[7]! << 8) | header[8]!) >>> 0;
    if (size < FILE_HEADER_BYTES || size > MAX_FILE_HEADER_BYTES)
      throw new ProtocolError('flv.bad-file-header', `${size} bytes`);
    this.expectSkipped(size - FILE_HEADER_BYTES + TAG_TRAILER_BYTES);
  }

  private readTagHeader(): void {
    const { header } = this;
    const type = header[0]! & TYPE_MASK;
    if ((header[0]! & FILTER_BIT) !== 0) throw new ProtocolError('flv.encrypted');
    if (type !== TAG_AUDIO && type !== TAG_VIDEO && type !== TAG_SCRIPT && type !== TAG_SCRIPT_AMF3)
      throw new ProtocolError('flv.bad-tag-type', header[0]!);
    const bodyBytes = (header[1]! << 16) | (header[2]! << 8) | header[3]!;
    if (bodyBytes > this.maxBodyBytes) throw new ProtocolError('flv.tag-too-big', bodyBytes);
    this.type = type;
    this.timestampMs = ((header[7]! << 24) | (header[4]! << 16) | (header[5]! << 8) | header[6]!) >>> 0;
    this.bodyBytes = bodyBytes;
    this.bodyFill = 0;
    if (bodyBytes === 0) this.expectSkipped(TAG_TRAILER_BYTES);
    else this.state = IN_BODY;
  }

  private takeBody(bytes: Uint8Array, at: number): number {
    const { bodyBytes } = this;
    if (this.bodyFill === 0 && bytes.length - at >= bodyBytes) {
      this.deliver(bytes.subarray(at, at + bodyBytes));
      return at + bodyBytes;
    }
    const taken = Math.min(bodyBytes - this.bodyFill, bytes.length - at);
    this.growBody(this.bodyFill + taken);
    this.body.set(bytes.subarray(at, at + taken), this.bodyFill);
    this.bodyFill += taken;
    if (this.bodyFill === bodyBytes) {
      this.deliver(this.body.subarray(0, bodyBytes));
      if (this.body.length > KEPT_BUFFER_BYTES) this.body = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
    }
    return at + taken;
  }

  /** Memory follows the bytes received, not the size that the peer claims. */
  private growBody(bytes: number): void {
    if (bytes <= this.body.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(this.body.length * 2, this.bodyBytes)));
    grown.set(this.body.subarray(0, this.bodyFill));
    this.body = grown;
  }

  private deliver(body: Uint8Array): void {
    // Before the call, so that the state is right when the handler throws.
    this.expectSkipped(TAG_TRAILER_BYTES);
    this.onTag(this.type, this.timestampMs, body);
  }
}
