/**
 * Sends one of our streams to another RTMP server: connects, publishes there, plays the shared feed into the
 * connection. Never disturbs the publisher: to the stream it is a player like any other.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Sink } from '../../media/sink.ts';
import type { Subscription } from '../../media/subscription.ts';
import { rtmpFormat } from '../../packaging/rtmp-feed.ts';
import type { ForwardRequest, ModuleContext, OutgoingForward } from '../../runtime/module.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { InvariantError, ProtocolError } from '../../util/errors.ts';
import { isAmfObject } from '../../wire/amf/amf-value.ts';
import type { RtmpMessage } from '../../wire/rtmp/chunk-reader.ts';
import { type Command, parseCommand, STATUS, serializeCommand } from '../../wire/rtmp/command.ts';
import { acceptedFourCcs, readEnhancedCapabilities } from '../../wire/rtmp/enhanced.ts';
import { ClientHandshake } from '../../wire/rtmp/handshake.ts';
import { MESSAGE_COMMAND_AMF0, MESSAGE_COMMAND_AMF3 } from '../../wire/rtmp/message.ts';
import { formatStreamName, formatTcUrl, parseRtmpUrl, type RtmpUrl } from '../../wire/rtmp/rtmp-url.ts';
import { connectObject } from './rtmp-connect.ts';
import { type Output, RtmpConnection } from './rtmp-connection.ts';

const CONNECT_TRANSACTION = 1;
const RELEASE_TRANSACTION = 2;
const FCPUBLISH_TRANSACTION = 3;
const CREATE_TRANSACTION = 4;
const PUBLISH_TRANSACTION = 5;
const SETUP_TIMEOUT_MS = 10_000;
const WAIT_FOR_SOURCE_MS = 2000;
const CLOSE_GRACE_MS = 2000;

export class RtmpForward implements OutgoingForward, Sink {
  private readonly context: ModuleContext;
  private readonly request: ForwardRequest;
  private readonly url: RtmpUrl;
  private readonly socket: Socket;
  private readonly sink: SocketSink;
  private readonly handshake: ClientHandshake;
  private readonly connection: RtmpConnection;
  private readonly timeout;
  private subscription: Subscription | null = null;
  private messageStreamId = 0;
  private fourCcs: ReadonlySet<string> | null = null;
  private ended = false;

  constructor(context: ModuleContext, request: ForwardRequest) {
    this.context = context;
    this.request = request;
    const url = parseRtmpUrl(request.url);
    if (url === null) throw new InvariantError(`not an RTMP address: ${request.url}`);
    this.url = url;
    const { host, port } = request;
    // Certificates of forwards between one's own servers are self-signed as a rule; encryption is what is wanted.
    this.socket =
      this.url.scheme === 'rtmps'
        ? connectTls({
            host,
            port,
            servername: isIp(this.url.host) ? '' : this.url.host,
            rejectUnauthorized: false,
          })
        : connect({ host, port });
    this.socket.setNoDelay(true);
    this.sink = new SocketSink(this.socket, () => undefined);
    this.handshake = new ClientHandshake({ randomBytes, nowMs: Date.now() });
    const output: Output = {
      write: (bytes) => this.sink.write(bytes),
      writable: () => this.sink.writable(),
      close: () => this.socket.end(),
    };
    const { limits } = context.configuration().server;
    this.connection = new RtmpConnection(
      output,
      { maxMessageBytes: limits.message, maxChunkStreams: limits.chunkStreams },
      (message) => this.onMessage(message),
    );
    this.timeout = context.tick.after(SETUP_TIMEOUT_MS, () =>
      this.finish('the target did not answer in time'),
    );
    this.listen();
  }

  private listen(): void {
    const ready = this.url.scheme === 'rtmps' ? 'secureConnect' : 'connect';
    this.socket.once(ready, () => this.flushHandshake());
    this.socket.on('data', (bytes: Buffer) => this.receive(bytes));
    this.socket.on('error', (error: NodeJS.ErrnoException) => this.finish(error.code ?? error.message));
    this.socket.on('close', () => this.finish('the target closed the connection'));
  }

  private flushHandshake(): void {
    const bytes = this.handshake.output();
    if (bytes !== null) this.socket.write(bytes);
  }

  private receive(bytes: Uint8Array): void {
    if (this.ended) return;
    try {
      let rest = bytes;
      if (!this.handshake.done) {
        const consumed = this.handshake.receive(rest);
        this.flushHandshake();
        if (!this.handshake.done) return;
        rest = rest.subarray(consumed);
        this.sendConnect();
      }
      if (rest.length > 0) this.connection.receive(rest);
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.context.onFault(error);
      this.finish(error instanceof Error ? error.message : String(error));
    }
  }

  private sendConnect(): void {
    const { url } = this;
    this.connection.announceChunkSize(this.context.configuration().server.rtmp.chunkSize);
    const via = [...this.viaOfSource(), this.context.serverId];
    const object = connectObject(url.app, formatTcUrl(url), via);
    this.connection.sendCommand(0, serializeCommand('connect', CONNECT_TRANSACTION, object));
  }

  private viaOfSource(): readonly string[] {
    const stream = this.context.hub.find(this.request.source.text);
    return (stream && this.context.hub.publisherOf(stream)?.via) ?? [];
  }

  private onMessage(message: RtmpMessage): void {
    if (message.typeId !== MESSAGE_COMMAND_AMF0 && message.typeId !== MESSAGE_COMMAND_AMF3) return;
    const command = parseCommand(message.typeId, message.payload);
    switch (command.name) {
      case '_result':
        this.onResult(command);
        return;
      case '_error':
        // releaseStream and FCPublish are courtesies that many servers do not know.
        if (command.transactionId === RELEASE_TRANSACTION || command.transactionId === FCPUBLISH_TRANSACTION)
          return;
        this.finish(`the target refused: ${describe(command)}`);
        return;
      case 'onStatus':
        this.onStatus(command);
        return;
      default:
    }
  }

  private onResult(command: Command): void {
    if (command.transactionId === CONNECT_TRANSACTION) {
      const info = command.args[0];
      this.fourCcs = isAmfObject(info) ? acceptedFourCcs(readEnhancedCapabilities(info)) : null;
      const name = formatStreamName(this.url);
      this.connection.sendCommand(0, serializeCommand('releaseStream', RELEASE_TRANSACTION, null, name));
      this.connection.sendCommand(0, serializeCommand('FCPublish', FCPUBLISH_TRANSACTION, null, name));
      this.connection.sendCommand(0, serializeCommand('createStream', CREATE_TRANSACTION, null));
    } else if (command.transactionId === CREATE_TRANSACTION) {
      const id = command.args[0];
      if (typeof id !== 'number') throw new ProtocolError('rtmp.bad-create-stream');
      this.messageStreamId = id;
      const name = formatStreamName(this.url);
      this.connection.sendCommand(id, serializeCommand('publish', PUBLISH_TRANSACTION, null, name, 'live'));
    }
  }

  private onStatus(command: Command): void {
    const code = statusField(command, 'code');
    if (code === STATUS.publishStart) this.start();
    else if (statusField(command, 'level') === 'error')
      this.finish(`the target refused: ${describe(command)}`);
  }

  private start(): void {
    if (this.subscription !== null || this.ended) return;
    this.timeout.cancel();
    const format = rtmpFormat({
      chunkSize: this.context.configuration().server.rtmp.chunkSize,
      messageStreamId: this.messageStreamId,
      fourCcs: this.fourCcs,
      multitrack: false,
      publishes: true,
    });
    this.subscription = this.context.hub.subscribe(
      this.request.source,
      format,
      this,
      'gop',
      WAIT_FOR_SOURCE_MS,
    );
    this.request.onLive();
  }

  bytesSent(): number {
    return this.subscription?.bytesSent ?? 0;
  }

  writable(): boolean {
    return this.sink.writable();
  }

  write(bytes: Uint8Array): void {
    this.sink.write(bytes);
  }

  /** The stream ended: says goodbye to the target. */
  end(reason: string): void {
    this.sayGoodbye();
    this.finish(reason);
  }

  private sayGoodbye(): void {
    if (this.messageStreamId === 0 || this.socket.destroyed) return;
    this.connection.sendCommand(0, serializeCommand('FCUnpublish', 6, null, this.url.stream));
    this.connection.sendCommand(0, serializeCommand('deleteStream', 7, null, this.messageStreamId));
  }

  private finish(reason: string): void {
    if (this.ended) return;
    this.close();
    this.request.onEnd(reason);
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.timeout.cancel();
    this.connection.stop();
    if (this.subscription !== null && !this.subscription.closed) {
      this.sayGoodbye();
      this.subscription.close();
    }
    this.socket.end();
    this.context.tick.after(CLOSE_GRACE_MS, () => this.socket.destroy());
  }
}

function isIp(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}

function statusField(command: Command, field: string): string {
  const info = command.args[0];
  const value =
    typeof info === 'object' && info !== null ? (info as Record<string, unknown>)[field] : undefined;
  return typeof value === 'string' ? value : '';
}

function describe(command: Command): string {
  const text = `${statusField(command, 'code')} ${statusField(command, 'description')}`.trim();
  return text === '' ? command.name : text.slice(0, 300);
}
