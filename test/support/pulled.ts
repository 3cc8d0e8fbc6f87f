/** A pull that is opened for a test, and all that it gave. */
import { openPull, type Pull, type PullEnd, type PullOptions } from '../../src/client/pull.ts';
import type { Frame } from '../../src/media/frame.ts';
import type { Track } from '../../src/media/track.ts';
import { until } from './until.ts';

export class Pulled {
  readonly frames: Frame[] = [];
  readonly faults: unknown[] = [];
  tracks: readonly Track[] = [];
  end: PullEnd | null = null;
  readonly pull: Pull;

  constructor(url: string, options: Partial<PullOptions> = {}) {
    this.pull = openPull(
      url,
      {
        onTracks: (tracks) => {
          this.tracks = tracks;
        },
        onFrame: (frame) => this.frames.push(frame),
        onEnd: (end) => {
          this.end = end;
        },
      },
      {
        verifies: false,
        connectMs: 10_000,
        silenceMs: 5000,
        userAgent: 'Sluice/test',
        nowUs: () => Math.round(performance.now() * 1000),
        after: (delayMs, run) => {
          const timer = setTimeout(run, delayMs);
          return { cancel: () => clearTimeout(timer) };
        },
        onFault: (error) => this.faults.push(error),
        ...options,
      },
    );
  }

  get codecs(): string {
    return this.tracks
      .map(({ config }) => config.codec)
      .sort()
      .join('+');
  }

  /** Payloads of a codec, in order. */
  payloads(codec: string): Uint8Array[] {
    return this.frames.filter(({ config }) => config.codec === codec).map(({ payload }) => payload);
  }

  /** Waits for so many frames of each of these codecs. */
  async media(codecs: readonly string[], count: number): Promise<void> {
    await until(
      `${count} frames of ${codecs.join(' and ')} (${this.end?.reason ?? 'still open'})`,
      () => this.end !== null || codecs.every((codec) => this.payloads(codec).length >= count),
    );
    if (this.end !== null) throw new Error(this.end.reason);
  }

  async ended(): Promise<PullEnd> {
    await until('the end of the pull', () => this.end !== null);
    return this.end!; // that was waited for
  }
}
