// The bar to seek with, for recordings, files and live streams with a window: where playing is, and back to live.
import { byId, setHidden, setText } from './dom.js';
import { clock } from './file-format.js';
import { t } from './i18n.js';

/** Nearer than this to the newest that can be played is live. */
const LIVE_WITHIN_S = 3;
const STEP_S = 10;
const REFRESH_MS = 250;

export class SeekBar {
  #read;
  #seek;
  #goLive;
  #bar = byId('seek');
  #dragging = false;

  /** `read()` gives the engine's timeline or null, `seek(seconds)` and `goLive()` are the engine's. */
  constructor({ read, seek, goLive }) {
    this.#read = read;
    this.#seek = seek;
    this.#goLive = goLive;
    this.#bar.addEventListener('input', () => {
      this.#dragging = true;
      this.#showTime(Number(this.#bar.value), this.#read());
    });
    this.#bar.addEventListener('change', () => {
      this.#dragging = false;
      this.#seek(Number(this.#bar.value));
      this.show();
    });
    this.#bar.addEventListener('keydown', (event) => this.#onBarKey(event));
    byId('go-live').addEventListener('click', () => this.#toLive());
    setInterval(() => this.show(), REFRESH_MS);
  }

  /** Keys that work anywhere on the page; true when it was one. */
  onKey(key) {
    const line = this.#read();
    if (line === null) return false;
    const actions = {
      arrowleft: () => this.#move(line, -STEP_S),
      arrowright: () => this.#move(line, STEP_S),
      home: () => this.#seek(line.start),
      end: () => (line.live ? this.#toLive() : this.#seek(line.end)),
      l: () => line.live && this.#toLive(),
    };
    if (actions[key] === undefined) return false;
    actions[key]();
    this.show();
    return true;
  }

  show() {
    const line = this.#read();
    setHidden(byId('seek-row'), line === null);
    if (line === null || this.#dragging) return;
    const { start, end, position, live } = line;
    const bar = this.#bar;
    bar.min = String(start);
    bar.max = String(end);
    bar.value = String(Math.min(end, Math.max(start, position)));
    setHidden(byId('go-live'), !live);
    byId('go-live').setAttribute('aria-pressed', String(live && end - position < LIVE_WITHIN_S));
    this.#showTime(position, line);
  }

  #showTime(position, line) {
    if (line === null) return;
    const { start, end, live } = line;
    const behind = end - position;
    const atLive = behind < LIVE_WITHIN_S;
    const text = live
      ? atLive
        ? t('state.live')
        : `−${clock(behind)}`
      : `${clock(position - start)} / ${clock(end - start)}`;
    setText(byId('seek-time'), text);
    const said = live ? (atLive ? text : t('seek.behind', { time: clock(behind) })) : text;
    this.#bar.setAttribute('aria-valuetext', said);
  }

  // The bar's own keys would move by a hundredth of a window of hours.
  #onBarKey(event) {
    if (!this.onKey(event.key.toLowerCase())) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #move(line, seconds) {
    this.#seek(Math.min(line.end, Math.max(line.start, line.position + seconds)));
  }

  #toLive() {
    this.#goLive();
    this.show();
  }
}
