/**
 * Why a connection is refused (draft-sharabayko-srt-01 section 4.3 table 7, libsrt's access control guideline). On the
 * wire the handshake type is 1000 and the reason: 1010 for a wrong passphrase, 2403 for an application's 1403.
 */

export const SRT_REJECT = {
  unknown: 0,
  system: 1,
  peer: 2,
  resource: 3,
  rogue: 4,
  backlog: 5,
  internal: 6,
  close: 7,
  version: 8,
  rendezvousCookie: 9,
  badSecret: 10,
  unsecure: 11,
  messageApi: 12,
  congestion: 13,
  filter: 14,
  group: 15,
  timeout: 16,
  crypto: 17,
  // From 1000 on: reasons of the application, which follow HTTP from 1400 on.
  keyNotSupported: 1001,
  badRequest: 1400,
  unauthorized: 1401,
  overload: 1402,
  forbidden: 1403,
  notFound: 1404,
  badMode: 1405,
  unacceptable: 1406,
  conflict: 1409,
  unsupportedMedia: 1415,
  locked: 1423,
  internalServerError: 1500,
  notSupported: 1501,
  serviceDown: 1503,
  loop: 1508,
} as const;

const WIRE_BASE = 1000;
const WIRE_END = 10_000;

const WORDS: Readonly<Record<number, string>> = {
  0: 'for a reason that is not known',
  1: 'a system function failed',
  2: 'the peer refused',
  3: 'out of resources',
  4: 'the handshake data are wrong',
  5: 'too many connections wait',
  6: 'internal error',
  7: 'the peer closes',
  8: 'the peer speaks an older protocol version',
  9: 'rendezvous cookies collide',
  10: 'wrong passphrase',
  11: 'one side asks for encryption, the other has no passphrase',
  12: 'stream mode against message mode',
  13: 'another congestion control: only live mode is spoken',
  14: 'packet filter settings do not match',
  15: 'group settings do not match',
  16: 'time ran out',
  17: 'ciphers do not match',
  1001: 'a key of the stream id is not supported',
  1400: 'bad request',
  1401: 'unauthorized',
  1402: 'overload',
  1403: 'forbidden',
  1404: 'not found',
  1405: 'the mode of the stream id is not supported',
  1406: 'not acceptable',
  1409: 'conflict: the stream has a publisher',
  1415: 'unsupported media',
  1423: 'locked',
  1500: 'internal server error',
  1501: 'the server cannot do what the stream id asks for',
  1503: 'service down',
  1508: 'the stream came through that server already, a forward leads back there',
};

/** Handshake type that tells the reason. */
export function rejectToWire(reason: number): number {
  return WIRE_BASE + reason;
}

/** The reason, or -1 when the handshake type is no refusal. Some servers send 1403 as it is: taken for what it means. */
export function rejectFromWire(handshakeType: number): number {
  if (handshakeType < WIRE_BASE || handshakeType >= WIRE_END) return -1;
  const reason = handshakeType - WIRE_BASE;
  return reason >= 400 && reason < 600 ? reason + WIRE_BASE : reason;
}

/** A phrase for a log line, with the number. */
export function describeReject(reason: number): string {
  return `${WORDS[reason] ?? 'refused by the application'} (${reason})`;
}
