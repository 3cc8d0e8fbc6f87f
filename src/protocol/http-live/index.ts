/**
 * Live streams as answers without end: `GET /app/stream.flv`, `.ts`, `.mp4`, `.aac` and `.mp3` over http, https, ws
 * and wss. The body (or the binary messages) are the shared bytes of a feed; after its headers a player is a socket
 * and a position.
 */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { LIVE_FORMATS, type LiveAddress, type LiveFormat, liveAddress } from './live-format.ts';
import { LivePlay } from './live-play.ts';
import { LiveSocket } from './live-socket.ts';

export const httpLiveModule: ServerModule = { name: 'http-live', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const http = new LivePlay(context);
  const webSocket = new LiveSocket(context);
  const addressOf = (path: string): LiveAddress | null =>
    liveAddress(path, (stream) => context.hub.find(stream) !== undefined);
  context.http.route({
    name: 'http-live',
    accepts: (method, path) => (method === 'GET' || method === 'HEAD') && addressOf(path) !== null,
    handle: (request) => http.handle(request, addressOf(request.path)!), // accepts tested it
  });
  context.http.upgrade({
    name: 'ws-live',
    accepts: (path) => addressOf(path) !== null,
    handle: (request) => webSocket.handle(request, addressOf(request.path)!), // accepts tested it
  });
  for (const format of LIVE_FORMATS) addEndpoints(context, format);
  return {
    reload: () => [],
    stop: async () => {
      http.close();
      webSocket.close();
    },
  };
}

function addEndpoints(context: ModuleContext, { name, suffix, showsWebSocket }: LiveFormat): void {
  const { nat } = context.configuration().server;
  const { port, tlsPort } = context.http;
  const plain = { port, defaultPort: 80, publicAddress: nat.http };
  const secure = { port: tlsPort, defaultPort: 443, publicAddress: nat.https };
  for (const server of [plain, secure]) {
    if (server.port < 0) continue;
    const s = server === secure ? 's' : '';
    for (const scheme of showsWebSocket ? ['http', 'ws'] : ['http']) {
      context.endpoints.add({
        ...server,
        direction: 'play',
        suffix,
        type: `${scheme}${s}-${name}`,
        scheme: `${scheme}${s}`,
      });
    }
  }
}
