/** Frames on their way between threads: one table and one stretch of bytes for all of a turn, both handed over. */

export interface FrameBatchMessage {
  /** COLUMNS numbers per frame: conversion, pts, duration, arrival (microseconds), bytes of the payload. */
  readonly table: Float64Array<ArrayBuffer>;
  /** The payloads one after another. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export const COLUMNS = 5;
export const PTS = 1;
export const DURATION = 2;
export const ARRIVAL = 3;
export const SIZE = 4;

const FIRST_FRAMES = 64;
const FIRST_BYTES = 16_384;

export class FrameBatch {
  count = 0;
  private table = new Float64Array(FIRST_FRAMES * COLUMNS);
  private bytes = new Uint8Array(FIRST_BYTES);
  private used = 0;

  /** Copies the payload. */
  add(id: number, ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    const at = this.count * COLUMNS;
    if (at + COLUMNS > this.table.length) {
      const table = new Float64Array(this.table.length * 2);
      table.set(this.table);
      this.table = table;
    }
    if (this.used + payload.length > this.bytes.length) {
      const bytes = new Uint8Array(Math.max(this.bytes.length * 2, this.used + payload.length));
      bytes.set(this.bytes);
      this.bytes = bytes;
    }
    this.table[at] = id;
    this.table[at + PTS] = ptsUs;
    this.table[at + DURATION] = durationUs;
    this.table[at + ARRIVAL] = arrivalUs;
    this.table[at + SIZE] = payload.length;
    this.bytes.set(payload, this.used);
    this.used += payload.length;
    this.count++;
  }

  /** What was added since the last call, in memory of its own. */
  take(): FrameBatchMessage {
    const table = this.table.slice(0, this.count * COLUMNS);
    const bytes = this.bytes.slice(0, this.used);
    this.count = 0;
    this.used = 0;
    return { table, bytes };
  }
}
