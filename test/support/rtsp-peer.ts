/** An RTSP client for tests over real sockets: asks, reads answers and interleaved packets. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RtspResponse } from '../../src/wire/rtsp/rtsp-message.ts';
import { RtspReader } from '../../src/wire/rtsp/rtsp-reader.ts';
import { until } from './until.ts';

export interface PeerPacket {
  readonly channel: number;
  readonly bytes: Buffer;
}

export class RtspPeer {
  readonly responses: RtspResponse[] = [];
  readonly packets: PeerPacket[] = [];
  closed = false;
  readonly socket: Socket;
  /** Where requests go: another connection in a tunnel. */
  private readonly say: (text: string) => void;
  private cseq = 0;
  private token = '';
  private head: Buffer | null;
  private readonly reader: RtspReader;

  private constructor(socket: Socket, say: (text: string) => void, isTunnel: boolean) {
    this.socket = socket;
    this.say = say;
    this.head = isTunnel ? Buffer.alloc(0) : null;
    this.reader = new RtspReader({
      request: () => undefined,
      response: (response) => {
        this.responses.push(response);
        if (response.headers.has('Session')) this.token = response.headers.get('Session').split(';')[0]!;
      },
      interleaved: (channel, bytes) => this.packets.push({ channel, bytes: Buffer.from(bytes) }),
    });
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(port: number, secure = false): Promise<RtspPeer> {
    const options = { host: '127.0.0.1', port, rejectUnauthorized: false };
    const socket = secure ? connectTls(options) : connect(options);
    const peer = new RtspPeer(socket, (text) => void socket.write(text), false);
    await new Promise((resolve) => socket.once(secure ? 'secureConnect' : 'connect', resolve));
    return peer;
  }

  /** RTSP inside HTTP: a GET for what comes, a POST for what is said. */
  static async tunnel(port: number, cookie: string): Promise<RtspPeer> {
    const down = connect(port, '127.0.0.1');
    const up = connect(port, '127.0.0.1');
    const head = (method: string) => `${method} / HTTP/1.1\r\nx-sessioncookie: ${cookie}\r\n\r\n`;
    const peer = new RtspPeer(down, (text) => void up.write(Buffer.from(text).toString('base64')), true);
    down.write(head('GET'));
    await until('the answer to the GET', () => peer.head === null || peer.closed);
    up.on('error', () => undefined);
    up.write(head('POST'));
    down.on('close', () => up.destroy());
    return peer;
  }

  private receive(bytes: Buffer): void {
    if (this.head === null) {
      this.reader.receive(bytes);
      return;
    }
    this.head = Buffer.concat([this.head, bytes]);
    const end = this.head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const rest = this.head.subarray(end + 4);
    this.head = null;
    if (rest.length > 0) this.reader.receive(rest);
  }

  async ask(method: string, url: string, fields: readonly string[] = [], body = ''): Promise<RtspResponse> {
    const lines = [`${method} ${url} RTSP/1.0`, `CSeq: ${++this.cseq}`, ...fields];
    if (this.token !== '') lines.push(`Session: ${this.token}`);
    if (body !== '')
      lines.push('Content-Type: application/sdp', `Content-Length: ${Buffer.byteLength(body)}`);
    const count = this.responses.length;
    this.say(`${lines.join('\r\n')}\r\n\r\n${body}`);
    await until(`the answer to ${method}`, () => this.responses.length > count || this.closed);
    const response = this.responses[count];
    if (response === undefined) throw new Error(`closed instead of an answer to ${method}`);
    return response;
  }

  send(channel: number, packet: Uint8Array): void {
    const head = Buffer.of(0x24, channel, packet.length >> 8, packet.length & 255);
    this.socket.write(Buffer.concat([head, packet]));
  }

  /** RTP packets of a track that was set up on the usual channels. */
  rtp(track: number): Buffer[] {
    return this.packets.filter(({ channel }) => channel === track * 2).map(({ bytes }) => bytes);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A UDP socket that keeps what comes. */
export class DatagramPeer {
  readonly socket: DatagramSocket;
  readonly datagrams: Buffer[] = [];

  private constructor(socket: DatagramSocket) {
    this.socket = socket;
    socket.on('message', (bytes) => this.datagrams.push(bytes));
    socket.on('error', () => undefined);
  }

  static async open(port = 0, address = '127.0.0.1'): Promise<DatagramPeer> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    await new Promise<void>((resolve) => socket.bind(port, address, resolve));
    return new DatagramPeer(socket);
  }

  get port(): number {
    return this.socket.address().port;
  }

  close(): void {
    this.socket.close();
  }
}
