/** `/app/level/name.suffix` of an HTTP address -> application and stream. */
import { RejectedError } from '../util/errors.ts';

export function splitStreamPath(path: string, suffix: string): { app: string; stream: string } {
  const inner = path.slice(1, path.length - suffix.length);
  const slash = inner.lastIndexOf('/');
  if (slash <= 0 || slash === inner.length - 1) {
    throw new RejectedError(
      'bad-request',
      `A stream's address is /application/stream${suffix}, for example /live/cam${suffix}.`,
    );
  }
  return { app: inner.slice(0, slash), stream: inner.slice(slash + 1) };
}
