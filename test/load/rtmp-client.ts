/**
 * The opening of an RTMP connection as a publisher or player does it: simple handshake, connect,
 * createStream, publish or play (RTMP 1.0 sections 5.2 and 7.2), and the answers that a peer owes a server
 * later: acknowledgements and ping responses. Throws when the server refuses.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ByteSink } from './flv-wire.ts';
import {
  ChunkReader,
  HANDSHAKE_BYTES,
  MESSAGE_ACKNOWLEDGEMENT,
  MESSAGE_AUDIO,
  MESSAGE_COMMAND,
  MESSAGE_SET_CHUNK_SIZE,
  MESSAGE_USER_CONTROL,
  MESSAGE_VIDEO,
  MESSAGE_WINDOW_SIZE,
  type MessageHandler,
  parseCommand,
  serializeCommand,
  serializeControl,
  serializeUserControl,
} from './rtmp-wire.ts';

/** What publishers send at: the value of OBS and of hardware encoders. */
export const PUBLISH_CHUNK_SIZE = 4096;
const PLAY_CHUNK_SIZE = 128;
const EVENT_SET_BUFFER_LENGTH = 3;
const EVENT_PING_REQUEST = 6;
const EVENT_PING_RESPONSE = 7;

const firstFlight = Buffer.concat([Buffer.of(3), Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)]);

export interface RtmpTarget {
  readonly host: string;
  readonly port: number;
  readonly app: string;
  readonly stream: string;
  readonly tls: boolean;
}

export class RtmpClient implements ByteSink {
  /** Message stream id, known when createStream is answered. */
  streamId = 0;
  /** True from the server's NetStream.Publish.Start on; publishers only. */
  publishing = false;
  private readonly socket: Socket;
  private readonly target: RtmpTarget;
  private readonly role: 'play' | 'publish';
  private readonly onMedia: MessageHandler;
  private handshake: Buffer | undefined = Buffer.allocUnsafe(1 + 2 * HANDSHAKE_BYTES);
  private handshakeFill = 0;
  private reader: ChunkReader | undefined;
  private received = 0;
  private ackWindow = Number.POSITIVE_INFINITY;
  private acknowledged = 0;

  /** Call when the connection is up; writes the first bytes of the handshake. */
  constructor(socket: Socket, target: RtmpTarget, role: 'play' | 'publish', onMedia: MessageHandler) {
    this.socket = socket;
    this.target = target;
    this.role = role;
    this.onMedia = onMedia;
    socket.write(firstFlight);
  }

  feed(bytes: Buffer, from: number, to: number): void {
    this.received += to - from;
    let at = from;
    if (this.handshake !== undefined) {
      const before = this.handshakeFill;
      const taken = bytes.copy(
        this.handshake,
        before,
        from,
        Math.min(to, from + this.handshake.length - before),
      );
      this.handshakeFill += taken;
      at += taken;
      if (before < 1 + HANDSHAKE_BYTES && this.handshakeFill >= 1 + HANDSHAKE_BYTES) {
        this.socket.write(Buffer.from(this.handshake.subarray(1, 1 + HANDSHAKE_BYTES)));
        this.sendConnect();
      }
      if (this.handshakeFill < this.handshake.length) return;
      this.handshake = undefined;
      this.reader = new ChunkReader((type, length, head) => this.onMessage(type, length, head));
    }
    this.reader?.feed(bytes, at, to);
    this.acknowledge(this.received);
  }

  /** Sends an acknowledgement when half the server's window has arrived (section 5.4.3). */
  acknowledge(total: number): void {
    if (total - this.acknowledged < this.ackWindow / 2) return;
    this.acknowledged = total;
    this.socket.write(serializeControl(MESSAGE_ACKNOWLEDGEMENT, total));
  }

  private sendConnect(): void {
    const { host, port, app, tls } = this.target;
    const chunkSize = this.role === 'publish' ? PUBLISH_CHUNK_SIZE : PLAY_CHUNK_SIZE;
    if (this.role === 'publish') this.socket.write(serializeControl(MESSAGE_SET_CHUNK_SIZE, chunkSize));
    const tcUrl = `${tls ? 'rtmps' : 'rtmp'}://${host}:${port}/${app}`;
    const properties =
      this.role === 'publish'
        ? { app, type: 'nonprivate', flashVer: 'FMLE/3.0 (compatible; load generator)', tcUrl }
        : {
            app,
            flashVer: 'LNX 9,0,124,2',
            tcUrl,
            fpad: false,
            capabilities: 15,
            audioCodecs: 4071,
            videoCodecs: 252,
          };
    this.socket.write(serializeCommand(3, 0, chunkSize, 'connect', 1, properties));
  }

  private onMessage(type: number, length: number, head: Buffer): void {
    if (type === MESSAGE_VIDEO || type === MESSAGE_AUDIO) {
      this.onMedia(type, length, head);
    } else if (type === MESSAGE_COMMAND) {
      this.onCommand(head);
    } else if (type === MESSAGE_WINDOW_SIZE && length === 4) {
      this.ackWindow = head.readUInt32BE(0);
    } else if (type === MESSAGE_USER_CONTROL && length >= 6 && head.readUInt16BE(0) === EVENT_PING_REQUEST) {
      this.socket.write(serializeUserControl(EVENT_PING_RESPONSE, head.readUInt32BE(2)));
    }
  }

  private onCommand(head: Buffer): void {
    const command = parseCommand(head);
    if (command === undefined) return;
    const { name, transaction, code } = command;
    if (name === '_error' && transaction <= 2) throw new Error(`refused: ${code}`);
    if (name === '_result' && transaction === 1) this.createStream();
    else if (name === '_result' && transaction === 2) this.openStream(command.number ?? 1);
    else if (name === 'onStatus') this.onStatus(code);
  }

  private createStream(): void {
    const { stream } = this.target;
    if (this.role === 'publish') {
      this.socket.write(serializeCommand(3, 0, PUBLISH_CHUNK_SIZE, 'releaseStream', 10, null, stream));
      this.socket.write(serializeCommand(3, 0, PUBLISH_CHUNK_SIZE, 'FCPublish', 11, null, stream));
    }
    this.socket.write(serializeCommand(3, 0, PLAY_CHUNK_SIZE, 'createStream', 2, null));
  }

  private openStream(streamId: number): void {
    this.streamId = streamId;
    const { stream } = this.target;
    if (this.role === 'publish') {
      this.socket.write(
        serializeCommand(8, streamId, PUBLISH_CHUNK_SIZE, 'publish', 3, null, stream, 'live'),
      );
      return;
    }
    this.socket.write(serializeCommand(8, streamId, PLAY_CHUNK_SIZE, 'play', 3, null, stream));
    this.socket.write(serializeUserControl(EVENT_SET_BUFFER_LENGTH, streamId, 3000));
  }

  private onStatus(code: string): void {
    if (code === 'NetStream.Publish.Start') this.publishing = true;
    else if (/Failed|BadName|Rejected|Denied|StreamNotFound|UnpublishNotify/.test(code)) {
      throw new Error(`the server says ${code}`);
    }
  }
}
