/**
 * RTSP inside HTTP, for peers behind proxies: Apple's "Tunnelling RTSP and RTP over HTTP". A GET carries what the
 * server says, as it is; a POST with the same x-sessioncookie carries what the client says, in base64. A client may end
 * the POST and open another. Here: what joins the two connections, and base64 that comes in pieces.
 */
import { ProtocolError } from '../../util/errors.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';

const MAX_COOKIE_LENGTH = 128;
/** GET connections that wait for their POST, or have it. */
const MAX_TUNNELS = 10_000;

/** What joins the two connections of a tunnel. Throws ProtocolError for HTTP that is none. */
export function tunnelCookie(request: RtspRequest): string {
  const cookie = request.headers.get('x-sessioncookie');
  if (cookie === '' || cookie.length > MAX_COOKIE_LENGTH || !/^(GET|POST)$/.test(request.method))
    throw new ProtocolError('rtsp.not-http', 'an HTTP request that is no tunnel on the port of RTSP');
  return cookie;
}

/** Answer to a GET: a body without end. */
export const TUNNEL_ANSWER = Buffer.from(
  'HTTP/1.0 200 OK\r\nServer: Sluice\r\nConnection: close\r\nCache-Control: no-store\r\nPragma: no-cache\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n',
);

/** Answer to HTTP that is no tunnel, or to a POST whose GET is not there. */
export function tunnelRefusal(status: string, text: string): Buffer {
  const body = Buffer.from(`${text}\n`);
  return Buffer.concat([
    Buffer.from(
      `HTTP/1.1 ${status}\r\nServer: Sluice\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  ]);
}

/** Sessions by the cookie of their tunnel. */
export class TunnelTable<T> {
  private readonly byCookie = new Map<string, T>();

  /** False when the cookie is taken or there are too many. */
  add(cookie: string, session: T): boolean {
    if (this.byCookie.has(cookie) || this.byCookie.size >= MAX_TUNNELS) return false;
    this.byCookie.set(cookie, session);
    return true;
  }

  find(cookie: string): T | undefined {
    return this.byCookie.get(cookie);
  }

  remove(cookie: string): void {
    this.byCookie.delete(cookie);
  }
}

const NOT_BASE64 = 255;
const VALUES = base64Values();

function base64Values(): Uint8Array {
  const values = new Uint8Array(256).fill(NOT_BASE64);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}

/**
 * Base64 in pieces. Every message of the peer may be padded for itself, so `=` may stand anywhere between groups;
 * blanks and line ends are skipped.
 */
export class Base64Pieces {
  private bits = 0;
  private digits = 0;

  /** Throws ProtocolError for what is not base64. The result is valid until it is dropped: memory of its own. */
  decode(bytes: Uint8Array): Buffer {
    const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4) + 3);
    let used = 0;
    for (let i = 0; i < bytes.length; i++) {
      const code = bytes[i]!;
      if (code === 0x3d) {
        used = this.pad(out, used);
        continue;
      }
      const value = VALUES[code]!;
      if (value === NOT_BASE64) {
        if (code === 0x0d || code === 0x0a || code === 0x20 || code === 0x09) continue;
        throw new ProtocolError('rtsp.tunnel', 'the body of the POST is not base64');
      }
      this.bits = (this.bits << 6) | value;
      if (++this.digits < 4) continue;
      out[used] = this.bits >> 16;
      out[used + 1] = this.bits >> 8;
      out[used + 2] = this.bits;
      used += 3;
      this.bits = this.digits = 0;
    }
    return out.subarray(0, used);
  }

  /** The first `=` of a group ends it; a second finds nothing left. */
  private pad(out: Buffer, used: number): number {
    const { bits, digits } = this;
    this.bits = this.digits = 0;
    if (digits === 2) {
      out[used] = bits >> 4;
      return used + 1;
    }
    if (digits !== 3) return used;
    out[used] = bits >> 10;
    out[used + 1] = bits >> 2;
    return used + 2;
  }
}
