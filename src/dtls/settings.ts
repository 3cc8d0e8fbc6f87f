/** What the two ends are made with, and what they tell. */
import type { CertificateFingerprint, TlsCertificate } from '../crypto/tls-certificate.ts';
import type { DtlsCookie } from './cookie.ts';

export interface DtlsOptions {
  readonly certificate: TlsCertificate;
  /**
   * The peer's certificate must have it; a server then asks for a certificate. Without it a server asks for none and a
   * client takes any.
   */
  readonly remoteFingerprint?: CertificateFingerprint;
  /** In order of preference; the handshake fails without a common one. Empty: no use_srtp, data only. */
  readonly srtpProfiles?: readonly number[];
  /** Longest datagram, in bytes. */
  readonly mtu?: number;
  /** First repetition of a flight; each further one takes twice as long, up to 60 s. */
  readonly firstTimeoutMs?: number;
  /** From the constructor (server) or `start` (client) to `onConnected`. */
  readonly handshakeTimeoutMs?: number;
  /** In order of preference. */
  readonly suites?: readonly number[];
  readonly groups?: readonly number[];
}

export interface DtlsServerOptions extends DtlsOptions {
  /**
   * Nothing is remembered before the client has shown a cookie made for `address`. Behind full ICE it is not needed: the
   * address has answered a check of ours.
   */
  readonly requireCookie?: { readonly cookie: DtlsCookie; readonly address: string };
}

export interface DtlsSrtpKeys {
  /** 0: no SRTP was asked for, all keys are empty. */
  readonly srtpProfile: number;
  /** Master keys and salts; `client` is what the DTLS client encrypts with. */
  readonly clientKey: Uint8Array;
  readonly serverKey: Uint8Array;
  readonly clientSalt: Uint8Array;
  readonly serverSalt: Uint8Array;
}

export interface DtlsEvents {
  /** One datagram; its memory is not used again. */
  send(datagram: Uint8Array): void;
  /** Once. */
  onConnected(keys: DtlsSrtpKeys): void;
  /** Once, for any reason but an own `close`. `code` is `dtls.<what>`: `dtls.closed` when the peer closed in order. */
  onClosed(code: string, detail: string): void;
  /** One record of application data; the bytes stay. */
  onData?(payload: Uint8Array): void;
}

export interface DtlsCounters {
  readonly receivedRecords: number;
  /** Malformed, forged, of another epoch, or too early. */
  readonly droppedRecords: number;
  readonly replayedRecords: number;
  /** Flights that went again, by time or because the peer repeated its own. */
  readonly repeatedFlights: number;
}

export const DEFAULT_DTLS_MTU = 1200;
export const DEFAULT_FIRST_TIMEOUT_MS = 200;
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 30_000;
