/**
 * What the manifest of a stream says: tracks of CMAF as Representations, kept segments as timelines. One lives as long
 * as the stream's segments are made; its texts are shared by all viewers.
 *
 * For low latency the segment that is being made is listed as well, with the duration that the one before it had; the
 * next manifest says how long it became.
 */
import { gzipSync } from 'node:zlib';
import type { Track } from '../../media/track.ts';
import type { CmafStream } from '../../origin/segment-origin.ts';
import type { CmafTrack } from '../../packaging/cmaf-track.ts';
import type { Segment } from '../../packaging/segment.ts';
import {
  joinMpd,
  type Mpd,
  type MpdAdaptationSet,
  type MpdPeriod,
  type MpdRepresentation,
  type MpdSegment,
  type MpdText,
  serializeMpd,
} from '../../wire/dash/mpd.ts';
import { DashPeriods, type Period } from './dash-periods.ts';

/** Behind live: of a player that gets whole segments, and of one that gets their chunks. */
const DELAY_TARGETS = 3;
const LATENCY_MS = 1500;
const MIN_LATENCY_MS = 500;
const MAX_LATENCY_MS = 6000;
/** Twice in the length of a segment. */
const UPDATES_US = 500;
const UPDATE_LOW_LATENCY_US = 500_000;
const MIN_BUFFER_LOW_LATENCY_US = 500_000;
/** A player that is given one segment alone has played it before the next is there. */
const MIN_SEGMENTS = 2;
/** The window is never shorter than this many target durations. */
const MIN_WINDOW_TARGETS = 3;
const WINDOW_TOLERANCE_US = 100_000;
/** The segment being made is taken to become as long as these, when they agree to this share. */
const LEARNT_SEGMENTS = 3;
const MAX_DIFFERENCE = 0.05;
const TIME_URI = '/time';
const BANDWIDTH_STEP = 1000;

export interface ManifestText {
  readonly bytes: Buffer;
  readonly zipped: Buffer;
  readonly etag: string;
}

/** One of the two manifests of a stream, as it was last. */
class Variant {
  version = -1;
  text: MpdText | null = null;
  publishUs = 0;
  count = 0;
  /** By the base of its addresses. */
  readonly ready = new Map<string, ManifestText>();
}

export class DashPresentation {
  private readonly stream: CmafStream;
  private readonly wallUs: () => number;
  private readonly periods = new DashPeriods();
  private readonly plain = new Variant();
  private readonly lowLatency = new Variant();

  constructor(stream: CmafStream, wallUs: () => number) {
    this.stream = stream;
    this.wallUs = wallUs;
  }

  /** Segments have parts, and more are coming. */
  get canBeLowLatency(): boolean {
    return this.stream.settings.partMs > 0 && !this.stream.isOver;
  }

  /**
   * Every track has segments to list, and enough that a player which begins at once does not run dry before the next
   * one: players do not look for tracks that come later.
   */
  isReady(isLowLatency: boolean): boolean {
    const tracks = this.stream.packager.live();
    const [leader] = tracks;
    const needed = isLowLatency || this.stream.isOver ? 1 : MIN_SEGMENTS;
    return (
      leader !== undefined && leader.store.count >= needed && tracks.every(({ store }) => store.count > 0)
    );
  }

  /** The text that all viewers share; null when there is nothing to list. */
  shared(isLowLatency: boolean, baseUri: string): ManifestText | null {
    const variant = this.update(isLowLatency);
    const known = variant.ready.get(baseUri);
    if (known !== undefined) return known;
    if (variant.text === null) return null;
    const bytes = Buffer.from(joinMpd(variant.text, variant.publishUs, baseUri, ''));
    const made = {
      bytes,
      zipped: gzipSync(bytes, { level: 5 }),
      etag: `"${variant.publishUs}-${variant.count}"`,
    };
    variant.ready.set(baseUri, made);
    return made;
  }

  /** The text for a viewer that is told where to ask from now on; null when there is nothing to list. */
  first(isLowLatency: boolean, baseUri: string, location: string): string | null {
    const { text, publishUs } = this.update(isLowLatency);
    return text === null ? null : joinMpd(text, publishUs, baseUri, location);
  }

  private update(wanted: boolean): Variant {
    const isLowLatency = wanted && this.canBeLowLatency;
    const variant = wanted ? this.lowLatency : this.plain;
    if (variant.version === this.stream.version) return variant;
    variant.version = this.stream.version;
    const mpd = this.describe(isLowLatency);
    if (mpd === null) return variant;
    const text = serializeMpd(mpd);
    const { text: before } = variant;
    if (before !== null && before.tail === text.tail && before.open === text.open) return variant;
    variant.text = text;
    variant.publishUs = Math.max(this.wallUs(), variant.publishUs + 1000, mpd.availabilityStartUs);
    variant.count++;
    variant.ready.clear();
    return variant;
  }

  private describe(isLowLatency: boolean): Mpd | null {
    const { packager, settings, isOver } = this.stream;
    const tracks = packager.live();
    const [leader] = tracks;
    if (leader === undefined) return null;
    this.periods.follow(leader, (pts) => packager.wallClockAt(pts));
    const targetUs = leader.store.targetDurationSeconds * 1_000_000;
    const windowUs = Math.max(
      settings.dvrMs * 1000,
      settings.count * settings.durationMs * 1000,
      MIN_WINDOW_TARGETS * targetUs,
    );
    if (leader.store.count === 0) return null;
    const fromPts = windowStart(leader.store.all(), windowUs);
    this.periods.forget(fromPts);
    const periods: MpdPeriod[] = [];
    let longestUs = targetUs;
    let endUs = 0;
    this.periods.list.forEach((period, index, all) => {
      const toPts = all[index + 1]?.fromPts ?? Number.POSITIVE_INFINITY;
      const represented: Represented[] = [];
      for (const track of tracks) {
        const one = represent(track, period, fromPts, toPts, settings.durationMs * 1000, isLowLatency);
        if (one === null) continue;
        represented.push(one);
        longestUs = Math.max(longestUs, one.longestUs);
        endUs = Math.max(endUs, period.startUs + one.endPts - period.fromPts);
      }
      if (represented.length === 0 || isComing(represented, tracks.length, period)) return;
      const { id, startUs, durationUs } = period;
      periods.push({ id, startUs, durationUs, sets: adaptationSets(represented) });
    });
    if (periods.length === 0) return null;
    return {
      availabilityStartUs: this.periods.availabilityStartUs,
      durationUs: isOver ? endUs : Number.NaN,
      minimumUpdateUs: isLowLatency ? UPDATE_LOW_LATENCY_US : settings.durationMs * UPDATES_US,
      timeShiftBufferUs: windowUs,
      presentationDelayUs: isLowLatency ? LATENCY_MS * 1000 : DELAY_TARGETS * targetUs,
      minBufferUs: isLowLatency ? MIN_BUFFER_LOW_LATENCY_US : targetUs,
      maxSegmentUs: longestUs,
      latency: isLowLatency
        ? { targetMs: LATENCY_MS, minMs: MIN_LATENCY_MS, maxMs: MAX_LATENCY_MS }
        : undefined,
      timeUri: TIME_URI,
      periods,
    };
  }
}

/**
 * Stream time that the window begins with. It holds so much media, whatever time passed between two publishers, so that
 * players always find the Period that they are in.
 */
function windowStart(segments: readonly Segment[], windowUs: number): number {
  let listedUs = 0;
  let first = segments.length;
  // Tracks are not cut at quite the same time.
  while (first > 0 && listedUs < windowUs - WINDOW_TOLERANCE_US) listedUs += segments[--first]!.durationUs;
  return (segments[first]?.startPts ?? 0) + WINDOW_TOLERANCE_US;
}

/**
 * Whether a Period that has just begun still lacks tracks, which have their first segments a moment later: players do
 * not look for what is added to a Period. A track that stays away is waited for no longer than for a second segment.
 */
function isComing(represented: readonly Represented[], tracks: number, { durationUs }: Period): boolean {
  const longest = Math.max(...represented.map(({ representation }) => representation.segments.length));
  return Number.isNaN(durationUs) && represented.length < tracks && longest < 2;
}

interface Represented {
  readonly track: Track;
  readonly representation: MpdRepresentation;
  readonly longestUs: number;
  readonly endPts: number;
}

/** What of a track lies in a Period and in the window; null when nothing does. */
function represent(
  track: CmafTrack,
  period: Period,
  fromPts: number,
  toPts: number,
  targetUs: number,
  withOpen: boolean,
): Represented | null {
  const { store, name, timescale } = track;
  const { open } = store;
  const isInside = ({ startPts }: Segment) => startPts >= period.fromPts && startPts < toPts;
  const listed = store
    .all()
    .filter((segment) => segment.endPts > fromPts && isInside(segment) && !segment.isGap);
  const segments: MpdSegment[] = [];
  let endPts = period.fromPts;
  for (const segment of listed) {
    pushSegment(segments, track.toTicks(segment.startPts), track.toTicks(segment.endPts));
    endPts = segment.endPts;
  }
  let newest = listed.at(-1);
  if (withOpen && open !== null && open.parts.length > 0 && isInside(open)) {
    endPts = open.startPts + Math.max(open.durationUs, expectedDurationUs(listed, targetUs));
    pushSegment(segments, track.toTicks(open.startPts), track.toTicks(endPts));
    newest = open;
  }
  const first = listed[0] ?? newest;
  const described = newest === undefined ? undefined : track.described.get(newest.initVersion);
  if (first === undefined || newest === undefined || described === undefined) return null;
  const longest = segments.reduce((most, one) => Math.max(most, one.duration), 0);
  const longestUs = Math.ceil((longest * 1_000_000) / timescale);
  const { config } = described;
  const isVideo = described.kind === 'video';
  return {
    track: described,
    longestUs,
    endPts,
    representation: {
      id: name,
      bandwidthBps: bandwidthOf(track, period, open),
      codecs: config.mime,
      width: isVideo ? config.width : 0,
      height: isVideo ? config.height : 0,
      frameRate: isVideo ? config.frameRate : 0,
      sampleRate: isVideo ? 0 : config.sampleRate,
      channels: isVideo ? 0 : config.channels,
      timescale,
      presentationTimeOffset: track.toTicks(period.fromPts),
      initializationUri: `$RepresentationID$/init-${newest.initVersion}.mp4`,
      mediaUri: '$RepresentationID$/t$Time$.m4s',
      startNumber: first.sequence,
      segments,
      // All but the first chunk: then the newest segment can be asked for from that on.
      earlyUs: withOpen ? Math.max(1000, Math.floor((longestUs - track.partTargetUs) / 1000) * 1000) : 0,
    },
  };
}

/**
 * Of the segment being made, never more than it will have: players that go by the durations of a list pass over a
 * segment that begins before the one before it should end.
 */
function expectedDurationUs(before: readonly Segment[], targetUs: number): number {
  const recent = before.slice(-LEARNT_SEGMENTS).map(({ durationUs }) => durationUs);
  const least = Math.min(...recent);
  const isSteady = recent.length > 0 && Math.max(...recent) - least <= least * MAX_DIFFERENCE;
  return isSteady ? least : targetUs * (1 - MAX_DIFFERENCE);
}

/** What is listed never overlaps: the next begins where it says, and the one before ends there. */
function pushSegment(segments: MpdSegment[], time: number, end: number): void {
  const last = segments.at(-1);
  if (last !== undefined && time < last.time + last.duration)
    segments[segments.length - 1] = { time: last.time, duration: Math.max(1, time - last.time) };
  segments.push({ time, duration: Math.max(1, end - time) });
}

function bandwidthOf(track: CmafTrack, period: Period, open: Segment | null): number {
  const known = period.bandwidths.get(track.name) ?? 0;
  const isPresent = open !== null && open.startPts >= period.fromPts;
  if (known > 0 && !isPresent) return known;
  const now = Math.ceil(track.store.peakBitrateBps / BANDWIDTH_STEP) * BANDWIDTH_STEP;
  const bandwidth = Math.max(known, now, BANDWIDTH_STEP);
  period.bandwidths.set(track.name, bandwidth);
  return bandwidth;
}

/** Video tracks of one codec are qualities of one picture; every sound is a choice of its own. */
function adaptationSets(represented: readonly Represented[]): MpdAdaptationSet[] {
  const sets: MpdAdaptationSet[] = [];
  const videos = represented.filter(({ track }) => track.kind === 'video');
  const codecs = new Set(videos.map(({ track }) => track.config.codec));
  for (const codec of codecs) {
    const own = videos.filter(({ track }) => track.config.codec === codec);
    const [first] = own;
    sets.push({
      id: first!.track.id, // the codec is that of one of them
      kind: 'video',
      language: '',
      role: sets.length === 0 ? 'main' : 'alternate',
      isAligned: isAligned(own),
      representations: own.map(({ representation }) => representation),
    });
  }
  const sounds = represented.filter(({ track }) => track.kind === 'audio');
  sounds.forEach(({ track, representation }, index) => {
    sets.push({
      id: track.id,
      kind: 'audio',
      language: track.language,
      role: index === 0 ? 'main' : 'alternate',
      isAligned: true,
      representations: [representation],
    });
  });
  return sets;
}

function isAligned(own: readonly Represented[]): boolean {
  const [first] = own;
  return own.every(({ representation }) => {
    const other = first!.representation; // it is one of them
    if (representation.timescale !== other.timescale || representation.startNumber !== other.startNumber)
      return false;
    return representation.segments.every(({ time }, index) => {
      const same = other.segments[index];
      return same === undefined || same.time === time;
    });
  });
}
