/**
 * Judges HLS playlists by RFC 8216 (and the rounding rule of 8216bis 4.4.3.1): one text alone, and what a server may
 * change between two. Shares no code with our writer. Reports sentences; an empty list means that all is well.
 */

interface ListedSegment {
  readonly uri: string;
  readonly seconds: number;
  readonly sequence: number;
  readonly discontinuity: boolean;
  /** Milliseconds since 1970; NaN = none. */
  readonly dateTime: number;
}

export interface CheckedPlaylist {
  readonly violations: string[];
  readonly isMaster: boolean;
  readonly segments: ListedSegment[];
  /** URIs of the variants of a master playlist. */
  readonly variants: { readonly uri: string; readonly attributes: ReadonlyMap<string, string> }[];
  targetDuration: number;
  mediaSequence: number;
  discontinuitySequence: number;
  ended: boolean;
}

const MEDIA_TAGS = [
  '#EXTINF',
  '#EXT-X-TARGETDURATION',
  '#EXT-X-MEDIA-SEQUENCE',
  '#EXT-X-DISCONTINUITY-SEQUENCE',
  '#EXT-X-DISCONTINUITY',
  '#EXT-X-PROGRAM-DATE-TIME',
  '#EXT-X-ENDLIST',
  '#EXT-X-PLAYLIST-TYPE',
  '#EXT-X-MAP',
];
const MASTER_TAGS = ['#EXT-X-STREAM-INF', '#EXT-X-MEDIA'];
const COMMON_TAGS = ['#EXTM3U', '#EXT-X-VERSION', '#EXT-X-INDEPENDENT-SEGMENTS', '#EXT-X-START'];
/** Tags that stand before the first segment. */
const HEAD_TAGS = ['#EXT-X-TARGETDURATION', '#EXT-X-MEDIA-SEQUENCE', '#EXT-X-DISCONTINUITY-SEQUENCE'];
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/;
/** How far a date may be off the sum of the durations before it. */
const DATE_TOLERANCE_MS = 1000;

class Checker {
  readonly result: CheckedPlaylist;
  private readonly seen = new Map<string, number>();
  private version = 1;
  private seconds = Number.NaN;
  private discontinuity: boolean = false;
  private dateTime = Number.NaN;
  private streamInf: Map<string, string> | null = null;

  constructor(isMaster: boolean) {
    this.result = {
      violations: [],
      isMaster,
      segments: [],
      variants: [],
      targetDuration: -1,
      mediaSequence: 0,
      discontinuitySequence: 0,
      ended: false,
    };
  }

  report(text: string): void {
    this.result.violations.push(text);
  }

  line(line: string): void {
    if (line === '') return;
    if (!line.startsWith('#')) {
      this.uri(line);
      return;
    }
    if (!line.startsWith('#EXT')) return;
    const colon = line.indexOf(':');
    const tag = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1);
    const count = (this.seen.get(tag) ?? 0) + 1;
    this.seen.set(tag, count);
    const known = this.result.isMaster ? MASTER_TAGS : MEDIA_TAGS;
    if (!known.includes(tag) && !COMMON_TAGS.includes(tag)) {
      this.report(`tag ${tag} does not belong here`);
      return;
    }
    if (HEAD_TAGS.includes(tag)) {
      if (this.result.segments.length > 0) this.report(`${tag} behind the first segment`);
      if (count > 1) this.report(`${tag} twice`);
    }
    this.tag(tag, value, count);
  }

  private tag(tag: string, value: string, count: number): void {
    const { result } = this;
    switch (tag) {
      case '#EXTM3U':
        if (count > 1) this.report('#EXTM3U twice');
        break;
      case '#EXT-X-VERSION':
        if (count > 1) this.report('#EXT-X-VERSION twice');
        this.version = this.integer(tag, value);
        break;
      case '#EXT-X-TARGETDURATION':
        result.targetDuration = this.integer(tag, value);
        break;
      case '#EXT-X-MEDIA-SEQUENCE':
        result.mediaSequence = this.integer(tag, value);
        break;
      case '#EXT-X-DISCONTINUITY-SEQUENCE':
        if (this.seen.has('#EXT-X-DISCONTINUITY')) this.report(`${tag} behind a discontinuity`);
        result.discontinuitySequence = this.integer(tag, value);
        break;
      case '#EXT-X-DISCONTINUITY':
        if (this.discontinuity) this.report('two discontinuities before one segment');
        this.discontinuity = true;
        break;
      case '#EXT-X-PROGRAM-DATE-TIME':
        if (!DATE_TIME.test(value)) this.report(`date '${value}' is not ISO 8601 with a time zone`);
        this.dateTime = Date.parse(value);
        break;
      case '#EXTINF':
        this.duration(value);
        break;
      case '#EXT-X-ENDLIST':
        if (count > 1) this.report('#EXT-X-ENDLIST twice');
        result.ended = true;
        break;
      case '#EXT-X-STREAM-INF':
        if (this.streamInf !== null) this.report('#EXT-X-STREAM-INF without URI');
        this.streamInf = this.variant(value);
        break;
    }
  }

  private integer(tag: string, value: string): number {
    if (!/^\d{1,20}$/.test(value)) this.report(`${tag} is '${value}', not a whole number`);
    return Number(value);
  }

  private duration(value: string): void {
    const match = /^(\d+(?:\.\d+)?),(.*)$/.exec(value);
    if (match === null) {
      this.report(`#EXTINF '${value}'`);
      return;
    }
    if (!Number.isNaN(this.seconds)) this.report('#EXTINF twice before one URI');
    if (this.version < 3 && match[1]!.includes('.')) this.report('a fraction needs version 3');
    this.seconds = Number(match[1]);
    if (this.seconds === 0) this.report('segment without duration');
  }

  private uri(uri: string): void {
    const { result } = this;
    if (/\s/.test(uri)) this.report(`white space in URI '${uri}'`);
    if (result.isMaster) {
      if (this.streamInf === null) this.report(`URI '${uri}' without #EXT-X-STREAM-INF`);
      else result.variants.push({ uri, attributes: this.streamInf });
      this.streamInf = null;
      return;
    }
    if (Number.isNaN(this.seconds)) this.report(`URI '${uri}' without #EXTINF`);
    if (result.segments.some((segment) => segment.uri === uri)) this.report(`URI '${uri}' twice`);
    if (Math.round(this.seconds) > result.targetDuration) {
      this.report(`${this.seconds} s is over the target duration of ${result.targetDuration} s`);
    }
    this.date();
    const sequence = result.mediaSequence + result.segments.length;
    const { seconds, discontinuity, dateTime } = this;
    result.segments.push({ uri, seconds, sequence, discontinuity, dateTime });
    this.seconds = Number.NaN;
    this.discontinuity = false;
    this.dateTime = Number.NaN;
  }

  private date(): void {
    const before = this.result.segments.at(-1);
    if (before === undefined || Number.isNaN(this.dateTime) || Number.isNaN(before.dateTime)) return;
    const expected = before.dateTime + before.seconds * 1000;
    const off = this.dateTime - expected;
    if (this.dateTime <= before.dateTime) this.report('dates do not grow');
    else if (!this.discontinuity && Math.abs(off) > DATE_TOLERANCE_MS) {
      this.report(`date is ${Math.round(off)} ms off the durations`);
    }
  }

  private variant(value: string): Map<string, string> {
    const attributes = new Map<string, string>();
    const pattern = /([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,|$)/y;
    while (pattern.lastIndex < value.length) {
      const match = pattern.exec(value);
      if (match === null) {
        this.report(`attribute list '${value}'`);
        break;
      }
      if (attributes.has(match[1]!)) this.report(`attribute ${match[1]} twice`);
      attributes.set(match[1]!, match[2]!);
    }
    const matches = (name: string, form: RegExp, required = false) => {
      const found = attributes.get(name);
      if (found === undefined ? required : !form.test(found)) this.report(`attribute ${name} is '${found}'`);
    };
    matches('BANDWIDTH', /^[1-9]\d*$/, true);
    matches('AVERAGE-BANDWIDTH', /^[1-9]\d*$/);
    matches('CODECS', /^"[\w.-]+(,[\w.-]+)*"$/);
    matches('RESOLUTION', /^[1-9]\d*x[1-9]\d*$/);
    matches('FRAME-RATE', /^\d+(\.\d{1,3})?$/);
    if (Number(attributes.get('AVERAGE-BANDWIDTH') ?? 0) > Number(attributes.get('BANDWIDTH'))) {
      this.report('average bandwidth over the peak');
    }
    return attributes;
  }

  finish(): void {
    const { result } = this;
    if (!Number.isNaN(this.seconds)) this.report('#EXTINF without URI');
    if (this.streamInf !== null) this.report('#EXT-X-STREAM-INF without URI');
    if (result.isMaster && result.variants.length === 0) this.report('no variant');
    if (!result.isMaster && result.targetDuration < 0) this.report('no #EXT-X-TARGETDURATION');
  }
}

/** Checks one playlist. */
export function checkPlaylist(text: string): CheckedPlaylist {
  const checker = new Checker(text.includes('#EXT-X-STREAM-INF'));
  if (text.startsWith('\ufeff')) checker.report('byte order mark');
  if (!/^#EXTM3U\r?\n/.test(text)) checker.report('does not begin with #EXTM3U');
  if (!text.endsWith('\n')) checker.report('last line is not ended');
  for (const line of text.split(/\r?\n/)) checker.line(line);
  checker.finish();
  return checker.result;
}

/** What RFC 8216 6.2.1 and 6.2.2 allow a server to change from one answer to the next. */
export function checkPlaylistUpdate(before: CheckedPlaylist, after: CheckedPlaylist): string[] {
  const violations: string[] = [];
  if (after.targetDuration !== before.targetDuration) {
    violations.push(`target duration changes from ${before.targetDuration} to ${after.targetDuration}`);
  }
  const removed = after.mediaSequence - before.mediaSequence;
  if (removed < 0) violations.push(`media sequence goes back by ${-removed}`);
  if (
    before.ended &&
    after.segments.length + after.mediaSequence !== before.segments.length + before.mediaSequence
  ) {
    violations.push('a list that was ended changes');
  }
  const gone = before.segments
    .slice(0, Math.max(0, removed))
    .filter((segment) => segment.discontinuity).length;
  if (
    removed <= before.segments.length &&
    after.discontinuitySequence !== before.discontinuitySequence + gone
  ) {
    violations.push(
      `discontinuity sequence is ${after.discontinuitySequence} instead of ${before.discontinuitySequence + gone}`,
    );
  }
  const last = before.segments.at(-1);
  const newest = after.segments.at(-1);
  if (last !== undefined && (newest?.sequence ?? -1) < last.sequence)
    violations.push('the newest segment is gone');
  for (const old of before.segments) {
    const now = after.segments[old.sequence - after.mediaSequence];
    if (now === undefined) continue;
    const same =
      withoutQuery(now.uri) === withoutQuery(old.uri) &&
      now.seconds === old.seconds &&
      now.discontinuity === old.discontinuity &&
      Object.is(now.dateTime, old.dateTime);
    if (!same) violations.push(`segment ${old.sequence} changes`);
  }
  const length = after.segments.reduce((sum, segment) => sum + segment.seconds, 0);
  if (removed > 0 && !after.ended && length < 3 * after.targetDuration) {
    violations.push(`segments are removed though only ${length} s are left`);
  }
  return violations;
}

function withoutQuery(uri: string): string {
  return uri.split('?', 1)[0]!;
}
