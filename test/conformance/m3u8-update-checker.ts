/**
 * What an HLS server may change from one media playlist to the next (RFC 8216bis 6.2.1, 6.2.2), what a delta update
 * must give (6.2.5.1), and what rendition reports must say (4.4.5.4). Belongs to m3u8-checker.ts.
 */
import type { CheckedPlaylist, ListedPart, ListedSegment } from './m3u8-model.ts';

/** Violations in the step from `before` to `after`; both must be complete lists. */
export function checkPlaylistUpdate(before: CheckedPlaylist, after: CheckedPlaylist): string[] {
  const violations: string[] = [];
  const report = (text: string) => void violations.push(text);
  if (before.skipped + after.skipped > 0) report('a delta update is not a whole list');
  if (after.targetDuration !== before.targetDuration)
    report(`target duration changes from ${before.targetDuration} to ${after.targetDuration}`);
  if (after.partTarget !== before.partTarget)
    report(`part target changes from ${before.partTarget} to ${after.partTarget}`);
  // An EVENT list may become VOD when it ends (4.4.3.5 forbids no such change).
  if (before.type !== after.type && before.type !== 'EVENT')
    report(`type changes from '${before.type}' to '${after.type}'`);
  const removed = after.mediaSequence - before.mediaSequence;
  if (removed < 0) report(`media sequence goes back by ${-removed}`);
  if (removed > 0 && before.type !== '') report(`a list of type ${before.type} loses segments`);
  if (before.ended && !after.ended) report('a list that was ended goes on');
  if (before.ended && endOf(after) !== endOf(before)) report('a list that was ended changes');
  if (before.type === 'VOD' && endOf(after) !== endOf(before)) report('a VOD list changes');
  checkDiscontinuities(before, after, removed, report);
  const last = before.segments.at(-1);
  if (last !== undefined && (after.segments.at(-1)?.sequence ?? -1) < last.sequence)
    report('the newest segment is gone');
  checkSegments(before, after, report);
  checkParts(before, after, report);
  const length = after.segments.reduce((sum, segment) => sum + segment.seconds, 0);
  if (removed > 0 && !after.ended && length < 3 * after.targetDuration)
    report(`segments are removed though only ${length} s are left`);
  return violations;
}

type Report = (text: string) => void;

/** Media sequence number of the segment that would come next. */
function endOf(list: CheckedPlaylist): number {
  return list.mediaSequence + list.skipped + list.segments.length;
}

function segmentOf(list: CheckedPlaylist, sequence: number): ListedSegment | undefined {
  return list.segments[sequence - list.mediaSequence - list.skipped];
}

function checkDiscontinuities(
  before: CheckedPlaylist,
  after: CheckedPlaylist,
  removed: number,
  report: Report,
): void {
  const gone = before.segments
    .slice(0, Math.max(0, removed))
    .filter((segment) => segment.discontinuity).length;
  const least = before.discontinuitySequence + gone;
  const known = removed <= before.segments.length;
  if (known ? after.discontinuitySequence !== least : after.discontinuitySequence < least)
    report(`discontinuity sequence is ${after.discontinuitySequence} instead of ${least}`);
}

function checkSegments(before: CheckedPlaylist, after: CheckedPlaylist, report: Report): void {
  for (const old of before.segments) {
    const now = segmentOf(after, old.sequence);
    if (now !== undefined && !isSameSegment(old, now)) report(`segment ${old.sequence} changes`);
  }
}

function isSameSegment(old: ListedSegment, now: ListedSegment): boolean {
  return (
    withoutQuery(now.uri) === withoutQuery(old.uri) &&
    now.seconds === old.seconds &&
    now.discontinuity === old.discontinuity &&
    now.gap === old.gap &&
    isSameOrUnknown(now.map, old.map) &&
    isSameOrUnknown(now.key, old.key) &&
    now.byteRange?.offset === old.byteRange?.offset &&
    now.byteRange?.length === old.byteRange?.length &&
    Object.is(now.dateTime, old.dateTime)
  );
}

function isSameOrUnknown(now: string | null, old: string | null): boolean {
  return now === null || old === null || withoutQuery(now) === withoutQuery(old);
}

/** Parts stay as they are while they are listed, and leave the list only three target durations before its end. */
function checkParts(before: CheckedPlaylist, after: CheckedPlaylist, report: Report): void {
  let behind = after.openParts.reduce((sum, part) => sum + part.seconds, 0);
  for (const now of after.segments.toReversed()) {
    const end = behind;
    behind += now.seconds;
    const old = segmentOf(before, now.sequence);
    const wasOpen = now.sequence === endOf(before);
    const parts = old?.parts ?? (wasOpen ? before.openParts : []);
    if (parts.length === 0) continue;
    if (now.parts.length === 0) {
      if (end < 3 * after.targetDuration && !after.ended)
        report(`parts of segment ${now.sequence} are gone too soon`);
      continue;
    }
    if (!beginsWith(now.parts, parts) || (!wasOpen && now.parts.length !== parts.length))
      report(`parts of segment ${now.sequence} change`);
  }
  if (endOf(before) === endOf(after) && !beginsWith(after.openParts, before.openParts))
    report('parts of the segment that is not complete change');
  checkHint(before, after, report);
}

function beginsWith(parts: readonly ListedPart[], first: readonly ListedPart[]): boolean {
  return first.every((old, i) => {
    const now = parts[i];
    return (
      now !== undefined &&
      withoutQuery(now.uri) === withoutQuery(old.uri) &&
      now.seconds === old.seconds &&
      now.independent === old.independent &&
      now.byteRange?.offset === old.byteRange?.offset
    );
  });
}

/** What was hinted at is the part that came next. */
function checkHint(before: CheckedPlaylist, after: CheckedPlaylist, report: Report): void {
  const hint = before.hints.get('PART');
  if (hint === undefined) return;
  const sequence = endOf(before);
  const closed = segmentOf(after, sequence);
  const parts = closed?.parts ?? (endOf(after) === sequence ? after.openParts : []);
  const ahead =
    parts[before.openParts.length] ?? (closed === undefined ? undefined : nextParts(after, sequence + 1)[0]);
  if (ahead === undefined || closed?.discontinuity === true) return;
  if (withoutQuery(ahead.uri) !== withoutQuery(hint))
    report(`the next part is '${ahead.uri}', the hint said '${hint}'`);
}

function nextParts(list: CheckedPlaylist, sequence: number): readonly ListedPart[] {
  const segment = segmentOf(list, sequence);
  return segment?.parts ?? (endOf(list) === sequence ? list.openParts : []);
}

/**
 * A delta update put onto the list that a player had must give the full list of the same moment. `before` may be older,
 * but not by more than the skip boundary.
 */
export function checkDeltaUpdate(
  before: CheckedPlaylist,
  delta: CheckedPlaylist,
  full: CheckedPlaylist,
): string[] {
  const violations: string[] = [];
  const report = (text: string) => void violations.push(text);
  for (const field of [
    'targetDuration',
    'partTarget',
    'mediaSequence',
    'discontinuitySequence',
    'ended',
    'type',
  ] as const)
    if (delta[field] !== full[field])
      report(`${field} is ${delta[field]} in the delta update, ${full[field]} in the full`);
  if (endOf(delta) !== endOf(full)) report(`ends at ${endOf(delta)}, the full list at ${endOf(full)}`);
  const skipUntil = Number(full.serverControl.get('CAN-SKIP-UNTIL')?.replaceAll('"', '') ?? Number.NaN);
  const firstKept = delta.mediaSequence + delta.skipped;
  let tail = full.openParts.reduce((sum, part) => sum + part.seconds, 0);
  for (const segment of full.segments.toReversed()) {
    // The newest that is skipped must have begun before the boundary.
    if (segment.sequence >= firstKept - 1) tail += segment.seconds;
  }
  if (delta.skipped > 0 && tail < skipUntil - 0.0011)
    report(
      `the newest that is skipped begins ${tail.toFixed(1)} s before the end, the boundary is ${skipUntil} s`,
    );
  for (const wanted of full.segments) {
    const kept =
      wanted.sequence >= firstKept ? segmentOf(delta, wanted.sequence) : segmentOf(before, wanted.sequence);
    if (kept === undefined)
      report(`segment ${wanted.sequence} is neither in the list before nor in the delta update`);
    else if (!isSameSegment(wanted, kept)) report(`segment ${wanted.sequence} differs from the full list`);
    else if (
      wanted.sequence >= firstKept &&
      (kept.parts.length !== wanted.parts.length || !beginsWith(kept.parts, wanted.parts))
    )
      report(`parts of segment ${wanted.sequence} differ from the full list`);
  }
  if (delta.openParts.length !== full.openParts.length || !beginsWith(delta.openParts, full.openParts))
    report('parts at the end differ from the full list');
  if (delta.hints.get('PART') !== full.hints.get('PART')) report('preload hint differs from the full list');
  return violations;
}

/**
 * Rendition reports of a list: each is held against the list of that URI, fetched just before and just after. A URI in
 * `others` without report is a violation, a report of an unknown URI as well.
 */
export function checkRenditionReports(
  list: CheckedPlaylist,
  others: ReadonlyMap<string, { readonly before: CheckedPlaylist; readonly after: CheckedPlaylist }>,
): string[] {
  const violations: string[] = [];
  for (const { uri, lastMsn, lastPart } of list.reports) {
    const other = others.get(withoutQuery(uri));
    if (other === undefined) {
      violations.push(`report of '${uri}', which is no rendition`);
      continue;
    }
    const least = newest(other.before);
    const most = newest(other.after);
    const said = lastMsn * 1000 + Math.max(0, lastPart);
    if (said < least || said > most)
      violations.push(
        `report of '${uri}' says ${said / 1000}, its list went from ${least / 1000} to ${most / 1000}`,
      );
    if (other.before.partTarget > 0 && lastPart < 0) violations.push(`report of '${uri}' has no LAST-PART`);
  }
  const reported = list.reports.map(({ uri }) => withoutQuery(uri));
  for (const uri of others.keys()) if (!reported.includes(uri)) violations.push(`no report of '${uri}'`);
  return violations;
}

/** Number of the last segment that has bytes, thousandfold, and of its last part. */
function newest(list: CheckedPlaylist): number {
  if (list.openParts.length > 0) return endOf(list) * 1000 + list.openParts.length - 1;
  return (endOf(list) - 1) * 1000 + Math.max(0, (list.segments.at(-1)?.parts.length ?? 1) - 1);
}

function withoutQuery(uri: string): string {
  return uri.split('?', 1)[0]!;
}
