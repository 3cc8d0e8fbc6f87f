/**
 * What a recording is made of: begins when all tracks are known and with a key frame, its times begin at 0 and never go
 * back, sound that was stamped in whole milliseconds gets its exact spacing back.
 */
import { FRAME_KEY, Frame } from '../../media/frame.ts';
import { Timeline } from '../../media/timeline.ts';
import { defaultTrack, type Track } from '../../media/track.ts';
import type { SupplyPart } from '../../media-file/frame-supply.ts';

/** How long a source may take to show its second track, and to give its first key frame. */
const TRACKS_KNOWN_US = 1_000_000;
const KEY_FRAME_US = 20_000_000;
const EARLY_SOUND_US = 30_000;
const MAX_HELD_BACK = 16;

export class RecordableFrames {
  /** All tracks of a file are known from its start. */
  private readonly isFile: boolean;
  private readonly timeline = new Timeline('full', false);
  private tracks: readonly Track[] = [];
  private audioIds: ReadonlySet<number> = new Set();
  /** What came before the recording begins. */
  private waiting: Frame[] = [];
  private hasTracks: boolean = false;
  private hasKey: boolean = false;
  /** Sound that came right before the first key frame belongs to it. */
  private heldBack: Frame[] = [];
  private skippedFromUs = Number.NaN;
  private latestUs = Number.NEGATIVE_INFINITY;

  constructor(isFile: boolean) {
    this.isFile = isFile;
    this.timeline.begin();
  }

  take(part: SupplyPart): SupplyPart[] {
    if (part.tracks !== null) this.setTracks(part.tracks);
    if (!this.hasTracks) {
      this.waiting.push(...part.frames);
      return this.areTracksKnown() ? this.begin() : [];
    }
    return [{ tracks: part.tracks, frames: this.convert(part.frames) }];
  }

  /** Nothing more will come. */
  finish(): SupplyPart[] {
    return this.hasTracks || this.waiting.length === 0 ? [] : this.begin();
  }

  private setTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
    this.audioIds = new Set(tracks.filter(({ kind }) => kind === 'audio').map(({ id }) => id));
  }

  private areTracksKnown(): boolean {
    const has = (kind: string) => this.tracks.some((track) => track.kind === kind);
    if (this.isFile || (has('video') && has('audio'))) return true;
    const first = this.waiting[0];
    const last = this.waiting.at(-1);
    return first !== undefined && last !== undefined && last.dts - first.dts >= TRACKS_KNOWN_US;
  }

  private begin(): SupplyPart[] {
    this.hasTracks = true;
    const { waiting } = this;
    this.waiting = [];
    return [{ tracks: this.tracks, frames: this.convert(waiting) }];
  }

  private convert(frames: readonly Frame[]): Frame[] {
    const converted: Frame[] = [];
    for (const frame of frames) {
      if (!this.hasKey) {
        if (!this.isBeginning(frame)) continue;
        for (const early of this.heldBack)
          if (early.dts >= frame.dts - EARLY_SOUND_US) converted.push(this.retime(early));
        this.heldBack = [];
      }
      converted.push(this.retime(frame));
    }
    return converted;
  }

  private isBeginning(frame: Frame): boolean {
    const video = defaultTrack(this.tracks, 'video');
    if (Number.isNaN(this.skippedFromUs)) this.skippedFromUs = frame.dts;
    const isKey = video === undefined || (frame.trackId === video.id && (frame.flags & FRAME_KEY) !== 0);
    this.hasKey = isKey || frame.dts - this.skippedFromUs > KEY_FRAME_US;
    if (!this.hasKey && this.audioIds.has(frame.trackId)) {
      this.heldBack.push(frame);
      if (this.heldBack.length > MAX_HELD_BACK) this.heldBack.shift();
    }
    return this.hasKey;
  }

  private retime(frame: Frame): Frame {
    const { trackId, flags, duration, payload, config, arrival, captureTime } = frame;
    this.latestUs = Math.max(this.latestUs, frame.dts);
    const audioUs = this.audioIds.has(trackId) ? duration : 0;
    // The arrival says that time passed as the source tells it: gaps stay, only what goes back is mended.
    const dts = this.timeline.map(trackId, frame.dts / 1000, this.latestUs, audioUs);
    return new Frame(
      trackId,
      flags,
      dts,
      dts + frame.pts - frame.dts,
      duration,
      payload,
      config,
      arrival,
      captureTime,
    );
  }
}
