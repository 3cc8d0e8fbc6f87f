/**
 * One GET with redirects: the answer's body as it comes, or a sentence that says why there is none. Bounded: redirects,
 * time until the answer, bytes of an error page that are read.
 */
import { type Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { type Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { describeFailure, failureCode } from './describe-failure.ts';
import type { PullOptions } from './pull.ts';

const MAX_REDIRECTS = 5;
const MAX_ERROR_PAGE_BYTES = 4096;
const MAX_SENTENCE_LENGTH = 300;
const ERROR_PAGE_MS = 2000;

export interface HttpGetHandlers {
  /** The body begins. `url` is the address behind redirects. */
  onAnswer(response: IncomingMessage, url: URL): void;
  /** Called once, and never after `onAnswer`. `status` is that of the answer; 0 = there was none. */
  onFailure(reason: string, status: number): void;
}

/** What one GET of many has in common with the others, and what it has alone. */
export interface HttpGetExtras {
  /** They keep connections open; without them every GET has a connection of its own. */
  readonly agents?: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly headers?: Readonly<Record<string, string>>;
}

export class HttpGet {
  private readonly handlers: HttpGetHandlers;
  private readonly options: PullOptions;
  private readonly extras: HttpGetExtras;
  private readonly timeout: { cancel(): void };
  private request: ReturnType<typeof requestHttp> | null = null;
  private redirects = 0;
  private isDone = false;

  constructor(url: URL, handlers: HttpGetHandlers, options: PullOptions, extras: HttpGetExtras = {}) {
    this.handlers = handlers;
    this.options = options;
    this.extras = extras;
    this.timeout = options.after(options.connectMs, () =>
      this.fail(`${this.request?.host ?? url.host} did not answer within ${options.connectMs / 1000} s`),
    );
    this.send(url);
  }

  private send(url: URL): void {
    const { options, extras } = this;
    const isSecure = url.protocol === 'https:';
    const send = isSecure ? requestHttps : requestHttp;
    const request = send(
      url,
      {
        agent: (isSecure ? extras.agents?.https : extras.agents?.http) ?? false,
        rejectUnauthorized: options.verifies,
        headers: { 'User-Agent': options.userAgent, Accept: '*/*', ...extras.headers },
      },
      (response) => this.onResponse(response, url),
    );
    this.request = request;
    request.on('error', (error) => {
      // One that was left for a redirect has nothing to say any more.
      if (request !== this.request) return;
      const port = Number(url.port) || (isSecure ? 443 : 80);
      this.fail(describeFailure(failureCode(error), url.hostname.replace(/^\[(.*)\]$/, '$1'), port));
    });
    request.end();
  }

  private onResponse(response: IncomingMessage, url: URL): void {
    if (this.isDone) {
      response.destroy();
      return;
    }
    const { statusCode = 0, headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      const left = this.request;
      this.redirect(headers.location, url);
      left?.destroy();
      return;
    }
    if (statusCode === 200 || statusCode === 206) {
      this.isDone = true;
      this.timeout.cancel();
      this.handlers.onAnswer(response, url);
      return;
    }
    this.readSentence(response, (sentence) => {
      const status = `${statusCode} ${response.statusMessage ?? ''}`.trim();
      this.fail(`${url.host} answers ${status}${sentence === '' ? '' : `: ${sentence}`}`, statusCode);
    });
  }

  private redirect(location: string, from: URL): void {
    let url: URL;
    try {
      url = new URL(location, from);
    } catch {
      this.fail(`${from.host} redirects to what is no address`);
      return;
    }
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      this.fail(`${from.host} redirects to ${url.protocol}//, which is not followed`);
    else if (++this.redirects > MAX_REDIRECTS)
      this.fail(`${from.host} redirects more than ${MAX_REDIRECTS} times`);
    else this.send(url);
  }

  /** What the server says about its refusal, in one line; '' when it says nothing that a person would read. */
  private readSentence(response: IncomingMessage, done: (sentence: string) => void): void {
    const parts: Buffer[] = [];
    let bytes = 0;
    let isOver = false;
    const finish = () => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      done(sentenceIn(Buffer.concat(parts).toString('utf8'), response.headers['content-type'] ?? ''));
      response.destroy();
    };
    const timer = this.options.after(ERROR_PAGE_MS, finish);
    response.on('data', (part: Buffer) => {
      parts.push(part.subarray(0, MAX_ERROR_PAGE_BYTES - bytes));
      bytes += part.length;
      if (bytes >= MAX_ERROR_PAGE_BYTES) finish();
    });
    response.on('end', finish);
    response.on('close', finish);
    response.on('error', finish);
  }

  private fail(reason: string, status = 0): void {
    if (this.isDone) return;
    this.close();
    this.handlers.onFailure(reason, status);
  }

  close(): void {
    this.isDone = true;
    this.timeout.cancel();
    this.request?.destroy();
  }
}

/** Plain text: its first line. JSON: the member that says it. Pages: nothing. */
export function sentenceIn(body: string, contentType: string): string {
  let text = '';
  if (/json/i.test(contentType)) {
    const match = /"(?:message|error|msg|reason|detail)"\s*:\s*("(?:[^"\\]|\\.){1,1000}")/.exec(body);
    text = match === null ? '' : readJsonString(match[1]!); // the pattern has one group
  } else if (/^text\/plain/i.test(contentType)) {
    text = body.trim().split('\n')[0] ?? '';
  }
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_SENTENCE_LENGTH);
}

/** '' for what is no string of JSON: pages are cut, and some servers write them by hand. */
function readJsonString(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return '';
  }
}
