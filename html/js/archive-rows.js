// Rows of recordings and files: a name, what is known of it, what can be done with it.
import { element, icon } from './dom.js';
import { t } from './i18n.js';

/** `href` opens it; `facts` are short texts; `actions` are nodes. */
export function row({ href, name, facts, actions = [], mark = '', isFolder = false }) {
  const title =
    href === '' ? element('span', { textContent: name }) : element('a', { href, textContent: name });
  title.className = isFolder ? 'row-name is-folder' : 'row-name';
  title.dataset.key = `open ${name}`;
  const head = element('div', { className: 'row-head' }, title);
  if (mark !== '') head.append(element('span', { className: 'badge is-live', textContent: mark }));
  const told = facts.filter((fact) => fact !== '').map((fact) => element('span', { textContent: fact }));
  return element(
    'li',
    { className: 'archive-row' },
    head,
    element('div', { className: 'row-facts' }, ...told),
    element('div', { className: 'row-actions' }, ...actions),
  );
}

export function rows(nodes) {
  return element('ul', { className: 'archive-rows' }, ...nodes);
}

export function playLink(href, name) {
  const label = t('card.play', { name });
  const link = element('a', { href, className: 'action', 'aria-label': label, title: label });
  link.append(icon('play'), element('span', { textContent: t('archive.play') }));
  link.dataset.key = `play ${name}`;
  return link;
}

export function downloadLink(href, name, fileName = '') {
  const link = element('a', { href, className: 'action', textContent: t('archive.download') });
  link.setAttribute('download', fileName);
  link.setAttribute('aria-label', `${t('archive.download')}: ${name}`);
  link.dataset.key = `download ${name}`;
  return link;
}

export function empty(title, text) {
  return element(
    'div',
    { className: 'empty' },
    element('h2', { textContent: title }),
    element('p', { className: 'muted', textContent: text }),
  );
}
