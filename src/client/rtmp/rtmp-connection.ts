/**
 * What the RTMP sessions of both sides share, those of the server too: chunk reading with acknowledgement, protocol control messages, and
 * writing messages. Knows neither sockets nor streams; bytes go out through `Output`.
 */
import type { Sink } from '../../media/sink.ts';
import { ProtocolError } from '../../util/errors.ts';
import { ChunkReader, type RtmpMessage } from '../../wire/rtmp/chunk-reader.ts';
import { serializeMessage } from '../../wire/rtmp/chunk-writer.ts';
import {
  CONTROL_CHUNK_STREAM,
  MESSAGE_ACKNOWLEDGEMENT,
  MESSAGE_COMMAND_AMF0,
  MESSAGE_SET_CHUNK_SIZE,
  MESSAGE_SET_PEER_BANDWIDTH,
  MESSAGE_USER_CONTROL,
  MESSAGE_WINDOW_ACK_SIZE,
  USER_CONTROL_PING_REQUEST,
  USER_CONTROL_PING_RESPONSE,
} from '../../wire/rtmp/message.ts';

const COMMAND_CHUNK_STREAM = 3;
/** RTMP's own default, in force until a Set Chunk Size. */
const INITIAL_CHUNK_SIZE = 128;
/** What is acknowledged when the peer never said how often. */
const DEFAULT_ACK_BYTES = 2_500_000;

/** A peer that asks and asks but reads no answer is let go. */
const MAX_UNREAD_BYTES = 64 * 1024;

export interface Output {
  write(bytes: Uint8Array): void;
  /** False while too much waits to be sent. */
  writable(): boolean;
  /** Ends the connection after what was written is sent. */
  close(): void;
  /** A sink that writes to the transport without a way through the session, where the transport has one. */
  openSink?(onEnd: (reason: string) => void): Sink;
}

export interface ConnectionLimits {
  readonly maxMessageBytes: number;
  readonly maxChunkStreams: number;
}

export class RtmpConnection {
  readonly output: Output;
  bytesIn = 0;
  private readonly reader: ChunkReader;
  private readonly onMessage: (message: RtmpMessage) => void;
  private chunkSize = INITIAL_CHUNK_SIZE;
  private ackEvery = DEFAULT_ACK_BYTES;
  private ackedAt = 0;
  /** Bytes of answers that were written although the peer takes nothing. */
  private unreadBytes = 0;

  constructor(output: Output, limits: ConnectionLimits, onMessage: (message: RtmpMessage) => void) {
    this.output = output;
    this.onMessage = onMessage;
    this.reader = new ChunkReader({ ...limits, onMessage: (message) => this.receiveMessage(message) });
  }

  /** Bytes after the handshake. Throws ProtocolError. */
  receive(bytes: Uint8Array): void {
    this.bytesIn += bytes.length;
    this.reader.receive(bytes);
    if (this.bytesIn - this.ackedAt >= this.ackEvery && !this.reader.stopped) {
      this.ackedAt = this.bytesIn;
      this.sendU32(MESSAGE_ACKNOWLEDGEMENT, this.bytesIn >>> 0);
    }
  }

  /** Nothing more of what was received is delivered. */
  stop(): void {
    this.reader.stop();
  }

  private receiveMessage(message: RtmpMessage): void {
    if (this.unreadBytes > MAX_UNREAD_BYTES)
      throw new ProtocolError('rtmp.answers-not-read', this.unreadBytes);
    switch (message.typeId) {
      case MESSAGE_USER_CONTROL:
        this.receiveUserControl(message.payload);
        return;
      case MESSAGE_WINDOW_ACK_SIZE:
        if (message.payload.length >= 4) this.ackEvery = Math.max(1024, readU32(message.payload, 0));
        return;
      case MESSAGE_SET_PEER_BANDWIDTH:
        // The peer limits us; we answer with a window of our own, as Flash did.
        if (message.payload.length >= 4)
          this.sendU32(MESSAGE_WINDOW_ACK_SIZE, Math.max(1024, readU32(message.payload, 0)));
        return;
      case MESSAGE_ACKNOWLEDGEMENT:
        return;
      default:
        this.onMessage(message);
    }
  }

  private receiveUserControl(payload: Uint8Array): void {
    if (payload.length < 2) throw new ProtocolError('rtmp.bad-user-control', payload.length);
    const event = (payload[0]! << 8) | payload[1]!;
    if (event === USER_CONTROL_PING_REQUEST && payload.length >= 6) {
      this.sendUserControl(USER_CONTROL_PING_RESPONSE, readU32(payload, 2));
    }
  }

  announceChunkSize(size: number): void {
    this.sendU32(MESSAGE_SET_CHUNK_SIZE, size);
    this.chunkSize = size;
  }

  announceWindow(bytes: number): void {
    this.sendU32(MESSAGE_WINDOW_ACK_SIZE, bytes);
  }

  /** Limit type 2 (dynamic), as every server sends it. */
  announcePeerBandwidth(bytes: number): void {
    const payload = Buffer.alloc(5);
    payload.writeUInt32BE(bytes, 0);
    payload[4] = 2;
    this.send(CONTROL_CHUNK_STREAM, MESSAGE_SET_PEER_BANDWIDTH, 0, payload);
  }

  sendUserControl(event: number, value: number): void {
    const payload = Buffer.alloc(6);
    payload.writeUInt16BE(event, 0);
    payload.writeUInt32BE(value >>> 0, 2);
    this.send(CONTROL_CHUNK_STREAM, MESSAGE_USER_CONTROL, 0, payload);
  }

  /** A command body made by wire/rtmp/command.ts. */
  sendCommand(streamId: number, body: Uint8Array): void {
    this.send(COMMAND_CHUNK_STREAM, MESSAGE_COMMAND_AMF0, streamId, body);
  }

  send(chunkStreamId: number, typeId: number, streamId: number, payload: Uint8Array, timestamp = 0): void {
    const bytes = serializeMessage(chunkStreamId, typeId, streamId, timestamp, payload, this.chunkSize);
    this.unreadBytes = this.output.writable() ? 0 : this.unreadBytes + bytes.length;
    this.output.write(bytes);
  }

  private sendU32(typeId: number, value: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(value, 0);
    this.send(CONTROL_CHUNK_STREAM, typeId, 0, payload);
  }
}

function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
