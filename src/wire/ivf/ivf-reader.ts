/**
 * IVF in pieces of any size to frames. File header of 32 bytes: `DKIF`, version (16 bits), header size (16), FourCC,
 * width (16), height (16), time base denominator (32), numerator (32), frame count (32), 4 unused. Frame: size (32), time (64),
 * payload. Little endian. Neither the count nor the size of pictures is believed: a writer to a pipe cannot know them.
 */
import { ProtocolError } from '../../util/errors.ts';

const FILE_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 12;
const MAGIC = 0x46494b44;
/** A key frame of any real encoder fits several times. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024;
const FIRST_BUFFER_BYTES = 64 * 1024;
const US_PER_SECOND = 1_000_000;

/** `ptsUs`: microseconds, may have a fraction; `payload` is valid during the call only. */
export type IvfFrameHandler = (ptsUs: number, payload: Uint8Array) => void;

export class IvfReader {
  /** FourCC of the file header, '' before it was read. */
  fourCc: string;
  private readonly onFrame: IvfFrameHandler;
  private usPerTick: number;
  private buffer: Buffer;
  private fill: number;
  private need: number;
  private ptsUs: number;
  /** 0 file header, 1 rest of it, 2 frame header, 3 payload. */
  private state: 0 | 1 | 2 | 3;

  constructor(onFrame: IvfFrameHandler) {
    this.fourCc = '';
    this.onFrame = onFrame;
    this.usPerTick = 0;
    this.buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
    this.fill = 0;
    this.need = FILE_HEADER_BYTES;
    this.ptsUs = 0;
    this.state = 0;
  }

  /** Takes the next bytes; calls the handler for every frame that they complete. Throws ProtocolError. */
  receive(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const count = Math.min(this.need - this.fill, bytes.length - at);
      this.buffer.set(bytes.subarray(at, at + count), this.fill);
      this.fill += count;
      at += count;
      while (this.fill === this.need) this.advance();
    }
  }

  private advance(): void {
    const { buffer } = this;
    this.fill = 0;
    switch (this.state) {
      case 0:
        this.takeFileHeader();
        return;
      case 1:
        this.expect(2, FRAME_HEADER_BYTES);
        return;
      case 2: {
        const size = buffer.readUInt32LE(0);
        if (size > MAX_FRAME_BYTES) throw new ProtocolError('ivf.frame-too-big', `${size} bytes`);
        this.ptsUs = (buffer.readUInt32LE(4) + buffer.readInt32LE(8) * 0x1_0000_0000) * this.usPerTick;
        if (size > 0) this.expect(3, size);
        return;
      }
      default:
        this.onFrame(this.ptsUs, buffer.subarray(0, this.need));
        this.expect(2, FRAME_HEADER_BYTES);
    }
  }

  private takeFileHeader(): void {
    const { buffer } = this;
    if (buffer.readUInt32LE(0) !== MAGIC) throw new ProtocolError('ivf.bad-header', 'no DKIF');
    const headerBytes = buffer.readUInt16LE(6);
    const denominator = buffer.readUInt32LE(16);
    const numerator = buffer.readUInt32LE(20);
    if (headerBytes < FILE_HEADER_BYTES || denominator === 0 || numerator === 0)
      throw new ProtocolError(
        'ivf.bad-header',
        `${headerBytes} bytes, time base ${numerator}/${denominator}`,
      );
    this.fourCc = buffer.toString('latin1', 8, 12);
    this.usPerTick = (numerator * US_PER_SECOND) / denominator;
    if (headerBytes > FILE_HEADER_BYTES) this.expect(1, headerBytes - FILE_HEADER_BYTES);
    else this.expect(2, FRAME_HEADER_BYTES);
  }

  private expect(state: 1 | 2 | 3, bytes: number): void {
    this.state = state;
    this.need = bytes;
    if (bytes <= this.buffer.length) return;
    this.buffer = Buffer.allocUnsafeSlow(Math.min(MAX_FRAME_BYTES, bytes * 2));
  }
}
