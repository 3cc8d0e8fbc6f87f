/** Notices a source that has gone silent. Hearing costs a number, not a timer. */
import type { PullOptions } from './pull.ts';

export class SilenceGuard {
  private readonly options: PullOptions;
  private readonly onSilent: () => void;
  private lastUs = 0;
  private timer: { cancel(): void } | null = null;

  constructor(options: PullOptions, onSilent: () => void) {
    this.options = options;
    this.onSilent = onSilent;
  }

  begin(): void {
    this.heard();
    this.timer ??= this.wait(this.options.silenceMs);
  }

  heard(): void {
    this.lastUs = this.options.nowUs();
  }

  private wait(delayMs: number): { cancel(): void } {
    return this.options.after(delayMs, () => {
      if (this.timer === null) return;
      const restMs = this.options.silenceMs - (this.options.nowUs() - this.lastUs) / 1000;
      if (restMs > 0) {
        this.timer = this.wait(restMs);
        return;
      }
      this.timer = null;
      this.onSilent();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }
}
