// The page of one stream: /player.html?app=live&stream=cam, with way=, autostart=, muted=, lang= when wished. Other
// parameters (tokens, delay) are handed on to the address that is played. In a frame it is the player alone. With
// src=/vod/a.mp4, or rec=live/cam&start=&end=, it plays a file or a recording of this server.

import { offeredWays, playAddress } from './addresses.js';
import { fetchServer } from './api.js';
import { byId, setHidden, setText } from './dom.js';
import { startEngine } from './engines.js';
import { FileSession } from './file-session.js';
import { startLanguage, t } from './i18n.js';
import { PlaySession } from './play-session.js';
import { fromLocation } from './player-address.js';
import { PlayerControls } from './player-controls.js';
import { showFacts } from './player-facts.js';
import { showAddresses, showFile, showQr } from './player-links.js';
import { SeekBar } from './player-seek.js';
import { showWays } from './player-ways.js';
import { keepPoster } from './posters.js';
import { ServerClock } from './server-clock.js';
import { StreamFinder } from './stream-finder.js';
import { PAGE_TIMERS } from './timers.js';
import { browserAbilities, checkWay, chooseWay } from './ways.js';

const POSTER_MS = 20_000;
const SPINNING = new Set(['loading', 'stalled', 'retrying', 'lost', 'waiting', 'unreachable']);

await startLanguage('player');
const asked = fromLocation(new URLSearchParams(location.search), window !== window.top);
const { file } = asked;
const abilities = browserAbilities();
const video = byId('video');
const noStream = { tracks: [] };
const title = file?.title ?? asked.name;

let wishedWay = asked.way;
let stream = null;
let state = '';
let engine = null;
let activeWay = null;
let started = false;
let linksShownFor = '';
let server = null;
/** Ways that were tried for this broadcast and failed, each with the reason as a text. */
let refused = new Map();
let refusedFor = 0;
let note = '';
const clock = new ServerClock();

document.body.classList.toggle('is-framed', asked.framed);
document.title = `${title} – Sluice`;
setText(byId('title'), title);

const seekBar = new SeekBar({
  read: () => engine?.timeline() ?? null,
  seek: (seconds) => engine?.seek(seconds),
  goLive: () => {
    engine?.goLive();
    if (video.paused) void controls.play();
  },
});

const controls = new PlayerControls(video, {
  stage: byId('stage'),
  name: file === null ? `${asked.app}-${asked.name}` : title,
  onPaused: (paused) => session.setPaused(paused),
  onWantPlay: () => (started ? controls.play() : begin()),
  onOtherKey: (key) => seekBar.onKey(key),
});

const play = (choice, events) => {
  note = '';
  const noted = (text) => {
    note = text;
    refreshWays();
  };
  engine = startEngine(video, choice, { ...events, noted }, () => void controls.play());
  return engine;
};
const finder = new StreamFinder(asked.app, asked.name);
const session =
  file === null
    ? new PlaySession({
        find: () => finder.find(),
        choose,
        startEngine: play,
        onState: showState,
        onStream: showStream,
        onRefused: refuseWay,
        timers: PAGE_TIMERS,
      })
    : new FileSession({
        choice: { ...file, mediaSource: abilities.mediaSource },
        startEngine: play,
        onState: showState,
      });

function begin() {
  started = true;
  setHidden(byId('big-play'), true);
  void session.start();
}

function choose(found) {
  const facts = found ?? noStream;
  // Another broadcast of the same name may have other codecs. One on demand begins by being asked for.
  const liveMs = found?.live_ms ?? 0;
  if (liveMs !== refusedFor && refusedFor !== 0) refused = new Map();
  refusedFor = liveMs;
  activeWay = chooseWay(wishedWay, facts, abilities, refused);
  refreshWays();
  if (activeWay === null) {
    const [first] = offeredWays(facts);
    const refusal =
      first === undefined ? { reason: 'why.nothing', values: {} } : checkWay(first, facts, abilities);
    return { works: false, reason: refusal.reason, values: refusal.values };
  }
  const check = checkWay(activeWay, facts, abilities);
  const url = playAddress(activeWay, location.origin, asked.app, asked.name, asked.extra);
  const known = facts.tracks.some((track) => track.kind !== 'data');
  const { mediaSource } = abilities;
  return { ...check, way: activeWay, url, known, mediaSource, tracks: facts.tracks };
}

/** True when there is another way than the one that does not work. */
function refuseWay({ reason, values, text }) {
  refused.set(activeWay, text || t(reason, values));
  if (chooseWay(wishedWay, stream ?? noStream, abilities, refused) !== null) return true;
  refused.delete(activeWay);
  return false;
}

function refreshWays() {
  showWays({ stream: stream ?? noStream, activeWay, abilities, refused, note });
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
    setText(byId('message-title'), details.refused ? t('player.refused') : t(`player.${name}`, texts[name]));
    const text =
      name === 'impossible'
        ? details.text || t(details.reason, details.values)
        : t(`player.${name}.text`, texts[name]);
    setText(byId('message-text'), text);
  }
  controls.setLive(name === 'playing' || name === 'stalled');
  if (name === 'playing' && file === null) void clock.measure();
  refreshFacts();
  seekBar.show();
  setText(byId('live-badge'), name === 'playing' && file === null ? t('state.live') : '');
}

function showStream(found) {
  stream = found;
  refreshWays();
  const audioOnly = found?.tracks.length > 0 && found.tracks.every((track) => track.kind !== 'video');
  const onlySound = audioOnly || activeWay === 'aac' || activeWay === 'mp3';
  setHidden(byId('sound-only'), !onlySound);
  if (onlySound) setText(byId('sound-only'), t('card.audioOnly'));
  setText(byId('subtitle'), found === null ? `${asked.app}/${asked.name}` : found.url.slice(1));
  showLinks();
  refreshFacts();
}

function refreshFacts() {
  if (asked.framed || document.hidden) return;
  const now = clock.now();
  const shown = showFacts(byId('facts'), { stream, video, engine, state, way: activeWay, now });
  setHidden(byId('facts').parentElement, shown === 0);
}

function showLinks() {
  const key = `${stream?.urls?.map((entry) => entry.url).join()} ${server?.host}`;
  if (asked.framed || linksShownFor === key) return;
  linksShownFor = key;
  if (file === null) {
    showAddresses(asked, stream, server);
    showQr(asked, server);
  } else {
    showFile(file, server);
  }
}

byId('way').addEventListener('change', () => {
  wishedWay = byId('way').value;
  refused.delete(wishedWay);
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
