/**
 * The Transport header (RFC 2326 section 12.39): alternatives in order of preference, each with a profile, a lower
 * transport and parameters. Forgives: any case, blanks, single ports and channels, `mode` in quotes or as RFC 2068
 * spells it, `receive` for record, unknown parameters; what cannot be read is left out. A list of alternatives that
 * says neither unicast nor multicast means unicast, as everybody does it (the RFC's default is multicast).
 */

type NumberPair = readonly [first: number, second: number];

export interface RtspTransport {
  /** Upper case, without the lower transport: `RTP/AVP`, `RTP/SAVP`, `RTP/AVPF`, `MP2T/H2221`, `RAW/RAW`. */
  readonly profile: string;
  readonly lower: 'udp' | 'tcp';
  readonly isMulticast: boolean;
  readonly mode: 'play' | 'record' | '';
  /** '' = not told. */
  readonly destination: string;
  readonly source: string;
  /** RTP and RTCP channel, 0 to 255. */
  readonly interleaved: NumberPair | null;
  /** RTP and RTCP port of the player or publisher. */
  readonly clientPort: NumberPair | null;
  readonly serverPort: NumberPair | null;
  /** Ports of multicast. */
  readonly port: NumberPair | null;
  /** 0 = not told. */
  readonly ttl: number;
  /** Unsigned 32 bit; -1 = not told. */
  readonly ssrc: number;
}

const MAX_ALTERNATIVES = 16;

export const TRANSPORT: RtspTransport = {
  profile: 'RTP/AVP',
  lower: 'udp',
  isMulticast: false,
  mode: '',
  destination: '',
  source: '',
  interleaved: null,
  clientPort: null,
  serverPort: null,
  port: null,
  ttl: 0,
  ssrc: -1,
};

const SECURE_PROFILES = ['RTP/SAVP', 'RTP/SAVPF'];

/** SRTP (RFC 3711). `profile` also as a description has it. */
export function isSecureProfile(profile: string): boolean {
  return SECURE_PROFILES.includes(profile);
}

/** All alternatives of the header; several headers are to be joined with commas. */
export function parseTransport(text: string): RtspTransport[] {
  const alternatives: RtspTransport[] = [];
  for (const part of splitOutsideQuotes(text, ',')) {
    const alternative = parseAlternative(part);
    if (alternative !== null && alternatives.length < MAX_ALTERNATIVES) alternatives.push(alternative);
  }
  return alternatives;
}

function parseAlternative(text: string): RtspTransport | null {
  const [specification = '', ...parameters] = splitOutsideQuotes(text, ';');
  const match = /^\s*([a-z0-9.]+\/[a-z0-9.]+)(?:\/(tcp|udp))?\s*$/i.exec(specification);
  if (match === null) return null;
  const found: { -readonly [K in keyof RtspTransport]: RtspTransport[K] } = {
    ...TRANSPORT,
    profile: match[1]!.toUpperCase(),
    lower: match[2]?.toLowerCase() === 'tcp' ? 'tcp' : 'udp',
  };
  for (const parameter of parameters) {
    const equals = parameter.indexOf('=');
    const name = (equals < 0 ? parameter : parameter.slice(0, equals)).trim().toLowerCase();
    const value = equals < 0 ? '' : unquote(parameter.slice(equals + 1).trim());
    switch (name) {
      case 'unicast':
        found.isMulticast = false;
        break;
      case 'multicast':
        found.isMulticast = true;
        break;
      case 'mode':
        found.mode = modeOf(value);
        break;
      case 'destination':
        found.destination = value;
        break;
      case 'source':
        found.source = value;
        break;
      case 'interleaved':
        found.interleaved = parsePair(value, 255);
        break;
      case 'client_port':
        found.clientPort = parsePair(value, 65535);
        break;
      case 'server_port':
        found.serverPort = parsePair(value, 65535);
        break;
      case 'port':
        found.port = parsePair(value, 65535);
        break;
      case 'ttl':
        found.ttl = /^\d{1,3}$/.test(value) && Number(value) <= 255 ? Number(value) : 0;
        break;
      case 'ssrc':
        found.ssrc = parseSsrc(value);
    }
  }
  return found;
}

function modeOf(value: string): RtspTransport['mode'] {
  const word = value.toLowerCase();
  if (word === 'play') return 'play';
  return word === 'record' || word === 'receive' ? 'record' : '';
}

/** `5000-5001`, or `5000` for it and the next. */
function parsePair(text: string, max: number): NumberPair | null {
  const match = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const first = Number(match[1]);
  const second = match[2] === undefined ? Math.min(first + 1, max) : Number(match[2]);
  return first <= max && second <= max ? [first, second] : null;
}

/** Eight hexadecimal digits; some write fewer, or 0x before them. */
function parseSsrc(text: string): number {
  const match = /^(?:0x)?([0-9a-f]{1,8})$/i.exec(text);
  return match === null ? -1 : Number.parseInt(match[1]!, 16);
}

export function serializeTransport(alternatives: readonly RtspTransport[]): string {
  return alternatives.map(serializeAlternative).join(',');
}

function serializeAlternative(transport: RtspTransport): string {
  const parts = [transport.lower === 'tcp' ? `${transport.profile}/TCP` : transport.profile];
  parts.push(transport.isMulticast ? 'multicast' : 'unicast');
  if (transport.destination !== '') parts.push(`destination=${transport.destination}`);
  if (transport.source !== '') parts.push(`source=${transport.source}`);
  addPair(parts, 'interleaved', transport.interleaved);
  addPair(parts, 'client_port', transport.clientPort);
  addPair(parts, 'server_port', transport.serverPort);
  addPair(parts, 'port', transport.port);
  if (transport.ttl > 0) parts.push(`ttl=${transport.ttl}`);
  if (transport.ssrc >= 0) parts.push(`ssrc=${transport.ssrc.toString(16).toUpperCase().padStart(8, '0')}`);
  if (transport.mode === 'play') parts.push('mode="PLAY"');
  // FFmpeg as a server takes neither quotes nor capitals here.
  if (transport.mode === 'record') parts.push('mode=record');
  return parts.join(';');
}

function addPair(parts: string[], name: string, pair: NumberPair | null): void {
  if (pair !== null) parts.push(`${name}=${pair[0]}-${pair[1]}`);
}

function unquote(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text;
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') isQuoted = !isQuoted;
    else if (text[i] === separator && !isQuoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
