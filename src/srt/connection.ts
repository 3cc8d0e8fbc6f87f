/**
 * An SRT connection after its handshake: both halves, round-trip time, key refresh, keep-alives, shutdown, statistics
 * (draft-sharabayko-srt-01 sections 3.2, 4, 6). No socket and no timer: datagrams and time come in by `receive` and
 * `tick`, leave by `send`. Faults of the peer are counted or end the connection by `closed`; nothing throws.
 */
import {
  readDropRequest,
  SrtAck,
  writeAckAck,
  writeExtension,
  writeKeepAlive,
  writeShutdown,
} from '../wire/srt/control.ts';
import {
  SRT_KEY_STATE_BAD_SECRET,
  SRT_KEY_STATE_NO_SECRET,
  writeKeyState,
} from '../wire/srt/key-material.ts';
import { decodeLossRanges } from '../wire/srt/loss-list.ts';
import {
  SRT_CONTROL,
  SRT_EXTENSION_KEY_REQUEST,
  SRT_EXTENSION_KEY_RESPONSE,
  SRT_HEADER_BYTES,
  SRT_PACKET_OVERHEAD,
  SRT_UDP_OVERHEAD,
  SrtPacket,
} from '../wire/srt/srt-packet.ts';
import type { SrtAgreement } from './agreement.ts';
import { SrtCounters } from './counters.ts';
import { SrtReceiver } from './receiver.ts';
import { RoundTrip } from './round-trip.ts';
import { SrtSender } from './sender.ts';
import type { SrtSettings } from './settings.ts';
import type { SrtStatistics } from './statistics.ts';

const KEEP_ALIVE_US = 1_000_000;
const RATE_US = 1_000_000;
/** The first ACKs are all answered, until the peer knows the round-trip time; then no more than one in this time. */
const FIRST_ANSWERS = 32;
const ANSWER_US = 40_000;
/** An announcement of keys goes again when its answer stays away for so many round trips. */
const ANNOUNCE_ROUND_TRIPS = 1.5;
const MIN_ANNOUNCE_US = 20_000;

export interface SrtConnectionEvents {
  /**
   * One datagram: both parts one after the other, or `header` alone when `payload` is null. The bytes stay as they are
   * until the packet is acknowledged or given up.
   */
  send(header: Uint8Array, payload: Uint8Array | null): void;
  /** One message in order; `timeUs` is when it was meant to be handed out: later, when the peer has closed. */
  deliver(payload: Uint8Array, sequence: number, timeUs: number): void;
  /** Once, for any reason but an own `close`. The reason is a phrase for a log line. */
  closed(reason: string): void;
}

export class SrtConnection {
  readonly agreement: SrtAgreement;
  private readonly settings: SrtSettings;
  private readonly events: SrtConnectionEvents;
  private readonly counters: SrtCounters;
  private readonly roundTrip: RoundTrip;
  private readonly sender: SrtSender;
  private readonly receiver: SrtReceiver;
  private readonly packet: SrtPacket;
  private readonly ack: SrtAck;
  private readonly maxPayload: number;
  private isClosed: boolean;
  private lastSentUs: number;
  private lastReceivedUs: number;
  private announcedUs: number;
  private ackedSequence: number;
  private answeredAcks: number;
  private answeredUs: number;
  private nowUs: number;
  private rateFromUs: number;
  private rateSentBytes: number;
  private rateReceivedBytes: number;
  private mbpsSendRate: number;
  private mbpsRecvRate: number;

  constructor(agreement: SrtAgreement, settings: SrtSettings, events: SrtConnectionEvents, nowUs: number) {
    this.agreement = agreement;
    this.settings = settings;
    this.events = events;
    this.counters = new SrtCounters();
    this.roundTrip = new RoundTrip();
    this.nowUs = nowUs;
    this.lastSentUs = nowUs;
    this.lastReceivedUs = nowUs;
    this.announcedUs = Number.NEGATIVE_INFINITY;
    this.ackedSequence = -1;
    this.answeredAcks = 0;
    this.answeredUs = nowUs;
    const send = (header: Uint8Array, payload: Uint8Array | null): void => {
      this.lastSentUs = this.nowUs;
      events.send(header, payload);
    };
    const deliver = (payload: Uint8Array, sequence: number, timeUs: number): void => {
      // Whoever gets a message may close.
      if (!this.isClosed) events.deliver(payload, sequence, timeUs);
    };
    this.sender = new SrtSender(agreement, settings, this.counters, this.roundTrip, send, nowUs);
    this.receiver = new SrtReceiver(agreement, settings, this.counters, this.roundTrip, send, deliver, nowUs);
    this.packet = new SrtPacket();
    this.ack = new SrtAck();
    const overhead = agreement.keyring?.overhead ?? 0;
    this.maxPayload = agreement.mss - SRT_PACKET_OVERHEAD - overhead;
    this.isClosed = false;
    this.rateFromUs = nowUs;
    this.rateSentBytes = 0;
    this.rateReceivedBytes = 0;
    this.mbpsSendRate = 0;
    this.mbpsRecvRate = 0;
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /** Longest message, in bytes: 1456 without GCM and an MSS of 1500. */
  get maxMessageBytes(): number {
    return this.maxPayload;
  }

  /** `tick` must be called then at the latest; may change with every call of another method. Infinity when closed. */
  get nextWakeUs(): number {
    if (this.isClosed) return Number.POSITIVE_INFINITY;
    return Math.min(
      this.sender.wakeUs,
      this.receiver.wakeUs,
      this.lastSentUs + KEEP_ALIVE_US,
      this.rateFromUs + RATE_US,
      this.lastReceivedUs + this.settings.peerIdleTimeoutMs * 1000,
    );
  }

  /** Messages that have not been sent once. */
  get unsentPackets(): number {
    return this.sender.unsentPackets;
  }

  /** One message; the view is kept until the peer has it. False: closed, longer than `maxMessageBytes`, or no room. */
  sendMessage(payload: Uint8Array, nowUs: number): boolean {
    if (this.isClosed || payload.length === 0 || payload.length > this.maxPayload) return false;
    this.nowUs = nowUs;
    const isTaken = this.sender.push(payload, nowUs);
    this.announceKeys(nowUs);
    return isTaken;
  }

  /** A datagram for our socket id from the peer's address. Views of it are kept and its bytes are changed. */
  receive(datagram: Uint8Array, nowUs: number): void {
    const { packet } = this;
    if (this.isClosed || !packet.parse(datagram) || packet.destination !== this.agreement.localSocketId)
      return;
    if (datagram.length > this.agreement.mss - SRT_UDP_OVERHEAD) return;
    this.nowUs = nowUs;
    this.lastReceivedUs = nowUs;
    if (packet.isControl) this.receiveControl(nowUs);
    else if (datagram.length > SRT_HEADER_BYTES) this.receiver.onData(packet, nowUs);
  }

  tick(nowUs: number): void {
    if (this.isClosed) return;
    this.nowUs = nowUs;
    if (nowUs - this.lastReceivedUs >= this.settings.peerIdleTimeoutMs * 1000) {
      this.end('nothing came from the peer any more', true, nowUs);
      return;
    }
    this.receiver.tick(nowUs);
    this.sender.tick(nowUs);
    this.announceKeys(nowUs);
    if (nowUs - this.rateFromUs >= RATE_US) this.measureRates(nowUs);
    if (nowUs - this.lastSentUs >= KEEP_ALIVE_US)
      this.reply(writeKeepAlive(this.timestamp(nowUs), this.peer));
  }

  /** Tells the peer; `closed` is not called. */
  close(nowUs: number): void {
    if (!this.isClosed) this.shutDown(nowUs);
  }

  statistics(nowUs: number): SrtStatistics {
    const { agreement, counters, receiver, sender, settings } = this;
    const packetBits = 8 * agreement.mss;
    const receivedPacketBytes = counters.pktRecv === 0 ? 0 : counters.byteRecv / counters.pktRecv;
    const link = Math.max(sender.linkPacketsPerSecond, receiver.arrivals.linkPacketsPerSecond);
    return {
      ...counters,
      byteRcvDrop: Math.round(counters.pktRcvDrop * receivedPacketBytes),
      msTimeStamp: Math.floor((nowUs - agreement.startUs) / 1000),
      usPktSndPeriod: sender.periodUs,
      pktFlowWindow: sender.windowPackets,
      pktFlightSize: sender.flightPackets,
      msRTT: this.roundTrip.rttUs / 1000,
      mbpsBandwidth: (link * packetBits) / 1e6,
      mbpsSendRate: this.mbpsSendRate,
      mbpsRecvRate: this.mbpsRecvRate,
      mbpsMaxBW: (sender.bytesPerSecondLimit * 8) / 1e6,
      byteMSS: agreement.mss,
      pktSndBuf: sender.queuedPackets,
      byteSndBuf: sender.queuedBytes,
      msSndBuf: Math.round(sender.queuedUs / 1000),
      msSndTsbPdDelay: agreement.sendLatencyMs,
      byteAvailSndBuf: settings.sendBufferBytes - sender.queuedBytes,
      pktRcvBuf: receiver.bufferedPackets,
      byteRcvBuf: receiver.bufferedBytes,
      msRcvBuf: Math.round(receiver.bufferedUs / 1000),
      msRcvTsbPdDelay: agreement.receiveLatencyMs,
      byteAvailRcvBuf: settings.receiveBufferBytes - receiver.bufferedBytes,
    };
  }

  private get peer(): number {
    return this.agreement.peerSocketId;
  }

  private timestamp(nowUs: number): number {
    return nowUs - this.agreement.startUs;
  }

  private reply(datagram: Uint8Array): void {
    this.lastSentUs = this.nowUs;
    this.events.send(datagram, null);
  }

  private receiveControl(nowUs: number): void {
    const { ack, counters, packet, receiver, sender } = this;
    switch (packet.controlType) {
      case SRT_CONTROL.ack:
        if (!ack.read(packet)) return;
        counters.pktRecvACK++;
        if (!ack.isLight && this.mustAnswer(ack, nowUs))
          this.reply(writeAckAck(packet.info, this.timestamp(nowUs), this.peer));
        sender.onAck(ack, nowUs);
        return;
      case SRT_CONTROL.nak: {
        const ranges = decodeLossRanges(packet.bytes, SRT_HEADER_BYTES);
        if (ranges === null) return;
        counters.pktRecvNAK++;
        sender.onNak(ranges, nowUs);
        return;
      }
      case SRT_CONTROL.ackAck:
        receiver.onAckAck(packet.info, packet.timestamp, nowUs);
        return;
      case SRT_CONTROL.dropRequest: {
        const range = readDropRequest(packet);
        if (range !== null) receiver.onDropRequest(range.first, range.last, nowUs);
        return;
      }
      case SRT_CONTROL.shutdown:
        this.end('the peer closed', false, nowUs);
        return;
      case SRT_CONTROL.extension:
        this.receiveKeys(nowUs);
        return;
      default:
      // Keep-alives have told that the peer lives; repeated handshakes and congestion warnings say nothing new.
    }
  }

  /**
   * ACKs come a hundred times a second, and an answer costs as much as a packet of media. The peer's round-trip time
   * and clock drift live on fewer answers; one without an answer comes again when nothing newer does.
   */
  private mustAnswer(ack: SrtAck, nowUs: number): boolean {
    const isRepeated = ack.sequence === this.ackedSequence;
    this.ackedSequence = ack.sequence;
    if (!isRepeated && this.answeredAcks >= FIRST_ANSWERS && nowUs - this.answeredUs < ANSWER_US)
      return false;
    this.answeredAcks++;
    this.answeredUs = nowUs;
    return true;
  }

  private receiveKeys(nowUs: number): void {
    const { agreement, packet } = this;
    const content = packet.bytes.subarray(SRT_HEADER_BYTES);
    if (packet.subtype === SRT_EXTENSION_KEY_RESPONSE) {
      agreement.keyring?.confirm(content);
      return;
    }
    if (packet.subtype !== SRT_EXTENSION_KEY_REQUEST) return;
    const isTaken = agreement.keyring?.install(content, nowUs) ?? false;
    const state = agreement.keyring === null ? SRT_KEY_STATE_NO_SECRET : SRT_KEY_STATE_BAD_SECRET;
    const answer = isTaken ? content : writeKeyState(state);
    this.reply(writeExtension(SRT_EXTENSION_KEY_RESPONSE, answer, this.timestamp(nowUs), this.peer));
  }

  private announceKeys(nowUs: number): void {
    const { keyring } = this.agreement;
    if (keyring === null || !keyring.mustAnnounce) return;
    const interval = Math.max(MIN_ANNOUNCE_US, this.roundTrip.rttUs * ANNOUNCE_ROUND_TRIPS);
    if (nowUs - this.announcedUs < interval) return;
    this.announcedUs = nowUs;
    const keys = keyring.announcement();
    this.reply(writeExtension(SRT_EXTENSION_KEY_REQUEST, keys, this.timestamp(nowUs), this.peer));
  }

  private measureRates(nowUs: number): void {
    const seconds = (nowUs - this.rateFromUs) / 1e6;
    const { byteRecv, byteSent } = this.counters;
    this.mbpsSendRate = ((byteSent - this.rateSentBytes) * 8) / 1e6 / seconds;
    this.mbpsRecvRate = ((byteRecv - this.rateReceivedBytes) * 8) / 1e6 / seconds;
    this.rateFromUs = nowUs;
    this.rateSentBytes = byteSent;
    this.rateReceivedBytes = byteRecv;
  }

  /** The peer is gone; what it sent and is not handed out yet still counts. */
  private end(reason: string, mustTell: boolean, nowUs: number): void {
    this.receiver.flush();
    if (this.isClosed) return;
    if (mustTell) this.shutDown(nowUs);
    this.isClosed = true;
    this.events.closed(reason);
  }

  private shutDown(nowUs: number): void {
    this.nowUs = nowUs;
    this.isClosed = true;
    this.reply(writeShutdown(this.timestamp(nowUs), this.peer));
  }
}
