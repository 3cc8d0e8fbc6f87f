// The two dictionaries of the pages: which one is used, look-up, and filling in the texts of the markup.
// Order of choice: ?lang= in the address, what the person chose before, what the browser asks for, English.

const LANGUAGES = ['en', 'zh'];
const STORAGE_KEY = 'sluice.language';

let dictionary = {};
let language = 'en';

/** The first of the wished languages (BCP 47) that there is a dictionary for. */
export function pickLanguage(wished) {
  for (const wish of wished) {
    const base = String(wish).toLowerCase().split('-')[0];
    if (LANGUAGES.includes(base)) return base;
  }
  return 'en';
}

/**
 * Loads the dictionary and fills in the page. Called once, before anything else uses `t`. `part` names the texts that
 * only this page needs, for example `player`.
 */
export async function startLanguage(part = '') {
  const asked = new URLSearchParams(location.search).get('lang');
  language = pickLanguage([asked, readStored(), ...navigator.languages]);
  const names = part === '' ? [''] : ['', `${part}.`];
  await Promise.all(names.map(loadTexts));
  document.documentElement.lang = language === 'zh' ? 'zh-Hans' : 'en';
  translate(document);
  for (const button of document.querySelectorAll('[data-language]')) {
    button.addEventListener('click', () => switchLanguage(language === 'en' ? 'zh' : 'en'));
  }
  for (const link of document.querySelectorAll('[data-manual]')) link.href = manualAddress();
}

/** Loads more texts, for a part of a page that few people open. */
export async function loadTexts(prefix) {
  const more = (await import(`../lang/${prefix}${language}.js`)).dictionary;
  dictionary = { ...dictionary, ...more };
}

/** The text for a key, with {name} replaced by values.name. */
export function t(key, values = {}) {
  return fill(dictionary[key] ?? key, values);
}

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The manual in the language of the page. */
export function manualAddress(anchor = '') {
  return `/docs/${language === 'zh' ? 'zh.html' : ''}${anchor}`;
}

function translate(root) {
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]')) {
    node.setAttribute('aria-label', t(node.dataset.tLabel));
    if (node.tagName === 'BUTTON') node.title = t(node.dataset.tLabel);
  }
  for (const node of root.querySelectorAll('[data-t-placeholder]'))
    node.placeholder = t(node.dataset.tPlaceholder);
}

function switchLanguage(next) {
  try {
    localStorage.setItem(STORAGE_KEY, next);
  } catch {
    // A browser that stores nothing still switches, by the address.
  }
  const address = new URL(location.href);
  address.searchParams.set('lang', next);
  location.replace(address);
}

function readStored() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
