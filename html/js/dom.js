// Small helpers for the document. Everything that comes from a stream goes through textContent, never through markup.
import { t } from './i18n.js';

const SVG = 'http://www.w3.org/2000/svg';

/** 24 x 24 outlines. */
const ICONS = {
  play: 'M8 5v14l11-7z',
  pause: 'M7 5h4v14H7zM13 5h4v14h-4z',
  sound: 'M4 9v6h4l5 4V5L8 9zM15.5 8.5a5 5 0 0 1 0 7l1.2 1.2a6.7 6.7 0 0 0 0-9.400z',
  muted:
    'M4 9v6h4l5 4V5L8 9zM15 9.400l1.4-1.4 2.1 2.100L20.6 8 22 9.4 19.9 11.5 22 13.6 20.6 15l-2.1-2.1-2.1 2.1-1.4-1.4 2.1-2.100z',
  full: 'M4 4h6v2H6v4H4zM14 4h6v6h-2V6h-4zM4 14h2v4h4v2H4zM18 14h2v6h-6v-2h4z',
  pip: 'M3 5h18v14H3zM5 7v10h14V7zM11 11h7v5h-7z',
  camera:
    'M9 4h6l1.5 2H21v14H3V6h4.500zM12 9a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 11a2 2 0 1 1 0 4 2 2 0 0 1 0-4z',
  copy: 'M8 3h12v14h-3v4H4V7h4zM10 5v2h7v8h1V5zM6 9v10h9V9z',
  check: 'M9.5 16.2 5.3 12l-1.4 1.4 5.6 5.600L20.6 7.900l-1.4-1.400z',
  back: 'M11 5 4 12l7 7 1.4-1.400L7.8 13H20v-2H7.800l4.6-4.600z',
};

/** For pages that need more. */
export function addIcons(more) {
  Object.assign(ICONS, more);
}

/** An element with properties (className, href, title ...) and children (elements or text). */
export function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes('-') || key === 'role') node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children);
  return node;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Writes only when something changes, so that nothing flickers and selections stay. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** A button with an icon; its label is read out and shown as a hint. */
function iconButton(iconName, label, onClick) {
  const button = element('button', {
    type: 'button',
    className: 'icon-button',
    title: label,
    'aria-label': label,
  });
  button.append(icon(iconName));
  button.addEventListener('click', onClick);
  return button;
}

export function setIcon(button, iconName, label) {
  if (button.dataset.icon === iconName && button.title === label) return;
  button.dataset.icon = iconName;
  button.replaceChildren(icon(iconName));
  button.title = label;
  button.setAttribute('aria-label', label);
}

/** A text to copy. Lines break between words only: broken at its hyphen, an option would read as two. */
export function setCopyText(code, text) {
  if (code.textContent === text) return;
  const words = text.split(' ').map((word) => element('span', { textContent: word }));
  code.replaceChildren(...words.flatMap((word, index) => (index === 0 ? [word] : [' ', word])));
}

/** A line to copy: what it is, the text itself, a button; `code` is for setCopyText. */
export function copyRow(label, text, hint = '') {
  const code = element('code', { tabIndex: 0 });
  setCopyText(code, text);
  const button = copyButton(t('copy.of', { what: label }), () => code.textContent);
  const row = element(
    'div',
    { className: 'copy-row' },
    element('span', { className: 'copy-label', textContent: label }),
  );
  row.append(element('div', { className: 'copy-box' }, code, button));
  if (hint !== '') row.append(element('p', { className: 'hint', textContent: hint }));
  return { row, code };
}

function copyButton(label, read) {
  const button = iconButton('copy', label, async () => {
    const copied = await copyText(read());
    setIcon(button, copied ? 'check' : 'copy', copied ? t('copy.done') : t('copy.failed'));
    announce(copied ? t('copy.done') : t('copy.failed'));
    setTimeout(() => setIcon(button, 'copy', label), 1600);
  });
  return button;
}

// The clipboard interface exists on https and localhost only; a page of a LAN address needs the old way.
async function copyText(text) {
  try {
    if (navigator.clipboard !== undefined) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused: try the old way.
  }
  const area = element('textarea', { value: text, className: 'off-screen', readOnly: true });
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

/** Says something to a screen reader. */
export function announce(text) {
  const region = byId('announcer');
  if (region !== null) region.textContent = text;
}
