/** `<rtmp>` of config.xml. Times of publishers belong to the stream and stand in policy.xml. */
import { addressList, choice, integer, port, section, toggle } from '../../config/setting.ts';

const NO_RTSP = 'RTSP is always served';
const NO_DASH = 'it has no DASH';
const NO_WEBRTC = 'it has no WebRTC';
const NO_SRT = 'SRT is always served';

export const rtmpSection = section({
  name: 'rtmp',
  text: 'RTMP and RTMPS: publish and play at rtmp://host/live/NAME.',
  fields: {
    enable: toggle(true, { text: 'Whether RTMP is served at all.', reload: 'restart' }),
    ip: addressList({ text: 'Local addresses to listen on.', reload: 'restart' }),
    port: port(1935, { text: 'Port of RTMP.', reload: 'restart' }),
    sport: port(1936, { text: 'Port of RTMPS (TLS) when ssl is both.', reload: 'restart' }),
    ssl: choice(['both', 'on', 'off'], 'both', {
      text: 'both: RTMP on port and RTMPS on sport. on (or true): RTMPS on port, no plain RTMP. off (or false): no RTMPS.',
      reload: 'restart',
    }),
    chunkSize: integer(
      60_000,
      { min: 128, max: 65_536 },
      {
        text: 'Chunk size, in bytes, of what is sent. Large chunks cost less; every player must take any size.',
        reload: 'new-sessions',
      },
    ),
    windowAck: integer(
      2_500_000,
      { min: 2500, max: 2_147_483_647 },
      {
        text: 'Bytes after which a peer is asked to acknowledge what it got.',
        reload: 'new-sessions',
      },
    ),
  },
  streamDefaults: {
    'gop-cache': 'gop.cache',
    'max-idle': 'publish.idleMs',
    idle: 'publish.idleMs',
    'has-hls': 'hls.enable',
  },
  unused: { 'has-rtsp': NO_RTSP, 'has-dash': NO_DASH, 'has-webrtc': NO_WEBRTC, 'has-srt': NO_SRT },
});

/** Where RTMP and RTMPS listen, -1 = nowhere, after the word in `ssl`. */
export function rtmpPorts(settings: { ssl: 'both' | 'on' | 'off'; port: number; sport: number }) {
  if (settings.ssl === 'on') return { port: -1, sport: settings.port };
  return { port: settings.port, sport: settings.ssl === 'off' ? -1 : settings.sport };
}
