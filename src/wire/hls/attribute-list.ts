/** Attribute lists of playlist tags: RFC 8216bis section 4.2, and variable substitution in them (section 4.3). */
import { ProtocolError } from '../../util/errors.ts';

/** Values without their quotes, by name. */
export type Attributes = ReadonlyMap<string, string>;

/** What `{$NAME}` stands for. */
export type Variables = ReadonlyMap<string, string>;

const MAX_ATTRIBUTES = 64;
/** Of one text behind substitution. */
const MAX_TEXT_LENGTH = 16_384;

/** Reads what can be read: what follows a mistake is left out. */
export function parseAttributes(text: string, variables: Variables): Attributes {
  const found = new Map<string, string>();
  let at = 0;
  while (at < text.length && found.size < MAX_ATTRIBUTES) {
    const equals = text.indexOf('=', at);
    if (equals < 0) break;
    const name = text.slice(at, equals).trim();
    let end = equals + 1;
    let value: string;
    while (text[end] === ' ') end++;
    if (text[end] === '"') {
      const quote = text.indexOf('"', end + 1);
      const close = quote < 0 ? text.length : quote;
      value = substitute(text.slice(end + 1, close), variables);
      end = text.indexOf(',', close);
    } else {
      const comma = text.indexOf(',', end);
      value = text.slice(end, comma < 0 ? text.length : comma).trim();
      end = comma;
    }
    if (!found.has(name)) found.set(name, value);
    at = end < 0 ? text.length : end + 1;
  }
  return found;
}

/** Throws ProtocolError for a name that the playlist does not define. */
export function substitute(text: string, variables: Variables): string {
  if (!text.includes('{$')) return text;
  const result = text.replaceAll(/\{\$([A-Za-z0-9_-]+)\}/g, (_whole, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new ProtocolError('hls.unknown-variable', name);
    return value;
  });
  if (result.length > MAX_TEXT_LENGTH) throw new ProtocolError('hls.too-long', `${result.length} characters`);
  return result;
}

/** A decimal number that is not negative; NaN when it is none. */
export function parseDecimal(text: string | undefined): number {
  if (text === undefined) return Number.NaN;
  const value = Number.parseFloat(text);
  return value >= 0 && Number.isFinite(value) ? value : Number.NaN;
}

/** A decimal integer up to 2^53 - 1; NaN when it is none. */
export function parseInteger(text: string | undefined): number {
  if (text === undefined || !/^\s*\d+/.test(text)) return Number.NaN;
  const value = Number.parseInt(text, 10);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}
