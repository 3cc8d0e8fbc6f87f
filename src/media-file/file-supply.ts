/**
 * Files one after the other, once or round and round, as one supply of frames: times go on from file to file, tracks
 * keep their numbers (the nth picture track is the nth again), and a change of codec or configuration is told before
 * the frame that needs it. An item that is missing, damaged or breaks off is reported and skipped. Each round asks for
 * the list again and opens the files again, so what changed on disk counts from then on.
 */
import { type CodecConfig, isSameConfig } from '../codec/codec-config.ts';
import { FRAME_CONFIG, Frame } from '../media/frame.ts';
import { makeTrack, type Track } from '../media/track.ts';
import type { FrameSupply, SupplyPart } from './frame-supply.ts';
import type { FrameReader, MediaFile } from './media-file.ts';

/** Of a kind; more are left out. Their numbers stay below that of data. */
const MAX_TRACKS_OF_A_KIND = 14;
const DEFAULT_FRAME_US = 40_000;
/** A longer step between frames tells nothing about how long one lasts. */
const MAX_FRAME_US = 1_000_000;

/** What is needed of a file; what plays from memory needs no more either. */
export type SupplyFile = Pick<MediaFile, 'tracks' | 'open' | 'close'>;

export interface SupplyItem {
  /** For reports. */
  readonly name: string;
  /** Rejects with an error whose message says why it cannot be played. */
  open(): Promise<SupplyFile>;
}

export interface FileSupplyOptions {
  /** What to play, asked for at the start of every round. Rejects as `open` of an item. */
  list(): Promise<readonly SupplyItem[]>;
  readonly loop: boolean;
  onItem?(item: SupplyItem): void;
  /** An item, or the list itself, cannot be played (any further). */
  onSkipped(name: string, error: unknown): void;
  /** Called when a round gave nothing; the next begins when it resolves. */
  pause(): Promise<void>;
  /** The name of the list in reports. */
  readonly name: string;
}

export class FileSupply implements FrameSupply {
  private readonly options: FileSupplyOptions;
  private items: readonly SupplyItem[] = [];
  private next = 0;
  private rounds = 0;
  private framesOfRound = 0;
  private file: SupplyFile | null = null;
  private reader: FrameReader | null = null;
  private item: SupplyItem | null = null;
  /** As they are announced. */
  private tracks: readonly Track[] = [];
  /** Position in `tracks` by the file's track id. */
  private readonly places = new Map<number, number>();
  private isAnnounced = true;
  /** The next frame of the track is the first of another configuration. */
  private isChanged: boolean[] = [];
  /** Added to times of the file; NaN before its first frame. */
  private shiftUs = Number.NaN;
  /** Where the next file begins. */
  private endUs = 0;
  private lastUs: number[] = [];
  private stepUs: number[] = [];
  /** Read from the file, behind a change of tracks that must be told first. */
  private rest: readonly Frame[] = [];
  private isClosed: boolean = false;

  constructor(options: FileSupplyOptions) {
    this.options = options;
  }

  async read(): Promise<SupplyPart | null> {
    while (!this.isClosed) {
      if (this.reader === null && !(await this.openNext())) return null;
      const frames = await this.readFile();
      // Closed while it was read.
      if (this.isClosed) break;
      if (frames === null) continue;
      const part = this.take(frames);
      if (part !== null) return part;
    }
    await this.leaveFile();
    return null;
  }

  /** False when there is nothing more to open. */
  private async openNext(): Promise<boolean> {
    const { options } = this;
    while (!this.isClosed) {
      if (this.next >= this.items.length && !(await this.nextRound())) return false;
      const item = this.items[this.next++];
      if (item === undefined) continue;
      try {
        const file = await item.open();
        if (this.isClosed) {
          await file.close();
          return false;
        }
        this.begin(item, file);
        options.onItem?.(item);
        return true;
      } catch (error) {
        options.onSkipped(item.name, error);
      }
    }
    return false;
  }

  private async nextRound(): Promise<boolean> {
    const { options } = this;
    if (this.rounds > 0) {
      if (!options.loop) return false;
      if (this.framesOfRound === 0) await options.pause();
      if (this.isClosed) return false;
    }
    this.rounds++;
    this.framesOfRound = 0;
    this.next = 0;
    this.items = [];
    try {
      this.items = await options.list();
    } catch (error) {
      options.onSkipped(options.name, error);
    }
    return true;
  }

  private begin(item: SupplyItem, file: SupplyFile): void {
    this.item = item;
    this.file = file;
    this.reader = file.open(0);
    this.shiftUs = Number.NaN;
    const numbered = numberTracks(file.tracks);
    this.places.clear();
    const kept = numbered.map(({ fileId, track }, place) => {
      this.places.set(fileId, place);
      const known = this.tracks[place];
      return known?.id === track.id && isSameTrack(known.config, track.config) ? known : track;
    });
    this.isChanged = kept.map((track, place) => {
      const known = this.tracks[place];
      return known !== undefined && known !== track;
    });
    const isSame =
      kept.length === this.tracks.length && kept.every((track, place) => track === this.tracks[place]);
    if (!isSame) {
      this.tracks = kept;
      this.isAnnounced = false;
    }
    this.lastUs = kept.map(() => Number.NaN);
    this.stepUs = kept.map(() => DEFAULT_FRAME_US);
  }

  /** Null when the file is over. */
  private async readFile(): Promise<readonly Frame[] | null> {
    const { rest } = this;
    this.rest = [];
    if (rest.length > 0) return rest;
    try {
      const frames = await this.reader!.read(); // openNext has set it
      if (frames.length > 0) return frames;
    } catch (error) {
      if (!this.isClosed) this.options.onSkipped(this.item!.name, error);
    }
    await this.leaveFile();
    return null;
  }

  private async leaveFile(): Promise<void> {
    const { file, reader } = this;
    this.file = null;
    this.reader = null;
    reader?.close();
    await file?.close();
  }

  /** Null when none of the frames is wanted. */
  private take(batch: readonly Frame[]): SupplyPart | null {
    if (Number.isNaN(this.shiftUs)) {
      let first = Number.POSITIVE_INFINITY;
      for (const frame of batch) if (this.places.has(frame.trackId)) first = Math.min(first, frame.dts);
      if (first === Number.POSITIVE_INFINITY) return null;
      this.shiftUs = this.endUs - first;
    }
    const frames: Frame[] = [];
    for (const [at, frame] of batch.entries()) {
      const place = this.places.get(frame.trackId);
      if (place === undefined) continue;
      const track = this.tracks[place]!; // places are made of tracks
      if (track.config !== frame.config && !isSameTrack(track.config, frame.config)) {
        // The change is told before the frame, so the frame begins a part of its own.
        this.rest = frames.length > 0 ? batch.slice(at) : [];
        if (frames.length > 0) break;
        this.change(place, { ...track, config: frame.config });
      }
      frames.push(this.shift(frame, place));
      this.follow(frame.dts + this.shiftUs, frame.duration, place);
    }
    if (frames.length === 0) return null;
    this.framesOfRound += frames.length;
    const tracks = this.isAnnounced ? null : this.tracks;
    this.isAnnounced = true;
    return { tracks, frames };
  }

  private change(place: number, track: Track): void {
    this.tracks = this.tracks.map((known, at) => (at === place ? track : known));
    this.isAnnounced = false;
    this.isChanged[place] = true;
  }

  private shift(frame: Frame, place: number): Frame {
    const track = this.tracks[place]!; // places are made of tracks
    const flags = this.isChanged[place] ? frame.flags | FRAME_CONFIG : frame.flags;
    this.isChanged[place] = false;
    return new Frame(
      track.id,
      flags,
      frame.dts + this.shiftUs,
      frame.pts + this.shiftUs,
      frame.duration,
      frame.payload,
      track.config,
      frame.arrival,
      frame.captureTime,
    );
  }

  private follow(dts: number, duration: number, place: number): void {
    const step = dts - this.lastUs[place]!;
    if (step > 0 && step < MAX_FRAME_US) this.stepUs[place] = step;
    this.lastUs[place] = dts;
    this.endUs = Math.max(this.endUs, dts + (duration > 0 ? duration : this.stepUs[place]!));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    // A read that is under way closes the file itself when it comes back.
    this.reader?.close();
    this.file?.close().catch(() => undefined);
  }
}

/** Pictures get even numbers, sound odd ones, each in the file's order. */
function numberTracks(tracks: readonly Track[]): { fileId: number; track: Track }[] {
  const counts = { video: 0, audio: 0, data: MAX_TRACKS_OF_A_KIND };
  const numbered: { fileId: number; track: Track }[] = [];
  for (const track of [...tracks].sort((a, b) => a.wireIndex - b.wireIndex)) {
    const index = counts[track.kind]++;
    if (index >= MAX_TRACKS_OF_A_KIND) continue;
    const id = index * 2 + (track.kind === 'video' ? 0 : 1);
    numbered.push({ fileId: track.id, track: makeTrack(id, track.config, index, track.language) });
  }
  return numbered;
}

function isSameTrack(a: CodecConfig, b: CodecConfig): boolean {
  return isSameConfig(a, b) && a.width === b.width && a.height === b.height;
}
