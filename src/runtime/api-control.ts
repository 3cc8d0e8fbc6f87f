/** Requests of the API that change something: who may send them, and what they say. */
import { isIP } from 'node:net';
import { RejectedError } from '../util/errors.ts';
import type { HttpRequest } from './http-listener.ts';

const MAX_BODY_BYTES = 64 * 1024;

/** Throws RejectedError when this peer may not change anything. `control` is that of `<api>`, or of `section`. */
export function checkApiControl(
  request: HttpRequest,
  control: 'local' | 'all' | 'off',
  section = 'api',
): void {
  const { headers } = request.message;
  if (control === 'off')
    throw new RejectedError(
      'denied',
      `Nothing of this can be changed by the API (${section} control in config.xml).`,
    );
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  if (control === 'local' && (isForwarded || !isLoopback(request.remote))) {
    throw new RejectedError(
      'denied',
      `This can be changed from the machine of the server only; ${section} control="all" in config.xml allows it to all.`,
    );
  }
  // A page of another site must not make a visitor's browser do it.
  const { origin } = headers;
  const isForeign = origin !== undefined && !isSameHost(origin, headers.host ?? headers[':authority']);
  if (isForeign || headers['sec-fetch-site'] === 'cross-site')
    throw new RejectedError('denied', 'Pages of other sites may not change anything.');
}

function isLoopback(remote: string): boolean {
  const address = remote.slice(0, remote.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function isSameHost(origin: string, host: unknown): boolean {
  return (
    typeof host === 'string' && /^https?:\/\/(.+)$/.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase()
  );
}

/** Members of a JSON body and of the query, which counts less. Rejects with RejectedError. */
export async function readApiValues(request: HttpRequest): Promise<Map<string, unknown>> {
  const values = new Map<string, unknown>(request.query);
  for (const [name, value] of readApiObject(await readApiBody(request))) values.set(name, value);
  return values;
}

/** Rejects with RejectedError when it is too long. */
export async function readApiBody(request: HttpRequest): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request.message) {
    bytes += (part as Buffer).length;
    if (bytes > MAX_BODY_BYTES) throw new RejectedError('bad-request', 'The body is too long.');
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** The members of a JSON object; none of a blank text. Throws RejectedError. */
export function readApiObject(text: string): [name: string, value: unknown][] {
  if (text.trim() === '') return [];
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new RejectedError('bad-request', 'The body is not JSON.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new RejectedError('bad-request', 'The body is not a JSON object such as {"stream":"live/cam"}.');
  return Object.entries(body);
}
