/**
 * A transport stream that is pulled by SRT: `srt://host:port?streamid=...`, or `srt://:port?mode=listener` for a sender
 * that calls. SRT cannot be held up: while the reader pauses, what comes is lost.
 */
import { TsIngest } from '../../packaging/ts-ingest.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { TsReader } from '../../wire/mpegts/ts-reader.ts';
import type { Pull, PullEnd, PullHandlers, PullOptions } from '../pull.ts';
import { PulledFrames } from '../pulled-frames.ts';
import { SilenceGuard } from '../silence-guard.ts';
import { parseSrtAddress, streamIdOf } from './srt-address.ts';
import { SrtCall } from './srt-call.ts';
import { TsGate } from './ts-gate.ts';

export class SrtPull implements Pull {
  bytesReceived = 0;
  private readonly shown: string;
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly silence: SilenceGuard;
  private readonly reader: TsReader;
  private readonly call: SrtCall;
  private isPaused = false;
  private hasFrames = false;
  private readonly gate = new TsGate();
  private isEnded = false;

  /** Throws RejectedError for an address that is none. */
  constructor(text: string, handlers: PullHandlers, options: PullOptions) {
    const address = parseSrtAddress(text);
    // An address may hold a passphrase and a key in its query.
    this.shown = text.split('?')[0]!; // split gives one at least
    if (address === null || address.port === 0) {
      throw new RejectedError(
        'bad-request',
        `"${this.shown}" is no address such as srt://host:9000?streamid=read:live/cam&latency=200, or an option of it is none.`,
      );
    }
    this.handlers = handlers;
    this.options = options;
    const frames = new PulledFrames(
      {
        onTracks: (tracks) => handlers.onTracks(tracks),
        onFrame: (frame) => {
          this.hasFrames = true;
          handlers.onFrame(frame);
        },
        onEnd: () => undefined,
      },
      options.nowUs,
    );
    this.reader = new TsReader(new TsIngest(frames));
    this.silence = new SilenceGuard(options, () =>
      this.end(
        this.hasFrames ? 'broken' : 'failed',
        `nothing has come from ${this.shown} for ${options.silenceMs / 1000} s`,
      ),
    );
    this.call = new SrtCall(
      address,
      {
        onConnected: () => this.silence.begin(),
        onPayload: (payload) => this.receive(payload),
        onEnd: (reason) => this.onOver(reason),
      },
      {
        streamId: streamIdOf(address, 'request'),
        connectMs: options.connectMs,
        nowUs: options.nowUs,
        after: options.after,
        onFault: options.onFault,
        maxBandwidth: 0,
      },
    );
  }

  /** Hot path. */
  private receive(payload: Uint8Array): void {
    if (this.isEnded) return;
    this.bytesReceived += payload.length;
    this.silence.heard();
    if (this.isPaused) return;
    try {
      const bytes = this.gate.pass(payload);
      if (bytes !== null) this.reader.push(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError) && !(error instanceof RejectedError)) this.options.onFault(error);
      this.end('broken', `what comes from ${this.shown} cannot be read: ${(error as Error).message}`);
    }
  }

  private onOver(reason: string): void {
    if (this.isEnded) return;
    this.reader.finish();
    this.end(this.hasFrames ? 'over' : 'failed', reason);
  }

  private end(kind: PullEnd['kind'], reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd({ kind, reason });
  }

  pause(): void {
    this.isPaused = true;
    this.silence.stop();
  }

  resume(): void {
    this.isPaused = false;
    this.silence.begin();
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.silence.stop();
    this.call.close();
  }
}
