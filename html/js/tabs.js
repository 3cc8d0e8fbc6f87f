// The parts of the first page: live streams, recordings, files. Which one is shown stands behind the # of the address,
// with the folder that is open in it, so that "back" and bookmarks work. What the server does not have is not there.
import { byId, setHidden } from './dom.js';

const OTHERS = { recordings: '/api/v1/recordings?count=1', vod: '/api/vod' };

export class Tabs {
  #has = new Set();
  #asked = false;
  #archive = null;

  constructor() {
    window.addEventListener('hashchange', () => void this.show());
  }

  has(name) {
    return this.#has.has(name);
  }

  /** Asks the server which parts it has; again after it was away. */
  async find({ again = false } = {}) {
    if (this.#asked && !again) return;
    this.#asked = true;
    await Promise.all(
      Object.entries(OTHERS).map(async ([name, address]) => {
        const response = await fetch(address, { cache: 'no-store' }).catch(() => null);
        if (response?.ok) this.#has.add(name);
        else this.#has.delete(name);
        setHidden(byId(`tab-${name}`), !this.#has.has(name));
      }),
    );
    setHidden(byId('tabs'), this.#has.size === 0);
    await this.show();
  }

  async show() {
    const [name = '', ...path] = location.hash.slice(1).split('/').map(readable);
    const chosen = this.#has.has(name) ? name : 'live';
    for (const link of byId('tabs').querySelectorAll('a')) {
      if (link.id === `tab-${chosen}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    setHidden(byId('live-tab'), chosen !== 'live');
    setHidden(byId('archive'), chosen === 'live');
    if (chosen !== 'live') {
      const { openArchive } = await import('./archive.js');
      this.#archive?.close();
      this.#archive = await openArchive(byId('archive'), chosen, path.filter(Boolean));
    } else {
      this.#archive?.close();
      this.#archive = null;
    }
  }
}

function readable(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
