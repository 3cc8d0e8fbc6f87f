/** One HTTP request exactly as written: the path is not normalised, the body not decoded. */
import { type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

export interface HttpAsk {
  readonly port: number;
  readonly path: string;
  readonly tls?: boolean;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function ask(options: HttpAsk): Promise<HttpAnswer> {
  const { port, path, tls = false, method = 'GET', headers = {} } = options;
  return new Promise((resolve, reject) => {
    const send = tls ? requestHttps : requestHttp;
    const target = {
      host: '127.0.0.1',
      port,
      path,
      method,
      headers,
      agent: false,
      rejectUnauthorized: false,
    };
    const request = send(target, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(parts);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          text: body.toString('utf8'),
        });
      });
    });
    request.on('error', reject);
    request.end();
  });
}
