/** The body of a request: a description, a fragment, or JSON that has a description in it. */
import type { HttpRequest } from '../../runtime/http-listener.ts';
import type { TickWheel } from '../../util/tick-wheel.ts';
import { WebrtcRefusal } from './webrtc-reply.ts';

const MAX_BODY_BYTES = 64 * 1024;
const BODY_MS = 10_000;
/** Nobody waits for the rest. */
const CLOSE = { Connection: 'close' };

/** Without parameters, lower case; '' when it is not told. */
export function contentType({ message }: HttpRequest): string {
  return (message.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

/** Rejects with WebrtcRefusal when it is another one. */
export function checkType(request: HttpRequest, wanted: string): void {
  const type = contentType(request);
  if (type !== '' && type !== wanted)
    throw new WebrtcRefusal(415, `The body of this request has to be ${wanted}, not ${type}.`);
}

/** Rejects with WebrtcRefusal. What comes after too much is read over, so that the peer gets the answer. */
export function readBody({ message }: HttpRequest, tick: TickWheel): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const refuse = (refusal: WebrtcRefusal) => {
      timeout.cancel();
      parts.length = 0;
      reject(refusal);
    };
    const timeout = tick.after(BODY_MS, () => {
      refuse(new WebrtcRefusal(408, `The body did not come within ${BODY_MS / 1000} s.`, CLOSE));
    });
    message.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes <= MAX_BODY_BYTES) parts.push(part);
      else refuse(new WebrtcRefusal(413, `The body has more than ${MAX_BODY_BYTES} bytes.`, CLOSE));
    });
    message.on('end', () => {
      timeout.cancel();
      resolve(Buffer.concat(parts).toString('utf8'));
    });
    message.on('error', () => refuse(new WebrtcRefusal(400, 'The body broke off.')));
    message.on('close', () => refuse(new WebrtcRefusal(400, 'The body broke off.')));
  });
}

/** Members of a JSON object that are text. Throws WebrtcRefusal. */
export function readTexts(body: string): Readonly<Record<string, string>> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new WebrtcRefusal(400, 'The body is not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new WebrtcRefusal(400, 'The body is not a JSON object.');
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
