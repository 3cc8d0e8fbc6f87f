/** What a handshake agreed on: SrtCaller, SrtListener and SrtRendezvous make it, SrtConnection lives by it. */
import type { SrtGroupMembership } from '../wire/srt/handshake.ts';
import type { SrtKeyring } from './keyring.ts';

export interface SrtAgreement {
  readonly localSocketId: number;
  readonly peerSocketId: number;
  /** Sequence numbers of the first packet to send and to receive. */
  readonly sendSequence: number;
  readonly receiveSequence: number;
  /** Largest IP packet, in bytes. */
  readonly mss: number;
  /** Packets that we may have under way. */
  readonly flowWindow: number;
  readonly receiveLatencyMs: number;
  readonly sendLatencyMs: number;
  /** Null without encryption. */
  readonly keyring: SrtKeyring | null;
  /** SRT_FLAG_* of the peer. */
  readonly peerFlags: number;
  /** 0x010501 for 1.5.1. */
  readonly peerVersion: number;
  readonly streamId: string;
  readonly group: SrtGroupMembership | null;
  /** Zero of our packet timestamps, microseconds of our clock. */
  readonly startUs: number;
  /** Zero of the peer's packet timestamps in microseconds of our clock, one way of the network included. */
  readonly peerStartUs: number;
}
