/** Video on demand: files in a folder beside the executable, by HTTP. RTMP plays them by itself. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { VodServer } from './vod-server.ts';

export const vodModule: ServerModule = { name: 'vod', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const server = new VodServer(context);
  await server.open();
  context.http.route({
    name: 'vod',
    accepts: (method, path) => server.accepts(method, path),
    handle: (request) => server.handle(request),
  });
  return { reload: () => [], stop: () => server.close() };
}
