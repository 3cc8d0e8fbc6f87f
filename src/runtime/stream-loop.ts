/**
 * Streams that go in a circle: server A takes from B what B took from A. Every server has a random name; a stream
 * carries the names of those that it came through, in order, wherever it goes from Sluice to Sluice. Who sends a stream
 * on tells them when it publishes; who pulls one says that it is a Sluice server, and is told them.
 *
 * A list is of names of servers, or of a server and a stream there (its checksum: names of streams are nobody's
 * business). A pull looks for its own stream, so that one server may have one stream under two names.
 */
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import { crc32Mpeg } from '../util/crc32.ts';
import { RejectedError } from '../util/errors.ts';
import type { HttpRequest } from './http-listener.ts';

/** Of questions and answers. */
export const HTTP_VIA_FIELD = 'X-Sluice-Via';
const MAX_VIA_LENGTH = 512;
const SEPARATOR = '-';

/** Of whoever plays and publishes here. */
interface Server {
  readonly serverId: string;
  readonly hub: StreamHub;
}

/** A stream of a server in a list. */
function markOf(serverId: string, { text }: StreamKey): string {
  return serverId + SEPARATOR + crc32Mpeg(Buffer.from(text)).toString(16);
}

/** A list as peers send it; what is too long is cut. */
export function parseVia(text: string): string[] {
  return text
    .slice(0, MAX_VIA_LENGTH)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Throws RejectedError when a stream that is published here came through this server before. */
export function refuseLoop(via: readonly string[], serverId: string): void {
  if (via.some((name) => name === serverId || name.startsWith(serverId + SEPARATOR)))
    throw new RejectedError(
      'loop',
      'This stream came through this server already: a forward leads back here.',
    );
}

/** What a pull says of itself: who asked for the stream here, and last the stream here. */
export function askersOf({ serverId, hub }: Server, key: StreamKey): string[] {
  return [...hub.askers.of(key.text), markOf(serverId, key)];
}

/**
 * What a player is told who says `asked`: the way of the stream so far; nothing when it says nothing, as all do that are
 * no Sluice servers. Throws RejectedError when the stream can only come from who asks.
 */
export function answerAsker(
  { serverId, hub }: Server,
  key: StreamKey,
  asked: readonly string[],
): readonly string[] {
  const asker = asked.at(-1);
  if (asker === undefined) return asked;
  const own = markOf(serverId, key);
  const stream = hub.find(key.text);
  const publisher = stream === undefined ? null : hub.publisherOf(stream);
  const isCircle = publisher === null ? asked.includes(own) : publisher.via.includes(asker);
  if (isCircle)
    throw new RejectedError(
      'loop',
      `${key.text} is pulled in a circle: this server gets it from the one that asks for it.`,
    );
  hub.askers.note(key.text, asked);
  return [...(publisher?.via ?? []), own];
}

/** The same over HTTP: the field of the answer, '' = none. */
export function answerHttpAsker(server: Server, key: StreamKey, { message }: HttpRequest): string {
  const asked = message.headers[HTTP_VIA_FIELD.toLowerCase()];
  return asked === undefined ? '' : answerAsker(server, key, parseVia(String(asked))).join(',');
}
