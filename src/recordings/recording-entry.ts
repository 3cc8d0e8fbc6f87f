/**
 * What the index knows of one recorded file or one gap, and how that stands in a line of JSON. Unknown fields and lines
 * of another shape are skipped by the reader, so that an index of another version, or a damaged one, still serves.
 */
import type { Track } from '../media/track.ts';

export type RecordingFormat = 'hls' | 'fmp4' | 'ts' | 'flv';

export interface RecordedTrack {
  readonly kind: string;
  readonly codec: string;
  /** RFC 6381, or ''. */
  readonly mime: string;
  readonly width: number;
  readonly height: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly language: string;
}

/** A piece of continuous time: a segment of a list, or one publishing session of a file that was continued. */
export interface RecordedPart {
  /** Relative to the folder of recordings. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /** Wall clock, milliseconds since 1970. */
  readonly startMs: number;
  readonly durationMs: number;
  /** Does not go on from the part before. */
  readonly discontinuity: boolean;
}

/** A place where decoding can begin. */
export interface RecordedKey {
  readonly offset: number;
  /** From the start of the file. */
  readonly atMs: number;
}

export interface RecordedFile {
  /** Relative to the folder of recordings, with `/`; of hls the list. Its name among all recordings. */
  readonly file: string;
  /** `app/name` of the stream. */
  readonly stream: string;
  /** Name of the recording. */
  readonly recording: string;
  readonly format: RecordingFormat;
  /** Wall clock of the first frame, milliseconds since 1970. */
  readonly startMs: number;
  /** Start and the length of the media. */
  readonly endMs: number;
  /** With all parts. */
  readonly bytes: number;
  /** Empty when the entry was made from the file's name alone. */
  readonly tracks: readonly RecordedTrack[];
  /** Empty where the file is one piece. */
  readonly parts: readonly RecordedPart[];
  /** In the file (not of hls, whose parts begin so); thinned out when there are very many. */
  readonly keys: readonly RecordedKey[];
  /** It is being written; then it is not in the index on disk yet. */
  readonly open: boolean;
}

export interface RecordedGap {
  readonly stream: string;
  readonly recording: string;
  readonly startMs: number;
  /** NaN while it lasts. */
  readonly endMs: number;
  readonly cause: string;
}

export type IndexLine =
  | { readonly kind: 'file'; readonly file: RecordedFile }
  | { readonly kind: 'gap'; readonly gap: RecordedGap }
  | { readonly kind: 'gone'; readonly name: string };

/** More places than this are thinned out to every second, again and again. */
const MAX_KEYS = 2000;
/** Longest line that is read; one with all keys and parts is far shorter. */
const MAX_LINE_CHARS = 1_000_000;

export function describeTracks(tracks: readonly Track[]): RecordedTrack[] {
  return tracks.map(({ kind, config, language }) => ({
    kind,
    codec: config.codec,
    mime: config.mime,
    width: config.width,
    height: config.height,
    sampleRate: config.sampleRate,
    channels: config.channels,
    language,
  }));
}

/** Appends a place; very long files keep fewer of them. */
export function addKey(keys: RecordedKey[], key: RecordedKey): void {
  keys.push(key);
  if (keys.length <= MAX_KEYS) return;
  const kept = keys.filter((_, index) => index % 2 === 0);
  keys.splice(0, keys.length, ...kept);
}

/** `2026-11-21`, local time. */
export function dayOf(ms: number): string {
  const date = new Date(ms);
  const pad = (value: number, digits: number) => String(value).padStart(digits, '0');
  return `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`;
}

export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text);
}

/** One line, without its end. */
export function serializeLine(line: IndexLine): string {
  if (line.kind === 'gone') return JSON.stringify({ k: 'gone', file: line.name });
  if (line.kind === 'gap') {
    const { recording, startMs, endMs, cause } = line.gap;
    return JSON.stringify({ k: 'gap', rec: recording, start: startMs, end: endMs, cause });
  }
  const { file, recording, format, startMs, endMs, bytes, tracks, parts, keys } = line.file;
  return JSON.stringify({
    k: 'file',
    file,
    rec: recording,
    format,
    start: startMs,
    end: endMs,
    bytes,
    tracks,
    ...(parts.length > 0 && {
      parts: parts.map((part) => [
        part.file,
        part.offset,
        part.bytes,
        part.startMs,
        part.durationMs,
        part.discontinuity ? 1 : 0,
      ]),
    }),
    ...(keys.length > 0 && { keys: keys.flatMap((key) => [key.offset, key.atMs]) }),
  });
}

/** Null for what is no line of an index. */
export function parseLine(text: string, stream: string): IndexLine | null {
  if (text.length > MAX_LINE_CHARS) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Readonly<Record<string, unknown>>;
  switch (fields['k']) {
    case 'gone':
      return typeof fields['file'] === 'string' ? { kind: 'gone', name: fields['file'] } : null;
    case 'gap':
      return parseGap(fields, stream);
    case 'file':
      return parseFile(fields, stream);
    default:
      return null;
  }
}

function parseGap(fields: Readonly<Record<string, unknown>>, stream: string): IndexLine | null {
  const { rec, start, end, cause } = fields;
  if (!isNumber(start) || !isNumber(end)) return null;
  return {
    kind: 'gap',
    gap: { stream, recording: String(rec ?? ''), startMs: start, endMs: end, cause: String(cause ?? '') },
  };
}

const FORMATS: readonly RecordingFormat[] = ['hls', 'fmp4', 'ts', 'flv'];

function parseFile(fields: Readonly<Record<string, unknown>>, stream: string): IndexLine | null {
  const { file, rec, start, end, bytes } = fields;
  const format = FORMATS.find((one) => one === fields['format']);
  if (!isPath(file) || format === undefined) return null;
  if (!isNumber(start) || !isNumber(end) || !isNumber(bytes)) return null;
  const parts = listOf(fields['parts']).flatMap((row): RecordedPart[] => {
    const [name, offset, size, startMs, durationMs, jump] = listOf(row);
    if (!isPath(name) || !isNumber(offset) || !isNumber(size) || !isNumber(startMs)) return [];
    if (!isNumber(durationMs)) return [];
    return [{ file: name, offset, bytes: size, startMs, durationMs, discontinuity: jump === 1 }];
  });
  const numbers = listOf(fields['keys']).filter(isNumber);
  const keys: RecordedKey[] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) keys.push({ offset: numbers[i]!, atMs: numbers[i + 1]! });
  const tracks = listOf(fields['tracks']).flatMap(parseTrack);
  return {
    kind: 'file',
    file: {
      file,
      stream,
      recording: String(rec ?? ''),
      format,
      startMs: start,
      endMs: end,
      bytes,
      tracks,
      parts,
      keys,
      open: false,
    },
  };
}

function parseTrack(value: unknown): RecordedTrack[] {
  if (typeof value !== 'object' || value === null) return [];
  const fields = value as Readonly<Record<string, unknown>>;
  const word = (name: string) => (typeof fields[name] === 'string' ? fields[name] : '');
  const count = (name: string) => (isNumber(fields[name]) ? fields[name] : 0);
  return [
    {
      kind: word('kind'),
      codec: word('codec'),
      mime: word('mime'),
      width: count('width'),
      height: count('height'),
      sampleRate: count('sampleRate'),
      channels: count('channels'),
      language: word('language'),
    },
  ];
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A relative path that does not lead out: what is in the index is removed and served by it. */
function isPath(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= 4096 &&
    !value.includes('\0') &&
    !value.includes('\\') &&
    value.split('/').every((level) => level !== '' && level !== '.' && level !== '..')
  );
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
