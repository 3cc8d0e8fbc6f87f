/**
 * Which layer of simulcast a player gets: the best that the way to it carries. Down at once when the way clearly carries
 * less, after a while when it carries a little less; up when it has carried enough for a while. An estimate grows only by
 * what is sent, so where nothing speaks against more the next better layer is tried now and then, less often each time that
 * this fails. Pure: time and numbers come from outside.
 */

/** No layer in particular. */
export const AUTO_LAYER = -1;

export interface LayerState {
  /** Of its pictures with the sound; 0 = not known yet. */
  readonly bitrateBps: number;
  /** Pictures come. */
  readonly isLive: boolean;
}

/** Of what a layer needs: with less it is left at once. */
const FAR_TOO_LITTLE = 0.75;
/** With less than this it is left after TOO_LITTLE_US; one decrease of the estimate by mistake has grown back by then. */
const TOO_LITTLE = 0.95;
const TOO_LITTLE_US = 1_500_000;
/** A better layer needs this much more than it has, for ENOUGH_US. */
const ENOUGH = 1.25;
const ENOUGH_US = 2_000_000;
/** After going down, before going up. */
const REST_US = 5_000_000;
const FIRST_TRY_US = 8_000_000;
const LAST_TRY_US = 120_000_000;
/** For so long a try is not judged by what the layer needs: the estimate has to find out. It fails when that falls. */
const TRY_US = 10_000_000;

export class LayerChooser {
  /** Place of the layer that is asked for, the best 0; AUTO_LAYER = by the estimate. */
  wish = AUTO_LAYER;
  private tooLittleSinceUs = Number.NaN;
  private enoughSinceUs = Number.NaN;
  private unprovenSinceUs = Number.NaN;
  private downUs = Number.NEGATIVE_INFINITY;
  private triedUs = Number.NEGATIVE_INFINITY;
  /** The estimate at that time. */
  private triedBps = 0;
  private tryGapUs = FIRST_TRY_US;

  /** Place of the layer to play; `current` when none is better, also when none is live. -1 = none is played yet. */
  choose(
    layers: readonly LayerState[],
    current: number,
    estimateBps: number,
    isUnproven: boolean,
    nowUs: number,
  ): number {
    if (this.wish !== AUTO_LAYER) return nearest(layers, this.wish, current);
    if (layers[current]?.isLive !== true) {
      this.restart();
      return fitting(layers, 0, layers.length, estimateBps) ?? lastLive(layers) ?? current;
    }
    if (nowUs - this.triedUs < TRY_US && estimateBps >= this.triedBps * TOO_LITTLE) return current;
    if (this.isTooMuch(layers[current]!.bitrateBps, estimateBps, nowUs)) {
      const lower = fitting(layers, current + 1, layers.length, estimateBps) ?? lastLive(layers) ?? current;
      if (lower > current) this.onDown(nowUs);
      return Math.max(lower, current);
    }
    return this.upFrom(layers, current, estimateBps, isUnproven, nowUs);
  }

  private restart(): void {
    this.tooLittleSinceUs = Number.NaN;
    this.enoughSinceUs = Number.NaN;
    this.unprovenSinceUs = Number.NaN;
  }

  private isTooMuch(neededBps: number, estimateBps: number, nowUs: number): boolean {
    if (estimateBps >= neededBps * TOO_LITTLE) {
      this.tooLittleSinceUs = Number.NaN;
      return false;
    }
    if (Number.isNaN(this.tooLittleSinceUs)) this.tooLittleSinceUs = nowUs;
    return estimateBps < neededBps * FAR_TOO_LITTLE || nowUs - this.tooLittleSinceUs >= TOO_LITTLE_US;
  }

  private onDown(nowUs: number): void {
    this.restart();
    this.downUs = nowUs;
    const hasFailed = nowUs - this.triedUs < TRY_US * 2;
    this.tryGapUs = hasFailed ? Math.min(this.tryGapUs * 2, LAST_TRY_US) : FIRST_TRY_US;
  }

  private upFrom(
    layers: readonly LayerState[],
    current: number,
    estimateBps: number,
    isUnproven: boolean,
    nowUs: number,
  ): number {
    if (nowUs - this.downUs < REST_US) return current;
    const better = fitting(layers, 0, current, estimateBps / ENOUGH);
    this.enoughSinceUs = since(this.enoughSinceUs, better !== null, nowUs);
    this.unprovenSinceUs = since(this.unprovenSinceUs, isUnproven, nowUs);
    if (better !== null && nowUs - this.enoughSinceUs >= ENOUGH_US) {
      this.restart();
      return better;
    }
    if (!(nowUs - this.unprovenSinceUs >= this.tryGapUs)) return current;
    const next = nearestBetter(layers, current);
    if (next === current) return current;
    this.restart();
    this.triedUs = nowUs;
    this.triedBps = estimateBps;
    return next;
  }
}

/** Since when something holds; NaN = it does not. */
function since(beganUs: number, holds: boolean, nowUs: number): number {
  if (!holds) return Number.NaN;
  return Number.isNaN(beganUs) ? nowUs : beganUs;
}

/** The first live layer in this range that needs no more than this. */
function fitting(
  layers: readonly LayerState[],
  from: number,
  to: number,
  estimateBps: number,
): number | null {
  for (let at = from; at < to; at++)
    if (layers[at]!.isLive && layers[at]!.bitrateBps <= estimateBps) return at;
  return null;
}

function lastLive(layers: readonly LayerState[]): number | null {
  for (let at = layers.length - 1; at >= 0; at--) if (layers[at]!.isLive) return at;
  return null;
}

function nearestBetter(layers: readonly LayerState[], current: number): number {
  for (let at = current - 1; at >= 0; at--) if (layers[at]!.isLive) return at;
  return current;
}

/** The wanted one if it is live, else the next smaller one, else the next better one. */
function nearest(layers: readonly LayerState[], wanted: number, none: number): number {
  for (let at = wanted; at < layers.length; at++) if (layers[at]!.isLive) return at;
  for (let at = Math.min(wanted, layers.length) - 1; at >= 0; at--) if (layers[at]!.isLive) return at;
  return none;
}
