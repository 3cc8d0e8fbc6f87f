/**
 * Manifests of MPEG-DASH: ISO/IEC 23009-1, segment templates with `$Time$` and a SegmentTimeline, as the live profile
 * and CMAF have them, with what low latency needs (availabilityTimeOffset, ServiceDescription, ProducerReferenceTime).
 * Written only. Leaves out: segment lists and ranges, events, encryption, patches.
 */

export interface MpdSegment {
  /** Ticks. */
  readonly time: number;
  readonly duration: number;
}

export interface MpdRepresentation {
  readonly id: string;
  /** Bits per second. */
  readonly bandwidthBps: number;
  /** RFC 6381; '' = not known. */
  readonly codecs: string;
  /** Pixels; 0 = not known or no picture. */
  readonly width: number;
  readonly height: number;
  /** Frames per second; 0 = not known. */
  readonly frameRate: number;
  /** Hz; 0 = not known or no sound. */
  readonly sampleRate: number;
  readonly channels: number;
  readonly timescale: number;
  /** Ticks that the Period begins with. */
  readonly presentationTimeOffset: number;
  readonly initializationUri: string;
  /** Template with `$Time$`. */
  readonly mediaUri: string;
  /** Media sequence number of the first segment. */
  readonly startNumber: number;
  /** Oldest first; a hole between two is a gap of the stream. */
  readonly segments: readonly MpdSegment[];
  /** How much earlier than complete a segment can be asked for, microseconds; 0 = not earlier. */
  readonly earlyUs: number;
}

export interface MpdAdaptationSet {
  readonly id: number;
  readonly kind: 'video' | 'audio';
  /** BCP 47 tag or ''. */
  readonly language: string;
  /** Of urn:mpeg:dash:role:2011. */
  readonly role: string;
  /** All Representations begin their segments at the same times. */
  readonly isAligned: boolean;
  readonly representations: readonly MpdRepresentation[];
}

export interface MpdPeriod {
  readonly id: string;
  /** From availabilityStartTime on, microseconds. */
  readonly startUs: number;
  /** NaN = until the next, or not known yet. */
  readonly durationUs: number;
  readonly sets: readonly MpdAdaptationSet[];
}

interface MpdLatency {
  readonly targetMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Mpd {
  /** Microseconds since 1970. */
  readonly availabilityStartUs: number;
  /** Of the whole presentation, which is over then; NaN = it goes on. */
  readonly durationUs: number;
  readonly minimumUpdateUs: number;
  readonly timeShiftBufferUs: number;
  readonly presentationDelayUs: number;
  readonly minBufferUs: number;
  readonly maxSegmentUs: number;
  /** Of low latency. */
  readonly latency?: MpdLatency | undefined;
  /** Where players ask for the time (http-xsdate). */
  readonly timeUri: string;
  readonly periods: readonly MpdPeriod[];
}

/** The text around what differs from viewer to viewer. */
export interface MpdText {
  /** Without publishTime: all before its value. */
  readonly head: string;
  /** Behind its value and before BaseURL and Location. */
  readonly open: string;
  readonly tail: string;
}

const PROFILES = 'urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019';
const ROLE = 'urn:mpeg:dash:role:2011';
const CHANNELS = 'urn:mpeg:dash:23003:3:audio_channel_configuration:2011';
const TIMING = 'urn:mpeg:dash:utc:http-xsdate:2014';
/** ChannelConfiguration of ISO/IEC 23091-3 by number of channels, as they usually lie. */
const CHANNEL_CONFIGURATIONS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 11, 12];
/** NTSC's rates are a whole number times this. */
const NTSC = 1000 / 1001;

/** The text in three pieces; `joinMpd` puts them together. */
export function serializeMpd(mpd: Mpd): MpdText {
  const isDynamic = Number.isNaN(mpd.durationUs);
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"';
  const common: [string, string][] = [
    ['profiles', PROFILES],
    ['type', isDynamic ? 'dynamic' : 'static'],
    ['availabilityStartTime', dateText(mpd.availabilityStartUs)],
  ];
  const rest: [string, string][] = isDynamic
    ? [
        ['minimumUpdatePeriod', durationText(mpd.minimumUpdateUs)],
        ['timeShiftBufferDepth', durationText(mpd.timeShiftBufferUs)],
        ['suggestedPresentationDelay', durationText(mpd.presentationDelayUs)],
      ]
    : [['mediaPresentationDuration', durationText(mpd.durationUs)]];
  rest.push(['minBufferTime', durationText(mpd.minBufferUs)]);
  rest.push(['maxSegmentDuration', durationText(mpd.maxSegmentUs)]);
  let tail = '';
  if (mpd.latency !== undefined) tail += serviceDescription(mpd.latency);
  for (const period of mpd.periods) tail += periodText(mpd, period);
  if (isDynamic) tail += `${timing(mpd.timeUri, '  ')}`;
  return {
    head: `${head}${attributes(common)} publishTime="`,
    open: `"${attributes(rest)}>\n`,
    tail: `${tail}</MPD>\n`,
  };
}

/** The whole manifest. `location`: address for updates, '' = the one that was asked for. `publishUs`: since 1970. */
export function joinMpd(text: MpdText, publishUs: number, baseUri: string, location: string): string {
  const base = baseUri === '' ? '' : `  <BaseURL>${escapeXml(baseUri)}</BaseURL>\n`;
  const place = location === '' ? '' : `  <Location>${escapeXml(location)}</Location>\n`;
  return `${text.head}${dateText(publishUs)}${text.open}${base}${place}${text.tail}`;
}

function serviceDescription({ targetMs, minMs, maxMs }: MpdLatency): string {
  return `  <ServiceDescription id="0">
    <Latency target="${targetMs}" max="${maxMs}" min="${minMs}" referenceId="0"/>
    <PlaybackRate max="1.1" min="0.9"/>
  </ServiceDescription>
`;
}

function timing(uri: string, indent: string): string {
  return `${indent}<UTCTiming schemeIdUri="${TIMING}" value="${escapeXml(uri)}"/>\n`;
}

function periodText(mpd: Mpd, period: MpdPeriod): string {
  const list: [string, string][] = [
    ['id', period.id],
    ['start', durationText(period.startUs)],
  ];
  if (!Number.isNaN(period.durationUs)) list.push(['duration', durationText(period.durationUs)]);
  let text = `  <Period${attributes(list)}>\n`;
  let number = 0;
  for (const set of period.sets) {
    const own: [string, string][] = [
      ['id', String(set.id)],
      ['contentType', set.kind],
      ['mimeType', `${set.kind}/mp4`],
      ['startWithSAP', '1'],
    ];
    if (set.isAligned) own.push(['segmentAlignment', 'true']);
    if (set.language !== '') own.push(['lang', set.language]);
    text += `    <AdaptationSet${attributes(own)}>\n`;
    text += `      <Role schemeIdUri="${ROLE}" value="${escapeXml(set.role)}"/>\n`;
    for (const one of set.representations) text += representationText(mpd, period, one, number++);
    text += '    </AdaptationSet>\n';
  }
  return `${text}  </Period>\n`;
}

function representationText(mpd: Mpd, period: MpdPeriod, one: MpdRepresentation, number: number): string {
  const list: [string, string][] = [
    ['id', one.id],
    ['bandwidth', String(Math.max(1, Math.ceil(one.bandwidthBps)))],
  ];
  if (one.codecs !== '') list.push(['codecs', one.codecs]);
  if (one.width > 0 && one.height > 0) {
    list.push(['width', String(one.width)]);
    list.push(['height', String(one.height)]);
  }
  if (one.frameRate > 0) list.push(['frameRate', frameRateText(one.frameRate)]);
  if (one.sampleRate > 0) list.push(['audioSamplingRate', String(one.sampleRate)]);
  let text = `      <Representation${attributes(list)}>\n`;
  const layout = CHANNEL_CONFIGURATIONS[one.channels] ?? 0;
  if (layout > 0)
    text += `        <AudioChannelConfiguration schemeIdUri="${CHANNELS}" value="${layout}"/>\n`;
  if (mpd.latency !== undefined) text += referenceText(mpd, period, one, number);
  return `${text}${templateText(one)}      </Representation>\n`;
}

/** Ties the track's clock to the wall clock, by which players know how far behind they are. */
function referenceText(mpd: Mpd, period: MpdPeriod, one: MpdRepresentation, number: number): string {
  const list: [string, string][] = [
    ['id', String(number)],
    ['type', 'encoder'],
    ['wallClockTime', dateText(mpd.availabilityStartUs + period.startUs)],
    ['presentationTime', String(one.presentationTimeOffset)],
  ];
  const child = timing(mpd.timeUri, '          ');
  return `        <ProducerReferenceTime${attributes(list)}>\n${child}        </ProducerReferenceTime>\n`;
}

function templateText(one: MpdRepresentation): string {
  const list: [string, string][] = [
    ['timescale', String(one.timescale)],
    ['presentationTimeOffset', String(one.presentationTimeOffset)],
    ['startNumber', String(one.startNumber)],
  ];
  if (one.earlyUs > 0) {
    list.push(['availabilityTimeOffset', String(one.earlyUs / 1_000_000)]);
    list.push(['availabilityTimeComplete', 'false']);
  }
  list.push(['initialization', one.initializationUri]);
  list.push(['media', one.mediaUri]);
  let text = `        <SegmentTemplate${attributes(list)}>\n          <SegmentTimeline>\n`;
  const { segments } = one;
  let end = Number.NaN;
  for (let i = 0; i < segments.length; ) {
    const { time, duration } = segments[i]!; // i is below the length
    let repeat = 0;
    while (segments[i + repeat + 1]?.time === time + duration * (repeat + 1)) {
      if (segments[i + repeat + 1]?.duration !== duration) break;
      repeat++;
    }
    const t = time === end ? '' : ` t="${time}"`;
    text += `            <S${t} d="${duration}"${repeat > 0 ? ` r="${repeat}"` : ''}/>\n`;
    end = time + duration * (repeat + 1);
    i += repeat + 1;
  }
  return `${text}          </SegmentTimeline>\n        </SegmentTemplate>\n`;
}

function attributes(list: readonly (readonly [string, string])[]): string {
  let text = '';
  for (const [name, value] of list) text += ` ${name}="${escapeXml(value)}"`;
  return text;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => ESCAPES[one] ?? one);
}

/** xs:dateTime in UTC with milliseconds. */
function dateText(us: number): string {
  return new Date(Math.round(us / 1000)).toISOString();
}

/** xs:duration in seconds, to the microsecond. */
function durationText(us: number): string {
  return `PT${Number((us / 1_000_000).toFixed(6))}S`;
}

/** `30`, `30000/1001` or thousandths. */
function frameRateText(rate: number): string {
  const whole = Math.round(rate);
  if (Math.abs(rate - whole) < 0.005) return String(Math.max(1, whole));
  if (Math.abs(rate - whole * NTSC) < 0.005) return `${whole * 1000}/1001`;
  return `${Math.max(1, Math.round(rate * 1000))}/1000`;
}
