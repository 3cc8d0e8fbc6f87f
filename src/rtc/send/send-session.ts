/**
 * What one player gets: the packets of a FeedStore (with simulcast, of one for sound and of others for pictures) under its
 * own numbers, paced, with lost packets sent again, pictures when it asks for them, and sender reports.
 */
import { parseRtcp, type RtcpPacket, serializeRtcp } from '../../wire/rtp/rtcp.ts';
import type { RtcMedia } from '../rtc-description.ts';
import type { BandwidthEstimator } from './bandwidth-estimator.ts';
import { FeedReader, trackIn } from './feed-reader.ts';
import type { FeedStore } from './feed-store.ts';
import { LayerSwitch, type PlayedLayers } from './layer-switch.ts';
import { Pace } from './pace.ts';
import { type SendOutput, SendTrack } from './send-track.ts';

const REPORT_US = 1_000_000;
/** How often the session wants to be called while packets wait. */
const PACE_US = 5000;
const IDLE_US = 100_000;
const MIN_RESEND_GAP_US = 15_000;
const HISTORY_US = 3_000_000;

export interface SendStatistics {
  readonly packets: number;
  readonly bytes: number;
  readonly resent: number;
  readonly nacks: number;
  readonly pictureRequests: number;
  readonly replays: number;
  readonly framesSkipped: number;
  /** Of the last report of the player, 0 to 1. */
  readonly lossShare: number;
  readonly lost: number;
  readonly jitterUs: number;
  /** NaN = not known yet. */
  readonly roundTripUs: number;
  readonly estimateBps: number;
  readonly lagUs: number;
  /** The way carries less than there is: pictures are left out. */
  readonly isHeldBack: boolean;
  /** Place of the layer of simulcast that is being sent, the best 0; -1 = none of them. */
  readonly layer: number;
}

export class SendSession {
  private readonly output: SendOutput;
  private readonly cname: string;
  private readonly estimator: BandwidthEstimator;
  private readonly pace: Pace;
  private readonly tracks: readonly SendTrack[];
  /** Of the pictures, and of the sound where that is another feed. */
  private readonly pictures: FeedReader;
  private readonly sound: FeedReader | null;
  private readonly layers: LayerSwitch | null;
  /** The track whose reports count: the first picture, or the sound alone. */
  private readonly lead: SendTrack | undefined;
  private started = false;
  private closed = false;
  private lastReportUs = Number.NEGATIVE_INFINITY;
  private lastForgetUs = 0;
  private nacks = 0;
  private pictureRequests = 0;
  private lossShare = 0;
  private lost = 0;
  private jitterUs = 0;
  private roundTripUs = Number.NaN;
  /** Middle 32 bits of the NTP time of the latest reports, and when they went out. */
  private readonly reportTimes = new Map<number, number>();

  /** `layers`: where the pictures come from when the publisher sends several sizes; the sound is that of `feed`. */
  constructor(
    medias: readonly RtcMedia[],
    cname: string,
    feed: FeedStore,
    output: SendOutput,
    estimator: BandwidthEstimator,
    layers: PlayedLayers | null = null,
  ) {
    this.output = output;
    this.cname = cname;
    this.estimator = estimator;
    this.pace = new Pace(estimator);
    this.tracks = medias.map((media) => new SendTrack(media, output, estimator));
    const picture = this.tracks.find(({ media }) => media.kind === 'video');
    this.lead = picture ?? this.tracks[0];
    const reader = (tracks: readonly SendTrack[]) =>
      new FeedReader(feed, tracks, this.pace, (nowUs) => this.onPumped(nowUs));
    if (layers === null || picture === undefined) {
      this.pictures = reader(this.tracks);
      this.sound = null;
      this.layers = null;
      return;
    }
    this.pictures = reader(this.tracks.filter(({ media }) => media.kind === 'video'));
    this.sound = reader(this.tracks.filter(({ media }) => media.kind === 'audio'));
    this.layers = new LayerSwitch(this.pictures, estimator, layers);
  }

  /** The connection is up. */
  start(nowUs: number): void {
    if (this.started || this.closed) return;
    this.started = true;
    this.pace.start(nowUs);
    this.sound?.start(nowUs);
    if (this.layers === null) this.pictures.start(nowUs);
    else this.layers.start(nowUs);
  }

  /** Other layers than before, or another wish; without meaning for a session that has none. */
  takeLayers(layers: PlayedLayers, nowUs: number): void {
    if (!this.closed) this.layers?.take(layers, nowUs);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pictures.close();
    this.sound?.close();
  }

  private onPumped(nowUs: number): void {
    if (nowUs - this.lastReportUs >= REPORT_US || this.hasUnreported()) this.report(nowUs);
  }

  /** A track that has just begun: without a report its sound does not fit the pictures. */
  private hasUnreported(): boolean {
    const { tracks } = this;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.hasSent && !tracks[i]!.isReported) return true;
    return false;
  }

  /** RTCP of the player, decrypted. */
  onRtcp(compound: Uint8Array, nowUs: number): void {
    if (this.closed) return;
    this.estimator.onRtcp(compound, nowUs);
    for (const packet of parseRtcp(compound)) this.take(packet, nowUs);
  }

  private take(packet: RtcpPacket, nowUs: number): void {
    switch (packet.type) {
      case 'rr':
      case 'sr':
        this.takeReports(packet, nowUs);
        return;
      case 'nack':
        this.takeNack(packet.mediaSsrc, packet.sequences, nowUs);
        return;
      case 'pli':
      case 'fir':
        this.pictureRequests++;
        this.pictures.repeatPicture(nowUs);
        return;
      default:
    }
  }

  private takeReports({ reports }: RtcpPacket & { type: 'rr' | 'sr' }, nowUs: number): void {
    for (const { ssrc, fractionLost, lost, jitter, lastSr, delaySinceLastSr } of reports) {
      const track = this.tracks.find(({ media }) => media.ssrc === ssrc);
      if (track === undefined) continue;
      const sentUs = this.reportTimes.get(lastSr);
      if (sentUs !== undefined) {
        const roundTripUs = nowUs - sentUs - (delaySinceLastSr * 1_000_000) / 65_536;
        if (roundTripUs >= 0) this.roundTripUs = roundTripUs;
      }
      if (track !== this.lead) continue;
      this.lossShare = fractionLost / 256;
      if (!track.media.feedback.transportCc) this.estimator.onLoss(this.lossShare, nowUs);
      this.lost = lost;
      this.jitterUs = (jitter * 1_000_000) / track.media.clockRate;
    }
  }

  private takeNack(mediaSsrc: number, sequences: readonly number[], nowUs: number): void {
    const track = this.tracks.find(({ media }) => media.ssrc === mediaSsrc);
    if (track === undefined) return;
    this.nacks++;
    const gapUs = Math.max(MIN_RESEND_GAP_US, Number.isNaN(this.roundTripUs) ? 0 : this.roundTripUs / 2);
    for (const sequence of sequences) {
      // What is sent again is part of the pace: a flood of requests gets no flood of answers.
      if (!this.pace.allowsAgain) return;
      this.pace.spendAgain(track.resend(sequence, gapUs, nowUs));
    }
  }

  private report(nowUs: number): void {
    this.lastReportUs = nowUs;
    for (const track of this.tracks) {
      const { kind } = track.media;
      const { feed } = kind === 'audio' && this.sound !== null ? this.sound : this.pictures;
      const feedTrack = trackIn(feed, track);
      const clockRate = feed.clockRates[feedTrack] ?? track.media.clockRate;
      const report = track.hasSent ? track.report(feed.clocks[feedTrack], clockRate, nowUs) : null;
      if (track.hasSent) track.isReported = true;
      if (report === null) continue;
      this.rememberReport(report.ntpSeconds, report.ntpFraction, nowUs);
      this.output.sendRtcp(serializeRtcp([report, { type: 'sdes', ssrc: report.ssrc, cname: this.cname }]));
    }
  }

  private rememberReport(ntpSeconds: number, ntpFraction: number, nowUs: number): void {
    const { reportTimes } = this;
    reportTimes.set((((ntpSeconds & 0xffff) << 16) | (ntpFraction >>> 16)) >>> 0, nowUs);
    if (reportTimes.size <= 16) return;
    for (const [key] of reportTimes) {
      reportTimes.delete(key);
      break;
    }
  }

  /** Returns the time until it wants to be called again, microseconds. */
  tick(nowUs: number): number {
    if (this.closed || !this.started) return IDLE_US;
    this.layers?.tick(nowUs);
    this.sound?.pump(nowUs);
    this.pictures.pump(nowUs);
    if (nowUs - this.lastReportUs >= REPORT_US) this.report(nowUs);
    if (nowUs - this.lastForgetUs >= REPORT_US) {
      this.lastForgetUs = nowUs;
      for (const track of this.tracks) track.forgetBefore(nowUs - HISTORY_US);
    }
    return this.pictures.isBehind || this.sound?.isBehind === true ? PACE_US : IDLE_US;
  }

  statistics(): SendStatistics {
    const { pictures, pace } = this;
    let packets = 0;
    let resent = 0;
    for (const track of this.tracks) {
      packets += track.packets;
      resent += track.resent;
    }
    return {
      packets,
      bytes: pace.bytes,
      resent,
      nacks: this.nacks,
      pictureRequests: this.pictureRequests,
      replays: pictures.replays,
      framesSkipped: pictures.framesSkipped,
      lossShare: this.lossShare,
      lost: this.lost,
      jitterUs: this.jitterUs,
      roundTripUs: this.roundTripUs,
      estimateBps: this.estimator.bitrateBps,
      lagUs: pictures.lagUs,
      isHeldBack: this.estimator.isFull && pictures.framesSkipped > 0,
      layer: this.layers?.place ?? -1,
    };
  }
}
