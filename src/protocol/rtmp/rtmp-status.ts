/** Bodies of the commands a server sends: results, errors and onStatus with their codes. */
import type { AmfValue } from '../../wire/amf/amf-value.ts';
import { serializeCommand, serializeData } from '../../wire/rtmp/command.ts';

export function replyBody(name: string, transactionId: number, value: AmfValue): Uint8Array {
  return serializeCommand(name, transactionId, null, value);
}

export type StatusLevel = 'status' | 'error';

export function statusBody(level: StatusLevel, code: string, description: string): Uint8Array {
  return serializeCommand('onStatus', 0, null, { level, code, description });
}

/** Flash players ask for it before they draw. */
export function sampleAccessBody(): Uint8Array {
  return serializeData('|RtmpSampleAccess', true, true);
}
