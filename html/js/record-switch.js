// Which streams of the list are recorded now, and a switch for it where this browser may use it.
import { getJson } from './api.js';
import { announce, element, setText } from './dom.js';
import { t } from './i18n.js';
import { canControlRecordings, postJson } from './recordings-api.js';

export class RecordSwitches {
  #allowed = false;
  #buttons = new Map();

  static async open() {
    const switches = new RecordSwitches();
    switches.#allowed = await canControlRecordings();
    return switches;
  }

  /** `cards` by id of the stream; `streams` as the API lists them. */
  async refresh(cards, streams) {
    const { recordings } = await getJson('/api/v1/recordings/active');
    const byStream = new Map();
    for (const one of recordings) byStream.set(one.stream, [...(byStream.get(one.stream) ?? []), one]);
    for (const id of this.#buttons.keys()) if (!cards.has(id)) this.#buttons.delete(id);
    for (const stream of streams) {
      const card = cards.get(stream.id);
      if (card !== undefined) this.#show(card, stream, byStream.get(`${stream.app}/${stream.name}`) ?? []);
    }
  }

  #show(card, stream, running) {
    let button = this.#buttons.get(stream.id);
    if (button === undefined) {
      const name = this.#allowed ? 'button' : 'span';
      button = element(name, { className: 'record', ...(this.#allowed && { type: 'button' }) });
      if (this.#allowed) button.addEventListener('click', () => this.#toggle(button, stream));
      this.#buttons.set(stream.id, button);
      card.record.replaceChildren(button);
    }
    const faults = running.map(({ error }) => error).filter(Boolean);
    const isOn = running.length > 0;
    button.classList.toggle('is-on', isOn);
    button.classList.toggle('is-faulty', faults.length > 0);
    if (this.#allowed) button.setAttribute('aria-pressed', String(isOn));
    button.hidden = !this.#allowed && !isOn;
    setText(button, isOn ? t(faults.length > 0 ? 'record.fault' : 'record.on') : t('record.start'));
    const hint = faults[0] ?? (this.#allowed ? t(isOn ? 'record.stop' : 'record.start') : '');
    if (button.title !== hint) button.title = hint;
    if (this.#allowed) button.setAttribute('aria-label', `${hint}: ${stream.name}`);
  }

  async #toggle(button, stream) {
    const what = button.classList.contains('is-on') ? 'stop' : 'start';
    button.disabled = true;
    const reason = await postJson(`/api/v1/recordings/${what}`, { app: stream.app, stream: stream.name });
    button.disabled = false;
    announce(reason || t(what === 'stop' ? 'record.stopped' : 'record.on'));
    if (reason !== '') {
      button.title = reason;
      return;
    }
    button.classList.toggle('is-on', what === 'start');
    setText(button, t(what === 'start' ? 'record.on' : 'record.start'));
  }
}
