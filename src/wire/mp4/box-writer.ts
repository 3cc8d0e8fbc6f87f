/** Boxes of the ISO base media file format: ISO/IEC 14496-12 4.2. Sizes are 32 bits and filled in when a box ends. */
import { ByteWriter } from '../../util/byte-writer.ts';
import { InvariantError } from '../../util/errors.ts';

export class BoxWriter extends ByteWriter {
  /** Where the boxes that are open begin, outermost first. */
  private readonly open: number[] = [];

  /** Begins a box; what is written until `end` is inside it. */
  begin(type: string): this {
    this.open.push(this.length);
    return this.u32(0).utf8(type);
  }

  /** Begins a box with version and flags. */
  beginFull(type: string, version: number, flags: number): this {
    return this.begin(type).u32(version * 0x100_0000 + flags);
  }

  end(): this {
    const start = this.open.pop();
    if (start === undefined) throw new InvariantError('no box is open');
    return this.patchU32(start, this.length - start);
  }

  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.u8(0);
    return this;
  }
}
