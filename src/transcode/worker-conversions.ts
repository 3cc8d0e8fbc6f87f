/** What a worker thread does with its messages; without threads, so that tests can run it where they are. */
import type { Conversion } from './conversion.ts';
import { ARRIVAL, COLUMNS, DURATION, FrameBatch, PTS, SIZE } from './frame-batch.ts';
import { openConversion } from './sound-codecs.ts';
import {
  CONCEALED,
  DAMAGED,
  FRAMES_OUT,
  type FromWorker,
  GAPS,
  PROGRESS_COLUMNS,
  queuedUsOf,
  TAKEN_US,
  type ToWorker,
  WORK_US,
} from './worker-messages.ts';

interface Progress {
  takenUs: number;
  workMs: number;
}

export class WorkerConversions {
  private readonly post: (message: FromWorker, transfer: readonly ArrayBuffer[]) => void;
  private readonly conversions = new Map<number, Conversion>();
  private readonly batch = new FrameBatch();

  constructor(post: (message: FromWorker, transfer: readonly ArrayBuffer[]) => void) {
    this.post = post;
  }

  /** One at a time and in order. Throws when a codec broke: the thread is not to be trusted any more then. */
  async receive(message: ToWorker): Promise<void> {
    if (message.kind === 'open') {
      try {
        const { id, plan } = message;
        const opened = await openConversion(plan, (ptsUs, durationUs, payload, arrivalUs) =>
          this.batch.add(id, ptsUs, durationUs, payload, arrivalUs),
        );
        this.conversions.set(id, opened);
      } catch (error) {
        this.fail(message.id, error);
      }
      return;
    }
    if (message.kind === 'close') {
      this.conversions.get(message.id)?.close();
      this.conversions.delete(message.id);
      return;
    }
    this.convert(message.table, message.bytes);
  }

  private convert(table: Float64Array, bytes: Uint8Array): void {
    const progress = new Map<number, Progress>();
    let from = 0;
    for (let at = 0; at + COLUMNS <= table.length; at += COLUMNS) {
      const id = table[at]!;
      const size = table[at + SIZE]!;
      const durationUs = table[at + DURATION]!;
      let row = progress.get(id);
      if (row === undefined) {
        row = { takenUs: 0, workMs: 0 };
        progress.set(id, row);
      }
      row.takenUs += queuedUsOf(durationUs);
      const begin = performance.now();
      this.convertOne(
        id,
        table[at + PTS]!,
        durationUs,
        bytes.subarray(from, from + size),
        table[at + ARRIVAL]!,
      );
      row.workMs += performance.now() - begin;
      from += size;
    }
    const frames = this.batch.take();
    const rows = this.progressTable(progress);
    this.post({ kind: 'frames', progress: rows, ...frames }, [
      rows.buffer,
      frames.table.buffer,
      frames.bytes.buffer,
    ]);
  }

  private convertOne(
    id: number,
    ptsUs: number,
    durationUs: number,
    payload: Uint8Array,
    arrivalUs: number,
  ): void {
    const conversion = this.conversions.get(id);
    if (conversion === undefined) return;
    try {
      conversion.push(ptsUs, durationUs, payload, arrivalUs);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      this.conversions.delete(id);
      conversion.close();
      this.fail(id, error);
    }
  }

  private progressTable(progress: ReadonlyMap<number, Progress>): Float64Array<ArrayBuffer> {
    const rows = new Float64Array(progress.size * PROGRESS_COLUMNS);
    let at = 0;
    for (const [id, { takenUs, workMs }] of progress) {
      const conversion = this.conversions.get(id);
      rows[at] = id;
      rows[at + TAKEN_US] = takenUs;
      rows[at + WORK_US] = workMs * 1000;
      rows[at + FRAMES_OUT] = conversion?.framesOut ?? 0;
      rows[at + DAMAGED] = conversion?.damaged ?? 0;
      rows[at + CONCEALED] = conversion?.concealed ?? 0;
      rows[at + GAPS] = conversion?.gaps ?? 0;
      at += PROGRESS_COLUMNS;
    }
    return rows;
  }

  private fail(id: number, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.post({ kind: 'failed', id, reason }, []);
  }
}
