/**
 * The server's side of one RTMP peer: handshake, connect, then any number of message streams that publish or play.
 * A state machine without sockets: bytes and time come in by calls, bytes go out through Output.
 * Specification: Adobe RTMP 1.0; enhanced RTMP v2 for codecs and multitrack.
 */
import { randomBytes } from 'node:crypto';
import type { LiveSession, SessionRole } from '../../access/session-registry.ts';
import { type Output, RtmpConnection } from '../../client/rtmp/rtmp-connection.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import type { RtmpMessage } from '../../wire/rtmp/chunk-reader.ts';
import {
  type Command,
  createStreamResult,
  emptyResult,
  onFastCall,
  parseCommand,
  STATUS,
  serializeCommand,
} from '../../wire/rtmp/command.ts';
import { ServerHandshake } from '../../wire/rtmp/handshake.ts';
import {
  MESSAGE_COMMAND_AMF0,
  MESSAGE_COMMAND_AMF3,
  USER_CONTROL_PING_REQUEST,
} from '../../wire/rtmp/message.ts';
import type { ConnectRequest } from './rtmp-connect.ts';
import { answerConnect, readConnect, refuseConnect } from './rtmp-connect.ts';
import type { RtmpServices } from './rtmp-services.ts';
import { RtmpStream } from './rtmp-stream.ts';

/** Message streams that one connection may create. */
const MAX_STREAMS = 32;
/** What may arrive while a publish or play request is being decided. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
const HELD_OVERHEAD_BYTES = 64;
const PING_EVERY_US = 30_000_000;

interface HeldMessage {
  readonly typeId: number;
  readonly streamId: number;
  readonly timestamp: number;
  readonly chunkStreamId: number;
  readonly payload: Uint8Array;
}

export class RtmpSession implements LiveSession {
  readonly id = randomId();
  readonly protocol: string;
  role: SessionRole = 'control';
  readonly remote: string;
  readonly sinceMs: number;
  streamText = '';
  url = '';
  tcUrl = '';
  pageUrl = '';
  userAgent = '';
  readonly log: Logger;
  readonly connection: RtmpConnection;
  readonly services: RtmpServices;
  connectRequest: ConnectRequest | null = null;
  /** Null once it is done: it holds kilobytes that a player must not cost. */
  private handshake: ServerHandshake | null;
  private readonly streams = new Map<number, RtmpStream>();
  /** Totals of message streams that the peer deleted. */
  private deletedBytes = 0;
  private deletedDropped = 0;
  private readonly startUs: number;
  /** Since when nothing was published, played or asked for. */
  private idleSinceUs: number;
  private lastPingUs: number;
  /** Streams that wait for a decision; messages are held back meanwhile. */
  private deciding = 0;
  private backlog: HeldMessage[] = [];
  /** First message of the backlog that is still to be handled. */
  private backlogAt = 0;
  private backlogBytes = 0;
  private nowUs: number;
  closed = false;
  closeReason = '';

  constructor(services: RtmpServices, output: Output, remote: string, secure: boolean, nowUs: number) {
    this.services = services;
    this.protocol = secure ? 'rtmps' : 'rtmp';
    this.remote = remote;
    this.sinceMs = Date.now();
    this.startUs = nowUs;
    this.nowUs = nowUs;
    this.lastPingUs = nowUs;
    this.idleSinceUs = nowUs;
    this.log = services.log.child(this.id);
    this.handshake = new ServerHandshake({ randomBytes, nowMs: Math.round(nowUs / 1000) });
    this.connection = new RtmpConnection(output, services.limits(), (message) => this.onMessage(message));
  }

  bytesIn(): number {
    return this.connection.bytesIn;
  }

  bytesOut(): number {
    let bytes = this.deletedBytes;
    for (const stream of this.streams.values()) bytes += stream.bytesSent();
    return bytes;
  }

  dropped(): number {
    let chunks = this.deletedDropped;
    for (const stream of this.streams.values()) chunks += stream.dropped();
    return chunks;
  }

  /** Bytes from the peer. Never throws: a peer's fault closes the session with one counted line. */
  receive(bytes: Uint8Array, nowUs: number): void {
    if (this.closed) return;
    this.nowUs = nowUs;
    try {
      this.consume(bytes);
    } catch (error) {
      this.fail(error);
    }
  }

  private consume(bytes: Uint8Array): void {
    let rest = bytes;
    const { handshake } = this;
    if (handshake !== null) {
      const consumed = handshake.receive(rest);
      const reply = handshake.output();
      if (reply !== null) this.connection.output.write(reply);
      if (!handshake.done) return;
      this.handshake = null;
      rest = rest.subarray(consumed);
    }
    if (rest.length > 0) this.connection.receive(rest);
  }

  private onMessage(message: RtmpMessage): void {
    if (this.deciding > 0) this.hold(message);
    else this.dispatch(message);
  }

  private hold(message: RtmpMessage): void {
    this.backlogBytes += message.payload.length + HELD_OVERHEAD_BYTES;
    if (this.backlogBytes > MAX_BACKLOG_BYTES)
      throw new ProtocolError('rtmp.impatient', 'too much data before the answer');
    const { typeId, streamId, timestamp, chunkStreamId } = message;
    this.backlog.push({
      typeId,
      streamId,
      timestamp,
      chunkStreamId,
      payload: Uint8Array.from(message.payload),
    });
  }

  private dispatch(message: RtmpMessage): void {
    if (message.typeId === MESSAGE_COMMAND_AMF0 || message.typeId === MESSAGE_COMMAND_AMF3) {
      this.onCommand(
        message.streamId,
        parseCommand(message.typeId, message.payload, this.services.amfLimits()),
      );
      return;
    }
    const stream = this.streams.get(message.streamId);
    if (stream !== undefined) stream.receiveMedia(message, this.nowUs);
  }

  /** Goes on with what was held back while somebody decided. */
  private resume(): void {
    while (this.backlogAt < this.backlog.length && this.deciding === 0 && !this.closed) {
      const message = this.backlog[this.backlogAt++]!;
      this.backlogBytes -= message.payload.length + HELD_OVERHEAD_BYTES;
      try {
        this.dispatch(message);
      } catch (error) {
        this.fail(error);
      }
    }
    if (this.backlogAt === this.backlog.length) this.forgetBacklog();
  }

  private forgetBacklog(): void {
    this.backlog = [];
    this.backlogAt = 0;
    this.backlogBytes = 0;
  }

  /** Messages that are kept because of a decision. */
  get heldMessages(): number {
    return this.backlog.length;
  }

  private onCommand(streamId: number, command: Command): void {
    if (command.name === 'connect') {
      this.onConnect(command);
      return;
    }
    if (this.connectRequest === null)
      throw new ProtocolError('rtmp.not-connected', command.name.slice(0, 32));
    switch (command.name) {
      case 'createStream':
        this.createStream(command);
        return;
      case 'publish':
        this.streamFor(streamId).publish(command);
        return;
      case 'play':
      case 'play2':
        this.streamFor(streamId).play(command);
        return;
      case 'deleteStream':
        this.deleteStream(streamId, command);
        return;
      case 'closeStream':
        this.streams.get(streamId)?.close('the peer closed the stream');
        return;
      case 'FCUnpublish':
        this.onUnpublish(command);
        return;
      case 'pause':
      case 'pauseRaw':
        this.streams.get(streamId)?.pause(command);
        return;
      case 'seek':
        this.streams.get(streamId)?.seek(command);
        return;
      case 'receiveAudio':
      case 'receiveVideo':
      case '_result':
      case '_error':
      case 'onStatus':
        return;
      case 'FCPublish':
        this.send(onFastCall('onFCPublish', STATUS.publishStart, ''));
        this.answer(command);
        return;
      case 'FCSubscribe':
        this.send(onFastCall('onFCSubscribe', STATUS.playStart, ''));
        this.answer(command);
        return;
      case 'getStreamLength':
        this.send(serializeCommand('_result', command.transactionId, null, 0));
        return;
      default:
        // releaseStream, _checkbw and whatever else: an empty result contents every known client.
        this.answer(command);
    }
  }

  private onConnect(command: Command): void {
    if (this.connectRequest !== null) throw new ProtocolError('rtmp.second-connect');
    const request = this.tryReadConnect(command);
    this.tcUrl = request.tcUrl;
    this.pageUrl = request.pageUrl;
    this.userAgent = request.flashVersion;
    const refusal = this.services.refusalOf(request);
    if (refusal !== '') {
      refuseConnect(this.connection, command, refusal);
      this.log.counted('rtmp.refused', { remote: this.remote, agent: this.userAgent, cause: refusal });
      this.close(refusal);
      return;
    }
    this.connectRequest = request;
    answerConnect(
      this.connection,
      command,
      request,
      this.services.chunkSize(),
      this.services.windowAckBytes(),
    );
    this.log.debug('rtmp.connect', { remote: this.remote, app: request.app, agent: request.flashVersion });
  }

  /** An address that is none is refused in words. */
  private tryReadConnect(command: Command): ConnectRequest {
    try {
      return readConnect(command);
    } catch (error) {
      if (error instanceof RejectedError) refuseConnect(this.connection, command, error.message);
      throw error;
    }
  }

  private createStream(command: Command): void {
    let id = 1;
    while (this.streams.has(id)) id++;
    this.streamFor(id);
    this.send(createStreamResult(command.transactionId, id));
  }

  /** Some clients publish or play on a stream that they never created. */
  private streamFor(streamId: number): RtmpStream {
    let stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.streams.size >= MAX_STREAMS) throw new ProtocolError('rtmp.too-many-streams', MAX_STREAMS);
      stream = new RtmpStream(this, streamId);
      this.streams.set(streamId, stream);
    }
    return stream;
  }

  private deleteStream(streamId: number, command: Command): void {
    const named = command.args[0];
    // GStreamer sends the stream's name here; its only stream is meant.
    const only = this.streams.size === 1 ? this.streams.keys().next().value : undefined;
    const id = typeof named === 'number' ? named : this.streams.has(streamId) ? streamId : only;
    const stream = id === undefined ? undefined : this.streams.get(id);
    if (id === undefined || stream === undefined) return;
    stream.close('the peer deleted the stream');
    this.deletedBytes += stream.bytesSent();
    this.deletedDropped += stream.dropped();
    this.streams.delete(id);
  }

  private onUnpublish(command: Command): void {
    const name = typeof command.args[0] === 'string' ? command.args[0] : '';
    for (const stream of this.streams.values()) stream.unpublish(name);
    this.send(onFastCall('onFCUnpublish', STATUS.unpublishSuccess, name));
    this.answer(command);
  }

  /** `_result` to a command that wants one. */
  private answer(command: Command): void {
    if (command.transactionId !== 0) this.send(emptyResult(command.transactionId));
  }

  private send(body: Uint8Array): void {
    this.connection.sendCommand(0, body);
  }

  /** Runs an admission; media and commands wait in order until it is decided. */
  decide(decision: Promise<void>): void {
    this.deciding++;
    decision
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.deciding--;
        this.resume();
      });
  }

  /** The connection belongs to a player now: it may be read lazily and written in large pieces. */
  onPlaying(): void {
    this.lastPingUs = this.nowUs;
  }

  /** Called once a second. */
  tick(nowUs: number): void {
    if (this.closed) return;
    this.nowUs = nowUs;
    const aliveMs = (nowUs - this.startUs) / 1000;
    const { handshakeMs } = this.services.limits();
    if (this.connectRequest === null && aliveMs > handshakeMs) {
      this.fail(new ProtocolError('rtmp.handshake-timeout', `not connected after ${handshakeMs / 1000} s`));
      return;
    }
    if (this.deciding > 0 || this.isActive()) this.idleSinceUs = nowUs;
    else if (nowUs - this.idleSinceUs > handshakeMs * 3000) {
      this.fail(new ProtocolError('rtmp.idle', 'neither publishes nor plays'));
      return;
    }
    for (const stream of this.streams.values()) {
      const overdue = stream.overdue(nowUs);
      if (overdue !== '') {
        this.log.counted('rtmp.publisher-silent', {
          stream: this.streamText,
          remote: this.remote,
          cause: overdue,
        });
        this.close(overdue);
        return;
      }
    }
    if (this.role === 'player' && nowUs - this.lastPingUs > PING_EVERY_US) {
      this.lastPingUs = nowUs;
      this.connection.sendUserControl(USER_CONTROL_PING_REQUEST, Math.round(nowUs / 1000));
    }
    for (const stream of this.streams.values()) stream.tellLeftOut();
  }

  /** Whether any message stream publishes or plays. */
  isActive(): boolean {
    for (const stream of this.streams.values()) if (stream.isActive()) return true;
    return false;
  }

  private fail(error: unknown): void {
    const isPeers = error instanceof ProtocolError || error instanceof RejectedError;
    if (this.closed) {
      if (!isPeers) this.services.onFault(error);
      return;
    }
    if (error instanceof ProtocolError) {
      this.log.counted(error.code, {
        remote: this.remote,
        stream: this.streamText || undefined,
        cause: error.message,
      });
      this.close(error.message);
    } else if (error instanceof RejectedError) {
      this.log.counted(`rtmp.${error.reason}`, { remote: this.remote, cause: error.message });
      this.close(error.message);
    } else {
      this.services.onFault(error);
      this.close('The server had an internal fault.');
    }
  }

  kick(reason: string): void {
    this.close(reason);
  }

  /** We end it; what was written is still sent. Idempotent. */
  close(reason: string): void {
    if (this.closed) return;
    try {
      this.finish(reason);
    } finally {
      this.connection.output.close();
    }
  }

  /** The connection is gone (or is being closed): everything the session holds is given back. Idempotent. */
  finish(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    this.closeReason = reason;
    this.connection.stop();
    this.forgetBacklog();
    for (const stream of this.streams.values()) {
      try {
        stream.close(reason);
      } catch (error) {
        // What one stream does wrong must not keep the names of the others.
        this.services.onFault(error);
      }
    }
    this.services.onClosed(this);
  }
}
