/** A stream played from an RTMP or RTMPS server. */
import { FlvIngest } from '../packaging/flv-ingest.ts';
import { parseVia } from '../runtime/stream-loop.ts';
import {
  MESSAGE_AUDIO,
  MESSAGE_DATA_AMF0,
  MESSAGE_DATA_AMF3,
  MESSAGE_VIDEO,
  type RtmpMessage,
} from '../wire/rtmp/message.ts';
import { parseRtmpUrl, type RtmpUrl } from '../wire/rtmp/rtmp-url.ts';
import { describeFailure } from './describe-failure.ts';
import type { Pull, PullEnd, PullHandlers, PullOptions } from './pull.ts';
import { PulledFrames } from './pulled-frames.ts';
import { RtmpClient, type RtmpClientEnd } from './rtmp/rtmp-client.ts';
import { SilenceGuard } from './silence-guard.ts';

/** A key frame of any real encoder fits several times. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
const MAX_CHUNK_STREAMS = 64;
const CHUNK_SIZE = 4096;

export class RtmpPull implements Pull {
  bytesReceived = 0;
  private readonly url: RtmpUrl;
  private readonly handlers: PullHandlers;
  private readonly ingest: FlvIngest;
  private readonly client: RtmpClient;
  private readonly silence: SilenceGuard;
  private isOpen = false;
  /** Some servers say that they begin, and only then that there is nothing. */
  private hasMedia = false;

  constructor(text: string, handlers: PullHandlers, options: PullOptions) {
    const url = parseRtmpUrl(text);
    this.url = url;
    this.handlers = handlers;
    this.ingest = new FlvIngest(new PulledFrames(handlers, options.nowUs));
    this.silence = new SilenceGuard(options, () => {
      this.client.close();
      this.end(
        this.hasMedia ? 'broken' : 'failed',
        `${this.address} has sent nothing for ${options.silenceMs / 1000} s`,
      );
    });
    this.client = new RtmpClient({
      url,
      host: url.host,
      port: url.port,
      purpose: 'play',
      chunkSize: CHUNK_SIZE,
      limits: { maxMessageBytes: MAX_MESSAGE_BYTES, maxChunkStreams: MAX_CHUNK_STREAMS },
      via: options.via ?? [],
      onVia: (via) => handlers.onVia?.(parseVia(via)),
      verifies: options.verifies,
      after: options.after,
      onReady: () => {
        this.isOpen = true;
        this.silence.begin();
      },
      onMessage: (message) => this.onMessage(message),
      onEnd: (end) => this.onClientEnd(end),
      onFault: options.onFault,
    });
    this.client.socket.on('data', (bytes: Buffer) => {
      this.bytesReceived += bytes.length;
      this.silence.heard();
    });
  }

  private get address(): string {
    const { host, port } = this.url;
    return `${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  private onMessage(message: RtmpMessage): void {
    const { typeId, timestamp, payload } = message;
    if (typeId === MESSAGE_VIDEO || typeId === MESSAGE_AUDIO) this.hasMedia = true;
    if (typeId === MESSAGE_VIDEO) this.ingest.video(timestamp, payload);
    else if (typeId === MESSAGE_AUDIO) this.ingest.audio(timestamp, payload);
    else if (typeId === MESSAGE_DATA_AMF0) this.ingest.script(timestamp, payload);
    else if (typeId === MESSAGE_DATA_AMF3)
      this.ingest.script(timestamp, payload.subarray(payload[0] === 0 ? 1 : 0));
  }

  private onClientEnd({ kind, text }: RtmpClientEnd): void {
    const unopened = this.hasMedia ? 'broken' : 'failed';
    switch (kind) {
      case 'system':
        this.end(unopened, describeFailure(text, this.url.host, this.url.port));
        return;
      case 'timeout':
        this.end('failed', `${this.address} did not answer in time`);
        return;
      case 'closed':
        this.end(unopened, `${this.address} closed the connection`);
        return;
      case 'refused':
        this.end(unopened, `${this.address} refuses: ${text}`);
        return;
      case 'over':
        this.end('over', text);
        return;
      case 'protocol':
        this.end(unopened, `${this.address} sends what is no RTMP (${text})`);
    }
  }

  private end(kind: PullEnd['kind'], reason: string): void {
    this.silence.stop();
    this.handlers.onEnd({ kind, reason });
  }

  pause(): void {
    this.silence.stop();
    this.client.socket.pause();
  }

  resume(): void {
    this.client.socket.resume();
    if (this.isOpen) this.silence.begin();
  }

  close(): void {
    this.silence.stop();
    this.client.close();
  }
}
