/** What the file muxers share: where fragments begin and end, the memory that they are made in, comparing tracks. */
import { isSameConfig } from '../codec/codec-config.ts';
import type { LeftOut } from '../media/feed.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { SlabParts } from './slab-parts.ts';

/** A piece of the file that begins where decoding can begin, or after a second without such a place. */
export interface FileMark {
  /** In the file. */
  readonly offset: number;
  readonly length: number;
  /** Stream time of its first frame, microseconds. */
  readonly startUs: number;
  readonly durationUs: number;
  /** Decoding can begin here. */
  readonly isKey: boolean;
}

const FRAGMENT_US = 1_000_000;
/** A fragment that grows over this is closed before its time. */
const MAX_FRAGMENT_BYTES = 4 * 1024 * 1024;
const DEFAULT_FRAME_US = 40_000;
/** A longer step between frames tells nothing about how long one lasts. */
const MAX_FRAME_US = 1_000_000;

/** Where fragments begin and end, in time and in the file. */
export class FragmentClock {
  startUs = Number.NaN;
  endUs = Number.NaN;
  /** Bytes of all finished fragments. */
  private offset: number;
  private leadId = -1;
  private leadIsVideo = false;
  private fragmentUs = 0;
  private fragmentIsKey = false;
  private isOpen: boolean = false;
  private lastLeadUs = Number.NaN;
  private leadStepUs = DEFAULT_FRAME_US;
  private marks: FileMark[] = [];

  constructor(offset: number) {
    this.offset = offset;
  }

  setTracks(tracks: readonly Track[]): void {
    const lead = defaultTrack(tracks, 'video') ?? defaultTrack(tracks, 'audio');
    this.leadId = lead?.id ?? -1;
    this.leadIsVideo = lead?.kind === 'video';
    this.lastLeadUs = Number.NaN;
  }

  /** Whether the open fragment, which has so many bytes, ends before this frame. */
  endsBefore(frame: Frame, bytes: number): boolean {
    if (!this.isOpen) return false;
    if (bytes + frame.payload.length > MAX_FRAGMENT_BYTES) return true;
    if (frame.trackId !== this.leadId) return frame.dts - this.fragmentUs >= 2 * FRAGMENT_US;
    if (this.leadIsVideo && (frame.flags & FRAME_KEY) !== 0) return true;
    return frame.dts - this.fragmentUs >= FRAGMENT_US;
  }

  /** The frame belongs to the open fragment, or opens one. */
  onFrame(frame: Frame): void {
    const isLead = frame.trackId === this.leadId;
    if (!this.isOpen) {
      this.isOpen = true;
      this.fragmentUs = frame.dts;
      this.fragmentIsKey = isLead && (!this.leadIsVideo || (frame.flags & FRAME_KEY) !== 0);
    }
    if (Number.isNaN(this.startUs)) this.startUs = frame.dts;
    if (isLead) {
      const step = frame.dts - this.lastLeadUs;
      if (step > 0 && step < MAX_FRAME_US) this.leadStepUs = step;
      this.lastLeadUs = frame.dts;
    }
    const end = frame.dts + (frame.duration > 0 ? frame.duration : this.leadStepUs);
    if (Number.isNaN(this.endUs) || end > this.endUs) this.endUs = end;
  }

  /** The open fragment is complete and has so many bytes. `nextUs` is where the next begins; NaN = not known. */
  close(bytes: number, nextUs: number): void {
    if (this.isOpen && bytes > 0) {
      const end = nextUs > this.fragmentUs ? nextUs : Math.max(this.endUs, this.fragmentUs);
      this.marks.push({
        offset: this.offset,
        length: bytes,
        startUs: this.fragmentUs,
        durationUs: end - this.fragmentUs,
        isKey: this.fragmentIsKey,
      });
    }
    this.offset += bytes;
    this.isOpen = false;
  }

  takeMarks(): FileMark[] {
    const { marks } = this;
    this.marks = [];
    return marks;
  }
}

/** The bytes of a file in whole fragments: what is ready, and the fragment in the making. */
export abstract class FragmentedFile {
  leftOut: readonly LeftOut[] = [];
  readyBytes = 0;
  protected readonly bytes = new SlabParts();
  protected readonly clock: FragmentClock;
  private ready: Buffer[] = [];

  /** `offset`: bytes that the file has already. */
  constructor(offset: number) {
    this.clock = new FragmentClock(offset);
  }

  get startUs(): number {
    return this.clock.startUs;
  }

  get endUs(): number {
    return this.clock.endUs;
  }

  take(): Buffer[] {
    const { ready } = this;
    this.ready = [];
    this.readyBytes = 0;
    return ready;
  }

  takeMarks(): FileMark[] {
    return this.clock.takeMarks();
  }

  finish(): void {
    this.close(Number.NaN);
  }

  /** Ends the open fragment. `nextUs` is where the next begins; NaN = not known. */
  protected abstract close(nextUs: number): void;

  /** What lies in `bytes` is a whole fragment; false when nothing does. */
  protected closeFragment(nextUs: number): boolean {
    const { sizeBytes } = this.bytes;
    this.clock.close(sizeBytes, nextUs);
    if (sizeBytes === 0) return false;
    this.ready.push(...this.bytes.take());
    this.readyBytes += sizeBytes;
    return true;
  }
}

/** `reasonOf` gives '' for a track that is carried, else a sentence for a person. */
export function leftOutOf(tracks: readonly Track[], reasonOf: (track: Track) => string): LeftOut[] {
  return tracks.map((track) => ({ track, reason: reasonOf(track) })).filter((one) => one.reason !== '');
}

/** The same tracks by id and codec; their configs may differ. */
export function hasSameCodecs(a: readonly Track[], b: readonly Track[]): boolean {
  return (
    a.length === b.length &&
    a.every((track, index) => track.id === b[index]!.id && track.config.codec === b[index]!.config.codec)
  );
}

/** All of `before` are there as they were, and perhaps others. */
export function isExtended(before: readonly Track[], after: readonly Track[]): boolean {
  return before.every((track) =>
    after.some((other) => other.id === track.id && isSameConfig(other.config, track.config)),
  );
}

export function isSameTracks(a: readonly Track[], b: readonly Track[]): boolean {
  return hasSameCodecs(a, b) && a.every((track, index) => isSameConfig(track.config, b[index]!.config));
}
