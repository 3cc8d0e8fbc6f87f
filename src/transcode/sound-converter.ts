/**
 * Converts sound of streams on worker threads. The first conversion starts a worker, more come up to a bound when those
 * that run are busy, each ends some seconds after its last conversion. A worker that breaks takes its conversions with
 * it, says why, and is replaced when sound is next to be converted: at once the first time, later and later when it goes
 * on.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { SoundConverter, SoundOutput, SoundTarget } from '../media/sound-conversion.ts';
import type { StartWorker } from '../runtime/worker-thread.ts';
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { TickWheel, Timeout } from '../util/tick-wheel.ts';
import { type ConversionInfo, RunningConversion } from './running-conversion.ts';
import { type EncoderSettings, planSound, reasonAgainstSound } from './sound-plan.ts';
import { hasWasmSimd } from './wasm-simd.ts';
import { WorkerSlot } from './worker-slot.ts';

const TICK_MS = 1000;
/** A worker busier than this, in cores, gets help. */
const BUSY = 0.5;
const FIRST_BACKOFF_MS = 1000;
const MOST_BACKOFF_MS = 60_000;
/** A worker that lived this long before it broke was a good one. */
const GOOD_LIFE_US = 60_000_000;

export interface SoundConverterSettings extends EncoderSettings {
  /** Worker threads at most. */
  readonly workers: number;
  readonly maxConversions: number;
  /** How long a worker without conversions stays. */
  readonly lingerMs: number;
}

export interface SoundConverterOptions {
  readonly startWorker: StartWorker;
  /** In force now; looked at whenever a conversion begins. */
  readonly settings: () => SoundConverterSettings;
  readonly log: Logger;
  readonly clock: Clock;
  readonly tick: TickWheel;
  /** Whether WebAssembly has vectors here; asked of the machine when it is not given. */
  readonly hasSimd?: boolean;
}

export class WorkerSoundConverter implements SoundConverter {
  private readonly options: SoundConverterOptions;
  private readonly conversions = new Set<RunningConversion>();
  private readonly slots: WorkerSlot[] = [];
  private readonly canEncodeAac: boolean;
  private timer: Timeout | null = null;
  private lastTickUs = 0;
  private nextId = 1;
  private nextNumber = 1;
  private backoffMs = 0;
  private notBeforeUs = 0;
  private isClosed = false;

  constructor(options: SoundConverterOptions) {
    this.options = options;
    this.canEncodeAac = options.hasSimd ?? hasWasmSimd();
  }

  reasonAgainst(config: CodecConfig, target: SoundTarget): string {
    const reason = reasonAgainstSound(config, target);
    if (reason !== '') return reason;
    if (target === 'aac' && !this.canEncodeAac) {
      return 'This machine cannot encode AAC: its processor lacks the vectors of WebAssembly.';
    }
    if (this.isClosed) return 'The server is shutting down.';
    const { maxConversions } = this.options.settings();
    if (this.conversions.size >= maxConversions) {
      return `No more than ${maxConversions} conversions of sound at once (max-conversions of sound in config.xml).`;
    }
    return this.reasonAgainstStart();
  }

  open(config: CodecConfig, target: SoundTarget, output: SoundOutput): RunningConversion {
    const { log } = this.options;
    const plan = planSound(config, target, this.options.settings());
    const slot = this.slotForNext();
    const conversion = new RunningConversion(this.nextId++, plan, output, slot, log, (closed) =>
      this.conversions.delete(closed),
    );
    this.conversions.add(conversion);
    slot.open(conversion, plan);
    log.debug('transcode.start', { from: plan.codec, to: target, worker: slot.number });
    return conversion;
  }

  /** Of all that run. */
  list(): ConversionInfo[] {
    return Array.from(this.conversions, (conversion) => conversion.info());
  }

  /** Worker threads that run. */
  get workers(): number {
    return this.slots.length;
  }

  /** Ends everything without a word to the owners. Idempotent. */
  close(): void {
    this.isClosed = true;
    for (const conversion of [...this.conversions]) conversion.close();
    for (const slot of this.slots.splice(0)) slot.stop();
    this.stopTimer();
  }

  private reasonAgainstStart(): string {
    const waitUs = this.notBeforeUs - this.options.clock.nowUs();
    if (this.slots.length > 0 || waitUs <= 0) return '';
    return `What converts sound broke; the next try is in ${Math.ceil(waitUs / 1_000_000)} s.`;
  }

  /** The least busy worker, or a new one. */
  private slotForNext(): WorkerSlot {
    let best: WorkerSlot | undefined;
    for (const slot of this.slots) if (best === undefined || slot.load < best.load) best = slot;
    const isRoom = this.slots.length < this.options.settings().workers;
    if (best !== undefined && (best.load < BUSY || !isRoom)) return best;
    return this.startSlot();
  }

  private startSlot(): WorkerSlot {
    const { startWorker, clock, log, tick } = this.options;
    const slot = new WorkerSlot({
      number: this.nextNumber++,
      startWorker,
      nowUs: () => clock.nowUs(),
      onEnd: (ended, reason) => this.slotBroke(ended, reason),
    });
    this.slots.push(slot);
    if (this.timer === null) {
      this.lastTickUs = clock.nowUs();
      this.timer = tick.every(TICK_MS, () => this.tick());
    }
    log.debug('transcode.worker-start', { worker: slot.number });
    return slot;
  }

  private tick(): void {
    const nowUs = this.options.clock.nowUs();
    const elapsedUs = Math.max(1, nowUs - this.lastTickUs);
    this.lastTickUs = nowUs;
    const lingerUs = this.options.settings().lingerMs * 1000;
    for (const slot of [...this.slots]) {
      if (!slot.tick(elapsedUs)) {
        slot.stop();
        this.slotBroke(slot, 'it did not answer any more');
      } else if (nowUs - slot.idleSinceUs >= lingerUs) {
        slot.stop();
        this.remove(slot);
        this.options.log.debug('transcode.worker-stop', { worker: slot.number });
      }
    }
  }

  private slotBroke(slot: WorkerSlot, reason: string): void {
    const nowUs = this.options.clock.nowUs();
    if (nowUs - slot.startedUs >= GOOD_LIFE_US) this.backoffMs = 0;
    this.backoffMs = Math.min(MOST_BACKOFF_MS, Math.max(FIRST_BACKOFF_MS, this.backoffMs * 2));
    this.notBeforeUs = nowUs + this.backoffMs * 1000;
    this.remove(slot);
    this.options.log.error('transcode.worker-broke', {
      worker: slot.number,
      conversions: slot.conversions.size,
      reason,
    });
    const conversions = [...slot.conversions.values()];
    slot.conversions.clear();
    for (const conversion of conversions) conversion.fail('What converts sound broke.');
  }

  private remove(slot: WorkerSlot): void {
    const at = this.slots.indexOf(slot);
    if (at >= 0) this.slots.splice(at, 1);
    if (this.slots.length === 0) this.stopTimer();
  }

  private stopTimer(): void {
    this.timer?.cancel();
    this.timer = null;
  }
}
