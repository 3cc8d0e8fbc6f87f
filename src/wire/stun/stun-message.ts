/**
 * STUN messages (RFC 8489) with the attributes of ICE (RFC 8445 section 16.1): bytes to an object and back.
 * Left out: the header without magic cookie of RFC 3489, long-term credentials (REALM, NONCE), ALTERNATE-SERVER, TURN.
 */
import { readU16, readU32 } from '../../util/big-endian.ts';
import { ByteWriter } from '../../util/byte-writer.ts';
import { formatIpAddress, parseIpAddress } from '../../util/ip-address.ts';
import { stunFingerprint } from './fingerprint.ts';
import { STUN_INTEGRITY_BYTES, type StunKey } from './stun-key.ts';

/** Classes of messages, as C1 and C0 of the type (RFC 8489 section 5). */
export const STUN_REQUEST = 0;
export const STUN_INDICATION = 1;
export const STUN_SUCCESS = 2;
export const STUN_ERROR = 3;
export type StunClass = 0 | 1 | 2 | 3;

export const STUN_BINDING = 1;

/** Longer messages are not ours: checks have about 100 bytes, and none may be fragmented. */
export const MAX_STUN_BYTES = 1500;
/** RFC 8489 section 14.3. */
const MAX_USERNAME_BYTES = 509;
/** RFC 8489 sections 14.8 and 14.14: 127 characters. */
const MAX_TEXT_BYTES = 763;
/** Of a peer's message; what comes behind them goes unread, and the message counts as wrong. */
const MAX_ATTRIBUTES = 64;
/** Types in one UNKNOWN-ATTRIBUTES, read or written. */
const MAX_UNKNOWN = 16;

const HEADER_BYTES = 20;
const TRANSACTION_ID_BYTES = 12;
const TIE_BREAKER_BYTES = 8;
const MAGIC_COOKIE = 0x2112a442;

const MAPPED_ADDRESS = 0x0001;
const USERNAME = 0x0006;
const MESSAGE_INTEGRITY = 0x0008;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
const XOR_MAPPED_ADDRESS = 0x0020;
const PRIORITY = 0x0024;
const USE_CANDIDATE = 0x0025;
const SOFTWARE = 0x8022;
const FINGERPRINT = 0x8028;
const ICE_CONTROLLED = 0x8029;
const ICE_CONTROLLING = 0x802a;
/** Types below must be understood by who takes the message (RFC 8489 section 14). */
const FIRST_OPTIONAL = 0x8000;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

export interface StunAddress {
  /** Canonical text, see util/ip-address.ts. */
  readonly address: string;
  readonly port: number;
}

/** What a message says, read or to be written. Bytes are views of what was received: use them at once or copy. */
export interface StunContent {
  readonly messageClass: StunClass;
  /** Twelve bytes. */
  readonly transactionId: Uint8Array;
  /** `STUN_BINDING` when absent. */
  readonly method?: number;
  readonly username?: string;
  readonly software?: string;
  /** 32 bits. */
  readonly priority?: number;
  readonly useCandidate?: boolean;
  /** Tie-breaker of eight bytes. */
  readonly iceControlled?: Uint8Array | undefined;
  readonly iceControlling?: Uint8Array | undefined;
  readonly mappedAddress?: StunAddress | undefined;
  readonly xorMappedAddress?: StunAddress | undefined;
  /** 300 to 699, with a phrase for people. */
  readonly errorCode?: number;
  readonly errorReason?: string;
  /** Content of UNKNOWN-ATTRIBUTES: what the other side did not understand. */
  readonly unknownAttributes?: readonly number[];
}

/** A message as it was received. Attributes that are absent are null, -1 or ''. */
export class StunMessage implements StunContent {
  /** The whole message, as long as its header says. */
  readonly bytes: Uint8Array;
  readonly messageClass: StunClass;
  readonly method: number;
  readonly transactionId: Uint8Array;
  username: string;
  software: string;
  priority: number;
  useCandidate: boolean;
  iceControlled: Uint8Array | undefined;
  iceControlling: Uint8Array | undefined;
  mappedAddress: StunAddress | undefined;
  xorMappedAddress: StunAddress | undefined;
  /** 0 when absent. */
  errorCode: number;
  errorReason: string;
  unknownAttributes: readonly number[];
  /** Types that must be understood and are not; a request with any is answered 420. At most 16. */
  readonly notUnderstood: number[];
  /** Where MESSAGE-INTEGRITY begins, for `StunKey.verify`; -1 when absent. */
  integrityOffset: number;
  /** There is a FINGERPRINT; a wrong one would have made the message wrong. */
  hasFingerprint: boolean;

  constructor(bytes: Uint8Array, messageClass: StunClass, method: number) {
    this.bytes = bytes;
    this.messageClass = messageClass;
    this.method = method;
    this.transactionId = bytes.subarray(HEADER_BYTES - TRANSACTION_ID_BYTES, HEADER_BYTES);
    this.username = '';
    this.software = '';
    this.priority = -1;
    this.useCandidate = false;
    this.iceControlled = undefined;
    this.iceControlling = undefined;
    this.mappedAddress = undefined;
    this.xorMappedAddress = undefined;
    this.errorCode = 0;
    this.errorReason = '';
    this.unknownAttributes = [];
    this.notUnderstood = [];
    this.integrityOffset = -1;
    this.hasFingerprint = false;
  }

  /** Whether the message was made by somebody who has the key. */
  isSignedBy(key: StunKey): boolean {
    return key.verify(this.bytes, this.integrityOffset);
  }
}

/** Null when `bytes` are not exactly one well-formed message. Does not check MESSAGE-INTEGRITY. */
export function parseStun(bytes: Uint8Array): StunMessage | null {
  const end = bytes.length;
  if (end < HEADER_BYTES || end > MAX_STUN_BYTES || (end & 3) !== 0) return null;
  const type = readU16(bytes, 0);
  if (type >= 0x4000 || readU16(bytes, 2) !== end - HEADER_BYTES || readU32(bytes, 4) !== MAGIC_COOKIE)
    return null;
  const messageClass = (((type >> 7) & 2) | ((type >> 4) & 1)) as StunClass;
  const method = (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80);
  const message = new StunMessage(bytes, messageClass, method);
  let at = HEADER_BYTES;
  for (let count = 0; at < end; count++) {
    // FINGERPRINT is the last attribute where it is present.
    if (count >= MAX_ATTRIBUTES || at + 4 > end || message.hasFingerprint) return null;
    const length = readU16(bytes, at + 2);
    const next = at + 4 + ((length + 3) & ~3);
    if (next > end) return null;
    const kind = readU16(bytes, at);
    // Nothing behind MESSAGE-INTEGRITY counts but the FINGERPRINT: it is not covered.
    const isKnown =
      kind === FINGERPRINT
        ? readFingerprint(message, at, length)
        : message.integrityOffset >= 0 || readAttribute(message, kind, at, length);
    if (!isKnown) return null;
    at = next;
  }
  return message;
}

/** The bytes of a message; with MESSAGE-INTEGRITY when there is a key, and always with a FINGERPRINT. */
export function serializeStun(content: StunContent, key: StunKey | null): Buffer {
  const writer = new ByteWriter(128);
  const { messageClass, method = STUN_BINDING } = content;
  const type = (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2);
  writer.u16(type | ((messageClass & 2) << 7) | ((messageClass & 1) << 4)).u16(0);
  writer.u32(MAGIC_COOKIE).bytes(content.transactionId);
  writeText(writer, SOFTWARE, content.software);
  if (content.errorCode !== undefined && content.errorCode > 0) {
    const reason = Buffer.from(content.errorReason ?? '', 'utf8');
    writer
      .u16(ERROR_CODE)
      .u16(4 + reason.length)
      .u16(0);
    writer.u8(Math.floor(content.errorCode / 100)).u8(content.errorCode % 100);
    pad(writer.bytes(reason), reason.length);
  }
  writeUnknown(writer, content.unknownAttributes);
  writeAddress(writer, MAPPED_ADDRESS, content.mappedAddress, null);
  writeAddress(writer, XOR_MAPPED_ADDRESS, content.xorMappedAddress, content.transactionId);
  if (content.priority !== undefined && content.priority >= 0)
    writer.u16(PRIORITY).u16(4).u32(content.priority);
  if (content.useCandidate === true) writer.u16(USE_CANDIDATE).u16(0);
  if (content.iceControlled !== undefined)
    writer.u16(ICE_CONTROLLED).u16(TIE_BREAKER_BYTES).bytes(content.iceControlled);
  if (content.iceControlling !== undefined)
    writer.u16(ICE_CONTROLLING).u16(TIE_BREAKER_BYTES).bytes(content.iceControlling);
  writeText(writer, USERNAME, content.username);
  if (key !== null) {
    const offset = writer.length;
    const code = key.sign(writer.finish(), offset);
    writer.u16(MESSAGE_INTEGRITY).u16(STUN_INTEGRITY_BYTES).bytes(code);
  }
  const offset = writer.length;
  writer.u16(FINGERPRINT).u16(4).u32(0);
  const bytes = writer.finish();
  bytes.writeUInt16BE(bytes.length - HEADER_BYTES, 2);
  bytes.writeUInt32BE(stunFingerprint(bytes, offset), offset + 4);
  return bytes;
}

function readFingerprint(message: StunMessage, at: number, length: number): boolean {
  if (length !== 4 || readU32(message.bytes, at + 4) !== stunFingerprint(message.bytes, at)) return false;
  message.hasFingerprint = true;
  return true;
}

/** False when the attribute is malformed. Of an attribute that comes twice the first one counts. */
function readAttribute(message: StunMessage, kind: number, at: number, length: number): boolean {
  const { bytes } = message;
  const start = at + 4;
  switch (kind) {
    case USERNAME:
      if (length === 0 || length > MAX_USERNAME_BYTES) return false;
      if (message.username === '') message.username = textOf(bytes, start, length);
      return true;
    case SOFTWARE:
      if (length > MAX_TEXT_BYTES) return false;
      if (message.software === '') message.software = textOf(bytes, start, length);
      return true;
    case MESSAGE_INTEGRITY:
      if (length !== STUN_INTEGRITY_BYTES) return false;
      message.integrityOffset = at;
      return true;
    case PRIORITY:
      if (length !== 4) return false;
      if (message.priority < 0) message.priority = readU32(bytes, start);
      return true;
    case USE_CANDIDATE:
      message.useCandidate = true;
      return length === 0;
    case ICE_CONTROLLED:
      message.iceControlled ??= bytes.subarray(start, start + TIE_BREAKER_BYTES);
      return length === TIE_BREAKER_BYTES;
    case ICE_CONTROLLING:
      message.iceControlling ??= bytes.subarray(start, start + TIE_BREAKER_BYTES);
      return length === TIE_BREAKER_BYTES;
    case MAPPED_ADDRESS: {
      const address = readAddress(bytes, start, length, false);
      message.mappedAddress ??= address;
      return address !== undefined;
    }
    case XOR_MAPPED_ADDRESS: {
      const address = readAddress(bytes, start, length, true);
      message.xorMappedAddress ??= address;
      return address !== undefined;
    }
    case ERROR_CODE:
      return readError(message, start, length);
    case UNKNOWN_ATTRIBUTES:
      if ((length & 1) !== 0 || length > 2 * MAX_ATTRIBUTES) return false;
      if (message.unknownAttributes.length === 0)
        message.unknownAttributes = Array.from({ length: Math.min(length / 2, MAX_UNKNOWN) }, (_, i) =>
          readU16(bytes, start + 2 * i),
        );
      return true;
    default:
      if (kind < FIRST_OPTIONAL && message.notUnderstood.length < MAX_UNKNOWN)
        message.notUnderstood.push(kind);
      return true;
  }
}

function readError(message: StunMessage, start: number, length: number): boolean {
  if (length < 4 || length > 4 + MAX_TEXT_BYTES) return false;
  const hundreds = message.bytes[start + 2]! & 7;
  const rest = message.bytes[start + 3]!;
  if (hundreds < 3 || hundreds > 6 || rest > 99) return false;
  if (message.errorCode === 0) {
    message.errorCode = hundreds * 100 + rest;
    message.errorReason = textOf(message.bytes, start + 4, length - 4);
  }
  return true;
}

/**
 * Undefined when it is none. What goes over an address of XOR-MAPPED-ADDRESS (RFC 8489 section 14.2) lies in the header
 * from byte 4 on.
 */
function readAddress(
  bytes: Uint8Array,
  start: number,
  length: number,
  isMasked: boolean,
): StunAddress | undefined {
  const size = length === 8 ? 4 : length === 20 ? 16 : 0;
  if (size === 0 || bytes[start + 1] !== (size === 4 ? FAMILY_IPV4 : FAMILY_IPV6)) return undefined;
  const port = readU16(bytes, start + 2);
  if (!isMasked) return { address: formatIpAddress(bytes, start + 4, size), port };
  const plain = new Uint8Array(size);
  for (let i = 0; i < size; i++) plain[i] = bytes[start + 4 + i]! ^ bytes[4 + i]!;
  return { address: formatIpAddress(plain, 0, size), port: port ^ (MAGIC_COOKIE >>> 16) };
}

/** An address that is none (a name) is not written. `transactionId` masks it. */
function writeAddress(
  writer: ByteWriter,
  type: number,
  mapped: StunAddress | undefined,
  transactionId: Uint8Array | null,
): void {
  if (mapped === undefined) return;
  const ip = parseIpAddress(mapped.address);
  if (ip === null) return;
  writer.u16(type).u16(4 + ip.length);
  writer.u16(ip.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6);
  writer.u16(transactionId === null ? mapped.port : mapped.port ^ (MAGIC_COOKIE >>> 16));
  if (transactionId === null) {
    writer.bytes(ip);
    return;
  }
  const mask = Buffer.alloc(4 + TRANSACTION_ID_BYTES);
  mask.writeUInt32BE(MAGIC_COOKIE, 0);
  mask.set(transactionId, 4);
  for (let i = 0; i < ip.length; i++) writer.u8(ip[i]! ^ mask[i]!);
}

function writeUnknown(writer: ByteWriter, types: readonly number[] | undefined): void {
  if (types === undefined || types.length === 0) return;
  const count = Math.min(types.length, MAX_UNKNOWN);
  writer.u16(UNKNOWN_ATTRIBUTES).u16(2 * count);
  for (let i = 0; i < count; i++) writer.u16(types[i]!);
  pad(writer, 2 * count);
}

function writeText(writer: ByteWriter, type: number, text: string | undefined): void {
  if (text === undefined || text === '') return;
  const value = Buffer.from(text, 'utf8');
  writer.u16(type).u16(value.length).bytes(value);
  pad(writer, value.length);
}

function pad(writer: ByteWriter, length: number): void {
  for (let i = length; (i & 3) !== 0; i++) writer.u8(0);
}

function textOf(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('utf8');
}
