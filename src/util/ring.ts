/**
 * Ring of items with absolute positions: the first item ever pushed has position 0 and positions are never reused,
 * so that a reader is one number. Grows by doubling; its owner drops old items and thereby bounds it.
 */
export class Ring<T> {
  private items: (T | undefined)[];
  private mask: number;
  /** Position of the oldest item held. */
  tail = 0;
  /** Position that the next item will get. */
  head = 0;

  constructor(initialCapacity = 64) {
    this.items = new Array<T | undefined>(initialCapacity).fill(undefined);
    this.mask = initialCapacity - 1;
  }

  get size(): number {
    return this.head - this.tail;
  }

  push(item: T): number {
    if (this.head - this.tail > this.mask) this.grow();
    const position = this.head++;
    this.items[position & this.mask] = item;
    return position;
  }

  /** The item at an absolute position that is held (tail <= position < head). */
  at(position: number): T {
    return this.items[position & this.mask] as T;
  }

  dropOldest(): void {
    this.items[this.tail & this.mask] = undefined;
    this.tail++;
  }

  clear(): void {
    while (this.tail < this.head) this.dropOldest();
  }

  private grow(): void {
    const capacity = (this.mask + 1) * 2;
    const next = new Array<T | undefined>(capacity).fill(undefined);
    for (let position = this.tail; position < this.head; position++) {
      next[position & (capacity - 1)] = this.items[position & this.mask];
    }
    this.items = next;
    this.mask = capacity - 1;
  }
}
