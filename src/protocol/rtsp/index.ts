/** RTSP and RTSPS: publish and play over TCP, UDP, multicast and HTTP tunnels. */
import { rtspTarget } from '../../client/rtsp/rtsp-forward.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { rtspPorts } from './rtsp-config.ts';
import { RtspServer } from './rtsp-server.ts';

export const rtspModule: ServerModule = { name: 'rtsp', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const { rtsp, nat } = context.configuration().server;
  const server = new RtspServer(context);
  const ports = rtspPorts(rtsp);
  try {
    if (rtsp.enable)
      await server.connections.listen(rtsp.ip, [
        { scheme: 'rtsp', port: ports.port, secure: false, defaultPort: 554, publicAddress: nat.rtsp },
        { scheme: 'rtsps', port: ports.sport, secure: true, defaultPort: 322, publicAddress: nat.rtsps },
      ]);
  } catch (error) {
    await server.close();
    throw error;
  }
  for (const scheme of ['rtsp', 'rtsps']) context.targets.register(scheme, rtspTarget(context));
  return {
    reload: () => [],
    stop: () => server.close(),
    destroy: () => server.connections.destroyConnections(),
  };
}
