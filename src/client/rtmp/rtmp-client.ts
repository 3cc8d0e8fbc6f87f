/**
 * The calling side of RTMP and RTMPS: TCP or TLS, handshake, connect, createStream, then publish or play (RTMP 1.0
 * section 7.2), with a limit on the time that all this may take. What is sent to a stream or comes from it is the
 * caller's business; reconnecting is too. Used by forwards, pulls and `sluice push`.
 */
import { randomBytes } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { ProtocolError } from '../../util/errors.ts';
import { isAmfObject } from '../../wire/amf/amf-value.ts';
import { type Command, parseCommand, STATUS, serializeCommand } from '../../wire/rtmp/command.ts';
import { acceptedFourCcs, readEnhancedCapabilities } from '../../wire/rtmp/enhanced.ts';
import { ClientHandshake } from '../../wire/rtmp/handshake.ts';
import {
  CONTROL_CHUNK_STREAM,
  MESSAGE_COMMAND_AMF0,
  MESSAGE_COMMAND_AMF3,
  MESSAGE_USER_CONTROL,
  type RtmpMessage,
  serializeUserControl,
  USER_CONTROL_SET_BUFFER_LENGTH,
} from '../../wire/rtmp/message.ts';
import { formatStreamName, formatTcUrl, type RtmpUrl } from '../../wire/rtmp/rtmp-url.ts';
import { connectObject, VIA_PROPERTY } from './connect-object.ts';
import { type ConnectionLimits, RtmpConnection } from './rtmp-connection.ts';

const CONNECT_TRANSACTION = 1;
const RELEASE_TRANSACTION = 2;
const FCPUBLISH_TRANSACTION = 3;
const CREATE_TRANSACTION = 4;
const START_TRANSACTION = 5;
const FCUNPUBLISH_TRANSACTION = 6;
const DELETE_TRANSACTION = 7;
const SETUP_TIMEOUT_MS = 10_000;
const CLOSE_GRACE_MS = 2000;
/** As FFmpeg says it: the live stream of this name, or the file when there is none. */
const PLAY_LIVE_OR_FILE = -2000;
const PLAY_BUFFER_MS = 1000;
const MAX_REASON_LENGTH = 300;

/** How a connection came to its end. */
export interface RtmpClientEnd {
  /**
   * `system`: the text is a code such as ECONNREFUSED. `refused`: the server's status and description. `over`: the
   * server says that the stream has ended. `protocol`: what came is no RTMP.
   */
  readonly kind: 'system' | 'timeout' | 'closed' | 'refused' | 'over' | 'protocol';
  readonly text: string;
}

export interface RtmpClientOptions {
  readonly url: RtmpUrl;
  /** Where to connect; often those of the URL. */
  readonly host: string;
  readonly port: number;
  readonly purpose: 'publish' | 'play';
  /** Of what is sent. */
  readonly chunkSize: number;
  readonly limits: ConnectionLimits;
  readonly via: readonly string[];
  /** Playing from a Sluice server: what it tells of the stream's way, as it is sent. */
  readonly onVia?: (via: string) => void;
  /** Whether the certificate must be one that this machine trusts. */
  readonly verifies: boolean;
  /** Runs once after a delay. */
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  /** The server accepted. `fourCcs` is what it says it takes, null = everything. */
  readonly onReady: (messageStreamId: number, fourCcs: ReadonlySet<string> | null) => void;
  /** Whatever is no command; the message is valid during the call only. */
  readonly onMessage: (message: RtmpMessage) => void;
  /** Called once, unless `close` was called before. */
  readonly onEnd: (end: RtmpClientEnd) => void;
  readonly onFault: (error: unknown) => void;
}

export class RtmpClient {
  readonly socket: Socket;
  private readonly options: RtmpClientOptions;
  private readonly sink: SocketSink;
  private readonly handshake: ClientHandshake;
  private readonly connection: RtmpConnection;
  private readonly timeout: { cancel(): void };
  private messageStreamId = 0;
  private fourCcs: ReadonlySet<string> | null = null;
  private isReady = false;
  private ended = false;

  constructor(options: RtmpClientOptions) {
    this.options = options;
    const { url, host, port, verifies } = options;
    this.socket =
      url.scheme === 'rtmps'
        ? connectTls({
            host,
            port,
            servername: isIP(url.host) === 0 ? url.host : '',
            rejectUnauthorized: verifies,
          })
        : connect({ host, port });
    this.socket.setNoDelay(true);
    this.sink = new SocketSink(this.socket, () => undefined);
    this.handshake = new ClientHandshake({ randomBytes, nowMs: Date.now() });
    const output = {
      write: (bytes: Uint8Array) => this.sink.write(bytes),
      writable: () => this.sink.writable(),
      close: () => this.socket.end(),
    };
    this.connection = new RtmpConnection(output, options.limits, (message) => this.onMessage(message));
    this.timeout = options.after(SETUP_TIMEOUT_MS, () => this.finish('timeout', ''));
    this.listen();
  }

  private listen(): void {
    const { socket } = this;
    socket.once(this.options.url.scheme === 'rtmps' ? 'secureConnect' : 'connect', () =>
      this.flushHandshake(),
    );
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('error', (error: NodeJS.ErrnoException) => this.finish('system', error.code ?? error.message));
    socket.on('close', () => this.finish('closed', ''));
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
      if (!(error instanceof ProtocolError)) this.options.onFault(error);
      this.finish('protocol', error instanceof Error ? error.message : String(error));
    }
  }

  private sendConnect(): void {
    const { url, via, chunkSize } = this.options;
    this.connection.announceChunkSize(chunkSize);
    const object = connectObject(url.app, formatTcUrl(url), via);
    this.command(0, 'connect', CONNECT_TRANSACTION, object);
  }

  private command(streamId: number, ...parts: Parameters<typeof serializeCommand>): void {
    this.connection.sendCommand(streamId, serializeCommand(...parts));
  }

  private onMessage(message: RtmpMessage): void {
    if (message.typeId !== MESSAGE_COMMAND_AMF0 && message.typeId !== MESSAGE_COMMAND_AMF3) {
      this.options.onMessage(message);
      return;
    }
    const command = parseCommand(message.typeId, message.payload);
    switch (command.name) {
      case '_result':
        this.onResult(command);
        return;
      case '_error':
        // releaseStream and FCPublish are courtesies that many servers do not know.
        if (command.transactionId === RELEASE_TRANSACTION || command.transactionId === FCPUBLISH_TRANSACTION)
          return;
        this.finish('refused', describe(command));
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
      if (this.options.purpose === 'publish') {
        const name = formatStreamName(this.options.url);
        this.command(0, 'releaseStream', RELEASE_TRANSACTION, null, name);
        this.command(0, 'FCPublish', FCPUBLISH_TRANSACTION, null, name);
      }
      this.command(0, 'createStream', CREATE_TRANSACTION, null);
    } else if (command.transactionId === CREATE_TRANSACTION) {
      const id = command.args[0];
      if (typeof id !== 'number') throw new ProtocolError('rtmp.bad-create-stream');
      this.messageStreamId = id;
      this.begin(id);
    }
  }

  private begin(id: number): void {
    const name = formatStreamName(this.options.url);
    if (this.options.purpose === 'publish') {
      this.command(id, 'publish', START_TRANSACTION, null, name, 'live');
      return;
    }
    const buffer = serializeUserControl(USER_CONTROL_SET_BUFFER_LENGTH, id, PLAY_BUFFER_MS);
    this.connection.send(CONTROL_CHUNK_STREAM, MESSAGE_USER_CONTROL, 0, buffer);
    this.command(id, 'play', START_TRANSACTION, null, name, PLAY_LIVE_OR_FILE);
  }

  private onStatus(command: Command): void {
    const code = statusField(command, 'code');
    if (statusField(command, 'level') === 'error') this.finish('refused', describe(command));
    else if (code === STATUS.publishStart || code === STATUS.playStart) {
      const via = statusField(command, VIA_PROPERTY);
      if (via !== '') this.options.onVia?.(via);
      this.ready();
    } else if (this.isReady && isEndOfPlay(code)) this.finish('over', describe(command));
  }

  private ready(): void {
    if (this.isReady || this.ended) return;
    this.isReady = true;
    this.timeout.cancel();
    this.options.onReady(this.messageStreamId, this.fourCcs);
  }

  writable(): boolean {
    return this.sink.writable();
  }

  /** Ready bytes for the message stream. */
  write(bytes: Uint8Array): void {
    this.sink.write(bytes);
  }

  private sayGoodbye(): void {
    const { messageStreamId, socket } = this;
    if (messageStreamId === 0 || socket.destroyed) return;
    if (this.options.purpose === 'publish')
      this.command(0, 'FCUnpublish', FCUNPUBLISH_TRANSACTION, null, this.options.url.stream);
    this.command(0, 'deleteStream', DELETE_TRANSACTION, null, messageStreamId);
  }

  private finish(kind: RtmpClientEnd['kind'], text: string): void {
    if (this.ended) return;
    this.close();
    this.options.onEnd({ kind, text: text.slice(0, MAX_REASON_LENGTH) });
  }

  /** Says goodbye and closes; `onEnd` is not called. May be called twice. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.timeout.cancel();
    this.connection.stop();
    if (this.isReady) this.sayGoodbye();
    this.socket.end();
    this.options.after(CLOSE_GRACE_MS, () => this.socket.destroy());
  }
}

/** A live stream that lost its publisher, or a file that was played to its end. */
function isEndOfPlay(code: string): boolean {
  return (
    code === STATUS.playStop || code === STATUS.playUnpublishNotify || code === 'NetStream.Play.Complete'
  );
}

function statusField(command: Command, field: string): string {
  const info = command.args[0];
  const value = isAmfObject(info) ? info[field] : undefined;
  return typeof value === 'string' ? value : '';
}

function describe(command: Command): string {
  const text = `${statusField(command, 'code')} ${statusField(command, 'description')}`.trim();
  return text === '' ? command.name : text.slice(0, MAX_REASON_LENGTH);
}
