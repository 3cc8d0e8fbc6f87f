/** Leads the reader of a player's pictures from layer to layer of simulcast, as LayerChooser says. */
import type { BandwidthEstimator } from './bandwidth-estimator.ts';
import type { FeedReader } from './feed-reader.ts';
import type { FeedStore } from './feed-store.ts';
import { LayerChooser, type LayerState } from './layer-chooser.ts';

/** Stores of the layers, the best first, and what is asked for. */
export interface PlayedLayers {
  /** Null = it is not there now. The first track of each is its pictures. */
  readonly stores: readonly (FeedStore | null)[];
  /** As `LayerChooser.wish`. */
  readonly wish: number;
}

/** Without pictures for so long a layer is not being sent; screens are sent with few pictures a second. */
const LIVE_US = 2_000_000;
const LOOK_US = 50_000;
/** A GOP that is longer than this is not sent again for the sake of a smaller layer. */
const MAX_REPEATED_US = 3_000_000;
/** Key frames come by themselves that often as a rule: nobody asks for one in order to go up. */
const KEY_WAIT_US = 2_500_000;
const NOT_LIVE: LayerState = { bitrateBps: 0, isLive: false };

export class LayerSwitch {
  private readonly reader: FeedReader;
  private readonly estimator: BandwidthEstimator;
  private readonly chooser = new LayerChooser();
  private stores: PlayedLayers['stores'];
  /** Place of the layer that the reader is at, or waits for a key frame of. */
  private target = -1;
  /** When a key frame of that is to be asked for; NaN = not at all. */
  private askUs = Number.NaN;
  private lookedUs = Number.NEGATIVE_INFINITY;
  private isStarted = false;

  constructor(reader: FeedReader, estimator: BandwidthEstimator, { stores, wish }: PlayedLayers) {
    this.reader = reader;
    this.estimator = estimator;
    this.stores = stores;
    this.chooser.wish = wish;
  }

  start(nowUs: number): void {
    this.isStarted = true;
    this.target = this.choose(nowUs);
    this.reader.start(nowUs, this.stores[this.target] ?? this.reader.feed);
  }

  /** Other layers, or another wish. */
  take({ stores, wish }: PlayedLayers, nowUs: number): void {
    const { feed } = this.reader;
    const wanted = this.stores[this.target] ?? null;
    this.stores = stores;
    this.chooser.wish = wish;
    if (!this.isStarted) return;
    // What is waited for may be gone.
    const isThere = wanted !== null && stores.includes(wanted);
    this.target = stores.indexOf(isThere ? wanted : feed);
    if (!isThere || wanted === feed) this.stay();
    this.look(nowUs);
  }

  tick(nowUs: number): void {
    if (nowUs - this.lookedUs >= LOOK_US) this.look(nowUs);
  }

  private look(nowUs: number): void {
    this.lookedUs = nowUs;
    const target = this.choose(nowUs);
    if (target !== this.target) this.goTo(target, nowUs);
    if (!(nowUs >= this.askUs)) return;
    const store = this.stores[this.target] ?? null;
    if (store === null || store === this.reader.feed) this.askUs = Number.NaN;
    else {
      this.askUs = nowUs + KEY_WAIT_US;
      store.requestKey();
    }
  }

  private choose(nowUs: number): number {
    const states = this.stores.map((store): LayerState => {
      if (store === null) return NOT_LIVE;
      return { bitrateBps: store.bitrateBps, isLive: nowUs - store.lastPictureUs < LIVE_US };
    });
    const { bitrateBps, isUnproven } = this.estimator;
    return this.chooser.choose(states, this.target, bitrateBps, isUnproven, nowUs);
  }

  private goTo(place: number, nowUs: number): void {
    const store = this.stores[place] ?? null;
    if (store === null) return;
    const from = this.place;
    this.target = place;
    if (store === this.reader.feed) {
      this.stay();
    } else if (place > from && hasShortGop(store)) {
      this.askUs = Number.NaN;
      this.reader.crossNow(store, nowUs);
    } else {
      this.reader.crossAtKey(store);
      const isUrgent = place > from || this.chooser.wish >= 0;
      this.askUs = isUrgent ? nowUs : nowUs + KEY_WAIT_US;
    }
  }

  private stay(): void {
    this.askUs = Number.NaN;
    this.reader.stay();
  }

  /** Of the layer that is being sent; -1 = none that is there now. */
  get place(): number {
    return this.stores.indexOf(this.reader.feed);
  }
}

function hasShortGop({ chunks, latestKey }: FeedStore): boolean {
  if (latestKey < 0) return false;
  return chunks.at(chunks.head - 1).dtsUs - chunks.at(latestKey).dtsUs <= MAX_REPEATED_US;
}
