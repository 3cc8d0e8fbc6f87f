/**
 * Playlists, segments and keys over HTTP: whole bodies within bounds, parts of them by range, connections kept open
 * between two requests (RFC 9110 section 14, RFC 9112 section 9.3). Left out: cookies, HTTP/2, compression.
 */
import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { ByteRange } from '../../wire/hls/playlist-reader.ts';
import { describeFailure, failureCode } from '../describe-failure.ts';
import { HttpGet } from '../http-get.ts';
import type { PullOptions } from '../pull.ts';
import { SilenceGuard } from '../silence-guard.ts';

/** Connections to one host: of each of two low-latency lists, itself, a part that is waited for, and what else there is. */
const MAX_SOCKETS = 8;
/** However slowly it comes. */
const MAX_BODY_MS = 120_000;

export interface HlsAnswer {
  readonly bytes: Buffer;
  /** Address behind redirects. */
  readonly url: URL;
}

/** The message is a sentence that begins in lower case. */
export class HlsFetchError extends Error {
  /** Of the answer; 0 = there was none. */
  readonly status: number;

  constructor(reason: string, status = 0) {
    super(reason);
    this.name = 'HlsFetchError';
    this.status = status;
  }
}

export interface HlsSource {
  readonly bytesReceived: number;
  /** Rejects with HlsFetchError; never settles after `close`. */
  fetch(url: URL, range: ByteRange | null, maxBytes: number): Promise<HlsAnswer>;
  close(): void;
}

export class HttpHlsSource implements HlsSource {
  bytesReceived = 0;
  private readonly options: PullOptions;
  private readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  private readonly active = new Set<BodyFetch>();
  private isClosed = false;

  constructor(options: PullOptions) {
    this.options = options;
    const settings = { keepAlive: true, maxSockets: MAX_SOCKETS, maxFreeSockets: MAX_SOCKETS };
    this.agents = { http: new HttpAgent(settings), https: new HttpsAgent(settings) };
  }

  fetch(url: URL, range: ByteRange | null, maxBytes: number): Promise<HlsAnswer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return;
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        reject(new HlsFetchError(`the list names ${url.protocol} addresses, which are not followed`));
        return;
      }
      if (range !== null && range.length > maxBytes) {
        reject(new HlsFetchError(`the list names a part of ${range.length} bytes, which is too much`));
        return;
      }
      const fetch = new BodyFetch(url, range, maxBytes, this.options, this.agents, {
        onBytes: (count) => {
          this.bytesReceived += count;
        },
        onDone: (result) => {
          this.active.delete(fetch);
          if (result instanceof HlsFetchError) reject(result);
          else resolve(result);
        },
      });
      this.active.add(fetch);
    });
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const fetch of this.active) fetch.close();
    this.active.clear();
    this.agents.http.destroy();
    this.agents.https.destroy();
  }
}

interface BodyHandlers {
  onBytes(count: number): void;
  /** Called once, unless `close` was called before; never from within the constructor. */
  onDone(result: HlsAnswer | HlsFetchError): void;
}

class BodyFetch {
  private readonly range: ByteRange | null;
  private readonly maxBytes: number;
  private readonly handlers: BodyHandlers;
  private readonly get: HttpGet;
  private readonly silence: SilenceGuard;
  private readonly limit: { cancel(): void };
  private parts: Buffer[] = [];
  private bytes = 0;
  /** Still to be left out before the range begins, where the server does not know ranges. */
  private toSkip = 0;
  private isDone = false;

  constructor(
    url: URL,
    range: ByteRange | null,
    maxBytes: number,
    options: PullOptions,
    agents: { readonly http: HttpAgent; readonly https: HttpsAgent },
    handlers: BodyHandlers,
  ) {
    this.range = range;
    this.maxBytes = maxBytes;
    this.handlers = handlers;
    this.silence = new SilenceGuard(options, () =>
      this.fail(`${url.hostname} has sent nothing for ${options.silenceMs / 1000} s`),
    );
    this.limit = options.after(options.connectMs + MAX_BODY_MS, () =>
      this.fail(`${url.hostname} takes more than ${MAX_BODY_MS / 1000} s for one piece`),
    );
    const headers: Record<string, string> = {};
    if (range !== null) headers['Range'] = `bytes=${range.offset}-${range.offset + range.length - 1}`;
    this.get = new HttpGet(
      url,
      {
        onAnswer: (response, from) => this.onAnswer(response, from),
        onFailure: (reason, status) => this.fail(reason, status),
      },
      options,
      { agents, headers },
    );
  }

  private onAnswer(response: IncomingMessage, url: URL): void {
    if (this.range !== null && response.statusCode === 200) this.toSkip = this.range.offset;
    this.silence.begin();
    const host = url.hostname;
    response.on('data', (bytes: Buffer) => this.take(bytes, url));
    response.on('end', () => {
      if (!response.complete) this.fail(`${host} ended in the middle of a piece`);
      else this.finish(url);
    });
    response.on('error', (error) =>
      this.fail(
        describeFailure(failureCode(error), host, Number(url.port) || (url.protocol === 'https:' ? 443 : 80)),
      ),
    );
  }

  private take(received: Buffer, url: URL): void {
    if (this.isDone) return;
    this.handlers.onBytes(received.length);
    this.silence.heard();
    let bytes = received;
    if (this.toSkip > 0) {
      const skipped = Math.min(this.toSkip, bytes.length);
      this.toSkip -= skipped;
      bytes = bytes.subarray(skipped);
    }
    const wanted = this.range === null ? this.maxBytes : this.range.length;
    if (this.bytes + bytes.length > wanted) {
      if (this.range === null) {
        this.fail(`${url.hostname} sends a piece of more than ${this.maxBytes} bytes`);
        return;
      }
      bytes = bytes.subarray(0, wanted - this.bytes);
    }
    if (bytes.length > 0) this.parts.push(bytes);
    this.bytes += bytes.length;
    // A server that sends more than the range: the rest is nothing to wait for.
    if (this.range !== null && this.bytes === wanted && this.toSkip === 0 && bytes.length < received.length) {
      this.finish(url);
      this.get.close();
    }
  }

  private finish(url: URL): void {
    if (this.isDone) return;
    if (this.range !== null && this.bytes < this.range.length) {
      this.fail(`${url.hostname} has ${this.bytes} of ${this.range.length} bytes of a piece`);
      return;
    }
    this.stop();
    this.handlers.onDone({ bytes: Buffer.concat(this.parts), url });
  }

  private fail(reason: string, status = 0): void {
    if (this.isDone) return;
    this.close();
    this.handlers.onDone(new HlsFetchError(reason, status));
  }

  private stop(): void {
    this.isDone = true;
    this.silence.stop();
    this.limit.cancel();
  }

  close(): void {
    if (this.isDone) return;
    this.stop();
    this.parts = [];
    this.get.close();
  }
}
