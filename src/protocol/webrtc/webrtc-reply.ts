/** What a peer is told, in the shape that its address asks for. */
import type { ServerResponse } from 'node:http';
import { isGone } from '../../runtime/file-response.ts';
import { describeError } from '../../runtime/http-listener.ts';
import { HTTP_VIA_FIELD } from '../../runtime/stream-loop.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { FRAGMENT_TYPE, SDP_TYPE } from './media-types.ts';
import type { WebrtcShape } from './webrtc-address.ts';

const RETRY_SECONDS = '5';
const NOT_ACCEPTABLE = 406;
const UNAVAILABLE = 503;
const MAX_NOTES = 1024;

/** A refusal with its HTTP status; the message is a sentence for the peer. */
export class WebrtcRefusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

export interface WebrtcAnswer {
  readonly shape: WebrtcShape;
  /** The offer came as JSON. */
  readonly isJson: boolean;
  readonly sdp: string;
  readonly sessionId: string;
  readonly location: string;
  readonly etag: string;
  /** Values of Link headers. */
  readonly links: readonly string[];
  readonly notes: readonly string[];
  /** The way of the stream, for a player that is a Sluice server. */
  readonly via: readonly string[];
  /** Name of this run of the server. */
  readonly serverId: string;
}

export function sendAnswer(response: ServerResponse, answer: WebrtcAnswer): void {
  const { shape, sdp, sessionId, notes } = answer;
  const headers: Record<string, string | string[]> = {
    'Cache-Control': 'no-store',
    Location: answer.location,
    ETag: answer.etag,
    'Accept-Patch': FRAGMENT_TYPE,
  };
  if (answer.links.length > 0) headers['Link'] = [...answer.links];
  if (notes.length > 0) headers['X-Sluice-Notes'] = headerText(notes.join(' '));
  if (answer.via.length > 0) headers[HTTP_VIA_FIELD] = answer.via.join(',');
  if (shape === 'mediamtx') headers['ID'] = sessionId;
  const json = jsonAnswer(answer);
  if (json === null) {
    response.writeHead(201, { ...headers, 'Content-Type': SDP_TYPE });
    response.end(sdp);
    return;
  }
  response.writeHead(200, { ...headers, 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(json));
}

function jsonAnswer({ shape, isJson, sdp, sessionId, serverId, notes }: WebrtcAnswer): object | null {
  switch (shape) {
    case 'srs-json':
      return {
        code: 0,
        server: `vid-${serverId}`,
        service: serverId,
        pid: String(process.pid),
        sdp,
        sessionid: sessionId,
        notes,
      };
    case 'zlm-json':
      return { code: 0, id: sessionId, sdp, type: 'answer', notes };
    case 'go2rtc':
      return isJson ? { type: 'answer', sdp } : null;
    default:
      return null;
  }
}

export function sendOptions(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  links: readonly string[],
): void {
  response.writeHead(204, {
    ...headers,
    ...(links.length === 0 ? {} : { Link: [...links] }),
    'Access-Control-Allow-Methods': 'GET, POST, PATCH, DELETE, OPTIONS',
    // A star alone does not stand for Authorization (Fetch, section 3.3.2).
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, If-Match, *',
    'Access-Control-Max-Age': '86400',
  });
  response.end();
}

/** Codes of ZLMediaKit. */
const ZLM_CODES: Readonly<Record<number, number>> = { 400: -300, 403: -100, 500: -400 };

export function sendRefusal(
  response: ServerResponse,
  error: unknown,
  shape: WebrtcShape,
  serverId: string,
): void {
  if (isGone(response) || response.headersSent) return;
  const { status, text, headers } = describe(error);
  const all = { 'Cache-Control': 'no-store', ...headers };
  const json =
    shape === 'srs-json'
      ? { code: status, server: `vid-${serverId}`, msg: text }
      : shape === 'zlm-json'
        ? { code: ZLM_CODES[status] ?? -1, msg: text }
        : null;
  if (json === null) {
    response.writeHead(status, { ...all, 'Content-Type': 'text/plain; charset=utf-8' });
    response.end(`${text}\n`);
    return;
  }
  response.writeHead(status, { ...all, 'Content-Type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(json));
}

function describe(error: unknown): {
  status: number;
  text: string;
  headers: Readonly<Record<string, string>>;
} {
  if (error instanceof WebrtcRefusal)
    return { status: error.status, text: error.message, headers: error.headers };
  if (error instanceof ProtocolError) {
    const detail = error.message.slice(error.code.length).replace(/^: /, '') || error.code;
    return { status: 400, text: `The description cannot be used: ${detail}.`, headers: {} };
  }
  const { status, text } = describeError(error);
  if (error instanceof RejectedError && error.reason === 'unsupported')
    return { status: NOT_ACCEPTABLE, text, headers: {} };
  return { status, text, headers: status === UNAVAILABLE ? { 'Retry-After': RETRY_SECONDS } : {} };
}

/** What a header may hold. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, '?').slice(0, MAX_NOTES);
}
