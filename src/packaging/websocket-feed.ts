/**
 * Any feed format as WebSocket messages (RFC 6455 section 5.2: binary, unmasked, unfragmented), made once for all
 * players: one message per frame, one per piece of a prologue. Leaves out control frames, which sessions send
 * themselves between messages.
 */
import type { FeedEncoder, FeedFormat, LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { ByteTarget } from '../util/slab.ts';

/** FIN and the opcode of a binary message. */
const WHOLE_BINARY = 0x82;
const MAX_SHORT_BYTES = 125;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** Where the piece of a prologue that begins at `at` ends; every piece becomes a message. */
type PieceEnd = (bytes: Uint8Array, at: number) => number;

/** The format with `ws-` before its name. Without `pieceEnd` a prologue is one message. */
export function webSocketFormat(
  format: FeedFormat,
  pieceEnd: PieceEnd = (bytes) => bytes.length,
): FeedFormat {
  return {
    name: `ws-${format.name}`,
    ...(format.sound === undefined ? {} : { sound: format.sound }),
    open: (source) => new WebSocketEncoder(format.open(source), pieceEnd),
  };
}

/** Writes the header of a message before whatever is reserved. */
class MessageTarget implements ByteTarget {
  slab: Buffer = Buffer.alloc(0);
  private inner: ByteTarget | null = null;

  open(inner: ByteTarget): this {
    this.inner = inner;
    return this;
  }

  reserve(bytes: number, nowUs: number): number {
    const inner = this.inner!; // `open` came before
    const at = inner.reserve(headerBytes(bytes) + bytes, nowUs);
    this.slab = inner.slab;
    return writeHeader(this.slab, at, bytes);
  }
}

class WebSocketEncoder implements FeedEncoder {
  private readonly encoder: FeedEncoder;
  private readonly pieceEnd: PieceEnd;
  private readonly target = new MessageTarget();

  constructor(encoder: FeedEncoder, pieceEnd: PieceEnd) {
    this.encoder = encoder;
    this.pieceEnd = pieceEnd;
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    return this.encoder.encode(frame, this.target.open(target));
  }

  prologue(dts: number): Uint8Array {
    return this.messages(this.encoder.prologue(dts));
  }

  tracksChanged(dts: number): Uint8Array {
    return this.messages(this.encoder.tracksChanged(dts));
  }

  epilogue(dts: number): Uint8Array {
    return this.messages(this.encoder.epilogue(dts));
  }

  leftOut(): readonly LeftOut[] {
    return this.encoder.leftOut();
  }

  private messages(bytes: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = this.pieceEnd(bytes, at);
      const header = Buffer.allocUnsafe(headerBytes(end - at));
      writeHeader(header, 0, end - at);
      parts.push(header, bytes.subarray(at, end));
      at = end;
    }
    return Buffer.concat(parts);
  }
}

function headerBytes(payloadBytes: number): number {
  if (payloadBytes <= MAX_SHORT_BYTES) return 2;
  return payloadBytes < 0x1_0000 ? 4 : 10;
}

/** Returns the offset behind the header. */
function writeHeader(target: Uint8Array, at: number, payloadBytes: number): number {
  target[at] = WHOLE_BINARY;
  if (payloadBytes <= MAX_SHORT_BYTES) {
    target[at + 1] = payloadBytes;
    return at + 2;
  }
  if (payloadBytes < 0x1_0000) {
    target[at + 1] = LENGTH_16;
    target[at + 2] = payloadBytes >>> 8;
    target[at + 3] = payloadBytes;
    return at + 4;
  }
  target[at + 1] = LENGTH_64;
  target.fill(0, at + 2, at + 6);
  target[at + 6] = payloadBytes >>> 24;
  target[at + 7] = payloadBytes >>> 16;
  target[at + 8] = payloadBytes >>> 8;
  target[at + 9] = payloadBytes;
  return at + 10;
}
