/** A small storage that speaks as much of the protocol of S3 as uploads need, and checks every signature. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AwsV4Signer } from 'aws4fetch';

export const S3_KEY = 'AKTEST';
export const S3_SECRET = 'secret/of+the test';

export class S3Server {
  /** By path. */
  readonly objects = new Map<string, Buffer>();
  readonly types = new Map<string, string>();
  readonly refused: string[] = [];
  /** Paths in the order in which they came. */
  readonly order: string[] = [];
  /** Status of the next requests, instead of storing. */
  failures: number[] = [];
  running = 0;
  mostRunning = 0;
  /** Requests wait for `release`. */
  hold = false;
  private readonly waiting: (() => void)[] = [];
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
  }

  static async start(): Promise<S3Server> {
    const server = createServer();
    const one = new S3Server(server);
    server.on('request', (request, response) => {
      one
        .handle(request)
        .then(({ status, text }) => {
          response.writeHead(status, { 'Content-Type': 'application/xml' });
          response.end(text);
        })
        .catch(() => response.destroy());
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return one;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  release(): void {
    this.hold = false;
    for (const run of this.waiting.splice(0)) run();
  }

  private async handle(request: IncomingMessage): Promise<{ status: number; text: string }> {
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      if (this.hold) await new Promise<void>((done) => this.waiting.push(done));
      const path = decodeURIComponent(request.url ?? '');
      const status = this.failures.shift();
      if (status !== undefined)
        return { status, text: `<Error><Code>SlowDown</Code><Message>later</Message></Error>` };
      if (!(await this.isSigned(request))) {
        this.refused.push(path);
        return { status: 403, text: '<Error><Code>SignatureDoesNotMatch</Code></Error>' };
      }
      const body = Buffer.concat(parts);
      if (body.length !== Number(request.headers['content-length'])) return { status: 400, text: '' };
      this.objects.set(path, body);
      this.types.set(path, request.headers['content-type'] ?? '');
      this.order.push(path);
      return { status: 200, text: '' };
    } finally {
      this.running--;
    }
  }

  /** Signs the request again with what was signed, and compares. */
  private async isSigned(request: IncomingMessage): Promise<boolean> {
    const { headers } = request;
    const given = headers.authorization ?? '';
    const names = /SignedHeaders=([^,]+)/.exec(given)?.[1]?.split(';') ?? [];
    const signed: Record<string, string> = {};
    for (const name of names) if (name !== 'host') signed[name] = String(headers[name] ?? '');
    const again = await new AwsV4Signer({
      method: request.method ?? '',
      url: `http://${headers.host}${request.url}`,
      headers: signed,
      accessKeyId: S3_KEY,
      secretAccessKey: S3_SECRET,
      region: 'eu-test-1',
      service: 's3',
      datetime: String(headers['x-amz-date']),
      allHeaders: true,
    }).sign();
    return again.headers.get('authorization') === given && names.includes('x-amz-content-sha256');
  }

  async close(): Promise<void> {
    this.release();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
