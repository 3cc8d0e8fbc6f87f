/**
 * Handshake packets (draft-sharabayko-srt-01 section 3.2.1) with their extensions: latency and flags, key material,
 * stream id, congestion control, group membership, packet filter. Bytes only; who answers what: src/srt/listener.ts,
 * caller.ts. Unknown extensions are skipped. Left out: what version 4 packs into messages of its own.
 */
import {
  readU32,
  SRT_CONTROL,
  SRT_HEADER_BYTES,
  SRT_UDP_OVERHEAD,
  writeControlHeader,
  writeU32,
} from './srt-packet.ts';

export const SRT_HANDSHAKE = {
  waveAHand: 0,
  induction: 1,
  conclusion: 0xffff_ffff,
  agreement: 0xffff_fffe,
} as const;

/** Extension field of a version 5 listener's induction answer. */
export const SRT_MAGIC = 0x4a17;
/** Extension field of callers in the induction: UDT's word for datagrams. */
export const SRT_INDUCTION_TYPE = 2;

export const SRT_FLAG_TSBPD_SEND = 0x01;
export const SRT_FLAG_TSBPD_RECEIVE = 0x02;
export const SRT_FLAG_CRYPT = 0x04;
export const SRT_FLAG_TOO_LATE_DROP = 0x08;
export const SRT_FLAG_PERIODIC_NAK = 0x10;
export const SRT_FLAG_REXMIT = 0x20;
export const SRT_FLAG_STREAM = 0x40;
export const SRT_FLAG_PACKET_FILTER = 0x80;

const HANDSHAKE_BYTES = 48;
/** A packet of the largest MSS. */
const MAX_DATAGRAM_BYTES = 1500 - SRT_UDP_OVERHEAD;
const MAX_STREAM_ID_BYTES = 512;
const MAX_WORD_BYTES = 64;
const MAX_KEY_BYTES = 128;

const EXT_HS_REQUEST = 1;
const EXT_HS_RESPONSE = 2;
const EXT_KEY_REQUEST = 3;
const EXT_KEY_RESPONSE = 4;
const EXT_STREAM_ID = 5;
const EXT_CONGESTION = 6;
const EXT_FILTER = 7;
const EXT_GROUP = 8;
/** Of our own, between Sluice servers alone: ids of the servers that a stream came through, with commas. */
const EXT_VIA = 0x534c;
const MAX_VIA_BYTES = 512;

const FIELD_HS = 1;
const FIELD_KEY = 2;
const FIELD_CONFIG = 4;

export const SRT_GROUP_BROADCAST = 1;
export const SRT_GROUP_BACKUP = 2;

export interface SrtGroupMembership {
  readonly id: number;
  /** SRT_GROUP_*; libsrt 1.5 knows no other. */
  readonly type: number;
  readonly flags: number;
  /** Of main/backup: the largest one is used first. */
  readonly weight: number;
}

/** HSREQ and HSRSP. */
export interface SrtHandshakeMessage {
  /** 0x010501 for 1.5.1. */
  readonly version: number;
  /** SRT_FLAG_*. */
  readonly flags: number;
  readonly receiveLatencyMs: number;
  readonly sendLatencyMs: number;
}

export interface SrtHandshake {
  version: number;
  /** Key length in bytes divided by 8: 2, 3, 4; 0 not told. */
  encryption: number;
  /** Magic, socket type or flags of extensions, as they came; `writeHandshake` sets the flags of a conclusion. */
  extension: number;
  sequence: number;
  mss: number;
  flowWindow: number;
  /** SRT_HANDSHAKE.* or a refusal (reject.ts). */
  type: number;
  socketId: number;
  cookie: number;
  /** 16 bytes, each word with its low byte first as libsrt has it. */
  peerAddress: Uint8Array;
  request: SrtHandshakeMessage | null;
  response: SrtHandshakeMessage | null;
  keyRequest: Uint8Array | null;
  keyResponse: Uint8Array | null;
  streamId: string | null;
  congestion: string | null;
  filter: string | null;
  group: SrtGroupMembership | null;
  /** Not for servers of others: `isOwnKind` tells. */
  via: string | null;
}

export function emptyHandshake(type: number): SrtHandshake {
  return {
    version: 5,
    encryption: 0,
    extension: 0,
    sequence: 0,
    mss: 1500,
    flowWindow: 8192,
    type,
    socketId: 0,
    cookie: 0,
    peerAddress: new Uint8Array(16),
    request: null,
    response: null,
    keyRequest: null,
    keyResponse: null,
    streamId: null,
    congestion: null,
    filter: null,
    group: null,
    via: null,
  };
}

/** A whole datagram, of which views are kept; null when it is no handshake, too long, or an extension is broken. */
export function readHandshake(bytes: Uint8Array): SrtHandshake | null {
  if (bytes.length < SRT_HEADER_BYTES + HANDSHAKE_BYTES || bytes.length > MAX_DATAGRAM_BYTES) return null;
  if (bytes[0] !== 0x80 || bytes[1] !== SRT_CONTROL.handshake) return null;
  const handshake = emptyHandshake(readU32(bytes, 36));
  handshake.version = readU32(bytes, 16);
  handshake.encryption = (bytes[20]! << 8) | bytes[21]!;
  handshake.extension = (bytes[22]! << 8) | bytes[23]!;
  handshake.sequence = readU32(bytes, 24) & 0x7fff_ffff;
  handshake.mss = readU32(bytes, 28);
  handshake.flowWindow = readU32(bytes, 32);
  handshake.socketId = readU32(bytes, 40);
  handshake.cookie = readU32(bytes, 44);
  handshake.peerAddress = bytes.subarray(48, 64);
  // Refusals repeat the flags of the caller and carry no extensions; version 4 has none here.
  const { type } = handshake;
  if (handshake.version < 5 || (type !== SRT_HANDSHAKE.conclusion && type !== SRT_HANDSHAKE.agreement))
    return handshake;
  return readExtensions(bytes, handshake) ? handshake : null;
}

function readExtensions(bytes: Uint8Array, handshake: SrtHandshake): boolean {
  let at = SRT_HEADER_BYTES + HANDSHAKE_BYTES;
  while (at + 4 <= bytes.length) {
    const kind = (bytes[at]! << 8) | bytes[at + 1]!;
    const end = at + 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!) * 4;
    if (end > bytes.length || !readExtension(kind, bytes.subarray(at + 4, end), handshake)) return false;
    at = end;
  }
  return at === bytes.length;
}

function readExtension(kind: number, content: Uint8Array, handshake: SrtHandshake): boolean {
  const { length } = content;
  switch (kind) {
    case EXT_HS_REQUEST:
    case EXT_HS_RESPONSE: {
      if (length < 12) return false;
      const message: SrtHandshakeMessage = {
        version: readU32(content, 0),
        flags: readU32(content, 4),
        receiveLatencyMs: (content[8]! << 8) | content[9]!,
        sendLatencyMs: (content[10]! << 8) | content[11]!,
      };
      if (kind === EXT_HS_REQUEST) handshake.request = message;
      else handshake.response = message;
      return true;
    }
    case EXT_KEY_REQUEST:
    case EXT_KEY_RESPONSE:
      if (length < 4 || length > MAX_KEY_BYTES) return false;
      if (kind === EXT_KEY_REQUEST) handshake.keyRequest = content;
      else handshake.keyResponse = content;
      return true;
    case EXT_STREAM_ID:
      if (length > MAX_STREAM_ID_BYTES) return false;
      handshake.streamId = readText(content);
      return true;
    case EXT_CONGESTION:
      if (length > MAX_WORD_BYTES) return false;
      handshake.congestion = readText(content);
      return true;
    case EXT_FILTER:
      if (length > MAX_STREAM_ID_BYTES) return false;
      handshake.filter = readText(content);
      return true;
    case EXT_GROUP:
      // Older callers leave the second word out or add more.
      if (length < 8) return false;
      handshake.group = {
        id: readU32(content, 0),
        type: content[4]!,
        flags: content[5]!,
        weight: (content[6]! << 8) | content[7]!,
      };
      return true;
    case EXT_VIA:
      if (length > MAX_VIA_BYTES) return false;
      handshake.via = readText(content);
      return true;
    default:
      return true;
  }
}

/** A whole datagram; extensions in libsrt's order. Their flags are made from those that are there. */
export function writeHandshake(handshake: SrtHandshake, timestamp: number, destination: number): Buffer {
  const extensions: Buffer[] = [];
  let flags = 0;
  if (handshake.request !== null) extensions.push(messageExtension(EXT_HS_REQUEST, handshake.request));
  if (handshake.response !== null) extensions.push(messageExtension(EXT_HS_RESPONSE, handshake.response));
  if (extensions.length > 0) flags |= FIELD_HS;
  const before = extensions.length;
  if (handshake.streamId !== null) extensions.push(extension(EXT_STREAM_ID, textWords(handshake.streamId)));
  if (handshake.congestion !== null)
    extensions.push(extension(EXT_CONGESTION, textWords(handshake.congestion)));
  if (handshake.filter !== null) extensions.push(extension(EXT_FILTER, textWords(handshake.filter)));
  if (handshake.group !== null) extensions.push(extension(EXT_GROUP, groupWords(handshake.group)));
  if (handshake.via !== null) extensions.push(extension(EXT_VIA, textWords(handshake.via)));
  if (extensions.length > before) flags |= FIELD_CONFIG;
  if (handshake.keyRequest !== null) extensions.push(extension(EXT_KEY_REQUEST, handshake.keyRequest));
  if (handshake.keyResponse !== null) extensions.push(extension(EXT_KEY_RESPONSE, handshake.keyResponse));
  if (handshake.keyRequest !== null || handshake.keyResponse !== null) flags |= FIELD_KEY;

  const head = Buffer.alloc(SRT_HEADER_BYTES + HANDSHAKE_BYTES);
  writeControlHeader(head, SRT_CONTROL.handshake, 0, 0, timestamp, destination);
  writeU32(head, 16, handshake.version);
  head.writeUInt16BE(handshake.encryption, 20);
  head.writeUInt16BE(extensions.length > 0 ? flags : handshake.extension, 22);
  writeU32(head, 24, handshake.sequence);
  writeU32(head, 28, handshake.mss);
  writeU32(head, 32, handshake.flowWindow);
  writeU32(head, 36, handshake.type);
  writeU32(head, 40, handshake.socketId);
  writeU32(head, 44, handshake.cookie);
  head.set(handshake.peerAddress, 48);
  return Buffer.concat([head, ...extensions]);
}

function extension(kind: number, content: Uint8Array): Buffer {
  const bytes = Buffer.alloc(4 + content.length);
  bytes.writeUInt16BE(kind, 0);
  bytes.writeUInt16BE(content.length / 4, 2);
  bytes.set(content, 4);
  return bytes;
}

function messageExtension(kind: number, message: SrtHandshakeMessage): Buffer {
  const content = Buffer.alloc(12);
  writeU32(content, 0, message.version);
  writeU32(content, 4, message.flags);
  content.writeUInt16BE(message.receiveLatencyMs, 8);
  content.writeUInt16BE(message.sendLatencyMs, 10);
  return extension(kind, content);
}

function groupWords(group: SrtGroupMembership): Buffer {
  const content = Buffer.alloc(8);
  writeU32(content, 0, group.id);
  content[4] = group.type;
  content[5] = group.flags;
  content.writeUInt16BE(group.weight, 6);
  return content;
}

/** Text goes in words whose bytes are turned round; zeros fill the last word. */
function textWords(text: string): Buffer {
  const plain = Buffer.from(text, 'utf8');
  const words = Buffer.alloc(Math.ceil(plain.length / 4) * 4);
  words.set(plain);
  return words.swap32();
}

function readText(content: Uint8Array): string {
  const bytes = Buffer.from(content).swap32();
  let end = bytes.indexOf(0);
  if (end < 0) end = bytes.length;
  return bytes.toString('utf8', 0, end);
}

/** Sixteen bytes of the field peer address for an IPv4 or IPv6 text; zeros for anything else. */
export function packPeerAddress(address: string): Uint8Array {
  const packed = Buffer.alloc(16);
  const four = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/i.exec(address);
  if (four !== null) {
    for (let i = 0; i < 4; i++) packed[3 - i] = Number(four[i + 1]);
    return packed;
  }
  const [front = '', back] = address.split('%')[0]!.split('::');
  const head = front === '' ? [] : front.split(':');
  const tail = back === undefined || back === '' ? [] : back.split(':');
  if (head.length + tail.length > 8 || !address.includes(':')) return packed;
  for (let i = 0; i < head.length; i++) writeAddressWord(packed, i, head[i]!);
  for (let i = 0; i < tail.length; i++) writeAddressWord(packed, 8 - tail.length + i, tail[i]!);
  return packed.swap32();
}

function writeAddressWord(packed: Buffer, index: number, word: string): void {
  packed.writeUInt16BE(Number.parseInt(word, 16) & 0xffff, index * 2);
}

/** What the words of the peer address that IPv4 leaves empty say in the induction answers of a Sluice server. */
const OWN_MARK = Buffer.from('Sluice v1   ', 'latin1');
const MARK_OFFSET = 4;

/** Tells a caller by IPv4 that it may say more than SRT knows: see `via`. Callers of others do not read these bytes. */
export function markOwnKind(peerAddress: Uint8Array): void {
  for (let i = MARK_OFFSET; i < peerAddress.length; i++) if (peerAddress[i] !== 0) return;
  peerAddress.set(OWN_MARK, MARK_OFFSET);
}

/** Of the peer address of an induction answer. */
export function isOwnKind(peerAddress: Uint8Array): boolean {
  return OWN_MARK.equals(peerAddress.subarray(MARK_OFFSET));
}
