/** HLS: playlists and segments over the shared HTTP server. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { HlsServer } from './hls-server.ts';

export const hlsModule: ServerModule = { name: 'hls', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const server = new HlsServer(context);
  context.http.route({
    name: 'hls',
    accepts: (method, path) => server.accepts(method, path),
    handle: (request) => server.handle(request),
  });
  context.hub.addListener({
    onPublish: (stream, owner) => server.onPublish(stream.key, owner.host),
    onUnpublish: () => undefined,
    onClosed: () => undefined,
  });
  const { nat } = context.configuration().server;
  const { port, tlsPort } = context.http;
  const common = { direction: 'play', suffix: '.m3u8' } as const;
  const lowLatency = { direction: 'play', suffix: '.ll.m3u8' } as const;
  if (port >= 0) {
    context.endpoints.add({
      ...common,
      type: 'http-hls',
      scheme: 'http',
      port,
      defaultPort: 80,
      publicAddress: nat.http,
    });
    context.endpoints.add({
      ...lowLatency,
      type: 'http-ll-hls',
      scheme: 'http',
      port,
      defaultPort: 80,
      publicAddress: nat.http,
    });
  }
  if (tlsPort >= 0) {
    context.endpoints.add({
      ...common,
      type: 'https-hls',
      scheme: 'https',
      port: tlsPort,
      defaultPort: 443,
      publicAddress: nat.https,
    });
    context.endpoints.add({
      ...lowLatency,
      type: 'https-ll-hls',
      scheme: 'https',
      port: tlsPort,
      defaultPort: 443,
      publicAddress: nat.https,
    });
  }
  return { reload: () => [], stop: async () => undefined };
}
