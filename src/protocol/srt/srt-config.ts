/** `<srt>` of config.xml, and `<srt>` inside the rules of policy.xml. */
import {
  addressList,
  choice,
  duration,
  integer,
  list,
  port,
  section,
  text,
  toggle,
} from '../../config/setting.ts';
import type { StreamRole } from './stream-request.ts';

/** Empty, or application and stream. */
const NAME_OR_NONE = /^([^\s/<>"\\?#]+(\/[^\s/<>"\\?#]+)+)?$/;
/** libsrt takes none that is shorter or longer. */
const PASSPHRASE = {
  pattern: /^([^\p{Cc}]{10,79})?$/u,
  phrase: 'is not a passphrase of 10 to 79 characters',
  range: '10 to 79 characters, or empty',
};
const STREAM_PASSPHRASE = {
  pattern: /^(off|[^\p{Cc}]{10,79})?$/u,
  phrase: 'is neither off nor a passphrase of 10 to 79 characters',
  range: '10 to 79 characters, off, or empty',
};

/** A port of its own for one stream. */
export interface SrtListenAddress {
  /** '' = those of `ip`. */
  readonly host: string;
  readonly port: number;
  readonly stream: string;
  readonly role: StreamRole;
}

export const srtSection = section({
  name: 'srt',
  text: 'SRT: publish and play at srt://host:9000?streamid=publish:live/NAME and read:live/NAME.',
  fields: {
    enable: toggle(true, { text: 'Whether SRT is served at all.', reload: 'restart' }),
    ip: addressList({ text: 'Local addresses to listen on.', reload: 'restart' }),
    port: port(9000, { text: 'UDP port of all SRT connections.', reload: 'restart' }),
    defaultMode: choice(['play', 'publish'], 'play', {
      text: 'What a caller wants whose stream id names a stream and nothing else.',
      reload: 'new-sessions',
    }),
    defaultStream: text(
      '',
      {
        pattern: NAME_OR_NONE,
        phrase: 'is neither empty nor the name of a stream such as live/livestream',
        range: 'application/stream, or empty',
      },
      {
        text: 'Which stream a caller without a stream id means, in the mode above; empty = it is refused.',
        reload: 'new-sessions',
      },
    ),
    listen: list(
      parseListenAddress,
      'is not an address such as srt://:9001?stream=live/cam or srt://:9002?stream=live/cam;mode=play',
      {
        range: 'srt:// addresses with stream= and mode=publish (if none is given) or mode=play',
        text:
          'Further ports, each for one stream, for programs that send no stream id; the element may be repeated, or ' +
          'hold several addresses with blanks between them.',
        reload: 'restart',
      },
    ),
    // Not `passphrase`, which is the setting of streams.
    commonPassphrase: text('', PASSPHRASE, {
      xml: 'passphrase',
      text: 'Passphrase of every connection; <srt> in policy.xml may have others. Empty = not encrypted. It is never printed.',
      reload: 'new-sessions',
      secret: true,
    }),
    idle: duration(
      '5s',
      { min: '1s', max: '10m' },
      { text: 'A peer of which nothing comes for this long is gone.', reload: 'new-sessions' },
    ),
    maxBandwidth: integer(
      0,
      { min: 0, max: 10_000_000 },
      {
        text:
          'Most kbit/s that one player is sent, what is repeated and the burst of its start included; 0 = eight times ' +
          'the bitrate of its stream, and 20000 at least.',
        reload: 'new-sessions',
      },
    ),
  },
  streamDefaults: { latency: 'srt.latencyMs' },
  unused: { 'has-rtmp': 'what comes in by SRT always goes out by every other protocol too' },
});

/** Stream scope. */
export const srtLinkSection = section({
  name: 'srt',
  text: 'Connections of the stream over SRT.',
  fields: {
    latencyMs: duration(
      '120ms',
      { min: '0', max: '30s', bareUnitMs: 1 },
      {
        xml: 'latency',
        text:
          'Time for repeating what was lost, at least four times the round trip of a link that loses packets; the peer ' +
          'may ask for more. A number alone counts milliseconds.',
        reload: 'new-sessions',
      },
    ),
    passphrase: text('', STREAM_PASSPHRASE, {
      text: 'Passphrase of publishers and players; empty = that of config.xml, off = none. It is never printed.',
      reload: 'new-sessions',
      secret: true,
    }),
    publishPassphrase: text('', STREAM_PASSPHRASE, {
      text: 'Another one for publishers.',
      reload: 'new-sessions',
      secret: true,
    }),
    playPassphrase: text('', STREAM_PASSPHRASE, {
      text: 'Another one for players.',
      reload: 'new-sessions',
      secret: true,
    }),
  },
});

/** Null when the text is none, or names no port or stream. */
function parseListenAddress(given: string): SrtListenAddress | null {
  const match = /^srt:\/\/(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s/:?@[\]]*)):(\d{1,5})\/?\?(.*)$/i.exec(given);
  if (match === null || Number(match[3]) > 65_535) return null;
  const options = new URLSearchParams(match[4]!.replaceAll(';', '&'));
  const stream = (options.get('stream') ?? '').replace(/^\/+/, '');
  const role = options.get('mode') ?? 'publish';
  if (stream === '' || !NAME_OR_NONE.test(stream) || (role !== 'publish' && role !== 'play')) return null;
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]), stream, role };
}

/** The passphrase of a connection, '' = none. */
export function passphraseOf(
  role: StreamRole,
  server: { readonly commonPassphrase: string },
  stream: {
    readonly passphrase: string;
    readonly publishPassphrase: string;
    readonly playPassphrase: string;
  },
): string {
  const own = role === 'publish' ? stream.publishPassphrase : stream.playPassphrase;
  const chosen = own || stream.passphrase || server.commonPassphrase;
  return chosen === 'off' ? '' : chosen;
}
