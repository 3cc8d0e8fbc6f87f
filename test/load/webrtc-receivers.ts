/**
 * WebRTC players for the trials `webrtc` and `webrtc-connect`, a child process: WHEP over HTTP, then the product's own
 * transport and receiving side, a socket each. A few decrypt everything; the others look at what is in the clear
 * (numbers, extensions) and send the same feedback, so that one core holds hundreds of them. Without an address to call
 * they are bare sockets that count datagrams. Commands come over IPC, each is answered once.
 */
import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import { certificateFingerprint, tlsCertificateFromPem } from '../../src/crypto/tls-certificate.ts';
import { candidatesFor } from '../../src/ice/candidate.ts';
import { makeIceCredentials } from '../../src/ice/credentials.ts';
import { makeOffer } from '../../src/rtc/negotiation/call.ts';
import { ReceiveSession } from '../../src/rtc/receive/receive-session.ts';
import { RtcTransport } from '../../src/rtc/rtc-transport.ts';
import { isRtcp } from '../../src/wire/rtp/rtp-packet.ts';
import { isRtp, isStun } from '../../src/wire/stun/packet-kind.ts';
import { deferred } from './deferred.ts';
import {
  answerCommands,
  bind,
  type CountedReceiver,
  type CountRequest,
  type DatagramCounts,
  HOST,
  nowUs,
  ReceiverGroup,
  receivingSocket,
} from './receiver-group.ts';

type WebrtcRequest =
  | {
      readonly type: 'open';
      readonly count: number;
      /** Of WHEP; null = bare sockets. */
      readonly url: string | null;
    }
  | CountRequest
  /** Connects so many players one after another, several at once, and ends each as soon as it has a packet. */
  | { readonly type: 'connect'; readonly count: number; readonly url: string };

export interface WebrtcCounts extends DatagramCounts {
  /** Players that lost something, had it sent again, or lost their connection. */
  readonly incomplete: number;
  readonly repaired: number;
  /** Packets that those who decrypt could not. */
  readonly refused: number;
}

export interface WebrtcConnects {
  readonly seconds: number;
  /** From the request to the keys, each. */
  readonly millis: readonly number[];
}

const TICK_MS = 5;
const READY_MS = 20_000;
const CONNECT_AT_ONCE = 10;
const DECRYPTING = 10;

const pem = makeSelfSignedCertificate('bench', [], Date.now());
const certificate = tlsCertificateFromPem(pem);
const fingerprint = {
  algorithm: 'sha-256',
  value: certificateFingerprint(certificate.certDer, 'sha-256'),
} as const;

class Receiver implements CountedReceiver {
  readonly socket = receivingSocket((bytes, port) => this.take(bytes, port));
  packets = 0;
  bytes = 0;
  private transport: RtcTransport | null = null;
  private session: ReceiveSession | null = null;
  private location = '';
  private nextTickUs = 0;
  private closed = '';
  private readonly repeatedTypes = new Set<number>();
  private readonly isDecrypting: boolean;
  private readonly firstPacket = deferred();
  private before = { lost: 0, recovered: 0, refused: 0 };

  constructor(isDecrypting: boolean) {
    this.isDecrypting = isDecrypting;
  }

  async bind(): Promise<void> {
    await bind(this.socket);
  }

  /** Resolves when keys are agreed. */
  async play(url: string): Promise<void> {
    const { promise, resolve, reject } = deferred();
    const { socket } = this;
    const call = makeOffer(
      { direction: 'play' },
      {
        ice: makeIceCredentials(),
        fingerprint,
        candidates: [],
        isLite: false,
        sessionId: '1',
        cname: 'bench',
      },
    );
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp' },
      body: call.sdp,
      signal: AbortSignal.timeout(READY_MS),
    });
    const sdp = await answer.text();
    if (answer.status !== 201) throw new Error(`${url} is answered ${answer.status}: ${sdp.slice(0, 200)}`);
    this.location = new URL(answer.headers.get('location') ?? '', url).href;
    const description = call.accept(sdp);
    for (const { rtxPayloadType } of description.medias)
      if (rtxPayloadType >= 0) this.repeatedTypes.add(rtxPayloadType);
    const timer = setTimeout(() => reject(new Error('a player was not connected in time')), READY_MS);
    const transport = new RtcTransport(
      {
        description,
        certificate,
        locals: candidatesFor([HOST], socket.address().port, { udp: true, tcp: false }).map((candidate) => ({
          candidate,
          localIndex: 0,
        })),
      },
      {
        send: (bytes, to) => socket.send(bytes, to.port, HOST),
        onConnected: () => {
          clearTimeout(timer);
          resolve();
        },
        onRtp: (packet, now) => this.session?.receiveRtp(packet, now),
        onRtcp: (packet, now) => this.session?.receiveRtcp(packet, now),
        onClosed: (reason) => {
          this.closed = reason;
          reject(new Error(reason));
        },
      },
      nowUs(),
    );
    this.transport = transport;
    this.session = new ReceiveSession(
      description.medias,
      {
        sendRtcp: (compound) => transport.sendRtcp(compound),
        onRtp: () => undefined,
        onRtcp: () => undefined,
      },
      nowUs(),
    );
    await promise;
  }

  private take(bytes: Buffer, port: number): void {
    const now = nowUs();
    const { transport } = this;
    const isMedia = isRtp(bytes) && !isRtcp(bytes);
    if (isMedia || transport === null) {
      this.packets += 1;
      this.bytes += bytes.length;
      this.firstPacket.resolve();
      group.record(this, 0, bytes);
    }
    if (transport === null) return;
    if (isStun(bytes)) {
      transport.agent?.receive(bytes, { address: HOST, port, transport: 'udp' }, 0, now);
      return;
    }
    const inPlain = isMedia && !this.isDecrypting && !this.repeatedTypes.has(bytes[1]! & 0x7f);
    if (inPlain) this.session?.receiveRtp(bytes, now);
    else transport.receive(bytes, now);
  }

  async firstMedia(): Promise<void> {
    await this.firstPacket.promise;
  }

  tick(atUs: number): void {
    if (this.transport === null || atUs < this.nextTickUs) return;
    this.transport.tick(atUs);
    this.nextTickUs = atUs + (this.transport.isConnected ? this.session!.tick(atUs) : TICK_MS * 1000);
  }

  private counters() {
    const { lost = 0, recovered = 0 } = this.session?.statistics() ?? {};
    return { lost, recovered, refused: this.transport?.refused ?? 0 };
  }

  forget(): void {
    this.packets = 0;
    this.bytes = 0;
    this.before = this.counters();
  }

  get missing(): number {
    return this.counters().lost - this.before.lost;
  }

  get repaired(): number {
    return this.counters().recovered - this.before.recovered;
  }

  get refused(): number {
    return this.counters().refused - this.before.refused;
  }

  get isWhole(): boolean {
    const { missing, repaired, refused } = this;
    return this.closed === '' && this.packets > 0 && missing + repaired + refused === 0;
  }

  async end(): Promise<void> {
    this.transport?.close();
    if (this.location !== '') await fetch(this.location, { method: 'DELETE' });
    this.socket.close();
  }
}

const group = new ReceiverGroup<Receiver>();

setInterval(() => {
  const atUs = nowUs();
  for (const receiver of group.receivers) receiver.tick(atUs);
}, TICK_MS);

async function open(count: number, url: string | null): Promise<number[][]> {
  await group.open(
    count,
    CONNECT_AT_ONCE,
    (index) => new Receiver(index < DECRYPTING),
    async (one) => {
      if (url !== null) await one.play(url);
    },
  );
  return group.receivers.map(({ socket }) => [socket.address().port]);
}

async function connect(count: number, url: string): Promise<WebrtcConnects> {
  const from = performance.now();
  const millis: number[] = [];
  const { receivers } = group;
  let left = count;
  const line = async () => {
    while (left-- > 0) {
      const one = new Receiver(false);
      await one.bind();
      receivers.push(one);
      const began = performance.now();
      await one.play(url);
      millis.push(performance.now() - began);
      await one.firstMedia();
      receivers.splice(receivers.indexOf(one), 1);
      await one.end();
    }
  };
  await Promise.all(Array.from({ length: CONNECT_AT_ONCE }, line));
  return { seconds: (performance.now() - from) / 1000, millis };
}

function stop(): WebrtcCounts {
  return {
    ...group.stop(),
    incomplete: group.sum((one) => (one.isWhole ? 0 : 1)),
    repaired: group.sum(({ repaired }) => repaired),
    refused: group.sum(({ refused }) => refused),
  };
}

answerCommands<WebrtcRequest>(async (request) => {
  switch (request.type) {
    case 'open':
      return await open(request.count, request.url);
    case 'connect':
      return await connect(request.count, request.url);
    case 'start':
      return group.start();
    default:
      return stop();
  }
});
