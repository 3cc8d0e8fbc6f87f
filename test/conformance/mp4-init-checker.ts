/** The initialization section's part of the MP4 checker: ISO/IEC 14496-12 8, ISO/IEC 23000-19 7.3 (CMAF header). */
import { type Box, BoxFields, checkChildren, onlyChild, type Report, readBoxes } from './mp4-boxes.ts';
import { type CheckedEntry, checkSampleEntry } from './mp4-codec-checker.ts';

export interface CheckedTrack extends CheckedEntry {
  readonly id: number;
  /** `vide` or `soun`. */
  readonly handler: string;
  /** Ticks per second. */
  readonly timescale: number;
  /** Three letters. */
  readonly language: string;
  /** Of the one edit, ticks; 0 = none. */
  readonly editMediaTime: number;
  /** Defaults of `trex`. */
  readonly defaultDuration: number;
  readonly defaultSize: number;
  readonly defaultFlags: number;
}

/** A brand that allows data offsets from the fragment and signed composition offsets. */
const FRAGMENT_BRANDS = ['iso5', 'iso6', 'iso7', 'iso8', 'iso9', 'cmfc', 'cmf2'];
const UNITY = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/** Tracks by id. */
export function checkInit(bytes: Uint8Array, report: Report): Map<number, CheckedTrack> {
  const tracks = new Map<number, CheckedTrack>();
  const boxes = readBoxes(bytes, 0, bytes.length, '', report);
  const [first, second] = boxes;
  if (first?.type !== 'ftyp') report('does not begin with ftyp');
  else checkBrands(bytes, first, report);
  if (second?.type !== 'moov') report('moov does not follow ftyp');
  for (const { type } of boxes.slice(2)) if (type !== 'free') report(`${type} behind moov`);
  if (second?.type !== 'moov') return tracks;
  checkChildren(second, ['mvhd', 'trak+', 'mvex', 'udta?', 'meta?'], report);
  const nextId = checkMovieHeader(bytes, second, report);
  const defaults = checkExtends(bytes, second, report);
  for (const box of second.children) {
    if (box.type !== 'trak') continue;
    const track = checkTrack(bytes, box, defaults, report);
    if (track === null) continue;
    if (tracks.has(track.id)) report(`track ${track.id} twice`);
    if (nextId !== 0xffff_ffff && track.id >= nextId)
      report(`next track id ${nextId} is not above ${track.id}`);
    tracks.set(track.id, track);
    defaults.delete(track.id);
  }
  for (const id of defaults.keys()) report(`trex of track ${id}, which is not there`);
  return tracks;
}

function checkBrands(bytes: Uint8Array, box: Box, report: Report): void {
  const fields = new BoxFields(bytes, box, report, false);
  fields.fourCc();
  fields.u32();
  const brands: string[] = [];
  while (fields.remaining >= 4) brands.push(fields.fourCc());
  fields.finish();
  if (!brands.some((brand) => FRAGMENT_BRANDS.includes(brand)))
    report(`none of the brands ${brands.join(' ')} allows such fragments`);
}

function checkMatrix(fields: BoxFields, report: Report): void {
  if (UNITY.some((value) => fields.u32() !== value)) report(`${fields.box.path}: matrix is not unity`);
}

/** Returns the next track id. */
function checkMovieHeader(bytes: Uint8Array, moov: Box, report: Report): number {
  const box = onlyChild(moov, 'mvhd', () => {});
  if (box === null) return 0xffff_ffff;
  const fields = new BoxFields(bytes, box, report);
  fields.versions(0, 1);
  fields.time();
  fields.time();
  if (fields.u32() === 0) report(`${box.path}: timescale is 0`);
  if (fields.time() !== 0) report(`${box.path}: duration of a fragmented file is not 0`);
  if (fields.u32() !== 0x1_0000) report(`${box.path}: rate is not 1`);
  fields.u16();
  if (!fields.isZero(10)) report(`${box.path}: reserved bytes are not 0`);
  checkMatrix(fields, report);
  fields.take(24);
  const nextId = fields.u32();
  fields.finish();
  return nextId;
}

interface Defaults {
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

function checkExtends(bytes: Uint8Array, moov: Box, report: Report): Map<number, Defaults> {
  const defaults = new Map<number, Defaults>();
  const mvex = moov.children.find(({ type }) => type === 'mvex');
  if (mvex === undefined) return defaults;
  checkChildren(mvex, ['mehd?', 'trex+', 'trep*'], report);
  for (const box of mvex.children) {
    if (box.type !== 'trex') continue;
    const fields = new BoxFields(bytes, box, report);
    fields.versions(0);
    const id = fields.u32();
    if (fields.u32() !== 1) report(`${box.path}: default sample description is not 1`);
    if (defaults.has(id)) report(`${box.path} of track ${id} twice`);
    defaults.set(id, { duration: fields.u32(), size: fields.u32(), flags: fields.u32() });
    fields.finish();
  }
  return defaults;
}

function checkTrack(
  bytes: Uint8Array,
  trak: Box,
  defaults: ReadonlyMap<number, Defaults>,
  report: Report,
): CheckedTrack | null {
  checkChildren(trak, ['tkhd', 'tref?', 'edts?', 'mdia', 'udta?', 'meta?'], report);
  const header = trak.children.find(({ type }) => type === 'tkhd');
  const mdia = trak.children.find(({ type }) => type === 'mdia');
  if (header === undefined || mdia === undefined) return null;
  checkChildren(mdia, ['mdhd', 'hdlr', 'elng?', 'minf'], report);
  const [mdhd, hdlr, minf] = ['mdhd', 'hdlr', 'minf'].map((type) =>
    mdia.children.find((box) => box.type === type),
  );
  if (mdhd === undefined || hdlr === undefined || minf === undefined) return null;
  const handler = checkHandler(bytes, hdlr, report);
  const { id, width, height } = checkTrackHeader(bytes, header, handler, report);
  const media = checkMediaHeader(bytes, mdhd, report);
  const entry = checkMediaInformation(bytes, minf, handler, report);
  if (handler === 'vide' && (width === 0 || height === 0)) report(`${header.path}: video of no size`);
  const trex = defaults.get(id);
  if (trex === undefined) report(`track ${id} has no trex`);
  const { duration = 0, size = 0, flags = 0 } = trex ?? {};
  return {
    ...entry,
    ...media,
    id,
    handler,
    editMediaTime: checkEdits(bytes, trak, report),
    defaultDuration: duration,
    defaultSize: size,
    defaultFlags: flags,
  };
}

function checkTrackHeader(bytes: Uint8Array, box: Box, handler: string, report: Report) {
  const fields = new BoxFields(bytes, box, report);
  fields.versions(0, 1);
  if ((fields.flags & 1) === 0) report(`${box.path}: the track is not enabled`);
  fields.time();
  fields.time();
  const id = fields.u32();
  if (id === 0) report(`${box.path}: track id 0`);
  if (fields.u32() !== 0) report(`${box.path}: reserved bytes are not 0`);
  if (fields.time() !== 0) report(`${box.path}: duration of a fragmented file is not 0`);
  if (!fields.isZero(8)) report(`${box.path}: reserved bytes are not 0`);
  fields.take(4);
  const volume = fields.u16();
  if (volume !== (handler === 'soun' ? 0x100 : 0))
    report(`${box.path}: volume ${volume / 256} of ${handler}`);
  fields.take(2);
  checkMatrix(fields, report);
  const width = fields.u32();
  const height = fields.u32();
  fields.finish();
  return { id, width, height };
}

function checkMediaHeader(bytes: Uint8Array, box: Box, report: Report) {
  const fields = new BoxFields(bytes, box, report);
  fields.versions(0, 1);
  fields.time();
  fields.time();
  const timescale = fields.u32();
  if (timescale === 0) report(`${box.path}: timescale is 0`);
  if (fields.time() !== 0) report(`${box.path}: duration of a fragmented file is not 0`);
  const packed = fields.u16();
  const language = [10, 5, 0].map((shift) => String.fromCharCode(((packed >> shift) & 31) + 0x60)).join('');
  if (!/^[a-z]{3}$/.test(language)) report(`${box.path}: language ${packed}`);
  fields.take(2);
  fields.finish();
  return { timescale, language };
}

function checkHandler(bytes: Uint8Array, box: Box, report: Report): string {
  const fields = new BoxFields(bytes, box, report);
  fields.versions(0);
  if (fields.u32() !== 0) report(`${box.path}: pre_defined is not 0`);
  const handler = fields.fourCc();
  if (handler !== 'vide' && handler !== 'soun') report(`${box.path}: handler ${handler}`);
  if (!fields.isZero(12)) report(`${box.path}: reserved bytes are not 0`);
  if (fields.rest().at(-1) !== 0) report(`${box.path}: name does not end with 0`);
  fields.finish();
  return handler;
}

function checkMediaInformation(bytes: Uint8Array, minf: Box, handler: string, report: Report): CheckedEntry {
  const header = handler === 'vide' ? 'vmhd' : 'smhd';
  checkChildren(minf, [header, 'dinf', 'stbl'], report);
  const head = minf.children.find(({ type }) => type === header);
  if (head !== undefined) {
    const fields = new BoxFields(bytes, head, report);
    fields.versions(0);
    if (handler === 'vide' && fields.flags !== 1) report(`${head.path}: flags are not 1`);
    fields.take(handler === 'vide' ? 8 : 4);
    fields.finish();
  }
  const dinf = minf.children.find(({ type }) => type === 'dinf');
  const dref = dinf === undefined ? null : onlyChild(dinf, 'dref', report);
  if (dref !== null) {
    const fields = new BoxFields(bytes, dref, report);
    if (fields.u32() !== 1) report(`${dref.path}: not one data reference`);
    const [url] = readBoxes(bytes, fields.position, dref.end, dref.path, report);
    if (url?.type !== 'url ' || bytes[url.body + 3] !== 1)
      report(`${dref.path}: the samples are not in this file`);
  }
  const stbl = minf.children.find(({ type }) => type === 'stbl');
  const none = { format: '', nalLengthBytes: 0, width: 0, height: 0, channels: 0, sampleRate: 0 };
  return stbl === undefined ? none : (checkSampleTable(bytes, stbl, handler, report) ?? none);
}

function checkSampleTable(
  bytes: Uint8Array,
  stbl: Box,
  handler: string,
  report: Report,
): CheckedEntry | null {
  for (const type of ['stsd', 'stts', 'stsc', 'stsz', 'stco']) onlyChild(stbl, type, report);
  for (const box of stbl.children) {
    if (box.type === 'stsd' || box.type === 'sgpd') continue;
    if (!['stts', 'stsc', 'stsz', 'stco', 'stss', 'ctts', 'sdtp'].includes(box.type))
      report(`${box.path} in a fragmented file`);
    const fields = new BoxFields(bytes, box, report);
    if (fields.rest().some((byte) => byte !== 0)) report(`${box.path} is not empty`);
  }
  const stsd = stbl.children.find(({ type }) => type === 'stsd');
  if (stsd === undefined) return null;
  const fields = new BoxFields(bytes, stsd, report);
  const count = fields.u32();
  const entries = readBoxes(bytes, fields.position, stsd.end, stsd.path, report);
  if (count !== 1 || entries.length !== 1)
    report(`${stsd.path}: says ${count} entries, has ${entries.length}`);
  return entries[0] === undefined ? null : checkSampleEntry(bytes, entries[0], handler, report);
}

/** At most one edit at the speed of 1 (ISO/IEC 23000-19 7.5.13). Returns where it begins. */
function checkEdits(bytes: Uint8Array, trak: Box, report: Report): number {
  const edts = trak.children.find(({ type }) => type === 'edts');
  const elst = edts === undefined ? null : onlyChild(edts, 'elst', report);
  if (elst === null) return 0;
  const fields = new BoxFields(bytes, elst, report);
  fields.versions(0, 1);
  const count = fields.u32();
  if (count !== 1) report(`${elst.path}: ${count} edits`);
  if (fields.time() !== 0) report(`${elst.path}: the edit of a fragmented file has a duration`);
  const mediaTime = fields.version === 1 ? fields.u64() : fields.i32();
  if (mediaTime < 0 || mediaTime >= 2 ** 63) report(`${elst.path}: empty edit`);
  if (fields.u32() !== 0x1_0000) report(`${elst.path}: rate is not 1`);
  if (count === 1) fields.finish();
  return mediaTime;
}
