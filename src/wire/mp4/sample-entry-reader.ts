/**
 * Sample entries as files have them, to codec configs: ISO/IEC 14496-12 8.5.2, 14496-15 (avc1, avc3, hvc1, hev1),
 * 14496-14 (mp4a), AV1-ISOBMFF (av01), the VP codec binding (vp08, vp09), ETSI TS 102 366 annex F (ac-3, ec-3), Opus
 * and FLAC in ISOBMFF, and the sound descriptions of QuickTime (versions 1 and 2, `wave`).
 * Leaves out, by name: encrypted tracks, PCM and every other codec.
 */
import { type CodecConfig, makeCodecConfig } from '../../codec/codec-config.ts';
import { CODECS, type CodecId } from '../../codec/codec-id.ts';
import { configFromRecord, nalLengthSize } from '../../codec/describe-config.ts';
import { parseOpusHead, serializeOpusHead } from '../../codec/opus.ts';
import { ByteReader } from '../../util/byte-reader.ts';
import { ProtocolError } from '../../util/errors.ts';
import { BoxCursor, findBox, printable } from './box-reader.ts';
import { MAX_DESCRIPTIONS } from './sample-table.ts';

const BAD_ENTRY = 'mp4.bad-sample-entry';
const VIDEO_ENTRY_BYTES = 78;
const AUDIO_ENTRY_BYTES = 28;
/** What QuickTime's sound descriptions of version 1 and 2 have more. */
const QUICKTIME_1_BYTES = 16;
const QUICKTIME_2_BYTES = 36;
const NO_RECORD = new Uint8Array(0);

interface EntryKind {
  readonly codec: CodecId;
  /** Box of the decoder configuration; '' = none. */
  readonly box: string;
}

const KINDS: Readonly<Record<string, EntryKind>> = {
  avc1: { codec: 'h264', box: 'avcC' },
  avc3: { codec: 'h264', box: 'avcC' },
  hvc1: { codec: 'h265', box: 'hvcC' },
  hev1: { codec: 'h265', box: 'hvcC' },
  dvh1: { codec: 'h265', box: 'hvcC' },
  dvhe: { codec: 'h265', box: 'hvcC' },
  av01: { codec: 'av1', box: 'av1C' },
  vp08: { codec: 'vp8', box: '' },
  vp09: { codec: 'vp9', box: 'vpcC' },
  mp4a: { codec: 'aac', box: 'esds' },
  '.mp3': { codec: 'mp3', box: '' },
  'ac-3': { codec: 'ac3', box: 'dac3' },
  'ec-3': { codec: 'eac3', box: 'dec3' },
  Opus: { codec: 'opus', box: 'dOps' },
  fLaC: { codec: 'flac', box: 'dfLa' },
};

const ENCRYPTED: ReadonlySet<string> = new Set(['encv', 'enca', 'drms', 'drmi', 'p608']);

/** objectTypeIndication of ISO/IEC 14496-1 table 5. */
const OBJECT_CODECS: ReadonlyMap<number, CodecId> = new Map([
  [0x40, 'aac'],
  [0x66, 'aac'],
  [0x67, 'aac'],
  [0x68, 'aac'],
  [0x69, 'mp3'],
  [0x6b, 'mp3'],
  [0xa5, 'ac3'],
  [0xa6, 'eac3'],
]);

export interface SampleEntry {
  /** Null when the samples cannot be used; then `reason` is a sentence that says why. */
  readonly config: CodecConfig | null;
  readonly reason: string;
  /** For H.264 and H.265: bytes of a NAL unit's length in the samples. */
  readonly lengthSize: number;
}

/** The entries of an `stsd` box, given its contents. Throws ProtocolError when the box is broken. */
export function parseSampleEntries(contents: Uint8Array, handler: string): SampleEntry[] {
  if (contents.length < 8) throw new ProtocolError(BAD_ENTRY, 'sample descriptions cut off');
  const entries: SampleEntry[] = [];
  const boxes = new BoxCursor(contents, 8);
  while (entries.length < MAX_DESCRIPTIONS && boxes.advance()) {
    entries.push(readEntry(boxes.type, contents.subarray(boxes.start, boxes.end), handler));
  }
  return entries;
}

function leftOut(reason: string): SampleEntry {
  return { config: null, reason, lengthSize: 4 };
}

function readEntry(type: string, entry: Uint8Array, handler: string): SampleEntry {
  const what = handler === 'vide' ? 'The video' : handler === 'soun' ? 'The sound' : 'A track';
  if (ENCRYPTED.has(type)) return leftOut(`${what} of this file is encrypted.`);
  const kind = KINDS[type];
  if (kind === undefined)
    return leftOut(`${what} is coded as "${printable(type)}", which Sluice does not know.`);
  try {
    return CODECS[kind.codec].kind === 'video' ? readVideo(kind, entry) : readAudio(kind, entry);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return leftOut(`${what} has a broken description (${error.message}).`);
  }
}

function readVideo({ codec, box }: EntryKind, entry: Uint8Array): SampleEntry {
  if (entry.length < VIDEO_ENTRY_BYTES) throw new ProtocolError(BAD_ENTRY, `${entry.length} bytes`);
  const size = { width: (entry[24]! << 8) | entry[25]!, height: (entry[26]! << 8) | entry[27]! };
  const record = box === '' ? NO_RECORD : (findBox(entry, box, VIDEO_ENTRY_BYTES) ?? NO_RECORD);
  if (codec === 'vp8')
    return { config: makeCodecConfig('vp8', NO_RECORD, 'vp8', size), reason: '', lengthSize: 4 };
  const isNal = codec === 'h264' || codec === 'h265';
  if (!isNal) return { config: configFromRecord(codec, record), reason: '', lengthSize: 4 };
  const lengthSize = nalLengthSize(codec, record);
  try {
    return { config: configFromRecord(codec, record), reason: '', lengthSize };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    // avc3 and hev1 may have their parameter sets in the samples alone.
    return { config: makeCodecConfig(codec, NO_RECORD, ''), reason: '', lengthSize };
  }
}

function readAudio(kind: EntryKind, entry: Uint8Array): SampleEntry {
  if (entry.length < AUDIO_ENTRY_BYTES) throw new ProtocolError(BAD_ENTRY, `${entry.length} bytes`);
  const version = (entry[8]! << 8) | entry[9]!;
  const more = version === 1 ? QUICKTIME_1_BYTES : version === 2 ? QUICKTIME_2_BYTES : 0;
  // Some writers say version 1 and do not follow it: then the boxes begin right away.
  const start = findsBox(entry, AUDIO_ENTRY_BYTES + more) ? AUDIO_ENTRY_BYTES + more : AUDIO_ENTRY_BYTES;
  const { codec, record } = audioRecord(kind, entry, start);
  return { config: configFromRecord(codec, record), reason: '', lengthSize: 4 };
}

function findsBox(entry: Uint8Array, at: number): boolean {
  return at <= entry.length && (entry.length - at < 8 || new BoxCursor(entry, at).advance());
}

function audioRecord(
  kind: EntryKind,
  entry: Uint8Array,
  start: number,
): { codec: CodecId; record: Uint8Array } {
  const { codec, box } = kind;
  if (box === '') return { codec, record: NO_RECORD };
  let contents = findBox(entry, box, start);
  if (contents === null) {
    // QuickTime keeps it one level deeper.
    const wave = findBox(entry, 'wave', start);
    contents = wave === null ? null : findBox(wave, box);
  }
  if (contents === null) throw new ProtocolError(BAD_ENTRY, `no ${box}`);
  switch (box) {
    case 'esds':
      return readElementaryStream(contents);
    case 'dOps':
      return { codec, record: opusHeadOf(contents) };
    case 'dfLa':
      return { codec, record: contents.subarray(4) };
    default:
      return { codec, record: contents };
  }
}

const TAG_ES = 3;
const TAG_DECODER_CONFIG = 4;
const TAG_DECODER_SPECIFIC = 5;

/** `esds`: ISO/IEC 14496-14 5.6 with the descriptors of ISO/IEC 14496-1 7.2.6. */
function readElementaryStream(contents: Uint8Array): { codec: CodecId; record: Uint8Array } {
  const reader = new ByteReader(contents, BAD_ENTRY);
  reader.skip(4);
  if (reader.u8() !== TAG_ES) throw new ProtocolError(BAD_ENTRY, 'esds without an elementary stream');
  readDescriptorLength(reader);
  reader.skip(2);
  const flags = reader.u8();
  if ((flags & 0x80) !== 0) reader.skip(2); // dependsOn_ES_ID
  if ((flags & 0x40) !== 0) reader.skip(reader.u8()); // URL
  if ((flags & 0x20) !== 0) reader.skip(2); // OCR_ES_ID
  if (reader.u8() !== TAG_DECODER_CONFIG) throw new ProtocolError(BAD_ENTRY, 'esds without a decoder config');
  readDescriptorLength(reader);
  const objectType = reader.u8();
  const codec = OBJECT_CODECS.get(objectType);
  if (codec === undefined) throw new ProtocolError(BAD_ENTRY, `sound of object type ${objectType}`);
  reader.skip(12);
  if (codec !== 'aac') return { codec, record: NO_RECORD };
  if (reader.u8() !== TAG_DECODER_SPECIFIC) throw new ProtocolError(BAD_ENTRY, 'AAC without its config');
  return { codec, record: reader.view(readDescriptorLength(reader)) };
}

/** Seven bits a byte, four bytes at most. */
function readDescriptorLength(reader: ByteReader): number {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    const byte = reader.u8();
    length = length * 128 + (byte & 0x7f);
    if ((byte & 0x80) === 0) break;
  }
  return length;
}

/** The fields of OpusHead, which `dOps` has in big-endian form. */
function opusHeadOf(contents: Uint8Array): Uint8Array {
  const reader = new ByteReader(contents, BAD_ENTRY);
  reader.skip(1);
  const channels = reader.u8();
  const preSkip = reader.u16();
  const inputRate = reader.u32();
  const outputGain = (reader.u16() << 16) >> 16;
  const mappingFamily = reader.u8();
  const mapping = mappingFamily === 0 ? NO_RECORD : reader.view(2 + channels);
  const head = { version: 1, channels, preSkip, inputRate, outputGain, mappingFamily, mapping };
  const record = serializeOpusHead(head);
  parseOpusHead(record); // for its checks
  return record;
}
