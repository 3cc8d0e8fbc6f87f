/** Registers the test channel under the name of the configuration (`live/demo`). */
import { makeStreamKey, type StreamKey } from '../../media/stream-key.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { InvariantError } from '../../util/errors.ts';
import { DemoSource } from './demo-source.ts';

const PERIOD_MS = 20;

export const demoModule: ServerModule = { name: 'demo', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  let key: StreamKey | null = null;
  let source: DemoSource | null = null;
  const loadClip = () => {
    const clip = context.readAsset('demo/clip.flv');
    if (clip === null) throw new InvariantError('the test clip is missing from the executable');
    return clip;
  };
  const schedule = (run: () => void) => {
    const timer = setInterval(run, PERIOD_MS);
    return () => clearInterval(timer);
  };
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
    const slash = demo.name.lastIndexOf('/');
    key = makeStreamKey(demo.name.slice(0, slash), demo.name.slice(slash + 1));
    source = new DemoSource(context.hub, context.clock, loadClip, schedule);
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
