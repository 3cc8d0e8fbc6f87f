/**
 * MIKEY messages (RFC 3830 section 6) as RTSP servers and cameras use them to tell SRTP keys inside TLS (RFC 4567): an
 * initiator's message of the pre-shared kind whose keys are neither ciphered nor authenticated, with SRTP policies.
 * Leaves out: other ways to agree on keys, verification messages, ciphered keys (KEMAC other than NULL), generation
 * keys (TGK), maps of other protocols than SRTP. Identities and general extensions are skipped.
 */

export interface MikeySource {
  /** Number of the policy that it follows. */
  readonly policy: number;
  /** 0 = not known yet. */
  readonly ssrc: number;
  readonly rollover: number;
}

export interface MikeyPolicy {
  readonly number: number;
  /** By type (RFC 3830 section 6.10.1); values of numbers are big-endian. */
  readonly parameters: readonly { readonly type: number; readonly value: Uint8Array }[];
}

interface MikeyKey {
  /** TEK: key, and mostly the salt behind it. */
  readonly key: Uint8Array;
  /** When it is told apart from the key. */
  readonly salt: Uint8Array | null;
  /** Name of the key in packets (SPI); null = it has none. */
  readonly mki: Uint8Array | null;
}

export interface MikeyMessage {
  /** Unsigned 32 bit. */
  readonly csbId: number;
  readonly sources: readonly MikeySource[];
  /** NTP time: seconds since 1900 and 2^-32 of them. */
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  /** 16 bytes or more. */
  readonly random: Uint8Array;
  readonly policies: readonly MikeyPolicy[];
  readonly keys: readonly MikeyKey[];
}

/** A message of ours takes some 130 bytes. */
export const MAX_MIKEY_BYTES = 4096;
const MAX_PAYLOADS = 32;

const VERSION = 1;
const PRE_SHARED_INIT = 0;
const SRTP_MAP = 0;
const EMPTY_MAP = 1;
const SOURCE_BYTES = 9;
const HEADER_BYTES = 10;
const NULL_ALGORITHM = 0;
const SRTP_POLICY = 0;
const LAST = 0;
const KEMAC = 1;
const TIME = 5;
const IDENTITY = 6;
const POLICY = 10;
const RANDOM = 11;
const EXTENSION = 21;
const TIME_COUNTER = 2;
const TEK = 2;
const TEK_AND_SALT = 3;
const SPI = 1;
const INTERVAL = 2;

/** Walks over the bytes; reading over the end makes it broken and gives zeros. */
class Cursor {
  at = 0;
  isBroken = false;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  u8(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) this.isBroken = true;
    return value ?? 0;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  /** A copy. */
  take(length: number): Uint8Array {
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) this.isBroken = true;
    return this.isBroken ? new Uint8Array(0) : new Uint8Array(this.bytes.subarray(start, this.at));
  }
}

type Building = { -readonly [K in keyof MikeyMessage]: MikeyMessage[K] };

/** Null for what is no message, or one of the kinds that are left out. */
export function parseMikey(bytes: Uint8Array): MikeyMessage | null {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_MIKEY_BYTES) return null;
  const cursor = new Cursor(bytes);
  if (cursor.u8() !== VERSION || cursor.u8() !== PRE_SHARED_INIT) return null;
  let next = cursor.u8();
  // Verification wish and PRF: they are for messages with another key over them.
  cursor.u8();
  const csbId = cursor.u32();
  const count = cursor.u8();
  const map = cursor.u8();
  if (map !== SRTP_MAP && !(map === EMPTY_MAP && count === 0)) return null;
  if (count * SOURCE_BYTES > bytes.length) return null;
  const sources = Array.from({ length: count }, () => ({
    policy: cursor.u8(),
    ssrc: cursor.u32(),
    rollover: cursor.u32(),
  }));
  const message: Building = {
    csbId,
    sources,
    ntpSeconds: 0,
    ntpFraction: 0,
    random: new Uint8Array(0),
    policies: [],
    keys: [],
  };
  for (let payloads = 0; next !== LAST; payloads++) {
    if (payloads === MAX_PAYLOADS || cursor.isBroken) return null;
    const type = next;
    next = cursor.u8();
    if (!readPayload(cursor, type, message)) return null;
  }
  return cursor.isBroken ? null : message;
}

/** False for a payload that is not understood. */
function readPayload(cursor: Cursor, type: number, message: Building): boolean {
  switch (type) {
    case TIME: {
      const isCounter = cursor.u8() === TIME_COUNTER;
      message.ntpSeconds = isCounter ? 0 : cursor.u32();
      message.ntpFraction = cursor.u32();
      return true;
    }
    case RANDOM:
      message.random = cursor.take(cursor.u8());
      return true;
    case POLICY:
      return readPolicy(cursor, message);
    case KEMAC:
      return readKeys(cursor, message);
    case IDENTITY:
    case EXTENSION:
      cursor.u8();
      cursor.take(cursor.u16());
      return true;
    default:
      return false;
  }
}

function readPolicy(cursor: Cursor, message: Building): boolean {
  const number = cursor.u8();
  if (cursor.u8() !== SRTP_POLICY) return false;
  const length = cursor.u16();
  const end = cursor.at + length;
  const parameters: { type: number; value: Uint8Array }[] = [];
  while (cursor.at < end && !cursor.isBroken) {
    const type = cursor.u8();
    parameters.push({ type, value: cursor.take(cursor.u8()) });
  }
  message.policies = [...message.policies, { number, parameters }];
  return cursor.at === end;
}

function readKeys(cursor: Cursor, message: Building): boolean {
  if (cursor.u8() !== NULL_ALGORITHM) return false;
  const inner = new Cursor(cursor.take(cursor.u16()));
  if (cursor.u8() !== NULL_ALGORITHM || cursor.isBroken) return false;
  const keys: MikeyKey[] = [];
  // Each key says what follows it: 0, or the number of another key.
  for (let more = 1; more !== LAST; ) {
    more = inner.u8();
    const key = readKey(inner);
    if (key === null || inner.isBroken || keys.length === MAX_PAYLOADS) return false;
    keys.push(key);
  }
  message.keys = [...message.keys, ...keys];
  return true;
}

function readKey(cursor: Cursor): MikeyKey | null {
  const kind = cursor.u8();
  const type = kind >> 4;
  if (type !== TEK && type !== TEK_AND_SALT) return null;
  const key = cursor.take(cursor.u16());
  const salt = type === TEK_AND_SALT ? cursor.take(cursor.u16()) : null;
  let mki: Uint8Array | null = null;
  const validity = kind & 15;
  if (validity === SPI) mki = cursor.take(cursor.u8());
  if (validity === INTERVAL) {
    cursor.take(cursor.u8());
    cursor.take(cursor.u8());
  }
  return { key, salt, mki };
}

/** The bytes in the order of payloads that is usual: time, random, policies, keys. */
export function serializeMikey(message: MikeyMessage): Buffer {
  const { csbId, sources, ntpSeconds, ntpFraction, random, policies, keys } = message;
  const parts: Uint8Array[] = [
    Buffer.of(VERSION, PRE_SHARED_INIT, TIME, 0),
    word(csbId),
    Buffer.of(sources.length, SRTP_MAP),
    ...sources.flatMap(({ policy, ssrc, rollover }) => [Buffer.of(policy), word(ssrc), word(rollover)]),
    Buffer.of(RANDOM, 0),
    word(ntpSeconds),
    word(ntpFraction),
    Buffer.of(policies.length > 0 ? POLICY : KEMAC, random.length),
    random,
  ];
  for (const [place, { number, parameters }] of policies.entries()) {
    const body = parameters.flatMap(({ type, value }) => [Buffer.of(type, value.length), value]);
    const next = place + 1 < policies.length ? POLICY : KEMAC;
    parts.push(Buffer.of(next, number, SRTP_POLICY), withLength(Buffer.concat(body)));
  }
  const body = keys.map((key, place) => serializeKey(key, place + 1 < keys.length));
  parts.push(Buffer.of(LAST, NULL_ALGORITHM), withLength(Buffer.concat(body)), Buffer.of(NULL_ALGORITHM));
  return Buffer.concat(parts);
}

const KEY_DATA = 20;

function serializeKey({ key, salt, mki }: MikeyKey, hasNext: boolean): Buffer {
  const type = salt === null ? TEK : TEK_AND_SALT;
  return Buffer.concat([
    Buffer.of(hasNext ? KEY_DATA : LAST, (type << 4) | (mki === null ? 0 : SPI)),
    withLength(key),
    ...(salt === null ? [] : [withLength(salt)]),
    ...(mki === null ? [] : [Buffer.of(mki.length), mki]),
  ]);
}

function withLength(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
