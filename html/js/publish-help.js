// How to publish, with this server's own address: for OBS and for ffmpeg, with the name that the person types.
import { publishAddress, publishCommands, serverAndKey } from './addresses.js';
import { copyRow, element, setCopyText, setHidden, setText } from './dom.js';
import { manualAddress, t } from './i18n.js';

const DEFAULT_NAME = 'stream';
const PROTOCOLS = { rtmp: 'RTMP', rtmps: 'RTMPS', srt: 'SRT', 'http-whip': 'WebRTC (WHIP)' };

/** Builds the help in `container`. `server` is the answer of /api/v1/server, or null when it is not known. */
export function showPublishHelp(container, server) {
  const apps = (server?.apps ?? ['live']).filter((app) => app !== 'rec');
  const state = { app: apps[0] ?? 'live', name: DEFAULT_NAME, type: 'rtmp' };
  const serverRow = copyRow(t('publish.obs.server'), '');
  const keyRow = copyRow(t('publish.obs.key'), '');
  const testPicture = copyRow(t('publish.ffmpeg.test'), '');
  const file = copyRow(t('publish.ffmpeg.file'), '');
  const where = element('p', { className: 'hint' });
  const ffmpegTitle = element('h3');
  const browser = element('a', { className: 'publish-browser', textContent: t('publish.browser') });
  const refresh = () => {
    const address = publishAddress(server, location.hostname, state);
    const isWhip = state.type === 'http-whip';
    // The name of the stream is in the addresses of SRT and WHIP: nothing is left for the key.
    const isWhole = isWhip || state.type === 'srt';
    const parts = isWhole ? { server: address, key: '' } : serverAndKey(address);
    setHidden(keyRow.row, isWhole);
    setText(where, t(isWhip ? 'publish.obs.whip' : 'publish.obs.where'));
    setText(ffmpegTitle, isWhip ? 'ffmpeg 8' : 'ffmpeg');
    browser.href = `/publish.html?${new URLSearchParams({ app: state.app, stream: state.name })}`;
    setCopyText(serverRow.code, parts.server);
    setCopyText(keyRow.code, parts.key);
    const commands = publishCommands(address);
    setCopyText(testPicture.code, commands.testPicture);
    setCopyText(file.code, commands.file);
  };
  const obs = element('section', { className: 'publish-way' }, element('h3', { textContent: 'OBS Studio' }));
  obs.append(where, serverRow.row, keyRow.row);
  const ffmpeg = element('section', { className: 'publish-way' }, ffmpegTitle);
  ffmpeg.append(testPicture.row, file.row);
  const ways = element('div', { className: 'publish-ways' }, obs, ffmpeg);
  const more = element('a', { href: manualAddress('#publish'), textContent: t('publish.more') });
  container.replaceChildren(
    choices(server, apps, state, refresh, browser),
    ways,
    element('p', { className: 'hint' }, more),
  );
  refresh();
}

function choices(server, apps, state, refresh, browser) {
  const row = element('div', { className: 'publish-choices' });
  const name = element('input', { value: state.name, maxLength: 64, spellcheck: false, autocomplete: 'off' });
  name.addEventListener('input', () => {
    state.name = name.value.trim() || DEFAULT_NAME;
    refresh();
  });
  row.append(element('label', {}, element('span', { textContent: t('publish.name') }), name));
  if (apps.length > 1)
    row.append(selectField(t('publish.app'), apps, (app) => Object.assign(state, { app }), refresh));
  const offered = new Set(server?.publish.map(({ type }) => type));
  const types = Object.keys(PROTOCOLS).filter((type) => type === 'rtmp' || offered.has(type));
  if (types.length > 1) {
    const set = (type) => Object.assign(state, { type });
    row.append(selectField(t('publish.protocol'), types, set, refresh));
  }
  if (offered.has('http-whip') || offered.has('https-whip')) row.append(browser);
  return row;
}

function selectField(label, values, set, refresh) {
  const select = element(
    'select',
    {},
    ...values.map((value) => element('option', { textContent: PROTOCOLS[value] ?? value, value })),
  );
  select.addEventListener('change', () => {
    set(select.value);
    refresh();
  });
  return element('label', {}, element('span', { textContent: label }), select);
}
