/** What the frames of a source tell, over all its tracks, as a report for programs and as a table for people. */
import type { Frame } from '../../media/frame.ts';
import { defaultTrack, type Track } from '../../media/track.ts';
import { clockText, rateText, sizeText } from './progress.ts';
import { TrackProbe, type TrackReport } from './track-probe.ts';

/** Sound and pictures that begin this far apart are worth a word. */
const OFFSET_WORTH_TELLING_S = 0.25;
const INTERLEAVE_WORTH_TELLING_S = 1;
const GOP_WORTH_TELLING_S = 4.5;
/** A live source begins with what it has in memory; its pace shows afterwards. */
const BURST_US = 1_000_000;

export interface ProbeReport {
  readonly source: string;
  /** `flv`, `mp4`, `ts`, or the scheme of a URL. */
  readonly format: string;
  /** Seconds that were looked at. */
  readonly duration: number;
  /** The whole file, bytes; what was received of a URL. */
  readonly bytes: number;
  readonly bitsPerSecond: number;
  readonly tracks: readonly TrackReport[];
  /** First presentation time of the sound minus that of the pictures, seconds; null when one is missing. */
  readonly audioOffset: number | null;
  /** Most that sound and pictures of the same time are apart in the order in which they come, seconds. */
  readonly interleave: number | null;
  /** Of a live source: by how much frames came early or late against their times, milliseconds; else null. */
  readonly jitterMs: number | null;
  /** Sentences about what players may stumble over. */
  readonly notes: readonly string[];
}

export interface ProbeFacts {
  readonly source: string;
  readonly format: string;
  readonly isLive: boolean;
  readonly bytes: number;
  /** What was found when a file was opened. */
  readonly notes: readonly string[];
}

export class StreamProbe {
  private readonly tracks = new Map<number, TrackProbe>();
  private videoId = -1;
  private audioId = -1;
  private interleaveUs = 0;
  private firstArrivalUs = Number.NaN;
  private leastLagUs = Number.POSITIVE_INFINITY;
  private mostLagUs = Number.NEGATIVE_INFINITY;

  setTracks(tracks: readonly Track[]): void {
    for (const track of tracks) {
      const known = this.tracks.get(track.id);
      if (known === undefined) this.tracks.set(track.id, new TrackProbe(track));
      else known.track = track;
    }
    this.videoId = defaultTrack(tracks, 'video')?.id ?? -1;
    this.audioId = defaultTrack(tracks, 'audio')?.id ?? -1;
  }

  add(frame: Frame): void {
    this.tracks.get(frame.trackId)?.add(frame);
    const video = this.tracks.get(this.videoId);
    const audio = this.tracks.get(this.audioId);
    if (video !== undefined && audio !== undefined && video.frames > 0 && audio.frames > 0)
      this.interleaveUs = Math.max(this.interleaveUs, Math.abs(video.lastDts - audio.lastDts));
    this.observeArrival(frame);
  }

  private observeArrival(frame: Frame): void {
    if (frame.trackId !== (this.videoId < 0 ? this.audioId : this.videoId)) return;
    if (Number.isNaN(this.firstArrivalUs)) this.firstArrivalUs = frame.arrival;
    if (frame.arrival - this.firstArrivalUs < BURST_US) return;
    const lag = frame.arrival - frame.dts;
    if (lag < this.leastLagUs) this.leastLagUs = lag;
    if (lag > this.mostLagUs) this.mostLagUs = lag;
  }

  get frames(): number {
    let frames = 0;
    for (const track of this.tracks.values()) frames += track.frames;
    return frames;
  }

  /** Media so far, microseconds. */
  get spanUs(): number {
    let span = 0;
    for (const { frames, firstDts, lastDts } of this.tracks.values())
      if (frames > 0) span = Math.max(span, lastDts - firstDts);
    return span;
  }

  report(facts: ProbeFacts): ProbeReport {
    const tracks = [...this.tracks.values()].filter(({ frames }) => frames > 0).map((one) => one.report());
    const start = Math.min(...tracks.map((track) => track.start));
    const end = Math.max(...tracks.map((track) => track.end));
    const duration = tracks.length === 0 ? 0 : round(end - start);
    const mediaBytes = tracks.reduce((sum, track) => sum + track.bytes, 0);
    const video = this.tracks.get(this.videoId);
    const audio = this.tracks.get(this.audioId);
    const hasBoth = video !== undefined && audio !== undefined && video.frames > 0 && audio.frames > 0;
    const jitter =
      facts.isLive && this.mostLagUs >= this.leastLagUs ? this.mostLagUs - this.leastLagUs : null;
    const report = {
      source: facts.source,
      format: facts.format,
      duration,
      bytes: facts.bytes,
      bitsPerSecond: duration > 0 ? Math.round((mediaBytes * 8) / duration) : 0,
      tracks,
      audioOffset: hasBoth ? round((audio.firstPts - video.firstPts) / 1e6) : null,
      interleave: hasBoth ? round(this.interleaveUs / 1e6) : null,
      jitterMs: jitter === null ? null : Math.round(jitter / 1000),
    };
    return { ...report, notes: [...facts.notes, ...notesOn(report)] };
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function notesOn(report: Omit<ProbeReport, 'notes'>): string[] {
  const notes: string[] = [];
  for (const track of report.tracks) {
    const { faults, gop } = track;
    const what = `${track.kind} track ${track.id}`;
    if (faults.backwards > 0) notes.push(`${what}: times go back ${count(faults.backwards, 'time')}.`);
    if (faults.gaps > 0)
      notes.push(
        `${what}: ${count(faults.gaps, 'gap')}, the longest ${faults.longestGapSeconds.toFixed(2)} s.`,
      );
    if (faults.shownBeforeDecoded > 0)
      notes.push(`${what}: ${count(faults.shownBeforeDecoded, 'frame')} to be shown before being decoded.`);
    if (track.configChanges > 0)
      notes.push(`${what}: the configuration changes ${count(track.configChanges, 'time')}.`);
    if (track.kind === 'video' && track.keyFrames === 0)
      notes.push(`${what}: no key frame, players cannot begin.`);
    if (gop !== null && gop.seconds.most > GOP_WORTH_TELLING_S)
      notes.push(
        `${what}: key frames are up to ${gop.seconds.most.toFixed(1)} s apart; players begin slowly, segments get long.`,
      );
  }
  const { audioOffset, interleave } = report;
  if (audioOffset !== null && Math.abs(audioOffset) > OFFSET_WORTH_TELLING_S)
    notes.push(
      `the sound begins ${Math.abs(audioOffset).toFixed(2)} s ${audioOffset > 0 ? 'after' : 'before'} the pictures.`,
    );
  if (interleave !== null && interleave > INTERLEAVE_WORTH_TELLING_S)
    notes.push(`sound and pictures of one moment come up to ${interleave.toFixed(2)} s apart.`);
  return notes;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}

/** The report for people, several lines. */
export function probeTable(report: ProbeReport): string {
  const whole = [clockText(report.duration), rateText(report.bitsPerSecond), sizeText(report.bytes)];
  const lines = [
    `${report.source}`,
    `  ${report.format}, ${report.duration.toFixed(2)} s (${whole[0]}), ${whole[1]}, ${whole[2]}`,
    '',
  ];
  const rows = [['track', 'codec', 'profile', 'picture / sound', 'rate', 'bit rate', 'frames', 'key frames']];
  for (const track of report.tracks) rows.push(rowOf(track));
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    lines.push(`  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd());
  lines.push('');
  const facts: string[] = [];
  if (report.audioOffset !== null)
    facts.push(`sound minus pictures at the start ${signed(report.audioOffset)} s`);
  if (report.interleave !== null) facts.push(`interleaved within ${report.interleave.toFixed(3)} s`);
  if (report.jitterMs !== null) facts.push(`arrival jitter ${report.jitterMs} ms`);
  if (facts.length > 0) lines.push(`  ${facts.join(', ')}`);
  if (report.notes.length === 0) lines.push('  no faults found');
  for (const note of report.notes) lines.push(`  ! ${note}`);
  return `${lines.join('\n')}\n`;
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`;
}

function rowOf(track: TrackReport): string[] {
  const isVideo = track.kind === 'video';
  const shape = isVideo
    ? `${track.width}x${track.height}`
    : `${track.sampleRate} Hz, ${track.channels === 1 ? 'mono' : track.channels === 2 ? 'stereo' : `${track.channels} channels`}`;
  const { gop } = track;
  const keys =
    gop === null
      ? isVideo
        ? String(track.keyFrames)
        : ''
      : `${track.keyFrames}, every ${span(gop.seconds, 's')} (${span(gop.frames, 'frames')})`;
  const level = track.level === '' ? '' : ` ${track.level}`;
  return [
    `${track.id} ${track.kind}${track.language === '' ? '' : ` ${track.language}`}`,
    track.codec,
    `${track.profile}${level}`.trim() || '-',
    track.kind === 'data' ? '-' : shape,
    isVideo ? `${Number(track.frameRate.toFixed(3))} fps` : '',
    rateText(track.bitsPerSecond),
    `${track.frames}${track.hasBFrames ? ' with B-frames' : ''}`,
    keys,
  ];
}

function span({ least, mean, most }: { least: number; mean: number; most: number }, unit: string): string {
  const text = (value: number) => String(Number(value.toFixed(2)));
  return most - least < 0.005 ? `${text(mean)} ${unit}` : `${text(least)} to ${text(most)} ${unit}`;
}
