/** What a peer says while one of its requests is being decided, in order and bounded. */
import { ProtocolError } from '../../util/errors.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';

const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
const HELD_OVERHEAD_BYTES = 64;

export type HeldMessage =
  | { readonly kind: 'request'; readonly request: RtspRequest }
  | { readonly kind: 'frame'; readonly channel: number; readonly payload: Uint8Array };

export class RtspBacklog {
  private messages: HeldMessage[] = [];
  private at = 0;
  private bytes = 0;

  get length(): number {
    return this.messages.length;
  }

  /** Throws ProtocolError when it is too much. */
  hold(message: HeldMessage): void {
    const size = message.kind === 'request' ? message.request.body.length : message.payload.length;
    this.bytes += size + HELD_OVERHEAD_BYTES;
    if (this.bytes > MAX_BACKLOG_BYTES)
      throw new ProtocolError('rtsp.impatient', 'too much data before the answer');
    this.messages.push(message);
  }

  /** Null when there is no more. */
  next(): HeldMessage | null {
    const message = this.messages[this.at++];
    if (message !== undefined) return message;
    this.clear();
    return null;
  }

  clear(): void {
    this.messages = [];
    this.at = 0;
    this.bytes = 0;
  }
}
