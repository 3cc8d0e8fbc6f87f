/**
 * What a media description says of its payload types: a=rtpmap, a=fmtp, and the payload types that need no rtpmap
 * (RFC 8866 sections 6.6 and 6.15, RFC 3551 section 6); direction, control address and address of c=.
 */
import type { RtpDescription, RtpMapping } from '../rtp/payload-format.ts';
import {
  attributeOf,
  type SdpAttribute,
  type SdpMedia,
  type SessionDescription,
} from './session-description.ts';

export type SdpDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

const MAX_PAYLOAD_TYPE = 127;
const VIDEO_CLOCK_RATE = 90_000;
const AUDIO_CLOCK_RATE = 8000;

/** RFC 3551 tables 4 and 5: name, clock rate, channels. */
const STATIC_TYPES: ReadonlyMap<number, readonly [name: string, clockRate: number, channels: number]> =
  new Map([
    [0, ['PCMU', 8000, 1]],
    [3, ['GSM', 8000, 1]],
    [4, ['G723', 8000, 1]],
    [5, ['DVI4', 8000, 1]],
    [6, ['DVI4', 16_000, 1]],
    [7, ['LPC', 8000, 1]],
    [8, ['PCMA', 8000, 1]],
    [9, ['G722', 8000, 1]],
    [10, ['L16', 44_100, 2]],
    [11, ['L16', 44_100, 1]],
    [12, ['QCELP', 8000, 1]],
    [13, ['CN', 8000, 1]],
    [14, ['MPA', 90_000, 0]],
    [15, ['G728', 8000, 1]],
    [16, ['DVI4', 11_025, 1]],
    [17, ['DVI4', 22_050, 1]],
    [18, ['G729', 8000, 1]],
    [25, ['CELB', 90_000, 0]],
    [26, ['JPEG', 90_000, 0]],
    [28, ['NV', 90_000, 0]],
    [31, ['H261', 90_000, 0]],
    [32, ['MPV', 90_000, 0]],
    [33, ['MP2T', 90_000, 0]],
    [34, ['H263', 90_000, 0]],
  ] as const);

/** All payload types of a media description in its order; a type of which nothing is said is left out. */
export function rtpMappingsOf(media: SdpMedia): RtpMapping[] {
  const mappings: RtpMapping[] = [];
  for (const payloadType of payloadTypesOf(media)) {
    const mapping = mappingOf(media, payloadType);
    if (mapping !== null) mappings.push(mapping);
  }
  return mappings;
}

/** Some cameras list no payload type in the m= line, or one above 127; their rtpmap then says it. */
function payloadTypesOf(media: SdpMedia): readonly number[] {
  const types: number[] = [];
  for (const format of media.formats) {
    const type = leadingType(format)?.type ?? -1;
    if (type >= 0 && !types.includes(type)) types.push(type);
  }
  if (types.length > 0) return types;
  for (const { name, value } of media.attributes) {
    const type = name.toLowerCase() === 'rtpmap' ? (leadingType(value)?.type ?? -1) : -1;
    if (type >= 0 && !types.includes(type)) types.push(type);
  }
  return types;
}

function mappingOf(media: SdpMedia, payloadType: number): RtpMapping | null {
  const fixed = STATIC_TYPES.get(payloadType);
  let encodingName: string = fixed?.[0] ?? '';
  let clockRate: number = fixed?.[1] ?? 0;
  let channels: number = fixed?.[2] ?? 0;
  let fmtp = '';
  for (const { name, value } of media.attributes) {
    const attribute = name.toLowerCase();
    if (attribute !== 'rtpmap' && attribute !== 'fmtp') continue;
    const leading = leadingType(value);
    if (attribute === 'rtpmap' && leading?.type === payloadType) {
      const [first = '', rate = '', count = ''] = leading.rest.split('/');
      encodingName = first.trim().toUpperCase() || encodingName;
      clockRate = Number.parseInt(rate, 10) || (fixed?.[1] ?? 0);
      channels = Number.parseInt(count, 10) || (fixed?.[0] === encodingName ? fixed[2] : 0);
    } else if (attribute === 'fmtp' && fmtp === '') {
      // Without a payload type it can only mean the one that there is.
      if (leading === null) fmtp = media.formats.length <= 1 ? value : '';
      else if (leading.type === payloadType) fmtp = leading.rest;
    }
  }
  if (encodingName === '') return null;
  if (clockRate <= 0) clockRate = media.type === 'audio' ? AUDIO_CLOCK_RATE : VIDEO_CLOCK_RATE;
  return { payloadType, encodingName, clockRate, channels: Math.max(channels, 0), fmtp: parseFmtp(fmtp) };
}

/** `96 rest` as a payload type and what follows; null when it does not begin with a payload type. */
function leadingType(text: string): { type: number; rest: string } | null {
  const match = /^(\d{1,3})(?:\s+(.*))?$/.exec(text.trim());
  if (match === null) return null;
  const type = Number(match[1]);
  return type <= MAX_PAYLOAD_TYPE ? { type, rest: (match[2] ?? '').trim() } : null;
}

/** `name=value; name=value;` in any spelling; the first of several equal names counts. */
export function parseFmtp(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const part of text.split(';')) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name !== '' && !values.has(name)) values.set(name, equals < 0 ? '' : part.slice(equals + 1).trim());
  }
  return values;
}

/** a=rtpmap and, if there is something to say, a=fmtp. */
export function formatAttributes(payloadType: number, description: RtpDescription): SdpAttribute[] {
  const { encodingName, clockRate, channels, fmtp } = description;
  const map = `${payloadType} ${encodingName}/${clockRate}${channels === 0 ? '' : `/${channels}`}`;
  const attributes = [{ name: 'rtpmap', value: map }];
  if (fmtp !== '') attributes.push({ name: 'fmtp', value: `${payloadType} ${fmtp}` });
  return attributes;
}

/** Of the media description, else of the session, else sendrecv. */
export function directionOf(media: SdpMedia, session: SessionDescription): SdpDirection {
  return direction(media.attributes) ?? direction(session.attributes) ?? 'sendrecv';
}

function direction(attributes: readonly SdpAttribute[]): SdpDirection | null {
  for (const { name } of attributes) {
    const word = name.toLowerCase();
    if (word === 'sendrecv' || word === 'sendonly' || word === 'recvonly' || word === 'inactive') return word;
  }
  return null;
}

/** a=control as it came; '' = none. */
export function controlOf(level: { readonly attributes: readonly SdpAttribute[] }): string {
  return attributeOf(level.attributes, 'control') ?? '';
}

/** Address of c= without TTL and count, '' = none; `ttl` is 0 when it is not told. */
export function connectionOf(media: SdpMedia, session: SessionDescription): { address: string; ttl: number } {
  const value = media.connection === '' ? session.connection : media.connection;
  const [address = '', ttl = ''] = (value.split(/\s+/)[2] ?? '').split('/');
  return { address, ttl: /^\d{1,3}$/.test(ttl) && !address.includes(':') ? Number(ttl) : 0 };
}
