/**
 * Bytes that are made when somebody asks: made once for all who ask at the same time, a few at a time, and kept while
 * there is room.
 */
import { RejectedError } from '../../util/errors.ts';

const MAX_MAKING = 3;
const MAX_WAITING = 256;

export interface MadePiecesOptions<T> {
  /** Of everything that is kept, in the unit of `sizeOf`. */
  readonly room: number;
  readonly sizeOf: (piece: T) => number;
}

export class MadePieces<T> {
  private readonly options: MadePiecesOptions<T>;
  /** Least recently used first. */
  private readonly kept = new Map<string, T>();
  private used = 0;
  private readonly making = new Map<string, Promise<T>>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(options: MadePiecesOptions<T>) {
    this.options = options;
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
    const made = this.inTurn(make).finally(() => this.making.delete(key));
    this.making.set(key, made);
    const piece = await made;
    this.keep(key, piece);
    return piece;
  }

  private keep(key: string, piece: T): void {
    const { room, sizeOf } = this.options;
    // One that takes a quarter of the room would push out everything else.
    if (sizeOf(piece) > room / 4 || this.kept.has(key)) return;
    this.kept.set(key, piece);
    this.used += sizeOf(piece);
    for (const [oldest, old] of this.kept) {
      if (this.used <= room) return;
      this.kept.delete(oldest);
      this.used -= sizeOf(old);
    }
  }

  private async inTurn(make: () => Promise<T>): Promise<T> {
    if (this.running >= MAX_MAKING) {
      if (this.waiting.length >= MAX_WAITING)
        throw new RejectedError('limit', 'The server is making too much of recordings at this moment.');
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    try {
      return await make();
    } finally {
      // The turn is handed on, so the count stays.
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}
