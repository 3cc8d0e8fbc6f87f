/** The files that HLS and DASH lists name. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { CmafFiles } from './cmaf-files.ts';

export const cmafModule: ServerModule = { name: 'cmaf', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const files = new CmafFiles(context);
  context.http.route({
    name: 'cmaf',
    accepts: (method, path) => files.accepts(method, path),
    handle: (request) => files.handle(request),
  });
  return { reload: () => [], stop: async () => undefined };
}
