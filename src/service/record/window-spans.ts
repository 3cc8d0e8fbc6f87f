/**
 * Which pieces of which recordings make up a window of time: every time comes from one recording only, from the one
 * that covers most of the window where it has something, and from others where it has not. Pure.
 */
import type { RecordedFile } from '../../recordings/recording-entry.ts';

/** Holes shorter than this are not worth another recording's picture. */
const MIN_HOLE_MS = 1000;

/** Continuous time in one file on disk: a file, a part of one that was continued, or a segment of a list. */
export interface RecordedSpan {
  /** Relative to the folder of recordings. */
  readonly file: string;
  readonly recording: string;
  /** Wall clock, milliseconds since 1970; with the recording it names the span. */
  readonly startMs: number;
  readonly endMs: number;
  /** Where it begins and ends on the file's timeline, microseconds; NaN = at the end of the file. */
  readonly fromUs: number;
  readonly untilUs: number;
  /** A segment of a list: it begins with a key frame and is short. */
  readonly isSegment: boolean;
  /** Does not go on from the span before. */
  readonly discontinuity: boolean;
  /** More may come behind it. */
  readonly open: boolean;
  /** Changes when the span's end does. */
  readonly version: string;
}

/** A span, or a part of one. */
export interface ChosenSpan {
  readonly span: RecordedSpan;
  readonly fromMs: number;
  readonly toMs: number;
  /** Another recording is shown before or behind it: it begins, or ends, inside and does not grow to whole GOPs. */
  readonly isInnerStart: boolean;
  readonly isInnerEnd: boolean;
}

/** Of one entry of the index, oldest first. */
export function spansOf(entry: RecordedFile): RecordedSpan[] {
  const { file, recording, format, parts, open, bytes } = entry;
  const isSegment = format === 'hls';
  if (parts.length === 0) {
    if (isSegment) return [];
    const { startMs, endMs } = entry;
    const version = `${bytes}-${Math.round(endMs)}`;
    const times = { startMs, endMs, fromUs: 0, untilUs: Number.NaN };
    return [{ file, recording, ...times, isSegment, discontinuity: true, open, version }];
  }
  const spans: RecordedSpan[] = [];
  let mediaMs = 0;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const endMediaMs = mediaMs + part.durationMs;
    spans.push({
      file: part.file,
      recording,
      startMs: part.startMs,
      endMs: part.startMs + part.durationMs,
      fromUs: isSegment ? 0 : mediaMs * 1000,
      untilUs: isSegment || isLast ? Number.NaN : endMediaMs * 1000,
      isSegment,
      discontinuity: part.discontinuity || index === 0,
      open: open && isLast,
      version: `${part.bytes}-${part.durationMs}`,
    });
    mediaMs = endMediaMs;
  }
  return spans;
}

/** Oldest first, without overlap but for what clocks leave. `recording`: only this one; '' = any. */
export function chooseSpans(
  entries: readonly RecordedFile[],
  startMs: number,
  endMs: number,
  recording: string,
): ChosenSpan[] {
  const byRecording = new Map<string, RecordedSpan[]>();
  for (const span of entries.flatMap(spansOf)) {
    if (span.endMs <= startMs || span.startMs >= endMs) continue;
    if (recording !== '' && span.recording !== recording) continue;
    const list = byRecording.get(span.recording) ?? [];
    list.push(span);
    byRecording.set(span.recording, list);
  }
  const covered = (spans: readonly RecordedSpan[]) =>
    spans.reduce((sum, span) => sum + Math.min(span.endMs, endMs) - Math.max(span.startMs, startMs), 0);
  const ranked = [...byRecording.values()].sort(
    (a, b) => covered(b) - covered(a) || (a[0]!.recording < b[0]!.recording ? -1 : 1), // lists are never empty
  );
  let chosen: ChosenSpan[] = [];
  for (const spans of ranked) {
    spans.sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
    const added = holesOf(chosen, startMs, endMs).flatMap((hole) => fill(hole, spans));
    chosen = [...chosen, ...added].sort((a, b) => a.fromMs - b.fromMs);
  }
  return chosen;
}

interface Hole {
  readonly fromMs: number;
  readonly toMs: number;
  /** Bounded by another recording, not by the window. */
  readonly hasBefore: boolean;
  readonly hasBehind: boolean;
}

function holesOf(chosen: readonly ChosenSpan[], startMs: number, endMs: number): Hole[] {
  const holes: Hole[] = [];
  let fromMs = startMs;
  let hasBefore = false;
  for (const one of chosen) {
    if (one.fromMs - fromMs >= MIN_HOLE_MS)
      holes.push({ fromMs, toMs: one.fromMs, hasBefore, hasBehind: true });
    fromMs = Math.max(fromMs, one.toMs);
    hasBefore = true;
  }
  if (!hasBefore || endMs - fromMs >= MIN_HOLE_MS)
    holes.push({ fromMs, toMs: endMs, hasBefore, hasBehind: false });
  return holes;
}

function fill({ fromMs, toMs, hasBefore, hasBehind }: Hole, spans: readonly RecordedSpan[]): ChosenSpan[] {
  const filled: ChosenSpan[] = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const span of spans) {
    if (span.endMs <= fromMs || span.startMs >= toMs) continue;
    // A file that lies within the one before it tells nothing new.
    if (span.endMs <= lastMs) continue;
    const isSecond = span.startMs < lastMs - MIN_HOLE_MS;
    const beginMs = isSecond ? lastMs : fromMs;
    filled.push({
      span,
      fromMs: Math.max(span.startMs, beginMs),
      toMs: Math.min(span.endMs, toMs),
      isInnerStart: isSecond || (hasBefore && span.startMs < fromMs),
      isInnerEnd: hasBehind && span.endMs > toMs,
    });
    lastMs = span.endMs;
  }
  return filled;
}
