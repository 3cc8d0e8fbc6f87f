/** `<webrtc>` of config.xml, and `<webrtc>` inside the rules of policy.xml. */
import {
  addressList,
  choice,
  duration,
  integer,
  list,
  port,
  section,
  splitHostPort,
  text,
  toggle,
} from '../../config/setting.ts';
import { type IceServer, parseIceServer } from './ice-servers.ts';

/** A public address of this server, as peers are told it. */
export interface PublicCandidate {
  /** IP address or name. */
  readonly host: string;
  /** 0 = the port of the thread. */
  readonly port: number;
}

export const webrtcSection = section({
  name: 'webrtc',
  text: 'WebRTC: publish by WHIP at http://host:8080/live/NAME/whip, play by WHEP at http://host:8080/live/NAME/whep.',
  fields: {
    enable: toggle(true, { text: 'Whether WebRTC is served at all.', reload: 'restart' }),
    ip: addressList({ text: 'Local addresses that media go over.', reload: 'restart' }),
    port: port(8000, {
      text: 'UDP port of media, the same number for TCP. Each further thread has the next number.',
      reload: 'restart',
    }),
    tcp: toggle(true, {
      text: 'Whether media may go over TCP, for peers whose network lets no UDP through.',
      reload: 'restart',
    }),
    threads: integer(
      0,
      { min: 0, max: 64 },
      {
        text: 'Threads that encrypt and send, at most: another one is started when each has 50 connections. 0 = one less than the machine has cores, from 1 to 8.',
        reload: 'restart',
      },
    ),
    candidates: list<PublicCandidate>(
      (given) => splitHostPort(given),
      'is not an address or name of this server such as 203.0.113.7, media.example.org or 203.0.113.7:8000',
      {
        range: 'addresses or names, with :port where a router has another one',
        text:
          'Public addresses that peers are told before those of the interfaces, where a router or a container hides ' +
          'them. The element may be repeated, or hold several with blanks between them.',
        reload: 'restart',
      },
    ),
    interfaces: text(
      '',
      {
        pattern: /^([\w.*:-]+( [\w.*:-]+){0,15})?$/,
        phrase: 'is no list of interfaces such as "eth0 wlan*"',
        range: 'names, * for any characters, separated by blanks; empty = all',
      },
      { text: 'Interfaces whose addresses peers are told.', reload: 'new-sessions' },
    ),
    iceServers: list<IceServer>(
      parseIceServer,
      'is not the address of a STUN or TURN server such as stun:stun.example.org:3478 or turn:user:password@turn.example.org:3478?transport=udp',
      {
        range: 'stun:, stuns:, turn: and turns: addresses',
        text:
          'STUN and TURN servers that peers are told, a TURN server with user and password before the host. This server ' +
          'needs none itself. They are never printed.',
        reload: 'new-sessions',
        secret: true,
      },
    ),
    idle: duration(
      '30s',
      { min: '5s', max: '10m' },
      { text: 'A peer of which nothing is heard for this long is gone.', reload: 'restart' },
    ),
    maxConnections: integer(
      10_000,
      { min: 1, max: 1_000_000 },
      { text: 'Peers at the same time.', reload: 'restart' },
    ),
  },
});

/** Stream scope. */
export const webrtcRuleSection = section({
  name: 'webrtc',
  text: 'Publishers and players of the stream over WebRTC.',
  fields: {
    keyMs: duration(
      '2s',
      { min: '0', max: '10m' },
      {
        xml: 'key-interval',
        text:
          'A publisher whose last key frame is older than this is asked for one, since browsers make none by themselves ' +
          'and segments and recordings begin with one. 0 = it is asked when a player needs one.',
        reload: 'new-sessions',
      },
    ),
    codecs: text(
      '',
      {
        pattern: /^((h264|h265|vp8|vp9|av1|opus|g711a|g711u|g722)( (?!$)|$))*$/,
        phrase: 'is no list of codecs such as "h264 vp8 opus"',
        range: 'h264, h265, vp8, vp9, av1, opus, g711a, g711u, g722, separated by blanks; empty = as offered',
      },
      {
        text: 'Codecs that are chosen first from what a publisher offers; others are taken when it has none of these.',
        reload: 'new-sessions',
      },
    ),
    simulcast: choice(['layers', 'best'], 'layers', {
      text:
        'A publisher that sends several sizes at once: layers makes the largest NAME and the others streams of their own, ' +
        'NAME~RID (rid: what the publisher calls them), and players of NAME by WHEP are led between them; best takes the ' +
        'largest alone.',
      reload: 'new-sessions',
    }),
  },
});
