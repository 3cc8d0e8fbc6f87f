/** One worker thread seen from outside: what it was given, what it owes, how busy it is. */
import type { StartWorker, WorkerThread } from '../runtime/worker-thread.ts';
import { ARRIVAL, COLUMNS, DURATION, FrameBatch, PTS, SIZE } from './frame-batch.ts';
import type { RunningConversion } from './running-conversion.ts';
import type { SoundPlan } from './sound-plan.ts';
import { type FromWorker, PROGRESS_COLUMNS, type ToWorker, WORK_US } from './worker-messages.ts';

/** JavaScript alone; a codec's WebAssembly memory comes on top, 16 MB each. */
const HEAP_MB = 128;
/** A thread that owes an answer for this long hangs. */
const MOST_SILENCE_US = 15_000_000;
/** Share of a core that a conversion is taken for until it was measured. */
const GUESSED_LOAD = 0.03;
const SMOOTHING = 0.5;

export interface WorkerSlotOptions {
  /** 1 for the first of this run; for people. */
  readonly number: number;
  readonly startWorker: StartWorker;
  readonly nowUs: () => number;
  /** It is over, all its conversions with it. */
  readonly onEnd: (slot: WorkerSlot, reason: string) => void;
}

export class WorkerSlot {
  readonly number: number;
  readonly startedUs: number;
  readonly conversions = new Map<number, RunningConversion>();
  /** When it got nothing to do; NaN while it has. */
  idleSinceUs: number;
  private readonly options: WorkerSlotOptions;
  private readonly thread: WorkerThread;
  private readonly batch = new FrameBatch();
  private isFlushing = false;
  private owed = 0;
  private owedSinceUs = 0;
  private workUs = 0;
  private measured = 0;

  constructor(options: WorkerSlotOptions) {
    this.options = options;
    this.number = options.number;
    this.startedUs = options.nowUs();
    this.idleSinceUs = this.startedUs;
    this.thread = options.startWorker('transcode', {
      heapMb: HEAP_MB,
      onMessage: (message) => this.receive(message as FromWorker),
      onEnd: (reason) => options.onEnd(this, reason),
    });
  }

  /** Share of a core, about. */
  get load(): number {
    return Math.max(this.measured, this.conversions.size * GUESSED_LOAD);
  }

  open(conversion: RunningConversion, plan: SoundPlan): void {
    this.conversions.set(conversion.id, conversion);
    this.idleSinceUs = Number.NaN;
    this.send({ kind: 'open', id: conversion.id, plan });
  }

  close(id: number): void {
    if (!this.conversions.delete(id)) return;
    if (this.conversions.size === 0) this.idleSinceUs = this.options.nowUs();
    this.flush();
    this.send({ kind: 'close', id });
  }

  /** Hot path. Goes out with all others of this turn. */
  push(id: number, ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    this.batch.add(id, ptsUs, durationUs, payload, arrivalUs);
    if (this.isFlushing) return;
    this.isFlushing = true;
    setImmediate(this.flush);
  }

  /** Once in a while, `elapsedUs` after the last time. False when the thread hangs. */
  tick(elapsedUs: number): boolean {
    this.measured += (this.workUs / elapsedUs - this.measured) * SMOOTHING;
    this.workUs = 0;
    return this.owed === 0 || this.options.nowUs() - this.owedSinceUs < MOST_SILENCE_US;
  }

  stop(): void {
    this.thread.stop();
  }

  private readonly flush = (): void => {
    this.isFlushing = false;
    if (this.batch.count === 0) return;
    const message = this.batch.take();
    if (this.owed++ === 0) this.owedSinceUs = this.options.nowUs();
    this.thread.post({ kind: 'frames', ...message }, [message.table.buffer, message.bytes.buffer]);
  };

  private send(message: ToWorker): void {
    this.thread.post(message);
  }

  private receive(message: FromWorker): void {
    if (message.kind === 'failed') {
      const conversion = this.conversions.get(message.id);
      this.close(message.id);
      conversion?.fail(message.reason);
      return;
    }
    this.owed--;
    this.owedSinceUs = this.options.nowUs();
    const { progress } = message;
    for (let at = 0; at < progress.length; at += PROGRESS_COLUMNS) {
      this.workUs += progress[at + WORK_US]!;
      this.conversions.get(progress[at]!)?.takeProgress(progress, at);
    }
    this.deliver(message);
  }

  private deliver({ table, bytes }: { table: Float64Array; bytes: Uint8Array }): void {
    let from = 0;
    for (let at = 0; at < table.length; at += COLUMNS) {
      const size = table[at + SIZE]!;
      const payload = bytes.subarray(from, from + size);
      from += size;
      // Looked up each time: an earlier frame may have made its owner close it.
      this.conversions
        .get(table[at]!)
        ?.deliver(table[at + PTS]!, table[at + DURATION]!, payload, table[at + ARRIVAL]!);
    }
  }
}
