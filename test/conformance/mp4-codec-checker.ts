/**
 * The codec's part of the MP4 checker: sample entries with their configuration boxes (ISO/IEC 14496-12 8.5.2,
 * 14496-14, 14496-15, the AV1, VP, Opus and FLAC bindings, ETSI TS 102 366 annex F), and what a sample's own bytes say
 * about key frames. Shares no code with our writer or parsers.
 */
import { type Box, BoxFields, type Report, readBoxes } from './mp4-boxes.ts';

export interface CheckedEntry {
  readonly format: string;
  /** NAL unit lengths of this many bytes; 0 = the samples have none. */
  readonly nalLengthBytes: number;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly sampleRate: number;
}

const VIDEO: Readonly<Record<string, string>> = {
  avc1: 'avcC',
  avc3: 'avcC',
  hvc1: 'hvcC',
  hev1: 'hvcC',
  av01: 'av1C',
  vp08: 'vpcC',
  vp09: 'vpcC',
};
const AUDIO: Readonly<Record<string, string>> = {
  mp4a: 'esds',
  Opus: 'dOps',
  fLaC: 'dfLa',
  'ac-3': 'dac3',
  'ec-3': 'dec3',
};
const MORE_VIDEO_BOXES = ['pasp', 'colr', 'btrt', 'fiel', 'clap', 'mdcv', 'clli', 'SmDm', 'CoLL'];
const MORE_AUDIO_BOXES = ['btrt', 'chnl', 'srat'];
const NO_ENTRY: CheckedEntry = {
  format: '',
  nalLengthBytes: 0,
  width: 0,
  height: 0,
  channels: 0,
  sampleRate: 0,
};

/** One entry of `stsd`; `handler` is `vide` or `soun`. */
export function checkSampleEntry(
  bytes: Uint8Array,
  entry: Box,
  handler: string,
  report: Report,
): CheckedEntry {
  const isVideo = handler === 'vide';
  const configType = (isVideo ? VIDEO : AUDIO)[entry.type];
  if (configType === undefined) {
    report(`${entry.path} is no ${handler} sample entry`);
    return NO_ENTRY;
  }
  const fields = new BoxFields(bytes, entry, report, false);
  if (!fields.isZero(6)) report(`${entry.path}: reserved bytes are not 0`);
  if (fields.u16() !== 1) report(`${entry.path}: data reference is not 1`);
  let width = 0;
  let height = 0;
  let channels = 0;
  let sampleRate = 0;
  if (isVideo) {
    if (!fields.isZero(16)) report(`${entry.path}: reserved bytes are not 0`);
    width = fields.u16();
    height = fields.u16();
    if (width === 0 || height === 0) report(`${entry.path}: picture of ${width} x ${height}`);
    if (fields.u32() !== 0x48_0000 || fields.u32() !== 0x48_0000) report(`${entry.path}: not 72 dpi`);
    fields.take(4);
    if (fields.u16() !== 1) report(`${entry.path}: not one frame per sample`);
    if ((fields.take(32)[0] ?? 0) > 31) report(`${entry.path}: compressor name`);
    if (fields.u16() !== 24) report(`${entry.path}: depth is not 24`);
    if (fields.u16() !== 0xffff) report(`${entry.path}: pre_defined is not -1`);
  } else {
    if (!fields.isZero(8)) report(`${entry.path}: reserved bytes are not 0`);
    channels = fields.u16();
    if (channels === 0) report(`${entry.path}: no channels`);
    if (fields.u16() !== 16) report(`${entry.path}: sample size is not 16`);
    fields.take(4);
    sampleRate = fields.u32() / 0x1_0000;
  }
  const boxes = readBoxes(bytes, fields.position, entry.end, entry.path, report);
  const more = isVideo ? MORE_VIDEO_BOXES : MORE_AUDIO_BOXES;
  for (const { type, path } of boxes)
    if (type !== configType && !more.includes(type)) report(`${path} does not belong here`);
  const config = boxes.find((box) => box.type === configType);
  if (config === undefined) {
    report(`${entry.path} has no ${configType}`);
    return { ...NO_ENTRY, format: entry.type, width, height, channels, sampleRate };
  }
  const nalLengthBytes = checkConfig(bytes, config, entry.type, { channels, sampleRate }, report);
  return { format: entry.type, nalLengthBytes, width, height, channels, sampleRate };
}

/** Checks the configuration box; returns the size of NAL unit lengths. */
function checkConfig(
  bytes: Uint8Array,
  box: Box,
  format: string,
  sound: { readonly channels: number; readonly sampleRate: number },
  report: Report,
): number {
  const isFull = ['vpcC', 'esds', 'dfLa'].includes(box.type);
  const fields = new BoxFields(bytes, box, report, isFull);
  const wrong = (what: string) => report(`${box.path}: ${what}`);
  let nalLengthBytes = 0;
  switch (box.type) {
    case 'avcC': {
      if (fields.u8() !== 1) wrong('version is not 1');
      fields.take(3);
      nalLengthBytes = (fields.u8() & 3) + 1;
      for (const [name, mask, type] of [
        ['sequence', 0x1f, 7],
        ['picture', 0xff, 8],
      ] as const) {
        const count = fields.u8() & mask;
        if (count === 0 && format === 'avc1') wrong(`no ${name} parameter set`);
        for (let i = 0; i < count; i++)
          if ((fields.take(fields.u16())[0]! & 0x1f) !== type) wrong(`no ${name} parameter set in its place`);
      }
      // Chroma format and depths of the high profiles.
      fields.rest();
      break;
    }
    case 'hvcC': {
      if (fields.u8() !== 1) wrong('version is not 1');
      fields.take(20);
      nalLengthBytes = (fields.u8() & 3) + 1;
      const seen = new Set<number>();
      for (let arrays = fields.u8(); arrays > 0; arrays--) {
        const type = fields.u8() & 0x3f;
        seen.add(type);
        for (let count = fields.u16(); count > 0; count--)
          if (((fields.take(fields.u16())[0]! >> 1) & 0x3f) !== type) wrong('NAL unit in the wrong array');
      }
      if (format === 'hvc1')
        for (const type of [32, 33, 34]) if (!seen.has(type)) wrong(`no NAL unit of type ${type}`);
      break;
    }
    case 'av1C':
      if (fields.u8() !== 0x81) wrong('marker and version are not 1');
      fields.take(3);
      fields.rest();
      break;
    case 'vpcC':
      fields.versions(1);
      fields.take(6);
      if (fields.u16() !== 0) wrong('codec initialization data');
      break;
    case 'esds':
      checkDescriptors(fields, wrong);
      break;
    case 'dOps': {
      if (fields.u8() !== 0) wrong('version is not 0');
      const channels = fields.u8();
      if (channels !== sound.channels) wrong(`${channels} channels, the sample entry says ${sound.channels}`);
      fields.take(2 + 4 + 2);
      if (fields.u8() !== 0) fields.take(2 + channels);
      if (sound.sampleRate !== 48_000) wrong('the sample entry of Opus does not say 48000 Hz');
      break;
    }
    case 'dfLa':
      fields.versions(0);
      if ((fields.u8() & 0x7f) !== 0) wrong('does not begin with STREAMINFO');
      if (fields.u24() !== 34) wrong('STREAMINFO is not 34 bytes');
      fields.rest();
      break;
    case 'dac3':
      fields.take(3);
      break;
    case 'dec3':
      fields.take(2);
      if (fields.rest().length < 3) wrong('no substream');
      break;
  }
  fields.finish();
  return nalLengthBytes;
}

const OBJECT_TYPES_AAC = [0x40, 0x66, 0x67, 0x68];

/** ES_Descriptor, ISO/IEC 14496-1 7.2.6.5. */
function checkDescriptors(fields: BoxFields, wrong: Report): void {
  const size = () => {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = fields.u8();
      value = (value << 7) | (byte & 0x7f);
      if (byte < 0x80) break;
    }
    return value;
  };
  const expect = (tag: number, what: string) => {
    if (fields.u8() !== tag) wrong(`no ${what}`);
    return size();
  };
  const whole = expect(3, 'ES descriptor');
  if (whole !== fields.remaining) wrong(`ES descriptor of ${whole} bytes where ${fields.remaining} are`);
  fields.take(2);
  if ((fields.u8() & 0xe0) !== 0) wrong('ES descriptor with options');
  const config = expect(4, 'decoder configuration');
  const object = fields.u8();
  if (fields.u8() >> 2 !== 5) wrong('stream type is not audio');
  fields.take(11);
  if (OBJECT_TYPES_AAC.includes(object)) {
    const bytes = fields.take(expect(5, 'AudioSpecificConfig'));
    if (bytes.length < 2 || bytes[0]! >> 3 === 0) wrong('AudioSpecificConfig says nothing');
  } else if (object === 0x6b || object === 0x69) {
    if (config !== 13) fields.take(expect(5, 'decoder specific information'));
  } else wrong(`object type 0x${object.toString(16)}`);
  const layer = expect(6, 'SL descriptor');
  if (layer !== 1 || fields.u8() !== 2) wrong('SL descriptor is not the one of MP4');
}

/** What the bytes of a sample say: whether a decoder can begin here; undefined = the codec's bytes do not tell. */
export function sampleIsKey(
  format: string,
  nalLengthBytes: number,
  sample: Uint8Array,
  report: Report,
): boolean | undefined {
  switch (format) {
    case 'avc1':
    case 'avc3':
      return nalTypes(sample, nalLengthBytes, report).some((header) => (header & 0x1f) === 5);
    case 'hvc1':
    case 'hev1': {
      const types = nalTypes(sample, nalLengthBytes, report).map((header) => (header >> 1) & 0x3f);
      return types.some((type) => type >= 16 && type <= 23);
    }
    case 'av01':
      return checkObus(sample, report);
    case 'vp09':
      return vp9IsKey(sample);
    default:
      return undefined;
  }
}

/** First bytes of the NAL units, which must fill the sample. */
function nalTypes(sample: Uint8Array, lengthBytes: number, report: Report): number[] {
  const headers: number[] = [];
  let at = 0;
  while (at < sample.length) {
    if (at + lengthBytes >= sample.length) {
      report('NAL unit without bytes');
      break;
    }
    let size = 0;
    for (let i = 0; i < lengthBytes; i++) size = size * 256 + sample[at + i]!;
    at += lengthBytes;
    if (size === 0 || at + size > sample.length) {
      report(`NAL unit of ${size} bytes where ${sample.length - at} are`);
      break;
    }
    headers.push(sample[at]!);
    at += size;
  }
  return headers;
}

/** OBUs that fill the sample, none of them a temporal delimiter; true when a sequence header is among them. */
function checkObus(sample: Uint8Array, report: Report): boolean {
  let hasSequence = false;
  for (let at = 0; at < sample.length; ) {
    const header = sample[at]!;
    const type = (header >> 3) & 15;
    if ((header & 0x80) !== 0) report('OBU with the forbidden bit');
    if (type === 2) report('temporal delimiter in a sample');
    if (type === 1) hasSequence = true;
    at += (header & 4) !== 0 ? 2 : 1;
    // The last one may go without a size.
    if ((header & 2) === 0) break;
    let size = 0;
    let shift = 0;
    for (; at < sample.length; shift += 7) {
      const byte = sample[at++]!;
      size += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += size;
    if (at > sample.length) report('OBU goes over the end of the sample');
  }
  return hasSequence;
}

function vp9IsKey(sample: Uint8Array): boolean {
  const first = sample[0] ?? 0;
  const profile = ((first >> 5) & 1) | ((first >> 3) & 2);
  const bits = profile === 3 ? first << 1 : first;
  const showExisting = (bits >> 3) & 1;
  return showExisting === 0 && ((bits >> 2) & 1) === 0;
}
