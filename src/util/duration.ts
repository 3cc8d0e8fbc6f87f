/** Durations and sizes as people write them: `500ms`, `1.5s`, `2m`, `64K`, `10M`. */

const DURATION_UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];

const SIZE_UNITS: readonly (readonly [string, number])[] = [
  ['G', 1024 ** 3],
  ['M', 1024 ** 2],
  ['K', 1024],
];

/**
 * Whole milliseconds, or null when the text is no duration. A number alone is one only when it is 0, or when
 * `bareUnitMs` says what it counts.
 */
export function parseDuration(text: string, bareUnitMs = 0): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|m|h|d|)$/.exec(text);
  if (match === null) return null;
  const value = Number(match[1]);
  const unit = match[2]!;
  if (unit === '') return value === 0 ? 0 : bareUnitMs === 0 ? null : Math.round(value * bareUnitMs);
  const factor = DURATION_UNITS.find(([name]) => name === unit)![1];
  return Math.round(value * factor);
}

/** The shortest exact text: 90000 is `90s`, 120000 is `2m`, 0 is `0`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  const [name, factor] = DURATION_UNITS.find(([, factor]) => ms % factor === 0)!;
  return `${ms / factor}${name}`;
}

/** Bytes, or null when the text is no size. K, M and G are powers of 1024; `KB` and `KiB` mean the same. */
export function parseSize(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?(?:([kKmMgG])(?:i?[bB])?|[bB]?)$/.exec(text);
  if (match === null) return null;
  const unit = match[2]?.toUpperCase();
  const factor = unit === undefined ? 1 : SIZE_UNITS.find(([name]) => name === unit)![1];
  return Math.round(Number(match[1]) * factor);
}

/** The shortest exact text: 8388608 is `8M`, 1000 is `1000`. */
export function formatSize(bytes: number): string {
  const unit = bytes === 0 ? undefined : SIZE_UNITS.find(([, factor]) => bytes % factor === 0);
  return unit === undefined ? String(bytes) : `${bytes / unit[1]}${unit[0]}`;
}
