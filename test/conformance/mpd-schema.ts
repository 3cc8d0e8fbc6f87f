/**
 * The schema of an MPD as far as servers of live streams use it: ISO/IEC 23009-1 5.2 to 5.8, written by hand from the
 * standard's tables. Which elements may stand where and in what order, which attributes they have and of what form.
 * Leaves out: events' contents, content protection, preselections, metrics, remote elements (xlink).
 */
import type { XmlElement } from '../../src/util/xml-document.ts';

type Form = RegExp;
const STRING: Form = /^[\s\S]*$/;
const TOKEN: Form = /^\S+$/;
const UINT: Form = /^\d{1,20}$/;
const INT: Form = /^-?\d{1,20}$/;
const BOOL: Form = /^(true|false|0|1)$/;
const DOUBLE: Form = /^-?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;
const OFFSET: Form = /^((\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|INF)$/;
const DURATION: Form = /^P(?=\d|T\d)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$/;
const DATE_TIME: Form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/;
const RATIO: Form = /^\d+:\d+$/;
const FRAME_RATE: Form = /^\d+(\/[1-9]\d*)?$/;
const URI_LIST: Form = /^urn:[^\s,]+(,\s?urn:[^\s,]+)*$/;
const LANGUAGE: Form = /^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/;
const SAP: Form = /^[0-6]$/;

interface ElementSchema {
  /** A leading `!` means that it must be there. */
  readonly attributes: Readonly<Record<string, Form>>;
  /** In this order; a trailing `?` is at most one, `+` at least one, `*` any number. */
  readonly children: readonly string[];
  readonly text?: Form;
}

const DESCRIPTOR: ElementSchema = {
  attributes: { '!schemeIdUri': TOKEN, value: STRING, id: STRING },
  children: [],
};
const TEXT: ElementSchema = { attributes: {}, children: [], text: STRING };

const COMMON_ATTRIBUTES = {
  profiles: URI_LIST,
  width: UINT,
  height: UINT,
  sar: RATIO,
  frameRate: FRAME_RATE,
  audioSamplingRate: /^\d+( \d+)?$/,
  mimeType: /^(video|audio|application|text)\/[\w.+-]+$/,
  segmentProfiles: STRING,
  codecs: /^[\w.-]+(,\s?[\w.-]+)*$/,
  containerProfiles: STRING,
  maximumSAPPeriod: DOUBLE,
  startWithSAP: SAP,
  maxPlayoutRate: DOUBLE,
  codingDependency: BOOL,
  scanType: /^(progressive|interlaced|unknown)$/,
  selectionPriority: UINT,
  tag: STRING,
};
const COMMON_CHILDREN = [
  'FramePacking*',
  'AudioChannelConfiguration*',
  'ContentProtection*',
  'OutputProtection?',
  'EssentialProperty*',
  'SupplementalProperty*',
  'InbandEventStream*',
  'Switching*',
  'RandomAccess*',
  'GroupLabel*',
  'Label*',
  'ProducerReferenceTime*',
  'ContentPopularityRate*',
  'Resync*',
];
const SEGMENT_BASE = {
  timescale: UINT,
  presentationTimeOffset: UINT,
  eptDelta: INT,
  pdDelta: INT,
  presentationDuration: UINT,
  timeShiftBufferDepth: DURATION,
  indexRange: /^\d+-\d+$/,
  indexRangeExact: BOOL,
  availabilityTimeOffset: OFFSET,
  availabilityTimeComplete: BOOL,
};

const ELEMENTS: Readonly<Record<string, ElementSchema>> = {
  MPD: {
    attributes: {
      id: STRING,
      '!profiles': URI_LIST,
      type: /^(static|dynamic)$/,
      availabilityStartTime: DATE_TIME,
      availabilityEndTime: DATE_TIME,
      publishTime: DATE_TIME,
      mediaPresentationDuration: DURATION,
      minimumUpdatePeriod: DURATION,
      '!minBufferTime': DURATION,
      timeShiftBufferDepth: DURATION,
      suggestedPresentationDelay: DURATION,
      maxSegmentDuration: DURATION,
      maxSubsegmentDuration: DURATION,
    },
    children: [
      'ProgramInformation*',
      'BaseURL*',
      'Location*',
      'PatchLocation*',
      'ServiceDescription*',
      'InitializationSet*',
      'InitializationGroup*',
      'InitializationPresentation*',
      'ContentProtection*',
      'Period+',
      'Metrics*',
      'EssentialProperty*',
      'SupplementalProperty*',
      'UTCTiming*',
      'LeapSecondInformation?',
    ],
  },
  ProgramInformation: {
    attributes: { lang: LANGUAGE, moreInformationURL: TOKEN },
    children: ['Title?', 'Source?', 'Copyright?'],
  },
  Title: TEXT,
  Source: TEXT,
  Copyright: TEXT,
  Location: { attributes: { serviceLocation: STRING }, children: [], text: TOKEN },
  BaseURL: {
    attributes: {
      serviceLocation: STRING,
      byteRange: STRING,
      availabilityTimeOffset: OFFSET,
      availabilityTimeComplete: BOOL,
      timeShiftBufferDepth: DURATION,
      rangeAccess: BOOL,
    },
    children: [],
    text: TOKEN,
  },
  ServiceDescription: {
    attributes: { id: UINT },
    children: ['Scope*', 'Latency*', 'PlaybackRate*', 'OperatingQuality*', 'OperatingBandwidth*'],
  },
  Scope: DESCRIPTOR,
  Latency: {
    attributes: { referenceId: UINT, target: UINT, max: UINT, min: UINT },
    children: ['QualityLatency*'],
  },
  PlaybackRate: { attributes: { max: DOUBLE, min: DOUBLE }, children: [] },
  Period: {
    attributes: { id: STRING, start: DURATION, duration: DURATION, bitstreamSwitching: BOOL },
    children: [
      'BaseURL*',
      'SegmentBase?',
      'SegmentList?',
      'SegmentTemplate?',
      'AssetIdentifier?',
      'EventStream*',
      'ServiceDescription*',
      'ContentProtection*',
      'AdaptationSet*',
      'Subset*',
      'SupplementalProperty*',
      'EmptyAdaptationSet*',
      'GroupLabel*',
      'Preselection*',
    ],
  },
  AdaptationSet: {
    attributes: {
      ...COMMON_ATTRIBUTES,
      id: UINT,
      group: UINT,
      lang: LANGUAGE,
      contentType: /^(video|audio|text|image|font|application)$/,
      par: RATIO,
      minBandwidth: UINT,
      maxBandwidth: UINT,
      minWidth: UINT,
      maxWidth: UINT,
      minHeight: UINT,
      maxHeight: UINT,
      minFrameRate: FRAME_RATE,
      maxFrameRate: FRAME_RATE,
      segmentAlignment: BOOL,
      subsegmentAlignment: BOOL,
      subsegmentStartsWithSAP: SAP,
      bitstreamSwitching: BOOL,
      initializationSetRef: STRING,
      initializationPrincipal: STRING,
    },
    children: [
      ...COMMON_CHILDREN,
      'Accessibility*',
      'Role*',
      'Rating*',
      'Viewpoint*',
      'ContentComponent*',
      'BaseURL*',
      'SegmentBase?',
      'SegmentList?',
      'SegmentTemplate?',
      'Representation*',
    ],
  },
  Representation: {
    attributes: {
      ...COMMON_ATTRIBUTES,
      '!id': TOKEN,
      '!bandwidth': UINT,
      qualityRanking: UINT,
      dependencyId: STRING,
      associationId: STRING,
      associationType: STRING,
      mediaStreamStructureId: STRING,
    },
    children: [
      ...COMMON_CHILDREN,
      'BaseURL*',
      'ExtendedBandwidth*',
      'SubRepresentation*',
      'SegmentBase?',
      'SegmentList?',
      'SegmentTemplate?',
    ],
  },
  SegmentTemplate: {
    attributes: {
      ...SEGMENT_BASE,
      duration: UINT,
      startNumber: UINT,
      endNumber: UINT,
      media: TOKEN,
      index: TOKEN,
      initialization: TOKEN,
      bitstreamSwitching: TOKEN,
    },
    children: [
      'Initialization?',
      'RepresentationIndex?',
      'FailoverContent?',
      'SegmentTimeline?',
      'BitstreamSwitching?',
    ],
  },
  SegmentTimeline: { attributes: {}, children: ['S+'] },
  S: { attributes: { t: UINT, n: UINT, '!d': UINT, r: INT, k: UINT }, children: [] },
  ProducerReferenceTime: {
    attributes: {
      '!id': UINT,
      inband: BOOL,
      type: /^(encoder|captured|application)$/,
      applicationScheme: STRING,
      '!wallClockTime': STRING,
      '!presentationTime': UINT,
    },
    children: ['UTCTiming?'],
  },
  Resync: { attributes: { type: SAP, dT: UINT, dImax: DOUBLE, dImin: DOUBLE, marker: BOOL }, children: [] },
  Label: { attributes: { id: UINT, lang: LANGUAGE }, children: [], text: STRING },
  GroupLabel: { attributes: { id: UINT, lang: LANGUAGE }, children: [], text: STRING },
  LeapSecondInformation: {
    attributes: {
      '!availabilityStartLeapOffset': INT,
      nextAvailabilityStartLeapOffset: INT,
      nextLeapChangeTime: DATE_TIME,
    },
    children: [],
  },
  UTCTiming: DESCRIPTOR,
  Role: DESCRIPTOR,
  Accessibility: DESCRIPTOR,
  Rating: DESCRIPTOR,
  Viewpoint: DESCRIPTOR,
  FramePacking: DESCRIPTOR,
  AudioChannelConfiguration: DESCRIPTOR,
  EssentialProperty: DESCRIPTOR,
  SupplementalProperty: DESCRIPTOR,
  InbandEventStream: DESCRIPTOR,
  AssetIdentifier: DESCRIPTOR,
};

/** Attributes of XML itself. */
const XML_ATTRIBUTE = /^(xmlns(:\w+)?|xsi:\w+|xlink:\w+|xml:\w+)$/;

/** Holds an element and all inside it against the schema. Elements of other namespaces are left alone. */
export function checkSchema(element: XmlElement, report: (text: string) => void): void {
  const schema = ELEMENTS[element.name];
  if (schema === undefined) {
    report(`element ${element.name} is not known`);
    return;
  }
  for (const { name, value } of element.attributes) {
    if (XML_ATTRIBUTE.test(name)) continue;
    const form = schema.attributes[name] ?? schema.attributes[`!${name}`];
    if (form === undefined) report(`${element.name} has an attribute ${name}`);
    else if (!form.test(value)) report(`${element.name}@${name} is '${value}'`);
  }
  for (const name of Object.keys(schema.attributes)) {
    if (name.startsWith('!') && !element.attributes.some((one) => one.name === name.slice(1)))
      report(`${element.name} has no ${name.slice(1)}`);
  }
  if (schema.text === undefined ? element.text !== '' : !schema.text.test(element.text))
    report(`${element.name} holds the text '${element.text.slice(0, 40)}'`);
  checkOrder(element, schema, report);
  for (const child of element.children) if (!child.name.includes(':')) checkSchema(child, report);
}

function checkOrder(element: XmlElement, schema: ElementSchema, report: (text: string) => void): void {
  const names = schema.children.map((one) => one.slice(0, -1));
  let last = -1;
  for (const { name } of element.children) {
    if (name.includes(':')) continue;
    const at = names.indexOf(name);
    if (at < 0) report(`${element.name} has a child ${name}`);
    else if (at < last) report(`${name} stands too late in ${element.name}`);
    else last = at;
  }
  for (const one of schema.children) {
    const name = one.slice(0, -1);
    const count = element.children.filter((child) => child.name === name).length;
    if (one.endsWith('?') && count > 1) report(`${element.name} has ${count} ${name}`);
    if (one.endsWith('+') && count === 0) report(`${element.name} has no ${name}`);
  }
}
