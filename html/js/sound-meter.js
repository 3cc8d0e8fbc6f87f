// How loud the microphone is: the quickest proof that the right one is chosen.

const QUIETEST_DB = -60;

export class SoundMeter {
  #context = null;
  #source = null;
  #analyser = null;
  #samples = null;

  /** Listens to a track; null = to none. */
  follow(track) {
    this.#source?.disconnect();
    this.#source = null;
    if (track === null || typeof AudioContext !== 'function') return;
    this.#context ??= new AudioContext();
    if (this.#context.state === 'suspended') void this.#context.resume().catch(() => undefined);
    this.#analyser ??= Object.assign(this.#context.createAnalyser(), { fftSize: 1024 });
    this.#samples ??= new Float32Array(this.#analyser.fftSize);
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  /** From 0 (silence) to 1 (as loud as it can be). */
  level() {
    if (this.#source === null) return 0;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return levelOf(this.#samples);
  }
}

/** The loudness of samples between -1 and 1, on a scale as ears have it. */
export function levelOf(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  const decibels = 10 * Math.log10(energy / samples.length);
  return Number.isFinite(decibels) ? Math.min(1, Math.max(0, 1 - decibels / QUIETEST_DB)) : 0;
}
