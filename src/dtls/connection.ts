/**
 * What server and client share: records in and out, epochs, order of messages, flights, timers, alerts, application data
 * (RFC 6347). What the messages mean is the business of a DtlsRole. No socket and no timer; nothing that a peer sends
 * makes `receive` throw.
 *
 * A change of cipher is not waited for: epoch 1 is read as soon as its keys are known. Finished must come in it and
 * nothing else may, so a lost or late ChangeCipherSpec costs nothing and an early one does nothing.
 */
import { timingSafeEqual } from 'node:crypto';
import { InvariantError, ProtocolError } from '../util/errors.ts';
import { ReplayWindow } from '../util/replay-window.ts';
import { alertName, DTLS_ALERT, DTLS_ALERT_LEVEL } from '../wire/dtls/alert.ts';
import {
  DTLS_HANDSHAKE_HEADER_BYTES,
  DtlsHandshakeFragment,
  handshakeMessage,
} from '../wire/dtls/handshake-header.ts';
import { DTLS_1_2, DTLS_CONTENT, DTLS_HANDSHAKE } from '../wire/dtls/numbers.ts';
import { DtlsRecord, MAX_DTLS_PLAINTEXT_BYTES } from '../wire/dtls/record.ts';
import { alertOfFault } from './faults.ts';
import { Flight } from './flight.ts';
import { FragmentBuffer } from './fragment-buffer.ts';
import { type KeySchedule, Transcript } from './key-schedule.ts';
import type { RecordCipher } from './record-cipher.ts';
import { RecordWriter } from './record-writer.ts';
import {
  DEFAULT_DTLS_MTU,
  DEFAULT_FIRST_TIMEOUT_MS,
  DEFAULT_HANDSHAKE_TIMEOUT_MS,
  type DtlsCounters,
  type DtlsEvents,
  type DtlsOptions,
} from './settings.ts';

export interface DtlsRole {
  readonly isClient: boolean;
  /** The next message in order, whole, with its header; own memory. Throws ProtocolError. */
  onMessage(type: number, message: Buffer): void;
}

/** Below this flights would fall into crumbs. */
const MIN_MTU = 256;
/** Records of epoch 1 that overtook what its keys come from. */
const MAX_EARLY_RECORDS = 4;
const MAX_EARLY_BYTES = 2048;
/** RFC 6347 section 4.1.2.6. */
const REPLAY_WINDOW_RECORDS = 64;

export class DtlsConnection {
  readonly transcript: Transcript;
  readonly writer: RecordWriter;
  nowUs: number;
  private readonly role: DtlsRole;
  private readonly events: DtlsEvents;
  private readonly flight: Flight;
  private readonly fragments: FragmentBuffer;
  private readonly record: DtlsRecord;
  private readonly fragment: DtlsHandshakeFragment;
  private readonly window: ReplayWindow;
  private readonly handshakeTimeoutUs: number;
  private schedule: KeySchedule | null;
  private readCipher: RecordCipher | null;
  private writeEpoch: number;
  private nextSendSequence: number;
  /** The message that ended the peer's flight which ours answers; -1 without one. */
  private answeredSequence: number;
  private early: Buffer[];
  private deadlineUs: number;
  private isConnected: boolean;
  private isClosed: boolean;
  private hasRefusedRenegotiation: boolean;
  private receivedRecords: number;
  private droppedRecords: number;
  private replayedRecords: number;

  constructor(role: DtlsRole, options: DtlsOptions, events: DtlsEvents, nowUs: number) {
    this.role = role;
    this.events = events;
    this.transcript = new Transcript();
    const mtu = Math.max(MIN_MTU, options.mtu ?? DEFAULT_DTLS_MTU);
    this.writer = new RecordWriter(mtu, (datagram) => events.send(datagram));
    this.flight = new Flight(this.writer, options.firstTimeoutMs ?? DEFAULT_FIRST_TIMEOUT_MS);
    this.fragments = new FragmentBuffer();
    this.record = new DtlsRecord();
    this.fragment = new DtlsHandshakeFragment();
    this.window = new ReplayWindow(REPLAY_WINDOW_RECORDS);
    this.nowUs = nowUs;
    this.handshakeTimeoutUs = (options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS) * 1000;
    this.deadlineUs = nowUs + this.handshakeTimeoutUs;
    this.schedule = null;
    this.readCipher = null;
    this.writeEpoch = 0;
    this.nextSendSequence = 0;
    this.answeredSequence = -1;
    this.early = [];
    this.isConnected = false;
    this.isClosed = false;
    this.hasRefusedRenegotiation = false;
    this.receivedRecords = 0;
    this.droppedRecords = 0;
    this.replayedRecords = 0;
  }

  get closed(): boolean {
    return this.isClosed;
  }

  get connected(): boolean {
    return this.isConnected && !this.isClosed;
  }

  get nextTimeoutUs(): number {
    return this.isClosed ? Number.POSITIVE_INFINITY : Math.min(this.flight.dueUs, this.deadlineUs);
  }

  get counters(): DtlsCounters {
    return {
      receivedRecords: this.receivedRecords,
      droppedRecords: this.droppedRecords,
      replayedRecords: this.replayedRecords,
      repeatedFlights: this.flight.repeats,
    };
  }

  receive(datagram: Uint8Array, nowUs: number): void {
    if (this.isClosed) return;
    this.nowUs = nowUs;
    try {
      this.readRecords(datagram);
      // Each early record is looked at once more only, when there are keys.
      while (this.early.length > 0 && this.readCipher !== null) this.readRecords(this.early.shift()!);
    } catch (error) {
      this.fail(error);
    }
  }

  tick(nowUs: number): void {
    if (this.isClosed) return;
    this.nowUs = nowUs;
    if (nowUs >= this.deadlineUs) this.end('dtls.timeout', 'the handshake took too long');
    else if (nowUs >= this.flight.dueUs) this.flight.repeatByTime(nowUs);
  }

  /** False: not connected, or too long for a record. */
  sendData(payload: Uint8Array): boolean {
    if (!this.connected || payload.length > MAX_DTLS_PLAINTEXT_BYTES || this.writer.isSpent) return false;
    this.writer.write(DTLS_CONTENT.applicationData, 1, payload);
    this.writer.flush();
    return true;
  }

  close(): void {
    if (this.isClosed) return;
    this.forget();
    this.sendAlert(DTLS_ALERT_LEVEL.warning, DTLS_ALERT.closeNotify);
  }

  // What follows is for roles.

  /** Numbers of our messages and records, and of the peer's messages, go on where a stateless answer stopped. */
  beginAt(messageSequence: number, recordSequence: number): void {
    this.fragments.nextSequence = messageSequence;
    this.nextSendSequence = messageSequence;
    this.writer.plainSequence = recordSequence;
  }

  restartDeadline(nowUs: number): void {
    this.nowUs = nowUs;
    this.deadlineUs = nowUs + this.handshakeTimeoutUs;
  }

  beginFlight(): void {
    this.answeredSequence = this.fragments.nextSequence - 1;
    this.flight.begin();
  }

  /** A message of epoch 0, into transcript and flight. */
  add(type: number, body: Uint8Array): void {
    const message = handshakeMessage(type, this.nextSendSequence++, body);
    this.transcript.add(message);
    this.flight.add(this.writeEpoch, message);
  }

  /** Change of cipher and Finished, which end a flight. */
  addFinished(): void {
    const { schedule, transcript } = this;
    if (schedule === null) throw new InvariantError('finished without keys');
    this.flight.add(0, null);
    this.writeEpoch = 1;
    this.add(DTLS_HANDSHAKE.finished, schedule.verifyData(this.role.isClient, transcript));
  }

  sendFlight(isAnswerAwaited: boolean): void {
    this.flight.send(this.nowUs, isAnswerAwaited);
  }

  useKeys(schedule: KeySchedule): void {
    const { client, server } = schedule.recordCiphers();
    this.schedule = schedule;
    this.readCipher = this.role.isClient ? server : client;
    this.writer.cipher = this.role.isClient ? client : server;
  }

  /** Throws when it is not the peer's Finished of this handshake. */
  checkFinished(message: Buffer): void {
    if (this.schedule === null) throw new InvariantError('finished without keys');
    const expected = this.schedule.verifyData(!this.role.isClient, this.transcript);
    const body = message.subarray(DTLS_HANDSHAKE_HEADER_BYTES);
    if (body.length !== expected.length || !timingSafeEqual(body, expected))
      throw new ProtocolError('dtls.bad-finished');
    this.transcript.add(message);
  }

  /** The handshake is over; `srtpProfile` 0 is none. */
  finish(srtpProfile: number): void {
    const { schedule } = this;
    // `send` may have closed it, or brought what did.
    if (this.isClosed) return;
    if (schedule === null) throw new InvariantError('finished without keys');
    // The last flight stays for a peer that did not get it, the client's is answered.
    if (this.role.isClient) this.flight.begin();
    this.deadlineUs = Number.POSITIVE_INFINITY;
    this.isConnected = true;
    this.schedule = null;
    this.early = [];
    this.transcript.clear();
    // What lies there came in the clear and belongs to no message of this handshake.
    this.fragments.clear();
    this.events.onConnected(schedule.srtpKeys(srtpProfile));
  }

  private readRecords(bytes: Uint8Array): void {
    const { record } = this;
    for (let at = 0; at < bytes.length && !this.isClosed; ) {
      const next = record.parse(bytes, at);
      this.receivedRecords++;
      // No DTLS: what follows is none either.
      if (next === -1 || record.version >>> 8 !== DTLS_1_2 >>> 8) {
        this.droppedRecords++;
        return;
      }
      if (!this.readRecord(bytes, at)) this.droppedRecords++;
      at = next;
    }
  }

  /** False: dropped. */
  private readRecord(bytes: Uint8Array, at: number): boolean {
    const { record } = this;
    if (record.epoch === 0) {
      if (this.isConnected) return false;
      return this.readContent(record.type, 0, bytes, record.start, record.end);
    }
    if (record.epoch !== 1) return false;
    const { readCipher, window } = this;
    if (readCipher === null) return this.keepEarly(bytes.subarray(at, record.end));
    if (!window.isNew(record.sequence)) {
      this.replayedRecords++;
      return true;
    }
    const payload = readCipher.open(record, bytes);
    if (payload === null) return false;
    window.add(record.sequence);
    return this.readContent(record.type, 1, payload, 0, payload.length);
  }

  private keepEarly(record: Uint8Array): boolean {
    if (record.length > MAX_EARLY_BYTES || this.early.length >= MAX_EARLY_RECORDS) return false;
    this.early.push(Buffer.from(record));
    return true;
  }

  private readContent(type: number, epoch: number, bytes: Uint8Array, start: number, end: number): boolean {
    switch (type) {
      case DTLS_CONTENT.handshake:
        return this.readHandshake(epoch, bytes, start, end);
      case DTLS_CONTENT.alert:
        return end - start === 2 && this.readAlert(bytes[start]!, bytes[start + 1]!);
      case DTLS_CONTENT.changeCipherSpec:
        return true;
      case DTLS_CONTENT.applicationData:
        if (epoch === 0 || !this.isConnected) return false;
        this.events.onData?.(bytes);
        return true;
      default:
        return false;
    }
  }

  private readHandshake(epoch: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { fragment } = this;
    if (start === end) return false;
    for (let at = start; at < end && !this.isClosed; ) {
      at = fragment.parse(bytes, at, end);
      if (at === -1) return false;
      if (fragment.sequence < this.fragments.nextSequence) this.readRepeated();
      else if (this.isConnected) this.refuseRenegotiation();
      else if (this.fragments.add(fragment, epoch, bytes)) this.handOut();
      else this.droppedRecords++;
    }
    return true;
  }

  /** Only the last piece of a flight counts, so that a flight of several datagrams is answered once. */
  private readRepeated(): void {
    const { fragment } = this;
    const size = fragment.end - fragment.start;
    if (fragment.sequence === this.answeredSequence && fragment.offset + size === fragment.length)
      this.flight.repeatForPeer(this.nowUs);
  }

  private handOut(): void {
    const { fragments } = this;
    while (!this.isConnected && !this.isClosed) {
      const epoch = fragments.readyEpoch;
      if (epoch === -1) return;
      const message = fragments.take();
      const type = message[0]!;
      if ((type === DTLS_HANDSHAKE.finished) !== (epoch === 1))
        throw new ProtocolError('dtls.unexpected-message', `type ${type} in epoch ${epoch}`);
      this.role.onMessage(type, message);
    }
  }

  private refuseRenegotiation(): void {
    if (this.hasRefusedRenegotiation) return;
    this.hasRefusedRenegotiation = true;
    this.sendAlert(DTLS_ALERT_LEVEL.warning, DTLS_ALERT.noRenegotiation);
  }

  private readAlert(level: number, description: number): boolean {
    if (description === DTLS_ALERT.closeNotify) {
      this.close();
      this.events.onClosed('dtls.closed', 'by the peer');
    } else if (level === DTLS_ALERT_LEVEL.fatal) this.end('dtls.peer-alert', alertName(description));
    return true;
  }

  /** Ends the connection for what the peer did; errors of ours go on. */
  private fail(error: unknown): void {
    if (error instanceof InvariantError) throw error;
    if (this.isClosed) return;
    const code = error instanceof ProtocolError ? error.code : 'dtls.internal';
    const message = error instanceof Error ? error.message : String(error);
    this.forget();
    this.sendAlert(DTLS_ALERT_LEVEL.fatal, alertOfFault(code));
    this.events.onClosed(code, message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message);
  }

  private sendAlert(level: number, description: number): void {
    if (this.writer.isSpent) return;
    this.writer.write(DTLS_CONTENT.alert, this.writeEpoch, Uint8Array.of(level, description));
    this.writer.flush();
  }

  private end(code: string, detail: string): void {
    this.forget();
    this.events.onClosed(code, detail);
  }

  private forget(): void {
    this.isClosed = true;
    this.early = [];
    this.flight.begin();
    this.transcript.clear();
    this.fragments.clear();
    this.schedule = null;
  }
}
