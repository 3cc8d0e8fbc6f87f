/**
 * Requests and responses of RTSP 1.0 (RFC 2326 sections 4 to 7) as plain objects, and their bytes. Also carries the
 * requests that open an RTSP-over-HTTP tunnel, which differ in their version alone. Left out: RTSP 2.0.
 */

const RTSP_VERSION = 'RTSP/1.0';

/** Header fields in order; names compare without case, several fields of one name stay apart. */
export class RtspHeaders {
  readonly names: string[] = [];
  readonly values: string[] = [];

  static of(fields: Readonly<Record<string, string>>): RtspHeaders {
    const headers = new RtspHeaders();
    for (const [name, value] of Object.entries(fields)) headers.add(name, value);
    return headers;
  }

  get count(): number {
    return this.names.length;
  }

  /** The first of that name, else ''. */
  get(name: string): string {
    const at = this.indexOf(name);
    return at < 0 ? '' : this.values[at]!;
  }

  has(name: string): boolean {
    return this.indexOf(name) >= 0;
  }

  /** All of that name. */
  all(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.values.filter((_, i) => this.names[i]!.toLowerCase() === wanted);
  }

  add(name: string, value: string): this {
    this.names.push(name);
    this.values.push(value);
    return this;
  }

  /** Replaces all of that name by one. */
  set(name: string, value: string): this {
    const wanted = name.toLowerCase();
    for (let i = this.names.length - 1; i >= 0; i--) {
      if (this.names[i]!.toLowerCase() !== wanted) continue;
      this.names.splice(i, 1);
      this.values.splice(i, 1);
    }
    return this.add(name, value);
  }

  private indexOf(name: string): number {
    const wanted = name.toLowerCase();
    return this.names.findIndex((known) => known.toLowerCase() === wanted);
  }
}

export interface RtspRequest {
  readonly kind: 'request';
  /** Upper case, such as `DESCRIBE` or `GET_PARAMETER`. */
  readonly method: string;
  /** As it came: absolute, a path, or `*`. */
  readonly uri: string;
  /** `RTSP/1.0`; `HTTP/1.1` for a tunnel. */
  readonly version: string;
  readonly headers: RtspHeaders;
  readonly body: Uint8Array;
}

export interface RtspResponse {
  readonly kind: 'response';
  /** 100 to 999. */
  readonly status: number;
  readonly reason: string;
  readonly version: string;
  readonly headers: RtspHeaders;
  readonly body: Uint8Array;
}

export type RtspMessage = RtspRequest | RtspResponse;

/** RFC 2326 section 7.1.1; those that we say or meet. */
const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  413: 'Request Entity Too Large',
  414: 'Request-URI Too Long',
  415: 'Unsupported Media Type',
  451: 'Parameter Not Understood',
  453: 'Not Enough Bandwidth',
  454: 'Session Not Found',
  455: 'Method Not Valid In This State',
  457: 'Invalid Range',
  459: 'Aggregate Operation Not Allowed',
  460: 'Only Aggregate Operation Allowed',
  461: 'Unsupported Transport',
  462: 'Destination Unreachable',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  505: 'RTSP Version Not Supported',
  551: 'Option Not Supported',
};

export function reasonOf(status: number): string {
  return REASONS[status] ?? 'Unknown';
}

const NO_BODY = new Uint8Array(0);

export function rtspRequest(
  method: string,
  uri: string,
  headers: RtspHeaders,
  body: Uint8Array = NO_BODY,
): RtspRequest {
  return { kind: 'request', method, uri, version: RTSP_VERSION, headers, body };
}

export function rtspResponse(status: number, headers: RtspHeaders, body: Uint8Array = NO_BODY): RtspResponse {
  return { kind: 'response', status, reason: reasonOf(status), version: RTSP_VERSION, headers, body };
}

/** Content-Length is added for a body unless the headers hold it. */
export function serializeRtsp(message: RtspMessage): Buffer {
  const { version, headers, body } = message;
  let text =
    message.kind === 'request'
      ? `${clean(message.method)} ${clean(message.uri)} ${version}\r\n`
      : `${version} ${message.status} ${clean(message.reason)}\r\n`;
  for (let i = 0; i < headers.count; i++)
    text += `${clean(headers.names[i]!)}: ${clean(headers.values[i]!)}\r\n`;
  if (body.length > 0 && !headers.has('Content-Length')) text += `Content-Length: ${body.length}\r\n`;
  const head = Buffer.from(`${text}\r\n`, 'utf8');
  return body.length === 0 ? head : Buffer.concat([head, body]);
}

/** What a peer told us may go into a header again, but must not end it. */
function clean(text: string): string {
  return /[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]+/g, ' ') : text;
}
