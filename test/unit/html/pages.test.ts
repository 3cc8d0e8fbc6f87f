/** What must hold for all pages: complete dictionaries, no inline code, nobody else's server, small, no dead link. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { HTML_FOLDER, loadPageModule } from './page-module.ts';

type Dictionary = Readonly<Record<string, string>>;

/** Texts of all pages, of the player, of the publish page, of WebRTC for both, and of recordings and files. */
const PARTS = ['', 'player.', 'publish.', 'rtc.', 'archive.'];

async function dictionaryOf(language: string): Promise<Dictionary> {
  const all: Record<string, string> = {};
  for (const part of PARTS) {
    const { dictionary } = await loadPageModule<{ dictionary: Dictionary }>(`lang/${part}${language}.js`);
    for (const [key, text] of Object.entries(dictionary)) {
      assert.ok(!(key in all), `${key} is in two files`);
      all[key] = text;
    }
  }
  return all;
}

const english = await dictionaryOf('en');
const chinese = await dictionaryOf('zh');
const MAX_FIRST_PAGE_BYTES = 60_000;
/** Made by the build. */
const GENERATED = ['/docs/reference.html', '/vendor/'];

function filesUnder(folder: string): string[] {
  return readdirSync(join(HTML_FOLDER, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (path === 'vendor' || path === 'docs/reference.html') return [];
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

const files = new Map(filesUnder('').map((path) => [path, readFileSync(join(HTML_FOLDER, path), 'utf8')]));
const ofType = (extension: string) => [...files].filter(([path]) => path.endsWith(extension));
const scripts = ofType('.js').filter(([path]) => !path.startsWith('lang/'));
const placeholders = (text: string) =>
  [...text.matchAll(/\{\w+\}/g)].map(([name]) => name).sort((a, b) => a.localeCompare(b));

/** Keys named in the sources: whole ones, and beginnings of keys that are put together (`state.${state}`). */
function usedKeys(): { whole: Set<string>; beginnings: Set<string> } {
  const whole = new Set<string>();
  const beginnings = new Set<string>();
  for (const [, text] of ofType('.html')) {
    for (const [, key] of text.matchAll(/data-t(?:-label|-placeholder)?="([^"]+)"/g)) whole.add(key!);
  }
  for (const [, text] of scripts) {
    for (const [, key] of text.matchAll(/'([a-zA-Z]+(?:\.[a-zA-Z0-9]+)+)'/g))
      if (key! in english) whole.add(key!);
    for (const [call] of text.matchAll(/\bt\(([^()]|\([^()]*\))*\)/g)) {
      for (const [, key] of call.matchAll(/'([a-zA-Z]+\.[a-zA-Z0-9.]+)'/g)) whole.add(key!);
    }
    for (const [, reason] of text.matchAll(/'(why\.[a-zA-Z0-9.]+)'/g)) whole.add(reason!);
    for (const [, beginning] of text.matchAll(/\bt\(`([a-z.]+\.)\$\{/g)) beginnings.add(beginning!);
  }
  return { whole, beginnings };
}

/** Keys with this beginning that nothing names: neither the sources in whole nor one of `names`, with its text or note. */
function leftOver(beginning: string, names: ReadonlySet<string | undefined>): string[] {
  const { whole, beginnings } = usedKeys();
  const inner = [...beginnings].filter((other) => other !== beginning && other.startsWith(beginning));
  return Object.keys(english).filter((key) => {
    if (!key.startsWith(beginning) || inner.some((other) => key.startsWith(other))) return false;
    return !whole.has(key) && !names.has(key.slice(beginning.length).replace(/\.(text|note)$/, ''));
  });
}

test('dictionaries: the same keys in both, and the same values to fill in', async () => {
  for (const part of PARTS) {
    const keys = async (language: string) =>
      Object.keys(
        (await loadPageModule<{ dictionary: Dictionary }>(`lang/${part}${language}.js`)).dictionary,
      );
    assert.deepEqual(await keys('zh'), await keys('en'), `${part || 'common'} keys, in the same order`);
  }
  assert.deepEqual(
    Object.keys(chinese).sort((a, b) => a.localeCompare(b)),
    Object.keys(english).sort((a, b) => a.localeCompare(b)),
  );
  for (const [key, text] of Object.entries(english)) {
    assert.deepEqual(placeholders(chinese[key]!), placeholders(text), key);
    assert.notEqual(text.trim(), '', key);
    assert.match(chinese[key]!, /[\u4e00-\u9fff]|^English$|\{dropped\}/, `${key} is not Chinese`);
  }
});

test('dictionaries: every key that the pages use exists, and none is left over', () => {
  const { whole, beginnings } = usedKeys();
  assert.ok(whole.size > 60, `only ${whole.size} keys found: the search is broken`);
  assert.deepEqual(
    [...beginnings].sort((a, b) => a.localeCompare(b)),
    ['facts.', 'player.', 'send.', 'send.number.', 'send.source.', 'sort.', 'state.', 'tab.'],
  );
  for (const key of whole) assert.ok(key in english, `${key} is used and not in the dictionaries`);
  const unused = Object.keys(english).filter((key) => {
    return !whole.has(key) && ![...beginnings].some((beginning) => key.startsWith(beginning));
  });
  assert.deepEqual(
    unused,
    ['loading'].filter((key) => !whole.has(key)),
  );
});

test('dictionaries: every state of the player and of a stream has its texts', () => {
  const sessions = files.get('js/play-session.js')! + files.get('js/file-session.js')!;
  const states = new Set(
    [...sessions.matchAll(/#enter\((?:[^'()]+ \? )?(?:[^'()]+\? )?'(\w+)'(?: : '(\w+)')?/g)].flatMap(
      ([, a, b]) => [a!, b!],
    ),
  );
  states.delete(undefined as unknown as string);
  assert.ok(states.size >= 12, [...states].join());
  for (const state of states) {
    if (state === 'playing') continue;
    assert.ok(`player.${state}` in english, `player.${state}`);
    if (state !== 'impossible') assert.ok(`player.${state}.text` in english, `player.${state}.text`);
  }
  for (const state of ['live', 'lingering', 'idle']) assert.ok(`state.${state}` in english);
  const shown = files.get('js/player-facts.js')!.match(/const facts = \{[\s\S]*?\n {2}\};/)![0];
  const facts = [...shown.matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name!);
  assert.ok(facts.length >= 8);
  for (const fact of facts) assert.ok(`facts.${fact}` in english, `facts.${fact}`);
  assert.deepEqual(leftOver('player.', states), []);
  assert.deepEqual(leftOver('facts.', new Set(facts)), []);
});

test('dictionaries: every state, fault and number of the publish page has its texts', () => {
  const page = files.get('js/publish-page.js')! + files.get('js/capture.js')!;
  const session = files.get('js/publish-session.js')!;
  const faults = [
    ...files.get('js/capture.js')!.matchAll(/return (?:isScreen|source)?[^;\n]*?'(\w+)'(?: : '(\w+)')?;/g),
  ]
    .flatMap(([, a, b]) => [a, b])
    .filter((fault) => fault !== undefined && fault !== 'insecure');
  const states = [...session.matchAll(/#enter\(\s*'(\w+)'/g)].map(([, state]) => state!);
  const others = [...page.matchAll(/trouble = '(\w+)'/g)].map(([, trouble]) => trouble!);
  const messages = new Set([...faults, ...states, ...others, 'asking']);
  assert.ok(faults.length >= 6 && states.length >= 5 && others.length >= 2, [...messages].join());
  for (const message of messages) {
    assert.ok(`send.${message}` in english, `send.${message}`);
    const isSilent = ['ready', 'live', 'refused'].includes(message!);
    if (!isSilent) assert.ok(`send.${message}.text` in english, `send.${message}.text`);
  }
  const shown = files.get('js/publish-numbers.js')!.match(/return \{\n {4}since:[\s\S]*?\n {2}\};/)![0];
  const numbers = [...shown.matchAll(/^ {4}(\w+)[:,]/gm)].map(([, name]) => name!);
  assert.ok(numbers.length >= 9);
  for (const number of numbers) assert.ok(`send.number.${number}` in english, `send.number.${number}`);
  assert.deepEqual(leftOver('send.', new Set([...messages, 'insecure'])), []);
  assert.deepEqual(leftOver('send.number.', new Set(numbers)), []);
});

test('pages: no inline script, style or handler, so that the strict policy holds', () => {
  for (const [path, text] of ofType('.html')) {
    assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)/i, path);
    assert.doesNotMatch(text, /<style|\sstyle=|\son[a-z]+=|javascript:/i, path);
    assert.match(text, /<meta name="viewport"|srs-player|webrtc-page/, path);
  }
  for (const [path, text] of scripts) {
    assert.doesNotMatch(
      text,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/,
      path,
    );
  }
});

test('pages: nothing is fetched from another server', () => {
  for (const [path, text] of files) {
    const fetched = [
      ...text.matchAll(/(?:\bsrc=|\bhref=|\bimport\s*\(?|\burl\()\s*["'(]?((?:https?:)?\/\/[^"')\s]+)/gi),
    ];
    const outside = fetched
      .map(([, address]) => address!)
      .filter((address) => !address.startsWith('http://www.w3.org/'));
    assert.deepEqual(outside, [], path);
  }
});

test('pages: every link and every import leads somewhere', () => {
  const exists = (path: string) =>
    existsSync(join(HTML_FOLDER, path.endsWith('/') ? `${path}index.html` : path));
  for (const [path, text] of ofType('.html')) {
    for (const [, link] of text.matchAll(/(?:href|src)="([^"]+)"/g)) {
      const [target, anchor] = link!.split('#') as [string, string | undefined];
      // Parts of the first page are shown by a script: `#vod` belongs to `tab-vod`.
      if (target === '') assert.match(text, new RegExp(`id="(tab-)?${anchor}"`), `${path}: #${anchor}`);
      else if (!GENERATED.some((made) => target.startsWith(made)))
        assert.ok(exists(target.split('?')[0]!), `${path}: ${link}`);
    }
  }
  for (const [path, text] of scripts) {
    for (const [, target] of text.matchAll(/from '\.\/([^']+)'/g))
      assert.ok(files.has(`js/${target}`), `${path}: ${target}`);
  }
});

test('pages: the first page needs less than 60 KB, players apart', () => {
  const needed = new Set(['index.html', 'style.css', 'favicon.svg', 'test-channel.svg', 'lang/zh.js']);
  const visit = (path: string) => {
    if (needed.has(path)) return;
    needed.add(path);
    for (const [, target] of files.get(path)!.matchAll(/from '\.\/([^']+)'/g)) visit(`js/${target}`);
  };
  visit('js/streams-page.js');
  const bytes = [...needed].reduce((sum, path) => sum + Buffer.byteLength(files.get(path)!), 0);
  assert.ok(bytes < MAX_FIRST_PAGE_BYTES, `${bytes} bytes`);
  assert.ok(
    ![...needed].some((path) => /engine|player-page|qr|archive|recordings|rtc/.test(path)),
    'the first page loads parts of the player',
  );
});

test('reference: it has the head of the pages, the frame of the manual, and an index of all its sections', () => {
  const text = readFileSync(join(HTML_FOLDER, 'docs/reference.html'), 'utf8');
  assert.match(text, /<header class="top">[\s\S]*<main class="page manual[^"]*">/);
  assert.match(text, /<article class="manual-text">/);
  const all = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found!);
  const sections = all(/<h[23] id="([\w-]+)"/g);
  assert.ok(sections.length > 30, sections.join());
  assert.equal(new Set(sections).size, sections.length);
  assert.deepEqual(all(/<a (?:class="part" )?href="#([\w-]+)"/g), sections);
  // What is wider than a phone scrolls by itself.
  assert.equal(all(/(<table)>/g).length, all(/<div class="table-scroll">(<table)>/g).length);
});

test('manual: both languages have the same chapters, commands and addresses', () => {
  const chapters = (path: string) =>
    [...files.get(path)!.matchAll(/<h2 id="([a-z]+)"/g)].map(([, id]) => id!);
  const sections = (path: string) => files.get(path)!.match(/<h3>/g)!.length;
  const commands = (path: string) =>
    [...files.get(path)!.matchAll(/<pre>([\s\S]*?)<\/pre>/g)].map(([, text]) => text!);
  assert.ok(chapters('docs/index.html').length >= 10);
  assert.deepEqual(chapters('docs/zh.html'), chapters('docs/index.html'));
  assert.equal(sections('docs/zh.html'), sections('docs/index.html'));
  assert.deepEqual(commands('docs/zh.html'), commands('docs/index.html'));
  assert.ok(chapters('docs/index.html').includes('publish'), 'the first page links to #publish');
});

interface Languages {
  pickLanguage(wished: readonly (string | null)[]): string;
  fill(text: string, values: Record<string, unknown>): string;
}

test('language: the first wish that there is a dictionary for, else English', async () => {
  const { pickLanguage, fill } = await loadPageModule<Languages>('js/i18n.js');
  assert.equal(pickLanguage(['zh-CN', 'en']), 'zh');
  assert.equal(pickLanguage([null, 'de-DE', 'zh-Hant-TW']), 'zh');
  assert.equal(pickLanguage(['en-GB', 'zh']), 'en');
  assert.equal(pickLanguage([null, 'fr']), 'en');
  assert.equal(fill('{a} of {b}', { a: 1 }), '1 of {b}');
});
