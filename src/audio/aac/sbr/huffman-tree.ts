/** Variable length codes as binary trees, read bit by bit: an SBR payload has a few hundred short codes. */
import type { SbrBits } from './sbr-bits.ts';

/** A code as the standard's tables print it: length and code word of each value from `first` upwards. */
export interface HuffmanCode {
  readonly first: number;
  readonly lengths: readonly number[];
  readonly words: readonly number[];
}

export class HuffmanTree {
  /** Two children per node: the number of a node, or ~index of a value. */
  private readonly children: Int16Array;
  private readonly first: number;

  /** The code must be complete: every sequence of bits leads to a value. */
  constructor(code: HuffmanCode) {
    const { first, lengths, words } = code;
    this.first = first;
    this.children = new Int16Array(2 * lengths.length);
    let nodes = 1;
    for (let value = 0; value < lengths.length; value++) {
      const word = words[value]!;
      let at = 0;
      for (let shift = lengths[value]! - 1; shift > 0; shift--) {
        const slot = 2 * at + ((word >>> shift) & 1);
        if (this.children[slot] === 0) this.children[slot] = nodes++;
        at = this.children[slot]!;
      }
      this.children[2 * at + (word & 1)] = ~value;
    }
  }

  read(bits: SbrBits): number {
    const { children } = this;
    let at = 0;
    do at = children[2 * at + bits.bit()]!;
    while (at > 0);
    return ~at + this.first;
  }
}
