import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSelfSignedCertificate } from '../../../src/crypto/self-signed-certificate.ts';
import { certificateFingerprint, tlsCertificateFromPem } from '../../../src/crypto/tls-certificate.ts';
import { candidatesFor, printCandidate } from '../../../src/ice/candidate.ts';
import { makeIceCredentials } from '../../../src/ice/credentials.ts';
import { IceDirectory } from '../../../src/ice/ice-directory.ts';
import type { TransportAddress } from '../../../src/ice/transport-address.ts';
import type { RtcDescription } from '../../../src/rtc/rtc-description.ts';
import { RtcTransport } from '../../../src/rtc/rtc-transport.ts';
import { serializeRtcp } from '../../../src/wire/rtp/rtcp.ts';
import { writeRtpHeader } from '../../../src/wire/rtp/rtp-packet.ts';
import { isStun } from '../../../src/wire/stun/packet-kind.ts';

const SERVER: TransportAddress = { address: '192.0.2.1', port: 8000, transport: 'udp' };
const CALLER: TransportAddress = { address: '192.0.2.2', port: 9000, transport: 'udp' };
const pem = makeSelfSignedCertificate('sluice', ['sluice'], 0);
const certificate = tlsCertificateFromPem(pem);
const remoteFingerprint = {
  algorithm: 'sha-256',
  value: certificateFingerprint(certificate.certDer, 'sha-256'),
} as const;

class End {
  readonly rtp: Buffer[] = [];
  readonly rtcp: Buffer[] = [];
  readonly sent: { bytes: Buffer; to: TransportAddress }[] = [];
  connectedUs = Number.NaN;
  closedBy = '';
  readonly transport: RtcTransport;

  constructor(description: Partial<RtcDescription>, nowUs: number, candidates: readonly string[] = []) {
    this.transport = new RtcTransport(
      {
        description: {
          medias: [],
          localIce: makeIceCredentials(),
          remoteIce: makeIceCredentials(),
          remoteCandidates: candidates,
          remoteIsLite: false,
          isCaller: false,
          dtlsRole: 'server',
          remoteFingerprint,
          cname: 'x',
          ...description,
        },
        certificate,
        locals: candidatesFor(['192.0.2.2'], 9000, { udp: true, tcp: false }).map((candidate) => ({
          candidate,
          localIndex: 0,
        })),
      },
      {
        send: (bytes, to) => this.sent.push({ bytes: Buffer.from(bytes), to }),
        onConnected: (now) => {
          this.connectedUs = now;
        },
        onRtp: (packet) => this.rtp.push(Buffer.from(packet)),
        onRtcp: (packet) => this.rtcp.push(Buffer.from(packet)),
        onClosed: (reason) => {
          this.closedBy = reason;
        },
      },
      nowUs,
    );
  }
}

/** A lite end and a caller over a link that loses every n-th datagram (0 = none). */
class Pair {
  nowUs = 1_000_000;
  readonly directory = new IceDirectory();
  readonly server: End;
  readonly caller: End;
  private count = 0;
  private readonly loseEvery: number;

  constructor(
    loseEvery = 0,
    changes: Partial<RtcDescription> = {},
    dtlsOfServer: 'client' | 'server' = 'server',
  ) {
    this.loseEvery = loseEvery;
    const ofServer = makeIceCredentials();
    const ofCaller = makeIceCredentials();
    this.server = new End(
      { localIce: ofServer, remoteIce: ofCaller, dtlsRole: dtlsOfServer, ...changes },
      this.nowUs,
    );
    this.directory.add(this.server.transport.lite!);
    const [line] = candidatesFor(['192.0.2.1'], 8000, { udp: true, tcp: false }).map(printCandidate);
    this.caller = new End(
      {
        isCaller: true,
        localIce: ofCaller,
        remoteIce: ofServer,
        dtlsRole: dtlsOfServer === 'server' ? 'client' : 'server',
      },
      this.nowUs,
      [line!],
    );
  }

  run(ms: number): void {
    for (let i = 0; i < ms; i += 5) {
      this.nowUs += 5000;
      this.server.transport.tick(this.nowUs);
      this.caller.transport.tick(this.nowUs);
      this.deliver();
    }
  }

  private deliver(): void {
    for (let round = 0; round < 20; round++) {
      const toServer = this.caller.sent.splice(0);
      const toCaller = this.server.sent.splice(0);
      if (toServer.length + toCaller.length === 0) return;
      for (const { bytes } of toServer) {
        if (this.isLost()) continue;
        if (isStun(bytes)) this.directory.receiveStun(bytes, CALLER, this.nowUs);
        else if (this.directory.find(CALLER.address, CALLER.port) !== null)
          this.server.transport.receive(bytes, this.nowUs);
      }
      for (const { bytes } of toCaller) {
        if (this.isLost()) continue;
        if (isStun(bytes)) this.caller.transport.agent!.receive(bytes, SERVER, 0, this.nowUs);
        else this.caller.transport.receive(bytes, this.nowUs);
      }
    }
  }

  private isLost(): boolean {
    this.count++;
    return this.loseEvery > 0 && this.count % this.loseEvery === 0;
  }
}

function exchange(pair: Pair, from: End, to: End): void {
  const header = Buffer.alloc(12);
  const payload = Buffer.from('payload of a packet');
  writeRtpHeader(header, 0, 96, true, 7, 1234, 99);
  from.transport.sendRtp(header, 12, payload);
  from.transport.sendRtcp(serializeRtcp([{ type: 'rr', ssrc: 99, reports: [] }]));
  pair.run(10);
  assert.deepEqual(to.rtp, [Buffer.concat([header, payload])]);
  assert.equal(to.rtcp.length, 1);
}

for (const role of ['server', 'client'] as const) {
  test(`transport: we are DTLS ${role} on the lite side; media go both ways`, () => {
    const pair = new Pair(0, {}, role);
    pair.run(2000);
    assert.equal(pair.server.transport.profile, 'AEAD_AES_128_GCM');
    assert.equal(pair.caller.transport.profile, 'AEAD_AES_128_GCM');
    exchange(pair, pair.server, pair.caller);
    exchange(pair, pair.caller, pair.server);
  });
}

test('transport: it connects over a way that loses every fourth datagram', () => {
  const pair = new Pair(4);
  pair.run(20_000);
  assert.ok(pair.server.transport.isConnected && pair.caller.transport.isConnected);
});

test('transport: a certificate that is not the one of the description ends it', () => {
  const value = certificateFingerprint(Buffer.from('other'), 'sha-256');
  const pair = new Pair(0, { remoteFingerprint: { algorithm: 'sha-256', value } });
  pair.run(3000);
  assert.equal(pair.server.transport.isConnected, false);
  assert.match(pair.server.closedBy, /certificate|fingerprint/i);
});

test('transport: a peer that leaves is told at once, one that vanishes after its consent is used up', () => {
  const pair = new Pair();
  pair.run(2000);
  pair.caller.transport.close();
  pair.run(10);
  assert.equal(pair.server.closedBy, 'the peer left');
  const other = new Pair();
  other.run(2000);
  other.caller.transport.agent!.close();
  other.run(24_000);
  assert.equal(other.server.closedBy, '');
  other.run(7000);
  assert.equal(other.server.closedBy, 'the peer is gone');
});

test('transport: a peer that never comes is given up', () => {
  const end = new End({}, 0);
  end.transport.tick(31_000_000);
  assert.equal(end.closedBy, 'the peer never came');
});

test('transport: packets that are not genuine are counted and reach nobody', () => {
  const pair = new Pair();
  pair.run(2000);
  for (let i = 0; i < 100; i++) {
    const bytes = Buffer.alloc(60, i);
    bytes[0] = 0x80;
    bytes[1] = i % 2 === 0 ? 96 : 200;
    pair.server.transport.receive(bytes, pair.nowUs);
  }
  assert.equal(pair.server.rtp.length + pair.server.rtcp.length, 0);
  assert.equal(pair.server.transport.refused, 100);
});
