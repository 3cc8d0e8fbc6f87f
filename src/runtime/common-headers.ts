/**
 * Headers that every answer carries. Over HTTP/1.1 they are joined when the head is written: a `setHeader` for each
 * costs a list more than everything else that is done for it.
 */
import {
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
  ServerResponse,
} from 'node:http';

export type CommonHeaders = Readonly<Record<string, string>>;
/** For the `ServerResponse` option of node:http. */
export type ResponseClass = typeof ServerResponse<IncomingMessage>;

const CORS = 'Access-Control-Allow-Origin';

export function commonHeaders(corsOrigin: string): CommonHeaders {
  if (corsOrigin === '') return { Server: 'Sluice' };
  return {
    Server: 'Sluice',
    [CORS]: corsOrigin,
    'Access-Control-Expose-Headers':
      'Location, Content-Length, Content-Range, ETag, Link, Accept-Patch, Accept-Post, Retry-After, X-Sluice-Start, X-Sluice-End, X-Sluice-Notes',
  };
}

/** Responses of HTTP/1.1 that write these headers with their own; own ones win. */
export function responseWith(common: CommonHeaders): ResponseClass {
  return class extends CommonResponse {
    override readonly common = common;
  };
}

/** Of an answer whose head somebody writes by hand: the origin that may read it, '' = not told. */
export function corsOriginOf(response: ServerResponse): string {
  const own = response instanceof CommonResponse ? response.common[CORS] : response.getHeader(CORS);
  return own === undefined ? '' : String(own);
}

type HeadersGiven = OutgoingHttpHeaders | OutgoingHttpHeader[];

class CommonResponse extends ServerResponse<IncomingMessage> {
  readonly common: CommonHeaders = {};

  override writeHead(status: number, reason?: string | HeadersGiven, given?: HeadersGiven): this {
    const hasReason = typeof reason === 'string';
    const own = hasReason ? given : reason;
    if (Array.isArray(own) || this.getHeaderNames().length > 0) {
      for (const name in this.common) if (!this.hasHeader(name)) this.setHeader(name, this.common[name]!); // of its own
      return hasReason ? super.writeHead(status, reason, own) : super.writeHead(status, own);
    }
    const all = { ...this.common, ...own };
    return hasReason ? super.writeHead(status, reason, all) : super.writeHead(status, all);
  }
}
