/** Master playlists for the HLS checker: RFC 8216bis 4.4.6, names of codecs by RFC 6381. */
import {
  type AttributeForms,
  type CheckedPlaylist,
  DECIMAL,
  type ListedSegment,
  POSITIVE,
  readAttributes,
  STRING,
  unquoted,
  YES_NO,
} from './m3u8-model.ts';

const CODECS = /^"[\w.-]+(,[\w.-]+)*"$/;
const RESOLUTION = /^[1-9]\d*x[1-9]\d*$/;
const STREAM: AttributeForms = {
  '!BANDWIDTH': POSITIVE,
  'AVERAGE-BANDWIDTH': POSITIVE,
  SCORE: DECIMAL,
  CODECS,
  'SUPPLEMENTAL-CODECS': STRING,
  RESOLUTION,
  'FRAME-RATE': /^\d+(\.\d{1,3})?$/,
  'HDCP-LEVEL': /^(TYPE-0|TYPE-1|NONE)$/,
  'ALLOWED-CPC': STRING,
  'VIDEO-RANGE': /^(SDR|HLG|PQ)$/,
  'REQ-VIDEO-LAYOUT': STRING,
  'STABLE-VARIANT-ID': STRING,
  AUDIO: STRING,
  VIDEO: STRING,
  SUBTITLES: STRING,
  'CLOSED-CAPTIONS': /^(NONE|"[^"]*")$/,
  'PATHWAY-ID': STRING,
};
const MEDIA: AttributeForms = {
  '!TYPE': /^(AUDIO|VIDEO|SUBTITLES|CLOSED-CAPTIONS)$/,
  URI: STRING,
  '!GROUP-ID': STRING,
  LANGUAGE: /^"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*"$/,
  'ASSOC-LANGUAGE': STRING,
  '!NAME': /^"[^"]+"$/,
  'STABLE-RENDITION-ID': STRING,
  DEFAULT: YES_NO,
  AUTOSELECT: YES_NO,
  FORCED: YES_NO,
  'INSTREAM-ID': /^"(CC[1-4]|SERVICE\d{1,2})"$/,
  'BIT-DEPTH': POSITIVE,
  'SAMPLE-RATE': POSITIVE,
  CHARACTERISTICS: STRING,
  CHANNELS: /^"\d+(\/[^"]*)?"$/,
};
const I_FRAME: AttributeForms = {
  '!BANDWIDTH': POSITIVE,
  'AVERAGE-BANDWIDTH': POSITIVE,
  CODECS,
  RESOLUTION,
  'VIDEO-RANGE': /^(SDR|HLG|PQ)$/,
  VIDEO: STRING,
  '!URI': STRING,
};
const SESSION_DATA: AttributeForms = {
  '!DATA-ID': STRING,
  VALUE: STRING,
  URI: STRING,
  FORMAT: /^(JSON|RAW)$/,
  LANGUAGE: STRING,
};
const SESSION_KEY: AttributeForms = {
  '!METHOD': /^(AES-128|SAMPLE-AES|SAMPLE-AES-CTR)$/,
  '!URI': STRING,
  IV: /^0x/,
  KEYFORMAT: STRING,
  KEYFORMATVERSIONS: STRING,
};
const STEERING: AttributeForms = { '!SERVER-URI': STRING, 'PATHWAY-ID': STRING };

export const MASTER_TAGS: Readonly<Record<string, AttributeForms>> = {
  '#EXT-X-STREAM-INF': STREAM,
  '#EXT-X-MEDIA': MEDIA,
  '#EXT-X-I-FRAME-STREAM-INF': I_FRAME,
  '#EXT-X-SESSION-DATA': SESSION_DATA,
  '#EXT-X-SESSION-KEY': SESSION_KEY,
  '#EXT-X-CONTENT-STEERING': STEERING,
};

/** The forms of names that are in use; others are likely to be mistakes. */
const CODEC_FORMS = [
  /^avc[13]\.[0-9A-Fa-f]{6}$/,
  /^(hvc1|hev1)\.[ABC]?\d{1,2}\.[0-9A-Fa-f]{1,8}\.[LH]\d{1,3}(\.[0-9A-Fa-f]{1,2}){0,6}$/,
  /^av01\.\d\.\d\d[MH]\.\d\d(\..*)?$/,
  /^vp0[89]\.\d\d\.\d\d\.\d\d(\..*)?$/,
  /^mp4a\.40\.\d{1,2}$/,
  /^mp4a\.(69|6[bB])$/,
  /^(opus|Opus|flac|fLaC|ac-3|ec-3|stpp\.ttml\.im1t|wvtt|mp3)$/,
];
const VIDEO_CODEC = /^(avc|hvc|hev|av01|vp0)/;

export class MasterChecker {
  private readonly result: CheckedPlaylist;
  private streamInf: Map<string, string> | null = null;

  constructor(result: CheckedPlaylist) {
    this.result = result;
  }

  private report = (text: string): void => void this.result.violations.push(text);

  tag(tag: string, value: string): void {
    const forms = MASTER_TAGS[tag];
    if (forms === undefined) return;
    const attributes = readAttributes(tag, value, forms, this.report);
    if (tag === '#EXT-X-STREAM-INF') {
      if (this.streamInf !== null) this.report('#EXT-X-STREAM-INF without URI');
      this.streamInf = attributes;
      this.checkStream(attributes);
    } else if (tag === '#EXT-X-MEDIA') {
      this.result.renditions.push(attributes);
      this.checkRendition(attributes);
    }
  }

  uri(uri: string): void {
    if (this.streamInf === null) this.report(`URI '${uri}' without #EXT-X-STREAM-INF`);
    else this.result.variants.push({ uri, attributes: this.streamInf });
    this.streamInf = null;
  }

  private checkStream(attributes: ReadonlyMap<string, string>): void {
    if (Number(attributes.get('AVERAGE-BANDWIDTH') ?? 0) > Number(attributes.get('BANDWIDTH')))
      this.report('average bandwidth over the peak');
    const codecs = unquoted(attributes, 'CODECS');
    if (codecs === '') return;
    const names = codecs.split(',');
    for (const name of names)
      if (!CODEC_FORMS.some((form) => form.test(name))) this.report(`codec '${name}' is no name of RFC 6381`);
    if (new Set(names).size < names.length) this.report(`a codec twice in '${codecs}'`);
    const hasVideo = names.some((name) => VIDEO_CODEC.test(name));
    if (!hasVideo && attributes.has('RESOLUTION')) this.report(`a resolution without video in '${codecs}'`);
    if (!hasVideo && attributes.has('FRAME-RATE')) this.report(`a frame rate without video in '${codecs}'`);
  }

  private checkRendition(attributes: ReadonlyMap<string, string>): void {
    const type = attributes.get('TYPE');
    const has = (name: string) => attributes.has(name);
    if (type === 'CLOSED-CAPTIONS' && has('URI')) this.report('closed captions with a URI');
    if (type === 'SUBTITLES' && !has('URI')) this.report('subtitles without a URI');
    if ((type === 'CLOSED-CAPTIONS') !== has('INSTREAM-ID')) this.report(`INSTREAM-ID of ${type}`);
    if (type !== 'SUBTITLES' && has('FORCED')) this.report(`FORCED of ${type}`);
    if (type !== 'AUDIO' && has('CHANNELS')) this.report(`CHANNELS of ${type}`);
    if (attributes.get('DEFAULT') === 'YES' && attributes.get('AUTOSELECT') === 'NO')
      this.report('DEFAULT=YES with AUTOSELECT=NO');
  }

  finish(): void {
    const { renditions, variants } = this.result;
    if (this.streamInf !== null) this.report('#EXT-X-STREAM-INF without URI');
    if (variants.length === 0) this.report('no variant');
    const uris = variants.map(({ uri }) => uri);
    const keys = variants.map(
      ({ uri, attributes }) => `${uri} ${attributes.get('AUDIO')} ${attributes.get('VIDEO')}`,
    );
    if (new Set(keys).size < keys.length) this.report(`a variant twice among ${uris.join(' ')}`);
    const groups = new Map<string, ReadonlyMap<string, string>[]>();
    for (const rendition of renditions) {
      const name = `${rendition.get('TYPE')} ${unquoted(rendition, 'GROUP-ID')}`;
      groups.set(name, [...(groups.get(name) ?? []), rendition]);
    }
    for (const [name, members] of groups) this.checkGroup(name, members);
    this.checkSameMembers(groups);
    for (const type of ['AUDIO', 'VIDEO', 'SUBTITLES', 'CLOSED-CAPTIONS']) this.checkReferences(type, groups);
  }

  private checkGroup(name: string, members: readonly ReadonlyMap<string, string>[]): void {
    const names = members.map((member) => member.get('NAME'));
    if (new Set(names).size < names.length) this.report(`a name twice in group ${name}`);
    if (members.filter((member) => member.get('DEFAULT') === 'YES').length > 1)
      this.report(`more than one default in group ${name}`);
    const choices = members
      .filter((member) => member.get('AUTOSELECT') === 'YES')
      .map((member) =>
        ['LANGUAGE', 'ASSOC-LANGUAGE', 'FORCED', 'CHARACTERISTICS', 'CHANNELS']
          .map((one) => member.get(one))
          .join(),
      );
    if (new Set(choices).size < choices.length) this.report(`group ${name} has two that nothing tells apart`);
    const uris = members.flatMap((member) => member.get('URI') ?? []);
    if (new Set(uris).size < uris.length) this.report(`a URI twice in group ${name}`);
  }

  /** Groups of one type have the same members. */
  private checkSameMembers(groups: ReadonlyMap<string, readonly ReadonlyMap<string, string>[]>): void {
    const known = new Map<string, string>();
    for (const [name, members] of groups) {
      const type = name.split(' ', 1)[0]!;
      const list = members
        .map((member) => `${member.get('NAME')} ${member.get('LANGUAGE')}`)
        .sort()
        .join();
      if ((known.get(type) ?? list) !== list) this.report(`group ${name} has other members than its sisters`);
      known.set(type, list);
    }
  }

  private checkReferences(type: string, groups: ReadonlyMap<string, unknown>): void {
    const used = new Set<string>();
    let none = 0;
    for (const { uri, attributes } of this.result.variants) {
      if (attributes.get(type) === 'NONE') none++;
      const group = unquoted(attributes, type);
      if (group === '' || group === 'NONE') continue;
      used.add(`${type} ${group}`);
      if (!groups.has(`${type} ${group}`))
        this.report(`variant ${uri} uses the ${type} group ${group}, which is not there`);
    }
    if (none > 0 && none < this.result.variants.length) this.report(`${type}=NONE in some variants only`);
    for (const name of groups.keys())
      if (name.startsWith(`${type} `) && !used.has(name)) this.report(`group ${name} is used by no variant`);
  }
}

export interface MeasuredSegment extends Pick<ListedSegment, 'seconds'> {
  readonly bytes: number;
}

/**
 * Holds the bandwidth of a variant against its segments (sound renditions added by the caller). The peak is that of any
 * run of segments that lasts 0.5 to 1.5 target durations (4.1). `slack` times the average is allowed.
 */
export function checkBandwidth(
  variant: CheckedPlaylist['variants'][number],
  targetDuration: number,
  segments: readonly MeasuredSegment[],
  slack = 1.1,
): string[] {
  const violations: string[] = [];
  let peak = 0;
  for (let from = 0; from < segments.length; from++) {
    let seconds = 0;
    let bytes = 0;
    for (let to = from; to < segments.length; to++) {
      seconds += segments[to]!.seconds;
      bytes += segments[to]!.bytes;
      if (seconds > 1.5 * targetDuration) break;
      if (seconds >= 0.5 * targetDuration) peak = Math.max(peak, (bytes * 8) / seconds);
    }
  }
  const said = Number(variant.attributes.get('BANDWIDTH'));
  if (peak > said) violations.push(`BANDWIDTH is ${said}, segments reach ${Math.ceil(peak)}`);
  const total = segments.reduce((sum, { seconds }) => sum + seconds, 0);
  const average = (segments.reduce((sum, { bytes }) => sum + bytes, 0) * 8) / total;
  const saidAverage = variant.attributes.get('AVERAGE-BANDWIDTH');
  if (saidAverage !== undefined && average > Number(saidAverage) * slack)
    violations.push(`AVERAGE-BANDWIDTH is ${saidAverage}, segments have ${Math.ceil(average)}`);
  return violations;
}
