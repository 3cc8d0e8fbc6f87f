/** What the converter and its worker threads say to each other. */
import type { FrameBatchMessage } from './frame-batch.ts';
import type { SoundPlan } from './sound-plan.ts';

export type ToWorker =
  | { readonly kind: 'open'; readonly id: number; readonly plan: SoundPlan }
  | { readonly kind: 'close'; readonly id: number }
  | ({ readonly kind: 'frames' } & FrameBatchMessage);

export type FromWorker =
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string }
  | ({
      /** The answer to one message of frames. */
      readonly kind: 'frames';
      /** PROGRESS_COLUMNS numbers per conversion that had frames in the message. */
      readonly progress: Float64Array<ArrayBuffer>;
    } & FrameBatchMessage);

/** Conversion, microseconds of sound taken, microseconds of work for it, then totals of the conversion. */
export const PROGRESS_COLUMNS = 7;
export const TAKEN_US = 1;
export const WORK_US = 2;
export const FRAMES_OUT = 3;
export const DAMAGED = 4;
export const CONCEALED = 5;
export const GAPS = 6;

/** For how long a frame of unknown duration counts. */
const USUAL_FRAME_US = 20_000;
/** The shortest frame of Opus. Publishers tell durations: those of nothing would make the queue one without end. */
const SHORTEST_FRAME_US = 2500;

/** What a frame that waits for the worker counts for, microseconds. */
export function queuedUsOf(durationUs: number): number {
  return durationUs > 0 ? Math.max(durationUs, SHORTEST_FRAME_US) : USUAL_FRAME_US;
}
