/**
 * HTTP-FLV and WS-FLV: `GET /app/stream.flv` over http, https, ws and wss. The response body (or the binary
 * messages) are the shared bytes of the FLV feed; after its headers a player is a socket and a position.
 */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { HttpFlvPlay } from './http-flv-play.ts';
import { WsFlvPlay } from './ws-flv-play.ts';

const SUFFIX = '.flv';

export const httpFlvModule: ServerModule = { name: 'http-flv', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const http = new HttpFlvPlay(context);
  const ws = new WsFlvPlay(context);
  context.http.route({
    name: 'http-flv',
    accepts: (method, path) =>
      (method === 'GET' || method === 'HEAD') && path.endsWith(SUFFIX) && !path.startsWith('/vod/'),
    handle: (request) => http.handle(request),
  });
  context.http.upgrade({
    name: 'ws-flv',
    accepts: (path) => path.endsWith(SUFFIX),
    handle: (request) => ws.handle(request),
  });
  addEndpoints(context);
  return {
    reload: () => [],
    stop: async () => {
      http.close();
      ws.close();
    },
  };
}

function addEndpoints(context: ModuleContext): void {
  const { nat } = context.configuration().server;
  const { port, tlsPort } = context.http;
  const common = { direction: 'play', suffix: SUFFIX } as const;
  if (port >= 0) {
    context.endpoints.add({
      ...common,
      type: 'http-flv',
      scheme: 'http',
      port,
      defaultPort: 80,
      publicAddress: nat.http,
    });
    context.endpoints.add({
      ...common,
      type: 'ws-flv',
      scheme: 'ws',
      port,
      defaultPort: 80,
      publicAddress: nat.http,
    });
  }
  if (tlsPort >= 0) {
    context.endpoints.add({
      ...common,
      type: 'https-flv',
      scheme: 'https',
      port: tlsPort,
      defaultPort: 443,
      publicAddress: nat.https,
    });
    context.endpoints.add({
      ...common,
      type: 'wss-flv',
      scheme: 'wss',
      port: tlsPort,
      defaultPort: 443,
      publicAddress: nat.https,
    });
  }
}
