/**
 * Session descriptions (SDP, RFC 8866) as lines in order: session level, then media descriptions. Attributes stay
 * generic name-value pairs in the order in which they came, so that RTSP and WebRTC read what they need of them.
 * Reading forgives what cameras do: bare LF or CR, blanks, empty and unknown lines, missing and doubled lines, `o=`
 * of any form. Left out: e=, p=, u=, z=, r=, k= lines and all but the first `t=`, which nobody needs here.
 */
import { ProtocolError } from '../../util/errors.ts';

/** A browser's offer of many tracks takes some 30 kB. */
const MAX_SDP_BYTES = 64 * 1024;
const MAX_MEDIA = 64;
const MAX_ATTRIBUTES = 4096;
const MAX_FORMATS = 128;

export interface SdpAttribute {
  readonly name: string;
  /** '' for a property attribute (`a=recvonly`). */
  readonly value: string;
}

export interface SdpMedia {
  /** `video`, `audio`, `application`, ...; lower case. */
  readonly type: string;
  /** 0 when it makes no sense. */
  readonly port: number;
  /** Of `m=video 49170/2`; 1 as a rule. */
  readonly portCount: number;
  /** `RTP/AVP`, `UDP/TLS/RTP/SAVPF`, ...; upper case. */
  readonly protocol: string;
  /** Payload types as text in order of preference. */
  readonly formats: readonly string[];
  /** i= */
  readonly information: string;
  /** Value of c= such as `IN IP4 224.2.1.1/127`; '' = that of the session. */
  readonly connection: string;
  /** Values of b= such as `AS:500`. */
  readonly bandwidths: readonly string[];
  readonly attributes: readonly SdpAttribute[];
}

export interface SessionDescription {
  /** Value of o= as it came; '' when there was none. */
  readonly origin: string;
  /** s=; '' is written as `-`. */
  readonly name: string;
  readonly information: string;
  readonly connection: string;
  readonly bandwidths: readonly string[];
  /** t=; '' is written as `0 0`. */
  readonly timing: string;
  readonly attributes: readonly SdpAttribute[];
  readonly media: readonly SdpMedia[];
}

interface Level {
  information: string;
  connection: string;
  bandwidths: string[];
  attributes: SdpAttribute[];
}

interface MediaLevel extends Level {
  type: string;
  port: number;
  portCount: number;
  protocol: string;
  formats: string[];
}

/** Throws ProtocolError when it is too big or is no session description at all. */
export function parseSdp(body: Uint8Array | string): SessionDescription {
  if (body.length > MAX_SDP_BYTES) throw new ProtocolError('sdp.too-big', body.length);
  const text =
    typeof body === 'string'
      ? body
      : Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const session = { ...emptyLevel(), origin: '', name: '', timing: '' };
  const media: MediaLevel[] = [];
  let level: Level = session;
  let attributes = 0;
  let lines = 0;
  for (const raw of text.split(/[\r\n\0]+/)) {
    const line = raw.trim();
    if (line[1] !== '=') continue;
    const value = line.slice(2).trim();
    lines++;
    switch (line[0]) {
      case 'o':
        session.origin ||= value;
        break;
      case 's':
        session.name ||= value === '-' ? '' : value;
        break;
      case 't':
        session.timing ||= value;
        break;
      case 'i':
        level.information = value;
        break;
      case 'c':
        level.connection ||= value;
        break;
      case 'b':
        if (++attributes <= MAX_ATTRIBUTES && value !== '') level.bandwidths.push(value);
        break;
      case 'a':
        if (++attributes > MAX_ATTRIBUTES) throw new ProtocolError('sdp.too-many-attributes', attributes);
        if (value !== '') level.attributes.push(parseAttribute(value));
        break;
      case 'm': {
        if (media.length === MAX_MEDIA) throw new ProtocolError('sdp.too-many-media', media.length);
        const added = parseMedia(value);
        media.push(added);
        level = added;
      }
    }
  }
  if (lines === 0) throw new ProtocolError('sdp.empty');
  return { ...session, media };
}

function emptyLevel(): Level {
  return { information: '', connection: '', bandwidths: [], attributes: [] };
}

function parseAttribute(text: string): SdpAttribute {
  const colon = text.indexOf(':');
  if (colon < 0) return { name: text, value: '' };
  return { name: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim() };
}

/** `video 49170/2 RTP/AVP 96 97`; what is missing is empty. */
function parseMedia(text: string): MediaLevel {
  const [type = '', ports = '', protocol = '', ...formats] = text.split(/\s+/);
  if (formats.length > MAX_FORMATS) throw new ProtocolError('sdp.too-many-formats', formats.length);
  const [port, count] = ports.split('/');
  return {
    ...emptyLevel(),
    type: type.toLowerCase(),
    port: wholeNumber(port, 65535) ?? 0,
    portCount: wholeNumber(count, 65535) || 1,
    protocol: protocol.toUpperCase(),
    formats,
  };
}

function wholeNumber(text: string | undefined, max: number): number | null {
  if (text === undefined || !/^\d{1,9}$/.test(text)) return null;
  const value = Number(text);
  return value <= max ? value : null;
}

/** The text with CRLF line ends, in the order of RFC 8866 section 5. */
export function serializeSdp(description: SessionDescription): string {
  const lines = ['v=0', `o=${description.origin || '- 0 0 IN IP4 0.0.0.0'}`, `s=${description.name || '-'}`];
  writeHead(lines, description);
  lines.push(`t=${description.timing || '0 0'}`);
  writeAttributes(lines, description.attributes);
  for (const media of description.media) {
    const ports = media.portCount === 1 ? media.port : `${media.port}/${media.portCount}`;
    lines.push(`m=${[media.type, ports, media.protocol, ...media.formats].join(' ')}`);
    writeHead(lines, media);
    writeAttributes(lines, media.attributes);
  }
  // Values of other programs may hold what would end a line.
  return `${lines.map((line) => line.replace(/[\r\n\0]+/g, ' ')).join('\r\n')}\r\n`;
}

function writeHead(
  lines: string[],
  level: Readonly<Omit<Level, 'attributes' | 'bandwidths'>> & { readonly bandwidths: readonly string[] },
): void {
  if (level.information !== '') lines.push(`i=${level.information}`);
  if (level.connection !== '') lines.push(`c=${level.connection}`);
  for (const bandwidth of level.bandwidths) lines.push(`b=${bandwidth}`);
}

function writeAttributes(lines: string[], attributes: readonly SdpAttribute[]): void {
  for (const { name, value } of attributes) lines.push(value === '' ? `a=${name}` : `a=${name}:${value}`);
}

/** Value of the first attribute of that name (case does not matter), '' for a property; null when there is none. */
export function attributeOf(attributes: readonly SdpAttribute[], name: string): string | null {
  for (const attribute of attributes) if (attribute.name.toLowerCase() === name) return attribute.value;
  return null;
}
