/** SRT: publish and play, and forwards to other servers. */
import { srtTarget } from '../../client/srt/srt-forward.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { SrtServer } from './srt-server.ts';

export const srtModule: ServerModule = { name: 'srt', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { srt, nat } = context.configuration().server;
  const server = new SrtServer(context);
  const hosts = srt.ip.length === 0 ? [''] : srt.ip;
  try {
    if (srt.enable && srt.port >= 0) {
      let port = srt.port;
      for (const host of hosts) port = await server.listen(host, port, null);
      for (const [direction, word] of [
        ['publish', 'publish'],
        ['play', 'read'],
      ] as const) {
        context.endpoints.add({
          type: 'srt',
          direction,
          scheme: 'srt',
          port,
          defaultPort: 0,
          prefix: `?streamid=${word}:`,
          suffix: '',
          publicAddress: nat.srt,
        });
      }
    }
    for (const bound of srt.enable ? srt.listen : []) {
      let { port } = bound;
      for (const host of bound.host === '' ? hosts : [bound.host])
        port = await server.listen(host, port, bound);
      context.log.info('srt.listening', { port, stream: bound.stream, mode: bound.role });
      // A port of one stream is an address of that stream alone.
      if (bound.role === 'play') continue;
      context.endpoints.add({
        type: 'srt',
        direction: 'publish',
        scheme: 'srt',
        port,
        defaultPort: 0,
        suffix: '',
        publicAddress: '',
        path: '',
      });
    }
  } catch (error) {
    server.close();
    throw error;
  }
  context.targets.register('srt', srtTarget(context));
  return {
    reload: () => [],
    stop: async () => server.close(),
  };
}
