/** The built-in pages: html/ at `/`. Registered last, so that every other route comes first. */
import { existsSync } from 'node:fs';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { StaticFiles } from './static-files.ts';

export const consoleModule: ServerModule = { name: 'console', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const folder = context.pathBeside(context.configuration().server.http.root);
  const files = new StaticFiles(existsSync(folder) ? folder : '', context.readAsset);
  context.http.route({
    name: 'console',
    accepts: (method) => method === 'GET' || method === 'HEAD',
    handle: (request) => files.handle(request),
  });
  return { reload: () => [], stop: async () => undefined };
}
