/** `<http>` of config.xml: the one HTTP server that pages, API, HTTP-FLV, WebSocket-FLV and HLS share. */
import { addressList, port, section, text, toggle } from '../config/setting.ts';

const SAME_SEGMENTS =
  'DASH lists the segments of HLS, whose length and number hls-duration and hls-cache say';

export const httpSection = section({
  name: 'http',
  text: 'HTTP and HTTPS: pages, API, HTTP-FLV, WebSocket-FLV and HLS.',
  fields: {
    enable: toggle(true, { text: 'Whether HTTP is served at all.', reload: 'restart' }),
    ip: addressList({ text: 'Local addresses to listen on.', reload: 'restart' }),
    port: port(8080, { text: 'Port of HTTP.', reload: 'restart' }),
    ssl: toggle(true, { text: 'Whether HTTPS is served too, on sport.', reload: 'restart' }),
    sport: port(8181, { text: 'Port of HTTPS.', reload: 'restart' }),
    cors: text(
      '*',
      {
        pattern: /^(\*|https?:\/\/[A-Za-z0-9.[\]:_-]+|)$/,
        phrase: 'is neither * nor an origin such as https://www.example.com',
        range: '*, one origin, or empty for none',
      },
      {
        text: 'Which web pages of others may load streams from here (Access-Control-Allow-Origin).',
        reload: 'restart',
      },
    ),
    root: text(
      'html',
      {
        pattern: /^[^\0]+$/,
        phrase: 'is not the name of a folder',
        range: 'a folder, relative to the one of the executable',
      },
      {
        text: 'Folder of the pages. When it is missing, the pages inside the executable are used.',
        reload: 'restart',
      },
    ),
  },
  streamDefaults: { 'hls-count': 'hls.count', 'hls-duration': 'hls.durationMs', 'hls-cache': 'hls.cache' },
  unused: {
    'io-shrink': 'it sizes its writes by itself',
    'dash-duration': SAME_SEGMENTS,
    'dash-cache': SAME_SEGMENTS,
    'rec-mode': 'the application rec records HLS; other formats stand in policy.xml (record)',
    'rec-period': 'the length of recordings stands in <rec> (period)',
  },
});
