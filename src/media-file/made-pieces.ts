/**
 * Bytes that are made when somebody asks: made once for all who ask at the same time, a few at a time, and kept while
 * there is room.
 */
import { Turns } from '../runtime/turns.ts';

/** Requests that may wait for their turn. */
const MAX_WAITING = 256;

export interface MadePiecesOptions<T> {
  /** Of everything that is kept, in the unit of `sizeOf`. */
  readonly room: number;
  readonly sizeOf: (piece: T) => number;
  /** How many are made at the same time. */
  readonly maxMaking: number;
}

export class MadePieces<T> {
  private readonly options: MadePiecesOptions<T>;
  /** Least recently used first. */
  private readonly kept = new Map<string, T>();
  private used = 0;
  private readonly making = new Map<string, Promise<T>>();
  private readonly turns: Turns;

  constructor(options: MadePiecesOptions<T>) {
    this.options = options;
    this.turns = new Turns(
      options.maxMaking,
      MAX_WAITING,
      'The server is making too many pieces of files at this moment.',
    );
  }

  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.kept.get(key);
    if (known !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, known);
      return known;
    }
    const running = this.making.get(key);
    if (running !== undefined) return await running;
    const made = this.make(key, make).finally(() => this.making.delete(key));
    this.making.set(key, made);
    return await made;
  }

  /** Of everything that is kept. */
  get keptSize(): number {
    return this.used;
  }

  clear(): void {
    this.kept.clear();
    this.used = 0;
  }

  private async make(key: string, make: () => Promise<T>): Promise<T> {
    const piece = await this.turns.run(make);
    this.keep(key, piece);
    return piece;
  }

  private keep(key: string, piece: T): void {
    const { room, sizeOf } = this.options;
    // One that takes a quarter of the room would push out everything else.
    if (sizeOf(piece) > room / 4) return;
    this.kept.set(key, piece);
    this.used += sizeOf(piece);
    for (const [oldest, old] of this.kept) {
      if (this.used <= room) return;
      this.kept.delete(oldest);
      this.used -= sizeOf(old);
    }
  }
}
