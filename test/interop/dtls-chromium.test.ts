/**
 * DTLS with headless Chromium (BoringSSL) in both roles, behind an ICE-lite agent of ours on one socket: the browser calls
 * the connection `connected` only when it has checked our Finished and our fingerprint. Its statistics tell what was
 * agreed; its first SCTP packet comes as application data; closing the page's connection closes ours.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { after, before, describe, test } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { certificateFingerprint } from '../../src/crypto/tls-certificate.ts';
import { DtlsClient } from '../../src/dtls/client.ts';
import { DtlsServer } from '../../src/dtls/server.ts';
import type { DtlsEvents, DtlsOptions, DtlsSrtpKeys } from '../../src/dtls/settings.ts';
import { IceDirectory } from '../../src/ice/ice-directory.ts';
import { IceLiteAgent } from '../../src/ice/ice-lite.ts';
import { isDtls, isStun } from '../../src/wire/stun/packet-kind.ts';
import { BROWSER_MISSING } from '../support/browser-player.ts';
import { ecCertificate } from '../support/dtls-link.ts';
import { until } from '../support/until.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-dev-shm-usage',
];
const OFFER = `(async () => {
  globalThis.pc = new RTCPeerConnection();
  pc.addTransceiver('audio');
  pc.createDataChannel('x');
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
})()`;
const STATISTICS = `(async () => {
  for (const one of (await pc.getStats()).values()) if (one.type === 'transport') return { ...one };
})()`;

interface TransportStatistics {
  readonly dtlsRole: string;
  readonly dtlsCipher: string;
  readonly srtpCipher: string;
  readonly tlsVersion: string;
}

function nowUs(): number {
  return Math.round(performance.now() * 1000);
}

/** Our end of one connection with the page. */
class Call {
  readonly closed: string[] = [];
  readonly data: Uint8Array[] = [];
  keys: DtlsSrtpKeys | null = null;
  private readonly socket: Socket;
  private readonly agent: IceLiteAgent;
  private readonly directory = new IceDirectory();
  private readonly end: DtlsServer | DtlsClient;
  private readonly timer: NodeJS.Timeout;

  constructor(socket: Socket, offer: string, isServer: boolean) {
    this.socket = socket;
    const [, remoteUfrag = ''] = /a=ice-ufrag:(\S+)/.exec(offer) ?? [];
    const [, value = ''] = /a=fingerprint:sha-256 (\S+)/.exec(offer) ?? [];
    this.agent = new IceLiteAgent(
      { remoteUfrag },
      { send: (bytes, to) => socket.send(bytes, to.port, to.address), selected: () => {} },
      nowUs(),
    );
    this.directory.add(this.agent);
    const options: DtlsOptions = {
      certificate: ecCertificate(),
      remoteFingerprint: { algorithm: 'sha-256', value },
    };
    const events: DtlsEvents = {
      send: (datagram) => {
        const to = this.agent.destination;
        if (to !== null) socket.send(datagram, to.port, to.address);
      },
      onConnected: (keys) => {
        this.keys = keys;
      },
      onClosed: (code) => this.closed.push(code),
      onData: (payload) => this.data.push(payload),
    };
    this.end = isServer ? new DtlsServer(options, events, nowUs()) : new DtlsClient(options, events, nowUs());
    socket.on('message', (bytes, { address, port }) => {
      if (isDtls(bytes)) this.end.receive(bytes, nowUs());
      if (!isStun(bytes)) return;
      this.directory.receiveStun(bytes, { address, port, transport: 'udp' }, nowUs());
      if (this.end instanceof DtlsClient && this.agent.destination !== null) this.end.start(nowUs());
    });
    this.timer = setInterval(() => this.end.tick(nowUs()), 50);
  }

  answer(offer: string, setup: string): string {
    const [audio, data] = [...offer.matchAll(/a=mid:(\S+)/g)].map(([, mid]) => mid);
    const { password, ufrag } = this.agent.local;
    const common = [
      'c=IN IP4 127.0.0.1',
      `a=ice-ufrag:${ufrag}`,
      `a=ice-pwd:${password}`,
      `a=fingerprint:sha-256 ${certificateFingerprint(ecCertificate().certDer, 'sha-256')}`,
      `a=setup:${setup}`,
      `a=candidate:1 1 udp 2130706431 127.0.0.1 ${this.socket.address().port} typ host`,
    ];
    return [
      ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=ice-lite', `a=group:BUNDLE ${audio} ${data}`],
      ...['m=audio 9 UDP/TLS/RTP/SAVPF 111', ...common, `a=mid:${audio}`, 'a=rtcp-mux', 'a=inactive'],
      'a=rtpmap:111 opus/48000/2',
      ...['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', ...common, `a=mid:${data}`, 'a=sctp-port:5000'],
      '',
    ].join('\r\n');
  }

  stop(): void {
    clearInterval(this.timer);
    this.socket.close();
  }
}

describe('DTLS with Chromium', { skip: BROWSER_MISSING }, () => {
  let browser: Browser;
  let page: Page;

  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: FLAGS,
    });
    page = await browser.newPage();
  });

  after(() => browser.close());

  for (const [name, setup, role, srtp, profile] of [
    ['we are the server', 'passive', 'client', 'SRTP_AEAD_AES_128_GCM', 7],
    // As a server Chromium follows its own order.
    ['we are the client', 'active', 'server', 'SRTP_AES128_CM_HMAC_SHA1_80', 1],
  ] as const)
    test(name, async () => {
      const socket = createSocket('udp4');
      await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
      const offer = String(await page.evaluate(OFFER));
      const call = new Call(socket, offer, setup === 'passive');
      try {
        const answer = JSON.stringify({ type: 'answer', sdp: call.answer(offer, setup) });
        await page.evaluate(`pc.setRemoteDescription(${answer})`);
        await page.waitForFunction(`pc.connectionState === 'connected'`, undefined, { timeout: 15_000 });
        const statistics = (await page.evaluate(STATISTICS)) as TransportStatistics;
        assert.equal(statistics.dtlsRole, role);
        assert.equal(statistics.tlsVersion, 'FEFD');
        assert.equal(statistics.dtlsCipher, 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
        assert.equal(statistics.srtpCipher, srtp);
        assert.equal(call.keys?.srtpProfile, profile);
        await until('an SCTP packet', () => call.data.length > 0);
        // Both ports of SCTP.
        assert.equal(Buffer.from(call.data[0]!.subarray(0, 4)).toString('hex'), '13881388');
        await page.evaluate('pc.close()');
        await until('the end', () => call.closed.length > 0);
        assert.deepEqual(call.closed, ['dtls.closed']);
      } finally {
        call.stop();
      }
    });
});
