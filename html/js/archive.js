// Recordings and files of the first page: folders, and what lies in them. The list renews itself while it is shown.
import { repeatWhileVisible } from './api.js';
import { element, setHidden, setText } from './dom.js';
import { loadTexts, t } from './i18n.js';
import { recordingsView } from './recordings-view.js';
import { vodView } from './vod-view.js';

const REFRESH_MS = 5000;

let ready = null;

/** Shows a folder; `path` are its names below the tab. Returns `{ close() }`. */
export async function openArchive(container, tab, path) {
  ready ??= prepare();
  await ready;
  const view = tab === 'vod' ? vodView(path) : recordingsView(path);
  const list = element('div', { className: 'archive-list' });
  const state = element('p', { className: 'muted', role: 'status', textContent: t('loading') });
  container.replaceChildren(crumbs(tab, path), state, ...(view.tools ? [view.tools] : []), list);
  let shown = '';
  let open = true;
  const refresh = async () => {
    if (!open) return;
    try {
      const found = await view.read();
      if (!open) return;
      setHidden(state, true);
      const text = JSON.stringify(found);
      if (text !== shown) replaceRows(list, view.rows(found, refresh));
      shown = text;
    } catch (error) {
      if (!open) return;
      setHidden(state, false);
      setText(state, t(error.status === 404 ? 'archive.gone' : 'archive.failed'));
    }
  };
  const stop = repeatWhileVisible(refresh, REFRESH_MS);
  return {
    close: () => {
      open = false;
      stop();
    },
  };
}

async function prepare() {
  const style = element('link', { rel: 'stylesheet', href: '/archive.css' });
  const styled = new Promise((resolve) => {
    style.onload = resolve;
    style.onerror = resolve;
  });
  document.head.append(style);
  await Promise.all([loadTexts('archive.'), styled]);
}

function crumbs(tab, path) {
  const nav = element('nav', { className: 'crumbs', 'aria-label': t('archive.where') });
  const names = [t(`tab.${tab}`), ...path];
  names.forEach((name, index) => {
    if (index > 0) nav.append(element('span', { 'aria-hidden': 'true', textContent: '/' }));
    const isLast = index === names.length - 1;
    const href = `#${[tab, ...path.slice(0, index)].map(encodeURIComponent).join('/')}`;
    nav.append(isLast ? element('h1', { textContent: name }) : element('a', { href, textContent: name }));
  });
  return nav;
}

// Whoever has come to a button by the keyboard stays on it.
function replaceRows(list, nodes) {
  const key = list.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  list.replaceChildren(...nodes);
  if (key !== undefined)
    [...list.querySelectorAll('[data-key]')].find((node) => node.dataset.key === key)?.focus();
}
