// The page of one stream: /player.html?app=live&stream=cam, with way=, autostart=, muted=, lang= when wished. Other
// parameters (tokens) are handed on to the address that is played. In a frame it is the player alone.

import { playAddress, WAYS } from './addresses.js';
import { fetchServer, StreamFinder } from './api.js';
import { byId, element, setHidden, setText } from './dom.js';
import { startEngine } from './engines.js';
import { startLanguage, t } from './i18n.js';
import { PlaySession } from './play-session.js';
import { fromLocation } from './player-address.js';
import { PlayerControls } from './player-controls.js';
import { showFacts } from './player-facts.js';
import { showAddresses, showQr } from './player-links.js';
import { keepPoster } from './posters.js';
import { browserAbilities, checkWay, chooseWay } from './ways.js';

const POSTER_MS = 20_000;
const WAY_LABELS = { 'http-flv': 'HTTP-FLV', 'ws-flv': 'WS-FLV', hls: 'HLS' };
const SPINNING = new Set(['loading', 'stalled', 'retrying', 'lost', 'waiting', 'unreachable']);

await startLanguage();
const asked = fromLocation(new URLSearchParams(location.search), window !== window.top);
const abilities = browserAbilities();
const video = byId('video');
const noStream = { tracks: [] };

let wishedWay = asked.way;
let stream = null;
let state = '';
let engine = null;
let activeWay = null;
let started = false;
let linksShownFor = '';
let server = null;

document.body.classList.toggle('is-framed', asked.framed);
document.title = `${asked.name} – Sluice`;
setText(byId('title'), asked.name);

const controls = new PlayerControls(video, {
  stage: byId('stage'),
  name: `${asked.app}-${asked.name}`,
  onPaused: (paused) => session.setPaused(paused),
  onWantPlay: () => (started ? controls.play() : begin()),
});

const session = new PlaySession({
  find: () => finder.find(),
  choose,
  startEngine: (choice, events) => {
    engine = startEngine(video, choice, events, () => void controls.play());
    return engine;
  },
  onState: showState,
  onStream: showStream,
  timers: { set: (run, ms) => setTimeout(run, ms), clear: (handle) => clearTimeout(handle) },
});
const finder = new StreamFinder(asked.app, asked.name);

function begin() {
  started = true;
  setHidden(byId('big-play'), true);
  void session.start();
}

function choose(found) {
  const facts = found ?? noStream;
  activeWay = chooseWay(wishedWay, facts, abilities);
  showWays();
  if (activeWay === null) {
    const refusal = checkWay(WAYS[0], facts, abilities);
    return { works: false, reason: refusal.reason, values: refusal.values };
  }
  const check = checkWay(activeWay, facts, abilities);
  const url = playAddress(activeWay, location.origin, asked.app, asked.name, asked.extra);
  const known = facts.tracks.some((track) => track.kind !== 'data');
  return { ...check, way: activeWay, url, known, mediaSource: abilities.mediaSource };
}

function showState(name, details) {
  state = name;
  const texts = {
    retrying: { seconds: details.seconds },
    waiting: { path: `${asked.app}/${asked.name}` },
  };
  const silent = name === 'playing';
  setHidden(byId('message'), silent);
  setHidden(byId('spinner'), !SPINNING.has(name));
  byId('stage').dataset.state = name;
  if (!silent) {
    setText(byId('message-title'), t(`player.${name}`, texts[name]));
    const text =
      name === 'impossible' ? t(details.reason, details.values) : t(`player.${name}.text`, texts[name]);
    setText(byId('message-text'), text);
  }
  controls.setLive(name === 'playing' || name === 'stalled');
  refreshFacts();
  setText(byId('live-badge'), name === 'playing' ? t('state.live') : '');
}

function showStream(found) {
  stream = found;
  showWays();
  const audioOnly = found?.tracks.length > 0 && found.tracks.every((track) => track.kind !== 'video');
  setHidden(byId('sound-only'), !audioOnly);
  if (audioOnly) setText(byId('sound-only'), t('card.audioOnly'));
  setText(byId('subtitle'), found === null ? `${asked.app}/${asked.name}` : found.url.slice(1));
  showLinks();
  refreshFacts();
}

function refreshFacts() {
  if (asked.framed || document.hidden) return;
  const shown = showFacts(byId('facts'), { stream, video, engine, state, way: activeWay });
  setHidden(byId('facts').parentElement, shown === 0);
}

function showWays() {
  const select = byId('way');
  setHidden(select.parentElement, activeWay === null);
  const options = WAYS.map((way) => ({ way, ...checkWay(way, stream ?? noStream, abilities) }));
  const key = `${activeWay} ${options.map((option) => option.works).join()}`;
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    const nodes = options.map(({ way, works }) =>
      element('option', {
        value: way,
        textContent: WAY_LABELS[way],
        disabled: !works,
        selected: way === activeWay,
      }),
    );
    select.replaceChildren(...nodes);
  }
  showWayNotes(options);
}

// Why a way is disabled, and what the present one leaves out: one sentence each.
function showWayNotes(options) {
  const notes = [];
  for (const { way, works, reason, values } of options) {
    const refused = !works && activeWay !== null;
    if (reason !== '' && (refused || way === activeWay))
      notes.push(`${WAY_LABELS[way]}: ${t(reason, values)}`);
  }
  setText(byId('way-note'), notes.join(' '));
  setHidden(byId('way-note'), notes.length === 0);
}

function showLinks() {
  const key = `${stream?.urls?.map((entry) => entry.url).join()} ${server?.host}`;
  if (asked.framed || linksShownFor === key) return;
  linksShownFor = key;
  showAddresses(asked, stream, server);
  showQr(asked, server);
}

byId('way').addEventListener('change', () => {
  wishedWay = byId('way').value;
  const address = new URL(location.href);
  address.searchParams.set('way', wishedWay);
  history.replaceState(null, '', address);
  if (started) session.restart();
});
video.addEventListener('playing', () => controls.setLive(true));
setInterval(refreshFacts, 1000);
setInterval(() => {
  if (state === 'playing' && stream !== null && !document.hidden) keepPoster(stream, video);
}, POSTER_MS);
video.addEventListener('timeupdate', function keepFirst() {
  if (stream === null || video.currentTime < 0.5) return;
  video.removeEventListener('timeupdate', keepFirst);
  keepPoster(stream, video);
});

controls.setMuted(asked.muted);
refreshFacts();
fetchServer().then(
  (answer) => {
    server = answer;
    showLinks();
  },
  () => showLinks(),
);
if (asked.autostart) begin();
else setHidden(byId('big-play'), false);
