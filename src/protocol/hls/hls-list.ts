/**
 * The media playlist of one list of segments. Its text is the same for all viewers and is made once for every state
 * of the list, also compressed; what a delayed viewer gets is made for that request.
 */
import { gzipSync } from 'node:zlib';
import type { SegmentedStream } from '../../origin/segmented-stream.ts';
import type { CmafTrack } from '../../packaging/cmaf-track.ts';
import type { Segment } from '../../packaging/segment.ts';
import type { SegmentStore } from '../../packaging/segment-store.ts';
import {
  type LowLatency,
  type MediaPlaylistEntry,
  type RenditionReport,
  SKIP_TARGETS,
  serializeMediaPlaylist,
} from '../../wire/hls/media-playlist.ts';

/** Parts are listed of segments that are no further from the end (RFC 8216bis 4.4.4.9). */
const PART_TARGETS = 3;
const MIN_ZIPPED_BYTES = 400;

export interface ListText {
  readonly bytes: Buffer;
  readonly zipped: Buffer | null;
  readonly etag: string;
}

export class HlsList {
  readonly store: SegmentStore;
  private readonly stream: SegmentedStream;
  /** null = MPEG-TS. */
  private readonly track: CmafTrack | null;
  private readonly reports: () => readonly RenditionReport[];
  private readonly texts = new Map<string, ListText>();
  private textsOf = -1;

  constructor(
    stream: SegmentedStream,
    store: SegmentStore,
    track: CmafTrack | null,
    reports: () => readonly RenditionReport[],
  ) {
    this.stream = stream;
    this.store = store;
    this.track = track;
    this.reports = reports;
  }

  /** Whether there are parts, and lists that wait for the next one. */
  get isLowLatency(): boolean {
    return this.track !== null && this.track.partTargetUs > 0 && !this.stream.isOver;
  }

  /** Whether the list already holds this part (or, without one, this segment). */
  has(sequence: number, part: number): boolean {
    const segment = this.store.find(sequence);
    if (segment === undefined) return sequence <= this.store.lastSequence;
    if (segment.isComplete) return true;
    return part >= 0 && segment.parts.length > part;
  }

  /** The list as it is now; null when there is nothing to list. `withSkip` = a delta update is wanted. */
  text(withSkip: boolean, withParts: boolean): ListText | null {
    if (this.textsOf !== this.stream.version) this.texts.clear();
    this.textsOf = this.stream.version;
    const kind = `${withSkip ? 'skip' : 'full'}-${withParts ? 'parts' : 'plain'}`;
    const known = this.texts.get(kind);
    if (known !== undefined) return known;
    const segments = this.store.window();
    if (segments.length === 0) return null;
    const made = toText(this.serialize(segments, withSkip, withParts), `${this.stream.version}-${kind}`);
    this.texts.set(kind, made);
    return made;
  }

  /** The list as it was `delayUs` ago; null when the past is not kept that long. */
  delayed(delayUs: number): ListText | null {
    const segments = this.store.windowAt(delayUs);
    if (segments.length === 0) return null;
    return toText(this.serialize(segments, false, false), `${segments.at(-1)?.sequence}-delayed`);
  }

  private serialize(segments: readonly Segment[], withSkip: boolean, withParts: boolean): string {
    const first = segments[0]!; // the callers made sure
    const { store } = this;
    const target = store.targetDurationSeconds;
    // Seen from the end of what is listed, which may be in the open segment.
    const end = store.open?.endPts ?? segments.at(-1)!.endPts;
    const entries = segments.map((segment) => {
      const isRecent = withParts && end - segment.endPts < PART_TARGETS * target * 1_000_000;
      return this.entryOf(segment, isRecent);
    });
    return serializeMediaPlaylist({
      targetDurationSeconds: target,
      mediaSequence: first.sequence,
      // The tag counts those before the first entry; its own is written in the list.
      discontinuitySequence: first.discontinuitySequence - (first.discontinuity ? 1 : 0),
      entries,
      ended: this.stream.isOver,
      skipped: withSkip ? countSkipped(segments, target) : 0,
      independent: segments.every((segment) => segment.independent || segment.isGap),
      lowLatency: withParts && this.isLowLatency ? this.lowLatency() : undefined,
    });
  }

  private entryOf(segment: Segment, withParts: boolean): MediaPlaylistEntry {
    const { keys, key } = this.stream;
    const name = encodeURIComponent(key.name);
    return {
      ...this.headOf(segment),
      uri:
        this.track === null ? `${name}-${segment.sequence}.ts` : `${this.track.name}/${segment.sequence}.m4s`,
      durationUs: segment.durationUs,
      isGap: segment.isGap,
      keyUri:
        keys === null
          ? undefined
          : `${this.track === null ? '' : '../'}${name}-${keys.prepare(segment.sequence)}.key`,
      parts: withParts && segment.file === '' ? this.partsOf(segment) : [],
    };
  }

  private headOf(segment: Segment) {
    return {
      discontinuity: segment.discontinuity,
      wallClockUs: segment.wallClockUs,
      mapUri: this.track === null ? undefined : `${this.track.name}/init-${segment.initVersion}.mp4`,
    };
  }

  private partsOf(segment: Segment) {
    const name = this.track?.name ?? '';
    return segment.parts.map(({ durationUs, independent }, index) => ({
      uri: `${name}/${segment.sequence}.${index}.m4s`,
      durationUs,
      independent,
    }));
  }

  private lowLatency(): LowLatency {
    const { store, track } = this;
    const { open } = store;
    const sequence = open?.sequence ?? store.lastSequence + 1;
    return {
      partTargetUs: Math.ceil((track?.partTargetUs ?? 0) / 1000) * 1000 + 1000,
      open: open === null || open.parts.length === 0 ? null : this.headOf(open),
      openParts: open === null ? [] : this.partsOf(open),
      hintUri: `${track?.name}/${sequence}.${open?.parts.length ?? 0}.m4s`,
      reports: this.reports(),
    };
  }

  /** Where this list stands, for the lists beside it. */
  report(uri: string): RenditionReport {
    const { open } = this.store;
    if (open !== null && open.parts.length > 0)
      return { uri, lastSequence: open.sequence, lastPart: open.parts.length - 1 };
    const last = this.store.all().at(-1);
    return {
      uri,
      lastSequence: last?.sequence ?? this.store.lastSequence,
      lastPart: (last?.parts.length ?? 0) - 1,
    };
  }
}

/** How many entries from the oldest a player that knows the last list can do without. */
function countSkipped(segments: readonly Segment[], targetSeconds: number): number {
  const boundary = segments.at(-1)!.endPts - SKIP_TARGETS * targetSeconds * 1_000_000; // not empty
  let count = 0;
  while (count < segments.length && segments[count]!.startPts < boundary) count++;
  return count;
}

function toText(text: string, etag: string): ListText {
  const bytes = Buffer.from(text);
  return {
    bytes,
    zipped: bytes.length < MIN_ZIPPED_BYTES ? null : gzipSync(bytes, { level: 5 }),
    etag: `"${etag}"`,
  };
}
