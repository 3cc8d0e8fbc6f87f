/**
 * A thread of WebRTC (RtcHost) with its callers in one process, without sockets and on a clock of its own: datagrams go
 * from one to the other by hand, so that a test can damage, repeat and forge them, and look at what the host holds.
 */
import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import { certificateFingerprint, tlsCertificateFromPem } from '../../src/crypto/tls-certificate.ts';
import { candidatesFor, printCandidate } from '../../src/ice/candidate.ts';
import { makeIceCredentials } from '../../src/ice/credentials.ts';
import type { IceDirectory } from '../../src/ice/ice-directory.ts';
import type { TransportAddress } from '../../src/ice/transport-address.ts';
import type { RtcDescription, RtcMedia } from '../../src/rtc/rtc-description.ts';
import { RtcHost } from '../../src/rtc/rtc-host.ts';
import type { FromRtcThread } from '../../src/rtc/rtc-messages.ts';
import { RtcTransport } from '../../src/rtc/rtc-transport.ts';
import { isStun } from '../../src/wire/stun/packet-kind.ts';

const SERVER: TransportAddress = { address: '192.0.2.1', port: 8000, transport: 'udp' };
const STEP_US = 5000;
const LATER_US = 1_000_000;

const pem = makeSelfSignedCertificate('sluice', ['sluice'], 0);
const certificate = tlsCertificateFromPem(pem);
const remoteFingerprint = {
  algorithm: 'sha-256',
  value: certificateFingerprint(certificate.certDer, 'sha-256'),
} as const;

/** What a host keeps to itself. */
interface Inside {
  sockets: { send(bytes: Uint8Array, to: TransportAddress): void; close(): void };
  readonly directory: IceDirectory;
  readonly peers: ReadonlyMap<number, unknown>;
  readonly byAgent: ReadonlyMap<unknown, unknown>;
  readonly byConnection: ReadonlyMap<number, unknown>;
  readonly callPorts: ReadonlyMap<number, unknown>;
  readonly feeds: ReadonlyMap<number, unknown>;
  readonly connecting: number;
  onPacket(bytes: Uint8Array, from: TransportAddress): void;
  tick(): void;
}

export interface RtcHeld {
  readonly peers: number;
  readonly connecting: number;
  readonly byAgent: number;
  readonly byConnection: number;
  readonly callPorts: number;
  readonly feeds: number;
  readonly agents: number;
  readonly addresses: number;
}

export interface Datagram {
  readonly bytes: Buffer;
  readonly address: TransportAddress;
}

export class RtcWorld {
  nowUs = LATER_US;
  readonly host: RtcHost;
  readonly told: FromRtcThread[] = [];
  /** Of the host, to whomever; `run` delivers those to callers and drops the others. */
  readonly sent: Datagram[] = [];
  readonly callers = new Map<string, RtcCaller>();
  private readonly inside: Inside;
  private nextId = 1;

  constructor() {
    this.host = new RtcHost(
      {
        timeOrigin: 0,
        hosts: ['127.0.0.1'],
        port: 0,
        tcp: false,
        taken: new SharedArrayBuffer(4),
        certificate: pem,
      },
      (message) => this.told.push(message),
      () => this.nowUs,
      // Everything at once.
      Number.POSITIVE_INFINITY,
    );
    this.inside = this.host as unknown as Inside;
    this.inside.sockets = {
      send: (bytes, address) => this.sent.push({ bytes: Buffer.from(bytes), address }),
      close: () => undefined,
    };
  }

  get held(): RtcHeld {
    const { peers, connecting, byAgent, byConnection, callPorts, feeds, directory } = this.inside;
    return {
      peers: peers.size,
      connecting,
      byAgent: byAgent.size,
      byConnection: byConnection.size,
      callPorts: callPorts.size,
      feeds: feeds.size,
      agents: directory.agents,
      addresses: directory.addresses,
    };
  }

  /** `medias` as the host sees them; `feed` -1: it plays nothing. */
  call(medias: readonly RtcMedia[], feed: number): RtcCaller {
    const id = this.nextId++;
    const [ofHost, ofCaller] = [makeIceCredentials(), makeIceCredentials()];
    const common = { medias, remoteIsLite: false, remoteFingerprint, cname: 'x' };
    const atHost: RtcDescription = {
      ...common,
      localIce: ofHost,
      remoteIce: ofCaller,
      remoteCandidates: [],
      isCaller: false,
      dtlsRole: 'server',
    };
    this.host.receive({ type: 'open', peer: id, description: atHost, feed, localAddresses: [] });
    const address: TransportAddress = {
      address: `198.51.100.${id % 250}`,
      port: 1024 + Math.floor(id / 250),
      transport: 'udp',
    };
    const caller = new RtcCaller(
      id,
      address,
      { ...common, localIce: ofCaller, remoteIce: ofHost },
      this.nowUs,
    );
    this.callers.set(keyOf(address), caller);
    return caller;
  }

  /** At the port of the host, from whomever. */
  give(bytes: Uint8Array, from: TransportAddress): void {
    this.inside.onPacket(bytes, from);
  }

  /** Time goes on, and all datagrams come. */
  run(ms: number): void {
    for (let us = 0; us < ms * 1000; us += STEP_US) this.step();
  }

  step(): void {
    this.nowUs += STEP_US;
    this.inside.tick();
    for (const caller of this.callers.values()) caller.transport.tick(this.nowUs);
    for (let round = 0; round < 20 && this.deliver() > 0; round++);
  }

  private deliver(): number {
    const toCallers = this.sent.splice(0);
    for (const { bytes, address } of toCallers) this.callers.get(keyOf(address))?.receive(bytes, this.nowUs);
    let count = toCallers.length;
    for (const caller of this.callers.values())
      for (const { bytes } of caller.sent.splice(0)) {
        count++;
        this.give(bytes, caller.address);
      }
    return count;
  }

  connect(medias: readonly RtcMedia[], feed: number): RtcCaller {
    const caller = this.call(medias, feed);
    for (let i = 0; i < 200 && !caller.transport.isConnected; i++) this.step();
    return caller;
  }

  /** It vanishes, and the host is told to end it. */
  end(caller: RtcCaller): void {
    this.callers.delete(keyOf(caller.address));
    this.host.receive({ type: 'close', peer: caller.id });
    caller.transport.close();
  }
}

export class RtcCaller {
  readonly id: number;
  readonly address: TransportAddress;
  readonly transport: RtcTransport;
  readonly sent: Datagram[] = [];
  /** The latest of what it sent, for damage. */
  readonly seen: Buffer[] = [];
  /** The latest of what came. */
  readonly came: Buffer[] = [];
  rtp = 0;
  rtpBytes = 0;
  rtcp = 0;
  closed = '';

  constructor(
    id: number,
    address: TransportAddress,
    description: Omit<RtcDescription, 'remoteCandidates' | 'isCaller' | 'dtlsRole'>,
    nowUs: number,
  ) {
    this.id = id;
    this.address = address;
    const remoteCandidates = candidatesFor([SERVER.address], SERVER.port, { udp: true, tcp: false }).map(
      printCandidate,
    );
    this.transport = new RtcTransport(
      {
        description: { ...description, remoteCandidates, isCaller: true, dtlsRole: 'client' },
        certificate,
        locals: candidatesFor([address.address], address.port, { udp: true, tcp: false }).map(
          (candidate) => ({ candidate, localIndex: 0 }),
        ),
      },
      {
        send: (bytes) => {
          const copy = Buffer.from(bytes);
          this.sent.push({ bytes: copy, address: SERVER });
          remember(this.seen, copy);
        },
        onConnected: () => undefined,
        onRtp: (packet) => {
          this.rtp++;
          this.rtpBytes += packet.length;
        },
        onRtcp: () => {
          this.rtcp++;
        },
        onClosed: (reason) => {
          this.closed = reason;
        },
      },
      nowUs,
    );
  }

  receive(bytes: Buffer, nowUs: number): void {
    remember(this.came, bytes);
    if (isStun(bytes)) this.transport.agent!.receive(bytes, SERVER, 0, nowUs);
    else this.transport.receive(bytes, nowUs);
  }
}

const KEPT = 64;

function remember(list: Buffer[], bytes: Buffer): void {
  list.push(bytes);
  if (list.length > KEPT) list.shift();
}

function keyOf({ address, port }: TransportAddress): string {
  return `${address}:${port}`;
}
