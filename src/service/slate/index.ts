/** Slates: what viewers see while no publisher sends. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { SlateService } from './slate-service.ts';

export const slateModule: ServerModule = { name: 'slate', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const service = new SlateService(context);
  return {
    // The policy is asked each time.
    reload: () => [],
    stop: async () => service.close(),
  };
}
