/** A DTLS client and a DTLS server with a link between them that loses, delays, repeats and exchanges datagrams. */
import { generateKeyPairSync } from 'node:crypto';
import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import {
  certificateFingerprint,
  type TlsCertificate,
  tlsCertificateFromPem,
} from '../../src/crypto/tls-certificate.ts';
import { DtlsClient } from '../../src/dtls/client.ts';
import { DtlsServer } from '../../src/dtls/server.ts';
import type { DtlsOptions, DtlsServerOptions, DtlsSrtpKeys } from '../../src/dtls/settings.ts';
import { LossyPath, type PathFaults } from './lossy-path.ts';

let made: TlsCertificate | null = null;

/** P-256; the same one in the whole process. */
export function ecCertificate(): TlsCertificate {
  made ??= newEcCertificate();
  return made;
}

export function newEcCertificate(): TlsCertificate {
  return tlsCertificateFromPem(makeSelfSignedCertificate('test', ['test.invalid'], 1_700_000_000_000));
}

/** The key of another certificate: signatures with it are wrong. */
export function withForeignKey(certificate: TlsCertificate): TlsCertificate {
  return {
    certDer: certificate.certDer,
    privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  };
}

/** What one end said. */
export class EndLog {
  readonly sent: Uint8Array[] = [];
  readonly data: Uint8Array[] = [];
  readonly closed: string[] = [];
  keys: DtlsSrtpKeys | null = null;
}

export interface DtlsLinkOptions {
  readonly client?: Partial<DtlsOptions>;
  readonly server?: Partial<DtlsServerOptions>;
  readonly faults?: PathFaults;
  readonly seed?: number;
  /** Changes, drops (null) or leaves a datagram on its way. */
  readonly meddle?: (datagram: Uint8Array, isFromClient: boolean) => Uint8Array | null;
}

interface Arrival {
  readonly atUs: number;
  readonly isFromClient: boolean;
  readonly datagram: Uint8Array;
}

export class DtlsLink {
  readonly client: DtlsClient;
  readonly server: DtlsServer;
  readonly clientLog = new EndLog();
  readonly serverLog = new EndLog();
  nowUs = 1_000_000;
  private readonly up: LossyPath;
  private readonly down: LossyPath;
  private readonly meddle: (datagram: Uint8Array, isFromClient: boolean) => Uint8Array | null;
  private queue: Arrival[] = [];

  constructor(options: DtlsLinkOptions = {}) {
    const certificate = ecCertificate();
    const remoteFingerprint = {
      algorithm: 'sha-256',
      value: certificateFingerprint(certificate.certDer, 'sha-256'),
    } as const;
    this.up = new LossyPath((options.seed ?? 1) * 2, options.faults ?? {});
    this.down = new LossyPath((options.seed ?? 1) * 2 + 1, options.faults ?? {});
    this.meddle = options.meddle ?? ((datagram) => datagram);
    const common = { certificate, remoteFingerprint };
    this.client = new DtlsClient(
      { ...common, ...options.client },
      this.eventsOf(this.clientLog, true),
      this.nowUs,
    );
    this.server = new DtlsServer(
      { ...common, ...options.server },
      this.eventsOf(this.serverLog, false),
      this.nowUs,
    );
  }

  get isUp(): boolean {
    return this.clientLog.keys !== null && this.serverLog.keys !== null;
  }

  /** Starts, and lets time pass until both ends are connected, one is closed, or the time is over. */
  connect(limitUs = 60_000_000): this {
    this.client.start(this.nowUs);
    const end = this.nowUs + limitUs;
    while (!this.isUp && this.clientLog.closed.length + this.serverLog.closed.length === 0)
      if (!this.step(end)) break;
    return this;
  }

  /** Lets time pass. */
  run(forUs: number): this {
    const end = this.nowUs + forUs;
    while (this.step(end));
    this.nowUs = end;
    return this;
  }

  /** The next arrival or timer; false: none before `end`. */
  private step(end: number): boolean {
    let next: Arrival | undefined;
    for (const arrival of this.queue) if (next === undefined || arrival.atUs < next.atUs) next = arrival;
    const timer = Math.min(this.client.nextTimeoutUs, this.server.nextTimeoutUs);
    const atUs = Math.min(next?.atUs ?? Number.POSITIVE_INFINITY, timer);
    if (atUs > end) return false;
    this.nowUs = Math.max(this.nowUs, atUs);
    if (next !== undefined && next.atUs <= timer) {
      this.queue.splice(this.queue.indexOf(next), 1);
      (next.isFromClient ? this.server : this.client).receive(next.datagram, this.nowUs);
    } else {
      if (this.client.nextTimeoutUs <= this.nowUs) this.client.tick(this.nowUs);
      if (this.server.nextTimeoutUs <= this.nowUs) this.server.tick(this.nowUs);
    }
    return true;
  }

  private eventsOf(log: EndLog, isFromClient: boolean) {
    return {
      send: (datagram: Uint8Array): void => {
        log.sent.push(datagram);
        for (const atMs of (isFromClient ? this.up : this.down).arrivals(this.nowUs / 1000)) {
          const changed = this.meddle(Buffer.from(datagram), isFromClient);
          if (changed !== null) this.queue.push({ atUs: atMs * 1000, isFromClient, datagram: changed });
        }
      },
      onConnected: (keys: DtlsSrtpKeys): void => {
        log.keys = keys;
      },
      onClosed: (code: string, detail: string): void => {
        log.closed.push(detail === '' ? code : `${code}: ${detail}`);
      },
      onData: (payload: Uint8Array): void => {
        log.data.push(payload);
      },
    };
  }
}
