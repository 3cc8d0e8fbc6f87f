/**
 * A transport stream that is received: datagrams at an address of this machine or of a multicast group (plain or in
 * RTP), or the bytes of a TCP or Unix connection. Datagrams cannot be held up: while the reader pauses they are lost.
 */
import type { RemoteInfo } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { TsIngest } from '../../packaging/ts-ingest.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { TsDatagramReader, transportOf } from '../../wire/mpegts/ts-datagram.ts';
import { TsReader } from '../../wire/mpegts/ts-reader.ts';
import { describeFailure, failureCode } from '../describe-failure.ts';
import type { Pull, PullEnd, PullHandlers, PullOptions } from '../pull.ts';
import { PulledFrames } from '../pulled-frames.ts';
import { SilenceGuard } from '../silence-guard.ts';
import { parseTsAddress, type TsAddress } from './ts-address.ts';
import { DatagramReceiver } from './ts-socket.ts';

/** As long as the first sender may pause before another takes its place. */
const SENDER_SILENT_US = 1_000_000;

export class TsPull implements Pull {
  bytesReceived = 0;
  private readonly address: TsAddress;
  private readonly text: string;
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly silence: SilenceGuard;
  private readonly reader: TsReader;
  private readonly connecting: { cancel(): void };
  private datagrams: TsDatagramReader | null = null;
  private sender: RemoteInfo | null = null;
  private socket: Socket | DatagramReceiver | null = null;
  private isPaused = false;
  private lastUs = 0;
  private hasFrames = false;
  private isEnded = false;

  /** Throws RejectedError for an address that is none. */
  constructor(text: string, handlers: PullHandlers, options: PullOptions) {
    const address = parseTsAddress(text);
    const isWhole = address !== null && (address.scheme === 'unix' || address.port > 0);
    if (!isWhole || (address.scheme === 'tcp' && address.host === '')) {
      throw new RejectedError(
        'bad-request',
        `"${text}" is no address such as udp://@239.1.1.1:1234, udp://:1234 or tcp://host:1234.`,
      );
    }
    this.address = address;
    this.text = text;
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
    const isLossy = address.scheme === 'udp' || address.scheme === 'rtp';
    this.reader = new TsReader(new TsIngest(frames, { isLossy }));
    this.silence = new SilenceGuard(options, () =>
      this.end(
        this.hasFrames ? 'broken' : 'failed',
        `nothing has come from ${text} for ${options.silenceMs / 1000} s`,
      ),
    );
    this.connecting = options.after(options.connectMs, () => {
      if (!this.hasFrames && this.bytesReceived === 0)
        this.end('failed', `nothing came from ${text} within ${options.connectMs / 1000} s`);
    });
    if (address.scheme === 'udp' || address.scheme === 'rtp') this.listen();
    else this.connect();
  }

  private listen(): void {
    this.socket = new DatagramReceiver(this.address, {
      onListening: () => this.silence.begin(),
      onDatagram: (bytes, from) => this.onDatagram(bytes, from),
      onError: (error) => this.end(this.hasFrames ? 'broken' : 'failed', this.describe(error)),
    });
  }

  /** One sender is followed; another one is heard once the first has been silent. */
  private onDatagram(bytes: Buffer, from: RemoteInfo): void {
    if (this.isPaused || this.isEnded) return;
    const { sender } = this;
    if (sender !== null && (sender.port !== from.port || sender.address !== from.address)) {
      if (this.options.nowUs() - this.lastUs < SENDER_SILENT_US) return;
      this.datagrams = null;
    }
    if (this.datagrams === null) {
      const transport = transportOf(bytes);
      if (transport === '') return;
      this.sender = from;
      this.datagrams = new TsDatagramReader(transport, (part) => this.reader.push(part));
    }
    this.bytesReceived += bytes.length;
    this.silence.heard();
    this.lastUs = this.options.nowUs();
    try {
      this.datagrams.push(bytes, this.lastUs);
    } catch (error) {
      this.onUnreadable(error);
    }
  }

  private connect(): void {
    const { scheme, host, port } = this.address;
    const socket = scheme === 'unix' ? connect(host) : connect(port, host);
    this.socket = socket;
    socket.on('connect', () => this.silence.begin());
    socket.on('data', (bytes: Buffer) => {
      if (this.isEnded) return;
      this.bytesReceived += bytes.length;
      this.silence.heard();
      this.read(bytes);
    });
    socket.on('end', () => {
      if (this.isEnded) return;
      try {
        this.reader.finish();
      } catch (error) {
        this.onUnreadable(error);
      }
      if (this.hasFrames) this.end('over', `${this.text} ended the stream`);
      else this.end('failed', `${this.text} sends no MPEG-TS`);
    });
    socket.on('error', (error) => this.end(this.hasFrames ? 'broken' : 'failed', this.describe(error)));
    if (this.isPaused) socket.pause();
  }

  private read(bytes: Buffer): void {
    try {
      this.reader.push(bytes);
    } catch (error) {
      this.onUnreadable(error);
    }
  }

  private onUnreadable(error: unknown): void {
    if (!(error instanceof ProtocolError)) this.options.onFault(error);
    this.end('broken', `what comes from ${this.text} cannot be read: ${(error as Error).message}`);
  }

  private describe(error: NodeJS.ErrnoException): string {
    const { scheme, host, port } = this.address;
    if (scheme === 'unix') return `${this.text}: ${error.code ?? error.message}`;
    if (scheme === 'tcp') return describeFailure(failureCode(error), host, port);
    if (error.code === 'EADDRINUSE') return `another program receives at port ${port} (${this.text})`;
    if (error.code === 'EADDRNOTAVAIL') return `${host} is no address of this machine (${this.text})`;
    return `${this.text}: ${error.code ?? error.message}`;
  }

  private end(kind: PullEnd['kind'], reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd({ kind, reason });
  }

  pause(): void {
    this.isPaused = true;
    this.silence.stop();
    if (this.socket !== null && 'pause' in this.socket) this.socket.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.silence.begin();
    if (this.socket !== null && 'resume' in this.socket) this.socket.resume();
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.connecting.cancel();
    this.silence.stop();
    const { socket } = this;
    if (socket === null) return;
    if ('destroy' in socket) socket.destroy();
    else socket.close();
  }
}
