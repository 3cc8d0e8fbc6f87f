/**
 * Streams that go in a circle: server A takes from B what B took from A. Every server has a random name; a stream
 * carries the names of those that it came through, in order, wherever it goes from Sluice to Sluice.
 */
import { RejectedError } from '../util/errors.ts';

/** Throws RejectedError when a stream that is published here came through this server before. */
export function refuseLoop(via: readonly string[], serverId: string): void {
  if (via.includes(serverId))
    throw new RejectedError(
      'loop',
      'This stream came through this server already: a forward leads back here.',
    );
}
