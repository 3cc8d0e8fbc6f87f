/**
 * Judges DASH manifests by ISO/IEC 23009-1 (segment templates of the live profile, low latency among it): one text
 * alone, one text at an instant, and what may change between two. Knows nothing of our writer and shares no code with
 * it beside the reader of XML. Reports sentences; an empty list means that all is well.
 */
import { parseXmlDocument, type XmlElement } from '../../src/util/xml-document.ts';
import {
  attributeOf,
  type CheckedMpd,
  checkTemplate,
  childrenOf,
  type MpdPeriod,
  type MpdReferenceTime,
  type MpdRepresentation,
  type MpdSegment,
  secondsOf,
} from './mpd-model.ts';
import { checkSchema } from './mpd-schema.ts';

export { type CheckedMpd, expandTemplate } from './mpd-model.ts';

export interface MpdCheckOptions {
  /** What low-latency players need must be there (DASH-IF IOP, CR low latency live). */
  readonly lowLatency?: boolean;
}

const NAMESPACE = 'urn:mpeg:dash:schema:mpd:2011';
const MAX_SEGMENTS = 100_000;
/** The wall clock of a reference time may be off the availability time line by this much, seconds. */
const CLOCK_TOLERANCE = 10;

class Checker {
  readonly result: CheckedMpd = {
    violations: [],
    isDynamic: false,
    availabilityStartMs: Number.NaN,
    publishMs: Number.NaN,
    minimumUpdatePeriod: Number.NaN,
    timeShiftBufferDepth: Number.NaN,
    duration: Number.NaN,
    utcTiming: [],
    latencyTarget: Number.NaN,
    baseUrl: '',
    periods: [],
  };
  private readonly options: MpdCheckOptions;
  private latencyReference = '';

  constructor(options: MpdCheckOptions) {
    this.options = options;
  }

  readonly report = (text: string): void => void this.result.violations.push(text);

  check(root: XmlElement): void {
    const { result } = this;
    if (root.name !== 'MPD') {
      this.report(`root element is ${root.name}`);
      return;
    }
    if (attributeOf(root, 'xmlns') !== NAMESPACE) this.report(`namespace is ${attributeOf(root, 'xmlns')}`);
    checkSchema(root, this.report);
    result.isDynamic = attributeOf(root, 'type') === 'dynamic';
    result.availabilityStartMs = Date.parse(attributeOf(root, 'availabilityStartTime') ?? '');
    result.publishMs = Date.parse(attributeOf(root, 'publishTime') ?? '');
    result.minimumUpdatePeriod = secondsOf(attributeOf(root, 'minimumUpdatePeriod'));
    result.timeShiftBufferDepth = secondsOf(attributeOf(root, 'timeShiftBufferDepth'));
    result.duration = secondsOf(attributeOf(root, 'mediaPresentationDuration'));
    result.baseUrl = childrenOf(root, 'BaseURL')[0]?.text ?? '';
    for (const timing of childrenOf(root, 'UTCTiming'))
      result.utcTiming.push({
        scheme: attributeOf(timing, 'schemeIdUri') ?? '',
        value: attributeOf(timing, 'value') ?? '',
      });
    const latency = childrenOf(childrenOf(root, 'ServiceDescription')[0], 'Latency')[0];
    result.latencyTarget = Number(attributeOf(latency, 'target') ?? Number.NaN);
    this.latencyReference = attributeOf(latency, 'referenceId') ?? '';
    this.checkLatency(latency);
    this.checkTimes(root);
    this.periods(root);
    this.checkWindow(root);
    if (this.options.lowLatency === true) this.checkLowLatency(root);
  }

  private checkLatency(latency: XmlElement | undefined): void {
    if (latency === undefined) return;
    const [min, target, max] = ['min', 'target', 'max'].map((name) =>
      Number(attributeOf(latency, name) ?? Number.NaN),
    );
    if (min! > target! || target! > max! || min! > max!)
      this.report(`Latency from ${min} over ${target} to ${max}`);
  }

  /** What each type must and must not say (5.3.1.2). */
  private checkTimes(root: XmlElement): void {
    const { result } = this;
    const has = (name: string) => attributeOf(root, name) !== undefined;
    if (result.isDynamic) {
      for (const name of ['availabilityStartTime', 'publishTime'])
        if (!has(name)) this.report(`dynamic MPD has no ${name}`);
      if (!has('minimumUpdatePeriod') && !has('mediaPresentationDuration'))
        this.report('dynamic MPD has neither minimumUpdatePeriod nor mediaPresentationDuration');
      if (result.utcTiming.length === 0) this.report('dynamic MPD has no UTCTiming');
      if (result.publishMs < result.availabilityStartMs) this.report('published before it was available');
    } else {
      for (const name of ['minimumUpdatePeriod', 'timeShiftBufferDepth', 'suggestedPresentationDelay'])
        if (has(name)) this.report(`static MPD has ${name}`);
      const periods = childrenOf(root, 'Period');
      if (!has('mediaPresentationDuration') && attributeOf(periods.at(-1), 'duration') === undefined)
        this.report('static MPD has no mediaPresentationDuration');
    }
    for (const name of ['availabilityStartTime', 'publishTime'])
      if (has(name) && !/(Z|[+-]\d\d:\d\d)$/.test(attributeOf(root, name)!))
        this.report(`${name} has no time zone`);
    if (secondsOf(attributeOf(root, 'minBufferTime')) === 0) this.report('minBufferTime is 0');
  }

  private periods(root: XmlElement): void {
    const { result } = this;
    const ids = new Set<string>();
    for (const element of childrenOf(root, 'Period')) {
      const id = attributeOf(element, 'id') ?? '';
      if (result.isDynamic && id === '') this.report('Period of a dynamic MPD has no id');
      if (ids.has(id)) this.report(`Period '${id}' twice`);
      ids.add(id);
      const before = result.periods.at(-1);
      const said = secondsOf(attributeOf(element, 'start'));
      const start = Number.isNaN(said) ? (before === undefined ? 0 : before.start + before.duration) : said;
      if (result.isDynamic && before === undefined && Number.isNaN(said))
        this.report('first Period has no start');
      if (Number.isNaN(start)) this.report(`start of Period '${id}' is not known`);
      if (before !== undefined && start <= before.start)
        this.report(`Period '${id}' begins before the one before it`);
      if (before !== undefined && start + 1e-6 < before.start + before.duration)
        this.report(`Period '${id}' begins within the one before it`);
      const duration = secondsOf(attributeOf(element, 'duration'));
      result.periods.push({ id, start, duration, representations: this.sets(element, { id, start }) });
    }
    if (this.latencyReference !== '') {
      const known = result.periods.flatMap(({ representations }) =>
        representations.flatMap((one) => one.referenceTimes),
      );
      if (!known.some(({ id }) => id === this.latencyReference))
        this.report(`Latency refers to ${this.latencyReference}, which is no ProducerReferenceTime`);
    }
  }

  private sets(period: XmlElement, at: Pick<MpdPeriod, 'id' | 'start'>): MpdRepresentation[] {
    const all: MpdRepresentation[] = [];
    const setIds = new Set<string>();
    for (const set of childrenOf(period, 'AdaptationSet')) {
      const setId = attributeOf(set, 'id') ?? '';
      if (setId !== '' && setIds.has(setId)) this.report(`AdaptationSet ${setId} twice`);
      setIds.add(setId);
      const elements = childrenOf(set, 'Representation');
      if (elements.length === 0) this.report(`AdaptationSet ${setId} has no Representation`);
      const own = elements.map((element) => this.representation(period, set, element, at));
      for (const one of own) {
        if (all.some(({ id }) => id === one.id)) this.report(`Representation ${one.id} twice`);
        all.push(one);
      }
      if (/^(true|1)$/.test(attributeOf(set, 'segmentAlignment') ?? '')) this.checkAlignment(own);
      if (new Set(own.map(({ mimeType }) => mimeType)).size > 1)
        this.report(`AdaptationSet ${setId} mixes types`);
    }
    if (childrenOf(period, 'AdaptationSet').length === 0)
      this.report(`Period '${at.id}' has no AdaptationSet`);
    return all;
  }

  private representation(
    period: XmlElement,
    set: XmlElement,
    element: XmlElement,
    at: Pick<MpdPeriod, 'id' | 'start'>,
  ): MpdRepresentation {
    const id = attributeOf(element, 'id') ?? '';
    const wrong = (text: string) => this.report(`Representation ${id}: ${text}`);
    const either = (name: string) => attributeOf(element, name) ?? attributeOf(set, name) ?? '';
    const templates = [element, set, period].flatMap((one) => childrenOf(one, 'SegmentTemplate').slice(0, 1));
    const inherited = (name: string) =>
      templates.map((one) => attributeOf(one, name)).find((one) => one !== undefined);
    const timeline = templates
      .map((one) => childrenOf(one, 'SegmentTimeline')[0])
      .find((one) => one !== undefined);
    if (templates.length === 0) wrong('no SegmentTemplate');
    const timescale = Number(inherited('timescale') ?? 1);
    if (timescale === 0) wrong('timescale is 0');
    const constantDuration = Number(inherited('duration') ?? 0);
    if (timeline !== undefined && constantDuration > 0) wrong('a duration beside a SegmentTimeline');
    if (timeline === undefined && constantDuration === 0) wrong('neither SegmentTimeline nor duration');
    const media = inherited('media') ?? '';
    const initialization = inherited('initialization') ?? '';
    this.checkTemplates(media, initialization, childrenOf(set, 'Representation').length, wrong);
    this.checkKind(either, wrong);
    const offset = inherited('availabilityTimeOffset');
    const isComplete = !/^(false|0)$/.test(inherited('availabilityTimeComplete') ?? 'true');
    if (!isComplete && offset === undefined) wrong('not complete, but no availabilityTimeOffset');
    const startNumber = Number(inherited('startNumber') ?? 1);
    const segments =
      timeline === undefined
        ? []
        : this.timeline(timeline, startNumber, this.periodEnd(period, timescale), wrong);
    const longest =
      segments.reduce((most, one) => Math.max(most, one.duration), constantDuration) / timescale;
    const availabilityTimeOffset = offset === 'INF' ? Number.POSITIVE_INFINITY : Number(offset ?? 0);
    if (!isComplete && availabilityTimeOffset >= longest && segments.length > 0)
      wrong(`availabilityTimeOffset ${offset} is not below the ${longest} s of a segment`);
    const references = [set, element].flatMap((one) => childrenOf(one, 'ProducerReferenceTime'));
    const presentationTimeOffset = Number(inherited('presentationTimeOffset') ?? 0);
    const early = segments[0] === undefined ? 0 : (segments[0].time - presentationTimeOffset) / timescale;
    if (early < -longest - 1e-6) wrong(`begins ${(-early).toFixed(3)} s before its Period`);
    return {
      id,
      bandwidth: Number(attributeOf(element, 'bandwidth') ?? 0),
      codecs: either('codecs'),
      mimeType: either('mimeType'),
      contentType: attributeOf(set, 'contentType') ?? either('mimeType').split('/', 1)[0]!,
      adaptationSet: attributeOf(set, 'id') ?? '',
      timescale,
      presentationTimeOffset,
      initialization,
      media,
      segments,
      constantDuration,
      startNumber,
      availabilityTimeOffset,
      availabilityTimeComplete: isComplete,
      baseUrl: [period, set, element].map((one) => childrenOf(one, 'BaseURL')[0]?.text ?? '').join(''),
      referenceTimes: references.map((one) =>
        this.referenceTime(one, at.start - presentationTimeOffset / timescale, timescale, wrong),
      ),
    };
  }

  private checkTemplates(
    media: string,
    initialization: string,
    siblings: number,
    wrong: (text: string) => void,
  ): void {
    if (media === '') wrong('no media template');
    if (initialization === '') wrong('no initialization template');
    for (const [template, isInit] of [
      [media, false],
      [initialization, true],
    ] as const) {
      if (template === '') continue;
      const names = checkTemplate(template, isInit, wrong);
      if (siblings > 1 && !names.has('RepresentationID') && !names.has('Bandwidth'))
        wrong(`template '${template}' is the same for all Representations`);
    }
  }

  private checkKind(either: (name: string) => string, wrong: (text: string) => void): void {
    const mimeType = either('mimeType');
    const contentType = either('contentType');
    if (mimeType === '') wrong('no mimeType');
    if (either('codecs') === '') wrong('no codecs');
    if (contentType !== '' && !mimeType.startsWith(`${contentType}/`))
      wrong(`contentType ${contentType} of ${mimeType}`);
    if (mimeType.startsWith('audio/') && either('width') !== '') wrong('sound has a width');
    if (mimeType.startsWith('video/') && either('audioSamplingRate') !== '')
      wrong('video has an audioSamplingRate');
    if (mimeType.startsWith('video/') && (either('width') === '') !== (either('height') === ''))
      wrong('width without height');
  }

  /** Ticks from the Period's start to its end; NaN = not known. */
  private periodEnd(period: XmlElement, timescale: number): number {
    return secondsOf(attributeOf(period, 'duration')) * timescale;
  }

  /** Unfolds `S` elements (5.3.9.6). */
  private timeline(
    element: XmlElement,
    startNumber: number,
    end: number,
    wrong: (text: string) => void,
  ): MpdSegment[] {
    const segments: MpdSegment[] = [];
    const rows = childrenOf(element, 'S');
    let time = 0;
    rows.forEach((row, index) => {
      const said = attributeOf(row, 't');
      if (said !== undefined && index > 0 && Number(said) !== time)
        wrong(
          Number(said) < time
            ? `S@t ${said} is before ${time}, the end of what was before`
            : `gap from ${time} to ${said}`,
        );
      if (said !== undefined) time = Number(said);
      const duration = Number(attributeOf(row, 'd') ?? 0);
      if (duration === 0) wrong('S@d is 0');
      const repeat = Number(attributeOf(row, 'r') ?? 0);
      if (repeat < -1) wrong(`S@r is ${repeat}`);
      if (repeat === -1 && index < rows.length - 1 && attributeOf(rows[index + 1]!, 't') === undefined)
        wrong('S@r is -1, and the next S has no t');
      if (repeat === -1 && Number.isNaN(end)) wrong('S@r is -1 in a Period without duration');
      const next = Number(attributeOf(rows[index + 1] ?? row, 't') ?? Number.NaN);
      const limit = index < rows.length - 1 ? next : end;
      const count = repeat >= 0 ? repeat + 1 : Math.max(1, Math.ceil((limit - time) / duration) || 1);
      for (let i = 0; i < count && segments.length < MAX_SEGMENTS && duration > 0; i++) {
        segments.push({ number: startNumber + segments.length, time, duration });
        time += duration;
      }
    });
    return segments;
  }

  private checkAlignment(own: readonly MpdRepresentation[]): void {
    const [first] = own;
    if (first === undefined) return;
    for (const one of own.slice(1)) {
      const starts = new Map(first.segments.map(({ number, time }) => [number, time / first.timescale]));
      for (const { number, time } of one.segments) {
        const other = starts.get(number);
        if (other !== undefined && Math.abs(other - time / one.timescale) > 0.001)
          this.report(`segment ${number} of ${one.id} is not aligned with ${first.id}`);
      }
    }
  }

  private referenceTime(
    element: XmlElement,
    origin: number,
    timescale: number,
    wrong: (text: string) => void,
  ): MpdReferenceTime {
    const wallClockMs = Date.parse(attributeOf(element, 'wallClockTime') ?? '');
    const presentationTime = Number(attributeOf(element, 'presentationTime') ?? Number.NaN);
    if (Number.isNaN(wallClockMs)) wrong('wallClockTime is no date');
    const expected = this.result.availabilityStartMs + (origin + presentationTime / timescale) * 1000;
    if (Math.abs(wallClockMs - expected) > CLOCK_TOLERANCE * 1000)
      wrong(
        `reference time is ${Math.round((wallClockMs - expected) / 1000)} s off the availability time line`,
      );
    return { id: attributeOf(element, 'id') ?? '', wallClockMs, presentationTime };
  }

  private checkWindow(root: XmlElement): void {
    const { result } = this;
    const most = secondsOf(attributeOf(root, 'maxSegmentDuration'));
    const ends: { readonly id: string; readonly end: number; readonly longest: number }[] = [];
    for (const period of result.periods) {
      for (const { id, segments, timescale, presentationTimeOffset } of period.representations) {
        const last = segments.at(-1);
        if (last === undefined) continue;
        const longest = segments.reduce((a, b) => Math.max(a, b.duration), 0) / timescale;
        if (longest > most + 1e-6)
          this.report(`${id}: a segment lasts ${longest} s, maxSegmentDuration is ${most} s`);
        const length = (last.time + last.duration - segments[0]!.time) / timescale;
        // What overlaps the window belongs to it, and the newest may be listed before the oldest is let go.
        if (result.isDynamic && length > result.timeShiftBufferDepth + 2 * longest + 1e-6)
          this.report(
            `${id}: ${length.toFixed(1)} s are listed, timeShiftBufferDepth is ${result.timeShiftBufferDepth} s`,
          );
        const end = (last.time + last.duration - presentationTimeOffset) / timescale;
        if (end > period.duration + longest + 1e-6)
          this.report(`${id}: goes ${(end - period.duration).toFixed(3)} s over its Period`);
        if (period === result.periods.at(-1)) ends.push({ id, end, longest });
      }
    }
    const [first] = ends;
    for (const { id, end, longest } of ends.slice(1)) {
      const off = end - first!.end;
      if (Math.abs(off) > 1.5 * Math.max(longest, first!.longest))
        this.report(`${id} ends ${Math.abs(off).toFixed(3)} s ${off > 0 ? 'after' : 'before'} ${first!.id}`);
    }
  }

  private checkLowLatency(root: XmlElement): void {
    const { result } = this;
    if (Number.isNaN(result.latencyTarget)) this.report('no ServiceDescription with a Latency target');
    if (attributeOf(root, 'profiles')?.includes('dash-if-ll') === true && result.utcTiming.length === 0)
      this.report('low-latency profile without UTCTiming');
    for (const one of result.periods.at(-1)?.representations ?? []) {
      if (one.availabilityTimeComplete) this.report(`${one.id}: availabilityTimeComplete is not false`);
      if (!(one.availabilityTimeOffset > 0)) this.report(`${one.id}: no availabilityTimeOffset`);
      if (one.referenceTimes.length === 0) this.report(`${one.id}: no ProducerReferenceTime`);
    }
  }
}

/** Checks one manifest. */
export function checkMpd(text: string, options: MpdCheckOptions = {}): CheckedMpd {
  const checker = new Checker(options);
  if (!text.startsWith('<?xml')) checker.report('no XML declaration');
  let root: XmlElement;
  try {
    root = parseXmlDocument(text, 'mpd').root;
  } catch (error) {
    checker.report((error as Error).message);
    return checker.result;
  }
  checker.check(root);
  return checker.result;
}
