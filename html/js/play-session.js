// biome-ignore-all lint/suspicious/noUnnecessaryConditions: the rule takes the first value of a field for its only one.
// Keeps one stream playing: waits for it, starts an engine, notices that it stalls, ends or breaks, and tries again.
// Knows no document and no player library: engines, look-up and timers are given, so that it can be tested whole.
//
// States: loading, playing, stalled, lost (the publisher is gone, the server still waits for it), retrying (seconds
// until the next try), waiting (nothing was published yet), ended, paused (for so long that the
// connection was closed), impossible (no way works here), unreachable.

const POLL_MS = 2000;
const STALL_TICKS = 2;
const RESTART_TICKS = 10;
const TICK_MS = 1000;
/** A connection whose picture nobody looks at only fills memory. */
const PAUSE_CLOSE_TICKS = 20;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 10_000;
/** As long as this without a fault, and the next fault starts again with a short wait. */
const SETTLED_TICKS = 10;

/** Wait before try number `attempt` (0 = first), doubled each time, with up to a quarter more at random. */
export function retryDelayMs(attempt, random) {
  const base = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt, 10));
  return Math.round(base * (1 + random / 4));
}

export class PlaySession {
  #find;
  #choose;
  #startEngine;
  #onState;
  #onStream;
  #onRefused;
  #timers;
  #random;

  #engine = null;
  #state = '';
  #stream = null;
  #liveMs = -1;
  #attempt = 0;
  #everPlayed = false;
  #closed = false;
  #polling = false;
  #paused = false;
  #pausedTicks = 0;
  #retryTimer = null;
  #pollTimer = null;
  #tickTimer = null;
  #position = -1;
  #stillTicks = 0;
  #goodTicks = 0;

  /**
   * `find()` resolves as StreamFinder does; `choose(stream or null)` gives `{ way, ... }` or null with nothing possible;
   * `startEngine(choice, events)` gives `{ position(), timeline(), close() }` and calls events.playing/waiting/ended/failed;
   * `onState(name, details)`; `onStream(stream or null)`; `onRefused(details)`: this way does not work, true when there is
   * another one, which `choose` then gives; `timers` = { set(run, ms), clear(handle) }.
   */
  constructor({
    find,
    choose,
    startEngine,
    onState,
    onStream,
    onRefused = () => false,
    timers,
    random = Math.random,
  }) {
    this.#find = find;
    this.#choose = choose;
    this.#startEngine = startEngine;
    this.#onState = onState;
    this.#onStream = onStream;
    this.#onRefused = onRefused;
    this.#timers = timers;
    this.#random = random;
  }

  async start() {
    this.#enter('loading');
    this.#tickTimer = this.#timers.set(() => this.#tick(), TICK_MS);
    await this.#poll();
  }

  close() {
    this.#closed = true;
    this.#stopEngine();
    for (const timer of [this.#retryTimer, this.#pollTimer, this.#tickTimer]) this.#timers.clear(timer);
  }

  /** The person chose another way: begin again at once. */
  restart() {
    this.#attempt = 0;
    this.#stopEngine();
    this.#clearRetry();
    this.#liveMs = -1;
    this.#state = '';
    this.#enter('loading');
    if (this.#stream !== null && this.#stream.state !== 'lingering') this.#begin();
  }

  /** A paused picture is not a stalled one; after a long pause the connection is closed until playing goes on. */
  setPaused(paused) {
    this.#paused = paused;
    this.#pausedTicks = 0;
    this.#stillTicks = 0;
    if (!paused && this.#state === 'paused') this.#begin();
  }

  async #poll() {
    if (this.#polling) return;
    this.#polling = true;
    this.#timers.clear(this.#pollTimer);
    const found = await this.#find();
    this.#polling = false;
    if (this.#closed) return;
    this.#consider(found);
    this.#pollTimer = this.#timers.set(() => this.#poll(), POLL_MS);
  }

  #consider(found) {
    if (found.kind === 'unreachable') {
      if (this.#engine === null) this.#enter('unreachable');
      return;
    }
    if (found.kind === 'missing') {
      this.#stream = null;
      this.#onStream(null);
      this.#stopEngine();
      this.#clearRetry();
      this.#attempt = 0;
      this.#enter(this.#everPlayed ? 'ended' : 'waiting');
      return;
    }
    const stream = found.kind === 'found' ? found.stream : null;
    this.#stream = stream;
    this.#onStream(stream);
    if (stream !== null && stream.state === 'lingering') {
      this.#enter('lost');
      return;
    }
    if (this.#paused && this.#engine === null) {
      this.#enter('paused');
    } else if (this.#engine === null) {
      const changed = stream !== null && stream.live_ms !== this.#liveMs;
      if (this.#retryTimer === null && (this.#state !== 'impossible' || changed)) this.#begin();
    } else if (this.#state === 'lost') {
      this.#stillTicks = 0;
      this.#enter('loading');
    }
  }

  #begin() {
    this.#liveMs = this.#stream === null ? -1 : this.#stream.live_ms;
    const choice = this.#choose(this.#stream);
    if (choice === null || choice.works === false) {
      this.#enter('impossible', choice ?? {});
      return;
    }
    this.#position = -1;
    this.#stillTicks = 0;
    this.#goodTicks = 0;
    this.#enter('loading');
    // An engine that was replaced may still call back; only the present one counts.
    const own = (run) => (details) => {
      if (this.#engine === engine) run(details);
    };
    const engine = this.#startEngine(choice, {
      playing: own(() => this.#played()),
      waiting: own(() => this.#state === 'playing' && this.#enter('stalled')),
      ended: own(() => this.#ended()),
      failed: own((details) => this.#failed(details)),
    });
    this.#engine = engine;
  }

  #played() {
    this.#everPlayed = true;
    this.#stillTicks = 0;
    if (this.#state !== 'lost') this.#enter('playing');
  }

  // The server closed: whether the stream is over or only this connection is, the next look-up tells.
  #ended() {
    this.#retry();
    void this.#poll();
  }

  #failed(details) {
    if (details?.refused === true && this.#onRefused(details)) {
      this.#stopEngine();
      this.#begin();
    } else if (details?.impossible === true || details?.refused === true) {
      this.#stopEngine();
      this.#enter('impossible', details);
    } else {
      this.#retry();
    }
  }

  #retry() {
    this.#stopEngine();
    const delayMs = retryDelayMs(this.#attempt, this.#random());
    this.#attempt++;
    this.#clearRetry();
    this.#enter('retrying', { seconds: Math.ceil(delayMs / 1000) });
    this.#retryTimer = this.#timers.set(() => {
      this.#retryTimer = null;
      if (this.#stream?.state !== 'lingering' && !this.#paused) this.#begin();
    }, delayMs);
  }

  #tick() {
    if (this.#closed) return;
    this.#tickTimer = this.#timers.set(() => this.#tick(), TICK_MS);
    if (this.#engine === null) return;
    if (this.#paused) {
      this.#pausedTicks++;
      // Where there is a window to seek in, a person who comes back wants to go on from there.
      const canWait = this.#engine.timeline();
      if (this.#pausedTicks >= PAUSE_CLOSE_TICKS && canWait === null) this.#sleep();
      return;
    }
    const position = this.#engine.position();
    if (position !== this.#position) {
      const moved = this.#position !== -1;
      this.#position = position;
      this.#stillTicks = 0;
      this.#goodTicks++;
      if (this.#goodTicks >= SETTLED_TICKS) this.#attempt = 0;
      if (moved && this.#state !== 'lost') this.#played();
      return;
    }
    this.#goodTicks = 0;
    this.#stillTicks++;
    if (this.#state === 'lost') return;
    if (this.#stillTicks >= RESTART_TICKS) this.#retry();
    else if (this.#stillTicks >= STALL_TICKS && this.#state === 'playing') this.#enter('stalled');
  }

  #sleep() {
    this.#stopEngine();
    this.#enter('paused');
  }

  #stopEngine() {
    const engine = this.#engine;
    this.#engine = null;
    engine?.close();
  }

  #clearRetry() {
    this.#timers.clear(this.#retryTimer);
    this.#retryTimer = null;
  }

  #enter(state, details = {}) {
    if (state === this.#state && state !== 'retrying' && state !== 'impossible') return;
    this.#state = state;
    this.#onState(state, details);
  }
}
