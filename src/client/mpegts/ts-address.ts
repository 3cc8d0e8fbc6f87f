/**
 * Addresses of transport streams outside of HTTP, as FFmpeg, VLC and MediaMTX write them:
 * `udp://host:port`, `udp://@239.1.1.1:1234?interface=eth0&source=192.0.2.1`, `rtp://…`, `udp+mpegts://…`,
 * `tcp://host:port`, `unix:///path`. Options are separated by `&`, or by `;` where `&` would have to be escaped.
 */
import { isIP } from 'node:net';

export interface TsAddress {
  readonly scheme: 'udp' | 'rtp' | 'tcp' | 'unix';
  /** Without brackets; '' = every address of this machine. A path for unix. */
  readonly host: string;
  /** -1 for unix, and where none was given; 0 = any free one. */
  readonly port: number;
  readonly isMulticast: boolean;
  /** Name or address of the network interface for multicast, or ''. */
  readonly networkInterface: string;
  /** The one sender of a multicast group that is wanted (RFC 4607), or ''. */
  readonly source: string;
  /** Multicast hops of what is sent; 0 = as the system has it (1). */
  readonly ttl: number;
  /** Where a received stream is published, or ''. */
  readonly stream: string;
}

const FORM =
  /^(udp|rtp|tcp)(?:\+mpegts)?:\/\/@?(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s/:?@[\]]*))(?::(\d{1,5}))?\/?(?:\?(.*))?$/i;
const UNIX_FORM = /^unix(?:\+mpegts)?:\/\/(\/[^?\0]+)(?:\?(.*))?$/i;
const MAX_TTL = 255;
const MAX_ADDRESS_LENGTH = 1024;

/** Null when the text has none of the forms. */
export function parseTsAddress(text: string): TsAddress | null {
  if (text.length > MAX_ADDRESS_LENGTH) return null;
  const unix = UNIX_FORM.exec(text);
  if (unix !== null)
    return { ...readOptions(unix[2] ?? ''), scheme: 'unix', host: unix[1]!, port: -1, isMulticast: false };
  const match = FORM.exec(text);
  if (match === null) return null;
  const port = Number(match[4] ?? -1);
  if (port > 65_535 || (match[2] !== undefined && isIP(match[2]) !== 6)) return null;
  const host = match[2] ?? match[3] ?? '';
  const scheme = match[1]!.toLowerCase() as 'udp' | 'rtp' | 'tcp';
  return { ...readOptions(match[5] ?? ''), scheme, host, port, isMulticast: isMulticastAddress(host) };
}

/** Options of other programs (pkt_size, fifo_size, ...) may stand there too; they mean nothing here. */
function readOptions(query: string) {
  const options = new URLSearchParams(query.replaceAll(';', '&'));
  const first = (...names: readonly string[]) =>
    names.map((name) => options.get(name) ?? '').find((value) => value !== '') ?? '';
  const ttl = Number(first('ttl'));
  return {
    networkInterface: first('interface', 'iface', 'localaddr'),
    source: first('source', 'sources'),
    ttl: Number.isInteger(ttl) && ttl > 0 && ttl <= MAX_TTL ? ttl : 0,
    stream: first('stream').replace(/^\/+/, ''),
  };
}

/** 224.0.0.0/4 and ff00::/8. */
export function isMulticastAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 6) return /^ff/i.test(address);
  const first = family === 4 ? Number(address.split('.')[0]) : 0;
  return first >= 224 && first <= 239;
}
