// Addresses and command lines that only the page of one stream needs. Nothing here touches the document.
import { playerPage, shellWord } from './addresses.js';

/** Command lines to watch and to keep a stream. */
export function watchCommands(rtmpUrl, flvUrl, name) {
  const file = `${name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^[-.]+/, '') || 'stream'}.mp4`;
  return {
    ffplay: `ffplay -fflags nobuffer -flags low_delay ${shellWord(rtmpUrl)}`,
    vlc: `vlc --network-caching=300 ${shellWord(flvUrl)}`,
    record: `ffmpeg -i ${shellWord(rtmpUrl)} -c copy ${file}`,
  };
}

/** Where to publish by SRT what plays at `playUrl`; '' when that is none of SRT. */
export function srtPublishAddress(playUrl) {
  return playUrl.startsWith('srt:') ? playUrl.replace('streamid=read:', 'streamid=publish:') : '';
}

/** Markup that shows the player inside another page. */
export function embedCode(origin, app, name) {
  const address = `${origin}${playerPage(app, name)}&autostart=1&muted=1`
    .replace(/&/g, '&amp;')
    .replace(/"/g, '%22');
  return `<iframe src="${address}" width="640" height="360" allow="autoplay; fullscreen; picture-in-picture"></iframe>`;
}

/** The stream that an address of SRS's player page means: ?stream=cam.flv&app=live. */
export function fromSrsQuery(query) {
  const name = (query.get('stream') ?? 'livestream').replace(/\.(flv|m3u8|ts|mp3|aac)$/i, '');
  const isHls = /\.m3u8$/i.test(query.get('stream') ?? '');
  const page = new URLSearchParams({ app: query.get('app') ?? 'live', stream: name });
  if (isHls) page.set('way', 'hls');
  if (/^(1|true)$/.test(query.get('autostart') ?? '')) page.set('autostart', '1');
  return `/player.html?${page}`;
}
