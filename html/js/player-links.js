// Addresses, command lines, embed code and QR code of the player page.
import {
  isLoopback,
  playAddress,
  playerPage,
  printedHost,
  printedUrl,
  publishAddress,
  publishCommands,
  serverAndKey,
  shellWord,
  withHost,
} from './addresses.js';
import { byId, copyRow, element, setHidden } from './dom.js';
import { t } from './i18n.js';
import { encodeQr } from './qr.js';
import { embedCode, srtPublishAddress, watchCommands } from './watch-addresses.js';

const LABELS = {
  rtmp: 'RTMP',
  rtmps: 'RTMPS',
  rtsp: 'RTSP',
  rtsps: 'RTSPS',
  srt: 'SRT',
  'http-whep': 'WebRTC (WHEP)',
  'https-whep': 'WebRTC (https)',
  'http-flv': 'HTTP-FLV',
  'https-flv': 'HTTPS-FLV',
  'ws-flv': 'WS-FLV',
  'wss-flv': 'WSS-FLV',
  'http-hls': 'HLS',
  'https-hls': 'HLS (https)',
  'http-ll-hls': 'LL-HLS',
  'https-ll-hls': 'LL-HLS (https)',
  'http-dash': 'DASH',
  'https-dash': 'DASH (https)',
  'http-ll-dash': 'LL-DASH',
  'https-ll-dash': 'LL-DASH (https)',
  'http-fmp4': 'HTTP-fMP4',
  'https-fmp4': 'HTTPS-fMP4',
  'ws-fmp4': 'WS-fMP4',
  'wss-fmp4': 'WSS-fMP4',
};

/** What the address of a type of the API is called. */
export function playLabel(type) {
  return LABELS[type] ?? type.toUpperCase();
}

/** Fills the four lists below the player. `stream` and `server` may be null: then from the page's own address. */
export function showAddresses(asked, stream, server) {
  const host = printedHost(location.hostname, server);
  const origin = publicOrigin(host);
  const publish = publishAddress(server, host, { ...asked, type: 'rtmp' });
  const urls = (stream?.urls ?? fallbackUrls(asked, origin, publish)).map(({ type, url }) => ({
    type,
    url: printedUrl(url, server),
  }));
  const rtmp = urls.find((entry) => entry.type === 'rtmp')?.url ?? publish;
  const flv =
    urls.find((entry) => entry.type === 'http-flv')?.url ??
    playAddress('http-flv', origin, asked.app, asked.name);
  const rows = (entries) => entries.map(([label, text, hint]) => copyRow(label, text, hint).row);

  byId('address-list').replaceChildren(...rows(urls.map(({ type, url }) => [playLabel(type), url])));
  const watch = watchCommands(rtmp, flv, asked.name);
  const programs = [
    ['VLC', watch.vlc, t('programs.vlc')],
    ['ffplay', watch.ffplay],
    [t('programs.record'), watch.record],
  ];
  byId('program-list').replaceChildren(
    ...rows([...programs, [t('programs.obs'), flv, t('programs.obs.hint')]]),
  );
  const srt = srtPublishAddress(urls.find((entry) => entry.type === 'srt')?.url ?? '');
  showPublish(rtmp, srt, stream, rows);
  byId('embed-list').replaceChildren(...rows([[t('embed.code'), embedCode(origin, asked.app, asked.name)]]));
}

/** A file has its own address and nothing to publish. */
export function showFile(file, server) {
  for (const id of ['program-list', 'publish-list', 'embed-list']) setHidden(byId(id).parentElement, true);
  setHidden(byId('phone'), true);
  setHidden(byId('addresses'), file.url === '');
  const origin = publicOrigin(printedHost(location.hostname, server));
  const isList = file.way === 'hls';
  const address = origin + file.url;
  byId('address-list').replaceChildren(
    copyRow(isList ? 'HLS' : t('file.address'), address).row,
    copyRow('VLC', `vlc ${shellWord(address)}`).row,
  );
  const download = byId('download');
  setHidden(download, file.download === '');
  const link = element('a', { href: file.download, textContent: t('file.download') });
  link.setAttribute('download', '');
  download.replaceChildren(link);
}

function showPublish(rtmp, srt, stream, rows) {
  const parts = serverAndKey(rtmp);
  const entries = [
    [t('publish.obs.server'), parts.server],
    [t('publish.obs.key'), parts.key, t('publish.obs.where')],
    ['ffmpeg', publishCommands(rtmp).testPicture],
    ...(srt === '' ? [] : [['SRT', srt]]),
  ];
  const list = byId('publish-list');
  list.replaceChildren(...rows(entries));
  setHidden(list.parentElement, stream?.on_demand === true);
}

/** Draws the page's address for a phone; nothing when a phone could not reach it. */
export function showQr(asked, server) {
  const host = printedHost(location.hostname, server);
  const address = publicOrigin(host) + playerPage(asked.app, asked.name);
  const code = isLoopback(host) ? null : encodeQr(address);
  setHidden(byId('phone'), code === null);
  if (code === null) return;
  const canvas = byId('qr');
  const quiet = 4;
  const scale = 6;
  canvas.width = (code.length + quiet * 2) * scale;
  canvas.height = canvas.width;
  const paper = canvas.getContext('2d');
  paper.fillStyle = '#fff';
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.fillStyle = '#000';
  code.forEach((row, y) => {
    row.forEach((isDark, x) => {
      if (isDark) paper.fillRect((x + quiet) * scale, (y + quiet) * scale, scale, scale);
    });
  });
  canvas.setAttribute('aria-label', t('phone.label', { address }));
  const link = element('a', { href: address, textContent: address, className: 'qr-address' });
  byId('phone').querySelector('.qr-address')?.remove();
  byId('phone').append(link);
}

function publicOrigin(host) {
  return withHost(location.origin, host);
}

// The stream is not there yet: its addresses are known all the same.
function fallbackUrls({ app, name }, origin, rtmp) {
  const secure = location.protocol === 'https:' ? 's' : '';
  return [
    { type: 'rtmp', url: rtmp },
    { type: `http${secure}-flv`, url: playAddress('http-flv', origin, app, name) },
    { type: `ws${secure}-flv`, url: playAddress('ws-flv', origin, app, name) },
    { type: `http${secure}-hls`, url: playAddress('hls', origin, app, name) },
  ];
}
