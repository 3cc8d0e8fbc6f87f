/** `<rtsp>` and `<rtp>` of config.xml, and what rules of policy.xml say of streams over RTSP. */
import { addressList, choice, duration, integer, port, section, text, toggle } from '../../config/setting.ts';

const ALWAYS = 'what comes in by RTSP always goes out by every other protocol too';

export const rtspSection = section({
  name: 'rtsp',
  text: 'RTSP and RTSPS: publish and play at rtsp://host:8554/live/NAME, also through HTTP tunnels on the same port.',
  fields: {
    enable: toggle(true, { text: 'Whether RTSP is served at all.', reload: 'restart' }),
    ip: addressList({ text: 'Local addresses to listen on.', reload: 'restart' }),
    port: port(8554, { text: 'Port of RTSP.', reload: 'restart' }),
    sport: port(8322, { text: 'Port of RTSPS (TLS) when ssl is both.', reload: 'restart' }),
    ssl: choice(['both', 'on', 'off'], 'both', {
      text: 'both: RTSP on port and RTSPS on sport. on (or true): RTSPS on port, no plain RTSP. off (or false): no RTSPS.',
      reload: 'restart',
    }),
    udp: toggle(true, {
      text: 'Whether media may go over UDP (ports: see <rtp>); off = only inside the RTSP connection.',
      reload: 'new-sessions',
    }),
    srtp: choice(['off', 'tls', 'offer', 'any'], 'tls', {
      text: 'Whether media may go as SRTP (RTP/SAVP, keys by MIKEY). tls: peers over RTSPS may ask for it, by UDP too. offer: and descriptions over RTSPS offer it to players. any: as tls, and over plain RTSP, where others can read the keys.',
      reload: 'new-sessions',
    }),
    timeout: duration(
      '60s',
      { min: '10s', max: '10m' },
      {
        text: 'A session over UDP whose peer sends neither a request nor RTCP for this long is closed.',
        reload: 'new-sessions',
      },
    ),
  },
  streamDefaults: { 'max-idle': 'publish.idleMs', idle: 'publish.idleMs' },
  unused: { 'has-rtmp': ALWAYS },
});

export const rtpSection = section({
  name: 'rtp',
  text: 'UDP ports of RTP and RTCP: every track of a session over UDP takes an even one and the next.',
  fields: {
    min: integer(30_000, { min: 1024, max: 65_534 }, { text: 'First port.', reload: 'new-sessions' }),
    max: integer(65_535, { min: 1025, max: 65_535 }, { text: 'Last port.', reload: 'new-sessions' }),
  },
  unused: { que: 'it sizes its queues by itself' },
});

const WORD = { pattern: /^[^\s"\\:<>&]{0,128}$/, phrase: 'is not a name', range: 'a name, or empty' };
const SECRET = { pattern: /^[^\0\r\n]{0,256}$/, phrase: 'is not a password', range: 'up to 256 characters' };

/** Stream scope. */
export const loginSection = section({
  name: 'login',
  text: 'Name and password that RTSP asks for (Digest or Basic); without a name everybody is let in.',
  fields: {
    publishUser: text('', WORD, { text: 'Name of who may publish.', reload: 'new-sessions' }),
    publishPassword: text('', SECRET, {
      text: 'Password of who may publish. It is never printed.',
      reload: 'new-sessions',
      secret: true,
    }),
    playUser: text('', WORD, { text: 'Name of who may play.', reload: 'new-sessions' }),
    playPassword: text('', SECRET, {
      text: 'Password of who may play. It is never printed.',
      reload: 'new-sessions',
      secret: true,
    }),
    basic: choice(['tls', 'on', 'off'], 'tls', {
      text: 'On which connections Basic is offered beside Digest; without TLS it shows the password to everybody on the way.',
      reload: 'new-sessions',
    }),
  },
});

/** Stream scope. */
export const multicastSection = section({
  name: 'multicast',
  text: 'RTSP players that ask for multicast share one sender per stream.',
  fields: {
    enable: toggle(false, { text: 'Whether multicast is offered.', reload: 'new-sessions' }),
    range: text(
      '239.255.42.0/24',
      {
        pattern: /^(22[4-9]|23\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}\/(8|9|[12]\d|3[0-2])$/,
        phrase: 'is not a range of multicast addresses such as 239.255.42.0/24',
        range: 'IPv4 multicast address and prefix length from 8 to 32',
      },
      { text: 'Addresses to choose from: one per stream.', reload: 'new-sessions' },
    ),
    ttl: integer(
      16,
      { min: 1, max: 255 },
      { text: 'Routers that a packet may pass.', reload: 'new-sessions' },
    ),
    interface: text(
      '',
      {
        pattern: /^(\d{1,3}(\.\d{1,3}){3})?$/,
        phrase: 'is not an IPv4 address of this machine',
        range: 'IPv4 address of this machine, or empty',
      },
      { text: 'Interface to send from; empty = as the system routes.', reload: 'new-sessions' },
    ),
  },
});

/** Where RTSP and RTSPS listen, -1 = nowhere, after the word in `ssl`. */
export function rtspPorts(settings: { ssl: 'both' | 'on' | 'off'; port: number; sport: number }) {
  if (settings.ssl === 'on') return { port: -1, sport: settings.port };
  return { port: settings.port, sport: settings.ssl === 'off' ? -1 : settings.sport };
}
