/** What both sides of a handshake have in common: what we say about ourselves, what the peer's word makes of it. */
import {
  SRT_FLAG_CRYPT,
  SRT_FLAG_PERIODIC_NAK,
  SRT_FLAG_REXMIT,
  SRT_FLAG_STREAM,
  SRT_FLAG_TOO_LATE_DROP,
  SRT_FLAG_TSBPD_RECEIVE,
  SRT_FLAG_TSBPD_SEND,
  type SrtHandshake,
  type SrtHandshakeMessage,
} from '../wire/srt/handshake.ts';
import {
  keyResponseState,
  readKeyMaterial,
  SRT_CIPHER_GCM,
  SRT_KEY_STATE_BAD_CIPHER,
  SRT_KEY_STATE_BAD_SECRET,
} from '../wire/srt/key-material.ts';
import { SRT_REJECT } from '../wire/srt/reject.ts';
import type { SrtAgreement } from './agreement.ts';
import { SrtKeyring } from './keyring.ts';
import type { SrtSettings } from './settings.ts';

/** The libsrt version whose behaviour we speak: 1.5.4. Whoever tells an older one gets the old form of GCM from it. */
const SRT_VERSION = 0x01_05_04;
/** Version 5 handshakes came with 1.3.0, and with the builds that led to it. */
const MIN_PEER_VERSION = 0x01_02_00;
/** Before this libsrt made nonces of GCM otherwise, and covered the header in the byte order of the machine. */
const MIN_GCM_VERSION = 0x01_05_04;
/** Smallest IP packet of IPv4 that all hosts take; and enough for handshakes. */
const MIN_MSS = 576;
const MAX_MSS = 1500;
const MIN_FLOW_WINDOW = 32;
const DEFAULT_KEY_BYTES = 16;
/** The field has 16 bits. */
const MAX_LATENCY_MS = 0xffff;

/** HSREQ or HSRSP. The packet filter flag stays off: nobody may send us FEC. */
export function ownMessage(
  settings: SrtSettings,
  receiveLatencyMs: number,
  sendLatencyMs: number,
): SrtHandshakeMessage {
  return {
    version: SRT_VERSION,
    flags:
      SRT_FLAG_TSBPD_SEND |
      SRT_FLAG_TSBPD_RECEIVE |
      SRT_FLAG_CRYPT |
      SRT_FLAG_PERIODIC_NAK |
      SRT_FLAG_REXMIT |
      (settings.tooLateDrop ? SRT_FLAG_TOO_LATE_DROP : 0),
    receiveLatencyMs: Math.min(receiveLatencyMs, MAX_LATENCY_MS),
    sendLatencyMs: Math.min(sendLatencyMs, MAX_LATENCY_MS),
  };
}

export function ownMss(settings: SrtSettings): number {
  return Math.max(MIN_MSS, Math.min(settings.mss, MAX_MSS));
}

/** Why this peer cannot be spoken with (SRT_REJECT), or -1. */
export function judgePeer(handshake: SrtHandshake, message: SrtHandshakeMessage | null): number {
  if (handshake.version < 5) return SRT_REJECT.version;
  if (message === null || handshake.socketId === 0) return SRT_REJECT.rogue;
  if (message.version < MIN_PEER_VERSION) return SRT_REJECT.version;
  if (handshake.mss < MIN_MSS || handshake.flowWindow < MIN_FLOW_WINDOW) return SRT_REJECT.rogue;
  if ((message.flags & SRT_FLAG_STREAM) !== 0) return SRT_REJECT.messageApi;
  if (handshake.congestion !== null && handshake.congestion !== 'live') return SRT_REJECT.congestion;
  const keys = handshake.keyRequest ?? handshake.keyResponse;
  if (keys !== null && message.version < MIN_GCM_VERSION && readKeyMaterial(keys)?.cipher === SRT_CIPHER_GCM)
    return SRT_REJECT.crypto;
  return -1;
}

/** Key length of who makes the keys: the peer's wish, our own, AES-128. */
export function pickKeyBytes(settings: SrtSettings, peer: SrtHandshake): number {
  const advertised = peer.encryption >= 2 && peer.encryption <= 4 ? peer.encryption * 8 : 0;
  return advertised || settings.keyBytes || DEFAULT_KEY_BYTES;
}

/** The keys of who asks, null without encryption; SRT_REJECT where that is no common ground. */
export function takeKeys(passphrase: string, keyRequest: Uint8Array | null): SrtKeyring | null | number {
  if ((keyRequest === null) !== (passphrase === '')) return SRT_REJECT.unsecure;
  if (keyRequest === null) return null;
  return SrtKeyring.open(passphrase, keyRequest) ?? SRT_REJECT.badSecret;
}

/** Why the answer to our keys does not do (SRT_REJECT), or -1. */
export function judgeKeyAnswer(keyring: SrtKeyring | null, answer: Uint8Array | null): number {
  if (keyring === null) return -1;
  if (answer === null) return SRT_REJECT.unsecure;
  const state = keyResponseState(answer);
  if (state < 0) return -1;
  if (state === SRT_KEY_STATE_BAD_CIPHER) return SRT_REJECT.crypto;
  return state === SRT_KEY_STATE_BAD_SECRET ? SRT_REJECT.badSecret : SRT_REJECT.unsecure;
}

export interface AgreementParts {
  readonly settings: SrtSettings;
  readonly localSocketId: number;
  readonly sendSequence: number;
  readonly peer: SrtHandshake;
  readonly message: SrtHandshakeMessage;
  readonly keyring: SrtKeyring | null;
  readonly streamId: string;
  readonly startUs: number;
  readonly peerStartUs: number;
}

/** Each direction waits as long as the longer-waiting side asks for. */
export function makeAgreement(parts: AgreementParts): SrtAgreement {
  const { settings, peer, message } = parts;
  return {
    localSocketId: parts.localSocketId,
    peerSocketId: peer.socketId,
    sendSequence: parts.sendSequence,
    receiveSequence: peer.sequence,
    mss: Math.min(ownMss(settings), peer.mss),
    flowWindow: Math.min(settings.flowWindow, peer.flowWindow),
    receiveLatencyMs: Math.max(settings.latencyMs, message.sendLatencyMs),
    sendLatencyMs: Math.max(settings.peerLatencyMs, message.receiveLatencyMs),
    keyring: parts.keyring,
    peerFlags: message.flags,
    peerVersion: message.version,
    streamId: parts.streamId,
    group: peer.group,
    startUs: parts.startUs,
    peerStartUs: parts.peerStartUs,
  };
}
