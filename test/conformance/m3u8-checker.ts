/**
 * Judges HLS playlists by RFC 8216 and 8216bis (Low-Latency HLS among it): one text alone. What may change from one to
 * the next is in m3u8-update-checker.ts. Shares no code with our writer. Reports sentences; an empty list means that
 * all is well.
 */
import { MASTER_TAGS, MasterChecker } from './m3u8-master-checker.ts';
import {
  type AttributeForms,
  type ByteRange,
  type CheckedPlaylist,
  DECIMAL,
  emptyPlaylist,
  HEX_128,
  INTEGER,
  type ListedPart,
  numberOf,
  RANGE,
  readAttributes,
  SIGNED,
  STRING,
  unquoted,
  YES,
  YES_NO,
} from './m3u8-model.ts';

export type { CheckedPlaylist } from './m3u8-model.ts';
export { checkPlaylistUpdate } from './m3u8-update-checker.ts';

const KEY: AttributeForms = {
  '!METHOD': /^(NONE|AES-128|SAMPLE-AES|SAMPLE-AES-CTR)$/,
  URI: STRING,
  IV: HEX_128,
  KEYFORMAT: STRING,
  KEYFORMATVERSIONS: STRING,
};
const FORMS: Readonly<Record<string, AttributeForms>> = {
  '#EXT-X-MAP': { '!URI': STRING, BYTERANGE: RANGE },
  '#EXT-X-KEY': KEY,
  '#EXT-X-PART-INF': { '!PART-TARGET': DECIMAL },
  '#EXT-X-PART': {
    '!URI': STRING,
    '!DURATION': DECIMAL,
    INDEPENDENT: YES,
    BYTERANGE: /^"\d+(@\d+)?"$/,
    GAP: YES,
  },
  '#EXT-X-PRELOAD-HINT': {
    '!TYPE': /^(PART|MAP)$/,
    '!URI': STRING,
    'BYTERANGE-START': INTEGER,
    'BYTERANGE-LENGTH': INTEGER,
  },
  '#EXT-X-RENDITION-REPORT': { '!URI': STRING, '!LAST-MSN': INTEGER, 'LAST-PART': INTEGER },
  '#EXT-X-SERVER-CONTROL': {
    'CAN-SKIP-UNTIL': DECIMAL,
    'CAN-SKIP-DATERANGES': YES,
    'HOLD-BACK': DECIMAL,
    'PART-HOLD-BACK': DECIMAL,
    'CAN-BLOCK-RELOAD': YES,
  },
  '#EXT-X-SKIP': { '!SKIPPED-SEGMENTS': INTEGER, 'RECENTLY-REMOVED-DATERANGES': STRING },
  '#EXT-X-START': { '!TIME-OFFSET': SIGNED, PRECISE: YES_NO },
};
const MEDIA_TAGS = [
  '#EXTINF',
  '#EXT-X-TARGETDURATION',
  '#EXT-X-MEDIA-SEQUENCE',
  '#EXT-X-DISCONTINUITY-SEQUENCE',
  '#EXT-X-DISCONTINUITY',
  '#EXT-X-PROGRAM-DATE-TIME',
  '#EXT-X-ENDLIST',
  '#EXT-X-PLAYLIST-TYPE',
  '#EXT-X-BYTERANGE',
  '#EXT-X-GAP',
  '#EXT-X-BITRATE',
  '#EXT-X-DATERANGE',
  ...Object.keys(FORMS),
];
const COMMON_TAGS = [
  '#EXTM3U',
  '#EXT-X-VERSION',
  '#EXT-X-INDEPENDENT-SEGMENTS',
  '#EXT-X-START',
  '#EXT-X-DEFINE',
];
/** Tags that stand at most once. */
const ONCE = [
  '#EXTM3U',
  '#EXT-X-VERSION',
  '#EXT-X-INDEPENDENT-SEGMENTS',
  '#EXT-X-START',
  '#EXT-X-TARGETDURATION',
  '#EXT-X-MEDIA-SEQUENCE',
  '#EXT-X-DISCONTINUITY-SEQUENCE',
  '#EXT-X-ENDLIST',
  '#EXT-X-PLAYLIST-TYPE',
  '#EXT-X-PART-INF',
  '#EXT-X-SERVER-CONTROL',
  '#EXT-X-SKIP',
];
/** Tags that stand before the first segment. */
const HEAD_TAGS = [
  '#EXT-X-TARGETDURATION',
  '#EXT-X-MEDIA-SEQUENCE',
  '#EXT-X-DISCONTINUITY-SEQUENCE',
  '#EXT-X-PLAYLIST-TYPE',
  '#EXT-X-PART-INF',
  '#EXT-X-SERVER-CONTROL',
  '#EXT-X-SKIP',
];
/** Tags of a segment that stand before its first part. */
const BEFORE_PARTS = ['#EXT-X-DISCONTINUITY', '#EXT-X-KEY', '#EXT-X-MAP', '#EXT-X-PROGRAM-DATE-TIME'];
/** Least version (section 8). */
const VERSIONS: Readonly<Record<string, number>> = {
  '#EXT-X-BYTERANGE': 4,
  '#EXT-X-MAP': 6,
  '#EXT-X-GAP': 8,
  '#EXT-X-DEFINE': 8,
  '#EXT-X-SKIP': 9,
};
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/;
/** How far a date may be off the sum of the durations before it. */
const DATE_TOLERANCE_MS = 1000;
/** Durations are written in thousandths. */
const ROUNDING_SECONDS = 0.0011;

class Checker {
  readonly result: CheckedPlaylist;
  private readonly master: MasterChecker | null;
  private readonly seen = new Map<string, number>();
  private readonly needs: { version: number; what: string }[] = [];
  private seconds = Number.NaN;
  private discontinuity: boolean = false;
  private gap: boolean = false;
  private dateTime = Number.NaN;
  private byteRange: ByteRange | null = null;
  private map: string | null = '';
  private key: string | null = '';
  private parts: ListedPart[] = [];
  /** Where the last range of a file ended. */
  private readonly rangeEnds = new Map<string, number>();

  constructor(isMaster: boolean) {
    this.result = emptyPlaylist(isMaster);
    this.master = isMaster ? new MasterChecker(this.result) : null;
  }

  readonly report = (text: string): void => void this.result.violations.push(text);

  line(line: string): void {
    if (line === '') return;
    if (!line.startsWith('#')) {
      if (/\s/.test(line)) this.report(`white space in URI '${line}'`);
      if (this.master !== null) this.master.uri(line);
      else this.segment(line);
      return;
    }
    if (!line.startsWith('#EXT')) return;
    const colon = line.indexOf(':');
    const tag = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1);
    const count = (this.seen.get(tag) ?? 0) + 1;
    this.seen.set(tag, count);
    const known = this.master !== null ? tag in MASTER_TAGS : MEDIA_TAGS.includes(tag);
    if (!known && !COMMON_TAGS.includes(tag)) {
      this.report(`tag ${tag} does not belong here`);
      return;
    }
    if (ONCE.includes(tag) && count > 1) this.report(`${tag} twice`);
    const { segments, skipped } = this.result;
    const hasBegun = segments.length > 0 || this.parts.length > 0;
    if (HEAD_TAGS.includes(tag) && hasBegun) this.report(`${tag} behind the first segment`);
    if (skipped > 0 && tag === '#EXT-X-DISCONTINUITY-SEQUENCE') this.report(`${tag} behind #EXT-X-SKIP`);
    if (BEFORE_PARTS.includes(tag) && this.parts.length > 0)
      this.report(`${tag} behind a part of its segment`);
    if (this.result.ended && tag !== '#EXT-X-ENDLIST' && /PART|HINT/.test(tag))
      this.report(`${tag} in a list that is ended`);
    this.need(VERSIONS[tag] ?? 0, tag);
    const attributes =
      FORMS[tag] === undefined
        ? new Map<string, string>()
        : readAttributes(tag, value, FORMS[tag], this.report);
    this.master?.tag(tag, value);
    this.headTag(tag, value, attributes);
    this.segmentTag(tag, value, attributes);
  }

  private need(version: number, what: string): void {
    if (version > 1) this.needs.push({ version, what });
  }

  private headTag(tag: string, value: string, attributes: Map<string, string>): void {
    const { result } = this;
    switch (tag) {
      case '#EXT-X-VERSION':
        result.version = this.integer(tag, value);
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
      case '#EXT-X-PLAYLIST-TYPE':
        if (value !== 'VOD' && value !== 'EVENT') this.report(`playlist type '${value}'`);
        result.type = value;
        break;
      case '#EXT-X-PART-INF':
        result.partTarget = numberOf(attributes, 'PART-TARGET');
        if (!(result.partTarget > 0)) this.report('part target is 0');
        break;
      case '#EXT-X-SERVER-CONTROL':
        result.serverControl = attributes;
        break;
      case '#EXT-X-SKIP':
        result.skipped = numberOf(attributes, 'SKIPPED-SEGMENTS');
        if (!(result.skipped > 0)) this.report('#EXT-X-SKIP of nothing');
        if (attributes.has('RECENTLY-REMOVED-DATERANGES')) this.need(10, 'RECENTLY-REMOVED-DATERANGES');
        this.map = null;
        this.key = null;
        break;
      case '#EXT-X-INDEPENDENT-SEGMENTS':
        result.independent = true;
        break;
      case '#EXT-X-ENDLIST':
        result.ended = true;
        break;
      case '#EXT-X-RENDITION-REPORT':
        result.reports.push({
          uri: unquoted(attributes, 'URI'),
          lastMsn: numberOf(attributes, 'LAST-MSN'),
          lastPart: attributes.has('LAST-PART') ? numberOf(attributes, 'LAST-PART') : -1,
        });
        if (/^(\w+:)?\/\//.test(unquoted(attributes, 'URI')))
          this.report('URI of a rendition report is not relative');
        break;
      case '#EXT-X-PRELOAD-HINT': {
        const type = attributes.get('TYPE') ?? '';
        if (result.hints.has(type)) this.report(`two preload hints of type ${type}`);
        result.hints.set(type, unquoted(attributes, 'URI'));
        break;
      }
    }
  }

  private segmentTag(tag: string, value: string, attributes: Map<string, string>): void {
    switch (tag) {
      case '#EXT-X-DISCONTINUITY':
        if (this.discontinuity) this.report('two discontinuities before one segment');
        this.discontinuity = true;
        break;
      case '#EXT-X-PROGRAM-DATE-TIME':
        if (!DATE_TIME.test(value)) this.report(`date '${value}' is not ISO 8601 with a time zone`);
        this.dateTime = Date.parse(value);
        break;
      case '#EXT-X-GAP':
        this.gap = true;
        break;
      case '#EXTINF':
        this.duration(value);
        break;
      case '#EXT-X-BYTERANGE':
        if (!/^\d+(@\d+)?$/.test(value)) this.report(`byte range '${value}'`);
        this.byteRange = rangeOf(value);
        break;
      case '#EXT-X-MAP':
        this.map = unquoted(attributes, 'URI');
        break;
      case '#EXT-X-KEY':
        this.checkKey(attributes);
        this.key = attributes.get('METHOD') === 'NONE' ? '' : value;
        break;
      case '#EXT-X-PART':
        this.part(attributes);
        break;
    }
  }

  private checkKey(attributes: Map<string, string>): void {
    const isNone = attributes.get('METHOD') === 'NONE';
    if (isNone && attributes.size > 1) this.report('attributes beside METHOD=NONE');
    if (!isNone && !attributes.has('URI')) this.report('#EXT-X-KEY has no URI');
    if (attributes.has('IV')) this.need(2, 'IV');
    if (attributes.has('KEYFORMAT') || attributes.has('KEYFORMATVERSIONS')) this.need(5, 'KEYFORMAT');
  }

  private integer(tag: string, value: string): number {
    if (!INTEGER.test(value)) this.report(`${tag} is '${value}', not a whole number`);
    return Number(value);
  }

  private duration(value: string): void {
    const match = /^(\d+(?:\.\d+)?),(.*)$/.exec(value);
    if (match === null) {
      this.report(`#EXTINF '${value}'`);
      return;
    }
    if (!Number.isNaN(this.seconds)) this.report('#EXTINF twice before one URI');
    if (match[1]!.includes('.')) this.need(3, 'a fraction');
    this.seconds = Number(match[1]);
    if (this.seconds === 0) this.report('segment without duration');
  }

  /** The range with its offset, which may go on from the one before. */
  private resolved(uri: string, range: ByteRange | null): ByteRange | null {
    if (range === null) return null;
    const offset = range.offset >= 0 ? range.offset : this.rangeEnds.get(uri);
    if (offset === undefined) this.report(`byte range of ${uri} goes on from none`);
    this.rangeEnds.set(uri, (offset ?? 0) + range.length);
    return { offset: offset ?? 0, length: range.length };
  }

  private part(attributes: Map<string, string>): void {
    const uri = unquoted(attributes, 'URI');
    const seconds = numberOf(attributes, 'DURATION');
    const { partTarget, targetDuration } = this.result;
    if (partTarget === 0) this.report('part before #EXT-X-PART-INF');
    else if (seconds > partTarget + 1e-9)
      this.report(`part of ${seconds} s is over the part target of ${partTarget} s`);
    if (!(seconds > 0)) this.report('part without duration');
    if (partTarget > targetDuration && targetDuration > 0)
      this.report('part target is over the target duration');
    const range = this.resolved(
      uri,
      attributes.has('BYTERANGE') ? rangeOf(unquoted(attributes, 'BYTERANGE')) : null,
    );
    const gap = attributes.has('GAP');
    if (this.gap && !gap) this.report('part without GAP in a gap');
    const part = { uri, seconds, independent: attributes.has('INDEPENDENT'), gap, byteRange: range };
    const isKnown = (one: ListedPart) => one.uri === uri && one.byteRange?.offset === range?.offset;
    if (this.parts.some(isKnown) || this.result.segments.some(({ parts }) => parts.some(isKnown)))
      this.report(`part '${uri}' twice`);
    this.parts.push(part);
  }

  private segment(uri: string): void {
    const { result, seconds, discontinuity, dateTime, gap, map, key, parts } = this;
    if (Number.isNaN(seconds)) this.report(`URI '${uri}' without #EXTINF`);
    const byteRange = this.resolved(uri, this.byteRange);
    if (result.segments.some((one) => one.uri === uri && one.byteRange?.offset === byteRange?.offset))
      this.report(`URI '${uri}' twice`);
    if (Math.round(seconds) > result.targetDuration) {
      this.report(`${seconds} s is over the target duration of ${result.targetDuration} s`);
    }
    if (map === '' && /\.(mp4|m4s|m4v|m4a|cmfv|cmfa)(\?|$)/.test(uri))
      this.report(`segment '${uri}' has no #EXT-X-MAP`);
    this.date();
    this.checkParts(parts, true);
    const sum = parts.reduce((total, part) => total + part.seconds, 0);
    if (parts.length > 0 && Math.abs(sum - seconds) > ROUNDING_SECONDS * (parts.length + 1))
      this.report(`parts of '${uri}' last ${sum.toFixed(3)} s, the segment ${seconds} s`);
    const sequence = result.mediaSequence + result.skipped + result.segments.length;
    result.segments.push({
      uri,
      seconds,
      sequence,
      discontinuity,
      dateTime,
      byteRange,
      map,
      key,
      gap,
      parts,
    });
    this.seconds = Number.NaN;
    this.discontinuity = false;
    this.gap = false;
    this.dateTime = Number.NaN;
    this.byteRange = null;
    this.parts = [];
  }

  /** All but the last are nearly as long as they may be. */
  private checkParts(parts: readonly ListedPart[], isComplete: boolean): void {
    const { partTarget } = this.result;
    for (const part of parts.slice(0, -1))
      if (part.seconds < 0.85 * partTarget && !part.gap)
        this.report(
          `part '${part.uri}' of ${part.seconds} s is under 85 % of the part target of ${partTarget} s`,
        );
    if (isComplete && this.result.independent && parts[0]?.independent === false && !parts[0].gap)
      this.report(`first part '${parts[0].uri}' of an independent segment does not say so`);
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

  finish(): void {
    const { result } = this;
    for (const { version, what } of this.needs) {
      if (result.version >= version) continue;
      this.report(`${what} needs version ${version}`);
      break;
    }
    if (this.master !== null) {
      this.master.finish();
      return;
    }
    if (!Number.isNaN(this.seconds)) this.report('#EXTINF without URI');
    if (result.targetDuration < 0) this.report('no #EXT-X-TARGETDURATION');
    if (result.type === 'VOD' && !result.ended) this.report('a VOD list that is not ended');
    result.openParts = this.parts;
    this.checkParts(this.parts, false);
    this.checkLowLatency();
  }

  private checkLowLatency(): void {
    const { result } = this;
    const { targetDuration, partTarget, serverControl, hints, segments, openParts } = result;
    const skipUntil = numberOf(serverControl, 'CAN-SKIP-UNTIL');
    if (skipUntil < 6 * targetDuration)
      this.report(`CAN-SKIP-UNTIL of ${skipUntil} s is under six target durations`);
    if (serverControl.has('CAN-SKIP-DATERANGES') && !serverControl.has('CAN-SKIP-UNTIL'))
      this.report('CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL');
    const holdBack = numberOf(serverControl, 'HOLD-BACK');
    if (holdBack < 3 * targetDuration)
      this.report(`HOLD-BACK of ${holdBack} s is under three target durations`);
    const partHoldBack = numberOf(serverControl, 'PART-HOLD-BACK');
    if (partTarget > 0 && Number.isNaN(partHoldBack)) this.report('no PART-HOLD-BACK beside #EXT-X-PART-INF');
    if (partHoldBack < 3 * partTarget - 1e-9)
      this.report(`PART-HOLD-BACK of ${partHoldBack} s is under three part targets`);
    const hasParts = openParts.length > 0 || segments.some(({ parts }) => parts.length > 0);
    if (hasParts && !result.ended && !hints.has('PART'))
      this.report('parts, but no preload hint of the next');
    if (hasParts && !serverControl.has('CAN-BLOCK-RELOAD')) this.report('parts without CAN-BLOCK-RELOAD');
    if (result.ended && hints.size > 0) this.report('preload hint in a list that is ended');
    const hint = hints.get('PART');
    const listed = [...segments.flatMap(({ parts }) => parts), ...openParts];
    if (hint !== undefined && listed.some(({ uri, byteRange }) => uri === hint && byteRange === null))
      this.report(`preload hint '${hint}' is listed`);
    let behind = openParts.reduce((sum, part) => sum + part.seconds, 0);
    for (const segment of segments.toReversed()) {
      if (segment.parts.length > 0 && behind > 3 * targetDuration + ROUNDING_SECONDS)
        this.report(`parts of '${segment.uri}' are ${behind.toFixed(1)} s before the end`);
      behind += segment.seconds;
    }
    this.checkSkip(skipUntil, behind);
  }

  private checkSkip(skipUntil: number, listedSeconds: number): void {
    if (this.result.skipped === 0) return;
    if (Number.isNaN(skipUntil)) this.report('#EXT-X-SKIP without CAN-SKIP-UNTIL');
    // The segment across the boundary is older than it by its start.
    else if (listedSeconds + this.result.targetDuration < skipUntil - ROUNDING_SECONDS)
      this.report(
        `only ${listedSeconds.toFixed(1)} s stand behind the skipped, the boundary is ${skipUntil} s`,
      );
  }
}

/** `n[@o]`; offset -1 = not said. */
function rangeOf(value: string): ByteRange {
  const [length, offset] = value.split('@');
  return { length: Number(length), offset: offset === undefined ? -1 : Number(offset) };
}

/** Checks one playlist. */
export function checkPlaylist(text: string): CheckedPlaylist {
  const checker = new Checker(/^#EXT-X-(STREAM-INF|MEDIA):/m.test(text));
  if (text.startsWith('\ufeff')) checker.report('byte order mark');
  if (!/^#EXTM3U\r?\n/.test(text)) checker.report('does not begin with #EXTM3U');
  if (!text.endsWith('\n')) checker.report('last line is not ended');
  for (const line of text.split(/\r?\n/)) checker.line(line);
  checker.finish();
  return checker.result;
}
