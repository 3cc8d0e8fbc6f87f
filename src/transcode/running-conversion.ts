/** One conversion as its stream sees it: frames go to a worker thread, at most ten seconds of them at once. */
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS } from '../codec/codec-id.ts';
import type { SoundConversion, SoundOutput } from '../media/sound-conversion.ts';
import type { Logger } from '../util/log.ts';
import { MAX_SOUND_BYTES } from './sound-limits.ts';
import { configOfPlan, type SoundPlan } from './sound-plan.ts';
import { CONCEALED, DAMAGED, FRAMES_OUT, GAPS, queuedUsOf, TAKEN_US, WORK_US } from './worker-messages.ts';
import type { WorkerSlot } from './worker-slot.ts';

/** Sound that may wait for a worker: a GOP at the start; more means that the machine is too slow, and is dropped. */
const MOST_QUEUED_US = 10_000_000;

/** For the API. */
export interface ConversionInfo {
  /** For example `AAC` and `Opus`. */
  readonly from: string;
  readonly to: string;
  readonly bitrateBps: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly framesIn: number;
  readonly framesOut: number;
  /** Frames that were dropped because the worker was ten seconds behind. */
  readonly framesDropped: number;
  /** Frames of which nothing could be made. */
  readonly framesDamaged: number;
  /** Lost frames that were made up. */
  readonly framesConcealed: number;
  readonly gaps: number;
  /** Milliseconds of sound that wait for the worker. */
  readonly queuedMs: number;
  /** Seconds of a core. */
  readonly cpuSeconds: number;
  readonly worker: number;
}

export class RunningConversion implements SoundConversion {
  readonly id: number;
  readonly config: CodecConfig;
  readonly log: Logger;
  private readonly plan: SoundPlan;
  private readonly output: SoundOutput;
  private readonly slot: WorkerSlot;
  private readonly onClose: (conversion: RunningConversion) => void;
  private isOver = false;
  private queuedUs = 0;
  private framesIn = 0;
  private framesOut = 0;
  private dropped = 0;
  private damaged = 0;
  private concealed = 0;
  private gaps = 0;
  private workUs = 0;

  constructor(
    id: number,
    plan: SoundPlan,
    output: SoundOutput,
    slot: WorkerSlot,
    log: Logger,
    onClose: (conversion: RunningConversion) => void,
  ) {
    this.id = id;
    this.plan = plan;
    this.config = configOfPlan(plan);
    this.output = output;
    this.slot = slot;
    this.log = log;
    this.onClose = onClose;
  }

  push(ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    if (this.isOver) return;
    this.framesIn++;
    if (payload.length > MAX_SOUND_BYTES) {
      this.damaged++;
      return;
    }
    if (this.queuedUs > MOST_QUEUED_US) {
      this.dropped++;
      this.log.counted('transcode.too-slow', {
        text: 'this machine is too slow to convert all its sound: frames are dropped',
        dropped: this.dropped,
      });
      return;
    }
    this.queuedUs += queuedUsOf(durationUs);
    this.slot.push(this.id, ptsUs, durationUs, payload, arrivalUs);
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.slot.close(this.id);
    this.onClose(this);
  }

  /** It cannot go on. */
  fail(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onClose(this);
    this.log.warn('transcode.failed', { from: this.plan.codec, to: this.plan.target, reason });
    this.output.onSoundFailed(reason);
  }

  deliver(ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    if (!this.isOver) this.output.onSound(ptsUs, durationUs, payload, arrivalUs);
  }

  /** A row of the worker's account. */
  takeProgress(progress: Float64Array, at: number): void {
    this.queuedUs -= progress[at + TAKEN_US]!;
    this.workUs += progress[at + WORK_US]!;
    this.framesOut = progress[at + FRAMES_OUT]!;
    this.damaged = progress[at + DAMAGED]!;
    this.concealed = progress[at + CONCEALED]!;
    this.gaps = progress[at + GAPS]!;
  }

  info(): ConversionInfo {
    const { plan } = this;
    return {
      from: CODECS[plan.codec].label,
      to: CODECS[plan.target].label,
      bitrateBps: plan.bitrateBps,
      sampleRate: plan.sampleRate,
      channels: plan.channels,
      framesIn: this.framesIn,
      framesOut: this.framesOut,
      framesDropped: this.dropped,
      framesDamaged: this.damaged,
      framesConcealed: this.concealed,
      gaps: this.gaps,
      queuedMs: Math.round(this.queuedUs / 1000),
      cpuSeconds: this.workUs / 1_000_000,
      worker: this.slot.number,
    };
  }
}
