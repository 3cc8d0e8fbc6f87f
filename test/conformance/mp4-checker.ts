/**
 * Judges fragmented MP4 as HLS, DASH and MSE want it: ISO/IEC 14496-12 8.8 (fragments), 8.16 (segments), 23000-19
 * (CMAF). Feed the initialization section, then segments, parts or any whole fragments in order. Knows nothing of our
 * writer and shares no code with it. Reports what is wrong as sentences; an empty list means that all is well.
 */
import { type Box, BoxFields, checkChildren, readBoxes } from './mp4-boxes.ts';
import { sampleIsKey } from './mp4-codec-checker.ts';
import { checkFragmentRuns, type FragmentSample } from './mp4-fragment.ts';
import { type CheckedTrack, checkInit } from './mp4-init-checker.ts';

export interface Mp4SegmentOptions {
  /** For messages. */
  readonly name?: string;
  /** Every track that has samples here begins with one that a decoder can begin with. Default true. */
  readonly independent?: boolean;
  /** Times need not go on from the segment before. */
  readonly discontinuity?: boolean;
  /** What a playlist or MPD says it lasts. */
  readonly seconds?: number;
  /** How far that may be off; default 0.005. */
  readonly secondsTolerance?: number;
}

/** What one call of `segment` held of one track. */
export interface Mp4Run {
  readonly track: number;
  /** Decode time of the first sample, seconds. */
  readonly start: number;
  /** Sum of the samples' durations, seconds. */
  readonly duration: number;
  /** Earliest presentation time, seconds; edits are taken into account. */
  readonly firstPts: number;
  readonly samples: number;
  readonly keys: number;
  readonly bytes: number;
}

export interface Mp4Clock {
  /** Microseconds since 1970. */
  readonly wallClockUs: number;
  /** Of the track, seconds. */
  readonly mediaSeconds: number;
}

interface TrackState {
  readonly track: CheckedTrack;
  /** Where the next sample must be, ticks; NaN = anywhere. */
  next: number;
  /** Presentation times that were seen, ticks; the last ones. */
  shown: Set<number>;
}

const MAX_VIOLATIONS = 50;
const SHOWN_KEPT = 400;
/** Seconds from 1900 to 1970. */
const NTP_OFFSET = 2_208_988_800;
/** The clock of `prft` may leave the clock of the media by this much, microseconds. */
const CLOCK_TOLERANCE_US = 1_000_000;
const TOP_LEVEL = ['styp', 'sidx', 'emsg', 'prft', 'moof', 'mdat', 'free'];

export class Mp4Checker {
  readonly violations: string[] = [];
  /** Marks of the producer's wall clock, in order (`prft`). */
  readonly clocks: Mp4Clock[] = [];
  fragments = 0;
  private readonly states = new Map<number, TrackState>();
  private readonly toleranceTicks: number;
  private sequence = -1;
  private where = '';

  /** `toleranceTicks`: how far a decode time may be off the durations before it; default 1. */
  constructor(toleranceTicks = 1) {
    this.toleranceTicks = toleranceTicks;
  }

  get tracks(): CheckedTrack[] {
    return [...this.states.values()].map(({ track }) => track);
  }

  private readonly report = (text: string): void => {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(`${this.where}${text}`);
  };

  /** A whole initialization section. A later one continues the tracks of the same id and clock. */
  init(bytes: Uint8Array, name = 'init'): CheckedTrack[] {
    this.where = `${name}: `;
    const tracks = checkInit(bytes, this.report);
    if (tracks.size === 0) this.report('no track');
    for (const known of this.states.keys()) if (!tracks.has(known)) this.states.delete(known);
    for (const track of tracks.values()) {
      const known = this.states.get(track.id);
      const goesOn = known !== undefined && known.track.timescale === track.timescale;
      this.states.set(track.id, {
        track,
        next: goesOn ? known.next : Number.NaN,
        shown: goesOn ? known.shown : new Set(),
      });
    }
    return [...tracks.values()];
  }

  /** A stream as it comes over HTTP: the initialization section and whole fragments behind it. */
  stream(bytes: Uint8Array, name = 'stream'): Mp4Run[] {
    this.where = `${name}: `;
    const at =
      readBoxes(bytes, 0, bytes.length, '', () => {}).find(({ type }) => type === 'moov')?.end ??
      bytes.length;
    this.init(bytes.subarray(0, at), name);
    return this.segment(bytes.subarray(at), { name });
  }

  /** Whole fragments that go on from those before: a segment, a part. */
  segment(bytes: Uint8Array, options: Mp4SegmentOptions = {}): Mp4Run[] {
    this.where = `${options.name ?? 'segment'}: `;
    if (this.states.size === 0) this.report('no initialization section before it');
    if (options.discontinuity === true) {
      for (const state of this.states.values()) {
        state.next = Number.NaN;
        state.shown.clear();
      }
    }
    const boxes = readBoxes(bytes, 0, bytes.length, '', this.report);
    const runs = new Map<number, Mp4Run>();
    const marks: Box[] = [];
    for (let i = 0; i < boxes.length; i++) {
      const box = boxes[i]!;
      if (!TOP_LEVEL.includes(box.type)) this.report(`${box.type} in a segment`);
      else if (box.type === 'styp') this.segmentType(bytes, box, i);
      else if (box.type === 'sidx') this.index(bytes, box, boxes);
      else if (box.type === 'prft') marks.push(box);
      else if (box.type === 'mdat') this.report('mdat does not follow a moof');
      if (box.type !== 'moof') continue;
      const data = boxes[++i];
      if (data?.type !== 'mdat') {
        this.report('moof is not followed by its mdat');
        i--;
        continue;
      }
      this.fragment(bytes, box, data, marks.splice(0), runs, options);
    }
    if (marks.length > 0) this.report('prft stands before no moof');
    if (runs.size === 0) this.report('no samples');
    this.checkSeconds(runs, options);
    return [...runs.values()];
  }

  private segmentType(bytes: Uint8Array, box: Box, index: number): void {
    if (index !== 0) this.report('styp is not the first box');
    const fields = new BoxFields(bytes, box, this.report, false);
    if (!/^[\x20-\x7e]{4}$/.test(fields.fourCc())) this.report('styp has no brand');
    fields.u32();
    while (fields.remaining >= 4) fields.fourCc();
    fields.finish();
  }

  /** The sizes in a segment index are those of what follows it. */
  private index(bytes: Uint8Array, box: Box, boxes: readonly Box[]): void {
    const fields = new BoxFields(bytes, box, this.report);
    fields.versions(0, 1);
    const state = this.states.get(fields.u32());
    if (state === undefined) this.report('sidx of an unknown track');
    const timescale = fields.u32();
    if (timescale === 0) this.report('sidx has timescale 0');
    fields.time();
    const firstOffset = fields.time();
    fields.u16();
    let sum = firstOffset;
    for (let count = fields.u16(); count > 0; count--) {
      sum += fields.u32() & 0x7fff_ffff;
      if (fields.u32() === 0) this.report('sidx has a reference without duration');
      fields.u32();
    }
    fields.finish();
    const ends = boxes.filter(({ type }) => type === 'mdat').map(({ end }) => end - box.end);
    if (!ends.includes(sum)) this.report(`sidx speaks of ${sum} bytes, where no fragment ends`);
  }

  private fragment(
    bytes: Uint8Array,
    moof: Box,
    mdat: Box,
    marks: readonly Box[],
    runs: Map<number, Mp4Run>,
    options: Mp4SegmentOptions,
  ): void {
    this.fragments++;
    checkChildren(moof, ['mfhd', 'traf+'], this.report);
    const header = moof.children.find(({ type }) => type === 'mfhd');
    if (header !== undefined) {
      const fields = new BoxFields(bytes, header, this.report);
      const sequence = fields.u32();
      if (sequence <= this.sequence) this.report(`fragment ${sequence} behind fragment ${this.sequence}`);
      this.sequence = sequence;
      fields.finish();
    }
    const begins = new Map<number, { start: number; duration: number }>();
    const tracks = new Map([...this.states].map(([id, { track }]) => [id, track]));
    for (const run of checkFragmentRuns(bytes, moof, mdat, tracks, this.report)) {
      const state = this.states.get(run.trackId)!; // only known tracks come back
      if (begins.has(run.trackId)) this.report(`track ${run.trackId} twice in a fragment`);
      const duration = this.samples(bytes, state, run.baseTime, run.samples, options, runs);
      begins.set(run.trackId, { start: run.baseTime, duration });
    }
    for (const mark of marks) this.producerTime(bytes, mark, begins);
  }

  /** Returns the duration in ticks. */
  private samples(
    bytes: Uint8Array,
    state: TrackState,
    baseTime: number,
    samples: readonly FragmentSample[],
    options: Mp4SegmentOptions,
    runs: Map<number, Mp4Run>,
  ): number {
    const { track, shown } = state;
    const { id, timescale } = track;
    if (samples.length === 0) this.report(`track ${id} has a fragment without samples`);
    const off = baseTime - state.next;
    if (Math.abs(off) > this.toleranceTicks)
      this.report(`track ${id} begins ${off} ticks off the end of what was before (${baseTime})`);
    let dts = baseTime;
    let firstPts = Number.POSITIVE_INFINITY;
    let keys = 0;
    let size = 0;
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i]!;
      const pts = dts + sample.compositionOffset;
      if (sample.duration <= 0) this.report(`track ${id}: sample ${i} has no duration`);
      if (sample.duration > 60 * timescale) this.report(`track ${id}: sample ${i} lasts over a minute`);
      if (sample.size === 0) this.report(`track ${id}: sample ${i} is empty`);
      if (shown.has(pts)) this.report(`track ${id}: two samples are shown at ${pts}`);
      shown.add(pts);
      this.checkFlags(bytes, track, sample, i);
      if (sample.isSync) keys++;
      firstPts = Math.min(firstPts, pts);
      size += sample.size;
      dts += sample.duration;
    }
    for (const old of shown) {
      if (shown.size <= SHOWN_KEPT) break;
      shown.delete(old);
    }
    state.next = dts;
    const known = runs.get(id);
    if (known === undefined && options.independent !== false && samples[0]?.isSync === false)
      this.report(`track ${id} does not begin with a key frame`);
    const seconds = (ticks: number) => ticks / timescale;
    runs.set(id, {
      track: id,
      start: known?.start ?? seconds(baseTime),
      duration: (known?.duration ?? 0) + seconds(dts - baseTime),
      firstPts: Math.min(
        known?.firstPts ?? Number.POSITIVE_INFINITY,
        seconds(firstPts - track.editMediaTime),
      ),
      samples: (known?.samples ?? 0) + samples.length,
      keys: (known?.keys ?? 0) + keys,
      bytes: (known?.bytes ?? 0) + size,
    });
    return dts - baseTime;
  }

  private checkFlags(bytes: Uint8Array, track: CheckedTrack, sample: FragmentSample, index: number): void {
    const what = `track ${track.id}: sample ${index}`;
    if (sample.isSync && sample.dependsOn === 1) this.report(`${what} is a key frame that depends on others`);
    if (track.handler !== 'vide') {
      if (!sample.isSync) this.report(`${what} of sound is no key frame`);
      return;
    }
    const data = bytes.subarray(sample.start, sample.start + sample.size);
    const isKey = sampleIsKey(track.format, track.nalLengthBytes, data, (text) =>
      this.report(`${what}: ${text}`),
    );
    if (isKey !== undefined && isKey !== sample.isSync)
      this.report(`${what} is ${sample.isSync ? '' : 'not '}flagged as a key frame, its bytes say otherwise`);
  }

  /** ISO/IEC 14496-12 8.16.5. */
  private producerTime(
    bytes: Uint8Array,
    box: Box,
    begins: ReadonlyMap<number, { start: number; duration: number }>,
  ): void {
    const fields = new BoxFields(bytes, box, this.report);
    fields.versions(0, 1);
    const id = fields.u32();
    const wallClockUs = (fields.u32() - NTP_OFFSET) * 1e6 + (fields.u32() / 2 ** 32) * 1e6;
    const mediaTime = fields.time();
    fields.finish();
    const state = this.states.get(id);
    const span = begins.get(id);
    if (state === undefined || span === undefined) {
      this.report(`prft of track ${id}, which is not in the fragment`);
      return;
    }
    const { timescale } = state.track;
    if (mediaTime < span.start - span.duration || mediaTime > span.start + 2 * span.duration)
      this.report(`prft of time ${mediaTime} before samples of time ${span.start}`);
    const now = Date.now() * 1000;
    if (wallClockUs < 1e15 || wallClockUs > now + 86_400e6) this.report('prft has no likely wall clock');
    const clock = { wallClockUs, mediaSeconds: mediaTime / timescale };
    const before = this.clocks.at(-1);
    if (before !== undefined && Math.abs(span.start - mediaTime) / timescale < 60) {
      const drift = clock.wallClockUs - before.wallClockUs - (clock.mediaSeconds - before.mediaSeconds) * 1e6;
      if (Math.abs(drift) > CLOCK_TOLERANCE_US)
        this.report(`prft leaves the media clock by ${Math.round(drift / 1000)} ms`);
    }
    this.clocks.push(clock);
  }

  private checkSeconds(runs: ReadonlyMap<number, Mp4Run>, options: Mp4SegmentOptions): void {
    if (options.seconds === undefined || runs.size === 0) return;
    const longest = [...runs.values()].reduce((a, b) => (b.duration > a.duration ? b : a));
    const off = longest.duration - options.seconds;
    if (Math.abs(off) > (options.secondsTolerance ?? 0.005))
      this.report(`lasts ${longest.duration.toFixed(3)} s, ${options.seconds} s were announced`);
  }
}
