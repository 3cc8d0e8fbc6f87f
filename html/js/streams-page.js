// The first page: what is live now, how to publish, the test channel. The list updates itself.
import { fetchServer, fetchStreams, repeatWhileVisible } from './api.js';
import { byId, element, setHidden, setText } from './dom.js';
import { bitrate, duration } from './format.js';
import { startLanguage, t } from './i18n.js';
import { showPublishHelp } from './publish-help.js';
import { StreamCard } from './stream-card.js';
import { arrange, isConversion, isTestChannel, layoutFor, totals } from './stream-order.js';
import { Tabs } from './tabs.js';

const REFRESH_MS = 2000;
/** A search field and a sort order are of use from here on. */
const TOOLS_FROM = 4;
const LAYOUT_KEY = 'sluice.layout';

const cards = new Map();
const tabs = new Tabs();
let recordSwitches = null;
let server = null;
let serverReadAt = 0;
let streams = [];
let chosenLayout = readLayout();
let publishShownFor = '';
let wasEmpty = null;

async function refresh() {
  try {
    if (server === null) {
      server = await fetchServer();
      serverReadAt = Date.now();
    }
    streams = await fetchStreams();
    setHidden(byId('unreachable'), true);
  } catch {
    // The last list stays readable, marked as old. The server may come back as another version or with other ports.
    server = null;
    setHidden(byId('unreachable'), false);
    document.body.classList.add('is-old');
    setHidden(byId('loading'), true);
    return;
  }
  document.body.classList.remove('is-old');
  setHidden(byId('loading'), true);
  show();
  await tabs.find();
  await showRecording();
}

async function showRecording() {
  if (!tabs.has('recordings') || cards.size === 0) return;
  try {
    recordSwitches ??= await (await import('./record-switch.js')).RecordSwitches.open();
    await recordSwitches.refresh(cards, streams);
  } catch {
    // The next round tries again; that the server is away is said elsewhere.
  }
}

function show() {
  const live = streams.filter((stream) => !isTestChannel(stream, server) && !isConversion(stream));
  const test = streams.find((stream) => isTestChannel(stream, server));
  showSummary(live);
  showList(live);
  showTestChannel(test);
  showPublish(live.length === 0);
}

function showSummary(live) {
  const { liveCount, viewers, inKbps, outKbps } = totals(streams, live);
  const facts = [];
  if (liveCount > 0)
    facts.push(t(liveCount === 1 ? 'summary.live.one' : 'summary.live', { count: liveCount }));
  if (viewers > 0)
    facts.push(t(viewers === 1 ? 'summary.viewers.one' : 'summary.viewers', { count: viewers }));
  if (bitrate(inKbps) !== '') facts.push(t('summary.in', { rate: bitrate(inKbps) }));
  if (bitrate(outKbps) !== '') facts.push(t('summary.out', { rate: bitrate(outKbps) }));
  const uptime = server.uptime_s + (Date.now() - serverReadAt) / 1000;
  facts.push(t('summary.up', { time: duration(uptime, t) }));
  setText(byId('summary'), facts.join(' · '));
  setText(byId('version'), `${server.name} ${server.version}`);
  document.title = liveCount > 0 ? `(${liveCount}) ${server.name}` : server.name;
}

function showList(live) {
  const list = byId('streams');
  setHidden(byId('tools'), live.length < TOOLS_FROM);
  setHidden(byId('live-section'), live.length === 0);
  const searching = live.length >= TOOLS_FROM;
  const shown = arrange(live, searching ? byId('search').value : '', byId('sort').value);
  const layout = layoutFor(chosenLayout, live.length);
  list.className = `streams ${layout}`;
  for (const button of byId('tools').querySelectorAll('[data-layout]')) {
    button.setAttribute('aria-pressed', String(button.dataset.layout === layout));
  }
  updateCards(list, shown);
  setHidden(byId('no-match'), shown.length > 0 || live.length === 0);
}

// Cards are kept by stream: only what changed is written, so focus, selection and scroll position stay.
function updateCards(list, shown) {
  const wanted = new Set(shown.map((stream) => stream.id));
  for (const [id, card] of cards) {
    if (wanted.has(id)) continue;
    card.node.remove();
    cards.delete(id);
  }
  let next = list.firstElementChild;
  for (const stream of shown) {
    let card = cards.get(stream.id);
    if (card === undefined) {
      card = new StreamCard(stream);
      cards.set(stream.id, card);
    }
    card.update(stream);
    if (card.node === next) next = next.nextElementSibling;
    else list.insertBefore(card.node, next);
  }
}

let testCard = null;

function showTestChannel(stream) {
  setHidden(byId('test-section'), stream === undefined);
  if (stream === undefined) return;
  if (testCard === null) {
    testCard = new StreamCard(stream, { isTest: true });
    byId('test-card').append(testCard.node);
  }
  testCard.update(stream);
}

function showPublish(isEmpty) {
  if (isEmpty !== wasEmpty) {
    // Open while it is the next thing to do; once something is live, only for those who ask.
    wasEmpty = isEmpty;
    byId('publish').open = isEmpty;
    setHidden(byId('empty'), !isEmpty);
    document.body.classList.toggle('is-empty', isEmpty);
  }
  // Built once per server, so that a name that somebody is typing stays.
  const key = `${server.started} ${server.host}`;
  if (publishShownFor !== key) {
    publishShownFor = key;
    showPublishHelp(byId('publish-help'), server);
  }
}

function readLayout() {
  try {
    return localStorage.getItem(LAYOUT_KEY) ?? '';
  } catch {
    return '';
  }
}

function chooseLayout(layout) {
  chosenLayout = layout;
  try {
    localStorage.setItem(LAYOUT_KEY, layout);
  } catch {
    // The choice then lasts as long as the page.
  }
  show();
}

function fillSortOrders() {
  const orders = ['name', 'viewers', 'newest', 'bitrate'];
  byId('sort').append(
    ...orders.map((value) => element('option', { value, textContent: t(`sort.${value}`) })),
  );
}

await startLanguage();
fillSortOrders();
byId('search').addEventListener('input', show);
byId('sort').addEventListener('change', show);
for (const button of byId('tools').querySelectorAll('[data-layout]')) {
  button.addEventListener('click', () => chooseLayout(button.dataset.layout));
}
repeatWhileVisible(refresh, REFRESH_MS);
