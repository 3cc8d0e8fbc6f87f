/** RTMP and RTMPS: publish, play, and forwarding to other servers. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { rtmpPorts } from './rtmp-config.ts';
import { RtmpForward } from './rtmp-forward.ts';
import { RtmpServer } from './rtmp-server.ts';

export const rtmpModule: ServerModule = { name: 'rtmp', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { rtmp, nat } = context.configuration().server;
  const server = new RtmpServer(context);
  const common = { direction: 'both', suffix: '' } as const;
  try {
    const ports = rtmpPorts(rtmp);
    if (rtmp.enable && ports.port >= 0) {
      const port = await server.listen('rtmp', rtmp.ip, ports.port, false);
      context.endpoints.add({
        ...common,
        type: 'rtmp',
        scheme: 'rtmp',
        port,
        defaultPort: 1935,
        publicAddress: nat.rtmp,
      });
    }
    if (rtmp.enable && ports.sport >= 0) {
      const port = await server.listen('rtmps', rtmp.ip, ports.sport, true);
      context.endpoints.add({
        ...common,
        type: 'rtmps',
        scheme: 'rtmps',
        port,
        defaultPort: 443,
        publicAddress: nat.rtmps,
      });
    }
  } catch (error) {
    await server.close();
    throw error;
  }
  context.targets.register('rtmp', (request) => new RtmpForward(context, request));
  context.targets.register('rtmps', (request) => new RtmpForward(context, request));
  return {
    reload: () => [],
    stop: () => server.close(),
    destroy: () => server.destroyConnections(),
  };
}
