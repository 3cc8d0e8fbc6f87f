/** Pictures in another codec, by the machine's ffmpeg. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { TranscodeService } from './transcode-service.ts';

export const transcodeModule: ServerModule = { name: 'transcode', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const service = new TranscodeService(context);
  context.videoConversions.offer(service);
  return {
    // Settings are asked each time.
    reload: () => [],
    stop: async () => {
      context.videoConversions.offer(null);
      await service.close();
    },
  };
}
