/**
 * The floor of the request rate: a node:http server without any logic that sends answers from memory, byte for byte
 * and header for header as the product sent them. A child process; the answers come as one JSON message over IPC, the
 * port goes back.
 */
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CannedAnswer {
  /** As it stands in the request. */
  readonly target: string;
  readonly headers: OutgoingHttpHeaders;
  readonly base64: string;
}

process.on('message', (answers: readonly CannedAnswer[]) => {
  const known = new Map(
    answers.map(({ target, headers, base64 }) => [target, { headers, body: Buffer.from(base64, 'base64') }]),
  );
  const server = createServer({ noDelay: true, keepAliveTimeout: 65_000 }, (request, response) => {
    const answer = known.get(request.url ?? '');
    if (answer === undefined) {
      response.writeHead(404);
      response.end();
      return;
    }
    response.writeHead(200, answer.headers);
    response.end(answer.body);
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
});
process.on('disconnect', () => process.exit(0));
