/** Pulled streams: started with the server or by viewers, kept in step with the policy at every reload. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { PullApi } from './pull-api.ts';
import { PullService } from './pull-service.ts';

export const pullModule: ServerModule = { name: 'pull', start };

/** Behind all that listens to streams, and before the API, which has the rest of /api/. */
async function start(context: ModuleContext): Promise<RunningModule> {
  const service = new PullService(context);
  const api = new PullApi(context, service);
  context.http.route({
    name: 'pulls',
    accepts: (method, path) => api.accepts(method, path),
    handle: (request) => api.handle(request),
  });
  service.apply();
  return {
    reload: () => {
      service.apply();
      return [];
    },
    stop: async () => service.close(),
  };
}
