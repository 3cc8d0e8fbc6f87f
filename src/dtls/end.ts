/**
 * What both sides of a handshake have: what their owner sees of them, what they would agree to and what is agreed. The
 * order of messages and their answers are in `DtlsServer` and `DtlsClient`.
 */
import type { KeyObject } from 'node:crypto';
import type { EphemeralKey } from '../crypto/ephemeral-key.ts';
import {
  type CipherSuite,
  DEFAULT_DTLS_GROUPS,
  DEFAULT_DTLS_SUITES,
  DEFAULT_SRTP_PROFILES,
} from './cipher-suites.ts';
import { DtlsConnection } from './connection.ts';
import { KeySchedule, masterSecret } from './key-schedule.ts';
import type { DtlsCounters, DtlsEvents, DtlsOptions } from './settings.ts';

export const NOTHING = Buffer.alloc(0);

export abstract class DtlsEnd {
  protected readonly options: DtlsOptions;
  protected readonly connection: DtlsConnection;
  protected readonly suites: readonly number[];
  protected readonly groups: readonly number[];
  protected readonly srtpProfiles: readonly number[];
  protected suite: CipherSuite | null;
  protected srtpProfile: number;
  protected hasExtendedMasterSecret: boolean;
  protected clientRandom: Uint8Array;
  protected serverRandom: Uint8Array;
  protected ephemeral: EphemeralKey | null;
  /** Of the peer's certificate, until its signature is checked. */
  protected peerKey: KeyObject | null;

  constructor(isClient: boolean, options: DtlsOptions, events: DtlsEvents, nowUs: number) {
    this.options = options;
    const role = {
      isClient,
      onMessage: (type: number, message: Buffer): void => this.onMessage(type, message),
    };
    this.connection = new DtlsConnection(role, options, events, nowUs);
    this.suites = options.suites ?? DEFAULT_DTLS_SUITES;
    this.groups = options.groups ?? DEFAULT_DTLS_GROUPS;
    this.srtpProfiles = options.srtpProfiles ?? DEFAULT_SRTP_PROFILES;
    this.suite = null;
    this.srtpProfile = 0;
    this.hasExtendedMasterSecret = false;
    this.clientRandom = NOTHING;
    this.serverRandom = NOTHING;
    this.ephemeral = null;
    this.peerKey = null;
  }

  get connected(): boolean {
    return this.connection.connected;
  }

  get closed(): boolean {
    return this.connection.closed;
  }

  get counters(): DtlsCounters {
    return this.connection.counters;
  }

  /** `tick` must be called then at the latest; changes with every other call. Infinity: never. */
  get nextTimeoutUs(): number {
    return this.connection.nextTimeoutUs;
  }

  /** A datagram of the peer; no view of it is kept. Never throws for what is in it. */
  abstract receive(datagram: Uint8Array, nowUs: number): void;

  tick(nowUs: number): void {
    this.connection.tick(nowUs);
  }

  /** One record of application data. False: not connected, or longer than 16384 bytes. */
  sendData(payload: Uint8Array): boolean {
    return this.connection.sendData(payload);
  }

  /** Tells the peer; `onClosed` is not called. */
  close(): void {
    this.connection.close();
  }

  /** The next message in order, whole, with its header; own memory. Throws ProtocolError. */
  protected abstract onMessage(type: number, message: Buffer): void;

  /** What the server signs with the key of its certificate (RFC 8422 section 5.4). */
  protected signedParameters(parameters: Uint8Array): Buffer {
    return Buffer.concat([this.clientRandom, this.serverRandom, parameters]);
  }

  /** `secret` is agreed, the transcript ends with the client's key exchange: all keys follow from them. */
  protected useSecret(suite: CipherSuite, secret: Uint8Array): void {
    const { clientRandom, connection, serverRandom } = this;
    const sessionHash = this.hasExtendedMasterSecret ? connection.transcript.hash(suite) : null;
    const master = masterSecret(suite, secret, sessionHash, clientRandom, serverRandom);
    connection.useKeys(new KeySchedule(suite, master, clientRandom, serverRandom));
    this.ephemeral = null;
    // Views of messages would keep these as long as the connection lives.
    this.clientRandom = NOTHING;
    this.serverRandom = NOTHING;
  }
}
