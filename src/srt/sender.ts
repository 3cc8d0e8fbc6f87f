/**
 * Sending half of a connection in live mode: numbers and paces packets, keeps them until they are acknowledged, sends
 * again what the peer reports lost (draft-sharabayko-srt-01 sections 4.8, 4.6, 5.1; libsrt's retransmission algorithm 1:
 * nothing twice within about a round trip).
 */
import { type SrtAck, writeDropRequest } from '../wire/srt/control.ts';
import { SRT_FLAG_PERIODIC_NAK, SRT_FLAG_TOO_LATE_DROP } from '../wire/srt/handshake.ts';
import { nextMessage, sequenceAdd, sequenceDistance } from '../wire/srt/sequence.ts';
import {
  markRetransmitted,
  SRT_KEY_NONE,
  SRT_PACKET_OVERHEAD,
  writeDataHeader,
} from '../wire/srt/srt-packet.ts';
import type { SrtAgreement } from './agreement.ts';
import { isSecondOfPair } from './arrival-window.ts';
import type { SrtCounters } from './counters.ts';
import type { RoundTrip } from './round-trip.ts';
import { SendPace } from './send-pace.ts';
import { SendQueue } from './send-queue.ts';
import type { SrtSettings } from './settings.ts';

/** A packet is given up after the peer's latency, but never sooner than this (libsrt). */
const MIN_DROP_AGE_US = 1_000_000;
const DROP_MARGIN_US = 20_000;
/** The peer's idea of our clock is not exact. */
const LATE_MARGIN_US = 20_000;
/** How long after silence the newest packet is sent again, on top of the round trip. */
const TAIL_MARGIN_US = 20_000;
const MAX_TAIL_US = 1_000_000;

export type SendDatagram = (header: Uint8Array, payload: Uint8Array | null) => void;

export class SrtSender {
  /** When `tick` must be called at the latest. */
  wakeUs: number;
  /** Packets a second that the link can carry, as the peer tells; 0 before. */
  linkPacketsPerSecond: number;
  private readonly agreement: SrtAgreement;
  private readonly settings: SrtSettings;
  private readonly counters: SrtCounters;
  private readonly roundTrip: RoundTrip;
  private readonly send: SendDatagram;
  private readonly queue: SendQueue;
  private readonly pace: SendPace;
  private readonly dropAgeUs: number;
  private readonly peerDropsLate: boolean;
  /** Position of the first packet that was never sent. */
  private next: number;
  private flowWindow: number;
  private message: number;
  private lastSentUs: number;
  private tailCount: number;

  constructor(
    agreement: SrtAgreement,
    settings: SrtSettings,
    counters: SrtCounters,
    roundTrip: RoundTrip,
    send: SendDatagram,
    nowUs: number,
  ) {
    this.wakeUs = Number.POSITIVE_INFINITY;
    this.linkPacketsPerSecond = 0;
    this.agreement = agreement;
    this.settings = settings;
    this.counters = counters;
    this.roundTrip = roundTrip;
    this.send = send;
    this.queue = new SendQueue(settings.sendBufferPackets, settings.sendBufferBytes);
    this.pace = new SendPace(settings, nowUs);
    this.dropAgeUs = Math.max(agreement.sendLatencyMs * 1000, MIN_DROP_AGE_US) + DROP_MARGIN_US;
    this.peerDropsLate = (agreement.peerFlags & SRT_FLAG_TOO_LATE_DROP) !== 0;
    this.next = 0;
    this.flowWindow = agreement.flowWindow;
    this.message = 1;
    this.lastSentUs = nowUs;
    this.tailCount = 0;
  }

  get queuedPackets(): number {
    return this.queue.length;
  }

  get queuedBytes(): number {
    return this.queue.bytes;
  }

  /** Packets that were not sent once. */
  get unsentPackets(): number {
    return this.queue.end - this.next;
  }

  get flightPackets(): number {
    return this.next - this.queue.first;
  }

  get windowPackets(): number {
    return this.flowWindow;
  }

  get bytesPerSecondLimit(): number {
    return this.pace.limit;
  }

  get periodUs(): number {
    const bytes = this.queue.length === 0 ? 1316 : this.queue.bytes / this.queue.length;
    return this.pace.periodUs(bytes);
  }

  /** From the oldest packet to the newest. */
  get queuedUs(): number {
    const { first, end } = this.queue;
    return end === first ? 0 : this.queue.pushedAt(end - 1) - this.queue.pushedAt(first);
  }

  /** False when the buffer is full. */
  push(payload: Uint8Array, nowUs: number): boolean {
    if (!this.queue.hasRoom(payload.length)) return false;
    this.queue.push(payload, nowUs);
    this.pace.addInput(payload.length, nowUs);
    this.pump(nowUs);
    return true;
  }

  tick(nowUs: number): void {
    if (this.peerDropsLate) this.dropLate(nowUs);
    this.probeTail(nowUs);
    this.pump(nowUs);
  }

  onAck(ack: SrtAck, nowUs: number): void {
    const position = this.positionOf(ack.sequence);
    // Nobody acknowledges what was not sent.
    if (position > this.next) return;
    if (position > this.queue.first) {
      this.queue.release(position);
      this.tailCount = 0;
      this.lastSentUs = nowUs;
    }
    if (!ack.isLight) {
      // A pair always goes: nobody would tell when there is room again.
      this.flowWindow = Math.max(2, Math.min(ack.bufferPackets, this.agreement.flowWindow));
      this.roundTrip.addReport(ack.rttUs, ack.rttVarianceUs);
      if (ack.linkCapacity > 0) this.linkPacketsPerSecond = ack.linkCapacity;
    }
    this.pump(nowUs);
  }

  /** Pairs of first and last lost sequence. */
  onNak(ranges: readonly number[], nowUs: number): void {
    // Ranges may overlap: a report costs no more than one walk over what is under way.
    let budget = this.flightPackets;
    for (let i = 0; i < ranges.length; i += 2) {
      const first = this.positionOf(ranges[i]!);
      const last = this.positionOf(ranges[i + 1]!);
      // What was never sent cannot be lost.
      if (first < 0 || last >= this.next) continue;
      if (first < this.queue.first && i === 0)
        this.requestDrop(first, Math.min(last, this.queue.first - 1), nowUs);
      for (let at = Math.max(first, this.queue.first); at <= last && budget > 0; at++, budget--)
        if (this.queue.markLost(at)) this.counters.pktSndLoss++;
    }
    this.pump(nowUs);
  }

  private positionOf(sequence: number): number {
    const { first } = this.queue;
    return first + sequenceDistance(sequence, this.sequenceOf(first));
  }

  private sequenceOf(position: number): number {
    return sequenceAdd(this.agreement.sendSequence, position);
  }

  private pump(nowUs: number): void {
    const { queue, pace } = this;
    while (nowUs >= pace.nextUs && this.repeatOne(nowUs));
    while (this.next < queue.end && this.flightPackets < this.flowWindow) {
      if (nowUs < pace.nextUs && !isSecondOfPair(this.sequenceOf(this.next))) break;
      this.sendNew(nowUs);
    }
    this.plan(nowUs);
  }

  private plan(nowUs: number): void {
    const { queue } = this;
    let wake = Number.POSITIVE_INFINITY;
    if (this.peerDropsLate && queue.length > 0) wake = queue.pushedAt(queue.first) + this.dropAgeUs;
    if (queue.lost > 0 || (this.next < queue.end && this.flightPackets < this.flowWindow))
      wake = Math.min(wake, Math.max(nowUs, this.pace.nextUs));
    if (this.flightPackets > 0) wake = Math.min(wake, this.lastSentUs + this.tailTimeoutUs);
    this.wakeUs = wake;
  }

  private sendNew(nowUs: number): void {
    const { agreement, queue } = this;
    const at = this.next++;
    const payload = queue.payload(at);
    const header = queue.header(at);
    const key =
      agreement.keyring?.takeSendKey(this.settings.keyRefreshPackets, this.settings.keyAnnouncePackets) ??
      null;
    const sequence = this.sequenceOf(at);
    const timestamp = queue.pushedAt(at) - agreement.startUs;
    const keySpec = key === null ? SRT_KEY_NONE : key.keySpec;
    writeDataHeader(header, sequence, this.message, keySpec, timestamp, agreement.peerSocketId);
    this.message = nextMessage(this.message);
    queue.setKey(at, key);
    this.counters.pktSentUnique++;
    this.counters.byteSentUnique += payload.length + SRT_PACKET_OVERHEAD;
    this.emit(at, header, nowUs);
  }

  /** Sends the oldest lost packet again; false when there is none. */
  private repeatOne(nowUs: number): boolean {
    const { queue, roundTrip } = this;
    const at = queue.takeLost();
    if (at < 0) return false;
    const repeated = queue.repeatedAt(at);
    const quiet = Math.max(roundTrip.rttUs / 2, roundTrip.rttUs - roundTrip.varianceUs);
    // The report left before the last repetition can have arrived.
    if (repeated >= 0 && nowUs - repeated < quiet) return true;
    const ageUs = nowUs - queue.pushedAt(at);
    const latencyUs = this.agreement.sendLatencyMs * 1000;
    // What the peer would throw away is a burden to the link.
    if (this.peerDropsLate && ageUs > latencyUs + roundTrip.rttUs / 2 + LATE_MARGIN_US) return true;
    queue.setRepeated(at, nowUs);
    const header = queue.header(at);
    markRetransmitted(header);
    // No report of another loss would come in time: the last attempt goes twice, unless the link is plainly too thin.
    const isLastChance = ageUs > latencyUs - roundTrip.rttUs && ageUs <= latencyUs;
    const isRare = this.counters.pktRetrans * 2 < this.counters.pktSentUnique;
    for (let copies = isLastChance && isRare ? 2 : 1; copies > 0; copies--) {
      this.counters.pktRetrans++;
      this.counters.byteRetrans += queue.payload(at).length + SRT_PACKET_OVERHEAD;
      this.emit(at, header, nowUs);
    }
    return true;
  }

  private emit(at: number, header: Buffer, nowUs: number): void {
    const payload = this.queue.payload(at);
    const key = this.queue.key(at);
    this.counters.pktSent++;
    this.counters.byteSent += payload.length + SRT_PACKET_OVERHEAD;
    this.pace.sent(payload.length, nowUs);
    this.lastSentUs = nowUs;
    if (key === null) this.send(header, payload);
    else this.send(key.encrypt(header, payload), null);
  }

  private dropLate(nowUs: number): void {
    const { queue, counters } = this;
    let end = queue.first;
    while (end < queue.end && nowUs - queue.pushedAt(end) > this.dropAgeUs) end++;
    if (end === queue.first) return;
    const { first } = queue;
    counters.pktSndDrop += end - first;
    counters.byteSndDrop += queue.release(end) + (end - first) * SRT_PACKET_OVERHEAD;
    if (this.next < end) this.next = end;
    this.requestDrop(first, end - 1, nowUs);
  }

  private requestDrop(first: number, last: number, nowUs: number): void {
    const { agreement } = this;
    const timestamp = nowUs - agreement.startUs;
    const from = this.sequenceOf(first);
    this.send(writeDropRequest(0, from, this.sequenceOf(last), timestamp, agreement.peerSocketId), null);
  }

  private get tailTimeoutUs(): number {
    return Math.min(MAX_TAIL_US, (this.roundTrip.timeoutUs + TAIL_MARGIN_US) * 2 ** this.tailCount);
  }

  /**
   * After the last packets of a burst nothing follows that shows the peer a gap. When acknowledgements stay away, the
   * newest one goes again, and all of them to a peer that reports losses only once.
   */
  private probeTail(nowUs: number): void {
    if (this.flightPackets === 0 || this.queue.lost > 0) return;
    if (nowUs - this.lastSentUs < this.tailTimeoutUs) return;
    this.tailCount = Math.min(this.tailCount + 1, 8);
    this.lastSentUs = nowUs;
    const reports = (this.agreement.peerFlags & SRT_FLAG_PERIODIC_NAK) !== 0;
    for (let at = reports ? this.next - 1 : this.queue.first; at < this.next; at++) this.queue.markLost(at);
  }
}
