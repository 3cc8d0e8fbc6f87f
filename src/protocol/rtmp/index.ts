/** RTMP and RTMPS: publish, play, and forwarding to other servers. */
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { rtmpPorts } from './rtmp-config.ts';
import { RtmpForward } from './rtmp-forward.ts';
import { RtmpServer } from './rtmp-server.ts';

export const rtmpModule: ServerModule = { name: 'rtmp', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { rtmp, nat } = context.configuration().server;
  const server = new RtmpServer(context);
  const ports = rtmpPorts(rtmp);
  try {
    if (rtmp.enable)
      await server.connections.listen(rtmp.ip, [
        { scheme: 'rtmp', port: ports.port, secure: false, defaultPort: 1935, publicAddress: nat.rtmp },
        { scheme: 'rtmps', port: ports.sport, secure: true, defaultPort: 443, publicAddress: nat.rtmps },
      ]);
  } catch (error) {
    await server.close();
    throw error;
  }
  context.targets.register('rtmp', (request) => new RtmpForward(context, request));
  context.targets.register('rtmps', (request) => new RtmpForward(context, request));
  return {
    reload: () => [],
    stop: () => server.close(),
    destroy: () => server.connections.destroyConnections(),
  };
}
