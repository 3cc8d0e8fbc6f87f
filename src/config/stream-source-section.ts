/** Attributes of `<stream>` beside its name: `source` of `<stream>` in policy.xml and what belongs to it: files as a live channel, or a URL that is pulled. */
import { duration, section, text, toggle } from './setting.ts';

export const channelSection = section({
  name: 'stream',
  text:
    'One stream, or several by *: name is NAME inside <application>, application/NAME outside. With a source it is a ' +
    'live channel that plays files of the vod folder, one after the other, at the pace of real time, or it is pulled ' +
    'from the URL; several URLs stand in <source> elements.',
  fields: {
    source: text(
      '',
      {
        pattern: /^(vod:[^\s/\\][^\\\r\n\t]*|[a-z][a-z0-9+]*:\/\/[^\s<>"\\]+)?$/i,
        phrase:
          'is not of the form vod:FILE, such as vod:clip.mp4 or vod:list.m3u, nor a URL such as rtsp://host/main',
        range: 'vod:FILE, a URL as in <source>, or empty = who publishes',
      },
      {
        text:
          'An FLV, MP4 or MPEG-TS file, or a playlist (.m3u, .m3u8) with one file name a line, relative to the ' +
          "playlist's folder; or a URL. A publisher of this name goes first when publish busy is takeover or standby.",
        reload: 'live',
      },
    ),
    loop: toggle(true, { text: 'Whether files begin again at the end.', reload: 'live' }),
    onDemand: toggle(false, {
      text:
        'Whether it plays only while somebody watches, files from the start each time; else it plays from the start of ' +
        'the server. What is pulled for a name with * is always on demand.',
      reload: 'live',
    }),
    startTimeoutMs: duration(
      '10s',
      { min: '500ms', max: '5m' },
      {
        xml: 'start-timeout',
        text: 'How long viewers wait for the first picture of a pulled stream; then they are told why there is none.',
        reload: 'live',
      },
    ),
    closeAfterMs: duration(
      '10s',
      { min: '0', max: '1h' },
      {
        xml: 'close-after',
        text: 'How long an on-demand pull goes on after the last viewer left.',
        reload: 'live',
      },
    ),
    retryMs: duration(
      '1s',
      { min: '100ms', max: '1h' },
      {
        xml: 'retry',
        text: 'Wait after all sources failed; doubled each time, with some chance in it, until retry-max.',
        reload: 'live',
      },
    ),
    retryMaxMs: duration(
      '30s',
      { min: '100ms', max: '24h' },
      { xml: 'retry-max', text: 'Longest wait between two attempts.', reload: 'live' },
    ),
  },
});
