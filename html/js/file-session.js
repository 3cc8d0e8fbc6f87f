// Plays one file or recording from beginning to end: what PlaySession is for live streams, without waiting and retrying.
// States: loading, playing, stalled, finished, missing, failed, impossible. Knows no document.

const NOT_FOUND = 404;

export class FileSession {
  #choice;
  #startEngine;
  #onState;
  #engine = null;
  #state = '';

  /** `choice.url` is '' for what must not be played. `startEngine` and `onState` as PlaySession has them. */
  constructor({ choice, startEngine, onState }) {
    this.#choice = choice;
    this.#startEngine = startEngine;
    this.#onState = onState;
  }

  start() {
    if (this.#choice.url === '') {
      this.#enter('missing');
      return;
    }
    this.#stop();
    this.#enter('loading');
    const own = (run) => (details) => {
      if (this.#engine === engine) run(details);
    };
    const engine = this.#startEngine(this.#choice, {
      playing: own(() => this.#enter('playing')),
      waiting: own(() => this.#state === 'playing' && this.#enter('stalled')),
      ended: own(() => this.#enter('finished')),
      failed: own((details) => this.#failed(details)),
    });
    this.#engine = engine;
  }

  /** A file that is paused stays where it is. After its end, or a fault, play means from the start. */
  setPaused(paused) {
    if (!paused && (this.#state === 'failed' || this.#state === 'missing')) this.start();
  }

  close() {
    this.#stop();
  }

  #failed(details) {
    if (details.impossible === true) this.#enter('impossible', details);
    else this.#enter(details.status === NOT_FOUND ? 'missing' : 'failed');
    this.#stop();
  }

  #stop() {
    const engine = this.#engine;
    this.#engine = null;
    engine?.close();
  }

  #enter(state, details = {}) {
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state, details);
  }
}
