/**
 * What comes from one publisher: whose packet it is (SSRC, MID, RID; RFC 8843 section 9.2, RFC 8853), retransmissions put
 * back into their stream (RFC 4588), lost packets asked for, reports and feedback of congestion control, key frames
 * requested with a limit.
 */
import { randomInt } from 'node:crypto';
import { MODULUS_32 } from '../../util/serial-number.ts';
import { roundTripOf, serializeReferenceTime } from '../../wire/rtp/extended-report.ts';
import { ReceiveStatistics } from '../../wire/rtp/receive-statistics.ts';
import { parseRtcp, type RtcpPacket, serializeRtcp } from '../../wire/rtp/rtcp.ts';
import { RtpExtensionCursor, RtpPacket } from '../../wire/rtp/rtp-packet.ts';
import type { RtcMedia } from '../rtc-description.ts';
import { ArrivalLog } from './arrival-log.ts';
import { MissingPackets } from './missing-packets.ts';

const TICK_US = 10_000;
const REPORT_US = 1_000_000;
const FEEDBACK_US = 50_000;
/** Between two requests for a key frame from one source. */
const KEY_GAP_US = 500_000;
/** Sources of one connection; as many as a report has room for. */
const MAX_SOURCES = 31;
const MAX_PACKET_BYTES = 2048;
const CNAME = 'sluice';
const RTX_BYTES = 2;
/** Who has not replied to so many questions for the round trip does not know them. */
const MAX_UNANSWERED = 10;

export interface ReceiveOutput {
  sendRtcp(compound: Uint8Array): void;
  /** A whole RTP packet, in plain; valid during the call. `layer`: place in `rids`, 0 without simulcast. */
  onRtp(media: number, layer: number, packet: Uint8Array, nowUs: number): void;
  onRtcp(media: number, layer: number, packet: Uint8Array, nowUs: number): void;
}

export interface ReceiveTotals {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that did not come, also not when they were asked for. */
  readonly lost: number;
  readonly recovered: number;
  readonly keyRequests: number;
  /** Packets that belong to nothing that was agreed. */
  readonly strays: number;
  /** NaN = the peer does not tell (RFC 3611). */
  readonly roundTripUs: number;
}

class Source {
  readonly ssrc: number;
  readonly media: RtcMedia;
  readonly layer: number;
  readonly statistics: ReceiveStatistics;
  readonly missing = new MissingPackets();
  keyAskedUs = Number.NEGATIVE_INFINITY;
  isKeyWanted = false;
  firSequence = 0;

  constructor(ssrc: number, media: RtcMedia, layer: number) {
    this.ssrc = ssrc;
    this.media = media;
    this.layer = layer;
    this.statistics = new ReceiveStatistics(media.clockRate);
  }
}

export class ReceiveSession {
  private readonly medias: readonly RtcMedia[];
  private readonly output: ReceiveOutput;
  private readonly ssrc = randomInt(1, MODULUS_32);
  private readonly sources = new Map<number, Source>();
  /** SSRC of retransmissions -> SSRC of what is sent again. */
  private readonly originals = new Map<number, number>();
  private readonly arrivals = new ArrivalLog();
  private readonly packet = new RtpPacket();
  private readonly extension = new RtpExtensionCursor();
  private readonly restored = Buffer.alloc(MAX_PACKET_BYTES);
  private readonly usesFeedback: boolean;
  private lastReportUs: number;
  private lastFeedbackUs: number;
  private keyRequests = 0;
  private strays = 0;
  private roundTripUs = Number.NaN;
  private unanswered = 0;
  private closed = false;
  /** Sources that have not come yet, of which a key frame is wanted: media x MAX_SOURCES + layer. */
  private readonly awaited = new Set<number>();
  /** Of the packet being looked at: its MID, RID and repaired RID as text, '' when it has none. */
  private mid = '';
  private rid = '';
  private repairedRid = '';

  constructor(medias: readonly RtcMedia[], output: ReceiveOutput, nowUs: number) {
    this.medias = medias;
    this.output = output;
    this.lastReportUs = nowUs;
    this.lastFeedbackUs = nowUs;
    this.usesFeedback = medias.some(({ feedback }) => feedback.transportCc);
    for (const { ssrc, rtxSsrc } of medias) if (rtxSsrc !== 0) this.originals.set(rtxSsrc, ssrc);
  }

  /** Hot path. */
  receiveRtp(bytes: Uint8Array, nowUs: number): void {
    const { packet } = this;
    if (this.closed || !packet.parse(bytes) || bytes.length > MAX_PACKET_BYTES) return;
    const source = this.sources.get(packet.ssrc);
    if (source !== undefined) {
      if (this.usesFeedback) this.readExtensions(source.media, nowUs);
      this.accept(source, bytes, nowUs);
      return;
    }
    this.receiveUnknown(bytes, nowUs);
  }

  /** The first packet of a source, or a retransmission. */
  private receiveUnknown(bytes: Uint8Array, nowUs: number): void {
    const { packet } = this;
    const isRepeated = (media: RtcMedia) => media.rtxPayloadType === packet.payloadType;
    const fits = (media: RtcMedia) => media.payloadType === packet.payloadType || isRepeated(media);
    const first = this.medias.find((media) => fits(media));
    if (first === undefined) {
      this.strays++;
      return;
    }
    // Ids of extensions are the same in all medias of a bundle.
    this.readExtensions(first, nowUs);
    const media = this.medias.find((one) => one.mid === this.mid && fits(one)) ?? first;
    if (isRepeated(media)) {
      this.receiveRepeated(media, bytes, nowUs);
      return;
    }
    const layer = media.rids.length === 0 ? 0 : media.rids.indexOf(this.rid);
    if (layer < 0 || this.sources.size >= MAX_SOURCES) {
      this.strays++;
      return;
    }
    const source = new Source(packet.ssrc, media, layer);
    this.sources.set(packet.ssrc, source);
    source.isKeyWanted = this.awaited.delete(media.index * MAX_SOURCES + layer);
    this.accept(source, bytes, nowUs);
  }

  private accept(source: Source, bytes: Uint8Array, nowUs: number): void {
    const { packet } = this;
    const { media } = source;
    source.statistics.onPacket(packet.ssrc, packet.sequence, packet.timestamp, bytes.length, nowUs);
    if (source.missing.onPacket(packet.sequence, nowUs) && media.kind === 'video') source.isKeyWanted = true;
    this.output.onRtp(media.index, source.layer, bytes, nowUs);
  }

  private receiveRepeated(media: RtcMedia, bytes: Uint8Array, nowUs: number): void {
    const { packet, restored } = this;
    const source = this.sourceOfRepeated(media);
    const { payloadStart, payloadEnd } = packet;
    // Padding alone is sent to learn what the network carries.
    if (source === null || payloadEnd - payloadStart < RTX_BYTES) return;
    restored.set(bytes.subarray(0, payloadStart));
    restored[0] = bytes[0]! & ~0x20;
    restored[1] = (bytes[1]! & 0x80) | media.payloadType;
    restored[2] = bytes[payloadStart]!;
    restored[3] = bytes[payloadStart + 1]!;
    restored.writeUInt32BE(source.ssrc, 8);
    restored.set(bytes.subarray(payloadStart + RTX_BYTES, payloadEnd), payloadStart);
    const whole = restored.subarray(0, payloadEnd - RTX_BYTES);
    if (packet.parse(whole)) this.accept(source, whole, nowUs);
  }

  private sourceOfRepeated(media: RtcMedia): Source | null {
    const { ssrc } = this.packet;
    const original = this.originals.get(ssrc);
    const known = original === undefined ? undefined : this.sources.get(original);
    if (known !== undefined) return known;
    const candidates = [...this.sources.values()].filter((source) => source.media === media);
    const layer = this.repairedRid === '' ? -1 : media.rids.indexOf(this.repairedRid);
    const found =
      layer >= 0
        ? candidates.find((source) => source.layer === layer)
        : candidates.length === 1
          ? candidates[0]
          : undefined;
    if (found === undefined) return null;
    if (this.originals.size < MAX_SOURCES) this.originals.set(ssrc, found.ssrc);
    return found;
  }

  private readExtensions(media: RtcMedia, nowUs: number): void {
    const { packet, extension } = this;
    const { mid, rid, repairedRid, transportCc } = media.extensions;
    this.mid = '';
    this.rid = '';
    this.repairedRid = '';
    extension.reset(packet);
    while (extension.advance()) {
      const { id, start, end } = extension;
      if (id === transportCc && end - start >= 2)
        this.arrivals.onPacket((packet.bytes[start]! << 8) | packet.bytes[start + 1]!, nowUs);
      else if (id === mid) this.mid = ascii(packet.bytes, start, end);
      else if (id === rid) this.rid = ascii(packet.bytes, start, end);
      else if (id === repairedRid) this.repairedRid = ascii(packet.bytes, start, end);
    }
  }

  receiveRtcp(compound: Uint8Array, nowUs: number): void {
    if (this.closed) return;
    const roundTripUs = roundTripOf(compound, this.ssrc, nowUs);
    if (!Number.isNaN(roundTripUs)) {
      this.roundTripUs = roundTripUs;
      this.unanswered = 0;
    }
    for (const packet of parseRtcp(compound)) {
      if (packet.type === 'sr') this.takeReport(packet, compound, nowUs);
      else if (packet.type === 'bye')
        for (const ssrc of packet.ssrcs) {
          const source = this.sources.get(ssrc);
          if (source !== undefined) this.output.onRtcp(source.media.index, source.layer, compound, nowUs);
        }
    }
  }

  private takeReport(report: RtcpPacket & { type: 'sr' }, compound: Uint8Array, nowUs: number): void {
    const source = this.sources.get(report.ssrc);
    if (source === undefined) return;
    source.statistics.onSenderReport(report, nowUs);
    this.output.onRtcp(source.media.index, source.layer, compound, nowUs);
  }

  /** Asks for a key frame, now or as soon as the limit allows. */
  requestKey(media: number, layer: number, nowUs: number): void {
    let isKnown = false;
    for (const source of this.sources.values()) {
      if (source.media.index !== media || source.layer !== layer) continue;
      isKnown = true;
      source.isKeyWanted = true;
      this.askForKey(source, nowUs);
    }
    if (!isKnown && this.medias.some(({ index }) => index === media) && layer < MAX_SOURCES)
      this.awaited.add(media * MAX_SOURCES + layer);
  }

  private askForKey(source: Source, nowUs: number): void {
    const { pli, fir } = source.media.feedback;
    if (!source.isKeyWanted || nowUs - source.keyAskedUs < KEY_GAP_US || (!pli && !fir)) return;
    source.isKeyWanted = false;
    source.keyAskedUs = nowUs;
    this.keyRequests++;
    const { ssrc } = this;
    const request: RtcpPacket = pli
      ? { type: 'pli', ssrc, mediaSsrc: source.ssrc }
      : { type: 'fir', ssrc, mediaSsrc: source.ssrc, sequence: source.firSequence++ & 0xff };
    this.send([request]);
  }

  private send(packets: readonly RtcpPacket[]): void {
    this.output.sendRtcp(serializeRtcp([{ type: 'rr', ssrc: this.ssrc, reports: [] }, ...packets]));
  }

  /** Returns the time until it wants to be called again, microseconds. */
  tick(nowUs: number): number {
    if (this.closed) return REPORT_US;
    for (const source of this.sources.values()) this.look(source, nowUs);
    if (this.usesFeedback && nowUs - this.lastFeedbackUs >= FEEDBACK_US) this.sendFeedback(nowUs);
    if (nowUs - this.lastReportUs >= REPORT_US) this.report(nowUs);
    return TICK_US;
  }

  private look(source: Source, nowUs: number): void {
    const { missing, media } = source;
    const lostBefore = missing.lost;
    const sequences = missing.due(nowUs);
    if (sequences !== null && media.feedback.nack)
      this.send([{ type: 'nack', ssrc: this.ssrc, mediaSsrc: source.ssrc, sequences }]);
    if (missing.lost > lostBefore && media.kind === 'video') source.isKeyWanted = true;
    this.askForKey(source, nowUs);
  }

  private sendFeedback(nowUs: number): void {
    this.lastFeedbackUs = nowUs;
    for (const [mediaSsrc] of this.sources) {
      for (const packet of this.arrivals.take(this.ssrc, mediaSsrc)) {
        const head = serializeRtcp([{ type: 'rr', ssrc: this.ssrc, reports: [] }]);
        this.output.sendRtcp(Buffer.concat([head, packet]));
      }
      return;
    }
  }

  private report(nowUs: number): void {
    this.lastReportUs = nowUs;
    if (this.sources.size === 0) return;
    const reports = [...this.sources.values()]
      .map(({ statistics }) => statistics.report(nowUs))
      .filter((report) => report !== null);
    this.output.sendRtcp(
      serializeRtcp([
        { type: 'rr', ssrc: this.ssrc, reports },
        { type: 'sdes', ssrc: this.ssrc, cname: CNAME },
      ]),
    );
    if (this.unanswered >= MAX_UNANSWERED) return;
    this.unanswered++;
    // By itself: some cannot read what follows it.
    const head = serializeRtcp([{ type: 'rr', ssrc: this.ssrc, reports: [] }]);
    this.output.sendRtcp(Buffer.concat([head, serializeReferenceTime(this.ssrc, nowUs)]));
  }

  statistics(): ReceiveTotals {
    let [packets, bytes, lost, recovered] = [0, 0, 0, 0];
    for (const { statistics, missing } of this.sources.values()) {
      packets += statistics.packets;
      bytes += statistics.bytes;
      lost += missing.lost;
      recovered += missing.recovered;
    }
    const { keyRequests, strays, roundTripUs } = this;
    return { packets, bytes, lost, recovered, keyRequests, strays, roundTripUs };
  }

  close(): void {
    this.closed = true;
  }
}

function ascii(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]! & 0x7f);
  return text;
}
