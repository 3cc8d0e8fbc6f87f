/**
 * IP addresses as text and as bytes. Text is written as RFC 5952 asks, which is what sockets report too, so that texts
 * of both origins can be compared. An IPv4 address inside IPv6 (`::ffff:1.2.3.4`) becomes IPv4, a zone (`%eth0`) is
 * dropped. Left out: octal, hexadecimal and short forms of IPv4.
 */

const MAX_TEXT = 64;
const GROUPS = 8;

/** Four or sixteen bytes; null when the text is not an address. */
export function parseIpAddress(text: string): Buffer | null {
  if (text.length > MAX_TEXT) return null;
  if (!text.includes(':')) return parseFour(text);
  const zone = text.indexOf('%');
  const bytes = parseSix(zone < 0 ? text : text.slice(0, zone));
  return bytes !== null && isMapped(bytes) ? bytes.subarray(12) : bytes;
}

/** Text of four or sixteen bytes of `bytes` at `start`. */
export function formatIpAddress(bytes: Uint8Array, start: number, length: 4 | 16): string {
  if (length === 4) return formatFour(bytes, start);
  if (isMapped(bytes, start)) return formatFour(bytes, start + 12);
  const group = (i: number): number => (bytes[start + 2 * i]! << 8) | bytes[start + 2 * i + 1]!;
  // The first of the longest runs of two zero groups or more is written as two colons.
  let longest = 1;
  let runStart = -1;
  for (let i = 0; i < GROUPS; i++) {
    let end = i;
    while (end < GROUPS && group(end) === 0) end++;
    if (end - i > longest) {
      longest = end - i;
      runStart = i;
    }
    i = Math.max(i, end - 1);
  }
  let text = '';
  for (let i = 0; i < GROUPS; i++) {
    if (i === runStart) {
      text += '::';
      i += longest - 1;
    } else {
      if (text !== '' && !text.endsWith(':')) text += ':';
      text += group(i).toString(16);
    }
  }
  return text;
}

/** The one spelling of an address that this module writes; null when the text is not an address. */
export function canonicalIpAddress(text: string): string | null {
  const bytes = parseIpAddress(text);
  return bytes === null ? null : formatIpAddress(bytes, 0, bytes.length === 4 ? 4 : 16);
}

function formatFour(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function isMapped(bytes: Uint8Array, start = 0): boolean {
  for (let i = 0; i < 10; i++) if (bytes[start + i] !== 0) return false;
  return bytes[start + 10] === 0xff && bytes[start + 11] === 0xff;
}

function parseFour(text: string): Buffer | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = Buffer.alloc(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseSix(text: string): Buffer | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groupsOf(halves[0]!, halves.length === 1);
  const tail = halves.length === 1 ? [] : groupsOf(halves[1]!, true);
  if (head === null || tail === null) return null;
  const missing = GROUPS - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const bytes = Buffer.alloc(16);
  head.forEach((group, i) => {
    bytes.writeUInt16BE(group, 2 * i);
  });
  tail.forEach((group, i) => {
    bytes.writeUInt16BE(group, 2 * (head.length + missing + i));
  });
  return bytes;
}

/** Groups of 16 bits; where it is the end of the address the last part may be an IPv4 address. */
function groupsOf(text: string, isEnd: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    const four = isEnd && i === parts.length - 1 && part.includes('.') ? parseFour(part) : null;
    if (four !== null) groups.push(four.readUInt16BE(0), four.readUInt16BE(2));
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups.length > GROUPS ? null : groups;
}
