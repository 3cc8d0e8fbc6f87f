/**
 * RTMP handshake without I/O (RTMP 1.0 section 5.2), both sides, simple and with the undocumented HMAC-SHA256
 * digests of Flash Player 9 and later. Left out on purpose: RTMPE (version byte 6, refused), and checks of what the
 * peer echoes in C2 and S2, because working programs differ there.
 *
 * A digest lies inside C1 and S1 at a place that four of their bytes give: scheme 0 has those four bytes at 8,
 * scheme 1 at 772. The answers C2 and S2 end with a digest keyed by the digest they answer.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { ProtocolError } from '../../util/errors.ts';

type HandshakeKind = 'simple' | 'digest0' | 'digest1';

interface HandshakeOptions {
  readonly randomBytes: (count: number) => Uint8Array;
  /** Any millisecond clock; only its low 32 bits are sent. */
  readonly nowMs: number;
}

interface ClientHandshakeOptions extends HandshakeOptions {
  /** Offer the digest handshake (the usual case); a server that only knows the simple one still answers. */
  readonly digest?: boolean;
}

const RTMP_VERSION = 3;
const RTMPE_VERSION = 6;
const PACKET_BYTES = 1536;
const HELLO_BYTES = 1 + PACKET_BYTES;
const DIGEST_BYTES = 32;
const OFFSET_RANGE = 728;
/** Where the four offset bytes lie, per scheme; the digest area follows them. */
const OFFSET_FIELDS = [8, 772];
/** Written into C1 and S1 by the digest side: versions that speak digests. */
const CLIENT_VERSION = [10, 0, 45, 2];
const SERVER_VERSION = [4, 5, 0, 1];

const KEY_TAIL = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const CLIENT_KEY = Buffer.from('Genuine Adobe Flash Player 001', 'latin1');
const SERVER_KEY = Buffer.from('Genuine Adobe Flash Media Server 001', 'latin1');
const CLIENT_FULL_KEY = Buffer.concat([CLIENT_KEY, KEY_TAIL]);
const SERVER_FULL_KEY = Buffer.concat([SERVER_KEY, KEY_TAIL]);

/** What both sides do: collect the peer's hello, answer it, count the peer's reply. */
abstract class Handshake {
  /** Valid once the peer's hello arrived, that is when `output` gave the answer to it. */
  kind: HandshakeKind = 'simple';
  done = false;
  protected readonly options: HandshakeOptions;
  protected pending: Buffer | null = null;
  private readonly hello = Buffer.allocUnsafe(HELLO_BYTES);
  private received = 0;

  constructor(options: HandshakeOptions) {
    this.options = options;
  }

  /** Takes what belongs to the handshake and returns how many bytes that was. Throws ProtocolError. */
  receive(bytes: Uint8Array): number {
    let used = 0;
    if (this.received < HELLO_BYTES) {
      used = Math.min(HELLO_BYTES - this.received, bytes.length);
      this.hello.set(bytes.subarray(0, used), this.received);
      if (this.received === 0 && used > 0) checkVersion(this.hello[0]!);
      this.received += used;
      if (this.received === HELLO_BYTES) this.answer(this.hello.subarray(1));
    }
    if (this.received >= HELLO_BYTES && !this.done) {
      // The peer's reply is only counted.
      const count = Math.min(HELLO_BYTES + PACKET_BYTES - this.received, bytes.length - used);
      this.received += count;
      used += count;
      this.done = this.received === HELLO_BYTES + PACKET_BYTES;
    }
    return used;
  }

  /** Bytes to send now, once; null when there are none. */
  output(): Buffer | null {
    const bytes = this.pending;
    this.pending = null;
    return bytes;
  }

  /** Makes the answer to C1 or S1 (without the version byte). */
  protected abstract answer(hello: Uint8Array): void;
}

/** Answers in the scheme the client used. */
export class ServerHandshake extends Handshake {
  protected override answer(c1: Uint8Array): void {
    const scheme = findScheme(c1, CLIENT_KEY);
    const out = Buffer.alloc(HELLO_BYTES + PACKET_BYTES);
    const s1 = out.subarray(1, HELLO_BYTES);
    const s2 = out.subarray(HELLO_BYTES);
    out[0] = RTMP_VERSION;
    fillHello(s1, this.options, scheme < 0 ? null : SERVER_VERSION);
    if (scheme < 0) s2.set(c1);
    else {
      this.kind = scheme === 0 ? 'digest0' : 'digest1';
      sign(s1, scheme, SERVER_KEY);
      writeReply(s2, c1, scheme, SERVER_FULL_KEY, this.options);
    }
    this.pending = out;
  }
}

/** `output` gives C0 and C1 right after construction. */
export class ClientHandshake extends Handshake {
  private readonly digest: boolean;

  constructor(options: ClientHandshakeOptions) {
    super(options);
    this.digest = options.digest ?? true;
    const out = Buffer.alloc(HELLO_BYTES);
    const c1 = out.subarray(1);
    out[0] = RTMP_VERSION;
    fillHello(c1, options, this.digest ? CLIENT_VERSION : null);
    if (this.digest) sign(c1, 0, CLIENT_KEY);
    this.pending = out;
  }

  protected override answer(s1: Uint8Array): void {
    const scheme = this.digest ? findScheme(s1, SERVER_KEY) : -1;
    const c2 = Buffer.alloc(PACKET_BYTES);
    if (scheme < 0) c2.set(s1);
    else {
      this.kind = scheme === 0 ? 'digest0' : 'digest1';
      writeReply(c2, s1, scheme, CLIENT_FULL_KEY, this.options);
    }
    this.pending = this.pending === null ? c2 : Buffer.concat([this.pending, c2]);
  }
}

function checkVersion(version: number): void {
  if (version === RTMP_VERSION) return;
  if (version === RTMPE_VERSION)
    throw new ProtocolError('rtmp.rtmpe-unsupported', 'RTMPE is not supported, use RTMPS');
  throw new ProtocolError('rtmp.bad-version', version);
}

function fillHello(packet: Buffer, options: HandshakeOptions, version: readonly number[] | null): void {
  packet.writeUInt32BE(Math.floor(options.nowMs) >>> 0, 0);
  if (version !== null) packet.set(version, 4);
  packet.set(options.randomBytes(PACKET_BYTES - 8), 8);
}

function digestPosition(packet: Uint8Array, scheme: number): number {
  const field = OFFSET_FIELDS[scheme]!;
  const sum = packet[field]! + packet[field + 1]! + packet[field + 2]! + packet[field + 3]!;
  return field + 4 + (sum % OFFSET_RANGE);
}

function digestAround(packet: Uint8Array, position: number, key: Uint8Array): Buffer {
  return createHmac('sha256', key)
    .update(packet.subarray(0, position))
    .update(packet.subarray(position + DIGEST_BYTES))
    .digest();
}

/** The scheme whose digest is right, or -1 for the simple handshake (always so when the version field is 0). */
function findScheme(packet: Uint8Array, key: Uint8Array): number {
  if ((packet[4]! | packet[5]! | packet[6]! | packet[7]!) === 0) return -1;
  for (let scheme = 0; scheme < OFFSET_FIELDS.length; scheme++) {
    const position = digestPosition(packet, scheme);
    const found = packet.subarray(position, position + DIGEST_BYTES);
    if (timingSafeEqual(digestAround(packet, position, key), found)) return scheme;
  }
  return -1;
}

function sign(packet: Buffer, scheme: number, key: Uint8Array): void {
  const position = digestPosition(packet, scheme);
  packet.set(digestAround(packet, position, key), position);
}

/** C2 or S2: random bytes, signed with a key made of the digest that `hello` carries. */
function writeReply(
  reply: Buffer,
  hello: Uint8Array,
  scheme: number,
  fullKey: Uint8Array,
  options: HandshakeOptions,
): void {
  const signedBytes = PACKET_BYTES - DIGEST_BYTES;
  reply.set(options.randomBytes(signedBytes));
  const position = digestPosition(hello, scheme);
  const key = createHmac('sha256', fullKey)
    .update(hello.subarray(position, position + DIGEST_BYTES))
    .digest();
  reply.set(createHmac('sha256', key).update(reply.subarray(0, signedBytes)).digest(), signedBytes);
}
