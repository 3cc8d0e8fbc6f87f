// A list of names and numbers, kept up to date in place. What is not known is not shown.
import { element, setHidden, setText } from './dom.js';

export class FactList {
  #rows = new Map();
  #label;
  #noted;

  /** `label(key)` is the text of a key, `label('KEY.note')` how it is measured; `noted` has the keys with such a note. */
  constructor(label, noted) {
    this.#label = label;
    this.#noted = noted;
  }

  /** `facts`: texts by key, '' = not known; in the order in which they first come. */
  show(list, facts) {
    for (const [key, text] of Object.entries(facts)) {
      const { group, value } = this.#rows.get(key) ?? this.#add(list, key);
      setHidden(group, text === '');
      setText(value, text);
    }
  }

  /** Another note than the usual one, for what is measured in two ways. */
  setNote(key, note) {
    this.#rows.get(key).group.title = note;
  }

  #add(list, key) {
    const value = element('dd');
    const name = element('dt', { textContent: this.#label(key) });
    const row = { group: element('div', { className: 'fact' }, name, value), value };
    if (this.#noted.has(key)) row.group.title = this.#label(`${key}.note`);
    this.#rows.set(key, row);
    list.append(row.group);
    return row;
  }
}
