/**
 * What one player gets: the packets of a FeedStore under its own numbers, paced, with lost packets sent again, sender
 * reports, and a picture at once: who joins, or asks for a picture, gets the GOP that is held from its key frame on, its
 * times pressed together so that the player decodes it in a moment and stands at the live edge.
 * A player whose network cannot carry the pictures keeps its sound and gets pictures again from the next key frame.
 */
import { parseRtcp, type RtcpPacket, serializeRtcp } from '../../wire/rtp/rtcp.ts';
import type { RtcMedia } from '../rtc-description.ts';
import type { BandwidthEstimator } from './bandwidth-estimator.ts';
import { CHUNK_HEADER_BYTES, type FeedStore, type StoredChunk, type StoreReader } from './feed-store.ts';
import { type SendOutput, SendTrack } from './send-track.ts';

const REPORT_US = 1_000_000;
/** How often the session wants to be called while packets wait. */
const PACE_US = 5000;
const IDLE_US = 100_000;
/** Sent at once however slow the network is thought to be. */
const BURST_BYTES = 24 * 1024;
const MIN_PACE_BPS = 4_000_000;
/** Packets go out this much faster than the network is thought to carry: key frames are bursts. */
const PACE_GAIN = 2.5;
/** Further behind than this pictures are left out up to the next key frame. */
const MAX_LAG_US = 1_000_000;
/** Between two answers to requests for a picture. */
const MIN_REPLAY_GAP_US = 500_000;
/** Pressed together by so many ticks a frame at most, 1 ms of video. */
const PRESSED_TICKS = 90;
/** Room for pressed frames between two frames of the stream, ticks. */
const FRAME_ROOM_TICKS = 1500;
/** Sound this much behind the newest picture is of now. */
const SOUND_SLACK_US = 60_000;
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
}

export class SendSession implements StoreReader {
  private readonly output: SendOutput;
  private readonly cname: string;
  private readonly estimator: BandwidthEstimator;
  private readonly tracks: readonly SendTrack[];
  /** By feed track. */
  private byFeedTrack: (SendTrack | undefined)[] = [];
  private feed: FeedStore;
  private readonly videoTrack: number;
  /** Next chunk to send; -1 = waits for a key frame. */
  private cursor = -1;
  /** Where the next packet of that chunk lies; 0 = it has not begun. */
  private packetAt = 0;
  /** RTP time of the frame that has begun. */
  private frameTime = 0;
  /** Chunks before this position are history: sound of it is not sent, and times of pictures are pressed. */
  private liveFrom = 0;
  /** Sound of before this time is history too, whenever it comes: converted sound comes late. */
  private soundFromUs = Number.NEGATIVE_INFINITY;
  private pressed = 0;
  private pressedTicks = 0;
  private pressedEnd = 0;
  /** Pictures are left out up to the next key frame. */
  private skipsPictures = false;
  private started = false;
  private closed = false;
  private budgetBytes = BURST_BYTES;
  private budgetUs = 0;
  private lastReportUs = Number.NEGATIVE_INFINITY;
  private lastReplayUs = Number.NEGATIVE_INFINITY;
  private lastForgetUs = 0;
  private bytes = 0;
  private nacks = 0;
  private pictureRequests = 0;
  private replays = 0;
  private framesSkipped = 0;
  private lossShare = 0;
  private lost = 0;
  private jitterUs = 0;
  private roundTripUs = Number.NaN;
  /** Middle 32 bits of the NTP time of the latest reports, and when they went out. */
  private readonly reportTimes = new Map<number, number>();

  constructor(
    medias: readonly RtcMedia[],
    cname: string,
    feed: FeedStore,
    output: SendOutput,
    estimator: BandwidthEstimator,
  ) {
    this.output = output;
    this.cname = cname;
    this.feed = feed;
    this.estimator = estimator;
    this.tracks = medias.map((media) => new SendTrack(media, output, estimator));
    for (const track of this.tracks) this.byFeedTrack[track.media.feedTrack] = track;
    this.videoTrack = medias.find(({ kind }) => kind === 'video')?.feedTrack ?? -1;
  }

  /** The connection is up. */
  start(nowUs: number): void {
    if (this.started || this.closed) return;
    this.started = true;
    this.budgetUs = nowUs;
    this.feed.add(this);
    this.beginAt(nowUs);
    if (this.cursor < 0) this.feed.requestKey();
    this.pump(nowUs);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.feed.remove(this);
  }

  onTracks(): void {
    this.moveTo(-1);
  }

  private moveTo(position: number): void {
    this.cursor = position;
    this.packetAt = 0;
  }

  onChunk(nowUs: number): void {
    const { feed } = this;
    const head = feed.chunks.head - 1;
    if (this.cursor < 0) {
      const isStart = this.videoTrack < 0 || head === feed.latestKey;
      if (!isStart) {
        this.sendSound(head, nowUs);
        return;
      }
      this.moveTo(head);
      this.liveFrom = head;
    }
    this.pump(nowUs);
  }

  /** While pictures wait for a key frame the sound goes on. */
  private sendSound(position: number, nowUs: number): void {
    const chunk = this.feed.chunks.at(position);
    if (chunk.track === this.videoTrack || chunk.dtsUs < this.soundFromUs) return;
    this.packetAt = 0;
    this.sendChunk(chunk, false, true, nowUs);
    this.packetAt = 0;
  }

  /** From the key frame that is held, with pressed times; waits for one when none is held. */
  private beginAt(nowUs: number): void {
    const { feed, videoTrack } = this;
    const { chunks, latestKey } = feed;
    if (chunks.size > 0) this.soundFromUs = chunks.at(chunks.head - 1).dtsUs - SOUND_SLACK_US;
    if (videoTrack < 0) {
      this.moveTo(chunks.head);
      this.liveFrom = chunks.head;
      return;
    }
    this.moveTo(latestKey);
    this.liveFrom = chunks.head;
    if (latestKey < 0) return;
    this.lastReplayUs = nowUs;
    this.press(chunks.head);
  }

  /** Finds times for the pictures from the cursor to `end`: the player has seen them, or they lead up to the newest. */
  private press(end: number): void {
    const { chunks } = this.feed;
    const track = this.byFeedTrack[this.videoTrack]!;
    let count = 0;
    let newest = 0;
    for (let position = this.cursor; position < end; position++) {
      const chunk = chunks.at(position);
      if (chunk.track !== this.videoTrack) continue;
      count++;
      newest = timestampOf(chunk, this.videoTrack);
    }
    this.pressed = count;
    if (!track.hasSent) {
      this.pressedTicks = PRESSED_TICKS;
      this.pressedEnd = (newest + track.timestampOffset) >>> 0;
      return;
    }
    // Behind the picture that was sent last, and before the next.
    this.pressedTicks = Math.max(
      1,
      Math.min(PRESSED_TICKS, Math.floor(FRAME_ROOM_TICKS / Math.max(1, count))),
    );
    this.pressedEnd = (track.lastTimestamp + this.pressedTicks * count) >>> 0;
  }

  /** Sends what waits, as far as the pace allows. */
  private pump(nowUs: number): void {
    const { feed } = this;
    const { chunks } = feed;
    if (!this.started || this.cursor < 0) return;
    this.refill(nowUs);
    if (this.cursor < chunks.tail) this.fallBehind();
    while (this.cursor >= 0 && this.cursor < chunks.head && this.budgetBytes > 0) {
      const chunk = chunks.at(this.cursor);
      const isHistory = this.cursor < this.liveFrom;
      if (!isHistory && this.packetAt === 0 && this.isTooLate(chunk)) {
        this.fallBehind();
        continue;
      }
      if (this.isWanted(chunk, isHistory) && !this.sendChunk(chunk, isHistory, false, nowUs)) break;
      this.moveTo(this.cursor + 1);
    }
    if (nowUs - this.lastReportUs >= REPORT_US || this.hasUnreported()) this.report(nowUs);
  }

  /** A track that has just begun: without a report its sound does not fit the pictures. */
  private hasUnreported(): boolean {
    const { tracks } = this;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.hasSent && !tracks[i]!.isReported) return true;
    return false;
  }

  /** Whether this player gets the frame at all. */
  private isWanted(chunk: StoredChunk, isHistory: boolean): boolean {
    if (this.byFeedTrack[chunk.track] === undefined) return false;
    const isPicture = chunk.track === this.videoTrack;
    if (!isPicture) return !isHistory && chunk.dtsUs >= this.soundFromUs;
    if (this.skipsPictures && this.packetAt === 0) {
      if (!chunk.isKey) {
        this.framesSkipped++;
        return false;
      }
      this.skipsPictures = false;
    }
    return true;
  }

  private isTooLate(chunk: StoredChunk): boolean {
    const { chunks } = this.feed;
    return chunks.at(chunks.head - 1).dtsUs - chunk.dtsUs > MAX_LAG_US;
  }

  /** To the latest key frame if that is still ahead, else to the newest chunk, with sound alone up to a key frame. */
  private fallBehind(): void {
    const { feed } = this;
    const { chunks, latestKey } = feed;
    const before = Math.max(this.cursor, chunks.tail);
    const isAhead = latestKey > this.cursor;
    this.moveTo(isAhead ? latestKey : chunks.head);
    this.liveFrom = this.cursor;
    for (let position = before; position < this.cursor; position++)
      if (chunks.at(position).track === this.videoTrack) this.framesSkipped++;
    if (isAhead) return;
    this.skipsPictures = this.videoTrack >= 0;
    feed.requestKey();
  }

  private refill(nowUs: number): void {
    const bps = Math.max(MIN_PACE_BPS, this.estimator.bitrateBps * PACE_GAIN);
    const added = ((nowUs - this.budgetUs) * bps) / 8_000_000;
    this.budgetUs = nowUs;
    this.budgetBytes = Math.min(BURST_BYTES, this.budgetBytes + added);
  }

  /** Hot path. False when the pace does not allow all of it now: it goes on where it stopped. */
  private sendChunk(chunk: StoredChunk, isHistory: boolean, isAtOnce: boolean, nowUs: number): boolean {
    const { slab, end } = chunk;
    const track = this.byFeedTrack[chunk.track];
    if (track === undefined) return true;
    if (this.packetAt === 0) {
      this.packetAt = chunk.start;
      this.frameTime = this.timeOf(chunk, track, isHistory);
    }
    while (this.packetAt + CHUNK_HEADER_BYTES <= end) {
      if (this.budgetBytes <= 0 && !isAtOnce) return false;
      const at = this.packetAt;
      const packet = at + CHUNK_HEADER_BYTES;
      const next = packet + ((slab[at + 2]! << 8) | slab[at + 3]!);
      this.packetAt = next;
      if ((slab[at + 1]! & 1) === 1) continue;
      const bytes = track.send(slab, packet, next, this.frameTime, nowUs);
      this.bytes += bytes;
      this.budgetBytes -= bytes;
    }
    return true;
  }

  private timeOf(chunk: StoredChunk, track: SendTrack, isHistory: boolean): number {
    if (isHistory && this.pressed > 0) {
      this.pressed--;
      return (this.pressedEnd - this.pressed * this.pressedTicks) >>> 0;
    }
    return (timestampOf(chunk, chunk.track) + track.timestampOffset) >>> 0;
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
        this.takePictureRequest(nowUs);
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
      if (track.media.feedTrack !== this.videoTrack && this.videoTrack >= 0) continue;
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
      if (this.budgetBytes < -BURST_BYTES) return;
      const bytes = track.resend(sequence, gapUs, nowUs);
      this.bytes += bytes;
      this.budgetBytes -= bytes;
    }
  }

  /** From the publisher when it makes key frames on request, else from what is held. */
  private takePictureRequest(nowUs: number): void {
    this.pictureRequests++;
    const { feed } = this;
    if (feed.canRequestKey) {
      feed.requestKey();
      return;
    }
    if (nowUs - this.lastReplayUs < MIN_REPLAY_GAP_US || this.cursor < 0 || feed.latestKey < 0) return;
    this.replays++;
    this.lastReplayUs = nowUs;
    // What has been sent already counts as history; what has not goes on from there.
    const reached = this.cursor;
    this.moveTo(feed.latestKey);
    this.liveFrom = Math.max(reached, feed.latestKey);
    this.skipsPictures = false;
    this.press(reached);
    this.pump(nowUs);
  }

  private report(nowUs: number): void {
    this.lastReportUs = nowUs;
    for (const track of this.tracks) {
      const { feedTrack } = track.media;
      const clockRate = this.feed.clockRates[feedTrack] ?? track.media.clockRate;
      const report = track.hasSent ? track.report(this.feed.clocks[feedTrack], clockRate, nowUs) : null;
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
    this.pump(nowUs);
    if (nowUs - this.lastReportUs >= REPORT_US) this.report(nowUs);
    if (nowUs - this.lastForgetUs >= REPORT_US) {
      this.lastForgetUs = nowUs;
      for (const track of this.tracks) track.forgetBefore(nowUs - HISTORY_US);
    }
    return this.cursor >= 0 && this.cursor < this.feed.chunks.head ? PACE_US : IDLE_US;
  }

  statistics(): SendStatistics {
    const { chunks } = this.feed;
    let packets = 0;
    let resent = 0;
    for (const track of this.tracks) {
      packets += track.packets;
      resent += track.resent;
    }
    const isWaiting = this.cursor >= chunks.tail && this.cursor < chunks.head;
    return {
      packets,
      bytes: this.bytes,
      resent,
      nacks: this.nacks,
      pictureRequests: this.pictureRequests,
      replays: this.replays,
      framesSkipped: this.framesSkipped,
      lossShare: this.lossShare,
      lost: this.lost,
      jitterUs: this.jitterUs,
      roundTripUs: this.roundTripUs,
      estimateBps: this.estimator.bitrateBps,
      lagUs: isWaiting ? chunks.at(chunks.head - 1).dtsUs - chunks.at(this.cursor).dtsUs : 0,
    };
  }
}

/** RTP time of the first packet of this track in a chunk, on the stream's clock. */
function timestampOf({ slab, start, end }: StoredChunk, track: number): number {
  for (let at = start; at + CHUNK_HEADER_BYTES <= end; ) {
    const packet = at + CHUNK_HEADER_BYTES;
    if (slab[at + 1] === track * 2) return readTimestamp(slab, packet);
    at = packet + ((slab[at + 2]! << 8) | slab[at + 3]!);
  }
  return 0;
}

function readTimestamp(slab: Uint8Array, packet: number): number {
  return (
    ((slab[packet + 4]! << 24) | (slab[packet + 5]! << 16) | (slab[packet + 6]! << 8) | slab[packet + 7]!) >>>
    0
  );
}
