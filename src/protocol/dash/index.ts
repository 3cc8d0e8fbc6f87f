/** MPEG-DASH: manifests over the shared HTTP server. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { DashServer } from './dash-server.ts';

export const dashModule: ServerModule = { name: 'dash', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const server = new DashServer(context);
  context.http.route({
    name: 'dash',
    accepts: (method, path) => server.accepts(method, path),
    handle: (request) => server.handle(request),
  });
  const { nat } = context.configuration().server;
  const { port, tlsPort } = context.http;
  for (const [kind, suffix] of [
    ['dash', '.mpd'],
    ['ll-dash', '.ll.mpd'],
  ] as const) {
    const common = { direction: 'play', suffix } as const;
    if (port >= 0)
      context.endpoints.add({
        ...common,
        type: `http-${kind}`,
        scheme: 'http',
        port,
        defaultPort: 80,
        publicAddress: nat.http,
      });
    if (tlsPort >= 0)
      context.endpoints.add({
        ...common,
        type: `https-${kind}`,
        scheme: 'https',
        port: tlsPort,
        defaultPort: 443,
        publicAddress: nat.https,
      });
  }
  return { reload: () => [], stop: async () => undefined };
}
