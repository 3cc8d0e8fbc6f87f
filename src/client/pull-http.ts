/** A stream over HTTP: FLV or MPEG-TS as one body without end (or a file); its first bytes say which. */
import type { IncomingMessage } from 'node:http';
import { FlvIngest } from '../packaging/flv-ingest.ts';
import { TsIngest } from '../packaging/ts-ingest.ts';
import { ProtocolError, RejectedError } from '../util/errors.ts';
import { FlvTagReader } from '../wire/flv/tag-reader.ts';
import { TsReader } from '../wire/mpegts/ts-reader.ts';
import { describeFailure, failureCode } from './describe-failure.ts';
import { HttpGet } from './http-get.ts';
import type { Pull, PullEnd, PullHandlers, PullOptions } from './pull.ts';
import { PulledFrames } from './pulled-frames.ts';
import { SilenceGuard } from './silence-guard.ts';

/** Enough to know every format. */
const SNIFF_BYTES = 8;
/** First of every packet of a transport stream. */
const TS_SYNC_BYTE = 0x47;
const MAX_URL_LENGTH = 4096;

interface BodyReader {
  /** Throws ProtocolError. */
  receive(bytes: Uint8Array): void;
  /** The body is over; whether it may end here. */
  finish(): boolean;
}

export class HttpPull implements Pull {
  bytesReceived = 0;
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly get: HttpGet;
  private readonly silence: SilenceGuard;
  private response: IncomingMessage | null = null;
  private host = '';
  private port = 0;
  private first: Buffer = Buffer.alloc(0);
  private reader: BodyReader | null = null;
  private isPaused = false;
  private isEnded = false;

  constructor(text: string, handlers: PullHandlers, options: PullOptions) {
    this.handlers = handlers;
    this.options = options;
    this.silence = new SilenceGuard(options, () =>
      this.end(
        this.reader === null ? 'failed' : 'broken',
        `${this.host} has sent nothing for ${options.silenceMs / 1000} s`,
      ),
    );
    this.get = new HttpGet(
      parseUrl(text),
      {
        onAnswer: (response, url) => this.onAnswer(response, url),
        onFailure: (reason) => this.end('failed', reason),
      },
      options,
    );
  }

  private onAnswer(response: IncomingMessage, url: URL): void {
    this.response = response;
    this.host = url.hostname;
    this.port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    response.on('data', (bytes: Buffer) => this.receive(bytes));
    response.on('end', () => this.onBodyEnd());
    response.on('error', (error) =>
      this.end(
        this.reader === null ? 'failed' : 'broken',
        describeFailure(failureCode(error), this.host, this.port),
      ),
    );
    if (this.isPaused) response.pause();
    else this.silence.begin();
  }

  private receive(bytes: Buffer): void {
    if (this.isEnded) return;
    this.bytesReceived += bytes.length;
    this.silence.heard();
    try {
      if (this.reader !== null) this.reader.receive(bytes);
      else this.sniff(bytes);
    } catch (error) {
      if (error instanceof RejectedError) {
        this.end('failed', error.message);
        return;
      }
      if (!(error instanceof ProtocolError)) this.options.onFault(error);
      this.end('broken', `what ${this.host} sends cannot be read: ${(error as Error).message}`);
    }
  }

  private sniff(bytes: Buffer): void {
    this.first = Buffer.concat([this.first, bytes]);
    if (this.first.length < SNIFF_BYTES) return;
    const { first } = this;
    this.first = Buffer.alloc(0);
    this.reader = openReader(first, new PulledFrames(this.handlers, this.options.nowUs));
    this.reader.receive(first);
  }

  private onBodyEnd(): void {
    if (this.isEnded) return;
    if (this.reader === null) this.end('failed', `${this.host} sends an empty answer`);
    else if (this.reader.finish()) this.end('over', `${this.host} ended the stream`);
    else this.end('broken', `${this.host} ended in the middle of a frame`);
  }

  private end(kind: PullEnd['kind'], reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd({ kind, reason });
  }

  pause(): void {
    this.isPaused = true;
    this.silence.stop();
    this.response?.pause();
  }

  resume(): void {
    this.isPaused = false;
    if (this.response === null) return;
    this.response.resume();
    this.silence.begin();
  }

  close(): void {
    this.isEnded = true;
    this.silence.stop();
    this.get.close();
  }
}

function parseUrl(text: string): URL {
  if (text.length > MAX_URL_LENGTH)
    throw new RejectedError('bad-request', `The address is longer than ${MAX_URL_LENGTH} characters.`);
  try {
    return new URL(text);
  } catch {
    throw new RejectedError('bad-request', `"${text}" is no URL.`);
  }
}

function openReader(first: Buffer, output: PulledFrames): BodyReader {
  if (first.toString('latin1', 0, 3) === 'FLV') {
    const ingest = new FlvIngest(output);
    const reader = new FlvTagReader((type, timestampMs, body) => ingest.tag(type, timestampMs, body));
    return { receive: (bytes) => reader.receive(bytes), finish: () => reader.isComplete };
  }
  if (first[0] === TS_SYNC_BYTE) {
    const reader = new TsReader(new TsIngest(output));
    return {
      receive: (bytes) => reader.push(bytes),
      finish: () => {
        reader.finish();
        return true;
      },
    };
  }
  if (first.toString('latin1', 0, 4) === '#EXT')
    throw new RejectedError(
      'unsupported',
      "this is an HLS list, which cannot be pulled; use the stream's .flv or .ts address",
    );
  throw new RejectedError('unsupported', 'what comes from there is neither FLV nor MPEG-TS');
}
