/**
 * The messages that were sent last, and when they go again (RFC 6347 section 4.2.4): by time while an answer is awaited,
 * and whenever the peer repeats what we answered.
 */
import { DTLS_CONTENT } from '../wire/dtls/numbers.ts';
import type { RecordWriter } from './record-writer.ts';

const MAX_TIMEOUT_US = 60_000_000;
/** Repetitions for the peer's sake are at least so far apart: its flight comes in several datagrams, perhaps twice. */
const MIN_REPEAT_US = 20_000;
const CHANGE_CIPHER_SPEC = Uint8Array.of(1);

interface FlightMessage {
  readonly epoch: number;
  /** With its header; null: change cipher spec. */
  readonly message: Uint8Array | null;
}

export class Flight {
  /** How often a flight went again. */
  repeats: number;
  /** When it goes again without an answer; Infinity: it does not. */
  dueUs: number;
  private messages: FlightMessage[];
  private timeoutUs: number;
  private sentUs: number;
  private isAnswerAwaited: boolean;
  private readonly firstTimeoutUs: number;
  private readonly writer: RecordWriter;

  constructor(writer: RecordWriter, firstTimeoutMs: number) {
    this.repeats = 0;
    this.dueUs = Number.POSITIVE_INFINITY;
    this.messages = [];
    this.firstTimeoutUs = firstTimeoutMs * 1000;
    this.timeoutUs = this.firstTimeoutUs;
    this.sentUs = Number.NEGATIVE_INFINITY;
    this.isAnswerAwaited = false;
    this.writer = writer;
  }

  /** A new flight: the one before has been answered. */
  begin(): void {
    this.messages = [];
    this.timeoutUs = this.firstTimeoutUs;
    this.dueUs = Number.POSITIVE_INFINITY;
  }

  add(epoch: number, message: Uint8Array | null): void {
    this.messages.push({ epoch, message });
  }

  send(nowUs: number, isAnswerAwaited: boolean): void {
    this.isAnswerAwaited = isAnswerAwaited;
    this.transmit(nowUs);
  }

  /** `dueUs` has come. */
  repeatByTime(nowUs: number): void {
    this.timeoutUs = Math.min(2 * this.timeoutUs, MAX_TIMEOUT_US);
    this.repeats++;
    this.transmit(nowUs);
  }

  /** The peer sent the last message of its own flight again: it has not seen this one whole. */
  repeatForPeer(nowUs: number): void {
    if (this.messages.length === 0 || nowUs - this.sentUs < MIN_REPEAT_US) return;
    this.repeats++;
    this.transmit(nowUs);
  }

  private transmit(nowUs: number): void {
    const { writer } = this;
    // Before anything leaves: an answer may come while the rest is still being sent.
    this.sentUs = nowUs;
    this.dueUs = this.isAnswerAwaited ? nowUs + this.timeoutUs : Number.POSITIVE_INFINITY;
    for (const { epoch, message } of this.messages) {
      if (message === null) writer.write(DTLS_CONTENT.changeCipherSpec, epoch, CHANGE_CIPHER_SPEC);
      else writer.writeMessage(epoch, message);
    }
    writer.flush();
  }
}
