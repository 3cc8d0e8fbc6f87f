/**
 * The signalling of a call: POST of the offer, the answer and the address of the session (RFC 9725 section 4.2, the same
 * for WHEP), DELETE at the end. Redirects are followed with the offer. Bounded: redirects, bytes, time (the caller's).
 * Left out: candidates that are sent later, ICE servers of Link fields (both sides have addresses of their own here).
 */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { describeFailure, failureCode } from '../describe-failure.ts';
import { sentenceIn } from '../http-get.ts';
import type { CallAddress, CallRole } from './call-address.ts';

const MAX_REDIRECTS = 5;
const MAX_BODY_BYTES = 128 * 1024;
/** Of an answer that refuses, as far as it is read for its sentence. */
const MAX_REFUSAL_BYTES = 4096;
const DELETE_MS = 5000;
const REDIRECTS: readonly number[] = [301, 302, 307, 308];

export interface WhipHandlers {
  /** `resource`: where the session ends by DELETE; null = the server does not say. */
  onAnswer(sdp: string, resource: URL | null, headers: IncomingHttpHeaders): void;
  /** Called once, and never after `onAnswer`. */
  onFailure(reason: string): void;
}

export interface WhipOptions {
  readonly role: CallRole;
  readonly userAgent: string;
  readonly verifies: boolean;
  /** Further fields of the POST. */
  readonly fields: Readonly<Record<string, string>>;
}

export class WhipExchange {
  private readonly options: WhipOptions;
  private readonly offer: string;
  private readonly handlers: WhipHandlers;
  private request: ReturnType<typeof requestHttp> | null = null;
  private authorization: string;
  private redirects = 0;
  private isDone = false;

  constructor(address: CallAddress, offer: string, handlers: WhipHandlers, options: WhipOptions) {
    this.options = options;
    this.offer = offer;
    this.handlers = handlers;
    this.authorization = address.authorization;
    this.post(address.url);
  }

  private post(url: URL): void {
    const { options, offer, authorization } = this;
    const request = send(url, 'POST', authorization, options, {
      ...options.fields,
      Accept: 'application/sdp',
      'Content-Type': 'application/sdp',
      'Content-Length': String(Buffer.byteLength(offer)),
    });
    this.request = request;
    request.on('response', (response) => this.onResponse(response, url));
    request.on('error', (error) => {
      // One that was left for a redirect has nothing to say any more.
      if (request === this.request) this.fail(describeFailure(failureCode(error), hostOf(url), portOf(url)));
    });
    request.end(offer);
  }

  private onResponse(response: IncomingMessage, url: URL): void {
    const { statusCode = 0, headers } = response;
    if (REDIRECTS.includes(statusCode) && headers.location !== undefined) {
      const left = this.request;
      this.redirect(headers.location, url);
      left?.destroy();
      return;
    }
    const isTaken = statusCode === 201 || statusCode === 200;
    readBody(response, isTaken ? MAX_BODY_BYTES : MAX_REFUSAL_BYTES, (body, isWhole) => {
      if (this.isDone) return;
      if (isTaken) this.take(body, isWhole, response, url);
      else this.fail(refusal(statusCode, response, body, url, this.options.role, this.authorization));
    });
  }

  private take(body: string, isWhole: boolean, { headers }: IncomingMessage, url: URL): void {
    if (!isWhole) {
      this.fail(
        `${url.host} broke off in the middle of its answer, or it is longer than ${MAX_BODY_BYTES} bytes`,
      );
      return;
    }
    if (!/^\s*v=0\s/.test(body)) {
      const sentence = sentenceIn(body, headers['content-type'] ?? '');
      this.fail(`${url.host} answers with no session description${sentence === '' ? '' : `: ${sentence}`}`);
      return;
    }
    const resource = headers.location === undefined ? null : urlFrom(headers.location, url);
    this.isDone = true;
    // A name and a password are for the server that they were given for.
    this.handlers.onAnswer(body, resource?.host === url.host ? resource : null, headers);
  }

  private redirect(location: string, from: URL): void {
    const url = urlFrom(location, from);
    if (url === null) {
      this.fail(`${from.host} redirects to what is no address of HTTP`);
      return;
    }
    if (++this.redirects > MAX_REDIRECTS) {
      this.fail(`${from.host} redirects more than ${MAX_REDIRECTS} times`);
      return;
    }
    // A token does not go to others, nor from TLS to plain text.
    const isSameServer = url.hostname === from.hostname && (url.protocol === from.protocol || isSecure(url));
    if (!isSameServer) this.authorization = '';
    this.post(url);
  }

  /** Ends the session at the server; nobody waits for it. */
  delete(resource: URL): void {
    const request = send(resource, 'DELETE', this.authorization, this.options, {});
    request.setTimeout(DELETE_MS, () => request.destroy());
    request.on('response', (response) => response.resume());
    // Whoever cannot be reached knows no session of ours any more, soon.
    request.on('error', () => undefined);
    request.end();
  }

  private fail(reason: string): void {
    if (this.isDone) return;
    this.close();
    this.handlers.onFailure(reason);
  }

  /** Nothing is told any more. Idempotent. */
  close(): void {
    this.isDone = true;
    this.request?.destroy();
    this.request = null;
  }
}

function send(
  url: URL,
  method: string,
  authorization: string,
  { userAgent, verifies }: WhipOptions,
  fields: Readonly<Record<string, string>>,
): ReturnType<typeof requestHttp> {
  return (isSecure(url) ? requestHttps : requestHttp)(url, {
    method,
    agent: false,
    rejectUnauthorized: verifies,
    headers: {
      'User-Agent': userAgent,
      ...(authorization === '' ? {} : { Authorization: authorization }),
      ...fields,
    },
  });
}

/** `isWhole`: it ended properly within the limit. */
function readBody(
  response: IncomingMessage,
  limit: number,
  done: (body: string, isWhole: boolean) => void,
): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  let isOver = false;
  const finish = (isWhole: boolean) => {
    if (isOver) return;
    isOver = true;
    done(Buffer.concat(parts).toString('utf8'), isWhole);
    response.destroy();
  };
  response.on('data', (part: Buffer) => {
    parts.push(part.subarray(0, limit - bytes));
    bytes += part.length;
    if (bytes > limit) finish(false);
  });
  response.on('end', () => finish(response.complete));
  response.on('close', () => finish(false));
  response.on('error', () => finish(false));
}

/** Begins in lower case, as a reason does. */
function refusal(
  status: number,
  response: IncomingMessage,
  body: string,
  url: URL,
  role: CallRole,
  authorization: string,
): string {
  const told = sentenceIn(body, response.headers['content-type'] ?? '');
  const because = told === '' ? '' : `: ${told}`;
  const { host } = url;
  switch (status) {
    case 401: {
      const given = authorization.startsWith('Basic') ? 'this name and password' : 'this token';
      const what = authorization === '' ? 'asks for a token or a password' : `does not take ${given}`;
      return `${host} ${what} (401)${because}`;
    }
    case 403:
      return `${host} does not allow it (403)${because}`;
    case 404:
      return role === 'play'
        ? `nobody publishes there, says ${host} (404)${because}`
        : `${host} has nothing at this address (404)${because}`;
    case 406:
      return `${host} takes nothing of what is offered (406)${because}`;
    default:
      return `${host} answers ${`${status} ${response.statusMessage ?? ''}`.trim()}${because}`;
  }
}

function urlFrom(location: string, base: URL): URL | null {
  try {
    const url = new URL(location, base);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url : null;
  } catch {
    return null;
  }
}

function isSecure(url: URL): boolean {
  return url.protocol === 'https:';
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function portOf(url: URL): number {
  return Number(url.port) || (isSecure(url) ? 443 : 80);
}
