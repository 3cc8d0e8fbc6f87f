/** Requests of one HTTP/2 session, as a test wants to see them, and frames that Node's own client would not send. */
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';

export interface Http2Answer {
  /** 0 when no answer came. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** Error code of the stream's reset (RFC 9113 section 7); 0 = it ended properly. */
  readonly resetCode: number;
}

export interface Http2Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Resolves when the server's SETTINGS have come. */
export async function openHttp2(port: number): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  await new Promise<void>((done, fail) => {
    session.once('error', fail);
    session.once('remoteSettings', () => {
      session.off('error', fail);
      session.on('error', () => undefined);
      done();
    });
  });
  return session;
}

export function ask2(
  session: ClientHttp2Session,
  path: string,
  { method = 'GET', headers = {}, body }: Http2Ask = {},
): Promise<Http2Answer> {
  return new Promise((resolve) => {
    const stream = session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: body === undefined },
    );
    const parts: Buffer[] = [];
    let answer: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
    stream.on('response', (head) => (answer = head));
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', () => undefined);
    stream.on('close', () => {
      const whole = Buffer.concat(parts);
      const { rstCode = 0 } = stream;
      resolve({
        status: answer[':status'] ?? 0,
        headers: answer,
        body: whole,
        text: whole.toString('utf8'),
        resetCode: rstCode,
      });
    });
    if (body !== undefined) stream.end(body);
  });
}

/** Frame types of RFC 9113 section 6. */
export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const END_HEADERS = 4;
const FRAME_HEAD_BYTES = 9;

/** Sends frames as a test gives them, answers nothing. */
export class RawHttp2 {
  private readonly socket: TLSSocket;
  private received: Buffer = Buffer.alloc(0);
  readonly closed: Promise<unknown>;
  /** Code of the first GOAWAY; -1 = none came. */
  goaway = -1;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.closed = new Promise((done) => socket.once('close', done));
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.onData(bytes));
  }

  static async open(port: number): Promise<RawHttp2> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    return new RawHttp2(socket);
  }

  /** The preface and empty SETTINGS. */
  begin(): void {
    this.socket.write(PREFACE);
    this.send(FRAME.settings, 0, Buffer.alloc(0));
  }

  send(type: number, stream: number, body: Uint8Array, flags = 0): void {
    const head = Buffer.alloc(FRAME_HEAD_BYTES);
    head.writeUIntBE(body.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    this.socket.write(Buffer.concat([head, body]));
  }

  /** HEADERS of a POST whose body follows (RFC 7541: indexed fields, literals without Huffman). */
  post(stream: number, path: string): void {
    const literal = (index: number, text: string) => Buffer.from([index, text.length, ...Buffer.from(text)]);
    const block = Buffer.concat([Buffer.from([0x83, 0x87]), literal(0x04, path), literal(0x01, 'localhost')]);
    this.send(FRAME.headers, stream, block, END_HEADERS);
  }

  reset(stream: number, code: number): void {
    this.send(FRAME.reset, stream, Buffer.from([0, 0, 0, code]));
  }

  write(text: string): void {
    this.socket.write(text);
  }

  destroy(): void {
    this.socket.destroy();
  }

  private onData(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    while (this.received.length >= FRAME_HEAD_BYTES) {
      const end = FRAME_HEAD_BYTES + this.received.readUIntBE(0, 3);
      if (this.received.length < end) return;
      if (this.received[3] === FRAME.goaway && this.goaway < 0)
        this.goaway = this.received.readUInt32BE(FRAME_HEAD_BYTES + 4);
      this.received = this.received.subarray(end);
    }
  }
}
