/**
 * Puts files into storage that speaks the protocol of S3: one signed PUT per file (AWS Signature Version 4 by
 * aws4fetch), bucket in the path. The body is not part of the signature, so a file is read once, as it is sent.
 * Leaves out: uploads in several parts, so files over 5 GiB are refused.
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { AwsV4Signer } from 'aws4fetch';
import { fileTypeOf } from '../../runtime/file-types.ts';

export interface S3Settings {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly key: string;
  readonly secret: string;
  readonly prefix: string;
}

/** Largest object of a single PUT. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 3;
const IDLE_MS = 60_000;
const MAX_ANSWER_BYTES = 16 * 1024;

/** `permanent`: another try will not help. */
export class UploadError extends Error {
  readonly permanent: boolean;

  constructor(message: string, permanent: boolean) {
    super(message);
    this.name = 'UploadError';
    this.permanent = permanent;
  }
}

/** Resolves when the storage has the file at `path` under prefix and `name`; else throws UploadError. */
export async function putObject(
  settings: S3Settings,
  name: string,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  let sizeBytes: number;
  try {
    sizeBytes = (await stat(path)).size;
  } catch {
    throw new UploadError('The file is gone.', true);
  }
  if (sizeBytes > MAX_OBJECT_BYTES)
    throw new UploadError('Files over 5 GiB cannot be sent in one piece.', true);
  const key = `${settings.prefix}${name}`.split('/').map(encodeURIComponent).join('/');
  const url = `${settings.endpoint.replace(/\/$/, '')}/${settings.bucket}/${key}`;
  const signed = await new AwsV4Signer({
    method: 'PUT',
    url,
    accessKeyId: settings.key,
    secretAccessKey: settings.secret,
    region: settings.region,
    service: 's3',
  }).sign();
  const headers: Record<string, string> = {
    'Content-Type': fileTypeOf(name),
    'Content-Length': String(sizeBytes),
  };
  signed.headers.forEach((value, header) => {
    headers[header] = value;
  });
  await send(signed.url, headers, path, sizeBytes, signal);
  return sizeBytes;
}

function send(
  url: URL,
  headers: Readonly<Record<string, string>>,
  path: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = createReadStream(path, { end: Math.max(0, sizeBytes - 1) });
    let request: ClientRequest | null = null;
    const fail = (error: Error) => {
      body.destroy();
      request?.destroy();
      reject(new UploadError(`The storage cannot be reached: ${error.message}.`, false));
    };
    const requestTo = url.protocol === 'https:' ? requestHttps : requestHttp;
    request = requestTo(url, { method: 'PUT', headers, signal }, (response) => {
      readAnswer(response).then((text) => {
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) return resolve();
        // It may have refused before it had read everything.
        reject(refusal(status, text));
        body.destroy();
        request?.destroy();
      }, fail);
    });
    request.setTimeout(IDLE_MS, () => fail(new Error('it does not answer')));
    request.on('error', fail);
    body.on('error', fail);
    if (sizeBytes === 0) request.end();
    else body.pipe(request);
  });
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of response) {
    if (text.length < MAX_ANSWER_BYTES) text += (part as Buffer).toString('utf8');
  }
  return text;
}

/** The storage's own words, as far as they are known to be short. */
function refusal(status: number, text: string): UploadError {
  const word = (name: string) => new RegExp(`<${name}>([^<]{1,200})</${name}>`).exec(text)?.[1] ?? '';
  const said = [word('Code'), word('Message')].filter((one) => one !== '').join(': ');
  return new UploadError(`The storage answered ${status}${said === '' ? '' : ` (${said})`}.`, false);
}
