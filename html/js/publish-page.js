// The page to publish from: /publish.html?app=live&stream=cam. Camera, screen or microphone go to this server by WHIP.
// Other parameters of the address (tokens) are handed on to it.
import { playerPage, printedHost, printedUrl, streamPath, withHost } from './addresses.js';
import { fetchServer } from './api.js';
import { Capture, captureFault, captureHindrance, pictureSize } from './capture.js';
import { addIcons, announce, byId, copyRow, element, icon, setHidden, setIcon, setText } from './dom.js';
import { loadTexts, startLanguage, t } from './i18n.js';
import { playLabel, showQr } from './player-links.js';
import { showNumbers } from './publish-numbers.js';
import { PublishSession } from './publish-session.js';
import { PublishSettings } from './publish-settings.js';
import { RtcSender } from './rtc-sender.js';
import { secureAddress } from './secure-address.js';
import { SoundMeter } from './sound-meter.js';
import { StreamFinder } from './stream-finder.js';
import { PAGE_TIMERS } from './timers.js';

const MEASURE_MS = 1000;
const METER_MS = 100;
const OWN = new Set(['app', 'stream', 'lang']);
const SPINNING = new Set(['asking', 'connecting', 'reconnecting']);
/** Of the many; all of them are on the page of the stream. */
const USUAL_ADDRESSES = new Set(['rtmp', 'rtsp', 'srt', 'whep', 'flv', 'hls']);
/** After these the same thing can be tried again. */
const CAN_RETRY = new Set([
  'denied',
  'screenDenied',
  'noCamera',
  'noMicrophone',
  'busy',
  'captureFailed',
  'deviceGone',
]);
const SOURCE_ICONS = { camera: 'video', screen: 'screen', sound: 'microphone' };

addIcons({
  video: 'M3 6h12v4l6-3v10l-6-3v4H3z',
  videoOff: 'M3 6h12v4l6-3v10l-6-3v4H3zM3.500 3.200l17.300 17.300-1.300 1.300L2.200 4.500z',
  screen: 'M3 4h18v12h-7v2h3v2H7v-2h3v-2H3zM5 6v8h14V6z',
  microphone:
    'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11h2a4 4 0 0 0 8 0h2a6 6 0 0 1-5 5.900V20h3v2H8v-2h3v-3.100A6 6 0 0 1 6 11z',
  microphoneOff:
    'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM6 11h2a4 4 0 0 0 8 0h2a6 6 0 0 1-5 5.900V20h3v2H8v-2h3v-3.100A6 6 0 0 1 6 11zM3.500 3.200l17.300 17.300-1.300 1.300L2.200 4.500z',
});

await Promise.all([startLanguage('publish'), loadTexts('rtc.')]);
const query = new URLSearchParams(location.search);
const extra = new URLSearchParams([...query].filter(([name]) => !OWN.has(name))).toString();
const video = byId('preview');
const meter = new SoundMeter();
const capture = new Capture(navigator.mediaDevices, onDeviceGone);
const settings = new PublishSettings(
  { ...given('name', query.get('stream')), ...given('app', query.get('app')) },
  {
    canShareScreen: capture.canShareScreen,
    codecs: globalThis.RTCRtpSender?.getCapabilities?.('video')?.codecs ?? [],
  },
);
const session = new PublishSession({
  open: (events) =>
    new RtcSender(
      { tracks: capture.tracks, url: whipAddress(), codec: settings.codec, kbps: settings.kbps },
      { ...events, answered: (notes) => showNote(notes) },
    ),
  onState: onSessionState,
  timers: PAGE_TIMERS,
});

let server = null;
/** A key of the dictionary: what keeps the page from capturing, '' = nothing. */
let trouble = captureHindrance();
let details = {};
let asking = false;
let liveSince = 0;
/** A promise of the lock, so that one that comes after the end is given back too. */
let wakeLock = null;
let finder = null;
let isListed = false;
let opening = 0;

document.title = `${t('send.title')} – Sluice`;

function given(name, value) {
  return value === null || value === '' ? {} : { [name]: value };
}

function whipAddress() {
  return `${location.origin}${streamPath(settings.app, settings.name)}/whip${extra === '' ? '' : `?${extra}`}`;
}

async function openCapture() {
  const number = ++opening;
  asking = true;
  trouble = '';
  render();
  try {
    await capture.open(settings.wish);
  } catch (error) {
    if (number !== opening) return;
    asking = false;
    // A dialog that was closed takes nothing away from what is there already.
    if (capture.tracks.video === null && capture.tracks.audio === null)
      trouble = captureFault(error, settings.source);
    else showNote(t(`send.${captureFault(error, settings.source)}`));
    render();
    return;
  }
  if (number !== opening) return;
  asking = false;
  showNote('');
  settings.setDevices(await capture.list());
  showPreview();
  await renew();
  render();
}

/** What is being sent follows what is captured. */
async function renew() {
  if (!session.isOn || session.link === null) return;
  if (!(await session.link.replace(capture.tracks))) session.restart();
}

function showPreview() {
  const { video: picture, audio } = capture.tracks;
  // Only what changed: a new stream makes the picture black for a moment.
  video.srcObject = picture === null ? null : new MediaStream([picture]);
  meter.follow(audio);
}

function closeCapture() {
  opening++;
  asking = false;
  capture.close();
  showPreview();
}

function onDeviceGone(kind) {
  const wasScreen = kind === 'video' && settings.source === 'screen';
  session.stop();
  closeCapture();
  if (!wasScreen) trouble = 'deviceGone';
  render();
}

function onSessionState(_name, more) {
  details = more;
  if (session.state === 'live' && liveSince === 0) liveSince = Date.now();
  if (!session.isOn) {
    liveSince = 0;
    finder = null;
    isListed = false;
  } else finder ??= new StreamFinder(settings.app, settings.name);
  holdScreen(session.isOn);
  announce(t(`send.${session.state}`, { seconds: more.seconds ?? 0 }));
  render();
}

// A phone that goes to sleep stops its camera.
function holdScreen(isWanted) {
  if (isWanted) wakeLock ??= navigator.wakeLock?.request('screen').catch(() => undefined) ?? null;
  else {
    void wakeLock?.then((lock) => lock?.release());
    wakeLock = null;
  }
}

function phaseOf() {
  if (trouble !== '') return trouble;
  if (asking) return 'asking';
  const { video: picture, audio } = capture.tracks;
  if (picture === null && audio === null) return 'pick';
  return session.state;
}

function render() {
  const phase = phaseOf();
  const { video: picture, audio } = capture.tracks;
  byId('stage').dataset.state = phase;
  setHidden(byId('pick'), phase !== 'pick');
  showMessage(phase);
  setHidden(byId('no-picture'), picture !== null || audio === null);
  setText(byId('badge'), phase === 'live' ? t('state.live') : phase === 'ready' ? t('send.preview') : '');
  showSwitch('sound-switch', audio, ['microphone', 'microphoneOff'], ['send.mute', 'send.unmute']);
  showSwitch('picture-switch', picture, ['video', 'videoOff'], ['send.hide', 'send.show']);
  const go = byId('go');
  go.disabled = picture === null && audio === null;
  go.classList.toggle('is-on', session.isOn);
  setText(go, t(session.isOn ? 'send.stop' : 'send.go'));
  settings.lock(session.isOn);
  setHidden(byId('numbers-panel'), session.state !== 'live');
  setHidden(byId('addresses'), !isListed);
}

function showMessage(phase) {
  const silent = phase === 'pick' || phase === 'ready' || phase === 'live';
  setHidden(byId('message'), silent);
  if (silent) return;
  const values = {
    seconds: details.seconds ?? 0,
    status: details.status ?? 0,
    path: `${settings.app}/${settings.name}`,
  };
  setHidden(byId('spinner'), !SPINNING.has(phase));
  setText(byId('message-title'), t(`send.${phase}`, values));
  setText(byId('message-text'), messageText(phase, values));
  setHidden(byId('message-again'), !CAN_RETRY.has(phase));
  const secure = phase === 'insecure' ? secureAddress(location, server) : '';
  const link = byId('message-link');
  setHidden(link, secure === '');
  if (secure !== '') {
    link.href = secure;
    setText(link, secure);
  }
}

function messageText(phase, values) {
  if (phase === 'insecure') {
    if (secureAddress(location, server) === '') return t('send.insecure.none');
    return t(server?.self_signed ? 'send.insecure.text' : 'send.insecure.trusted');
  }
  if (phase !== 'refused') return details.text || t(`send.${phase}.text`, values);
  if (details.reason === 'unreachable') return t('send.unreachable');
  if (details.reason !== undefined) return t(details.reason, details.values);
  return details.text || t('webrtc.refused', values);
}

function showSwitch(id, track, icons, labels) {
  const button = byId(id);
  const isOff = track !== null && !track.enabled;
  button.disabled = track === null;
  button.setAttribute('aria-pressed', String(isOff));
  setIcon(button, icons[isOff ? 1 : 0], t(labels[isOff ? 1 : 0]));
}

function showNote(text) {
  setText(byId('note'), text);
  setHidden(byId('note'), text === '');
}

function toggle(kind) {
  const track = capture.tracks[kind];
  if (track !== null) track.enabled = !track.enabled;
  render();
}

function goOrStop() {
  if (session.isOn) session.stop();
  else session.start();
}

async function measure() {
  if (session.state !== 'live' || document.hidden) return;
  // A connection that is closed meanwhile has nothing to say.
  const facts = await session.link?.measure().catch(() => undefined);
  if (facts === undefined || session.state !== 'live') return;
  showNumbers(byId('numbers'), facts, (Date.now() - liveSince) / 1000);
  await showAddresses();
}

/** Once the server lists the stream. */
async function showAddresses() {
  if (isListed || finder === null) return;
  const found = await finder.find();
  if (found.kind !== 'found' || session.state !== 'live') return;
  isListed = true;
  const { app, name } = settings;
  const origin = withHost(location.origin, printedHost(location.hostname, server));
  const page = origin + playerPage(app, name);
  const scheme = location.protocol.replace(':', '-');
  const usual = found.stream.urls.filter(({ type }) => USUAL_ADDRESSES.has(type.replace(scheme, '')));
  const rows = usual.map(({ type, url }) => copyRow(playLabel(type), printedUrl(url, server)).row);
  const open = element('a', { href: playerPage(app, name), target: '_blank', textContent: t('send.open') });
  byId('address-list').replaceChildren(
    copyRow(t('send.page'), page).row,
    element('p', { className: 'hint open-page' }, open),
    ...rows,
  );
  showQr({ app, name }, server);
  render();
}

for (const button of byId('pick').querySelectorAll('[data-source]')) {
  const { source } = button.dataset;
  button.append(icon(SOURCE_ICONS[source]), t(`send.source.${source}`));
  if (source === 'screen' && !capture.canShareScreen) {
    button.disabled = true;
    button.title = t('send.noScreen');
  }
  button.addEventListener('click', () => {
    settings.source = source;
    void openCapture();
  });
}
byId('message-again').addEventListener('click', () => {
  trouble = '';
  details = {};
  void openCapture();
});
byId('go').addEventListener('click', goOrStop);
byId('sound-switch').addEventListener('click', () => toggle('audio'));
byId('picture-switch').addEventListener('click', () => toggle('video'));
byId('settings').addEventListener('submit', (event) => event.preventDefault());
for (const id of ['source', 'camera', 'microphone']) {
  byId(id).addEventListener('change', () => {
    const { video: picture, audio } = capture.tracks;
    const isOpen = picture !== null || audio !== null || asking || CAN_RETRY.has(trouble);
    if (isOpen || (id === 'source' && trouble === '')) void openCapture();
  });
}
byId('size').addEventListener('change', () => {
  void capture.tracks.video?.applyConstraints(pictureSize(settings.wish.height)).catch(() => undefined);
  void session.link?.setBitrate(settings.kbps);
});
byId('bitrate').addEventListener('change', () => void session.link?.setBitrate(settings.kbps));
navigator.mediaDevices?.addEventListener('devicechange', async () =>
  settings.setDevices(await capture.list()),
);
document.addEventListener('visibilitychange', () => {
  // The lock ends with the page being hidden.
  if (document.hidden) wakeLock = null;
  else if (session.isOn) holdScreen(true);
});
window.addEventListener('pagehide', () => session.stop());
setInterval(() => void measure(), MEASURE_MS);
setInterval(() => {
  if (!document.hidden) byId('level').value = capture.tracks.audio?.enabled === true ? meter.level() : 0;
}, METER_MS);

setText(byId('no-picture'), t('card.audioOnly'));
settings.setDevices(await capture.list());
render();
fetchServer().then(
  (answer) => {
    server = answer;
    settings.setApps(answer.apps.filter((app) => app !== 'rec'));
    const hasWhip = answer.publish.some(({ type }) => /^https?-whip$/.test(type));
    if (!hasWhip && trouble === '') trouble = 'off';
    render();
  },
  () => undefined,
);
