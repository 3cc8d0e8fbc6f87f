/**
 * The packets of one RTP source (a camera, a publisher) to tracks and frames: canonical payloads (src/codec/README.md),
 * times in milliseconds of one clock for all tracks (rtp-ingest-time.ts has the rule), wall clock of capture where
 * the source tells it. Knows nothing of sockets: it is given packets of one media at a time and the time of arrival.
 * Leaves out, by name: media for which there is no payload format, and media beyond the bounds below.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS, type TrackKind } from '../codec/codec-id.ts';
import { makeTrack, type Track } from '../media/track.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { ProtocolError } from '../util/errors.ts';
import type { RtpMapping, RtpPayloadFormat } from '../wire/rtp/payload-format.ts';
import { PAYLOAD_FORMATS, reasonNotUsed } from '../wire/rtp/payload-formats.ts';
import type { ReorderLimits } from '../wire/rtp/reorder-buffer.ts';
import { parseRtcp, serializeRtcp } from '../wire/rtp/rtcp.ts';
import { RtpSynchronizer } from './rtp-ingest-time.ts';
import {
  type RtpDamagePolicy,
  type RtpFrameOutput,
  type RtpIngestFormat,
  RtpIngestTrack,
} from './rtp-ingest-track.ts';

/** Where tracks and frames go; a Publication is one. */
export interface RtpIngestOutput {
  /** A new track, or a new config of a known one (same id). */
  setTrack(track: Track): void;
  /** `payload` is valid during the call only. `durationUs` 0 = not known; `captureUs` NaN = not known. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    captureUs: number,
  ): void;
}

/** One media description of SDP. */
export interface RtpIngestMedia {
  /** In the order of the m line's payload types. */
  readonly mappings: readonly RtpMapping[];
  /** Null on TCP. */
  readonly reorder: ReorderLimits | null;
  /** BCP 47 tag or ''. */
  readonly language?: string;
}

export interface RtpIngestOptions {
  /** All that there are when they are not given. */
  readonly formats?: readonly RtpPayloadFormat[];
  /** Only its wall clock is asked: sender reports are compared with it. */
  readonly clock?: Clock;
  /** `until-key` when it is not given. */
  readonly damage?: RtpDamagePolicy;
}

export interface RtpMediaStatistics {
  /** -1 = the media is not used. */
  readonly trackId: number;
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  readonly late: number;
  readonly duplicates: number;
  /** Frames and packets with faults. */
  readonly damaged: number;
  /** Frames left out after a loss. */
  readonly dropped: number;
  readonly framesWithoutConfig: number;
  readonly jitterUs: number;
  /** How often the source began anew. */
  readonly restarts: number;
  /** Sender reports that made no sense. */
  readonly badReports: number;
  /** Packets of payload types that nobody announced. */
  readonly foreignPackets: number;
}

const MAX_TRACKS: Readonly<Record<TrackKind, number>> = { video: 4, audio: 12, data: 4 };
/** Track ids: even for video, odd for audio, from here on for data. */
const FIRST_DATA_ID = 30;
/** Of a receiver that sends nothing. */
const CNAME = 'sluice';

export class RtpIngest implements RtpFrameOutput {
  private readonly output: RtpIngestOutput;
  private readonly clock: Clock;
  /** By media; null = not used. */
  private readonly tracks: readonly (RtpIngestTrack | null)[];
  private readonly synchronizer: RtpSynchronizer;
  private readonly unused: string[] = [];
  private readonly counts: Record<TrackKind, number> = { video: 0, audio: 0, data: 0 };
  private readonly ssrc: number;

  /** Tracks whose config the media descriptions tell are announced at once. `ssrc` is ours, for reports. */
  constructor(
    output: RtpIngestOutput,
    medias: readonly RtpIngestMedia[],
    ssrc: number,
    options: RtpIngestOptions = {},
  ) {
    this.output = output;
    this.clock = options.clock ?? systemClock;
    this.ssrc = ssrc;
    this.tracks = medias.map((media, index) => this.makeTrack(media, index, options));
    this.synchronizer = new RtpSynchronizer(
      this.tracks
        .filter((track) => track !== null)
        .sort(byKind)
        .map(({ time }) => time),
    );
  }

  private makeTrack(
    media: RtpIngestMedia,
    index: number,
    { formats = PAYLOAD_FORMATS, damage = 'until-key' }: RtpIngestOptions,
  ): RtpIngestTrack | null {
    const understood: RtpIngestFormat[] = [];
    for (const mapping of media.mappings) {
      const name = mapping.encodingName.toUpperCase();
      const format = formats.find((one) => one.encodingNames.includes(name));
      if (format !== undefined) understood.push({ mapping, format });
    }
    const first = understood[0];
    if (first === undefined) {
      const names = media.mappings.map(({ encodingName }) => encodingName.toUpperCase());
      for (const name of names.length === 0 ? [''] : names) this.unused.push(reasonNotUsed(name));
      return null;
    }
    const { kind } = CODECS[first.format.codec];
    if (this.counts[kind] === MAX_TRACKS[kind]) {
      this.unused.push(`There are too many ${kind} tracks for media ${index}.`);
      return null;
    }
    const position = this.counts[kind];
    const trackId = kind === 'data' ? FIRST_DATA_ID + position : position * 2 + (kind === 'video' ? 0 : 1);
    const ofKind = understood.filter(({ format }) => CODECS[format.codec].kind === kind);
    const { reorder, language = '' } = media;
    const track = new RtpIngestTrack({ trackId, kind, language, formats: ofKind, reorder, damage }, this);
    try {
      track.open();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.unused.push(`The media ${index} is not used: ${error.message}.`);
      return null;
    }
    this.counts[kind]++;
    return track;
  }

  /** Media of the constructor's list that are used. */
  isUsed(media: number): boolean {
    return (this.tracks[media] ?? null) !== null;
  }

  /** Hot path. One RTP packet; `nowUs` is monotonic. The bytes may be reused after the call. */
  receive(media: number, packet: Uint8Array, nowUs: number): void {
    const track = this.tracks[media] ?? null;
    if (track !== null) track.receive(packet, nowUs);
  }

  /** One compound RTCP packet. */
  receiveRtcp(media: number, packet: Uint8Array, nowUs: number): void {
    const track = this.tracks[media] ?? null;
    if (track === null) return;
    for (const part of parseRtcp(packet)) {
      if (part.type === 'sr') {
        track.statistics.onSenderReport(part, nowUs);
        if (track.time.onReport(part, nowUs, this.clock.wallUs())) this.synchronizer.update(track.time);
      } else if (part.type === 'bye') {
        track.flush();
        track.hasLeft = true;
      }
    }
  }

  /** Gives up packets that were waited for too long; a few times per second. */
  tick(nowUs: number): void {
    for (const track of this.tracks) track?.tick(nowUs);
  }

  /** The source ended: gives the frames that wait for a packet. */
  flush(): void {
    for (const track of this.tracks) track?.flush();
  }

  /** All media that are used said goodbye. */
  get hasLeft(): boolean {
    const used = this.tracks.filter((track) => track !== null);
    return used.length > 0 && used.every((track) => track.hasLeft);
  }

  /** Receiver report and source description for a media; every few seconds. */
  receiverReport(media: number, nowUs: number): Buffer {
    const report = this.tracks[media]?.statistics.report(nowUs) ?? null;
    const { ssrc } = this;
    return serializeRtcp([
      { type: 'rr', ssrc, reports: report === null ? [] : [report] },
      { type: 'sdes', ssrc, cname: CNAME },
    ]);
  }

  /** Sentences about media that are not used. */
  leftOut(): readonly string[] {
    return this.unused;
  }

  statistics(media: number): RtpMediaStatistics {
    const track = this.tracks[media] ?? null;
    return {
      trackId: track?.trackId ?? -1,
      packets: track?.statistics.packets ?? 0,
      bytes: track?.statistics.bytes ?? 0,
      lost: track?.lost ?? 0,
      late: track?.late ?? 0,
      duplicates: track?.duplicates ?? 0,
      damaged: track?.damagedFrames ?? 0,
      dropped: track?.dropped ?? 0,
      framesWithoutConfig: track?.framesWithoutConfig ?? 0,
      jitterUs: track?.statistics.jitterUs ?? 0,
      restarts: (track?.restarts ?? 0) + (track?.ssrcChanges ?? 0),
      badReports: track?.time.badReports ?? 0,
      foreignPackets: track?.foreignPackets ?? 0,
    };
  }

  config(track: RtpIngestTrack, config: CodecConfig): void {
    const { trackId, kind, language } = track;
    const wireIndex = kind === 'data' ? trackId - FIRST_DATA_ID : trackId >> 1;
    this.output.setTrack(makeTrack(trackId, config, wireIndex, language));
  }

  began(track: RtpIngestTrack, us: number, nowUs: number): void {
    this.synchronizer.begin(track.time, us, nowUs, this.clock.wallUs());
  }

  frame(
    track: RtpIngestTrack,
    flags: number,
    dtsUs: number,
    ptsUs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    captureUs: number,
  ): void {
    this.output.write(
      track.trackId,
      flags,
      dtsUs / 1000,
      ptsUs / 1000,
      durationUs,
      payload,
      config,
      captureUs,
    );
  }
}

/** The picture is what the others are put next to. */
function byKind(a: RtpIngestTrack, b: RtpIngestTrack): number {
  return Number(b.kind === 'video') - Number(a.kind === 'video');
}
