/**
 * Aggregate messages (RTMP 1.0 section 7.1.6): several messages in the form of FLV tags inside one. The tags' own
 * times count from the first of them, which is put at the aggregate's time; their own stream ids are void.
 */
import { ProtocolError } from '../../util/errors.ts';
import { addSerial32 } from '../../util/serial-number.ts';
import { MESSAGE_ABORT, MESSAGE_AGGREGATE, MESSAGE_SET_CHUNK_SIZE, type RtmpMessage } from './message.ts';

const TAG_HEADER_BYTES = 11;
const BACK_POINTER_BYTES = 4;

/** Calls `onMessage` for each inner message, in the object of the outer one, until `control.stopped`. */
export function forEachAggregated(
  message: RtmpMessage,
  control: { readonly stopped: boolean },
  onMessage: (message: RtmpMessage) => void,
): void {
  const bytes = message.payload;
  const base = message.timestamp;
  let first = -1;
  let at = 0;
  while (at < bytes.length && !control.stopped) {
    if (bytes.length - at < TAG_HEADER_BYTES)
      throw new ProtocolError('rtmp.bad-aggregate', 'truncated header');
    const typeId = bytes[at]!;
    const size = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const time =
      ((bytes[at + 7]! << 24) | (bytes[at + 4]! << 16) | (bytes[at + 5]! << 8) | bytes[at + 6]!) >>> 0;
    at += TAG_HEADER_BYTES;
    if (bytes.length - at < size) throw new ProtocolError('rtmp.bad-aggregate', 'truncated body');
    if (typeId === MESSAGE_AGGREGATE || typeId === MESSAGE_SET_CHUNK_SIZE || typeId === MESSAGE_ABORT) {
      throw new ProtocolError('rtmp.bad-aggregate', `type ${typeId} inside`);
    }
    if (first < 0) first = time;
    message.typeId = typeId;
    message.timestamp = addSerial32(base, time - first);
    message.payload = bytes.subarray(at, at + size);
    onMessage(message);
    // The back pointer of the last one may be missing.
    at += size + BACK_POINTER_BYTES;
  }
}
