/**
 * `<forward>` of policy.xml: where else a stream is sent. The text says where to connect, `rewrite` which address is
 * announced there. Scheme and port follow smart_rtmpd: `rtmps` in the rewrite turns TLS on, the port is 1935 unless
 * given; a whole URL as text is our addition and carries its own scheme, with 443 as port of rtmps. `rtsp` and `rtsps`
 * publish there by ANNOUNCE, with name and password of the URL if it has them. `udp` and `rtp` send MPEG-TS in datagrams
 * to an address that names no stream. `srt` names it in its stream id, or in a path in place of one, to which the
 * stream's name is appended where a rule holds for several. `whip`, `whips`, `webrtc` and an `http(s)` address that names
 * WHIP publish over WebRTC.
 */
import { parseTsAddress } from '../../client/mpegts/ts-address.ts';
import { parseSrtAddress } from '../../client/srt/srt-address.ts';
import { callAddressOfStream, namesRole, parseCallAddress } from '../../client/webrtc/call-address.ts';
import { section, splitHostPort, text, toggle } from '../../config/setting.ts';
import { RTMP_PORT, RTMPS_PORT } from '../../wire/rtmp/rtmp-url.ts';
import { RTSP_PORT, RTSPS_PORT } from '../../wire/rtsp/rtsp-url.ts';

export const forwardSection = section({
  name: 'forward',
  text: 'Sends the stream to another server: host, host:port, [v6]:port, a whole rtmp://, rtmps://, rtsp:// or rtsps:// URL, srt://host:port?streamid=publish:live/NAME, whip://, whips:// or https://host/live/NAME/whip, webrtc://host/app/stream, or udp:// or rtp://host:port for MPEG-TS (multicast: ?interface=eth0;ttl=4). Any number.',
  fields: {
    enable: toggle(true, {
      text: 'off takes back the same forward of a wider rule; without a target it takes back all of them.',
      reload: 'live',
    }),
    rewrite: text(
      '',
      {
        pattern: /^(rt[ms]ps?:\/\/[^\s<>"\\]+)?$/,
        phrase: 'is neither empty nor a URL such as rtmp://host/app',
        range: 'empty, or a URL',
      },
      {
        text:
          'Address announced to the target; empty = the one that was published to. In application and vhost the ' +
          "stream's name is appended, in url and in stream without * it is the whole address.",
        reload: 'live',
      },
    ),
  },
});

const DEFAULT_PORTS = { rtmp: RTMP_PORT, rtmps: RTMPS_PORT, rtsp: RTSP_PORT, rtsps: RTSPS_PORT } as const;

/** One forward as a rule has it. Which URL results for a stream is the relay's business. */
export interface ForwardRule {
  /** The element's text as written. */
  readonly target: string;
  readonly scheme: keyof typeof DEFAULT_PORTS | 'srt' | 'udp' | 'rtp' | 'whip';
  /** Where to connect; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Address to announce, `''` = unchanged. */
  readonly rewrite: string;
  /** `rewrite` names an application: the stream's name goes behind it. */
  readonly appendsStream: boolean;
  /** `conf/policy.xml:6:7`. */
  readonly where: string;
}

export const FORWARD_TARGET_PHRASE =
  'does not name a target such as 192.0.2.7, 192.0.2.7:1935, rtmps://host/app, whip://host/app/stream/whip or udp://239.1.1.1:1234';

/** Null when the target's text has none of the forms. */
export function parseForward(
  target: string,
  rewrite: string,
  appendsStream: boolean,
  where: string,
): ForwardRule | null {
  const datagrams = parseTsAddress(target);
  if (datagrams !== null) {
    const { scheme, host, port } = datagrams;
    if ((scheme !== 'udp' && scheme !== 'rtp') || host === '' || port < 1) return null;
    return { target, scheme, host, port, rewrite: target, appendsStream: false, where };
  }
  const srt = parseSrtAddress(target);
  if (srt !== null) {
    const { host, port } = srt;
    const appends = appendsStream && srt.streamId === '';
    return { target, scheme: 'srt', host, port, rewrite: target, appendsStream: appends, where };
  }
  const isCall = !/^https?:/i.test(target) || namesRole(target, 'publish');
  const call = isCall
    ? parseCallAddress(callAddressOfStream(target, 'app', 'name', appendsStream), 'publish')
    : null;
  if (call !== null) {
    const { hostname, port, protocol } = call.url;
    return {
      target,
      scheme: 'whip',
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
      rewrite: target,
      appendsStream,
      where,
    };
  }
  const url = /^(rt[ms]ps?):\/\/(?:[^/\s]*@)?([^/@\s]+)(\/[^\s<>"\\]*)?$/.exec(target);
  const address = splitHostPort(url === null ? target : url[2]!);
  if (address === null) return null;
  const common = { target, host: address.host, appendsStream, where };
  if (url === null) {
    const scheme = schemeOf(rewrite);
    // smart_rtmpd sends rtmps to the port of rtmp unless another is given.
    const port = scheme === 'rtmps' ? RTMP_PORT : DEFAULT_PORTS[scheme];
    return { ...common, scheme, port: address.port || port, rewrite };
  }
  const scheme = schemeOf(target);
  const hasPath = (url[3] ?? '/') !== '/';
  return {
    ...common,
    scheme,
    port: address.port || DEFAULT_PORTS[scheme],
    rewrite: rewrite === '' && hasPath ? target : rewrite,
  };
}

function schemeOf(url: string): keyof typeof DEFAULT_PORTS {
  const scheme = url.slice(0, url.indexOf(':'));
  return scheme in DEFAULT_PORTS ? (scheme as keyof typeof DEFAULT_PORTS) : 'rtmp';
}
