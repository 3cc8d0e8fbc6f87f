/** RTSP and RTSPS: publish and play over TCP, UDP, multicast and HTTP tunnels. */
import { rtspTarget } from '../../client/rtsp/rtsp-forward.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { rtspPorts } from './rtsp-config.ts';
import { RtspServer } from './rtsp-server.ts';

export const rtspModule: ServerModule = { name: 'rtsp', start };

/** What players take where an address tells no port (IANA). */
const DEFAULT_PORTS = { rtsp: 554, rtsps: 322 } as const;

async function start(context: ModuleContext): Promise<RunningModule> {
  const { rtsp, nat } = context.configuration().server;
  const server = new RtspServer(context);
  const ports = rtspPorts(rtsp);
  const open = async (scheme: 'rtsp' | 'rtsps', port: number) => {
    if (!rtsp.enable || port < 0) return;
    context.endpoints.add({
      type: scheme,
      direction: 'both',
      scheme,
      port: await server.listen(scheme, rtsp.ip, port, scheme === 'rtsps'),
      defaultPort: DEFAULT_PORTS[scheme],
      suffix: '',
      publicAddress: nat[scheme],
    });
  };
  try {
    await open('rtsp', ports.port);
    await open('rtsps', ports.sport);
  } catch (error) {
    await server.close();
    throw error;
  }
  for (const scheme of ['rtsp', 'rtsps']) context.targets.register(scheme, rtspTarget(context));
  return {
    reload: () => [],
    stop: () => server.close(),
    destroy: () => server.destroyConnections(),
  };
}
