/** Requests of one HTTP/2 session, as a test wants to see them: also how each stream ended. */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';

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
    let answer: IncomingHttpHeaders & { ':status'?: number } = {};
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
