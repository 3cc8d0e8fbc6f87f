/** What a DASH manifest must say at an instant, and what may change from one to the next: ISO/IEC 23009-1 5.3.9.5, 5.4. */
import type { CheckedMpd, MpdPeriod, MpdRepresentation } from './mpd-model.ts';

/** Segments that are listed can be asked for, and the newest is not old. `nowMs`: milliseconds since 1970. */
export function checkMpdAt(mpd: CheckedMpd, nowMs: number, toleranceSeconds = 0.1): string[] {
  const violations: string[] = [];
  if (!mpd.isDynamic) return violations;
  const period = mpd.periods.at(-1);
  for (const one of period?.representations ?? []) {
    const last = one.segments.at(-1);
    if (last === undefined) continue;
    const start = period!.start + (last.time - one.presentationTimeOffset) / one.timescale;
    const end = start + last.duration / one.timescale;
    const now = (nowMs - mpd.availabilityStartMs) / 1000;
    const available = end - one.availabilityTimeOffset;
    if (available > now + toleranceSeconds)
      violations.push(
        `${one.id}: segment ${last.number} is listed ${(available - now).toFixed(3)} s too early`,
      );
    const longest =
      one.segments.reduce((most, segment) => Math.max(most, segment.duration), 0) / one.timescale;
    if (now - end > 3 * longest + 1)
      violations.push(`${one.id}: the newest segment ended ${(now - end).toFixed(3)} s ago`);
  }
  if (mpd.publishMs > nowMs + toleranceSeconds * 1000) violations.push('published in the future');
  return violations;
}

/** Violations in the step from one manifest of a presentation to a later one. */
export function checkMpdUpdate(before: CheckedMpd, after: CheckedMpd): string[] {
  const violations: string[] = [];
  const report = (text: string) => void violations.push(text);
  if (!before.isDynamic) report('a static MPD is not updated');
  if (
    before.isDynamic &&
    !Object.is(after.availabilityStartMs, before.availabilityStartMs) &&
    after.isDynamic
  )
    report('availabilityStartTime changes');
  if (after.publishMs < before.publishMs) report('publishTime goes back');
  const known = new Map(after.periods.map((period) => [period.id, period]));
  const kept = before.periods.filter(({ id }) => known.has(id));
  if (kept.length === 0 && after.isDynamic) report('no Period is left of those before');
  const order = after.periods.map(({ id }) => id);
  const first = order.indexOf(kept[0]?.id ?? '');
  if (first > 0) report(`Period '${order[0]}' comes before those that were there`);
  for (const old of kept) checkPeriod(old, known.get(old.id)!, report);
  if (!isSameListing(before, after) && after.publishMs === before.publishMs && after.isDynamic)
    report('something changes, publishTime does not');
  return violations;
}

type Report = (text: string) => void;

function checkPeriod(old: MpdPeriod, now: MpdPeriod, report: Report): void {
  if (now.start !== old.start) report(`start of Period '${old.id}' changes`);
  if (!Number.isNaN(old.duration) && now.duration !== old.duration)
    report(`duration of Period '${old.id}' changes`);
  for (const one of old.representations) {
    const same = now.representations.find(({ id }) => id === one.id);
    if (same === undefined) report(`Representation ${one.id} is gone from Period '${old.id}'`);
    else checkRepresentation(one, same, report);
  }
}

const FIXED = [
  'timescale',
  'presentationTimeOffset',
  'initialization',
  'media',
  'codecs',
  'mimeType',
  'adaptationSet',
] as const;

function checkRepresentation(old: MpdRepresentation, now: MpdRepresentation, report: Report): void {
  for (const name of FIXED) {
    if (now[name] !== old[name])
      report(`${name} of Representation ${old.id} changes from '${old[name]}' to '${now[name]}'`);
  }
  const byTime = new Map(now.segments.map((segment) => [segment.time, segment]));
  const from = now.segments[0]?.time ?? Number.POSITIVE_INFINITY;
  for (const { time, number, duration } of old.segments) {
    if (time < from) continue;
    const same = byTime.get(time);
    if (same === undefined) report(`segment ${number} of ${old.id} at ${time} is gone`);
    else if (same.number !== number) report(`segment ${number} of ${old.id} becomes ${same.number}`);
    // How long a segment becomes that is still being made is an expectation.
    else if (
      same.duration !== duration &&
      (old.availabilityTimeComplete || time !== old.segments.at(-1)?.time)
    )
      report(`segment ${number} of ${old.id} lasts ${same.duration} instead of ${duration}`);
  }
  const newest = old.segments.at(-1);
  const end = now.segments.at(-1);
  if (newest !== undefined && (end?.time ?? -1) < newest.time)
    report(`the newest segment of ${old.id} is gone`);
  const beyond = old.segments.length > 0 && from > newest!.time + newest!.duration;
  if (beyond) report(`all segments of ${old.id} are gone at once`);
}

function isSameListing(a: CheckedMpd, b: CheckedMpd): boolean {
  const facts = (mpd: CheckedMpd) =>
    JSON.stringify([
      mpd.isDynamic,
      mpd.duration,
      mpd.periods.map(({ id, representations }) => [
        id,
        representations.map((one) => [one.id, one.segments.at(-1)]),
      ]),
    ]);
  return facts(a) === facts(b);
}
