/** What a side of an SRT connection may choose; the defaults are libsrt's for live use. */

export interface SrtSettings {
  /** How long what we receive waits for repairs, in milliseconds; the peer may ask for more. */
  latencyMs: number;
  /** The least that the peer shall wait with what we send, in milliseconds. */
  peerLatencyMs: number;
  /** 10 to 79 characters; empty means no encryption. */
  passphrase: string;
  /** Of the keys we make; 0 takes what the peer advertises, else 16. */
  keyBytes: 0 | 16 | 24 | 32;
  /** Callers: ask for AES-GCM instead of AES-CTR. Listeners take what the caller chose. */
  gcm: boolean;
  /** Packets sent with one key; a new one is announced `keyAnnouncePackets` before. */
  keyRefreshPackets: number;
  keyAnnouncePackets: number;
  /** Bytes a second: -1 no limit, 0 the input rate and `overheadPercent` on top, else the limit. */
  maxBandwidth: number;
  /** Bytes a second, for `maxBandwidth` 0; 0 measures it. */
  inputBandwidth: number;
  overheadPercent: number;
  /** Largest IP packet in bytes; the smaller one of both sides counts. */
  mss: number;
  /** Packets under way without an acknowledgement that we allow the peer. */
  flowWindow: number;
  /** Bounds of what waits for acknowledgement. */
  sendBufferPackets: number;
  sendBufferBytes: number;
  /** Bounds of what waits for its time or for repairs. */
  receiveBufferPackets: number;
  receiveBufferBytes: number;
  /** Without any packet for so long the peer counts as gone. */
  peerIdleTimeoutMs: number;
  /** Give up what comes too late instead of standing still. */
  tooLateDrop: boolean;
  /** `timed` hands out at the sender's pace after the latency; `in-order` as soon as nothing is missing before. */
  delivery: 'timed' | 'in-order';
}

export const DEFAULT_SRT_SETTINGS: Readonly<SrtSettings> = {
  latencyMs: 120,
  peerLatencyMs: 0,
  passphrase: '',
  keyBytes: 0,
  gcm: false,
  keyRefreshPackets: 0x100_0000,
  keyAnnouncePackets: 0x1000,
  maxBandwidth: -1,
  inputBandwidth: 0,
  overheadPercent: 25,
  mss: 1500,
  flowWindow: 25_600,
  sendBufferPackets: 8192,
  sendBufferBytes: 12_000_000,
  receiveBufferPackets: 8192,
  receiveBufferBytes: 12_000_000,
  peerIdleTimeoutMs: 5000,
  tooLateDrop: true,
  delivery: 'timed',
};
