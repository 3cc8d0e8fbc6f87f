// Keeps one stream published: connects, notices a lost connection, tries again, gives up where trying is no use. Knows no
// document and no browser interface: how a connection is opened is given, so that it can be tested whole.
//
// States: ready (nothing is sent), connecting, live, reconnecting (seconds until the next try), refused (a sentence of
// the server, or a reason).
import { retryDelayMs } from './play-session.js';

/** As long as this without a fault, and the next fault starts again with a short wait. */
const SETTLED_MS = 10_000;
/** The name is still taken by our own lost connection, or the server is busy or just starting. */
const PASSING = new Set([408, 409, 425, 429, 500, 502, 503, 504]);

export class PublishSession {
  #open;
  #onState;
  #timers;
  #random;
  #state = 'ready';
  #link = null;
  #attempt = 0;
  #wasLive = false;
  #timer = null;

  /**
   * `open(events)` gives a link with `close()` and calls events.connected/lost/failed as connectPeer does;
   * `onState(name, details)`; `timers` = { set(run, ms), clear(handle) }.
   */
  constructor({ open, onState, timers, random = Math.random }) {
    this.#open = open;
    this.#onState = onState;
    this.#timers = timers;
    this.#random = random;
  }

  get state() {
    return this.#state;
  }

  /** Of the present try; null while there is none. */
  get link() {
    return this.#link;
  }

  get isOn() {
    return this.#state === 'connecting' || this.#state === 'live' || this.#state === 'reconnecting';
  }

  start() {
    this.#drop();
    this.#attempt = 0;
    this.#wasLive = false;
    this.#connect();
  }

  stop() {
    this.#drop();
    this.#enter('ready');
  }

  /** Something changed that only a new connection can carry. */
  restart() {
    if (!this.isOn) return;
    this.#drop();
    this.#connect();
  }

  #connect() {
    this.#enter('connecting');
    // A link that was replaced may still call back; only the present one counts.
    let link = null;
    const own = (run) => (details) => {
      if (this.#link === link) run(details);
    };
    link = this.#open({
      connected: own(() => this.#connected()),
      lost: own(() => this.#retry({})),
      failed: own((details) => this.#failed(details)),
    });
    this.#link = link;
  }

  #connected() {
    this.#wasLive = true;
    this.#timers.clear(this.#timer);
    this.#timer = this.#timers.set(() => {
      this.#attempt = 0;
    }, SETTLED_MS);
    this.#enter('live');
  }

  // Somebody who has just pressed the button is told at once; somebody who was live is brought back.
  #failed(details) {
    const { status, reason } = details;
    const mayPass = status === undefined || PASSING.has(status);
    if (this.#wasLive && mayPass) {
      this.#retry(details);
      return;
    }
    this.#drop();
    this.#enter(
      'refused',
      status === undefined && reason === undefined ? { reason: 'unreachable' } : details,
    );
  }

  #retry(details) {
    this.#drop();
    const delayMs = retryDelayMs(this.#attempt, this.#random());
    this.#attempt++;
    this.#timer = this.#timers.set(() => this.#connect(), delayMs);
    this.#enter('reconnecting', { ...details, seconds: Math.ceil(delayMs / 1000) });
  }

  #drop() {
    this.#timers.clear(this.#timer);
    this.#timer = null;
    const link = this.#link;
    this.#link = null;
    link?.close();
  }

  #enter(state, details = {}) {
    this.#state = state;
    this.#onState(state, details);
  }
}
