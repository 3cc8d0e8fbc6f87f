/**
 * RTMP message types and the small binary messages of protocol control (RTMP 1.0 sections 5.4 and 7.1.7). Commands
 * and data messages are in command.ts.
 */
import { ByteWriter } from '../../util/byte-writer.ts';
import { ProtocolError } from '../../util/errors.ts';

export const MESSAGE_SET_CHUNK_SIZE = 1;
export const MESSAGE_ABORT = 2;
export const MESSAGE_ACKNOWLEDGEMENT = 3;
export const MESSAGE_USER_CONTROL = 4;
export const MESSAGE_WINDOW_ACK_SIZE = 5;
export const MESSAGE_SET_PEER_BANDWIDTH = 6;
export const MESSAGE_AUDIO = 8;
export const MESSAGE_VIDEO = 9;
export const MESSAGE_DATA_AMF3 = 15;
export const MESSAGE_COMMAND_AMF3 = 17;
export const MESSAGE_DATA_AMF0 = 18;
export const MESSAGE_COMMAND_AMF0 = 20;
export const MESSAGE_AGGREGATE = 22;

/** Chunk stream of protocol control (section 5.4). */
export const CONTROL_CHUNK_STREAM = 2;

export const USER_CONTROL_STREAM_BEGIN = 0;
export const USER_CONTROL_STREAM_EOF = 1;
export const USER_CONTROL_STREAM_DRY = 2;
export const USER_CONTROL_SET_BUFFER_LENGTH = 3;
export const USER_CONTROL_STREAM_IS_RECORDED = 4;
export const USER_CONTROL_PING_REQUEST = 6;
export const USER_CONTROL_PING_RESPONSE = 7;

type BandwidthLimitType = 'hard' | 'soft' | 'dynamic';

const BANDWIDTH_LIMIT_TYPES: readonly BandwidthLimitType[] = ['hard', 'soft', 'dynamic'];
const NO_BYTES = new Uint8Array(0);

/** A chunk reader has one of these and uses it for every message: valid only while it is being handed over. */
export class RtmpMessage {
  typeId = 0;
  streamId = 0;
  /** Milliseconds, unsigned 32 bits, wrapping. */
  timestamp = 0;
  chunkStreamId = 0;
  payload: Uint8Array = NO_BYTES;
}

interface UserControl {
  readonly event: number;
  /** The stream id; of pings the time stamp to be returned. 0 when the event carries nothing. */
  readonly value: number;
  /** Milliseconds, of USER_CONTROL_SET_BUFFER_LENGTH only; else 0. */
  readonly bufferMs: number;
}

/** Unknown events are returned as they are; throws ProtocolError when a known one is too short. */
export function parseUserControl(payload: Uint8Array): UserControl {
  if (payload.length < 2) throw new ProtocolError('rtmp.bad-user-control', `${payload.length} bytes`);
  const event = (payload[0]! << 8) | payload[1]!;
  const needed = event === USER_CONTROL_SET_BUFFER_LENGTH ? 10 : isKnownEvent(event) ? 6 : 2;
  if (payload.length < needed) throw new ProtocolError('rtmp.bad-user-control', `event ${event}`);
  return {
    event,
    value: payload.length >= 6 ? readUint32(payload, 2) : 0,
    bufferMs: event === USER_CONTROL_SET_BUFFER_LENGTH ? readUint32(payload, 6) : 0,
  };
}

function isKnownEvent(event: number): boolean {
  return event <= USER_CONTROL_PING_RESPONSE && event !== 5;
}

/** `bufferMs` belongs to USER_CONTROL_SET_BUFFER_LENGTH alone. */
export function serializeUserControl(event: number, value: number, bufferMs = 0): Buffer {
  const writer = new ByteWriter(10).u16(event).u32(value);
  if (event === USER_CONTROL_SET_BUFFER_LENGTH) writer.u32(bufferMs);
  return writer.finish();
}

/** The one number of Acknowledgement, Window Acknowledgement Size, Set Chunk Size and Abort. */
export function parseControlNumber(payload: Uint8Array): number {
  if (payload.length < 4) throw new ProtocolError('rtmp.bad-control', `${payload.length} bytes`);
  return readUint32(payload, 0);
}

export function serializeControlNumber(value: number): Buffer {
  return new ByteWriter(4).u32(value).finish();
}

interface PeerBandwidth {
  /** Bytes, as in Window Acknowledgement Size. */
  readonly windowBytes: number;
  readonly limit: BandwidthLimitType;
}

/** An unknown limit type is taken as dynamic, the one that asks for least. */
export function parsePeerBandwidth(payload: Uint8Array): PeerBandwidth {
  if (payload.length < 5) throw new ProtocolError('rtmp.bad-peer-bandwidth', `${payload.length} bytes`);
  return { windowBytes: readUint32(payload, 0), limit: BANDWIDTH_LIMIT_TYPES[payload[4]!] ?? 'dynamic' };
}

export function serializePeerBandwidth(windowBytes: number, limit: BandwidthLimitType): Buffer {
  return new ByteWriter(5).u32(windowBytes).u8(BANDWIDTH_LIMIT_TYPES.indexOf(limit)).finish();
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
