/**
 * The kinds of setting: each is a zod schema from the text that stands in XML or in the environment to a typed
 * value, with everything that documentation and reload need to know in `.meta()`. Messages complete a sentence that
 * begins with the offending text: `<port>8o80</port> is not a whole number from 0 to 65535.`
 */
import { isIP } from 'node:net';
import * as z from 'zod';
import { formatDuration, formatSize, parseDuration, parseSize } from '../util/duration.ts';
import { nearestName } from '../util/edit-distance.ts';

/** When a changed value counts: at once, for sessions that begin after the reload, or after a restart. */
export type ReloadClass = 'live' | 'new-sessions' | 'restart';

export interface SettingOptions {
  readonly text: string;
  readonly reload: ReloadClass;
  /** Name in XML when it is not the property's name in kebab-case. */
  readonly xml?: string;
  /** Why this version does not use the setting: then giving it yields a warning. */
  readonly unused?: string;
  /** The value is not shown where settings are printed or logged. */
  readonly secret?: boolean;
  /** The element may be repeated; the texts are joined with blanks. */
  readonly repeats?: boolean;
}

/** What stands for a secret. */
export const HIDDEN = '(hidden)';

interface SettingMeta extends SettingOptions {
  readonly defaultText: string;
  /** What may stand there, for people: `on or off`, `10ms to 1h`. */
  readonly range: string;
}

declare module 'zod' {
  interface GlobalMeta {
    setting?: SettingMeta;
  }
}

/** `parse` returns null for text that is not of the kind; `phrase` then completes the sentence. */
function setting<T>(
  parse: (text: string) => T | null,
  phrase: (text: string) => string,
  range: string,
  defaultText: string,
  options: SettingOptions,
) {
  return z
    .string()
    .transform((text, context): T => {
      const value = parse(text.trim());
      if (value !== null) return value;
      context.addIssue({ code: 'custom', message: phrase(text.trim()) });
      return z.NEVER;
    })
    .prefault(defaultText)
    .meta({ description: options.text, setting: { ...options, range, defaultText } });
}

export function metaOf(schema: z.ZodType): SettingMeta {
  const meta = schema.meta()?.setting;
  if (meta === undefined) throw new TypeError('this schema was not made by config/setting.ts');
  return meta;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

function within(value: number | null, { min, max }: Range): number | null {
  return value === null || value < min || value > max ? null : value;
}

function wholeNumber(text: string): number | null {
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

export function integer(defaultValue: number, range: Range, options: SettingOptions) {
  return setting(
    (text) => within(wholeNumber(text), range),
    () => `is not a whole number from ${range.min} to ${range.max}`,
    `${range.min} to ${range.max}`,
    String(defaultValue),
    options,
  );
}

/** Value in bytes. */
export function size(defaultText: string, range: { min: string; max: string }, options: SettingOptions) {
  const limits = { min: parseSize(range.min) ?? 0, max: parseSize(range.max) ?? 0 };
  return setting(
    (text) => within(parseSize(text), limits),
    () => `is not a size from ${formatSize(limits.min)} to ${formatSize(limits.max)}, such as 64K or 8M`,
    `${range.min} to ${range.max}`,
    defaultText,
    options,
  );
}

/** Value in milliseconds. `bareUnitMs`: what a number without unit counts; not given, it is refused. */
export function duration(
  defaultText: string,
  range: { min: string; max: string; bareUnitMs?: number },
  options: SettingOptions,
) {
  const limits = { min: parseDuration(range.min) ?? 0, max: parseDuration(range.max) ?? 0 };
  const bounds = `${formatDuration(limits.min)} to ${formatDuration(limits.max)}`;
  return setting(
    (text) => within(parseDuration(text, range.bareUnitMs), limits),
    () => `is not a duration from ${bounds}, such as 500ms, 10s or 2m`,
    bounds,
    defaultText,
    options,
  );
}

const TOGGLE_WORDS: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  1: true,
  off: false,
  false: false,
  no: false,
  0: false,
};

function toggleValue(text: string): boolean | null {
  return Object.hasOwn(TOGGLE_WORDS, text.toLowerCase()) ? TOGGLE_WORDS[text.toLowerCase()]! : null;
}

export function toggle(defaultValue: boolean, options: SettingOptions) {
  return setting(
    toggleValue,
    () => 'is neither on nor off',
    'on or off',
    defaultValue ? 'on' : 'off',
    options,
  );
}

/** One of `values`. `true` and `false` mean `on` and `off` where those are among them. */
export function choice<const T extends string>(
  values: readonly T[],
  defaultValue: T,
  options: SettingOptions,
) {
  const find = (text: string) => {
    const flag = toggleValue(text);
    const word = flag === null ? text : flag ? 'on' : 'off';
    return values.find((value) => value === text) ?? values.find((value) => value === word) ?? null;
  };
  const phrase = (text: string) => {
    const meant = nearestName(text, values);
    return `is none of ${values.join(', ')}${meant === '' ? '' : `; did you mean ${meant}?`}`;
  };
  return setting(find, phrase, values.join(', '), defaultValue, options);
}

/** Port: 0 takes any free one, `off` (value -1) opens none. */
export function port(defaultValue: number, options: SettingOptions) {
  return setting(
    (text) => (text === 'off' ? -1 : within(wholeNumber(text), { min: 0, max: 65_535 })),
    () => 'is not a whole number from 0 to 65535, nor off',
    '1 to 65535; 0 = any free port; off = not opened',
    defaultValue < 0 ? 'off' : String(defaultValue),
    options,
  );
}

/** Any text that `pattern` accepts; `phrase` says what was expected: `is not an origin such as …`. */
export function text(
  defaultText: string,
  rule: { pattern: RegExp; phrase: string; range: string },
  options: SettingOptions,
) {
  return setting(
    (given) => (rule.pattern.test(given) ? given : null),
    () => rule.phrase,
    rule.range,
    defaultText,
    options,
  );
}

/** Any number of values with blanks between them, or each in an element of its own. `parse` returns null for what is none. */
export function list<T>(
  parse: (text: string) => T | null,
  phrase: string,
  options: Omit<SettingOptions, 'repeats'> & { readonly range: string },
) {
  const { range, ...others } = options;
  const parseAll = (given: string) => {
    const values = given === '' ? [] : given.split(/\s+/).map(parse);
    return values.every((value) => value !== null) ? (values as readonly T[]) : null;
  };
  return setting(parseAll, () => phrase, range, '', { ...others, repeats: true });
}

/** Local IP addresses, separated by commas; empty = all. */
export function addressList(options: SettingOptions) {
  const parse = (given: string) => {
    const addresses =
      given === '' ? [] : given.split(',').map((one) => one.trim().replace(/^\[(.*)\]$/, '$1'));
    return addresses.every((one) => isIP(one) !== 0) ? (addresses as readonly string[]) : null;
  };
  const phrase = () => 'is not an IP address of this machine, nor several separated by commas';
  return setting(parse, phrase, 'IPv4 or IPv6 addresses, separated by commas; empty = all', '', options);
}

/** Public `host[:port]` as others reach this server; empty = none. */
export function publicAddress(options: SettingOptions) {
  return setting(
    (given) => (given === '' || splitHostPort(given) !== null ? given : null),
    () => 'is not host or host:port, such as 203.0.113.7:1935 (no rtmp:// or http:// in front)',
    'host or host:port; empty = the local address',
    '',
    options,
  );
}

/** `host`, `host:port`, `[v6]`, `[v6]:port` -> parts, port 0 when there is none; null when it is something else. */
export function splitHostPort(given: string): { host: string; port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(given);
  if (match === null) return isIP(given) === 6 ? { host: given, port: 0 } : null;
  if (match[1] !== undefined && isIP(match[1]) !== 6) return null;
  const portNumber = match[3] === undefined ? 0 : Number(match[3]);
  if (match[3] !== undefined && (portNumber < 1 || portNumber > 65_535)) return null;
  return { host: match[1] ?? match[2]!, port: portNumber };
}

type Fields = Readonly<Record<string, z.ZodType<unknown, string | undefined>>>;

/** One XML element whose attributes or children are settings. */
export interface Section<F extends Fields = Fields> {
  readonly name: string;
  readonly text: string;
  readonly fields: F;
  /** Other spellings of its settings, without hyphens: `ca` -> `serverca`. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Settings that stand here but are defaults of stream settings: `gop-cache` -> `gop.cache`. */
  readonly streamDefaults: Readonly<Record<string, string>>;
  /** Settings of smart_rtmpd that this version does not use, with the reason. */
  readonly unused: Readonly<Record<string, string>>;
  /** From texts to values, defaults filled in. */
  readonly schema: z.ZodObject<F, z.core.$strict>;
}

export function section<const F extends Fields>(
  declared: Pick<Section<F>, 'name' | 'text' | 'fields'> &
    Partial<Pick<Section, 'aliases' | 'streamDefaults' | 'unused'>>,
): Section<F> {
  return {
    aliases: {},
    streamDefaults: {},
    unused: {},
    ...declared,
    schema: z.strictObject(declared.fields),
  };
}

/** How a setting is spelt in XML. */
export function xmlName(key: string, schema: z.ZodType): string {
  return metaOf(schema).xml ?? kebabCase(key);
}

function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `chunk_size`, `chunk-size` and `chunksize` are one name. */
export function plainName(name: string): string {
  return name.replace(/[-_]/g, '');
}
