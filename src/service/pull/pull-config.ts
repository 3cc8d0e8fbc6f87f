/** `<source>` inside `<stream>` of policy.xml, and what a URL in `source=` of `<stream>` stands for: pulled streams. */
import { choice, duration, integer, section, text, toggle } from '../../config/setting.ts';

export const PULL_URL =
  /^(rtmps?|rtsps?|https?|wheps?|webrtc|srt|(udp|rtp|tcp|unix)(\+mpegts)?|rtsps?\+(tcp|udp|http|https)):\/\/[^\s<>"\\]{1,2000}$/i;

export const pullSection = section({
  name: 'source',
  text:
    'Inside <stream>: where the stream is pulled from. Several are tried in order of preference; while another one ' +
    'plays, a better one is looked for and taken when it is steady. In a name with *, $1 to $8 stand in the URL for ' +
    'what the stars fit, $app and $name for the parts of the name.',
  fields: {
    url: text(
      '',
      {
        pattern: new RegExp(`^$|${PULL_URL.source}`, 'i'),
        phrase: 'is no URL that can be pulled, such as rtsp://192.0.2.20/main or rtmp://host/live/cam',
        range:
          'rtmp, rtmps, rtsp, rtsps, http, https (.flv, .ts, .m3u8, /whep), whep, wheps, webrtc, udp, rtp, tcp or srt URL',
      },
      { text: 'User name and password may stand in it; they are never shown.', reload: 'live' },
    ),
    priority: integer(
      0,
      { min: 0, max: 1000 },
      { text: 'The lowest is preferred; of equal ones the first in the file.', reload: 'live' },
    ),
    transport: choice(['auto', 'tcp', 'udp', 'multicast'], 'auto', {
      text: 'How media of RTSP come; auto: over UDP, and over TCP where that does not arrive.',
      reload: 'live',
    }),
    verify: toggle(true, {
      text: 'Whether the certificate of rtmps, rtsps, https and wheps must be one that this machine trusts.',
      reload: 'live',
    }),
    connectMs: duration(
      '10s',
      { min: '500ms', max: '5m' },
      { xml: 'connect', text: 'Time until media must come; then the next is tried.', reload: 'live' },
    ),
    silenceMs: duration(
      '5s',
      { min: '500ms', max: '10m' },
      { xml: 'silence', text: 'A source that sends nothing for this long is left.', reload: 'live' },
    ),
  },
});

export interface PullSource {
  /** With variables, with credentials. */
  readonly url: string;
  readonly priority: number;
  readonly transport: 'auto' | 'tcp' | 'udp' | 'multicast';
  readonly verify: boolean;
  readonly connectMs: number;
  readonly silenceMs: number;
}

/** A pulled stream as a rule has it. */
export interface PullRule {
  /** `application/stream`; with `*` it is a pattern, and on demand. */
  readonly stream: string;
  /** The preferred one first; at least one. */
  readonly sources: readonly PullSource[];
  readonly onDemand: boolean;
  readonly startMs: number;
  readonly closeMs: number;
  readonly retryMs: number;
  readonly retryMaxMs: number;
  /** `conf/policy.xml:6:7`. */
  readonly where: string;
}

/** From values of the section, in any order. */
export function sortSources(sources: readonly PullSource[]): readonly PullSource[] {
  return Object.freeze([...sources].sort((a, b) => a.priority - b.priority));
}

/** Variables may stand behind the host only: a viewer must not choose which server is asked. */
export function hasVariableHost(url: string): boolean {
  const authority = url.slice(url.indexOf('://') + 3).split(/[/?#]/)[0]!;
  return /\$(\d|app|name)/.test(authority);
}
