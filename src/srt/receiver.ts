/**
 * Receiving half of a connection in live mode: puts packets in order, asks again for missing ones, hands them out at
 * their time and gives up what comes too late (draft-sharabayko-srt-01 sections 4.5 to 4.10). A ring of slots that
 * grows up to its bound; packets are counted from 0 (position), the first one being the peer's initial sequence.
 */
import { SrtAck, writeAck, writeLightAck, writeNak } from '../wire/srt/control.ts';
import { sequenceAdd, sequenceDistance } from '../wire/srt/sequence.ts';
import {
  SRT_HEADER_BYTES,
  SRT_PACKET_OVERHEAD,
  SRT_UDP_OVERHEAD,
  type SrtPacket,
} from '../wire/srt/srt-packet.ts';
import type { SrtAgreement } from './agreement.ts';
import { ArrivalWindow } from './arrival-window.ts';
import type { SrtCounters } from './counters.ts';
import type { RoundTrip } from './round-trip.ts';
import type { SendDatagram } from './sender.ts';
import type { SrtSettings } from './settings.ts';
import { TimeBase } from './time-base.ts';

const ACK_INTERVAL_US = 10_000;
const PACKETS_PER_LIGHT_ACK = 64;
const MIN_NAK_INTERVAL_US = 20_000;
/**
 * Senders from here on send nothing twice within a round trip, however often it is asked for: asking often costs a few
 * bytes and makes up for lost reports. Older ones get libsrt's interval.
 */
const PATIENT_VERSION = 0x01_05_00;
/** ACKs whose time is remembered until their ACKACK. */
const ACK_HISTORY = 256;
/** Sequence numbers farther away than this are no loss but another stream. */
const MAX_JUMP = 1 << 28;
const FIRST_SLOTS = 64;
/** Stands for a packet that will not come or could not be deciphered: nothing to hand out, nothing to ask for. */
const NOTHING = new Uint8Array(0);

export type DeliverMessage = (payload: Uint8Array, sequence: number, timeUs: number) => void;

export class SrtReceiver {
  /** When `tick` must be called at the latest. */
  wakeUs: number;
  bufferedPackets: number;
  bufferedBytes: number;
  readonly arrivals: ArrivalWindow;
  private readonly agreement: SrtAgreement;
  private readonly settings: SrtSettings;
  private readonly counters: SrtCounters;
  private readonly roundTrip: RoundTrip;
  private readonly send: SendDatagram;
  private readonly deliver: DeliverMessage;
  private readonly timeBase: TimeBase;
  private mask: number;
  private payloads: (Uint8Array | null)[];
  /** Time of the sender's clock. */
  private times: Float64Array;
  /** When a missing packet was asked for. */
  private askedUs: Float64Array;
  /** Next to hand out, first missing, behind the newest. */
  private head: number;
  private acked: number;
  private end: number;
  private missing: number;
  private nakCheckUs: number;
  private ackNumber: number;
  private readonly ack: SrtAck;
  private readonly ackTimes: Float64Array;
  private readonly ackNumbers: Float64Array;
  private readonly ackPositions: Float64Array;
  private lastAckUs: number;
  private lastAckPosition: number;
  private confirmedPosition: number;
  private sinceLightAck: number;

  constructor(
    agreement: SrtAgreement,
    settings: SrtSettings,
    counters: SrtCounters,
    roundTrip: RoundTrip,
    send: SendDatagram,
    deliver: DeliverMessage,
    nowUs: number,
  ) {
    this.wakeUs = Number.POSITIVE_INFINITY;
    this.bufferedPackets = 0;
    this.bufferedBytes = 0;
    this.arrivals = new ArrivalWindow();
    this.timeBase = new TimeBase(agreement.peerStartUs);
    this.agreement = agreement;
    this.settings = settings;
    this.counters = counters;
    this.roundTrip = roundTrip;
    this.send = send;
    this.deliver = deliver;
    this.mask = FIRST_SLOTS - 1;
    this.payloads = new Array<Uint8Array | null>(FIRST_SLOTS).fill(null);
    this.times = new Float64Array(FIRST_SLOTS);
    this.askedUs = new Float64Array(FIRST_SLOTS);
    this.head = 0;
    this.acked = 0;
    this.end = 0;
    this.missing = 0;
    this.nakCheckUs = 0;
    this.ackNumber = 0;
    this.ack = new SrtAck();
    this.ackTimes = new Float64Array(ACK_HISTORY);
    this.ackNumbers = new Float64Array(ACK_HISTORY);
    this.ackPositions = new Float64Array(ACK_HISTORY);
    this.lastAckUs = nowUs - ACK_INTERVAL_US;
    this.lastAckPosition = 0;
    this.confirmedPosition = 0;
    this.sinceLightAck = 0;
  }

  /** From the oldest packet to the newest. */
  get bufferedUs(): number {
    for (let at = this.head; at < this.end; at++)
      if (this.payloads[at & this.mask] !== null && this.payloads[(this.end - 1) & this.mask] !== null)
        return Math.max(0, this.times[(this.end - 1) & this.mask]! - this.times[at & this.mask]!);
    return 0;
  }

  onData(packet: SrtPacket, nowUs: number): void {
    const { counters, settings } = this;
    const size = packet.bytes.length - SRT_HEADER_BYTES;
    counters.pktRecv++;
    counters.byteRecv += size + SRT_PACKET_OVERHEAD;
    if (packet.retransmitted) counters.pktRcvRetrans++;
    else this.arrivals.add(packet.sequence, size, nowUs);
    const position = this.positionOf(packet.sequence);
    if (position < this.head) {
      counters.pktRcvBelated++;
      return;
    }
    if (position - this.head >= settings.receiveBufferPackets && !this.jumpTo(position)) return;
    if (this.bufferedBytes + size > settings.receiveBufferBytes) return;
    if (position < this.end) {
      if (this.payloads[position & this.mask] !== null) {
        counters.pktRcvBelated++;
        return;
      }
      if (!packet.retransmitted)
        counters.pktReorderDistance = Math.max(counters.pktReorderDistance, this.end - 1 - position);
    }
    const payload = this.decipher(packet);
    this.open(position, nowUs);
    if (payload === null) return;
    const slot = position & this.mask;
    this.payloads[slot] = payload;
    this.times[slot] = this.timeBase.unwrap(packet.timestamp, nowUs);
    this.missing--;
    this.bufferedPackets++;
    this.bufferedBytes += payload.length;
    this.advanceAcked();
    if (++this.sinceLightAck >= PACKETS_PER_LIGHT_ACK) this.sendLightAck(nowUs);
    this.handOut(nowUs);
    this.plan(nowUs);
  }

  /** The sender no longer has these. */
  onDropRequest(first: number, last: number, nowUs: number): void {
    const from = Math.max(this.head, this.positionOf(first));
    const to = this.positionOf(last);
    if (to < from || to - this.head >= this.settings.receiveBufferPackets) return;
    this.open(to, nowUs, from);
    for (let at = from; at <= to; at++) {
      const slot = at & this.mask;
      if (this.payloads[slot] !== null) continue;
      this.payloads[slot] = NOTHING;
      // No time of its own: it goes with its neighbours.
      this.times[slot] = Number.NEGATIVE_INFINITY;
      this.missing--;
      this.bufferedPackets++;
      this.counters.pktRcvDrop++;
    }
    this.advanceAcked();
    this.handOut(nowUs);
    this.plan(nowUs);
  }

  onAckAck(ackNumber: number, timestamp: number, nowUs: number): void {
    const slot = ackNumber % ACK_HISTORY;
    if (ackNumber === 0 || this.ackNumbers[slot] !== ackNumber) return;
    this.ackNumbers[slot] = 0;
    this.roundTrip.addSample(nowUs - this.ackTimes[slot]!);
    this.confirmedPosition = Math.max(this.confirmedPosition, this.ackPositions[slot]!);
    const extra = nowUs - this.ackTimes[slot]! - this.roundTrip.firstUs;
    this.timeBase.addSample(timestamp, extra, nowUs);
  }

  /** Nothing follows any more: what waits for its time is handed out now, also behind gaps where gaps are given up. */
  flush(): void {
    this.handOut(Number.POSITIVE_INFINITY);
  }

  tick(nowUs: number): void {
    this.handOut(nowUs);
    if (this.missing > 0 && nowUs >= this.nakCheckUs) this.sendPeriodicNak(nowUs);
    if (this.ackDue(nowUs) <= nowUs) this.sendFullAck(nowUs);
    this.plan(nowUs);
  }

  private positionOf(sequence: number): number {
    return this.head + sequenceDistance(sequence, this.sequenceOf(this.head));
  }

  private sequenceOf(position: number): number {
    return sequenceAdd(this.agreement.receiveSequence, position);
  }

  /** After an outage longer than the buffer there is nothing to wait for: goes on at `position`. */
  private jumpTo(position: number): boolean {
    if (this.bufferedPackets > 0 || position - this.head > MAX_JUMP) return false;
    this.counters.pktRcvLoss += position - this.end;
    this.counters.pktRcvDrop += position - this.head;
    this.head = position;
    this.end = position;
    this.missing = 0;
    this.advanceAcked();
    return true;
  }

  /** Makes place up to `position`; what lies between the newest one and it is missing and asked for. */
  private open(position: number, nowUs: number, lossEnd = position): void {
    if (position < this.end) return;
    while (position - this.head > this.mask) this.grow();
    const gap = this.end;
    for (let at = gap; at <= position; at++) {
      const slot = at & this.mask;
      this.payloads[slot] = null;
      this.askedUs[slot] = nowUs;
    }
    this.missing += position + 1 - gap;
    this.end = position + 1;
    if (gap >= lossEnd) return;
    this.counters.pktRcvLoss += lossEnd - gap;
    this.sendNak([this.sequenceOf(gap), this.sequenceOf(lossEnd - 1)], nowUs);
    this.nakCheckUs = nowUs + MIN_NAK_INTERVAL_US / 2;
  }

  /** Null when it counts as not received; NOTHING when it is of no use and would not be better the next time. */
  private decipher(packet: SrtPacket): Uint8Array | null {
    const { keyring } = this.agreement;
    if (packet.keySpec === 0 && keyring === null) return packet.bytes.subarray(SRT_HEADER_BYTES);
    const key = keyring?.receiveKey(packet.keySpec) ?? null;
    const payload = key === null ? null : key.decrypt(packet.bytes);
    if (payload !== null) return payload;
    this.counters.pktRcvUndecrypt++;
    this.counters.byteRcvUndecrypt += packet.bytes.length + SRT_UDP_OVERHEAD;
    return key === null ? NOTHING : null;
  }

  private advanceAcked(): void {
    if (this.acked < this.head) this.acked = this.head;
    while (this.acked < this.end && this.payloads[this.acked & this.mask] !== null) this.acked++;
  }

  private handOut(nowUs: number): void {
    const { settings } = this;
    const latencyUs = this.agreement.receiveLatencyMs * 1000;
    const isTimed = settings.delivery === 'timed';
    while (this.head < this.end) {
      const slot = this.head & this.mask;
      const payload = this.payloads[slot]!;
      if (payload === null) {
        if (!settings.tooLateDrop || !this.dropMissing(nowUs - latencyUs)) return;
        continue;
      }
      const timeUs = this.timeBase.baseUs + this.times[slot]! + latencyUs;
      if (isTimed && timeUs > nowUs) return;
      const sequence = this.sequenceOf(this.head);
      this.payloads[slot] = null;
      this.head++;
      this.bufferedPackets--;
      this.bufferedBytes -= payload.length;
      if (payload !== NOTHING) this.deliver(payload, sequence, timeUs);
    }
    if (this.acked < this.head) this.acked = this.head;
  }

  /** Gives up the missing ones at the head when the time of the packet behind them has come. */
  private dropMissing(timeUs: number): boolean {
    const next = this.firstReal();
    if (next === this.end || this.timeBase.baseUs + this.times[next & this.mask]! > timeUs) return false;
    while (this.payloads[this.head & this.mask] === null) {
      this.head++;
      this.missing--;
      this.counters.pktRcvDrop++;
    }
    this.advanceAcked();
    return true;
  }

  /** The first packet with something in it; `end` when there is none. */
  private firstReal(): number {
    let at = this.head;
    for (; at < this.end; at++) {
      const payload = this.payloads[at & this.mask]!;
      if (payload !== null && payload !== NOTHING) break;
    }
    return at;
  }

  private plan(nowUs: number): void {
    let wake = this.ackDue(nowUs);
    if (this.missing > 0) wake = Math.min(wake, Math.max(nowUs, this.nakCheckUs));
    // The next in line, or the one behind the gap: whose time comes decides.
    const at = this.firstReal();
    if (at < this.end && (at === this.head || this.settings.tooLateDrop)) {
      const latencyUs = this.agreement.receiveLatencyMs * 1000;
      wake = Math.min(wake, Math.max(nowUs, this.timeBase.baseUs + this.times[at & this.mask]! + latencyUs));
    }
    this.wakeUs = wake;
  }

  /** A full ACK is due every 10 ms while there is news, and again when its ACKACK stays away. */
  private ackDue(nowUs: number): number {
    if (this.acked <= this.confirmedPosition) return Number.POSITIVE_INFINITY;
    if (this.acked > this.lastAckPosition) return Math.max(nowUs, this.lastAckUs + ACK_INTERVAL_US);
    return this.lastAckUs + Math.max(ACK_INTERVAL_US, this.roundTrip.timeoutUs);
  }

  private sendFullAck(nowUs: number): void {
    const { ack, agreement, arrivals, roundTrip } = this;
    this.ackNumber = this.ackNumber === 0xffff_ffff ? 1 : this.ackNumber + 1;
    ack.sequence = this.sequenceOf(this.acked);
    ack.rttUs = Math.round(roundTrip.rttUs);
    ack.rttVarianceUs = Math.round(roundTrip.varianceUs);
    // Two at least, or a peer would stand still for ever.
    ack.bufferPackets = Math.max(2, this.settings.receiveBufferPackets - (this.end - this.head));
    ack.packetsPerSecond = arrivals.packetsPerSecond;
    ack.linkCapacity = arrivals.linkPacketsPerSecond;
    ack.bytesPerSecond = arrivals.bytesPerSecond;
    const slot = this.ackNumber % ACK_HISTORY;
    this.ackNumbers[slot] = this.ackNumber;
    this.ackTimes[slot] = nowUs;
    this.ackPositions[slot] = this.acked;
    this.lastAckUs = nowUs;
    this.lastAckPosition = this.acked;
    this.sinceLightAck = 0;
    this.counters.pktSentACK++;
    this.send(writeAck(this.ackNumber, ack, nowUs - agreement.startUs, agreement.peerSocketId), null);
  }

  private sendLightAck(nowUs: number): void {
    const { agreement } = this;
    this.sinceLightAck = 0;
    this.counters.pktSentACK++;
    const sequence = this.sequenceOf(this.acked);
    this.send(writeLightAck(sequence, nowUs - agreement.startUs, agreement.peerSocketId), null);
  }

  /** Asks again for what was asked for long enough ago that it should be here. */
  private sendPeriodicNak(nowUs: number): void {
    const { roundTrip } = this;
    const interval = Math.max(
      MIN_NAK_INTERVAL_US,
      this.agreement.peerVersion >= PATIENT_VERSION ? roundTrip.rttUs / 4 : roundTrip.timeoutUs / 2,
    );
    const maxNumbers = (this.agreement.mss - SRT_PACKET_OVERHEAD) >> 2;
    const ranges: number[] = [];
    let last = -2;
    for (let at = this.acked; at < this.end && ranges.length + 2 <= maxNumbers; at++) {
      const slot = at & this.mask;
      if (this.payloads[slot] !== null || nowUs - this.askedUs[slot]! < interval) continue;
      this.askedUs[slot] = nowUs;
      if (last === at - 1) ranges[ranges.length - 1] = this.sequenceOf(at);
      else ranges.push(this.sequenceOf(at), this.sequenceOf(at));
      last = at;
    }
    this.nakCheckUs = nowUs + MIN_NAK_INTERVAL_US / 2;
    if (ranges.length > 0) this.sendNak(ranges, nowUs);
  }

  private sendNak(ranges: readonly number[], nowUs: number): void {
    const { agreement } = this;
    this.counters.pktSentNAK++;
    this.send(writeNak(ranges, nowUs - agreement.startUs, agreement.peerSocketId), null);
  }

  private grow(): void {
    const count = (this.mask + 1) * 2;
    const payloads = new Array<Uint8Array | null>(count).fill(null);
    const times = new Float64Array(count);
    const askedUs = new Float64Array(count);
    for (let at = this.head; at < this.end; at++) {
      const from = at & this.mask;
      const to = at & (count - 1);
      payloads[to] = this.payloads[from]!;
      times[to] = this.times[from]!;
      askedUs[to] = this.askedUs[from]!;
    }
    this.mask = count - 1;
    this.payloads = payloads;
    this.times = times;
    this.askedUs = askedUs;
  }
}
