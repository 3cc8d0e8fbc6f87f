/** What it takes to call others over WebRTC: streams that are pulled from there, and forwards. */
import type { RtcFingerprint } from './rtc-description.ts';
import type { RtcPool } from './rtc-pool.ts';

export interface RtcCalls {
  readonly pool: RtcPool;
  /** Of the certificate that the threads have. */
  readonly fingerprint: RtcFingerprint;
  /** What their sockets are bound to; '' = all addresses. */
  readonly hosts: readonly string[];
}

/** Whoever owns the threads puts it here, and takes it away again. */
export interface RtcCallsHolder {
  current: RtcCalls | null;
}
