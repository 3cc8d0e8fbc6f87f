/** `<mpegts>` of config.xml: transport streams over UDP and TCP. */
import { parseTsAddress, type TsAddress } from '../../client/mpegts/ts-address.ts';
import { addressList, list, port, section, text } from '../../config/setting.ts';

const NAME = {
  pattern: /^[^\s/<>"\\?#]+(\/[^\s/<>"\\?#]+)+$/,
  phrase: 'is not the name of a stream such as live/livestream',
  range: 'application/stream',
};

export const mpegtsSection = section({
  name: 'mpegts',
  text: 'MPEG-TS that encoders send over UDP (plain or in RTP) or TCP. Each port is one stream.',
  fields: {
    ip: addressList({ text: 'Local addresses of port and tcp-port.', reload: 'restart' }),
    port: port(-1, { text: 'UDP port. SRS has 8935.', reload: 'restart' }),
    tcpPort: port(-1, {
      text: 'TCP port; what connects there sends MPEG-TS, FLV or fragmented MP4. crtmpserver has 9999.',
      reload: 'restart',
    }),
    stream: text('live/livestream', NAME, {
      text: 'Under which name it is published what comes to port and to tcp-port.',
      reload: 'restart',
    }),
    listen: list(
      parseListenAddress,
      'is not an address such as udp://:9000?stream=live/cam or udp://@239.1.1.1:1234?interface=eth0;stream=live/cam',
      {
        range:
          'udp:// or tcp:// addresses with stream=, for a group also interface= and source=, separated by ; or &amp;',
        text:
          'Further ports and multicast groups, each with the stream that comes there; the element may be repeated, ' +
          'or hold several addresses with blanks between them.',
        reload: 'restart',
      },
    ),
  },
});

/** An address to listen on; null when the text is none, or names no stream or port. */
function parseListenAddress(given: string): TsAddress | null {
  const address = parseTsAddress(given);
  if (address === null || address.scheme === 'unix' || address.port < 0) return null;
  return NAME.pattern.test(address.stream) ? address : null;
}
