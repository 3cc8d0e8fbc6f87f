/** `/app/level/name.suffix` of an HTTP address -> application and stream. */
import { splitStreamText } from '../media/stream-key.ts';
import { RejectedError } from '../util/errors.ts';

export function splitStreamPath(path: string, suffix: string): { app: string; stream: string } {
  const { app, name } = splitStreamText(path.slice(1, path.length - suffix.length));
  if (app === '' || name === '') {
    throw new RejectedError(
      'bad-request',
      `A stream's address is /application/stream${suffix}, for example /live/cam${suffix}.`,
    );
  }
  return { app, stream: name };
}
