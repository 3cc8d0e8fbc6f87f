/**
 * The name of a stream: `app/name`, with a virtual host in front when the policy separates hosts. The app may have
 * several levels (`cam/yard`). All local addresses of the server lead to the same stream.
 */
import { RejectedError } from '../util/errors.ts';

const MAX_APP_LENGTH = 128;
const MAX_NAME_LENGTH = 256;

export interface StreamKey {
  /** '' is the default virtual host. */
  readonly vhost: string;
  readonly app: string;
  readonly name: string;
  /** `app/name` or `vhost/app/name`: unique, printable. */
  readonly text: string;
}

/** Throws RejectedError when a part could be mistaken for a path, markup or a control sequence. */
export function makeStreamKey(app: string, name: string, vhost = ''): StreamKey {
  if (app === '')
    throw new RejectedError('bad-request', 'The address names no application: use rtmp://host/live/NAME.');
  if (name === '')
    throw new RejectedError('bad-request', 'The address names no stream: use rtmp://host/live/NAME.');
  checkPart('application', app, MAX_APP_LENGTH);
  checkPart('stream', name, MAX_NAME_LENGTH);
  // Some programs split `live/room/cam` after the first level, some after the last: both mean the same stream.
  const path = `${app}/${name}`;
  return { vhost, ...splitStreamText(path), text: vhost === '' ? path : `${vhost}/${path}` };
}

/** The key of `app/name`. Throws RejectedError as `makeStreamKey` does. */
export function streamKeyOf(text: string): StreamKey {
  const { app, name } = splitStreamText(text);
  return makeStreamKey(app, name);
}

/** `app/name` at its last slash, unchecked; without a slash there is no app. */
export function splitStreamText(text: string): { readonly app: string; readonly name: string } {
  const slash = text.lastIndexOf('/');
  return { app: text.slice(0, Math.max(slash, 0)), name: text.slice(slash + 1) };
}

function checkPart(what: string, text: string, maxLength: number): void {
  if (text.length > maxLength) {
    throw new RejectedError('bad-request', `The ${what} name is longer than ${maxLength} characters.`);
  }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f || code === 0x5c || code === 0x3c || code === 0x3e || code === 0x22) {
      throw new RejectedError('bad-request', `The ${what} name holds a character that is not allowed.`);
    }
  }
  for (const level of text.split('/')) {
    if (level === '' || level === '.' || level === '..') {
      throw new RejectedError('bad-request', `The ${what} name may not hold empty, "." or ".." levels.`);
    }
  }
}
