/**
 * A stream over HTTP: FLV, MPEG-TS or fragmented MP4 as one body without end (or a file), or an HLS playlist, with which
 * `hls/hls-pull.ts` goes on. The first bytes say which.
 */
import type { IncomingMessage } from 'node:http';
import { FlvIngest } from '../packaging/flv-ingest.ts';
import { Fmp4Ingest } from '../packaging/fmp4-ingest.ts';
import { TsIngest } from '../packaging/ts-ingest.ts';
import { HTTP_VIA_FIELD, parseVia } from '../runtime/stream-loop.ts';
import { ProtocolError, RejectedError } from '../util/errors.ts';
import { FlvTagReader } from '../wire/flv/tag-reader.ts';
import { TsReader } from '../wire/mpegts/ts-reader.ts';
import { describeFailure, failureCode } from './describe-failure.ts';
import { HlsPull } from './hls/hls-pull.ts';
import { MAX_PLAYLIST_BYTES } from './hls/hls-rendition.ts';
import { HttpGet } from './http-get.ts';
import type { Pull, PullEnd, PullHandlers, PullOptions } from './pull.ts';
import { PulledFrames } from './pulled-frames.ts';
import { SilenceGuard } from './silence-guard.ts';

/** Enough to know every format. */
const SNIFF_BYTES = 8;
/** First of every packet of a transport stream. */
const TS_SYNC_BYTE = 0x47;
/** Boxes that a stream of MP4 begins with. */
const MP4_TYPES: ReadonlySet<string> = new Set(['ftyp', 'styp', 'moov', 'moof', 'prft', 'sidx', 'emsg']);
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';
const MAX_URL_LENGTH = 4096;

interface BodyReader {
  /** Throws ProtocolError. */
  receive(bytes: Buffer): void;
  /** The body is over; whether it may end here. */
  finish(): boolean;
}

/** A playlist is read when it is complete. */
class PlaylistBody implements BodyReader {
  private readonly parts: Buffer[] = [];
  private bytes = 0;

  receive(bytes: Buffer): void {
    this.bytes += bytes.length;
    if (this.bytes > MAX_PLAYLIST_BYTES) throw new ProtocolError('hls.too-long', `${this.bytes} bytes`);
    this.parts.push(bytes);
  }

  finish(): boolean {
    return true;
  }

  text(): string {
    return Buffer.concat(this.parts).toString('utf8');
  }
}

export class HttpPull implements Pull {
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly get: HttpGet;
  private readonly silence: SilenceGuard;
  private response: IncomingMessage | null = null;
  private host = '';
  private port = 0;
  private received = 0;
  private address: URL;
  /** What goes on behind a playlist. */
  private hls: HlsPull | null = null;
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
    this.address = parseUrl(text);
    this.get = new HttpGet(
      this.address,
      {
        onAnswer: (response, url) => this.onAnswer(response, url),
        onFailure: (reason) => this.end('failed', reason),
      },
      options,
      options.via === undefined ? {} : { headers: { [HTTP_VIA_FIELD]: options.via.join(',') } },
    );
  }

  get bytesReceived(): number {
    return this.received + (this.hls?.bytesReceived ?? 0);
  }

  private onAnswer(response: IncomingMessage, url: URL): void {
    this.response = response;
    this.address = url;
    this.host = url.hostname;
    const via = response.headers[HTTP_VIA_FIELD.toLowerCase()];
    if (via !== undefined) this.handlers.onVia?.(parseVia(String(via)));
    if (this.isEnded) return;
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
    this.received += bytes.length;
    this.silence.heard();
    try {
      if (this.reader !== null) this.reader.receive(bytes);
      else this.sniff(bytes);
    } catch (error) {
      this.onUnreadable(error);
    }
  }

  private onUnreadable(error: unknown): void {
    if (error instanceof RejectedError) {
      this.end('failed', error.message);
      return;
    }
    if (!(error instanceof ProtocolError)) this.options.onFault(error);
    this.end('broken', `what ${this.host} sends cannot be read: ${(error as Error).message}`);
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
    try {
      if (this.reader instanceof PlaylistBody) this.follow(this.reader.text());
      else if (this.reader === null) this.end('failed', `${this.host} sends an empty answer`);
      else if (this.reader.finish()) this.end('over', `${this.host} ended the stream`);
      else this.end('broken', `${this.host} ended in the middle of a frame`);
    } catch (error) {
      this.onUnreadable(error);
    }
  }

  private follow(text: string): void {
    this.silence.stop();
    this.response = null;
    this.hls = new HlsPull({ text, url: this.address }, this.handlers, this.options);
    if (this.isPaused) this.hls.pause();
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
    this.hls?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.hls?.resume();
    if (this.response === null) return;
    this.response.resume();
    this.silence.begin();
  }

  close(): void {
    this.isEnded = true;
    this.silence.stop();
    this.get.close();
    this.hls?.close();
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
  if (MP4_TYPES.has(first.toString('latin1', 4, 8))) {
    const ingest = new Fmp4Ingest(output);
    return { receive: (bytes) => ingest.push(bytes), finish: () => ingest.finish() };
  }
  if (first.toString('latin1').replace(BYTE_ORDER_MARK, '').startsWith('#EXT')) return new PlaylistBody();
  throw new RejectedError(
    'unsupported',
    'what comes from there is none of FLV, MPEG-TS, fragmented MP4 and HLS',
  );
}
