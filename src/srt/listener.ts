/**
 * The listening side of handshakes (draft-sharabayko-srt-01 section 4.3.1). Inductions are answered without keeping
 * anything: the cookie is a keyed digest of address, port and minute. A conclusion with a good cookie becomes a request
 * that the server answers now or later; repeated conclusions get the same answer again.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import {
  emptyHandshake,
  markOwnKind,
  packPeerAddress,
  readHandshake,
  SRT_HANDSHAKE,
  SRT_MAGIC,
  type SrtGroupMembership,
  type SrtHandshake,
  type SrtHandshakeMessage,
  writeHandshake,
} from '../wire/srt/handshake.ts';
import { readKeyMaterial } from '../wire/srt/key-material.ts';
import { rejectToWire, SRT_REJECT } from '../wire/srt/reject.ts';
import { readU32, writeU32 } from '../wire/srt/srt-packet.ts';
import type { SrtAgreement } from './agreement.ts';
import { judgePeer, makeAgreement, ownMessage, takeKeys } from './negotiation.ts';
import type { SrtSettings } from './settings.ts';

const COOKIE_PERIOD_US = 60_000_000;
/** Callers give up after 3 s, patient ones later; an answer later than this finds nobody. */
const REQUEST_TIMEOUT_US = 10_000_000;
/** How long a refusal is repeated to a caller that repeats itself. */
const REFUSAL_KEPT_US = 3_000_000;
/** Conclusions with a good cookie that wait for their answer, or whose refusal is not forgotten. */
const MAX_REQUESTS = 4096;
/** Of these from one address: a look at a passphrase takes a millisecond. Fewer while unanswered. */
const MAX_REQUESTS_PER_ADDRESS = 256;
const MAX_WAITING_PER_ADDRESS = 64;
const MIN_SECRET_BYTES = 16;

export interface SrtListenerEvents {
  send(datagram: Uint8Array, address: string, port: number): void;
  /** Answer with `accept` or `refuse`, within the call or later. */
  request(request: SrtRequest): void;
  /** A caller that cannot be spoken with was refused; `code` is of SRT_REJECT. */
  refused(address: string, port: number, code: number): void;
}

/** One caller that wants in. */
export interface SrtRequest {
  readonly address: string;
  readonly port: number;
  readonly peerSocketId: number;
  readonly peerVersion: number;
  readonly streamId: string;
  /** Length of the caller's key in bytes, 0 when it does not encrypt. */
  readonly keyBytes: number;
  readonly group: SrtGroupMembership | null;
  /** Ids of servers of our kind that the stream came through, with commas. */
  readonly via: string;
}

class Pending implements SrtRequest {
  readonly address: string;
  readonly port: number;
  readonly peerSocketId: number;
  readonly peerVersion: number;
  readonly streamId: string;
  readonly keyBytes: number;
  readonly group: SrtGroupMembership | null;
  readonly via: string;
  readonly key: string;
  readonly handshake: SrtHandshake;
  readonly message: SrtHandshakeMessage;
  readonly arrivedUs: number;
  readonly timestamp: number;
  /** The answer, once there is one. */
  answer: Buffer | null;
  /** Zero of the timestamps of our answers. */
  startUs: number;
  /** When it is forgotten; Infinity while its connection lives. */
  expiresUs: number;
  /** It has a connection, which others bound. */
  isAccepted: boolean;

  constructor(
    key: string,
    address: string,
    port: number,
    handshake: SrtHandshake,
    message: SrtHandshakeMessage,
    timestamp: number,
    nowUs: number,
  ) {
    this.address = address;
    this.port = port;
    this.peerSocketId = handshake.socketId;
    this.peerVersion = message.version;
    this.streamId = handshake.streamId ?? '';
    const material = handshake.keyRequest === null ? null : readKeyMaterial(handshake.keyRequest);
    this.keyBytes = material?.keyBytes ?? 0;
    this.group = handshake.group;
    this.via = handshake.via ?? '';
    this.key = key;
    this.handshake = handshake;
    this.message = message;
    this.arrivedUs = nowUs;
    this.timestamp = timestamp;
    this.answer = null;
    this.startUs = nowUs;
    this.expiresUs = nowUs + REQUEST_TIMEOUT_US;
    this.isAccepted = false;
  }
}

/** Requests of one address without a connection, and how many of them are unanswered. */
interface AddressLoad {
  requests: number;
  waiting: number;
}

export class SrtListener {
  private readonly secret: KeyObject;
  private readonly events: SrtListenerEvents;
  /** Key length in bytes that callers shall use, 0 for their choice. */
  private readonly keyBytes: number;
  private readonly requests: Map<string, Pending>;
  /** No entry without a request. */
  private readonly loads: Map<string, AddressLoad>;
  /** Requests without a connection. */
  private pendingCount: number;

  /** `secret`: random bytes of this run. */
  constructor(secret: Uint8Array, keyBytes: number, events: SrtListenerEvents) {
    if (secret.length < MIN_SECRET_BYTES) throw new RangeError('the secret is too short');
    this.secret = createSecretKey(secret);
    this.keyBytes = keyBytes;
    this.events = events;
    this.requests = new Map();
    this.loads = new Map();
    this.pendingCount = 0;
  }

  /** Requests that are kept, answered or not, with a connection or not. */
  get size(): number {
    return this.requests.size;
  }

  /** A datagram with destination socket id 0. Anything but a handshake is ignored. */
  receive(datagram: Uint8Array, address: string, port: number, nowUs: number): void {
    const handshake = readHandshake(datagram);
    if (handshake === null) return;
    if (handshake.type === SRT_HANDSHAKE.induction) this.induce(handshake, address, port, nowUs);
    else if (handshake.type === SRT_HANDSHAKE.conclusion)
      this.conclude(handshake, readU32(datagram, 8), address, port, nowUs);
  }

  /** Forgets what nobody answered; about once a second. */
  tick(nowUs: number): void {
    for (const request of this.requests.values()) if (nowUs >= request.expiresUs) this.forget(request);
  }

  /** Null when the request cannot be met: `refused` was called then, or the caller is gone. */
  accept(
    request: SrtRequest,
    settings: SrtSettings,
    localSocketId: number,
    nowUs: number,
  ): SrtAgreement | null {
    const pending = this.find(request);
    if (pending === null) return null;
    const { handshake, message } = pending;
    const keyring = takeKeys(settings.passphrase, handshake.keyRequest);
    if (typeof keyring === 'number') return this.refuseAs(pending, keyring, nowUs);
    const agreement = makeAgreement({
      settings,
      localSocketId,
      // As libsrt does: both directions begin with the caller's number.
      sendSequence: handshake.sequence,
      peer: handshake,
      message,
      keyring,
      streamId: pending.streamId,
      startUs: nowUs,
      peerStartUs: pending.arrivedUs - pending.timestamp,
    });
    const answer = emptyHandshake(SRT_HANDSHAKE.conclusion);
    answer.sequence = handshake.sequence;
    answer.mss = agreement.mss;
    answer.flowWindow = settings.flowWindow;
    answer.socketId = localSocketId;
    answer.cookie = handshake.cookie;
    answer.peerAddress = packPeerAddress(pending.address);
    answer.response = ownMessage(settings, agreement.receiveLatencyMs, agreement.sendLatencyMs);
    answer.keyResponse = handshake.keyRequest;
    answer.encryption = keyring === null ? 0 : keyring.keyBytes / 8;
    if (pending.group !== null) answer.group = { ...pending.group, id: groupAnswerId(pending.group.id) };
    pending.expiresUs = Number.POSITIVE_INFINITY;
    pending.startUs = nowUs;
    this.answer(pending, writeHandshake(answer, 0, handshake.socketId));
    pending.isAccepted = true;
    this.discharge(pending);
    return agreement;
  }

  /** `reason` of SRT_REJECT. */
  refuse(request: SrtRequest, reason: number, nowUs: number): void {
    const pending = this.find(request);
    if (pending === null) return;
    pending.expiresUs = nowUs + REFUSAL_KEPT_US;
    this.answer(pending, refusal(pending.handshake, reason));
  }

  /** The connection of an accepted request has ended. */
  release(request: SrtRequest): void {
    if (request instanceof Pending && this.requests.get(request.key) === request) this.forget(request);
  }

  private induce(handshake: SrtHandshake, address: string, port: number, nowUs: number): void {
    // With a forged address it is for a listener, of ours even, and each would answer the other for ever.
    if (handshake.socketId === 0) return;
    const peerAddress = packPeerAddress(address);
    markOwnKind(peerAddress);
    const answer: SrtHandshake = {
      ...handshake,
      version: 5,
      encryption: this.keyBytes / 8,
      extension: SRT_MAGIC,
      cookie: this.cookie(address, port, nowUs),
      peerAddress,
    };
    this.events.send(writeHandshake(answer, 0, handshake.socketId), address, port);
  }

  private conclude(
    handshake: SrtHandshake,
    timestamp: number,
    address: string,
    port: number,
    nowUs: number,
  ): void {
    if (
      handshake.cookie !== this.cookie(address, port, nowUs) &&
      handshake.cookie !== this.cookie(address, port, nowUs - COOKIE_PERIOD_US)
    )
      return;
    const key = `${address}|${port}|${handshake.socketId}`;
    const known = this.requests.get(key);
    if (known !== undefined) {
      if (known.answer === null) return;
      // The caller takes our clock from the copy that reaches it; the last one may still be on its way.
      const copy = Buffer.from(known.answer);
      writeU32(copy, 8, nowUs - known.startUs);
      this.events.send(copy, address, port);
      return;
    }
    const message = handshake.request;
    let problem = judgePeer(handshake, message);
    if (problem < 0 && !this.hasRoom(address)) problem = SRT_REJECT.backlog;
    if (problem >= 0 || message === null) {
      this.events.send(refusal(handshake, problem), address, port);
      this.events.refused(address, port, problem);
      return;
    }
    const pending = new Pending(key, address, port, handshake, message, timestamp, nowUs);
    this.requests.set(key, pending);
    this.charge(address);
    this.events.request(pending);
  }

  private cookie(address: string, port: number, nowUs: number): number {
    const minute = Math.floor(nowUs / COOKIE_PERIOD_US);
    const digest = createHmac('sha256', this.secret).update(`${address}|${port}|${minute}`).digest();
    return digest.readUInt32BE(0);
  }

  private find(request: SrtRequest): Pending | null {
    if (!(request instanceof Pending) || request.answer !== null) return null;
    return this.requests.get(request.key) === request ? request : null;
  }

  private refuseAs(pending: Pending, reason: number, nowUs: number): null {
    this.refuse(pending, reason, nowUs);
    this.events.refused(pending.address, pending.port, reason);
    return null;
  }

  private answer(pending: Pending, datagram: Buffer): void {
    pending.answer = datagram;
    const load = this.loads.get(pending.address);
    if (load !== undefined) load.waiting--;
    this.events.send(datagram, pending.address, pending.port);
  }

  private forget(pending: Pending): void {
    this.requests.delete(pending.key);
    if (!pending.isAccepted) this.discharge(pending);
  }

  private hasRoom(address: string): boolean {
    if (this.pendingCount >= MAX_REQUESTS) return false;
    const load = this.loads.get(address);
    if (load === undefined) return true;
    return load.requests < MAX_REQUESTS_PER_ADDRESS && load.waiting < MAX_WAITING_PER_ADDRESS;
  }

  private charge(address: string): void {
    this.pendingCount++;
    const load = this.loads.get(address);
    if (load === undefined) this.loads.set(address, { requests: 1, waiting: 1 });
    else {
      load.requests++;
      load.waiting++;
    }
  }

  private discharge(pending: Pending): void {
    this.pendingCount--;
    const load = this.loads.get(pending.address);
    if (load === undefined) return;
    load.requests--;
    if (pending.answer === null) load.waiting--;
    if (load.requests === 0) this.loads.delete(pending.address);
  }
}

/** The caller's handshake comes back with the reason for its type, without extensions. */
function refusal(handshake: SrtHandshake, reason: number): Buffer {
  const answer = emptyHandshake(rejectToWire(reason));
  answer.version = handshake.version;
  answer.encryption = handshake.encryption;
  answer.extension = handshake.extension;
  answer.sequence = handshake.sequence;
  answer.mss = handshake.mss;
  answer.flowWindow = handshake.flowWindow;
  answer.socketId = handshake.socketId;
  answer.cookie = handshake.cookie;
  answer.peerAddress = handshake.peerAddress;
  return writeHandshake(answer, 0, handshake.socketId);
}

/** Our group has an id of its own: all members of one caller's group get the same one. */
function groupAnswerId(id: number): number {
  return (id ^ 0x1357_9bdf) & 0x7fff_ffff;
}
