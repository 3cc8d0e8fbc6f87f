// How to publish, with this server's own address: for OBS and for ffmpeg, with the name that the person types.
import { printedUrl, publishCommands, serverAndKey, streamPath } from './addresses.js';
import { copyRow, element, setCopyText } from './dom.js';
import { manualAddress, t } from './i18n.js';

const DEFAULT_NAME = 'stream';

/** Builds the help in `container`. `server` is the answer of /api/v1/server, or null when it is not known. */
export function showPublishHelp(container, server) {
  const apps = (server?.apps ?? ['live']).filter((app) => app !== 'rec');
  const state = { app: apps[0] ?? 'live', name: DEFAULT_NAME, secure: false };
  const serverRow = copyRow(t('publish.obs.server'), '');
  const keyRow = copyRow(t('publish.obs.key'), '');
  const testPicture = copyRow(t('publish.ffmpeg.test'), '');
  const file = copyRow(t('publish.ffmpeg.file'), '');
  const refresh = () => {
    const address = publishAddress(server, state);
    const parts = serverAndKey(address);
    setCopyText(serverRow.code, parts.server);
    setCopyText(keyRow.code, parts.key);
    const commands = publishCommands(address);
    setCopyText(testPicture.code, commands.testPicture);
    setCopyText(file.code, commands.file);
  };
  const obs = element('section', { className: 'publish-way' }, element('h3', { textContent: 'OBS Studio' }));
  obs.append(
    element('p', { className: 'hint', textContent: t('publish.obs.where') }),
    serverRow.row,
    keyRow.row,
  );
  const ffmpeg = element('section', { className: 'publish-way' }, element('h3', { textContent: 'ffmpeg' }));
  ffmpeg.append(testPicture.row, file.row);
  const ways = element('div', { className: 'publish-ways' }, obs, ffmpeg);
  const more = element('a', { href: manualAddress('#publish'), textContent: t('publish.more') });
  container.replaceChildren(
    choices(server, apps, state, refresh),
    ways,
    element('p', { className: 'hint' }, more),
  );
  refresh();
}

function choices(server, apps, state, refresh) {
  const row = element('div', { className: 'publish-choices' });
  const name = element('input', { value: state.name, maxLength: 64, spellcheck: false, autocomplete: 'off' });
  name.addEventListener('input', () => {
    state.name = name.value.trim() || DEFAULT_NAME;
    refresh();
  });
  row.append(element('label', {}, element('span', { textContent: t('publish.name') }), name));
  if (apps.length > 1)
    row.append(selectField(t('publish.app'), apps, (app) => Object.assign(state, { app }), refresh));
  if (server?.publish.some((way) => way.type === 'rtmps')) {
    const set = (type) => Object.assign(state, { secure: type === 'RTMPS' });
    row.append(selectField(t('publish.protocol'), ['RTMP', 'RTMPS'], set, refresh));
  }
  return row;
}

function selectField(label, values, set, refresh) {
  const select = element(
    'select',
    {},
    ...values.map((value) => element('option', { textContent: value, value })),
  );
  select.addEventListener('change', () => {
    set(select.value);
    refresh();
  });
  return element('label', {}, element('span', { textContent: label }), select);
}

/** `rtmp://host/app/name`, from the server's own list, with the app and the name of the person. */
function publishAddress(server, state) {
  const wanted = state.secure ? 'rtmps' : 'rtmp';
  const listed =
    server?.publish.find((way) => way.type === wanted)?.url ?? `rtmp://${location.hostname}/live`;
  const url = printedUrl(listed, server);
  return url.replace(/^([a-z]+:\/\/[^/]+).*$/i, '$1') + streamPath(state.app, state.name);
}
