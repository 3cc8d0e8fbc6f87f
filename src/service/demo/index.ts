/**
 * Registers the test channel under the name of the configuration (`live/demo`): an embedded FLV clip played in a loop
 * while somebody watches. It costs nothing otherwise: neither the clip is unpacked nor a timer runs.
 */
import { type StreamKey, streamKeyOf } from '../../media/stream-key.ts';
import { FileChannel } from '../../media-file/file-channel.ts';
import { FileSupply } from '../../media-file/file-supply.ts';
import { openClip } from '../../media-file/memory-clip.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { InvariantError } from '../../util/errors.ts';

export const demoModule: ServerModule = { name: 'demo', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  let key: StreamKey | null = null;
  let source: FileChannel | null = null;
  const remove = () => {
    source?.stop();
    if (key !== null) context.hub.unregisterOnDemand(key);
    key = null;
  };
  const apply = () => {
    const { demo } = context.configuration().server;
    if (key !== null && demo.enable && key.text === demo.name) return;
    remove();
    if (!demo.enable) return;
    key = streamKeyOf(demo.name);
    source = makeSource(context);
    context.hub.registerOnDemand(key, source);
  };
  apply();
  return {
    reload: () => {
      apply();
      return [];
    },
    stop: async () => remove(),
  };
}

function makeSource(context: ModuleContext): FileChannel {
  const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const clip = {
    name: 'demo/clip.flv',
    open: async () => {
      const bytes = context.readAsset('demo/clip.flv');
      if (bytes === null) throw new InvariantError('the test clip is missing from the executable');
      return openClip(bytes);
    },
  };
  return new FileChannel({
    hub: context.hub,
    clock: context.clock,
    description: 'built-in test channel',
    owner: { id: 'demo', protocol: 'demo', remote: 'built in' },
    open: () =>
      new FileSupply({
        name: clip.name,
        list: async () => [clip],
        loop: true,
        onSkipped: (_name, error) => context.onFault(error),
        pause: () => wait(1000),
      }),
    onEnd: () => undefined,
    onFault: context.onFault,
    wait,
  });
}
