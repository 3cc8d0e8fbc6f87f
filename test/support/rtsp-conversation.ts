/**
 * A conversation with an RTSP session without sockets: the peer's requests go in as text or bytes, what the session
 * writes is read back as responses and interleaved packets. Time moves by hand; admission is what the test says;
 * datagrams are noted, not sent.
 */
import assert from 'node:assert/strict';
import type { Sink } from '../../src/media/sink.ts';
import type { StreamRules } from '../../src/media/stream-hub.ts';
import type {
  DatagramPair,
  DatagramPeer,
  DatagramPorts,
  MulticastGroup,
} from '../../src/protocol/rtsp/rtsp-datagrams.ts';
import { MulticastSenders } from '../../src/protocol/rtsp/rtsp-multicast.ts';
import { RTSP_FORMAT } from '../../src/protocol/rtsp/rtsp-play.ts';
import type { RtspServices, RtspStreamPolicy } from '../../src/protocol/rtsp/rtsp-services.ts';
import { RtspSession } from '../../src/protocol/rtsp/rtsp-session.ts';
import type { SrtpUse } from '../../src/protocol/rtsp/rtsp-transport.ts';
import { TunnelTable } from '../../src/protocol/rtsp/rtsp-tunnel.ts';
import type { PeerAddress, SessionOutput } from '../../src/runtime/session-server.ts';
import { RejectedError } from '../../src/util/errors.ts';
import type { RtspResponse } from '../../src/wire/rtsp/rtsp-message.ts';
import { RtspReader, type RtspReaderOutput } from '../../src/wire/rtsp/rtsp-reader.ts';
import { SessionPeer, SessionWorld } from './session-world.ts';

export const URL = 'rtsp://host.test:8554/live/cam';
const PEER: PeerAddress = {
  remote: '192.0.2.7:4711',
  remoteAddress: '192.0.2.7',
  localAddress: '192.0.2.1',
  secure: false,
};
const NO_LOGIN = { user: '', password: '', basic: false };

/** A pair of ports that notes what goes out. */
class TestPair implements DatagramPair {
  readonly peer: DatagramPeer | null;
  readonly group: MulticastGroup | null;
  readonly port: number;
  readonly strangers = 0;
  readonly rtp: Buffer[] = [];
  readonly rtcp: Buffer[] = [];
  closed = false;
  taking = true;

  constructor(port: number, peer: DatagramPeer | null, group: MulticastGroup | null) {
    this.port = port;
    this.peer = peer;
    this.group = group;
  }

  sendRtp(bytes: Uint8Array): void {
    this.rtp.push(Buffer.from(bytes));
  }

  sendRtcp(bytes: Uint8Array): void {
    this.rtcp.push(Buffer.from(bytes));
  }

  writable(): boolean {
    return this.taking;
  }

  close(): void {
    this.closed = true;
  }
}

class TestPorts implements DatagramPorts {
  readonly pairs: TestPair[] = [];
  /** Pairs that there are. */
  left = 100;

  async open(peer: DatagramPeer): Promise<DatagramPair> {
    return this.add(peer, null);
  }

  async openGroup(group: MulticastGroup): Promise<DatagramPair> {
    return this.add(null, group);
  }

  private add(peer: DatagramPeer | null, group: MulticastGroup | null): TestPair {
    if (this.left-- <= 0) throw new RejectedError('limit', 'No free pair.');
    const pair = new TestPair(30_000 + this.pairs.length * 2, peer, group);
    this.pairs.push(pair);
    return pair;
  }
}

/** What the server around the sessions is in these tests. */
export class RtspTestServices extends SessionWorld<RtspSession> implements RtspServices {
  readonly version = '0.0.0';
  readonly ports = new TestPorts();
  readonly multicast: MulticastSenders;
  readonly tunnels = new TunnelTable<RtspSession>();
  hasUdp = true;
  streamPolicy: RtspStreamPolicy = {
    publishTimes: { firstPacketMs: 5000, idleMs: 8000 },
    waitMs: 0,
    publishLogin: NO_LOGIN,
    playLogin: NO_LOGIN,
    multicast: { enable: false, range: '239.255.42.0/30', ttl: 16, interface: '' },
  };

  constructor(rules: Partial<StreamRules> = {}) {
    super({ gop: { cache: true, frames: 1000, bytes: 1_000_000, us: 30_000_000 }, ...rules });
    this.multicast = new MulticastSenders(this.hub, RTSP_FORMAT);
  }

  datagrams = () => (this.hasUdp ? this.ports : null);
  limits = () => ({ handshakeMs: 10_000, sessionTimeoutMs: 60_000 });
  publicRtpAddress = () => '';
  srtpUse: SrtpUse = 'tls';
  srtp = () => this.srtpUse;
  policy = () => this.streamPolicy;
  wallUs = () => this.world.clock.wallUs();
  after = (delayMs: number, run: () => void) => this.world.tick.after(delayMs, run);
  onRole = () => undefined;
}

export interface HeardPacket {
  readonly channel: number;
  readonly payload: Buffer;
}

export class RtspConversation
  extends SessionPeer<RtspSession, RtspTestServices>
  implements SessionOutput, RtspReaderOutput
{
  readonly session: RtspSession;
  readonly responses: RtspResponse[] = [];
  readonly packets: HeardPacket[] = [];
  /** Everything that was written, as it was: `response` and `packets`. */
  readonly order: string[] = [];
  /** Bytes in front of the first RTSP byte: the answer to the GET of a tunnel. */
  http = '';
  private cseq = 0;
  private readonly reader = new RtspReader(this);

  constructor(services = new RtspTestServices(), peer: Partial<PeerAddress> = {}) {
    super(services);
    this.session = new RtspSession(services, this, { ...PEER, ...peer }, services.nowUs());
  }

  protected override read(bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString('latin1');
    if (text.startsWith('HTTP/')) this.http += text;
    else this.reader.receive(bytes);
  }

  openSink(onEnd: (reason: string) => void): Sink {
    return { writable: () => this.writable(), write: (bytes) => this.write(bytes), end: onEnd };
  }

  // RtspReaderOutput

  request(): void {
    assert.fail('the server asked something');
  }

  response(response: RtspResponse): void {
    this.responses.push(response);
    this.order.push('response');
  }

  interleaved(channel: number, payload: Uint8Array): void {
    this.packets.push({ channel, payload: Buffer.from(payload) });
    this.order.push(`packet ${channel}`);
  }

  // What the peer does

  /** Text of a request; `fields` are whole lines. The Session field is added once there is one. */
  text(method: string, url: string, fields: readonly string[] = [], body = ''): string {
    const lines = [`${method} ${url} RTSP/1.0`, `CSeq: ${++this.cseq}`, ...fields];
    if (this.token !== '' && !fields.some((one) => one.startsWith('Session:')))
      lines.push(`Session: ${this.token}`);
    if (body !== '') lines.push('Content-Type: application/sdp', `Content-Length: ${body.length}`);
    return `${lines.join('\r\n')}\r\n\r\n${body}`;
  }

  /** Asks and waits for the answer, which it returns. */
  async ask(method: string, url = URL, fields: readonly string[] = [], body = ''): Promise<RtspResponse> {
    const before = this.responses.length;
    this.raw(this.text(method, url, fields, body));
    await this.settle();
    assert.equal(this.responses.length, before + 1, `${method} was not answered once`);
    const answer = this.responses[before]!;
    assert.equal(answer.headers.get('CSeq'), String(this.cseq));
    return answer;
  }

  frame(channel: number, payload: Uint8Array): this {
    return this.raw(
      Buffer.concat([Buffer.of(0x24, channel, payload.length >> 8, payload.length & 255), payload]),
    );
  }

  /** Of the last answer that had one. */
  get token(): string {
    const last = this.responses.findLast((one) => one.headers.has('Session'));
    return last?.headers.get('Session').split(';')[0] ?? '';
  }

  override async settle(): Promise<void> {
    for (let i = 0; i < 2; i++) await super.settle();
  }

  on(channel: number): Buffer[] {
    return this.packets.filter((one) => one.channel === channel).map((one) => one.payload);
  }

  override assertClosed(): void {
    super.assertClosed();
    const { ports, multicast } = this.services;
    for (const pair of ports.pairs) assert.equal(pair.closed, true, 'a pair of ports is open');
    assert.equal(multicast.count, 0, 'a group is left');
  }
}
