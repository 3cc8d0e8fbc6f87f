/** Bits one behind the other, the most significant first. */

/** Length and code word of each value from `first` upwards. */
interface Code {
  readonly first: number;
  readonly lengths: readonly number[];
  readonly words: readonly number[];
}

export class BitWriter {
  readonly bits: number[] = [];

  /** The low `count` bits of `value`. */
  put(value: number, count: number): this {
    for (let shift = count - 1; shift >= 0; shift--) this.bits.push((value >>> shift) & 1);
    return this;
  }

  append(other: BitWriter): this {
    for (const bit of other.bits) this.bits.push(bit);
    return this;
  }

  code({ first, lengths, words }: Code, value: number): this {
    return this.put(words[value - first]!, lengths[value - first]!);
  }

  /** Zeros up to the next byte. */
  align(): this {
    return this.put(0, -this.bits.length & 7);
  }

  /** Zeros behind the end. */
  bytes(): Uint8Array {
    const out = new Uint8Array((this.bits.length + 7) >> 3);
    this.bits.forEach((bit, i) => {
      out[i >> 3]! |= bit << (7 - (i & 7));
    });
    return out;
  }
}
