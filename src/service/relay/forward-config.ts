/**
 * `<forward>` of policy.xml: where else a stream is sent. The text says where to connect, `rewrite` which address is
 * announced there. Scheme and port follow smart_rtmpd: `rtmps` in the rewrite turns TLS on, the port is 1935 unless
 * given; a whole URL as text is our addition and carries its own scheme, with 443 as port of rtmps.
 */
import { section, splitHostPort, text, toggle } from '../../config/setting.ts';
import { RTMP_PORT, RTMPS_PORT } from '../../wire/rtmp/rtmp-url.ts';

export const forwardSection = section({
  name: 'forward',
  text: 'Sends the stream to another server: host, host:port, [v6]:port or a whole rtmp:// or rtmps:// URL. Any number.',
  fields: {
    enable: toggle(true, {
      text: 'off takes back the same forward of a wider rule; without a target it takes back all of them.',
      reload: 'live',
    }),
    rewrite: text(
      '',
      {
        pattern: /^(rtmps?:\/\/[^\s<>"\\]+)?$/,
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

/** One forward as a rule has it. Which URL results for a stream is the relay's business. */
export interface ForwardRule {
  /** The element's text as written. */
  readonly target: string;
  readonly scheme: 'rtmp' | 'rtmps';
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
  'does not name a target such as 192.0.2.7, 192.0.2.7:1935 or rtmps://host/app';

/** Null when the target's text has none of the forms. */
export function parseForward(
  target: string,
  rewrite: string,
  appendsStream: boolean,
  where: string,
): ForwardRule | null {
  const url = /^(rtmps?):\/\/([^/\s]+)(\/[^\s<>"\\]*)?$/.exec(target);
  const address = splitHostPort(url === null ? target : url[2]!);
  if (address === null) return null;
  const common = { target, host: address.host, appendsStream, where };
  if (url === null) {
    const scheme = rewrite.startsWith('rtmps:') ? 'rtmps' : 'rtmp';
    return { ...common, scheme, port: address.port || RTMP_PORT, rewrite };
  }
  const scheme = url[1] === 'rtmps' ? 'rtmps' : 'rtmp';
  const hasPath = (url[3] ?? '/') !== '/';
  return {
    ...common,
    scheme,
    port: address.port || (scheme === 'rtmps' ? RTMPS_PORT : RTMP_PORT),
    rewrite: rewrite === '' && hasPath ? target : rewrite,
  };
}
