/**
 * What can be reached where: the listening ports of every protocol, and the addresses to show to people. Protocols
 * add themselves; banner, pages and API print from here.
 */
import { networkInterfaces } from 'node:os';

/** How the address of a stream is written for one way in or out. */
export interface Endpoint {
  /** `rtmp`, `rtmps`, `http-flv`, `https-flv`, `ws-flv`, `wss-flv`, `http-hls`, ... */
  readonly type: string;
  readonly direction: 'publish' | 'play' | 'both';
  readonly scheme: string;
  readonly port: number;
  /** Left out of the URL when it is this. */
  readonly defaultPort: number;
  /** What stands in front of `app/stream`; `/` when it is not set. */
  readonly prefix?: string;
  /** What follows the stream's name, for example `.flv`. */
  readonly suffix: string;
  /** Public `host[:port]` of the nat element, or ''. */
  readonly publicAddress: string;
  /** What stands for `/app/stream` where a port has one stream only: ''. */
  readonly path?: string;
}

export class EndpointList {
  private readonly list: Endpoint[] = [];

  add(endpoint: Endpoint): void {
    this.list.push(endpoint);
  }

  all(): readonly Endpoint[] {
    return this.list;
  }

  /** `scheme://host[:port]` as a person outside should type it; `host` is used when there is no public address. */
  base(endpoint: Endpoint, host: string): string {
    if (endpoint.publicAddress !== '') return `${endpoint.scheme}://${endpoint.publicAddress}`;
    const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    const port = endpoint.port === endpoint.defaultPort ? '' : `:${endpoint.port}`;
    return `${endpoint.scheme}://${bracketed}${port}`;
  }

  /** URLs of a stream for every way to play it, in the order in which the protocols were added. */
  playUrls(host: string, app: string, name: string): { type: string; url: string }[] {
    const path = `${encodePath(app)}/${encodePath(name)}`;
    return this.list
      .filter((endpoint) => endpoint.direction !== 'publish')
      .map((endpoint) => ({
        type: endpoint.type,
        url: this.base(endpoint, host) + (endpoint.prefix ?? '/') + path + endpoint.suffix,
      }));
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** Addresses of this machine that others can use: IPv4 first, private networks before the rest, no loopback. */
export function lanAddresses(): string[] {
  const found: { address: string; rank: number }[] = [];
  for (const list of Object.values(networkInterfaces())) {
    for (const one of list ?? []) {
      if (one.internal || one.address.startsWith('fe80')) continue;
      const isPrivate = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(one.address);
      found.push({ address: one.address, rank: one.family === 'IPv4' ? (isPrivate ? 0 : 1) : 2 });
    }
  }
  found.sort((a, b) => a.rank - b.rank);
  return found.map((one) => one.address);
}
